//! Everything that a request may need, put together once.

use crate::config::{Config, PlaneCaller};
use crate::evidence::Evidence;
use crate::imports::Imports;
use crate::lifecycle::Stopping;
use crate::link::Link;
use crate::provider_keys::ProviderKeys;
use crate::store::Store;
use crate::validator::Validator;
use crate::vendor_statement::VendorStatementFile;
use cofferdam_wire::cbor;
use cofferdam_wire::link::{Health, Message};
use cofferdam_wire::{Code, limits};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Semaphore};

/// How long a readiness answer stands: probes of strangers do not reach the enclave more often.
const READINESS: Duration = Duration::from_millis(500);
const HEALTH_PATIENCE: Duration = Duration::from_secs(2);
/// Listings built at once; each may hold some megabytes.
const LISTINGS: usize = 4;

pub(crate) struct Parent {
    pub(crate) link: Link,
    pub(crate) store: Store,
    pub(crate) imports: Imports,
    pub(crate) evidence: Evidence,
    pub(crate) validator: Validator,
    pub(crate) statement: Arc<VendorStatementFile>,
    pub(crate) plane: Vec<PlaneCaller>,
    pub(crate) listings: Semaphore,
    pub(crate) stream_idle: Duration,
    pub(crate) stopping: Stopping,
    /// One genesis at a time: two would race for the one place in the store.
    pub(crate) genesis: Mutex<()>,
    ready: Mutex<Option<(Instant, bool)>>,
}

impl Parent {
    pub(crate) fn new(
        config: &Config,
        keys: Arc<dyn ProviderKeys>,
        validator: Validator,
        store: Store,
        link: Link,
        statement: Arc<VendorStatementFile>,
        stopping: Stopping,
    ) -> Self {
        Self {
            imports: Imports::new(
                keys.clone(),
                config.admit.clone(),
                &config.limits,
                store.clone(),
                link.clone(),
                statement.clone(),
            ),
            evidence: Evidence::new(keys, link.clone(), statement.clone()),
            validator,
            link,
            store,
            statement,
            plane: config.provider_plane.clone(),
            listings: Semaphore::new(LISTINGS),
            stream_idle: Duration::from_secs(config.limits.stream_idle_s),
            stopping,
            genesis: Mutex::new(()),
            ready: Mutex::new(None),
        }
    }

    /// What the enclave says of itself.
    pub(crate) async fn health(&self) -> Result<Health, Code> {
        let asked =
            tokio::time::timeout(HEALTH_PATIENCE, self.link.call(Message::Health, Vec::new()))
                .await;
        let reply = asked.map_err(|_| Code::Unreachable)??;
        cbor::decode(&reply, limits::FRAME_BODY).map_err(|_| Code::Internal)
    }

    /// Whether the link is up and the enclave serves operations, as of half a second ago at most.
    pub(crate) async fn is_ready(&self) -> bool {
        if !self.link.is_up() {
            return false;
        }
        let mut last = self.ready.lock().await;
        if let Some((at, ready)) = *last
            && at.elapsed() < READINESS
        {
            return ready;
        }
        let ready = self.health().await.is_ok_and(|health| health.ready);
        *last = Some((Instant::now(), ready));
        ready
    }
}
