//! Grants and sessions: who may do what, and the seal around each request. Formulas: `docs/protocol/session.md`.

use crate::cbor::{Item, context_list, encode};
use crate::code::Code;
use crate::context;
use crate::cose::PublicKey;
use crate::id::{
    Digest, GroupId, KeyId, PartitionId, RecipientId, RequestId, Thumbprint, hash, sha256,
};
use crate::kind::Action;
use crate::operation::{Operation, Outcome};
use minicbor::{Decode, Encode};

/// Payload of the COSE_Sign1 by the owner.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Grant {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// Valid in this group only (T-73).
    #[n(1)]
    pub group: GroupId,
    /// Whose keys; with group and partition name it makes the partition id.
    #[n(2)]
    pub owner: PublicKey,
    /// Partition name.
    #[n(3)]
    pub partition: String,
    /// Keys that may be used; empty for keyless actions only.
    #[n(4)]
    pub keys: Vec<KeyId>,
    /// What may be done; ascending.
    #[n(5)]
    pub actions: Vec<Action>,
    /// Who may do it.
    #[n(6)]
    pub audience: Audience,
    /// Unix seconds.
    #[n(7)]
    pub not_before_s: u64,
    /// Unix seconds.
    #[n(8)]
    pub not_after_s: u64,
    /// The revocation service can raise the lowest epoch still accepted.
    #[n(9)]
    pub epoch: u64,
}

/// Who may use a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Audience {
    /// The app with this key.
    #[n(1)]
    App(#[n(0)] Thumbprint),
    /// The provider plane of the group.
    #[n(2)]
    Provider,
}

impl Grant {
    /// The partition that the grant is about.
    pub fn partition_id(&self) -> PartitionId {
        PartitionId::of(&self.group, &self.owner.to_cose(), &self.partition)
    }
}

/// Names a signed grant, by its whole COSE_Sign1.
pub fn grant_id(signed: &[u8]) -> Digest {
    hash(context::GRANT_ID, &[Item::Bytes(signed)])
}

/// The clear part of an opening; in the HPKE info, so nobody can move an opening to another app (T-71).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SessionInfo {
    /// The group asked.
    #[n(0)]
    pub group: GroupId,
    /// The session key that the opening is sealed to.
    #[n(1)]
    pub session_key: RecipientId,
    /// The app that opens.
    #[n(2)]
    pub app: Thumbprint,
    /// [`grant_id`] of each grant inside, in order.
    #[n(3)]
    pub grants: Vec<Digest>,
}

impl SessionInfo {
    /// HPKE info of the opening.
    pub fn hpke_info(&self) -> Vec<u8> {
        context_list(context::SESSION, &[Item::Bytes(&encode(self))])
    }
}

/// Body of `POST /v1/sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SessionOpen {
    /// In clear.
    #[n(0)]
    pub info: SessionInfo,
    /// HPKE encapsulation.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub enc: Vec<u8>,
    /// HPKE ciphertext of an encoded [`SessionPlain`]; empty additional data.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub ciphertext: Vec<u8>,
}

/// Plaintext of an opening.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SessionPlain {
    /// The app's key; its thumbprint is in the info.
    #[n(0)]
    pub app: PublicKey,
    /// One to four signed grants (COSE_Sign1).
    #[n(1)]
    pub grants: Vec<SignedGrant>,
    /// COSE_Sign1 by the app over [`opening_signed`].
    #[cbor(n(2), with = "minicbor::bytes")]
    pub signature: Vec<u8>,
}

/// A grant as its owner signed it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct SignedGrant(
    /// Encoded COSE_Sign1.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub Vec<u8>,
);

/// Payload of the app's signature in an opening: `[info, enc]`.
pub fn opening_signed(hpke_info: &[u8], enc: &[u8]) -> Vec<u8> {
    context_list(
        context::SESSION_OPEN,
        &[Item::Bytes(hpke_info), Item::Bytes(enc)],
    )
}

