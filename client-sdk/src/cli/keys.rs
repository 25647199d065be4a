//! `coffer key`: list, show, public.

use cofferdam_wire::id::KeyId as Id;
use cofferdam_wire::kind::Action;
use cofferdam_wire::operation::{Description, LeaseState};
use serde_json::{Value, json};

use super::access::{self, Purpose};
use super::args::{KeyCommand, KeyId};
use super::context::Context;
use super::failure::Failure;
use super::output::Shown;
use super::{destroy, imports};
use crate::crypto::public_key::PublicKey;
use crate::import::Stage;
use crate::receipt::VerifiedReceipt;
use crate::session::now_s;
use crate::times::show_time;

const COLUMNS: [&str; 7] = [
    "key",
    "label",
    "partition",
    "kind",
    "use",
    "state",
    "provider",
];

pub(super) async fn run(context: &Context, command: KeyCommand) -> Result<Shown, Failure> {
    match command {
        KeyCommand::Import(options) => imports::import(context, &options).await,
        KeyCommand::Resume { id } => imports::resume(context, id.as_ref()).await,
        KeyCommand::List { local } => list(context, local).await,
        KeyCommand::Show(key) => show(context, &key).await,
        KeyCommand::Public(key) => public(context, &key).await,
        KeyCommand::Destroy { key, yes } => destroy::destroy(context, &key, yes).await,
    }
}

/// This machine's imports and the provider's receipts, side by side. The provider's list is its word: each receipt is
/// verified, and a key that it leaves out is said to be left out.
async fn list(context: &Context, local: bool) -> Result<Shown, Failure> {
    let imports = context.store()?.list()?;
    let mut listed = Vec::new();
    if !local {
        let trust = context.trust()?;
        for bundle in context.client()?.keys(&context.owner()?, now_s()?).await? {
            let counted = |key: &Id| {
                let mut imports = imports.iter().map(|import| import.sealed.expected());
                let wrapped = imports.find(|expected| expected.key == *key)?;
                Some(&wrapped.vendor_statement[..])
            };
            listed.push(VerifiedReceipt::verify(&trust, &bundle, counted));
        }
    }
    let mut rows: Vec<Value> = imports
        .iter()
        .map(|import| {
            let mut row = imports::facts(import);
            let at_provider = listed
                .iter()
                .flatten()
                .find(|verified| verified.receipt().key == import.sealed.key());
            row["provider"] = match at_provider {
                _ if local => Value::Null,
                None => "not listed".into(),
                Some(verified) => match verified.clone().confirm(import.sealed.expected()) {
                    Ok(_) => "confirmed".into(),
                    Err(error) => error.to_string().into(),
                },
            };
            row
        })
        .collect();
    let known = |key: &Id| imports.iter().any(|import| import.sealed.key() == *key);
    for verified in &listed {
        match verified {
            Ok(verified) if known(&verified.receipt().key) => {}
            Ok(verified) => rows.push(foreign(verified)),
            Err(error) => rows.push(json!({ "provider": error.to_string() })),
        }
    }
    Ok(Shown::rows(
        rows,
        &COLUMNS,
        "There are no keys. Import one with: coffer key import --help",
    ))
}

/// A key of this owner that another machine imported.
fn foreign(verified: &VerifiedReceipt) -> Value {
    let receipt = verified.receipt();
    json!({
        "key": receipt.key.to_string(),
        "kind": receipt.policy.kind.slug(),
        "use": receipt.policy.class.slug(),
        "state": "imported elsewhere",
        "revocable": receipt.lease.is_some(),
        "interval_s": receipt.lease.map(|lease| lease.interval_s),
        "hard_end": receipt.hard_end_s.map(show_time),
        "imported": show_time(receipt.imported_s),
        "group": receipt.group.to_string(),
        "provider": "verified",
    })
}

async fn show(context: &Context, key: &KeyId) -> Result<Shown, Failure> {
    let id = context.key(&key.id)?;
    let mut facts = match context.imported(&id)? {
        // The provider has nothing to say of it any more.
        Some(import) if import.stage == Stage::Destroyed => {
            return Ok(Shown::fields(imports::facts(&import)));
        }
        Some(import) => imports::facts(&import),
        None => json!({ "key": id.to_string() }),
    };
    let purpose = Purpose::care(Action::Describe, id, key.partition.as_deref());
    let session = access::session(context, &purpose).await?;
    let description = session.describe(id).await?;
    merge(&mut facts, described(&description));
    Ok(Shown::fields(facts))
}

/// What the enclave says now, which wins over what this machine remembers.
fn described(description: &Description) -> Value {
    let lease = match description.state {
        LeaseState::Unverified => "unverified",
        LeaseState::Active => "active",
        LeaseState::Expired => "expired",
        LeaseState::Suspended => "suspended",
        LeaseState::Revoked => "revoked",
    };
    json!({
        "label": description.label,
        "lease": lease,
        "kind": description.policy.kind.slug(),
        "use": description.policy.class.slug(),
        "algorithms": description.policy.algorithms.iter().map(|algorithm| algorithm.slug()).collect::<Vec<_>>(),
        "revocable": description.lease.is_some(),
        "interval_s": description.lease.map(|lease| lease.interval_s),
        "grace_s": description.lease.map(|lease| lease.grace_s),
        "per_operation": description.lease.map(|lease| lease.per_operation),
        "hard_end": description.hard_end_s.map(show_time),
    })
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

async fn public(context: &Context, key: &KeyId) -> Result<Shown, Failure> {
    let id = context.key(&key.id)?;
    let imported = context.imported(&id)?;
    let public = match imported
        .as_ref()
        .and_then(|import| import.sealed.expected().public_key.as_deref())
    {
        Some(cose_key) => PublicKey::from_cose(cose_key)
            .map_err(|_| Failure::new("state", "the public key in the saved import is damaged"))?,
        None if imported.is_some() => {
            return Err(Failure::new(
                "key-id",
                format!("the key {id} is symmetric and has no public half"),
            ));
        }
        None => {
            let purpose = Purpose::care(Action::PublicKey, id, key.partition.as_deref());
            let session = access::session(context, &purpose).await?;
            session.public_key(id).await?
        }
    };
    let pem = public.to_spki_pem();
    Ok(Shown::new(
        json!({ "key": id.to_string(), "public_key": pem }),
        pem,
    ))
}
