//! One instance: a Binding and the Evidence that vouches for it (PRF-1 to PRF-7).
//!
//! Used by every Verifier of the customer's side: the SDK before it wraps or opens a session, the SDK again over a receipt
//! from the past, the revocation service over a query. What they ask beyond that (statement, group, own list) is theirs.

use cofferdam_attestation::{Evidence, EvidenceError, Expected, Root, verify, verify_at_own_time};
use cofferdam_wire::binding::{self, Binding, Measurement, PolicyBounds};
use cofferdam_wire::cose::{PublicKey, read_rsa_public};
use cofferdam_wire::id::{Nonce, Pcr};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::vendor::Shown;
use cofferdam_wire::{cbor, limits};

use super::error::ProofError;

/// As of when the Evidence must hold.
#[derive(Debug, Clone, Copy)]
pub enum Moment<'a> {
    /// Made just now for this nonce, which nobody else has used.
    Fresh {
        /// The caller's own.
        nonce: &'a Nonce,
        /// The caller's clock, Unix seconds.
        now_s: u64,
    },
    /// Made for anybody's nonce, at most so long ago.
    Recent {
        /// The caller's clock, Unix seconds.
        now_s: u64,
        /// Oldest Evidence accepted, seconds.
        max_age_s: u64,
    },
    /// True when it was made, whenever that was: for records of the past.
    Past,
}

/// A Binding that Evidence vouches for. Only [`Instance::verify`] makes one.
#[derive(Debug, Clone)]
pub struct Instance {
    binding: Binding,
    measurement: Measurement,
    pcr3: Option<Pcr>,
    pcr8: Option<Pcr>,
    evidence_s: u64,
}

impl Instance {
    /// Verifies Evidence over a Binding under the pinned root.
    pub fn verify(
        root: &Root,
        binding: &[u8],
        evidence: &[u8],
        moment: Moment<'_>,
    ) -> Result<Self, ProofError> {
        let decoded: Binding =
            cbor::decode(binding, limits::BINDING).map_err(|_| ProofError::Malformed("binding"))?;
        let PublicKey::Ed25519(instance) = decoded.instance else {
            return Err(ProofError::InstanceKey);
        };
        let user_data = binding::user_data(binding);
        let public_key = binding::instance_spki(&instance);
        let expected = Expected {
            nonce: None,
            user_data: Some(&user_data),
            public_key: Some(&public_key),
            ..Expected::default()
        };
        let verified = match moment {
            Moment::Fresh { nonce, now_s } => verify(
                evidence,
                root,
                now_s,
                &Expected {
                    nonce: Some(&nonce.0),
                    ..expected
                },
            ),
            Moment::Recent { now_s, .. } => verify(evidence, root, now_s, &expected),
            Moment::Past => verify_at_own_time(evidence, root, &expected),
        }
        .map_err(refused)?;
        let evidence_s = verified.timestamp_ms() / 1000;
        if let Moment::Recent { now_s, max_age_s } = moment
            && now_s.saturating_sub(evidence_s) > max_age_s
        {
            return Err(ProofError::Age {
                made_s: evidence_s,
                expected_s: now_s,
            });
        }
        let measurement = on_the_wire(verified.measurement());
        check_binding(&decoded, evidence_s).map_err(ProofError::Binding)?;
        if !decoded.measurements.contains(&measurement) {
            return Err(ProofError::NotAdmitted(measurement.into()));
        }
        Ok(Self {
            binding: decoded,
            measurement,
            pcr3: pcr(&verified, 3),
            pcr8: pcr(&verified, 8),
            evidence_s,
        })
    }

    /// What the Evidence vouches for.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// What the instance's image measures.
    pub fn measurement(&self) -> &Measurement {
        &self.measurement
    }

    /// What the Evidence shows of the image, as a vendor statement judges it.
    pub fn shown(&self) -> Shown {
        Shown {
            measurement: self.measurement,
            pcr8: self.pcr8,
            at_s: self.evidence_s,
        }
    }

