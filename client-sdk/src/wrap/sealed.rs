//! The sealed import as it is saved: bytes to send, again and again the same, and what must come back.
//!
//! The file holds no key, no token and no release secret in clear. Whoever reads it learns what the provider learns, and
//! the label.

use cofferdam_wire::cbor::{self, DecodeError};
use cofferdam_wire::id::{Digest, GroupId, Handle, KeyId, PartitionId};
use cofferdam_wire::import::{LeaseTerms, UsagePolicy};
use cofferdam_wire::kind::EscrowMode;
use cofferdam_wire::limits;
use minicbor::{Decode, Encode};

use super::KeyOrder;

/// What the receipt must confirm, field by field (P7).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Expected {
    /// H of the statement.
    #[n(0)]
    pub key: KeyId,
    /// Where it is kept.
    #[n(1)]
    pub group: GroupId,
    /// Whose it is.
    #[n(2)]
    pub partition: PartitionId,
    /// T.
    #[n(3)]
    pub transcript: Digest,
    /// What it is and may do.
    #[n(4)]
    pub policy: UsagePolicy,
    /// COSE_Key of the public half.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub public_key: Option<Vec<u8>>,
    /// Check value of a symmetric key.
    #[n(6)]
    pub check_value: Option<Digest>,
    /// Terms of the lease; `None` for a key without R.
    #[n(7)]
    pub lease: Option<LeaseTerms>,
    /// Hard end, Unix seconds.
    #[n(8)]
    pub hard_end_s: Option<u64>,
    /// How the group is escrowed.
    #[n(9)]
    pub escrow: EscrowMode,
    /// Epoch of the TEE key.
    #[n(10)]
    pub epoch: u64,
    /// Made then, by the customer's clock.
    #[n(11)]
    pub created_s: u64,
    /// The import ends then.
    #[n(12)]
    pub not_after_s: u64,
    /// Sequence of the vendor statement that counted; the receipt is judged by no older one (T-66).
    #[n(13)]
    pub vendor_sequence: u64,
    /// That statement, signed. The provider may be behind the vendor's own address and staple an older one.
    #[cbor(n(14), with = "minicbor::bytes")]
    pub vendor_statement: Vec<u8>,
}

/// A service that the key names.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ServiceAtImport {
    /// `HOST[:PORT]`.
    #[n(0)]
    pub host: String,
    /// The registration there.
    #[n(1)]
    pub handle: Handle,
}

/// What is saved and sent.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SealedImport {
    #[n(0)]
    version: u8,
    #[cbor(n(1), with = "minicbor::bytes")]
    request: Vec<u8>,
    #[n(2)]
    expected: Expected,
    #[n(3)]
    partition: String,
    #[n(4)]
    label: String,
    #[n(5)]
    services: Vec<ServiceAtImport>,
}

impl SealedImport {
    pub(super) fn new(
        request: Vec<u8>,
        expected: Expected,
        order: &KeyOrder,
        services: Vec<ServiceAtImport>,
    ) -> Self {
        let (partition, label) = (order.partition.clone(), order.label.clone());
        Self {
            version: 1,
            request,
            expected,
            partition,
            label,
            services,
        }
    }

    /// Reads what [`SealedImport::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let import: Self =
            cbor::decode(bytes, limits::IMPORT + limits::VENDOR_STATEMENT + 8 * 1024)?;
        if import.version == 1 {
            Ok(import)
        } else {
            Err(DecodeError::Malformed)
        }
    }

    /// The form on disk.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Body of `POST /v1/imports`: an encoded [`cofferdam_wire::import::ImportRequest`].
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// The key's id.
    pub fn key(&self) -> KeyId {
        self.expected.key
    }

    /// What the receipt must confirm.
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// Partition name.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// For people.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The services that the key names, in R's order; empty for a key without R.
    pub fn services(&self) -> &[ServiceAtImport] {
        &self.services
    }
}
