//! `coffer revocation`: the switch, and a look at it.

use cofferdam_wire::id::Handle;
use serde_json::{Value, json};

use super::args::{At, Register, RevocationCommand, Target};
use super::context::{self, Context};
use super::failure::Failure;
use super::output::Shown;
use crate::config::ServiceConfig;
use crate::crypto::secret::Secret32;
use crate::files;
use crate::import::StoredImport;
use crate::revocation::{Registered, Registrar as _, Registration};

const COLUMNS: [&str; 6] = [
    "handle",
    "service",
    "state",
    "grant_epoch",
    "changed",
    "key",
];

#[derive(Clone, Copy)]
enum Verb {
    Activate,
    Status,
    Suspend,
    Resume,
    Revoke,
    GrantEpoch(u64),
}

pub(super) async fn run(context: &Context, command: RevocationCommand) -> Result<Shown, Failure> {
    match command {
        RevocationCommand::Register(options) => register(context, &options).await,
        RevocationCommand::Activate(at) => turn(context, &at, Verb::Activate).await,
        RevocationCommand::Status(at) => turn(context, &at, Verb::Status).await,
        RevocationCommand::Suspend(at) => turn(context, &at, Verb::Suspend).await,
        RevocationCommand::Resume(at) => turn(context, &at, Verb::Resume).await,
        RevocationCommand::Revoke(at) => turn(context, &at, Verb::Revoke).await,
        RevocationCommand::GrantEpoch { at, set } => {
            turn(context, &at, Verb::GrantEpoch(set)).await
        }
        RevocationCommand::List { service } => list(context, service.as_deref()).await,
    }
}

async fn register(context: &Context, options: &Register) -> Result<Shown, Failure> {
    let secret = zeroize::Zeroizing::new(files::read(&options.release_file, 64)?);
    let release_secret = Secret32::from_slice(&secret).ok_or_else(|| {
        Failure::new(
            "file",
            format!(
                "{} must hold exactly 32 bytes",
                options.release_file.display()
            ),
        )
    })?;
    let service = only(context, options.service.as_deref())?;
    let registration = Registration {
        host: context::host(&service)?,
        handle: options.handle,
        token_hash: options.token_hash,
        release_secret,
        group: options.group,
        owner: context.owner()?.public(),
    };
    context::registrar(&service)?
        .register(&registration)
        .await?;
    Ok(Shown::fields(json!({
        "handle": options.handle.to_string(),
        "service": registration.host,
        "state": "pending",
        "note": "activate it within 48 hours",
    })))
}

/// Does one thing at every service that the key names. One that fails does not keep the others from being asked.
async fn turn(context: &Context, at: &At, verb: Verb) -> Result<Shown, Failure> {
    let mut rows = Vec::new();
    let mut first_failure = None;
    let places = places(context, at)?;
    // A handle works without what this machine remembers, so damage to that keeps nobody from the switch.
    let imports = context.store().and_then(|store| Ok(store.list()?));
    let imports = imports.unwrap_or_default();
    for (service, handle) in places {
        match turn_at(&service, &handle, verb).await {
            Ok(registered) => rows.push(row(&service, registered, &imports)?),
            Err(failure) => {
                first_failure.get_or_insert(failure);
            }
        }
    }
    note_revoked(context, &imports, &rows);
    let done: Vec<_> = rows
        .iter()
        .map(|row| format!("{} is {}", row["service"], row["state"]))
        .collect();
    match first_failure {
        Some(failure) if !done.is_empty() => {
            Err(failure.after(&format!("done nevertheless: {}", done.join(", "))))
        }
        Some(failure) => Err(failure),
        None => Ok(Shown::rows(rows, &COLUMNS[..5], "")),
    }
}

