//! The genesis record: what a group is, and that an enclave made it (PRF-12 to PRF-15).
//!
//! Its Evidence is from the past and verified as of its own time; whether the image that made it was good *then* is asked
//! of the vendor's current statement, whose `until` can condemn a past.

use cofferdam_attestation::{Expected, Root, verify_at_own_time};
use cofferdam_wire::binding::Measurement;
use cofferdam_wire::group::{GenesisBody, GenesisRecord, genesis_user_data};
use cofferdam_wire::id::{GroupId, Pcr};
use cofferdam_wire::vendor::Shown;
use cofferdam_wire::{cbor, limits};

use super::error::ProofError;
use super::instance::{on_the_wire, pcr};

/// A genesis record that an enclave made. Only [`Genesis::verify`] makes one.
#[derive(Debug, Clone)]
pub struct Genesis {
    group: GroupId,
    body: GenesisBody,
    measurement: Measurement,
    pcr8: Option<Pcr>,
    evidence_s: u64,
}

impl Genesis {
    /// Verifies a record under the pinned root, as of its own time. Whether [`Genesis::measurement`] is acceptable is for
    /// the caller to ask.
    pub fn verify(root: &Root, record: &[u8]) -> Result<Self, ProofError> {
        let record: GenesisRecord = cbor::decode(record, limits::GENESIS_RECORD)
            .map_err(|_| ProofError::Malformed("genesis record"))?;
        let body: GenesisBody = cbor::decode(&record.body, limits::GENESIS_BODY)
            .map_err(|_| ProofError::Malformed("genesis body"))?;
        let group = GroupId::of(&record.body);
        let user_data = genesis_user_data(&record.body);
        let expected = Expected {
            nonce: Some(&group.0),
            user_data: Some(&user_data),
            ..Expected::default()
        };
        let evidence = verify_at_own_time(&record.evidence, root, &expected)
            .map_err(ProofError::GenesisEvidence)?;
        // Evidence with a public key is an instance's, made for a nonce that anybody could choose.
        if evidence.public_key().is_some() {
            return Err(ProofError::GenesisPublicKey);
        }
        check_body(&body).map_err(ProofError::GenesisBody)?;
        let measurement = on_the_wire(evidence.measurement());
        Ok(Self {
            group,
            body,
            measurement,
            pcr8: pcr(&evidence, 8),
            evidence_s: evidence.timestamp_ms() / 1000,
        })
    }

    /// The group that the record makes.
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// What the group is.
    pub fn body(&self) -> &GenesisBody {
        &self.body
    }

    /// The image that made the group.
    pub fn measurement(&self) -> &Measurement {
        &self.measurement
    }

    /// What the genesis Evidence shows of the image, as a vendor statement judges it.
    pub fn shown(&self) -> Shown {
        Shown {
            measurement: self.measurement,
            pcr8: self.pcr8,
            at_s: self.evidence_s,
        }
    }

    /// When it was made, Unix seconds.
    pub fn evidence_s(&self) -> u64 {
        self.evidence_s
    }
}

fn check_body(body: &GenesisBody) -> Result<(), &'static str> {
    let officers = body.officers.len();
    let threshold = usize::from(body.threshold);
    let sealing_keys_fit = body
        .officers
        .iter()
        .all(|officer| officer.sealing.len() == limits::XWING_PUBLIC);
    let distinct = body.officers.iter().enumerate().all(|(at, officer)| {
        body.officers[..at]
            .iter()
            .all(|other| other.signing != officer.signing && other.sealing != officer.sealing)
    });
    let rules = [
        (body.version == 1, "its version is not 1"),
        (
            (3..=limits::OFFICERS).contains(&officers),
            "it has not 3 to 10 officers",
        ),
        (
            (2..officers.max(3)).contains(&threshold),
            "its threshold is not between 2 and one less than its officers",
        ),
        (
            body.shares.len() == officers,
            "it has not one share an officer",
        ),
        (sealing_keys_fit, "an officer's key has a wrong length"),
        (distinct, "two officers have the same key"),
    ];
    rules
        .iter()
        .find(|(holds, _)| !holds)
        .map_or(Ok(()), |(_, rule)| Err(rule))
}
