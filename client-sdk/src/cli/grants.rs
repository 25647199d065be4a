//! `coffer grant`: create and show.

use std::path::Path;

use cofferdam_wire::id::{KeyId, Thumbprint};
use cofferdam_wire::limits;
use cofferdam_wire::session::{Audience, Grant};
use serde_json::{Value, json};

use super::args::{GrantCommand, GrantCreate};
use super::context::Context;
use super::failure::Failure;
use super::output::Shown;
use crate::files;
use crate::grant::{GrantOrder, OwnedGrant};
use crate::keyfile;
use crate::session::now_s;
use crate::times::show_time;

pub(super) async fn run(context: &Context, command: GrantCommand) -> Result<Shown, Failure> {
    match command {
        GrantCommand::Create(options) => create(context, &options).await,
        GrantCommand::Show { file } => show(&file),
    }
}

async fn create(context: &Context, options: &GrantCreate) -> Result<Shown, Failure> {
    let keys = options
        .keys
        .iter()
        .map(|id| context.key(id))
        .collect::<Result<Vec<_>, _>>()?;
    let not_before_s = options.not_before.map_or_else(now_s, Ok)?;
    let (group, partition) = place(context, &keys, options.partition.as_deref()).await?;
    for key in &keys {
        check_lifetime(context, key, options.expires.saturating_sub(not_before_s))?;
    }
    let audience = match &options.app {
        Some(app) => Audience::App(app_thumbprint(app)?),
        None => Audience::Provider,
    };
    let order = GrantOrder {
        group,
        partition,
        keys,
        actions: options.ops.clone(),
        audience,
        not_before_s,
        not_after_s: options.expires,
        epoch: options.epoch,
    };
    let grant = OwnedGrant::sign(&order, &context.owner()?)?;
    files::replace(&options.out, &grant.signed().0)?;
    Ok(Shown::fields(facts(grant.grant())))
}

fn show(file: &Path) -> Result<Shown, Failure> {
    let grant = OwnedGrant::read(&files::read(file, limits::GRANT)?)?;
    Ok(Shown::fields(facts(grant.grant())))
}

/// Group and partition of the keys, which one grant must share; without a known key, from the proof and the argument.
async fn place(
    context: &Context,
    keys: &[KeyId],
    partition: Option<&str>,
) -> Result<(cofferdam_wire::id::GroupId, String), Failure> {
    let mut found: Option<(cofferdam_wire::id::GroupId, String)> = None;
    for key in keys {
        let Some(import) = context.imported(key)? else {
            continue;
        };
        let here = (
            import.sealed.expected().group,
            import.sealed.partition().to_owned(),
        );
        if found.as_ref().is_some_and(|other| *other != here) {
            return Err(Failure::new(
                "grant",
                "the keys are of several groups or partitions; make a grant for each",
            ));
        }
        found = Some(here);
    }
    match (found, partition) {
        (Some((_, known)), Some(named)) if known != named => Err(Failure::new(
            "grant",
            format!("the keys are in partition \"{known}\", not \"{named}\""),
        )),
        (Some(place), _) => Ok(place),
        (None, Some(named)) => Ok((context.proven().await?.group(), named.to_owned())),
        (None, None) => Err(Failure::new(
            "partition",
            "this machine imported none of these keys; name their partition with --partition P",
        )),
    }
}

/// A grant on a key that cannot be revoked is itself the only limit, so the enclave wants it short.
fn check_lifetime(context: &Context, key: &KeyId, lifetime_s: u64) -> Result<(), Failure> {
    let without_r = context
        .imported(key)?
        .is_some_and(|import| import.sealed.expected().lease.is_none());
    if without_r && lifetime_s > limits::GRANT_WITHOUT_R_MAX_S {
        let sentence = format!(
            "the key {key} has no revocation service, so a grant on it lasts at most 24 hours"
        );
        return Err(Failure::new("out-of-range", sentence));
    }
    Ok(())
}

/// A thumbprint as it is, or that of the public key in a PEM file.
fn app_thumbprint(app: &str) -> Result<Thumbprint, Failure> {
    if let Some(thumbprint) = Thumbprint::from_hex(app) {
        return Ok(thumbprint);
    }
    let file = files::read(Path::new(app), keyfile::MAX_FILE_LEN)?;
    let key = keyfile::public::parse_signer(&file)
        .map_err(|error| Failure::new("key-file", format!("{app}: {error}")))?;
    Ok(key.thumbprint())
}

fn facts(grant: &Grant) -> Value {
    let audience = match grant.audience {
        Audience::App(app) => format!("app {app}"),
        Audience::Provider => "the provider's plain API".to_owned(),
    };
    json!({
        "audience": audience,
        "operations": grant.actions.iter().map(|action| action.slug()).collect::<Vec<_>>(),
        "keys": grant.keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "partition": grant.partition,
        "not_before": show_time(grant.not_before_s),
        "expires": show_time(grant.not_after_s),
        "epoch": grant.epoch,
        "group": grant.group.to_string(),
        "owner": grant.owner.thumbprint().to_string(),
    })
}
