//! Operations and their outcomes.

use crate::id::KeyId;
use crate::import::{LeaseTerms, UsagePolicy};
use crate::kind::{Action, Algorithm, HashAlgorithm};
use minicbor::{Decode, Encode};

/// What is signed or verified.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Input {
    /// A message; the enclave hashes it as the algorithm says.
    #[n(1)]
    Message(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// The digest of a message, as long as the algorithm's hash; not for Ed25519.
    #[n(2)]
    Digest(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Operation {
    /// Signature; ECDSA as r || s.
    #[n(1)]
    Sign {
        /// Key.
        #[n(0)]
        key: KeyId,
        /// Algorithm.
        #[n(1)]
        algorithm: Algorithm,
        /// Message or digest.
        #[n(2)]
        input: Input,
    },
    /// Verdict over a signature.
    #[n(2)]
    Verify {
        /// Key.
        #[n(0)]
        key: KeyId,
        /// Algorithm.
        #[n(1)]
        algorithm: Algorithm,
        /// Message or digest.
        #[n(2)]
        input: Input,
        /// Signature.
        #[cbor(n(3), with = "minicbor::bytes")]
        signature: Vec<u8>,
    },
    /// Ciphertext.
    #[n(3)]
    Encrypt {
        /// Key.
        #[n(0)]
        key: KeyId,
        /// Algorithm.
        #[n(1)]
        algorithm: Algorithm,
        /// Additional data (AEAD) or label (OAEP).
        #[cbor(n(2), with = "minicbor::bytes")]
        aad: Vec<u8>,
        /// Plaintext.
        #[cbor(n(3), with = "minicbor::bytes")]
        data: Vec<u8>,
    },
    /// Plaintext.
    #[n(4)]
    Decrypt {
        /// Key.
        #[n(0)]
        key: KeyId,
        /// Algorithm.
        #[n(1)]
        algorithm: Algorithm,
        /// Additional data (AEAD) or label (OAEP).
        #[cbor(n(2), with = "minicbor::bytes")]
        aad: Vec<u8>,
        /// Ciphertext.
        #[cbor(n(3), with = "minicbor::bytes")]
        data: Vec<u8>,
    },
    /// Authentication tag.
    #[n(5)]
    Mac {
        /// Key.
        #[n(0)]
        key: KeyId,
        /// Algorithm.
        #[n(1)]
        algorithm: Algorithm,
        /// Message.
        #[cbor(n(2), with = "minicbor::bytes")]
        data: Vec<u8>,
    },
    /// Verdict over a tag.
    #[n(6)]
    VerifyMac {
        /// Key.
        #[n(0)]
        key: KeyId,
        /// Algorithm.
        #[n(1)]
        algorithm: Algorithm,
        /// Message.
        #[cbor(n(2), with = "minicbor::bytes")]
        data: Vec<u8>,
        /// Tag.
        #[cbor(n(3), with = "minicbor::bytes")]
        tag: Vec<u8>,
    },
    /// COSE_Key of the public half.
    #[n(7)]
    PublicKey {
        /// Key.
        #[n(0)]
        key: KeyId,
    },
    /// Kind, policy and lease.
    #[n(8)]
    Describe {
        /// Key.
        #[n(0)]
        key: KeyId,
    },
    /// Erases the key here.
    #[n(9)]
    Destroy {
        /// Key.
        #[n(0)]
        key: KeyId,
    },
    /// Digest; needs a grant and no key.
    #[n(10)]
    Hash {
        /// Hash function.
        #[n(0)]
        algorithm: HashAlgorithm,
        /// Message.
        #[cbor(n(1), with = "minicbor::bytes")]
        data: Vec<u8>,
    },
    /// Random bytes; needs a grant and no key.
    #[n(11)]
    Random {
        /// How many, at most 4,096.
        #[n(0)]
        count: u16,
    },
}

impl Operation {
    /// The key it needs, if any.
    pub fn key(&self) -> Option<KeyId> {
        match self {
            Operation::Sign { key, .. }
            | Operation::Verify { key, .. }
            | Operation::Encrypt { key, .. }
            | Operation::Decrypt { key, .. }
            | Operation::Mac { key, .. }
            | Operation::VerifyMac { key, .. }
            | Operation::PublicKey { key }
            | Operation::Describe { key }
            | Operation::Destroy { key } => Some(*key),
            Operation::Hash { .. } | Operation::Random { .. } => None,
        }
    }

    /// What a grant must allow for it.
    pub fn action(&self) -> Action {
        match self {
            Operation::Sign { .. } => Action::Sign,
            Operation::Verify { .. } | Operation::VerifyMac { .. } => Action::Verify,
            Operation::Encrypt { .. } => Action::Encrypt,
            Operation::Decrypt { .. } => Action::Decrypt,
            Operation::Mac { .. } => Action::Mac,
            Operation::PublicKey { .. } => Action::PublicKey,
            Operation::Describe { .. } => Action::Describe,
            Operation::Destroy { .. } => Action::Destroy,
            Operation::Hash { .. } => Action::Hash,
            Operation::Random { .. } => Action::Random,
        }
    }
}

/// What an operation gave.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Outcome {
    /// Signature, ciphertext, plaintext, tag, public key, digest or random bytes.
    #[n(1)]
    Bytes(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Whether a signature or tag verified.
    #[n(2)]
    Verdict(#[n(0)] bool),
    /// Answer to describe.
    #[n(3)]
    Description(#[n(0)] Description),
    /// Answer to destroy: whether the destruction can no longer be undone by an old disk.
    #[n(4)]
    Destroyed(#[n(0)] bool),
}

/// What describe says of a key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Description {
    /// Kind, class and algorithms.
    #[n(0)]
    pub policy: UsagePolicy,
    /// State of the lease.
    #[n(1)]
    pub state: LeaseState,
    /// `None` says "revocable: no".
    #[n(2)]
    pub lease: Option<LeaseTerms>,
    /// Hard end, Unix seconds.
    #[n(3)]
    pub hard_end_s: Option<u64>,
    /// For people.
    #[n(4)]
    pub label: String,
}

/// State of a key's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum LeaseState {
    /// No answer since start, restore, join or reload.
    #[n(1)]
    Unverified,
    /// Confirmed; the material is open.
    #[n(2)]
    Active,
    /// Not confirmed in time.
    #[n(3)]
    Expired,
    /// The service says so; may return.
    #[n(4)]
    Suspended,
    /// For ever.
    #[n(5)]
    Revoked,
}
