//! What a customer orders for a key, and the rules that an order must keep (WRP-2 to WRP-10).
//!
//! The enclave checks all of it again. The SDK refuses first, since a refusal here costs nothing and says more.

use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::Token;
use cofferdam_wire::import::{LeaseTerms, UsagePolicy};
use cofferdam_wire::kind::{Algorithm, KeyKind, UsageClass};
use cofferdam_wire::limits;
use cofferdam_wire::revocation::{Revocation, Service};

use crate::keyfile::Material;
use crate::layer::SealError;
use crate::verify::ProvenKeys;

/// What the key shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOrder {
    /// Partition name, 1 to 64 bytes.
    pub partition: String,
    /// What the key may do.
    pub class: UsageClass,
    /// With which algorithms; empty means all that kind and class allow, but raw AES-GCM where XAES-256-GCM is there.
    pub algorithms: Vec<Algorithm>,
    /// For people, at most 128 bytes. The provider does not see it.
    pub label: String,
    /// How it is revoked. `None` asks for a key that cannot be revoked, which then needs a hard end.
    pub revocation: Option<RevocationOrder>,
    /// When it ends for good, Unix seconds.
    pub hard_end_s: Option<u64>,
}

/// How a key is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationOrder {
    /// One to three services. All must say "good", any one can revoke.
    pub services: Vec<ServiceOrder>,
    /// Interval, grace, mode, skew.
    pub terms: LeaseTerms,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceOrder {
    /// `HOST[:PORT]`.
    pub host: String,
    /// Its root, pinned in the key.
    pub status_root: PublicKey,
}

/// Why a key was not wrapped. Nothing was sealed, registered or sent.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// WRP-2: the proof is from too long ago.
    #[error(
        "WRP-2: the proof was verified {age_s} s ago, and one for wrapping is good for {max_s} s; fetch fresh evidence"
    )]
    StaleProof {
        /// Its age.
        age_s: u64,
        /// The most.
        max_s: u64,
    },
    /// WRP-3: the customer's clock and the enclave's differ too much for the enclave to accept the header.
    #[error(
        "WRP-3: this machine's clock ({now_s}) and the enclave's ({attested_s}) differ by more than {max_s} s; set this machine's clock"
    )]
    Clock {
        /// Here, Unix seconds.
        now_s: u64,
        /// There.
        attested_s: u64,
        /// Tolerated.
        max_s: u64,
    },
    /// WRP-4: the TEE key's time is over.
    #[error("WRP-4: the enclave no longer offers the key that was proven; fetch fresh evidence")]
    TeeKeyExpired,
    /// WRP-5: the partition's name.
    #[error("WRP-5: a partition name has 1 to 64 bytes, and \"{0}\" has not")]
    Partition(String),
    /// WRP-6: the label.
    #[error("WRP-6: a label has at most 128 bytes")]
    Label,
    /// WRP-7: the class does not fit the kind.
    #[error("WRP-7: a key of kind {kind} cannot be imported for use \"{class}\"")]
    Class {
        /// What the key is.
        kind: KeyKind,
        /// What it was ordered for.
        class: UsageClass,
    },
    /// WRP-7: an algorithm does not fit kind and class.
    #[error("WRP-7: a key of kind {kind} for use \"{class}\" has no algorithm {algorithm}")]
    Algorithm {
        /// What the key is.
        kind: KeyKind,
        /// What it was ordered for.
        class: UsageClass,
        /// What it cannot do.
        algorithm: Algorithm,
    },
    /// WRP-8: the revocation data are out of bounds.
    #[error(
        "WRP-8: the revocation terms are outside of what this group allows: 1 to 3 services by HOST[:PORT], interval {interval_min_s} to {interval_max_s} s, grace at most the interval and {grace_max_s} s, skew 1 to 60 s"
    )]
    Revocation {
        /// Shortest interval.
        interval_min_s: u32,
        /// Longest interval.
        interval_max_s: u32,
        /// Longest grace.
        grace_max_s: u32,
    },
    /// WRP-9: a key without revocation has no hard end.
    #[error(
        "WRP-9: a key without a revocation service cannot be taken back, so it needs a hard end (at most {max_s} s from now)"
    )]
    NoHardEnd {
        /// The most.
        max_s: u64,
    },
    /// WRP-9: the hard end is over, or too far away for a key without revocation.
    #[error(
        "WRP-9: the hard end must be in the future and, without a revocation service, at most {max_s} s from now"
    )]
    HardEnd {
        /// The most.
        max_s: u64,
    },
    /// WRP-10: too large for the protocol.
    #[error(
        "WRP-10: key, policy and revocation data together are larger than the protocol allows; shorten label or hosts"
    )]
    TooLarge,
    /// A key that was proven cannot be sealed to.
    #[error("the layer was not sealed: {0}")]
    Seal(#[from] SealError),
}

