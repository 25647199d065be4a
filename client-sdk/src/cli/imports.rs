//! `coffer key import` and `coffer key resume`.

use cofferdam_wire::import::LeaseTerms;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::args::{Import, KeyName};
use super::context::{self, Context};
use super::failure::Failure;
use super::output::{Shown, progress};
use crate::crypto::public_key::PublicKey;
use crate::files;
use crate::import::{Importer, Stage, Step, StoredImport};
use crate::keyfile;
use crate::revocation::Service;
use crate::times::show_time;
use crate::transport::HttpsEndpoint;
use crate::verify::Suites;
use crate::wrap::{KeyOrder, RevocationOrder, ServiceOrder};

pub(super) async fn import(context: &Context, options: &Import) -> Result<Shown, Failure> {
    let material = {
        let file = Zeroizing::new(files::read(&options.input, keyfile::MAX_FILE_LEN)?);
        keyfile::parse(options.kind, &file).map_err(|error| {
            Failure::new("key-file", format!("{}: {error}", options.input.display()))
        })?
    };
    let (registrars, revocation) = services(context, options)?;
    let order = KeyOrder {
        partition: options.partition.clone(),
        class: options.class,
        algorithms: options.algorithms.clone(),
        label: options.label.clone(),
        revocation,
        hard_end_s: options.hard_end,
    };
    let (client, verifier, store) = (context.client()?, context.verifier()?, context.store()?);
    let quiet = context.is_quiet();
    let note = move |step: Step| progress(quiet, &describe(&step));
    let importer = Importer {
        parent: &client,
        verifier: &verifier,
        store: &store,
        registrars: &registrars,
        progress: &note,
    };
    let owner = context.owner()?;
    let confirmed = importer
        .import(&material, &order, Suites::both(options.suite), &owner)
        .await?;
    let stored = store.load(&confirmed.receipt().key)?;
    Ok(Shown::fields(facts(&stored)))
}

pub(super) async fn resume(context: &Context, id: Option<&KeyName>) -> Result<Shown, Failure> {
    let (client, verifier, store) = (context.client()?, context.verifier()?, context.store()?);
    let keys = match id {
        Some(id) => vec![context.key(id)?],
        None => {
            let unfinished = store
                .list()?
                .into_iter()
                .filter(|import| import.stage < Stage::Active);
            unfinished.map(|import| import.sealed.key()).collect()
        }
    };
    let mut registrars = Vec::new();
    for service in context.config()?.revocation {
        registrars.push(context::registrar(&service)?);
    }
    let quiet = context.is_quiet();
    let note = move |step: Step| progress(quiet, &describe(&step));
    let importer = Importer {
        parent: &client,
        verifier: &verifier,
        store: &store,
        registrars: &registrars,
        progress: &note,
    };
    let mut rows = Vec::new();
    for key in keys {
        importer.finish(key).await?;
        rows.push(facts(&store.load(&key)?));
    }
    Ok(Shown::rows(
        rows,
        &["key", "label", "kind", "use", "state"],
        "No import was interrupted.",
    ))
}

/// What is known of an import, for people and programs.
pub(super) fn facts(import: &StoredImport) -> Value {
    let expected = import.sealed.expected();
    let services: Vec<_> = import
        .sealed
        .services()
        .iter()
        .map(|service| json!({ "host": service.host, "handle": service.handle.to_string() }))
        .collect();
    json!({
        "key": expected.key.to_string(),
        "label": import.sealed.label(),
        "state": import.stage.to_string(),
        "partition": import.sealed.partition(),
        "kind": expected.policy.kind.slug(),
        "use": expected.policy.class.slug(),
        "algorithms": expected.policy.algorithms.iter().map(|algorithm| algorithm.slug()).collect::<Vec<_>>(),
        "revocable": expected.lease.is_some(),
        "interval_s": expected.lease.map(|lease| lease.interval_s),
        "grace_s": expected.lease.map(|lease| lease.grace_s),
        "per_operation": expected.lease.map(|lease| lease.per_operation),
        "services": services,
        "hard_end": expected.hard_end_s.map(show_time),
        "escrow": expected.escrow.slug(),
        "group": expected.group.to_string(),
        "imported": import.imported_s().map(show_time),
        "public_key": expected.public_key.as_deref().and_then(pem),
    })
}

fn pem(cose_key: &[u8]) -> Option<String> {
    PublicKey::from_cose(cose_key)
        .ok()
        .map(|key| key.to_spki_pem())
}

/// The services that the key will name, with a registrar's client for each.
fn services(
    context: &Context,
    options: &Import,
) -> Result<(Vec<Service>, Option<RevocationOrder>), Failure> {
    if options.no_revocation {
        return Ok((Vec::new(), None));
    }
    let mut clients = Vec::new();
    let mut services = Vec::new();
    for url in &options.revocation {
        for service in context.services(Some(url))? {
            let status_root = service
                .root()
                .expect("invariant: a configuration with a bad root is refused when it is read");
            services.push(ServiceOrder {
                host: HttpsEndpoint::new(&service.url, None)?.host(),
                status_root,
            });
            clients.push(context::registrar(&service)?);
        }
    }
    let terms = LeaseTerms {
        interval_s: options.interval,
        grace_s: options.grace,
        per_operation: options.per_operation,
        skew_s: options.skew,
    };
    Ok((clients, Some(RevocationOrder { services, terms })))
}

fn describe(step: &Step) -> String {
    match step {
        Step::Proving => "verifying the enclave ...".into(),
        Step::Challenging => "challenging its key and the provider's ...".into(),
        Step::Wrapping => "wrapping the key ...".into(),
        Step::Registering(host) => format!("registering at {host} ..."),
        Step::Saved(key) => format!("sealed import saved as {key}"),
        Step::Sending => "sending ...".into(),
        Step::Comparing => "comparing the receipt ...".into(),
        Step::Activating(host) => format!("activating at {host} ..."),
    }
}
