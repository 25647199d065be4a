//! A service in a directory of its own, with a clock that the test moves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use cofferdam::crypto::random;
use cofferdam::crypto::secret::Secret32;
use cofferdam_revocation_service::Config;
use cofferdam_revocation_service::clock::Clock;
use cofferdam_revocation_service::config::{AcceptedImage, Verifier};
use cofferdam_revocation_service::registration::{Change, NewRegistration};
use cofferdam_revocation_service::service::Service;
use cofferdam_wire::Code;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{GroupId, Handle, Token};
use cofferdam_wire::status::{QueryItem, StatusQuery};
use tempfile::TempDir;

use crate::instance::{Answer, Group, IMAGE, Instance, Said, certified, item};
use crate::nsm::{Nsm, image};

/// When the tests begin, Unix seconds.
pub(crate) const START_S: u64 = 1_800_000_000;

/// A service and what is around it.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) config: Config,
    pub(crate) clock_ms: Arc<AtomicU64>,
    pub(crate) nsm: Nsm,
    pub(crate) group: Group,
    pub(crate) service: Arc<Service>,
}

/// A key as its customer knows it.
pub(crate) struct Key {
    pub(crate) token: Token,
    pub(crate) release: Vec<u8>,
    pub(crate) group: GroupId,
}

impl Key {
    pub(crate) fn new(group: GroupId) -> Self {
        Self {
            token: Token(random::array()),
            release: random::array::<32>().to_vec(),
            group,
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::of(&self.token)
    }

    pub(crate) fn registration(&self) -> NewRegistration {
        NewRegistration {
            handle: self.handle(),
            token_hash: self.token.hash(),
            release: Secret32::from_slice(&self.release).unwrap(),
            group: self.group,
            owner: PublicKey::Ed25519([2; 32]),
        }
    }
}

/// Settings for a service in `dir` that accepts `nsm` and [`IMAGE`].
pub(crate) fn config(dir: &Path, nsm: &Nsm) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        state_dir: dir.join("state"),
        audit_log: dir.join("audit.log"),
        public_name: "localhost".into(),
        valid_for_s: 3600,
        certificate_lifetime_s: 7 * 24 * 3600,
        status_root: None,
        registrar_token_file: None,
        admin_token_file: None,
        groups: vec![],
        queries_per_second: 50,
        tls: None,
        verifier: Verifier {
            attestation_root: Some(base64::engine::general_purpose::STANDARD.encode(nsm.root())),
            measurements: vec![accepted(IMAGE)],
        },
    }
}

pub(crate) fn accepted(byte: u8) -> AcceptedImage {
    let pcr = hex::encode([byte; 48]);
    AcceptedImage {
        pcr0: pcr.clone(),
        pcr1: pcr.clone(),
        pcr2: pcr,
        until_s: None,
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// With other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let nsm = Nsm::new(START_S - 3600);
        let group = Group::new(&nsm, image(IMAGE), START_S);
        let mut config = config(dir.path(), &nsm);
        change(&mut config);
        let clock_ms = Arc::new(AtomicU64::new(START_S * 1000));
        let service = Service::open(&config, clock(&clock_ms)).await.unwrap();
        Self {
            dir,
            config,
            clock_ms,
            nsm,
            group,
            service,
        }
    }

    pub(crate) fn pass(&self, ms: u64) {
        self.clock_ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock_ms.load(Ordering::SeqCst)
    }

    /// Stops the service, lets `meanwhile` work on its files, and starts it again.
    pub(crate) async fn restart(self, meanwhile: impl FnOnce(&mut Config)) -> Self {
        let Self {
            dir,
            mut config,
            clock_ms,
            nsm,
            group,
            service,
        } = self;
        service.close().await;
        drop(service);
        meanwhile(&mut config);
        let service = Service::open(&config, clock(&clock_ms)).await.unwrap();
        Self {
            dir,
            config,
            clock_ms,
            nsm,
            group,
            service,
        }
    }

    /// A key that is registered and active.
    pub(crate) async fn active_key(&self) -> Key {
        let key = Key::new(self.group.id);
        self.service.register(key.registration()).await.unwrap();
        self.change(&key, Change::Activate).await;
        key
    }

    pub(crate) async fn change(&self, key: &Key, change: Change) {
        self.service
            .registry()
            .change(key.handle(), change)
            .await
            .unwrap();
    }

    /// The certified key that queries are sealed to.
    pub(crate) fn service_key(&self) -> Vec<u8> {
        let keys = self.service.status_keys().unwrap();
        certified(&self.service.keyring().root(), &keys.queries).key
    }

    pub(crate) fn draft(&self, instance: &Instance, items: Vec<QueryItem>) -> StatusQuery {
        instance.draft(&self.nsm, self.now_ms(), items)
    }

    /// Sends a query that is sealed already.
    pub(crate) async fn send(&self, sealed: &[u8]) -> Result<Vec<u8>, Code> {
        self.service.answer(sealed.to_vec()).await
    }

    pub(crate) async fn ask_draft(
        &self,
        instance: &Instance,
        query: StatusQuery,
    ) -> Result<Answer, Code> {
        let nonce = query.nonce;
        let sealed = instance.seal(&self.service_key(), query);
        let answer = self.send(&sealed).await?;
        Ok(instance.open(&self.service.keyring().root(), &sealed, &nonce, &answer))
    }

    pub(crate) async fn ask(
        &self,
        instance: &Instance,
        items: Vec<QueryItem>,
    ) -> Result<Answer, Code> {
        self.ask_draft(instance, self.draft(instance, items)).await
    }

    /// What a good instance hears of one key.
    pub(crate) async fn hear(&self, key: &Key) -> Said {
        let instance = Instance::new(&self.group);
        let mut answer = self.ask(&instance, vec![item(key.token)]).await.unwrap();
        assert_eq!(answer.items.len(), 1);
        answer.items.remove(0)
    }
}

fn clock(clock_ms: &Arc<AtomicU64>) -> Clock {
    let clock_ms = Arc::clone(clock_ms);
    Clock::from_fn(move || clock_ms.load(Ordering::SeqCst))
}

/// Every file below a directory with its content.
pub(crate) fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let content = std::fs::read(&path).unwrap();
            found.push((path, content));
        }
    }
    found
}

/// Replaces a directory by an earlier copy.
pub(crate) fn restore(dir: &Path, backup: &[(PathBuf, Vec<u8>)]) {
    std::fs::remove_dir_all(dir).unwrap();
    for (path, content) in backup {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}
