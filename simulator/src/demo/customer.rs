//! The customer's machine: everything that the SDK does for it, through the recorder.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use cofferdam::crypto::secret::Secret32;
use cofferdam::crypto::signing::SigningKey;
use cofferdam::grant::{GrantOrder, OwnedGrant};
use cofferdam::import::{ImportStore, Importer};
use cofferdam::known::Known;
use cofferdam::receipt::Confirmed;
use cofferdam::revocation::{BearerToken, Registrar, Registration, Service, Switch};
use cofferdam::session::Session;
use cofferdam::transport::{CallError, Client};
use cofferdam::trust::Trust;
use cofferdam::verify::{Suites, Verifier};
use cofferdam::wrap::{KeyOrder, RevocationOrder, ServiceOrder};
use cofferdam_wire::cbor;
use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::id::{GroupId, Handle, KeyId};
use cofferdam_wire::import::{ImportRequest, LeaseTerms};
use cofferdam_wire::kind::{Action, Suite, UsageClass};
use cofferdam_wire::layer::Layer;
use cofferdam_wire::limits;
use cofferdam_wire::session::{Audience, SignedGrant};

use super::keys::FreshKey;
use super::tape::{Recorded, Tape};
use crate::house::House;
use crate::setup::{self, PARTITION};

/// Seconds between two confirmations of a key: the shortest that the image allows, so that nobody waits long.
pub(crate) const INTERVAL_S: u32 = 5;
/// An hour.
const GRANT_S: u64 = 3600;

/// What the app talks through.
pub(crate) type AppSession = Session<Recorded<Client>>;

/// See the module.
pub(crate) struct Customer {
    pub(crate) parent: Recorded<Client>,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) owner: SigningKey,
    pub(crate) switch: Switch,
    service: [Witnessed; 1],
    status_root: PublicKey,
    store: ImportStore,
    app: SigningKey,
    app_pem: zeroize::Zeroizing<Vec<u8>>,
    group: GroupId,
}

/// An imported key, and what its import looked like.
pub(crate) struct Imported {
    pub(crate) fresh: FreshKey,
    pub(crate) id: KeyId,
    pub(crate) handle: Handle,
    pub(crate) confirmed: Confirmed,
    pub(crate) sizes: Sizes,
}

/// Bytes of the parts of an import.
pub(crate) struct Sizes {
    pub(crate) statement: usize,
    pub(crate) outer_layer: usize,
}

/// The revocation service, and the release secrets that were registered there: on the customer's side they exist nowhere
/// else after the import. The demo keeps them to show what they open.
struct Witnessed {
    service: Service,
    releases: Mutex<Vec<(Handle, Secret32)>>,
}

impl Witnessed {
    fn witness(&self, registration: &Registration) {
        let release = Secret32::from_slice(registration.release_secret.expose());
        let mut releases = self.releases.lock().unwrap_or_else(PoisonError::into_inner);
        releases.extend(release.map(|release| (registration.handle, release)));
    }
}

impl Registrar for Witnessed {
    fn host(&self) -> String {
        self.service.host()
    }

    async fn register(&self, registration: &Registration) -> Result<(), CallError> {
        self.witness(registration);
        self.service.register(registration).await
    }

    async fn activate(&self, handle: &Handle) -> Result<(), CallError> {
        self.service.activate(handle).await
    }
}

