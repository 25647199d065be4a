//! One entry: its encoding, its signature, its place in the chain.
//!
//! A line is the base64 of a COSE_Sign1 (context `audit-entry`) over the entry. `previous` is the SHA-256 of the
//! COSE_Sign1 before, zeros in the first.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam::crypto::signing::{SigningKey, verify_sign1};
use cofferdam_wire::cbor;
use cofferdam_wire::context;
use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::id::{Digest, sha256};
use minicbor::{Decode, Encode};

use crate::registration::Registration;

/// Most bytes of a line: an entry is about 300 bytes before base64.
pub(super) const MAX_LINE: usize = 1024;

/// `previous` of the first entry.
pub(super) const START: Digest = Digest([0; 32]);

/// Who or what made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Cause {
    /// A registrar registered.
    #[n(1)]
    Register,
    /// A registrar activated.
    #[n(2)]
    Activate,
    /// An admin suspended.
    #[n(3)]
    Suspend,
    /// An admin resumed.
    #[n(4)]
    Resume,
    /// An admin revoked.
    #[n(5)]
    Revoke,
    /// An admin raised the grant epoch.
    #[n(6)]
    GrantEpoch,
    /// The service noted that 48 h were over.
    #[n(7)]
    Expire,
    /// An admin replayed the log.
    #[n(8)]
    Replay,
}

impl Cause {
    /// The name in JSON.
    pub fn slug(self) -> &'static str {
        match self {
            Cause::Register => "register",
            Cause::Activate => "activate",
            Cause::Suspend => "suspend",
            Cause::Resume => "resume",
            Cause::Revoke => "revoke",
            Cause::GrantEpoch => "grant-epoch",
            Cause::Expire => "expire",
            Cause::Replay => "replay",
        }
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// Counts from 1.
    #[n(1)]
    pub number: u64,
    /// SHA-256 of the COSE_Sign1 before.
    #[n(2)]
    pub previous: Digest,
    /// Why.
    #[n(3)]
    pub cause: Cause,
    /// The registration after the change.
    #[n(4)]
    pub registration: Registration,
}

impl Entry {
    /// Signs it: the line without its end, and the hash that the next one names.
    pub(super) fn to_line(&self, key: &SigningKey) -> (String, Digest) {
        let signed = key
            .sign1(context::AUDIT_ENTRY, cbor::encode(self))
            .to_bytes();
        (STANDARD.encode(&signed), sha256(&signed))
    }

    /// Reads a line and checks signature, number and predecessor; the error says what is wrong.
    pub(super) fn from_line(
        line: &[u8],
        key: &PublicKey,
        number: u64,
        previous: &Digest,
    ) -> Result<(Self, Digest), &'static str> {
        let bytes = STANDARD.decode(line).map_err(|_| "is not base64")?;
        let signed =
            CoseSign1::from_bytes(&bytes, MAX_LINE).map_err(|_| "is not a signed entry")?;
        let payload = verify_sign1(key, context::AUDIT_ENTRY, &signed)
            .map_err(|_| "is not signed by the audit key")?;
        let entry: Entry = cbor::decode(payload, MAX_LINE).map_err(|_| "is not an entry")?;
        if entry.version != 1 {
            return Err("is of another version");
        }
        if entry.number != number || entry.previous != *previous {
            return Err("does not follow the entry before it");
        }
        Ok((entry, sha256(&bytes)))
    }
}