impl KeyOrder {
    pub(super) fn check(
        &self,
        keys: &ProvenKeys,
        material: &Material,
        now_s: u64,
    ) -> Result<UsagePolicy, WrapError> {
        let proven = keys.proven();
        let age_s = now_s.saturating_sub(proven.verified_s());
        let max_s = limits::EVIDENCE_MAX_AGE_S;
        if age_s > max_s {
            return Err(WrapError::StaleProof { age_s, max_s });
        }
        let attested_s = proven.instance().evidence_s() + age_s;
        let max_s = limits::CREATED_SKEW_S;
        if now_s.abs_diff(attested_s) > max_s {
            return Err(WrapError::Clock {
                now_s,
                attested_s,
                max_s,
            });
        }
        if keys.vendor().not_after_s <= now_s {
            return Err(WrapError::TeeKeyExpired);
        }
        if !(1..=limits::PARTITION_NAME).contains(&self.partition.len()) {
            return Err(WrapError::Partition(self.partition.clone()));
        }
        if self.label.len() > limits::LABEL {
            return Err(WrapError::Label);
        }
        let policy = super::policy(self, material);
        self.check_usage(&policy)?;
        self.check_revocation(keys)?;
        self.check_hard_end(keys.proven().binding().bounds.hard_end_max_s, now_s)?;
        Ok(policy)
    }

    fn check_usage(&self, policy: &UsagePolicy) -> Result<(), WrapError> {
        let (kind, class) = (policy.kind, policy.class);
        let possible = class.algorithms(kind);
        if possible.is_empty() {
            return Err(WrapError::Class { kind, class });
        }
        if policy.algorithms.len() > limits::ALGORITHMS {
            return Err(WrapError::TooLarge);
        }
        match policy
            .algorithms
            .iter()
            .find(|algorithm| !possible.contains(algorithm))
        {
            Some(algorithm) => Err(WrapError::Algorithm {
                kind,
                class,
                algorithm: *algorithm,
            }),
            None => Ok(()),
        }
    }

    fn check_revocation(&self, keys: &ProvenKeys) -> Result<(), WrapError> {
        let Some(order) = &self.revocation else {
            return Ok(());
        };
        let bounds = keys.proven().binding().bounds;
        // Tokens are drawn later and differ; the bounds do not look at them otherwise.
        let service = |(number, service): (u8, &ServiceOrder)| Service {
            host: service.host.clone(),
            status_root: service.status_root,
            token: Token([number; 32]),
        };
        let services: Vec<_> = (0u8..=u8::MAX).zip(&order.services).map(service).collect();
        let terms = order.terms;
        let within = services.len() == order.services.len()
            && Revocation::Services { services, terms }.is_within_bounds()
            && (bounds.interval_min_s..=bounds.interval_max_s).contains(&terms.interval_s)
            && terms.grace_s <= bounds.grace_max_s;
        if within {
            return Ok(());
        }
        Err(WrapError::Revocation {
            interval_min_s: bounds.interval_min_s,
            interval_max_s: bounds.interval_max_s,
            grace_max_s: bounds.grace_max_s,
        })
    }

    fn check_hard_end(&self, max_s: u64, now_s: u64) -> Result<(), WrapError> {
        match (self.hard_end_s, &self.revocation) {
            (None, None) => Err(WrapError::NoHardEnd { max_s }),
            (None, Some(_)) => Ok(()),
            (Some(end_s), revocation) => {
                let near_enough = revocation.is_some() || end_s <= now_s.saturating_add(max_s);
                if end_s > now_s && near_enough {
                    Ok(())
                } else {
                    Err(WrapError::HardEnd { max_s })
                }
            }
        }
    }
}