/// Exporter context of the key for requests.
pub fn request_key_exporter() -> Vec<u8> {
    context_list(context::SESSION_REQUEST_KEY, &[])
}

/// Exporter context of the key for answers.
pub fn answer_key_exporter() -> Vec<u8> {
    context_list(context::SESSION_ANSWER_KEY, &[])
}

/// Additional data of the acceptance: 24 random bytes and XAES-256-GCM under the answer key.
pub fn accept_aad(group: &GroupId, opening: &[u8]) -> Vec<u8> {
    context_list(
        context::SESSION_ACCEPT,
        &[Item::Bytes(&group.0), Item::Bytes(&sha256(opening).0)],
    )
}

/// Plaintext of the acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SessionAccepted {
    /// Attested time, Unix milliseconds: the app sets deadlines by it.
    #[n(0)]
    pub now_ms: u64,
    /// Opaque; shown with every request.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub ticket: Vec<u8>,
    /// The ticket ends then, Unix seconds.
    #[n(2)]
    pub not_after_s: u64,
}

/// Plaintext of a ticket, which only enclaves of the group open. Sealed as 24 random bytes and XAES-256-GCM.
#[derive(Encode, Decode)]
pub struct TicketPlain<'a> {
    /// The app.
    #[n(0)]
    pub app: Thumbprint,
    /// Opens requests, 32 bytes.
    #[cbor(b(1), with = "minicbor::bytes")]
    pub request_key: &'a [u8],
    /// Seals answers, 32 bytes.
    #[cbor(b(2), with = "minicbor::bytes")]
    pub answer_key: &'a [u8],
    /// Unix seconds.
    #[n(3)]
    pub not_after_s: u64,
    /// Verified grants, as their owners wrote them.
    #[n(4)]
    pub grants: Vec<Grant>,
}

/// Additional data of a ticket.
pub fn ticket_aad(group: &GroupId) -> Vec<u8> {
    context_list(context::TICKET, &[Item::Bytes(&group.0)])
}

/// Names a ticket in additional data.
pub fn ticket_hash(ticket: &[u8]) -> Digest {
    hash(context::TICKET_ID, &[Item::Bytes(ticket)])
}

/// Body of `POST /v1/requests` and of a stream frame.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SealedRequest {
    /// From the acceptance.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub ticket: Vec<u8>,
    /// 24 random bytes and XAES-256-GCM of an encoded [`Request`] under the request key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

/// Additional data of a request.
pub fn request_aad(group: &GroupId, ticket: &Digest) -> Vec<u8> {
    context_list(
        context::REQUEST,
        &[Item::Bytes(&ticket.0), Item::Bytes(&group.0)],
    )
}

/// Additional data of an answer: it names the request, so two answers cannot be swapped (T-26).
pub fn answer_aad(group: &GroupId, ticket: &Digest, sealed_request: &[u8]) -> Vec<u8> {
    let request = sha256(sealed_request);
    context_list(
        context::ANSWER,
        &[
            Item::Bytes(&ticket.0),
            Item::Bytes(&group.0),
            Item::Bytes(&request.0),
        ],
    )
}

/// Plaintext of a request.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    /// Chosen by the app.
    #[n(0)]
    pub id: RequestId,
    /// Attested time until which it may be answered, Unix milliseconds, at most 120 s ahead.
    #[n(1)]
    pub deadline_ms: u64,
    /// What to do.
    #[n(2)]
    pub operation: Operation,
}

/// Plaintext of an answer, and body of a provider-plane reply.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Answer {
    /// It was done.
    #[n(1)]
    Done(#[n(0)] Outcome),
    /// It was refused.
    #[n(2)]
    Refused(#[n(0)] Code),
}

/// A plain request of the provider plane, for owners who granted it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ProviderRequest {
    /// Signed grant whose audience is the provider.
    #[n(0)]
    pub grant: SignedGrant,
    /// What to do, and until when.
    #[n(1)]
    pub request: Request,
}