/// Notes the keys that all their services say are revoked, for lists. That it cannot be noted is no failure to revoke.
fn note_revoked(context: &Context, imports: &[StoredImport], rows: &[Value]) {
    for import in imports {
        let key = import.sealed.key();
        let is_revoked = |row: &&Value| row["key"] == key.to_string() && row["state"] == "revoked";
        let revoked = rows.iter().filter(is_revoked).count();
        if revoked > 0 && revoked == import.sealed.services().len() {
            let _ = context.store().map(|store| store.note_revoked(&key));
        }
    }
}

async fn turn_at(
    service: &ServiceConfig,
    handle: &Handle,
    verb: Verb,
) -> Result<Registered, Failure> {
    Ok(match verb {
        Verb::Activate => {
            let registrar = context::registrar(service)?;
            registrar.activate(handle).await?;
            registrar.status(handle).await?
        }
        Verb::Status => context::viewer(service)?.status(handle).await?,
        Verb::Suspend => context::switch(service)?.suspend(handle).await?,
        Verb::Resume => context::switch(service)?.resume(handle).await?,
        Verb::Revoke => context::switch(service)?.revoke(handle).await?,
        Verb::GrantEpoch(epoch) => {
            let switch = context::switch(service)?;
            switch.raise_grant_epoch(handle, epoch).await?
        }
    })
}

async fn list(context: &Context, url: Option<&str>) -> Result<Shown, Failure> {
    let imports = context.store()?.list()?;
    let mut rows = Vec::new();
    for service in context.services(url)? {
        for registered in context::viewer(&service)?.list().await? {
            rows.push(row(&service, registered, &imports)?);
        }
    }
    Ok(Shown::rows(rows, &COLUMNS, "No key is registered."))
}

/// Services and handles that an argument stands for.
fn places(context: &Context, at: &At) -> Result<Vec<(ServiceConfig, Handle)>, Failure> {
    let key = match &at.id {
        Target::Handle(handle) => {
            return Ok(vec![(only(context, at.service.as_deref())?, *handle)]);
        }
        Target::Key(name) => context.key(name)?,
    };
    let unknown = || {
        Failure::new(
            "key-id",
            format!("this machine did not import the key {key}; give its handle instead"),
        )
    };
    let import = context.imported(&key)?.ok_or_else(unknown)?;
    if import.sealed.services().is_empty() {
        return Err(Failure::new(
            "key-id",
            format!("the key {key} has no revocation service; it ends at its hard end"),
        ));
    }
    let configured = context.services(at.service.as_deref())?;
    let mut places = Vec::new();
    for named in import.sealed.services() {
        let service = configured
            .iter()
            .find(|service| context::host(service).is_ok_and(|host| host == named.host));
        match service {
            Some(service) => places.push((service.clone(), named.handle)),
            None if at.service.is_some() => {}
            None => {
                let sentence = format!(
                    "the key names {}, which is not in the configuration",
                    named.host
                );
                return Err(Failure::new("config", sentence));
            }
        }
    }
    Ok(places)
}

/// The one service that is meant.
fn only(context: &Context, url: Option<&str>) -> Result<ServiceConfig, Failure> {
    let mut services = context.services(url)?;
    match (services.pop(), services.is_empty()) {
        (Some(service), true) => Ok(service),
        _ => Err(Failure::new(
            "config",
            "several services are configured; name one with --service URL",
        )),
    }
}

/// One registration, and the key that this machine knows by its handle.
fn row(
    service: &ServiceConfig,
    registered: Registered,
    imports: &[StoredImport],
) -> Result<Value, Failure> {
    let has_handle = |import: &&StoredImport| {
        let mut services = import.sealed.services().iter();
        services.any(|named| named.handle.to_string() == registered.handle)
    };
    let key = imports
        .iter()
        .find(has_handle)
        .map(|import| import.sealed.key().to_string());
    Ok(json!({
        "handle": registered.handle,
        "service": context::host(service)?,
        "state": registered.state,
        "sequence": registered.sequence,
        "grant_epoch": registered.grant_epoch,
        "group": registered.group,
        "owner_thumbprint": registered.owner_thumbprint,
        "created": registered.created,
        "changed": registered.changed,
        "key": key,
    }))
}
