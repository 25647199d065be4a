//! R, the revocation data of a key: which services must say "good", how often, and what opens its record.

use crate::cose::PublicKey;
use crate::id::Token;
use crate::import::LeaseTerms;
use crate::limits;
use minicbor::{Decode, Encode};

/// How a key is revoked. Release secrets are not here: they travel beside, and only their hash with R is signed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Revocation {
    /// One to three services; all must say "good", any one can revoke.
    #[n(1)]
    Services {
        /// In this order their release secrets are concatenated.
        #[n(0)]
        services: Vec<Service>,
        /// Interval, grace, mode, skew.
        #[n(1)]
        terms: LeaseTerms,
    },
}

/// One service as a key names it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Service {
    /// `host` or `host:port`; asked at `https://host/v1/status`.
    #[n(0)]
    pub host: String,
    /// Certifies the service's status and HPKE keys.
    #[n(1)]
    pub status_root: PublicKey,
    /// Shown when asking; nobody between enclave and service reads it.
    #[n(2)]
    pub token: Token,
}

impl Revocation {
    /// The services, in order.
    pub fn services(&self) -> &[Service] {
        match self {
            Revocation::Services { services, .. } => services,
        }
    }

    /// The lease's terms.
    pub fn terms(&self) -> LeaseTerms {
        match self {
            Revocation::Services { terms, .. } => *terms,
        }
    }

    /// Whether counts, lengths and bounds are within what the image allows. Out of range is refused, never clamped.
    pub fn is_within_bounds(&self) -> bool {
        let services = self.services();
        let terms = self.terms();
        let hosts_fit = services.iter().all(|service| is_host(&service.host));
        let tokens_differ = services
            .iter()
            .enumerate()
            .all(|(i, a)| services[..i].iter().all(|b| a.token != b.token));
        (1..=limits::SERVICES).contains(&services.len())
            && hosts_fit
            && tokens_differ
            && (limits::INTERVAL_MIN_S..=limits::INTERVAL_MAX_S).contains(&terms.interval_s)
            && terms.grace_s <= terms.interval_s.min(limits::GRACE_MAX_S)
            && (1..=limits::SKEW_MAX_S).contains(&terms.skew_s)
    }
}

/// A host name or address with an optional port, and nothing that could make a path or credentials of it.
fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= limits::HOST
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> (Vec<Service>, LeaseTerms) {
        let service = Service {
            host: "status.example:8443".into(),
            status_root: PublicKey::Ed25519([1; 32]),
            token: Token([2; 32]),
        };
        (
            vec![service],
            LeaseTerms {
                interval_s: 300,
                grace_s: 0,
                per_operation: false,
                skew_s: 1,
            },
        )
    }

    fn fits(change: impl FnOnce(&mut Vec<Service>, &mut LeaseTerms)) -> bool {
        let (mut services, mut terms) = valid();
        change(&mut services, &mut terms);
        Revocation::Services { services, terms }.is_within_bounds()
    }

    #[test]
    fn rev_1_bounds_are_refused_one_by_one() {
        assert!(fits(|_, _| ()));
        assert!(fits(|_, terms| terms.interval_s = 5));
        assert!(!fits(|_, terms| terms.interval_s = 4));
        assert!(!fits(
            |_, terms| terms.interval_s = limits::INTERVAL_MAX_S + 1
        ));
        assert!(fits(|_, terms| terms.grace_s = 300));
        assert!(!fits(|_, terms| terms.grace_s = 301));
        assert!(!fits(
            |_, terms| (terms.interval_s, terms.grace_s) = (7200, 3601)
        ));
        assert!(!fits(|_, terms| terms.skew_s = 61));
        assert!(!fits(|services, _| services.clear()));
        assert!(!fits(|services, _| services.push(services[0].clone())));
        assert!(!fits(
            |services, _| services[0].host = "user@host/path".into()
        ));
        assert!(!fits(|services, _| services[0].host = "x".repeat(129)));
    }
}
