//! The HPKE keys of services, as their certificates name them; fetched through the parent, believed for their root.

use super::answer::{Refused, certified};
use super::schedule::Lane;
use super::timing;
use crate::crypto::xwing;
use crate::io::Entropy;
use crate::lease::Clock;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{RecipientId, Thumbprint};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::recipient_id;
use cofferdam_wire::status::{StatusKeys, StatusPurpose};
use cofferdam_wire::{cbor, limits};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What queries to a service are sealed to.
pub(super) struct QueryKey {
    pub(super) public: [u8; xwing::PUBLIC],
    pub(super) id: RecipientId,
    not_after_ms: u64,
}

/// What to do before a service can be asked.
pub(super) enum Access {
    /// Nothing.
    Key(Arc<QueryKey>),
    /// Fetch its certificates.
    Fetch,
    /// Wait until then: they are being fetched, or were not good.
    Wait(u64),
}

#[derive(Default)]
struct Service {
    key: Option<Arc<QueryKey>>,
    wait_until_ms: u64,
    failures: u32,
}

/// All services known. Two roots at one host are two services.
#[derive(Default)]
pub(super) struct Services(BTreeMap<(String, Thumbprint), Service>);

impl Services {
    /// None once no key names the service any more.
    fn of(&mut self, lane: &Lane) -> Option<&mut Service> {
        self.0.get_mut(&(lane.host.clone(), lane.root))
    }

    pub(super) fn access(&mut self, lane: &Lane, now: Clock) -> Access {
        let service = self.0.entry((lane.host.clone(), lane.root)).or_default();
        match &service.key {
            // STA-2: a certificate is looked at again at every use.
            Some(key) if now.attested_ms < key.not_after_ms => Access::Key(key.clone()),
            _ if now.monotonic_ms < service.wait_until_ms => Access::Wait(service.wait_until_ms),
            _ => Access::Fetch,
        }
    }

    /// Certificates were asked for; nobody asks again before `until_ms`.
    pub(super) fn fetching(&mut self, lane: &Lane, until_ms: u64) {
        if let Some(service) = self.of(lane) {
            service.wait_until_ms = until_ms;
        }
    }

    /// Certificates came, or did not. Gives the time until which the service's lanes wait.
    pub(super) fn fetched(
        &mut self,
        lane: &Lane,
        root: &PublicKey,
        reply: Option<&[u8]>,
        now: Clock,
        entropy: &mut dyn Entropy,
    ) -> u64 {
        let key = reply.and_then(|reply| read(root, reply, now.attested_ms).ok());
        let Some(service) = self.of(lane) else {
            return 0;
        };
        service.wait_until_ms = if key.is_some() {
            service.failures = 0;
            0
        } else {
            service.failures = service.failures.saturating_add(1);
            now.monotonic_ms + timing::pause_ms(service.failures, timing::PAUSE_MAX_MS, entropy)
        };
        service.key = key.map(Arc::new);
        service.wait_until_ms
    }

    /// Fetch certificates again before the next query.
    pub(super) fn doubt(&mut self, lane: &Lane) {
        if let Some(service) = self.of(lane) {
            service.key = None;
        }
    }

    pub(super) fn forget(&mut self, lane: &Lane) {
        self.0.remove(&(lane.host.clone(), lane.root));
    }
}

fn read(root: &PublicKey, reply: &[u8], attested_ms: u64) -> Result<QueryKey, Refused> {
    let keys: StatusKeys =
        cbor::decode(reply, 2 * limits::STATUS_CERTIFICATE + 16).map_err(|_| Refused::Malformed)?;
    let certificate = certified(root, &keys.queries, StatusPurpose::Queries, attested_ms)?;
    Ok(QueryKey {
        public: certificate.key[..]
            .try_into()
            .map_err(|_| Refused::Malformed)?,
        id: recipient_id(Suite::XWing, &certificate.key),
        not_after_ms: certificate.not_after_s.saturating_mul(1000),
    })
}

#[cfg(test)]
impl Services {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
