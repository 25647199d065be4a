//! The import flow: in order, resumable after every step, and never active without a receipt that confirms.

use std::sync::Mutex;

use cofferdam::import::{ImportError, ImportStore, Importer, Stage, Step};
use cofferdam::known::Known;
use cofferdam::receipt::Confirmed;
use cofferdam::revocation::{Registrar, Registration};
use cofferdam::transport::CallError;
use cofferdam::verify::{Suites, Verifier};
use cofferdam_wire::Code;
use cofferdam_wire::id::{Handle, KeyId};

use crate::enclave::{Played, owner};
use crate::web::Web;
use crate::world::World;
use crate::wraps::{ed25519, order};

/// A revocation service that refuses when told so, and notes what it was asked.
#[derive(Default)]
struct Book {
    refuse: Mutex<Option<Code>>,
    registered: Mutex<Vec<Handle>>,
    activated: Mutex<Vec<Handle>>,
}

impl Book {
    fn enter(&self, page: &Mutex<Vec<Handle>>, handle: Handle) -> Result<(), CallError> {
        match *self.refuse.lock().unwrap() {
            Some(code) => Err(CallError::refused(code)),
            None => {
                page.lock().unwrap().push(handle);
                Ok(())
            }
        }
    }
}

impl Registrar for Book {
    fn host(&self) -> String {
        "status.example:8443".into()
    }

    async fn register(&self, registration: &Registration) -> Result<(), CallError> {
        self.enter(&self.registered, registration.handle)
    }

    async fn activate(&self, handle: &Handle) -> Result<(), CallError> {
        self.enter(&self.activated, *handle)
    }
}

struct Desk<'a> {
    parent: Played<'a>,
    verifier: Verifier,
    store: ImportStore,
    directory: tempfile::TempDir,
    books: Vec<Book>,
    steps: Mutex<Vec<Step>>,
}

impl<'a> Desk<'a> {
    fn new(world: &'a World) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Desk {
            parent: Played::new(world),
            verifier: world.verifier(),
            store: ImportStore::in_directory(directory.path()).unwrap(),
            directory,
            books: vec![Book::default()],
            steps: Mutex::default(),
        }
    }

    async fn import(&self) -> Result<Confirmed, ImportError> {
        let note = |step| self.steps.lock().unwrap().push(step);
        self.importer(&note)
            .import(&ed25519(), &order(), Suites::default(), &owner())
            .await
    }

    async fn finish(&self, key: KeyId) -> Result<Confirmed, ImportError> {
        self.importer(&|_| ()).finish(key).await
    }

    fn importer<'b>(
        &'b self,
        progress: &'b (dyn Fn(Step) + Send + Sync),
    ) -> Importer<'b, Played<'a>, Book> {
        Importer {
            parent: &self.parent,
            verifier: &self.verifier,
            store: &self.store,
            registrars: &self.books,
            progress,
        }
    }

    fn only_stage(&self) -> Option<Stage> {
        let list = self.store.list().unwrap();
        assert!(list.len() <= 1);
        list.first().map(|import| import.stage)
    }
}

#[tokio::test]
async fn everything_happens_in_order() {
    let world = World::new();
    let desk = Desk::new(&world);
    let confirmed = desk.import().await.unwrap();
    let host = "status.example:8443".to_owned();
    let expected = [
        Step::Proving,
        Step::Challenging,
        Step::Wrapping,
        Step::Registering(host.clone()),
        Step::Saved(confirmed.receipt().key),
        Step::Sending,
        Step::Comparing,
        Step::Activating(host),
    ];
    assert_eq!(*desk.steps.lock().unwrap(), expected);
    assert_eq!(desk.only_stage(), Some(Stage::Active));
    assert_eq!(
        *desk.books[0].registered.lock().unwrap(),
        *desk.books[0].activated.lock().unwrap()
    );
    let again = ImportStore::in_directory(desk.directory.path()).unwrap();
    let stored = again.load(&confirmed.receipt().key).unwrap();
    assert_eq!(
        (stored.sealed.partition(), stored.sealed.label()),
        ("payments", "for tests")
    );
}

