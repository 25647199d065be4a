//! The whole way of an app: SDK, TLS, parent, link, enclave, as processes of their own on this machine.

use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::grant::{GrantOrder, OwnedGrant};
use cofferdam::import::{ImportStore, Importer};
use cofferdam::keyfile;
use cofferdam::known::Known;
use cofferdam::revocation::{BearerToken, Service};
use cofferdam::session::Session;
use cofferdam::transport::{Client, Parent, Streamed};
use cofferdam::trust::Trust;
use cofferdam::verify::{Suites, Verifier};
use cofferdam::wrap::{KeyOrder, RevocationOrder, ServiceOrder};
use cofferdam_simulator::house::House;
use cofferdam_simulator::layout::Layout;
use cofferdam_simulator::ports::Ports;
use cofferdam_simulator::ready::Ready;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::KeyId;
use cofferdam_wire::import::LeaseTerms;
use cofferdam_wire::kind::{Action, Algorithm, KeyKind, Suite, UsageClass};
use cofferdam_wire::operation::Input;
use cofferdam_wire::session::{Audience, SignedGrant};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Everything started, with one P-256 key imported.
pub(crate) struct Front {
    house: House,
    verifier: Arc<Verifier>,
    client: Client,
    grant: SignedGrant,
    key: KeyId,
}

impl Front {
    /// Starts the processes in a directory.
    pub(crate) async fn start(dir: &Path) -> Self {
        let house = House::start(Layout::create(dir).unwrap(), Ports::default(), None)
            .await
            .unwrap();
        let ready = house.ready();
        let trust = Trust::read(&ready.trust_file).unwrap();
        let group = trust.group().unwrap();
        let client = Client::new(&ready.parent_url, trust.provider_ca()).unwrap();
        let verifier = Arc::new(Verifier::new(trust, Known::in_memory()));
        let owner = SigningKey::from_pem(&fs::read(&ready.owner_key).unwrap()).unwrap();
        let key = import(&ready, &client, &verifier, &owner, dir).await;
        let app = SigningKey::from_pem(&fs::read(&ready.app_key).unwrap()).unwrap();
        let now_s = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let order = GrantOrder {
            group,
            partition: ready.partition,
            keys: vec![key],
            actions: vec![Action::Sign],
            audience: Audience::App(app.public().thumbprint()),
            not_before_s: now_s - 60,
            not_after_s: now_s + 3_600,
            epoch: 0,
        };
        let grant = OwnedGrant::sign(&order, &owner).unwrap().signed().clone();
        Self {
            house,
            verifier,
            client,
            grant,
            key,
        }
    }

    /// Single POSTs, so many in flight.
    pub(crate) async fn posts(&self, in_flight: usize, each: Duration) -> f64 {
        self.rate(self.client.clone(), in_flight, each).await
    }

    /// One stream, so many in flight.
    pub(crate) async fn stream(&self, in_flight: usize, each: Duration) -> f64 {
        self.rate(Streamed::new(self.client.clone()), in_flight, each)
            .await
    }

    /// Stops the processes.
    pub(crate) async fn stop(self) {
        self.house.stop().await.unwrap();
    }

    async fn rate<P>(&self, parent: P, in_flight: usize, each: Duration) -> f64
    where
        P: Parent + Send + Sync + 'static,
    {
        let app = fs::read(&self.house.ready().app_key).unwrap();
        let app = SigningKey::from_pem(&app).unwrap();
        let grants = vec![self.grant.clone()];
        let session = Session::open(parent, Arc::clone(&self.verifier), grants, app)
            .await
            .unwrap();
        let (session, count, key) = (Arc::new(session), Arc::new(AtomicU64::new(0)), self.key);
        session
            .sign(key, Algorithm::EcdsaSha256, message())
            .await
            .unwrap();
        let start = Instant::now();
        let running: Vec<_> = (0..in_flight)
            .map(|_| {
                let (session, count) = (Arc::clone(&session), Arc::clone(&count));
                tokio::spawn(async move {
                    while start.elapsed() < each {
                        session
                            .sign(key, Algorithm::EcdsaSha256, message())
                            .await
                            .unwrap();
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for task in running {
            task.await.unwrap();
        }
        count.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
    }
}

fn message() -> Input {
    Input::Message(b"message".to_vec())
}

async fn import(
    ready: &Ready,
    client: &Client,
    verifier: &Verifier,
    owner: &SigningKey,
    dir: &Path,
) -> KeyId {
    let pem = SigningKey::generate(SignatureKind::P256).to_pkcs8_pem();
    let material = keyfile::parse(KeyKind::EcP256, pem.as_bytes()).unwrap();
    let ca = fs::read_to_string(&ready.revocation_ca).unwrap();
    let registrar = BearerToken::read(&ready.revocation_registrar_token_file, "registrar").unwrap();
    let service = [Service::new(&ready.revocation_url, Some(&ca), registrar).unwrap()];
    let root = hex::decode(&ready.revocation_status_root).unwrap();
    let services = vec![ServiceOrder {
        host: cofferdam::revocation::Registrar::host(&service[0]),
        status_root: PublicKey::from_cose(&root).unwrap(),
    }];
    let terms = LeaseTerms {
        interval_s: 300,
        grace_s: 0,
        per_operation: false,
        skew_s: 1,
    };
    let order = KeyOrder {
        partition: ready.partition.clone(),
        class: UsageClass::Sign,
        algorithms: Vec::new(),
        label: "bench".into(),
        revocation: Some(RevocationOrder { services, terms }),
        hard_end_s: None,
    };
    let store = ImportStore::in_directory(&dir.join("bench-imports")).unwrap();
    let importer = Importer {
        parent: client,
        verifier,
        store: &store,
        registrars: &service,
        progress: &|_| (),
    };
    let confirmed = importer
        .import(&material, &order, Suites::both(Suite::XWing), owner)
        .await;
    confirmed.unwrap().receipt().key
}
