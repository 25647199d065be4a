//! The anchors of trust, and the vendor's statement as the enclave reads it.

use crate::crypto::signature::verify_sign1;
use crate::io::Trust;
use cofferdam_attestation::Root;
use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::vendor::VendorStatement;
use cofferdam_wire::{Code, cbor, context, limits};

/// Constants of the binary's `main`. The only producer takes them from a type (T-81).
pub(crate) struct Anchors {
    /// Root of all Evidence.
    pub(crate) root: Root,
    vendor: PublicKey,
}

impl Anchors {
    /// Those of a binary.
    pub(crate) fn of<T: Trust>() -> Option<Self> {
        Some(Self {
            root: Root::from_der(T::ATTESTATION_ROOT).ok()?,
            vendor: T::VENDOR,
        })
    }

    /// Verifies a vendor statement that is current at `now_s`.
    pub(crate) fn statement(&self, signed: &[u8], now_s: u64) -> Result<VendorStatement, Code> {
        let signed = CoseSign1::from_bytes(signed, limits::VENDOR_STATEMENT)?;
        if !verify_sign1(&self.vendor, context::VENDOR_STATEMENT, &signed) {
            return Err(Code::BadSignature);
        }
        let statement: VendorStatement = cbor::decode(&signed.payload, limits::VENDOR_STATEMENT)?;
        let lifetime_s = statement.not_after_s.saturating_sub(statement.issued_s);
        let age_s = now_s.saturating_sub(statement.issued_s);
        let is_current = statement.version == 1
            && age_s <= limits::VENDOR_STATEMENT_MAX_AGE_S
            && statement.issued_s <= now_s.saturating_add(limits::CREATED_SKEW_S)
            && now_s <= statement.not_after_s
            && lifetime_s <= limits::VENDOR_STATEMENT_LIFETIME_S;
        if is_current {
            Ok(statement)
        } else {
            Err(Code::EvidenceRefused)
        }
    }
}