#[tokio::test]
async fn a_registration_that_fails_leaves_nothing_saved_or_sent() {
    let world = World::new();
    let desk = Desk::new(&world);
    *desk.books[0].refuse.lock().unwrap() = Some(Code::Unauthorized);
    assert!(matches!(
        desk.import().await,
        Err(ImportError::Register { .. })
    ));
    assert_eq!(desk.only_stage(), None);
    assert!(desk.parent.imports.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_service_without_credential_is_said_before_anything_else() {
    let world = World::new();
    let mut desk = Desk::new(&world);
    desk.books.clear();
    assert!(
        matches!(desk.import().await, Err(ImportError::NoRegistrar(host)) if host == "status.example:8443")
    );
    assert!(desk.steps.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_retry_sends_the_same_bytes() {
    let world = World::new();
    let desk = Desk::new(&world);
    desk.parent.faults.lock().unwrap().refuse_imports = vec![Code::Busy, Code::Unreachable];
    let Err(ImportError::Send { key, .. }) = desk.import().await else {
        panic!("the import was not refused")
    };
    assert_eq!(desk.only_stage(), Some(Stage::Saved));
    assert!(matches!(
        desk.finish(key).await,
        Err(ImportError::Send { .. })
    ));
    assert_eq!(desk.finish(key).await.unwrap().receipt().key, key);
    let sent = desk.parent.imports.lock().unwrap();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|import| *import == sent[0]));
    assert_eq!(desk.only_stage(), Some(Stage::Active));
}

#[tokio::test]
async fn what_can_never_be_accepted_is_not_kept() {
    let world = World::new();
    let desk = Desk::new(&world);
    desk.parent.faults.lock().unwrap().refuse_imports = vec![Code::WeakKey];
    assert!(matches!(
        desk.import().await,
        Err(ImportError::Refused(Code::WeakKey))
    ));
    assert_eq!(desk.only_stage(), None);
    assert!(desk.books[0].activated.lock().unwrap().is_empty());
}

/// A sealed import that waited until the TEE key it was sealed to was erased (IMP-10).
#[tokio::test]
async fn imp_10_an_import_to_an_erased_key_says_to_fetch_the_current_one_and_is_not_kept() {
    let world = World::new();
    let desk = Desk::new(&world);
    desk.parent.faults.lock().unwrap().refuse_imports =
        vec![Code::UnknownRecipient, Code::Unreachable];
    let Err(ImportError::Send { key, .. }) = desk.import().await else {
        panic!("the import was not refused")
    };
    let erased = desk.finish(key).await.err().unwrap();
    assert!(matches!(
        erased,
        ImportError::Refused(Code::UnknownRecipient)
    ));
    let told = erased.to_string();
    assert!(told.contains("fetch the current key"), "{told}");
    assert!(told.contains("unknown-recipient"), "{told}");
    assert_eq!(desk.only_stage(), None);
    let again = desk.import().await.unwrap();
    assert_ne!(again.receipt().key, key);
}

#[tokio::test]
async fn t09_a_receipt_that_lies_activates_nothing() {
    let world = World::new();
    let desk = Desk::new(&world);
    desk.parent.faults.lock().unwrap().lie =
        Some(|receipt| receipt.lease.as_mut().unwrap().interval_s = 604_800);
    let Err(ImportError::Receipt { key, reason }) = desk.import().await else {
        panic!("the lie was believed")
    };
    assert_eq!(reason.check(), "RCP-6");
    assert!(desk.books[0].activated.lock().unwrap().is_empty());
    assert_eq!(desk.only_stage(), Some(Stage::Saved));
    desk.parent.faults.lock().unwrap().lie = None;
    assert!(desk.finish(key).await.is_ok());
}

/// The vendor's address is ahead of what the provider staples beside proof and receipt.
#[tokio::test]
async fn prf_24_rcp_3_a_provider_that_is_behind_the_vendors_address_gets_its_imports_confirmed() {
    let (world, web) = (World::new(), Web::start().await);
    let mut newer = world.statement();
    newer.sequence += 2;
    web.serve("/newest", world.signed_statement(&newer));
    let mut trust = world.trust_file();
    trust.vendor_url = Some(format!("{}/newest", web.url));
    trust.vendor_ca = Some(web.ca_pem.clone());
    let mut desk = Desk::new(&world);
    desk.verifier = Verifier::new(trust.check().unwrap(), Known::in_memory());
    let key = desk.import().await.unwrap().receipt().key;
    assert_eq!(desk.only_stage(), Some(Stage::Active));
    let stored = desk.store.load(&key).unwrap();
    assert_eq!(stored.sealed.expected().vendor_sequence, newer.sequence);
    assert!(desk.finish(key).await.is_ok());
}

#[tokio::test]
async fn an_activation_that_fails_is_made_up_for_without_sending_again() {
    let world = World::new();
    let desk = Desk::new(&world);
    let note = |step: Step| {
        if step == Step::Comparing {
            *desk.books[0].refuse.lock().unwrap() = Some(Code::Unreachable);
        }
    };
    let failed = desk
        .importer(&note)
        .import(&ed25519(), &order(), Suites::default(), &owner())
        .await;
    let Err(ImportError::Activate { key, .. }) = failed else {
        panic!("the activation did not fail")
    };
    assert_eq!(desk.only_stage(), Some(Stage::Confirmed));
    *desk.books[0].refuse.lock().unwrap() = None;
    assert!(desk.finish(key).await.is_ok());
    assert!(desk.finish(key).await.is_ok());
    assert_eq!(desk.only_stage(), Some(Stage::Active));
    assert_eq!(desk.parent.imports.lock().unwrap().len(), 1);
    assert_eq!(desk.books[0].activated.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_damaged_file_is_named() {
    let world = World::new();
    let desk = Desk::new(&world);
    let key = desk.import().await.unwrap().receipt().key;
    let file = desk
        .directory
        .path()
        .join("imports")
        .join(key.to_string())
        .join("sealed.cbor");
    std::fs::write(&file, b"?").unwrap();
    let error = desk.finish(key).await.err().unwrap();
    assert!(
        error.to_string().contains("sealed.cbor is damaged"),
        "{error}"
    );
    let unknown = desk.finish(KeyId([1; 32])).await.err().unwrap();
    assert!(unknown.to_string().contains("coffer key list"), "{unknown}");
}