impl Customer {
    /// With the files that the house made for it.
    pub(crate) fn new(house: &House, tape: Tape) -> anyhow::Result<Self> {
        let ready = house.ready();
        let trust = Trust::read(&ready.trust_file)?;
        let group = trust.group().context("the trust file names no group")?;
        let client = Client::new(&ready.parent_url, trust.provider_ca())?;
        let ca = fs::read_to_string(&ready.revocation_ca)?;
        let registrar = BearerToken::read(&ready.revocation_registrar_token_file, "registrar")?;
        let admin = BearerToken::read(&ready.revocation_admin_token_file, "admin")?;
        let status_root = PublicKey::from_cose(&hex::decode(&ready.revocation_status_root)?)?;
        let app_pem = zeroize::Zeroizing::new(fs::read(&ready.app_key)?);
        Ok(Self {
            parent: Recorded::new(client, tape),
            verifier: Arc::new(Verifier::new(trust, Known::in_memory())),
            owner: SigningKey::from_pem(&fs::read(&ready.owner_key)?)?,
            switch: Switch::new(&ready.revocation_url, Some(&ca), admin)?,
            service: [Witnessed {
                service: Service::new(&ready.revocation_url, Some(&ca), registrar)?,
                releases: Mutex::default(),
            }],
            status_root,
            store: ImportStore::in_directory(&house.layout().coffer_state())?,
            app: SigningKey::from_pem(&app_pem)?,
            app_pem,
            group,
        })
    }

    /// The whole import of a fresh key for signing.
    pub(crate) async fn import(&self, fresh: FreshKey, suite: Suite) -> anyhow::Result<Imported> {
        let terms = LeaseTerms {
            interval_s: INTERVAL_S,
            grace_s: 0,
            per_operation: false,
            skew_s: 1,
        };
        let services = vec![ServiceOrder {
            host: self.service[0].host(),
            status_root: self.status_root,
        }];
        let order = KeyOrder {
            partition: PARTITION.into(),
            class: UsageClass::Sign,
            algorithms: Vec::new(),
            label: format!("fresh {}", fresh.name),
            revocation: Some(RevocationOrder { services, terms }),
            hard_end_s: None,
        };
        let importer = Importer {
            parent: &self.parent,
            verifier: &self.verifier,
            store: &self.store,
            registrars: &self.service,
            progress: &|_| (),
        };
        let material = fresh.material()?;
        let confirmed = importer
            .import(&material, &order, Suites::both(suite), &self.owner)
            .await?;
        let id = confirmed.receipt().key;
        let stored = self.store.load(&id)?;
        let handle = stored
            .sealed
            .services()
            .first()
            .context("the key names no service")?
            .handle;
        let request: ImportRequest = cbor::decode(stored.sealed.request(), limits::IMPORT)?;
        CoseSign1::from_bytes(&request.statement, limits::STATEMENT)?;
        cbor::decode::<Layer>(&request.layer, limits::LAYER)?;
        let sizes = Sizes {
            statement: request.statement.len(),
            outer_layer: request.layer.len(),
        };
        Ok(Imported {
            fresh,
            id,
            handle,
            confirmed,
            sizes,
        })
    }

    /// A session of the app, under a grant to sign and verify with these keys.
    pub(crate) async fn session(&self, keys: &[KeyId]) -> anyhow::Result<AppSession> {
        let grant = self.grant(keys)?;
        let app = SigningKey::from_pem(&self.app_pem)?;
        Ok(Session::open(
            self.parent.clone(),
            Arc::clone(&self.verifier),
            vec![grant],
            app,
        )
        .await?)
    }

    fn grant(&self, keys: &[KeyId]) -> anyhow::Result<SignedGrant> {
        let now_s = setup::now_s()?;
        let order = GrantOrder {
            group: self.group,
            partition: PARTITION.into(),
            keys: keys.to_vec(),
            actions: vec![Action::Sign, Action::Verify],
            audience: Audience::App(self.app.public().thumbprint()),
            not_before_s: now_s - 60,
            not_after_s: now_s + GRANT_S,
            epoch: 0,
        };
        Ok(OwnedGrant::sign(&order, &self.owner)?.signed().clone())
    }

    /// What was registered for this key.
    pub(crate) fn release_secret(&self, handle: &Handle) -> anyhow::Result<Secret32> {
        let releases = self.service[0]
            .releases
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let found = releases.iter().find(|(of, _)| of == handle);
        let (_, release) = found.context("no release secret was registered for this key")?;
        Secret32::from_slice(release.expose()).context("a release secret has 32 bytes")
    }
}
