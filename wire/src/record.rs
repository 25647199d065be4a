//! A stored record: what the parent keeps of a key. It never changes after import.

use crate::cbor::{Item, context_list};
use crate::context;
use crate::id::{GroupId, KeyId};
use minicbor::{Decode, Encode};

/// The signed statement in clear, and two sealed parts.
///
/// A sealed part is 24 random bytes and the XAES-256-GCM ciphertext, its additional data the same list as its key's info.
/// Keys: `HKDF(group key, info)` for control, `HKDF(group key || release secrets, info)` for material.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StoredRecord {
    /// COSE_Sign1 by the owner over the encoded [`crate::import::Statement`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub statement: Vec<u8>,
    /// Sealed [`crate::import::Control`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub control: Vec<u8>,
    /// Sealed [`crate::import::Material`].
    #[cbor(n(2), with = "minicbor::bytes")]
    pub material: Vec<u8>,
}

/// Which part of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Opens with the group key.
    Control,
    /// Opens with the group key and the release secrets.
    Material,
}

/// HKDF info and additional data of one part.
pub fn part_info(part: Part, group: &GroupId, key: &KeyId, with_release: bool) -> Vec<u8> {
    let name = match part {
        Part::Control => "control",
        Part::Material => "material",
    };
    context_list(
        context::RECORD,
        &[
            Item::Text(name),
            Item::Bytes(&group.0),
            Item::Bytes(&key.0),
            Item::Bool(with_release),
        ],
    )
}
