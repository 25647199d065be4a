//! `coffer key`: list, show, public, destroy.

use std::io::{IsTerminal as _, Write as _};

use cofferdam_wire::Code;
use cofferdam_wire::id::KeyId as Id;
use cofferdam_wire::kind::Action;
use cofferdam_wire::operation::{Description, LeaseState};
use serde_json::{Value, json};

use super::args::{KeyCommand, KeyId};
use super::context::{self, Context};
use super::failure::Failure;
use super::imports;
use super::output::{Shown, progress};
use super::times::show_time;
use crate::crypto::public_key::PublicKey;
use crate::import::StoredImport;
use crate::receipt::VerifiedReceipt;
use crate::session::{SessionError, now_s};

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
        KeyCommand::Resume { id } => imports::resume(context, id.as_deref()).await,
        KeyCommand::List { local } => list(context, local).await,
        KeyCommand::Show(key) => show(context, &key).await,
        KeyCommand::Public(key) => public(context, &key).await,
        KeyCommand::Destroy { key, yes } => destroy(context, &key, yes).await,
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
            listed.push(VerifiedReceipt::verify(&trust, &bundle));
        }
    }
    let mut rows: Vec<Value> = imports
        .iter()
        .map(|import| {
            let mut row = imports::facts(import, None);
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
    let session = context
        .session(
            &id,
            &[Action::Describe],
            key.partition.as_deref(),
            None,
            None,
        )
        .await?;
    let description = session.describe(id).await?;
    let mut facts = match context.imported(&id)? {
        Some(import) => imports::facts(&import, None),
        None => json!({ "key": id.to_string() }),
    };
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
            let session = context
                .session(
                    &id,
                    &[Action::PublicKey],
                    key.partition.as_deref(),
                    None,
                    None,
                )
                .await?;
            session.public_key(id).await?
        }
    };
    let pem = public.to_spki_pem();
    Ok(Shown::new(
        json!({ "key": id.to_string(), "public_key": pem }),
        pem,
    ))
}

async fn destroy(context: &Context, key: &KeyId, yes: bool) -> Result<Shown, Failure> {
    let id = context.key(&key.id)?;
    let imported = context.imported(&id)?;
    confirm(&id, yes)?;
    let revoked = match &imported {
        Some(import) => revoke_everywhere(context, import).await?,
        None => Vec::new(),
    };
    progress(context.is_quiet(), "erasing the key at the provider ...");
    let session = context
        .session(
            &id,
            &[Action::Destroy],
            key.partition.as_deref(),
            None,
            None,
        )
        .await?;
    let is_final = match session.destroy(id).await {
        Ok(is_final) => is_final,
        // The enclave itself says that it has seen the signed "revoked"; there is nothing left to erase. The parent's word
        // is not enough, nor is a hard end, which an old disk can come before.
        Err(SessionError::Refused(Code::Revoked)) if !revoked.is_empty() => true,
        Err(error) => return Err(error.into()),
    };
    if imported.is_some() {
        context.store()?.note_destroyed(&id)?;
    }
    let is_elsewhere = imported.is_none();
    let note = match (is_final, revoked.is_empty()) {
        (false, true) if is_elsewhere => {
            "erased at the provider, NOT revoked: this machine did not import the key and knows no service of it; revoke it on the machine that did, or by its handle"
        }
        (true, _) => "the key is gone for ever",
        (false, false) => {
            "revoked for ever and erased at the provider; an old copy of the record opens no more, since the service has destroyed what opens it"
        }
        (false, true) => {
            "erased; without a revocation service an old disk of the provider can bring it back until its hard end"
        }
    };
    Ok(Shown::fields(
        json!({ "key": id.to_string(), "final": is_final, "revoked_at": revoked, "note": note }),
    ))
}

async fn revoke_everywhere(
    context: &Context,
    import: &StoredImport,
) -> Result<Vec<String>, Failure> {
    let mut revoked = Vec::new();
    for named in import.sealed.services() {
        let mut configured = context.config()?.revocation.into_iter();
        let service =
            configured.find(|service| context::host(service).is_ok_and(|host| host == named.host));
        let service = service.ok_or_else(|| {
            Failure::new(
                "config",
                format!(
                    "the key is revoked at {}, which is not in the configuration",
                    named.host
                ),
            )
        })?;
        progress(
            context.is_quiet(),
            &format!("revoking at {} ...", named.host),
        );
        context::switch(&service)?.revoke(&named.handle).await?;
        revoked.push(named.host.clone());
    }
    Ok(revoked)
}

/// Asks a person; a script says `--yes`.
fn confirm(id: &Id, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        let sentence = "this is for ever, and there is nobody to ask; give --yes";
        return Err(Failure::new("not-confirmed", sentence));
    }
    eprint!("The key {id} will be revoked and erased for ever. Type \"destroy\" to go on: ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    if read.is_ok() && answer.trim() == "destroy" {
        return Ok(());
    }
    Err(Failure::new("not-confirmed", "nothing was done"))
}
