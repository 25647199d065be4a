//! An owner's request to the parent, outside of any session: listing its keys.
//!
//! It admits to what the parent keeps, nothing in the enclave relies on it. It travels in the header
//! `cofferdam-owner` as unpadded base64url of a COSE_Sign1 by the owner key.

use crate::cose::PublicKey;
use minicbor::{Decode, Encode};

/// Payload of the COSE_Sign1 by the owner.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OwnerRequest {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// The path asked for, e.g. `/v1/keys`.
    #[n(1)]
    pub path: String,
    /// Unix seconds; the parent accepts 120 s to either side.
    #[n(2)]
    pub issued_s: u64,
    /// Who asks.
    #[n(3)]
    pub owner: PublicKey,
}
