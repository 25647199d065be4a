//! The Binding: everything about an instance that its Evidence vouches for, by hash.
//!
//! Evidence carries `user_data = SHA-384([context, Binding])`, `public_key` = the instance key as Ed25519 SPKI and the
//! caller's `nonce`. Whoever verifies Evidence recomputes the hash; it is used nowhere else.

use crate::cbor::Item;
use crate::context;
use crate::cose::PublicKey;
use crate::id::{Digest, GroupId, RecipientId, hash, user_data_hash};
use crate::kind::{EscrowMode, Suite};
use crate::layer::recipient_id;
use minicbor::{Decode, Encode};

/// Reference values of one image: PCR0 (image), PCR1 (kernel and boot), PCR2 (application).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub struct Measurement {
    /// PCR0, 48 bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub pcr0: [u8; 48],
    /// PCR1, 48 bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub pcr1: [u8; 48],
    /// PCR2, 48 bytes.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub pcr2: [u8; 48],
}

/// A public key that imports are sealed to.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TeeKey {
    /// Suite that seals to it.
    #[n(0)]
    pub suite: Suite,
    /// X-Wing: 1,216 raw bytes. RSA: COSE_Key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub public: Vec<u8>,
    /// Offered until then, Unix seconds.
    #[n(2)]
    pub not_after_s: u64,
    /// Epoch of the group that it belongs to.
    #[n(3)]
    pub epoch: u64,
}

impl TeeKey {
    /// Names this key in layers and headers.
    pub fn id(&self) -> RecipientId {
        recipient_id(self.suite, &self.public)
    }
}

/// The key that sessions are opened to.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SessionKey {
    /// X-Wing, 1,216 raw bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub public: Vec<u8>,
    /// Offered until then, Unix seconds.
    #[n(1)]
    pub not_after_s: u64,
}

impl SessionKey {
    /// Names this key in openings.
    pub fn id(&self) -> RecipientId {
        recipient_id(Suite::XWing, &self.public)
    }
}

/// Policy bounds of the image, possibly narrowed by the group, for new imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct PolicyBounds {
    /// Shortest interval, seconds.
    #[n(0)]
    pub interval_min_s: u32,
    /// Longest interval, seconds.
    #[n(1)]
    pub interval_max_s: u32,
    /// Longest grace, seconds.
    #[n(2)]
    pub grace_max_s: u32,
    /// Longest life of a key without R, seconds.
    #[n(3)]
    pub hard_end_max_s: u64,
}

impl PolicyBounds {
    /// What the image allows.
    pub const IMAGE: PolicyBounds = PolicyBounds {
        interval_min_s: crate::limits::INTERVAL_MIN_S,
        interval_max_s: crate::limits::INTERVAL_MAX_S,
        grace_max_s: crate::limits::GRACE_MAX_S,
        hard_end_max_s: crate::limits::HARD_END_MAX_S,
    };
}

/// What the Evidence of an instance vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Binding {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// The group it belongs to, or asks to be let into by recovery.
    #[n(1)]
    pub group: GroupId,
    /// Length of the command chain.
    #[n(2)]
    pub chain_sequence: u64,
    /// Head of the command chain.
    #[n(3)]
    pub chain_head: Digest,
    /// Epoch of the group.
    #[n(4)]
    pub epoch: u64,
    /// Every measurement admitted in this epoch, ascending.
    #[n(5)]
    pub measurements: Vec<Measurement>,
    /// How the group key is escrowed.
    #[n(6)]
    pub escrow: EscrowMode,
    /// Signs receipts and queries.
    #[n(7)]
    pub instance: PublicKey,
    /// X-Wing; receives shares, joins and status answers.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub setup: Vec<u8>,
    /// Receives session openings.
    #[n(9)]
    pub session: SessionKey,
    /// Receive imports; one for each suite at least.
    #[n(10)]
    pub tee: Vec<TeeKey>,
    /// Policy bounds in force.
    #[n(11)]
    pub bounds: PolicyBounds,
}

/// user_data of Evidence over an encoded Binding.
pub fn user_data(binding: &[u8]) -> [u8; 48] {
    user_data_hash(context::BINDING, binding)
}

/// Head of an empty command chain.
pub fn empty_chain(group: &GroupId) -> Digest {
    hash(context::CHAIN, &[Item::Bytes(&group.0)])
}

/// An Ed25519 public key as SubjectPublicKeyInfo (RFC 8410): public_key of Evidence.
pub fn instance_spki(public: &[u8; 32]) -> [u8; 44] {
    let mut spki = [0; 44];
    spki[..12].copy_from_slice(&[
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ]);
    spki[12..].copy_from_slice(public);
    spki
}
