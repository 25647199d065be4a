//! A validator's answer: whether a provider key is in use at its provider, for whoever asks with a fresh nonce.
//!
//! The provider answers for its own keys at `GET /v1/validator/{key-id}?nonce=`; anybody else may answer the same way.
//! An answer means what its signer is believed for: a customer pins the validator's key in its trust file, and PRF-25
//! asks for it *beside* everything else of the proof, never instead.

use crate::id::{Nonce, RecipientId};
use minicbor::{Decode, Encode};

/// What a validator says of a provider key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum KeyStatus {
    /// Imports are taken under it.
    #[n(1)]
    Current,
    /// It was in use and is no longer.
    #[n(2)]
    Retired,
    /// Never heard of.
    #[n(3)]
    Unknown,
}

impl std::fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            KeyStatus::Current => "current",
            KeyStatus::Retired => "retired",
            KeyStatus::Unknown => "unknown",
        })
    }
}

/// Payload of the COSE_Sign1 by the validator's key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ValidatorAnswer {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// The asker's, so an answer is never an old one.
    #[n(1)]
    pub nonce: Nonce,
    /// The provider key asked about.
    #[n(2)]
    pub key: RecipientId,
    /// What the validator says of it.
    #[n(3)]
    pub status: KeyStatus,
    /// Unix seconds.
    #[n(4)]
    pub issued_s: u64,
    /// Seconds from `issued_s` on, at most an hour.
    #[n(5)]
    pub valid_for_s: u64,
}
