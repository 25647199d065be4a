//! An import: header, payload, statement, and what the enclave answers. Formulas: `docs/protocol/wrapping.md`.

use crate::cbor::Item;
use crate::context;
use crate::cose::PublicKey;
use crate::id::{Digest, GroupId, KeyId, PartitionId, RecipientId, Thumbprint, hash};
use crate::kind::{Algorithm, EscrowMode, KeyKind, Suite, UsageClass, WrapMode};
use crate::revocation::Revocation;
use minicbor::{Decode, Encode};

/// The clear header: additional data of both layers, its hash is in both infos.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ImportHeader {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// Suite of the vendor (inner) layer.
    #[n(1)]
    pub vendor_suite: Suite,
    /// Suite of the provider (outer) layer.
    #[n(2)]
    pub provider_suite: Suite,
    /// Who takes the outer layer off.
    #[n(3)]
    pub mode: WrapMode,
    /// The group that may hold the key.
    #[n(4)]
    pub group: GroupId,
    /// Whose key it is.
    #[n(5)]
    pub owner: PublicKey,
    /// 1 to 64 bytes of UTF-8.
    #[n(6)]
    pub partition: String,
    /// What the key is.
    #[n(7)]
    pub kind: KeyKind,
    /// What it may be used for.
    #[n(8)]
    pub class: UsageClass,
    /// The TEE key that the vendor layer is sealed to.
    #[n(9)]
    pub tee_key: RecipientId,
    /// The provider key that the provider layer is sealed to.
    #[n(10)]
    pub provider_key: RecipientId,
    /// T: hash of what the customer verified before wrapping.
    #[n(11)]
    pub transcript: Digest,
    /// Unix seconds.
    #[n(12)]
    pub created_s: u64,
    /// Unix seconds; at most 24 h after `created_s`.
    #[n(13)]
    pub not_after_s: u64,
}

impl ImportHeader {
    /// The partition that the header names.
    pub fn partition_id(&self) -> PartitionId {
        PartitionId::of(&self.group, &self.owner.to_cose(), &self.partition)
    }
}

/// Hash of an encoded header, bound into both layers.
pub fn header_hash(header: &[u8]) -> Digest {
    hash(context::HEADER, &[Item::Bytes(header)])
}

/// Plaintext of the vendor layer before padding, three byte strings. Borrowed: nothing here copies a secret.
#[derive(Encode, Decode)]
pub struct Payload<'a> {
    /// Encoded [`Control`].
    #[cbor(b(0), with = "minicbor::bytes")]
    pub control: &'a [u8],
    /// Encoded [`Material`].
    #[cbor(b(1), with = "minicbor::bytes")]
    pub material: &'a [u8],
    /// 32 bytes for each service of R, in R's order; empty without R.
    #[cbor(b(2), with = "minicbor::bytes")]
    pub release_secrets: &'a [u8],
}

/// What governs the key. The salt keeps its hash in the statement from being guessed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Control {
    /// Random.
    #[n(0)]
    pub salt: Digest,
    /// Repeated from the header.
    #[n(1)]
    pub owner: PublicKey,
    /// Repeated from the header.
    #[n(2)]
    pub partition: String,
    /// Kind, class and algorithms.
    #[n(3)]
    pub policy: UsagePolicy,
    /// How the key is revoked; `None` makes a key without R.
    #[n(4)]
    pub revocation: Option<Revocation>,
    /// Hard end in Unix seconds; needed without R.
    #[n(5)]
    pub hard_end_s: Option<u64>,
    /// For people, at most 128 bytes.
    #[n(6)]
    pub label: String,
}

/// What the key may do, fixed at import.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct UsagePolicy {
    /// Repeated from the header.
    #[n(0)]
    pub kind: KeyKind,
    /// Repeated from the header.
    #[n(1)]
    pub class: UsageClass,
    /// Ascending, without repetition, not empty, all possible for kind and class.
    #[n(2)]
    pub algorithms: Vec<Algorithm>,
}

/// The secret. Borrowed: nothing here copies it.
#[derive(Encode, Decode)]
pub struct Material<'a> {
    /// Random, 32 bytes.
    #[cbor(b(0), with = "minicbor::bytes")]
    pub salt: &'a [u8],
    /// COSE_Key with the private or symmetric part (RFC 9052 section 7, RFC 8230).
    #[cbor(b(1), with = "minicbor::bytes")]
    pub cose_key: &'a [u8],
}