    /// The IAM role of the machine that runs the enclave (PCR3), if the Evidence states it.
    pub fn pcr3(&self) -> Option<&Pcr> {
        self.pcr3.as_ref()
    }

    /// When the Evidence was made, Unix seconds, by the clock of the NSM.
    pub fn evidence_s(&self) -> u64 {
        self.evidence_s
    }
}

/// The measurement as the protocol writes it.
pub(super) fn on_the_wire(measurement: cofferdam_attestation::Measurement) -> Measurement {
    Measurement {
        pcr0: measurement.pcr0,
        pcr1: measurement.pcr1,
        pcr2: measurement.pcr2,
    }
}

/// A register of verified Evidence.
pub(super) fn pcr(evidence: &Evidence, index: u8) -> Option<Pcr> {
    evidence.pcr(index).copied().map(Pcr)
}

/// Each thing that the Evidence did not say has its own check.
fn refused(error: EvidenceError) -> ProofError {
    match error {
        EvidenceError::Nonce => ProofError::Nonce,
        EvidenceError::UserData => ProofError::UserData,
        EvidenceError::PublicKey => ProofError::InstanceKey,
        other => ProofError::Evidence(other),
    }
}

/// PRF-6: an image could not have said otherwise, so whoever did is none.
fn check_binding(binding: &Binding, evidence_s: u64) -> Result<(), &'static str> {
    let rules = [
        (binding.version == 1, "its version is not 1"),
        (
            binding.chain_sequence != 0
                || binding.chain_head == binding::empty_chain(&binding.group),
            "an empty command chain has another head",
        ),
        (
            (1..=limits::MEASUREMENTS).contains(&binding.measurements.len())
                && binding.measurements.is_sorted_by(|a, b| a < b),
            "its measurements are not 1 to 16 in ascending order",
        ),
        (
            binding.setup.len() == limits::XWING_PUBLIC,
            "the setup key has a wrong length",
        ),
        (
            binding.session.public.len() == limits::XWING_PUBLIC,
            "the session key has a wrong length",
        ),
        (
            offered(
                binding.session.not_after_s,
                evidence_s,
                limits::SESSION_KEY_OFFERED_S,
            ),
            "the session key is offered for too long",
        ),
        (
            binding.tee.len() <= 2 * Suite::ALL.len(),
            "it offers too many import keys",
        ),
        (
            binding
                .tee
                .iter()
                .all(|key| is_of_suite(key.suite, &key.public)),
            "an import key is not of its suite",
        ),
        (
            binding
                .tee
                .iter()
                .all(|key| offered(key.not_after_s, evidence_s, limits::TEE_KEY_OFFERED_S)),
            "an import key is offered for too long",
        ),
        (
            binding.tee.iter().all(|key| key.epoch == binding.epoch),
            "an import key is of another epoch",
        ),
        (
            narrowed(&binding.bounds),
            "its bounds are wider than an image's",
        ),
    ];
    rules
        .iter()
        .find(|(holds, _)| !holds)
        .map_or(Ok(()), |(_, rule)| Err(rule))
}

/// Whether `public` has the form that keys of this suite have.
pub(super) fn is_of_suite(suite: Suite, public: &[u8]) -> bool {
    match suite {
        Suite::XWing => public.len() == limits::XWING_PUBLIC,
        Suite::RsaOaep => {
            read_rsa_public(public).is_ok_and(|(modulus, _)| (384..=512).contains(&modulus.len()))
        }
    }
}

fn offered(not_after_s: u64, evidence_s: u64, longest_s: u64) -> bool {
    not_after_s
        <= evidence_s
            .saturating_add(longest_s)
            .saturating_add(limits::CREATED_SKEW_S)
}

/// Groups can narrow the image's bounds, never widen them.
fn narrowed(bounds: &PolicyBounds) -> bool {
    let image = PolicyBounds::IMAGE;
    bounds.interval_min_s >= image.interval_min_s
        && bounds.interval_max_s <= image.interval_max_s
        && bounds.interval_min_s <= bounds.interval_max_s
        && bounds.grace_max_s <= image.grace_max_s
        && bounds.hard_end_max_s <= image.hard_end_max_s
}
