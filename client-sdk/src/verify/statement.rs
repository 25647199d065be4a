//! The vendor's statement: signed by the pinned vendor and current (PRF-8, PRF-9).

use cofferdam_wire::context;
use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::vendor::VendorStatement;
use cofferdam_wire::{cbor, limits};

use super::error::ProofError;
use crate::crypto::signing::verify_sign1;

/// Verifies a statement as of `at_s`; it must have been issued at most `max_age_s` before.
pub fn verify_statement(
    bytes: &[u8],
    vendor: &PublicKey,
    at_s: u64,
    max_age_s: u64,
) -> Result<VendorStatement, ProofError> {
    let malformed = |_| ProofError::Malformed("vendor statement");
    let signed = CoseSign1::from_bytes(bytes, limits::VENDOR_STATEMENT).map_err(malformed)?;
    let payload = verify_sign1(vendor, context::VENDOR_STATEMENT, &signed)
        .map_err(|_| ProofError::VendorSignature)?;
    let statement: VendorStatement =
        cbor::decode(payload, limits::VENDOR_STATEMENT).map_err(malformed)?;
    let lifetime_s = statement.not_after_s.saturating_sub(statement.issued_s);
    let rules = [
        (statement.version == 1, "its version is not 1"),
        (
            statement.issued_s <= at_s.saturating_add(limits::CREATED_SKEW_S),
            "it was issued in the future",
        ),
        (at_s < statement.not_after_s, "its time is over"),
        (
            lifetime_s <= limits::VENDOR_STATEMENT_LIFETIME_S,
            "it is valid for more than 90 days",
        ),
        (
            at_s.saturating_sub(statement.issued_s) <= max_age_s,
            "it was issued too long ago; the provider must staple a newer one",
        ),
    ];
    match rules.iter().find(|(holds, _)| !holds) {
        Some((_, rule)) => Err(ProofError::VendorStale(rule)),
        None => Ok(statement),
    }
}