/// What the owner signs. Its hash is the key id.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Statement {
    /// Encoded [`ImportHeader`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub header: Vec<u8>,
    /// [`vendor_layer_hash`].
    #[n(1)]
    pub vendor_layer: Digest,
    /// [`control_hash`].
    #[n(2)]
    pub control: Digest,
    /// [`material_hash`].
    #[n(3)]
    pub material: Digest,
    /// [`revocation_hash`].
    #[n(4)]
    pub revocation: Digest,
}

/// H of the encoded vendor layer.
pub fn vendor_layer_hash(layer: &[u8]) -> Digest {
    hash(context::VENDOR_LAYER_HASH, &[Item::Bytes(layer)])
}

/// H of the encoded control part.
pub fn control_hash(control: &[u8]) -> Digest {
    hash(context::CONTROL, &[Item::Bytes(control)])
}

/// H of the encoded material part.
pub fn material_hash(material: &[u8]) -> Digest {
    hash(context::MATERIAL, &[Item::Bytes(material)])
}

/// H of R and its release secrets; of null and nothing without R.
pub fn revocation_hash(revocation: Option<&Revocation>, release_secrets: &[u8]) -> Digest {
    let encoded = revocation.map(crate::cbor::encode);
    let item = encoded.as_deref().map_or(Item::Null, Item::Bytes);
    hash(context::REVOCATION, &[item, Item::Bytes(release_secrets)])
}

/// Check value of a symmetric key: H of the material's salt and the key, so equal keys do not show.
pub fn check_value(material_salt: &[u8], key: &[u8]) -> Digest {
    hash(
        context::CHECK_VALUE,
        &[Item::Bytes(material_salt), Item::Bytes(key)],
    )
}

/// An import on its way: to the parent with the provider layer, from there to the enclave with the vendor layer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ImportRequest {
    /// COSE_Sign1 by the owner over the encoded [`Statement`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub statement: Vec<u8>,
    /// Encoded [`crate::layer::Layer`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub layer: Vec<u8>,
}

/// What the enclave confirms, field by field; signed by the instance key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Receipt {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// H of the statement.
    #[n(1)]
    pub key: KeyId,
    /// Where it is kept.
    #[n(2)]
    pub group: GroupId,
    /// Whose it is.
    #[n(3)]
    pub partition: PartitionId,
    /// T of the header.
    #[n(4)]
    pub transcript: Digest,
    /// What it is and may do.
    #[n(5)]
    pub policy: UsagePolicy,
    /// COSE_Key of the public half; `None` for symmetric keys.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub public_key: Option<Vec<u8>>,
    /// [`check_value`]; `None` for asymmetric keys.
    #[n(7)]
    pub check_value: Option<Digest>,
    /// Interval, grace and mode in force; `None` says "revocable: no".
    #[n(8)]
    pub lease: Option<LeaseTerms>,
    /// Hard end in force, Unix seconds.
    #[n(9)]
    pub hard_end_s: Option<u64>,
    /// How the group key, and with it a record without R, is escrowed.
    #[n(10)]
    pub escrow: EscrowMode,
    /// Epoch of the TEE key that opened the import.
    #[n(11)]
    pub epoch: u64,
    /// Attested time of the import, Unix seconds.
    #[n(12)]
    pub imported_s: u64,
    /// The instance that signs this.
    #[n(13)]
    pub instance: Thumbprint,
}

/// The bounds that a lease of this key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct LeaseTerms {
    /// Seconds between confirmations, at most.
    #[n(0)]
    pub interval_s: u32,
    /// Seconds that an unanswered confirmation may be late.
    #[n(1)]
    pub grace_s: u32,
    /// Ask for every operation.
    #[n(2)]
    pub per_operation: bool,
    /// Tolerated difference between the service's clock and the attested one, seconds.
    #[n(3)]
    pub skew_s: u32,
}

/// The enclave's answer to an import; the parent keeps `record` and passes the rest on.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Imported {
    /// Encoded [`crate::record::StoredRecord`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub record: Vec<u8>,
    /// COSE_Sign1 by the instance over the encoded [`Receipt`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub receipt: Vec<u8>,
    /// Binding of the instance.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub binding: Vec<u8>,
    /// Evidence over that Binding, at most an hour old.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub evidence: Vec<u8>,
}

/// What the parent hands the customer after it has stored the record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ReceiptBundle {
    /// COSE_Sign1 by the instance over the encoded [`Receipt`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub receipt: Vec<u8>,
    /// Binding of the instance.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub binding: Vec<u8>,
    /// Evidence over that Binding.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub evidence: Vec<u8>,
    /// The vendor statement that was stapled then.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub vendor_statement: Vec<u8>,
}
