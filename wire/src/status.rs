//! Status queries and answers between enclave and revocation service. Formulas: `docs/protocol/status.md`.

use crate::cbor::{Item, context_list};
use crate::context;
use crate::id::{Digest, GroupId, Handle, Nonce, RecipientId, Token, sha256};
use minicbor::bytes::ByteSlice;
use minicbor::{Decode, Encode};

/// What a certified key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum StatusPurpose {
    /// Signs answers; the key is a COSE_Key.
    #[n(1)]
    Answers,
    /// Receives queries; the key is 1,216 raw X-Wing bytes.
    #[n(2)]
    Queries,
}

/// Payload of the COSE_Sign1 by the status root.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StatusCertificate {
    /// What for.
    #[n(0)]
    pub purpose: StatusPurpose,
    /// The key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub key: Vec<u8>,
    /// Unix seconds.
    #[n(2)]
    pub not_before_s: u64,
    /// Unix seconds; at most 7 days after `not_before_s`.
    #[n(3)]
    pub not_after_s: u64,
}

/// Body of `GET /v1/status-keys` at a revocation service.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StatusKeys {
    /// COSE_Sign1 over a [`StatusCertificate`] for answers.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub answers: Vec<u8>,
    /// COSE_Sign1 over a [`StatusCertificate`] for queries.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub queries: Vec<u8>,
}

/// Payload of the COSE_Sign1 by the instance key. All keys in one query have the same owner and the same service (T-68).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StatusQuery {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// The group asking.
    #[n(1)]
    pub group: GroupId,
    /// Encoded Binding of the instance.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub binding: Vec<u8>,
    /// Evidence over it, at most an hour old.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub evidence: Vec<u8>,
    /// Encoded genesis record of the group.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub genesis: Vec<u8>,
    /// Used once.
    #[n(5)]
    pub nonce: Nonce,
    /// The service's HPKE key: a query re-sealed to another key names the wrong one (T-78).
    #[n(6)]
    pub service_key: RecipientId,
    /// HPKE encapsulation that this query is sealed with.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub enc: Vec<u8>,
    /// The keys asked about.
    #[n(8)]
    pub items: Vec<QueryItem>,
}

/// One key in a query.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct QueryItem {
    /// Names and authorises the question.
    #[n(0)]
    pub token: Token,
    /// Highest sequence seen for it; 0 if none.
    #[n(1)]
    pub last_sequence: u64,
    /// The material is closed and the release secret is needed.
    #[n(2)]
    pub wants_release: bool,
}

/// Body of `POST /v1/status` at a revocation service.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SealedQuery {
    /// The service's HPKE key.
    #[n(0)]
    pub service_key: RecipientId,
    /// HPKE encapsulation.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub enc: Vec<u8>,
    /// HPKE ciphertext of the COSE_Sign1, padded in steps of 8 KiB; info [`query_info`], empty additional data.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub ciphertext: Vec<u8>,
}

/// HPKE info of a query.
pub fn query_info(service_key: &RecipientId) -> Vec<u8> {
    context_list(context::QUERY_SEAL, &[Item::Bytes(&service_key.0)])
}

/// What a service says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// No statement: unknown or pending. The same for both.
    #[n(0)]
    None,
    /// May be used.
    #[n(1)]
    Good,
    /// May not be used now.
    #[n(2)]
    Suspended,
    /// May never be used again.
    #[n(3)]
    Revoked,
}

/// Reply of `POST /v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SealedAnswer {
    /// HPKE encapsulation to the setup key of the Binding in the query.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub enc: Vec<u8>,
    /// HPKE ciphertext of an encoded [`AnswerPlain`]; info [`answer_info`], empty additional data.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub ciphertext: Vec<u8>,
}

/// HPKE info of an answer: it names the sealed query.
pub fn answer_info(sealed_query: &[u8]) -> Vec<u8> {
    context_list(
        context::ANSWER_SEAL,
        &[Item::Bytes(&sha256(sealed_query).0)],
    )
}

/// Plaintext of an answer.
#[derive(Encode, Decode)]
pub struct AnswerPlain<'a> {
    /// COSE_Sign1 by the status root over a [`StatusCertificate`] for answers.
    #[cbor(b(0), with = "minicbor::bytes")]
    pub certificate: &'a [u8],
    /// COSE_Sign1 by the status key over an encoded [`StatusAnswer`].
    #[cbor(b(1), with = "minicbor::bytes")]
    pub answer: &'a [u8],
}

/// Payload of the COSE_Sign1 by the status key. Borrowed: it holds release secrets.
#[derive(Encode, Decode)]
pub struct StatusAnswer<'a> {
    /// SHA-256 of the sealed query.
    #[n(0)]
    pub query: Digest,
    /// Repeated from the query.
    #[n(1)]
    pub nonce: Nonce,
    /// The service's clock, Unix milliseconds.
    #[n(2)]
    pub issued_at_ms: u64,
    /// Caps interval and grace together, seconds.
    #[n(3)]
    pub valid_for_s: u32,
    /// As many as the query had, by position.
    #[b(4)]
    pub items: Vec<AnswerItem<'a>>,
}

/// What the service says of one key.
#[derive(Encode, Decode)]
pub struct AnswerItem<'a> {
    /// Status.
    #[n(0)]
    pub status: Status,
    /// Grows with every change of status; never falls.
    #[n(1)]
    pub sequence: u64,
    /// Release secret, 32 bytes, when asked for and the status is good.
    #[b(2)]
    pub release: Option<&'a ByteSlice>,
    /// Lowest grant epoch still accepted.
    #[n(3)]
    pub grant_epoch: u64,
}

/// Payload of a pushed answer: no nonce, and it may only shorten.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct StatusPush {
    /// The key at the service.
    #[n(0)]
    pub handle: Handle,
    /// Revoked, suspended, or good with a higher grant epoch.
    #[n(1)]
    pub status: Status,
    /// Sequence of that status.
    #[n(2)]
    pub sequence: u64,
    /// Lowest grant epoch still accepted.
    #[n(3)]
    pub grant_epoch: u64,
}

/// A pushed answer with its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedPush {
    /// COSE_Sign1 by the status root over a [`StatusCertificate`] for answers.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub certificate: Vec<u8>,
    /// COSE_Sign1 by the status key over an encoded [`StatusPush`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub push: Vec<u8>,
}
