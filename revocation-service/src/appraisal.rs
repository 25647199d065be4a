//! The appraisal of an instance: is this a proven enclave, and does the customer consent to its image?
//!
//! Two different answers come out. A broken proof (a signature, a hash, a time) is an error and refuses the whole query:
//! it is not known who asks. A proven enclave of an image, or of a group made by an image, that is not on the *service's
//! own list* gets [`Consent::Withheld`]: it hears "suspended" and no release secret (T-70). The vendor's word plays no
//! part; here the customer consents, and withdraws consent.
//!
//! What was verified is cached by the hash of Binding, Evidence and genesis record; times and the list are judged anew
//! at every answer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use cofferdam_attestation::{Evidence, EvidenceError, Expected, Root, verify, verify_at_own_time};
use cofferdam_wire::binding::{self, Binding, Measurement};
use cofferdam_wire::cbor;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::group::{self, GenesisBody, GenesisRecord};
use cofferdam_wire::id::{Digest, GroupId, sha256};
use cofferdam_wire::limits;

/// How long a verification is relied on before it is made again, milliseconds: certificates above the leaf may end.
const CACHED_MS: u64 = 10 * 60 * 1000;

/// Verifications kept; more instances than this ask for their turn again.
const CACHE_CAPACITY: usize = 1024;

/// A reference value of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The image.
    pub measurement: Measurement,
    /// Only Evidence made before this counts, Unix seconds.
    pub until_s: Option<u64>,
}

/// Whether the customer consents to the image that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// It does.
    Given,
    /// It does not: "suspended", no release secret.
    Withheld(Withheld),
}

/// Why consent is withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// RSV-14: the instance's own image is not on the list.
    #[error("RSV-14: the measurement of the instance is not accepted here")]
    Image,
    /// RSV-15: the group admits an image that is not on the list, so keys would reach it.
    #[error("RSV-15: the group admits a measurement that is not accepted here")]
    Admitted,
    /// RSV-16: the image that made the group is not on the list.
    #[error("RSV-16: the measurement that made the group is not accepted here")]
    Genesis,
    /// RSV-17: the instance misses a command of its group.
    #[error("RSV-17: a longer command chain of the group was seen more than ten minutes ago")]
    Behind,
    /// RSV-18: two command chains of the group have this length.
    #[error("RSV-18: two command chains of the group have this length")]
    Forked,
}

/// Why it is not known who asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppraisalError {
    /// RSV-8: the Evidence does not verify.
    #[error("RSV-8: the Evidence is refused: {0}")]
    Evidence(EvidenceError),
    /// RSV-9: the Evidence was made more than an hour ago.
    #[error(
        "RSV-9: the Evidence is {age_s} s old where {} s are allowed",
        limits::EVIDENCE_MAX_AGE_S
    )]
    Old {
        /// Its age.
        age_s: u64,
    },
    /// RSV-10: the genesis record is malformed or of another group.
    #[error("RSV-10: the genesis record is not that of the group")]
    Genesis,
    /// RSV-11: the Evidence in the genesis record does not verify at its own time.
    #[error("RSV-11: the Evidence of the genesis is refused: {0}")]
    GenesisEvidence(EvidenceError),
    /// RSV-11: the Evidence in the genesis record carries a key, so it was made for another purpose.
    #[error("RSV-11: the Evidence of the genesis carries a public key")]
    GenesisPurpose,
    /// RSV-6: the Binding names an instance key of another kind than Evidence can carry.
    #[error("RSV-6: the instance key is not Ed25519")]
    InstanceKey,
}

/// What an instance shows.
pub struct Shown<'a> {
    /// The group asking.
    pub group: GroupId,
    /// Encoded Binding.
    pub binding_bytes: &'a [u8],
    /// The same, decoded.
    pub binding: &'a Binding,
    /// Evidence over it.
    pub evidence: &'a [u8],
    /// Encoded genesis record.
    pub genesis: &'a [u8],
}

/// Verifies what instances show, against one root and one list.
pub struct Appraiser {
    root: Root,
    accepted: Vec<Accepted>,
    verified: Mutex<HashMap<Digest, Verified>>,
}

/// What a successful verification established. Independent of the list.
#[derive(Clone, Copy)]
struct Verified {
    at_ms: u64,
    measurement: Measurement,
    evidence_ms: u64,
    leaf_end_s: u64,
    genesis_measurement: Measurement,
    genesis_s: u64,
}

impl Appraiser {
    /// An appraiser for Evidence under `root`, consenting to `accepted`.
    pub fn new(root: Root, accepted: Vec<Accepted>) -> Self {
        Self {
            root,
            accepted,
            verified: Mutex::default(),
        }
    }

