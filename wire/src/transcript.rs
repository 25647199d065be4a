//! The proof that a customer verifies before wrapping, its transcript hash T, and the possession challenges.

use crate::cbor::{Item, context_list, encode};
use crate::context;
use crate::id::{Digest, Nonce, RecipientId, hash, sha256};
use crate::kind::Suite;
use crate::layer::recipient_id;
use minicbor::{Decode, Encode};

/// A public key of the provider.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ProviderKey {
    /// Suite that seals to it.
    #[n(0)]
    pub suite: Suite,
    /// X-Wing: 1,216 raw bytes. RSA: COSE_Key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub public: Vec<u8>,
}

impl ProviderKey {
    /// Names this key in layers, headers and the vendor's table.
    pub fn id(&self) -> RecipientId {
        recipient_id(self.suite, &self.public)
    }
}

/// What the enclave gives for a nonce.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct EnclaveProof {
    /// Encoded [`crate::binding::Binding`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub binding: Vec<u8>,
    /// Attestation document over it with the caller's nonce.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub evidence: Vec<u8>,
    /// Encoded [`crate::group::GenesisRecord`].
    #[cbor(n(2), with = "minicbor::bytes")]
    pub genesis: Vec<u8>,
}

/// Body of `GET /v1/evidence?nonce=`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Proof {
    /// The enclave's part.
    #[n(0)]
    pub enclave: EnclaveProof,
    /// The provider's keys, one for each suite at least.
    #[n(1)]
    pub provider_keys: Vec<ProviderKey>,
    /// The stapled vendor statement (COSE_Sign1).
    #[cbor(n(2), with = "minicbor::bytes")]
    pub vendor_statement: Vec<u8>,
}

impl Proof {
    /// T: `H(nonce, Binding, Evidence, vendor statement, provider keys, TLS key or null)`.
    pub fn transcript(&self, nonce: &Nonce, tls_key: Option<&[u8]>) -> Digest {
        hash(
            context::TRANSCRIPT,
            &[
                Item::Bytes(&nonce.0),
                Item::Bytes(&self.enclave.binding),
                Item::Bytes(&self.enclave.evidence),
                Item::Bytes(&self.vendor_statement),
                Item::Bytes(&encode(&self.provider_keys)),
                tls_key.map_or(Item::Null, Item::Bytes),
            ],
        )
    }
}

/// Plaintext of a challenge. The challenge itself is a [`crate::layer::Layer`] with info
/// `layer::info(CHALLENGE, recipient id)` and empty additional data.
#[derive(Encode, Decode)]
pub struct ChallengePlain<'a> {
    /// 32 random bytes.
    #[cbor(b(0), with = "minicbor::bytes")]
    pub secret: &'a [u8],
    /// T, 32 bytes.
    #[cbor(b(1), with = "minicbor::bytes")]
    pub transcript: &'a [u8],
}

/// Input of the reply: `HMAC-SHA-256(secret, this)`. Never the opened bytes (T-65).
pub fn challenge_reply_input(
    transcript: &[u8],
    recipient: &RecipientId,
    challenge: &[u8],
) -> Vec<u8> {
    context_list(
        context::CHALLENGE_REPLY,
        &[
            Item::Bytes(transcript),
            Item::Bytes(&recipient.0),
            Item::Bytes(&sha256(challenge).0),
        ],
    )
}
