//! A query on its way in: opened, decoded, its signature verified. What comes out is who asks and what; whether it is a
//! proven enclave is for the appraisal.
//!
//! The query is sealed to a certified key of this service, and the instance has signed which key and which encapsulation
//! that is. So a parent that learns of a query (by certifying a key of its own to an enclave that believes it) cannot
//! hand it on to this service as if it had been meant for it (T-78).

use cofferdam::crypto::hpke::setup_receiver;
use cofferdam::crypto::signing::verify_sign1;
use cofferdam_wire::Code;
use cofferdam_wire::binding::Binding;
use cofferdam_wire::cbor::{self, DecodeError};
use cofferdam_wire::context;
use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::id::{Digest, sha256};
use cofferdam_wire::layer::unpad;
use cofferdam_wire::limits;
use cofferdam_wire::status::{SealedQuery, StatusQuery, query_info};

use crate::keyring::Keys;

/// Why a query is refused before the appraisal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// RSV-1: too long, or not a sealed query.
    #[error("RSV-1: not a sealed query: {0}")]
    Sealed(DecodeError),
    /// RSV-2: sealed to a key that is not in force.
    #[error("RSV-2: sealed to a key that is not in force here")]
    Recipient,
    /// RSV-3: it does not open, or is not padded as it should be.
    #[error("RSV-3: the query does not open")]
    Open,
    /// RSV-4: what is inside is not a signed query within its limits.
    #[error("RSV-4: not a signed query: {0}")]
    Content(&'static str),
    /// RSV-4: of a version that is not spoken here.
    #[error("RSV-4: version {0}")]
    Version(u8),
    /// RSV-5: signed for another key or another encapsulation.
    #[error("RSV-5: signed for another recipient")]
    SignedRecipient,
    /// RSV-6: the Binding is malformed or of another group.
    #[error("RSV-6: the Binding does not fit the query: {0}")]
    Binding(&'static str),
    /// RSV-7: not signed by the instance key of the Binding.
    #[error("RSV-7: not signed by the instance")]
    Signature,
}

impl QueryError {
    /// What the caller is told.
    pub fn code(&self) -> Code {
        match self {
            QueryError::Sealed(error) => error.clone().into(),
            QueryError::Recipient | QueryError::SignedRecipient => Code::UnknownRecipient,
            QueryError::Open => Code::UnwrapFailed,
            QueryError::Content(_) | QueryError::Binding(_) => Code::Malformed,
            QueryError::Version(_) => Code::UnsupportedVersion,
            QueryError::Signature => Code::BadSignature,
        }
    }
}

/// A query that the instance key of its Binding has signed for this service. Only [`open`] makes one.
pub struct SignedQuery {
    query: StatusQuery,
    binding: Binding,
    hash: Digest,
}

impl SignedQuery {
    /// What is asked.
    pub fn query(&self) -> &StatusQuery {
        &self.query
    }

    /// The instance that asks.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// SHA-256 of the sealed query.
    pub fn hash(&self) -> &Digest {
        &self.hash
    }
}

/// Opens a sealed query and verifies its signature.
pub fn open(keys: &Keys, sealed_bytes: &[u8], now_s: u64) -> Result<SignedQuery, QueryError> {
    // RSV-1
    let sealed: SealedQuery =
        cbor::decode(sealed_bytes, limits::STATUS_QUERY).map_err(QueryError::Sealed)?;
    // RSV-2
    let generation = keys
        .receiving(&sealed.service_key, now_s)
        .ok_or(QueryError::Recipient)?;
    // RSV-3
    let info = query_info(&sealed.service_key);
    let receiver =
        setup_receiver(generation.queries(), &sealed.enc, &info).map_err(|_| QueryError::Open)?;
    let padded = receiver
        .open(&[], &sealed.ciphertext)
        .map_err(|_| QueryError::Open)?;
    if padded.len() > limits::STATUS_QUERY_PLAIN {
        return Err(QueryError::Open);
    }
    let plain = unpad(&padded, limits::STATUS_QUERY_STEP).ok_or(QueryError::Open)?;
    // RSV-4
    let limit = limits::STATUS_QUERY_PLAIN;
    let signed =
        CoseSign1::from_bytes(plain, limit).map_err(|_| QueryError::Content("not a COSE_Sign1"))?;
    let query: StatusQuery = cbor::decode(&signed.payload, limit)
        .map_err(|_| QueryError::Content("not a status query"))?;
    check_limits(&query)?;
    // RSV-5
    if query.service_key != sealed.service_key || query.enc != sealed.enc {
        return Err(QueryError::SignedRecipient);
    }
    // RSV-6
    let binding: Binding = cbor::decode(&query.binding, limits::BINDING)
        .map_err(|_| QueryError::Binding("not a Binding"))?;
    if binding.version != 1 {
        return Err(QueryError::Version(binding.version));
    }
    if binding.group != query.group {
        return Err(QueryError::Binding("another group"));
    }
    if !matches!(binding.instance, PublicKey::Ed25519(_))
        || binding.setup.len() != limits::XWING_PUBLIC
    {
        return Err(QueryError::Binding("keys of another kind"));
    }
    if binding.measurements.len() > limits::MEASUREMENTS {
        return Err(QueryError::Binding("too many measurements"));
    }
    // RSV-7
    verify_sign1(&binding.instance, context::STATUS_QUERY, &signed)
        .map_err(|_| QueryError::Signature)?;
    Ok(SignedQuery {
        query,
        binding,
        hash: sha256(sealed_bytes),
    })
}

fn check_limits(query: &StatusQuery) -> Result<(), QueryError> {
    let StatusQuery {
        version,
        evidence,
        genesis,
        items,
        ..
    } = query;
    if *version != 1 {
        return Err(QueryError::Version(*version));
    }
    if evidence.len() > limits::EVIDENCE || genesis.len() > limits::GENESIS_RECORD {
        return Err(QueryError::Content("Evidence or genesis record too long"));
    }
    if !(1..=limits::STATUS_ITEMS).contains(&items.len()) {
        return Err(QueryError::Content("not 1 to 512 items"));
    }
    Ok(())
}
