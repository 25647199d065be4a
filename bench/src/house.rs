//! The whole way over real processes: an app with the SDK, the parent over HTTPS, the enclave, the revocation service.
//!
//! The processes are this program in another role, as with `cofferdam-sim`, whose house this is. The app is this process:
//! it seals every request and opens every answer, so its work is in the figure as well.

use crate::setup;
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::grant::{GrantOrder, OwnedGrant};
use cofferdam::import::{ImportStore, Importer};
use cofferdam::keyfile;
use cofferdam::known::Known;
use cofferdam::revocation::{BearerToken, Registrar, Service};
use cofferdam::session::Session;
use cofferdam::transport::{Client, Parent, Streamed};
use cofferdam::trust::Trust;
use cofferdam::verify::{Suites, Verifier};
use cofferdam::wrap::{KeyOrder, RevocationOrder, ServiceOrder};
use cofferdam_simulator::host::EnclaveHost;
use cofferdam_simulator::house::House;
use cofferdam_simulator::layout::Layout;
use cofferdam_simulator::ports::Ports;
use cofferdam_simulator::ready::Ready;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::KeyId;
use cofferdam_wire::import::LeaseTerms;
use cofferdam_wire::kind::{Action, KeyKind, Suite, UsageClass};
use cofferdam_wire::operation::Outcome;
use cofferdam_wire::session::{Audience, SignedGrant};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The running processes, with one imported key.
pub(crate) struct Running {
    house: House,
    client: Client,
    verifier: Arc<Verifier>,
    grant: SignedGrant,
    key: KeyId,
    directory: tempfile::TempDir,
}

impl Running {
    /// Starts everything and imports a P-256 key.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::create(directory.path()).unwrap();
        let house = House::start(layout, Ports::default(), EnclaveHost::process(), None)
            .await
            .unwrap();
        let ready = house.ready();
        let trust = Trust::read(&ready.trust_file).unwrap();
        let client = Client::new(&ready.parent_url, trust.provider_ca()).unwrap();
        let group = trust.group().unwrap();
        let verifier = Arc::new(Verifier::new(trust, Known::in_memory()));
        let owner = read_key(&ready.owner_key);
        let key = import(&ready, &client, &verifier, &owner, directory.path()).await;
        let now_s = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let order = GrantOrder {
            group,
            partition: ready.partition.clone(),
            keys: vec![key],
            actions: vec![Action::Sign],
            audience: Audience::App(read_key(&ready.app_key).public().thumbprint()),
            not_before_s: now_s - 60,
            not_after_s: now_s + 3600,
            epoch: 0,
        };
        let grant = OwnedGrant::sign(&order, &owner).unwrap().signed().clone();
        Self {
            house,
            client,
            verifier,
            grant,
            key,
            directory,
        }
    }

    /// One sealed request in each POST.
    pub(crate) async fn posts(&self, in_flight: usize, each: Duration) -> f64 {
        self.run(self.client.clone(), in_flight, each).await
    }

    /// Sealed requests over one stream.
    pub(crate) async fn stream(&self, in_flight: usize, each: Duration) -> f64 {
        self.run(Streamed::new(self.client.clone()), in_flight, each)
            .await
    }

    async fn run(&self, parent: impl Parent + 'static, in_flight: usize, each: Duration) -> f64 {
        let app = read_key(&self.house.ready().app_key);
        let session = Session::open(
            parent,
            Arc::clone(&self.verifier),
            vec![self.grant.clone()],
            app,
        );
        let session = Arc::new(session.await.unwrap());
        let operation = setup::sign(self.key);
        // The first request loads the record and brings the lease.
        session.call(&operation).await.unwrap();
        let start = Instant::now();
        let callers: Vec<_> = (0..in_flight)
            .map(|_| {
                let (session, operation) = (Arc::clone(&session), operation.clone());
                tokio::spawn(async move {
                    let mut count = 0_u64;
                    while start.elapsed() < each {
                        let outcome = session.call(&operation).await.unwrap();
                        assert!(matches!(outcome, Outcome::Bytes(_)));
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        let mut count = 0;
        for caller in callers {
            count += caller.await.unwrap();
        }
        count as f64 / start.elapsed().as_secs_f64()
    }

    /// Most memory that each process had resident so far, in bytes.
    pub(crate) fn memory(&self) -> [(&'static str, u64); 4] {
        let pids = self.house.ready().pids;
        [
            ("enclave", peak_resident(pids.enclave)),
            ("parent", peak_resident(pids.parent)),
            ("revocation service", peak_resident(pids.revocation)),
            ("app (this process)", peak_resident(pids.simulator)),
        ]
    }

    /// Ends every process and removes what they kept.
    pub(crate) async fn stop(self) {
        self.house.stop().await.unwrap();
        self.directory.close().unwrap();
    }
}

/// Wraps a fresh key to the proven enclave, with the house's revocation service and the default interval.
async fn import(
    ready: &Ready,
    client: &Client,
    verifier: &Arc<Verifier>,
    owner: &SigningKey,
    directory: &Path,
) -> KeyId {
    let ca = fs::read_to_string(&ready.revocation_ca).unwrap();
    let token = BearerToken::read(&ready.revocation_registrar_token_file, "registrar").unwrap();
    let service = Service::new(&ready.revocation_url, Some(&ca), token).unwrap();
    let root = hex::decode(&ready.revocation_status_root).unwrap();
    let order = KeyOrder {
        partition: ready.partition.clone(),
        class: UsageClass::Sign,
        algorithms: Vec::new(),
        label: "bench".into(),
        revocation: Some(RevocationOrder {
            services: vec![ServiceOrder {
                host: service.host(),
                status_root: PublicKey::from_cose(&root).unwrap(),
            }],
            terms: LeaseTerms {
                interval_s: 300,
                grace_s: 0,
                per_operation: false,
                skew_s: 1,
            },
        }),
        hard_end_s: None,
    };
    let importer = Importer {
        parent: client,
        verifier,
        store: &ImportStore::in_directory(&directory.join("imports")).unwrap(),
        registrars: &[service],
        progress: &|_| (),
    };
    let pem = SigningKey::generate(SignatureKind::P256).to_pkcs8_pem();
    let material = keyfile::parse(KeyKind::EcP256, pem.as_bytes()).unwrap();
    let confirmed = importer
        .import(&material, &order, Suites::both(Suite::XWing), owner)
        .await
        .unwrap();
    confirmed.receipt().key
}

fn read_key(path: &Path) -> SigningKey {
    SigningKey::from_pem(&fs::read(path).unwrap()).unwrap()
}

/// `VmHWM` of a process.
fn peak_resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kib * 1024
}