    /// Verifies at `now_ms`, and says whether the customer consents.
    pub fn appraise(&self, shown: &Shown<'_>, now_ms: u64) -> Result<Consent, AppraisalError> {
        let verified = self.verified(shown, now_ms)?;
        // RSV-9
        let age_ms = now_ms.saturating_sub(verified.evidence_ms);
        if age_ms > limits::EVIDENCE_MAX_AGE_S * 1000 {
            return Err(AppraisalError::Old {
                age_s: age_ms / 1000,
            });
        }
        Ok(match self.withheld(&verified, shown.binding, now_ms) {
            None => Consent::Given,
            Some(reason) => Consent::Withheld(reason),
        })
    }

    fn withheld(&self, verified: &Verified, binding: &Binding, now_ms: u64) -> Option<Withheld> {
        // RSV-14. The instance's image must also be one that its own group admits: a dropped image is no member.
        let own = &verified.measurement;
        if !self.accepts(own, verified.evidence_ms / 1000) || !binding.measurements.contains(own) {
            return Some(Withheld::Image);
        }
        // RSV-15: any instance of the group may receive the group key by joining, so each admitted image counts.
        if !binding
            .measurements
            .iter()
            .all(|admitted| self.accepts(admitted, now_ms / 1000))
        {
            return Some(Withheld::Admitted);
        }
        // RSV-16
        if !self.accepts(&verified.genesis_measurement, verified.genesis_s) {
            return Some(Withheld::Genesis);
        }
        None
    }

    /// Whether Evidence made at `evidence_s` with this measurement counts. Every entry for it must agree.
    fn accepts(&self, measurement: &Measurement, evidence_s: u64) -> bool {
        let mut named = self
            .accepted
            .iter()
            .filter(|entry| entry.measurement == *measurement)
            .peekable();
        named.peek().is_some()
            && named.all(|entry| entry.until_s.is_none_or(|until| evidence_s < until))
    }

    fn verified(&self, shown: &Shown<'_>, now_ms: u64) -> Result<Verified, AppraisalError> {
        let parts = [shown.binding_bytes, shown.evidence, shown.genesis].map(|part| sha256(part).0);
        let key = sha256(&parts.concat());
        let cached = self.lock().get(&key).copied();
        if let Some(verified) = cached.filter(|verified| verified.holds_at(now_ms)) {
            return Ok(verified);
        }
        let verified = self.verify(shown, now_ms)?;
        let mut cache = self.lock();
        if cache.len() >= CACHE_CAPACITY {
            cache.retain(|_, verified| verified.holds_at(now_ms));
        }
        if cache.len() >= CACHE_CAPACITY {
            cache.clear();
        }
        cache.insert(key, verified);
        Ok(verified)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Verified>> {
        // A cache that a panic left half changed still holds only finished verifications.
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verify(&self, shown: &Shown<'_>, now_ms: u64) -> Result<Verified, AppraisalError> {
        let PublicKey::Ed25519(instance) = &shown.binding.instance else {
            return Err(AppraisalError::InstanceKey);
        };
        // RSV-8
        let expected = Expected {
            user_data: Some(&binding::user_data(shown.binding_bytes)),
            public_key: Some(&binding::instance_spki(instance)),
            ..Expected::default()
        };
        let evidence = verify(shown.evidence, &self.root, now_ms / 1000, &expected)
            .map_err(AppraisalError::Evidence)?;
        let genesis = self.verify_genesis(&shown.group, shown.genesis)?;
        Ok(Verified {
            at_ms: now_ms,
            measurement: measurement(&evidence),
            evidence_ms: evidence.timestamp_ms(),
            leaf_end_s: evidence.leaf_not_after_s(),
            genesis_measurement: measurement(&genesis),
            genesis_s: genesis.timestamp_ms() / 1000,
        })
    }

    fn verify_genesis(&self, group: &GroupId, record: &[u8]) -> Result<Evidence, AppraisalError> {
        // RSV-10
        let malformed = |_| AppraisalError::Genesis;
        let record: GenesisRecord =
            cbor::decode(record, limits::GENESIS_RECORD).map_err(malformed)?;
        let body: GenesisBody =
            cbor::decode(&record.body, limits::GENESIS_BODY).map_err(malformed)?;
        if body.version != 1 || GroupId::of(&record.body) != *group {
            return Err(AppraisalError::Genesis);
        }
        // RSV-11
        let expected = Expected {
            nonce: Some(&group.0),
            user_data: Some(&group::genesis_user_data(&record.body)),
            ..Expected::default()
        };
        let evidence = verify_at_own_time(&record.evidence, &self.root, &expected)
            .map_err(AppraisalError::GenesisEvidence)?;
        if evidence.public_key().is_some() {
            return Err(AppraisalError::GenesisPurpose);
        }
        Ok(evidence)
    }
}

impl Verified {
    fn holds_at(&self, now_ms: u64) -> bool {
        let age = now_ms.checked_sub(self.at_ms);
        age.is_some_and(|age| age <= CACHED_MS) && now_ms / 1000 < self.leaf_end_s
    }
}

fn measurement(evidence: &Evidence) -> Measurement {
    let cofferdam_attestation::Measurement { pcr0, pcr1, pcr2 } = evidence.measurement();
    Measurement { pcr0, pcr1, pcr2 }
}
