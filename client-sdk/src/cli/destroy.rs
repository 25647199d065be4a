//! `coffer key destroy`: revokes first, erases then, so that what was cut off can be given again.
//!
//! What counts as destroyed: with revocation services, that every one of them has revoked (then nothing opens a stored
//! copy any more); without, that the enclave itself says so. The parent's word is no proof of either.

use std::io::{IsTerminal as _, Write as _};

use cofferdam_wire::Code;
use cofferdam_wire::id::KeyId as Id;
use cofferdam_wire::kind::Action;
use serde_json::json;

use super::access::{self, Purpose};
use super::args::KeyId;
use super::context::{self, Context};
use super::failure::Failure;
use super::output::{Shown, progress};
use crate::import::{Stage, StoredImport};
use crate::session::SessionError;

const GONE: &str = "the key is gone for ever";
const REVOKED: &str = "revoked for ever and erased at the provider; an old copy of the record opens no more, since the \
                       service has destroyed what opens it";
const REVOKED_ABSENT: &str = "revoked for ever; the provider has no record of it any more, and an old copy opens no \
                              more, since the service has destroyed what opens it";
const UNREVOKED: &str = "erased; without a revocation service an old disk of the provider can bring it back until its \
                         hard end";
const ELSEWHERE: &str = "erased at the provider, NOT revoked: this machine did not import the key and knows no service \
                         of it; revoke it on the machine that did, or by its handle";
const ALREADY: &str = "destroyed already; nothing was done";

/// What the enclave says to `destroy`.
enum Erased {
    /// Done; whether it has seen the signed "revoked" itself.
    Now { is_final: bool },
    /// There is no such key, or none any more.
    Absent,
}

pub(super) async fn destroy(context: &Context, key: &KeyId, yes: bool) -> Result<Shown, Failure> {
    let id = context.key(&key.id)?;
    let imported = context.imported(&id)?;
    let was_destroyed = imported
        .as_ref()
        .is_some_and(|import| import.stage == Stage::Destroyed);
    let has_services = imported
        .as_ref()
        .is_some_and(|import| !import.sealed.services().is_empty());
    // Revoked is for ever, so there is nothing to ask anybody.
    if was_destroyed && has_services {
        return Ok(already(&id));
    }
    confirm(&id, yes)?;
    let revoked = match &imported {
        Some(import) => revoke_everywhere(context, import).await?,
        None => Vec::new(),
    };
    progress(context.is_quiet(), "erasing the key at the provider ...");
    let purpose = Purpose::care(Action::Destroy, id, key.partition.as_deref());
    let session = access::session(context, &purpose).await?;
    let erased = match session.destroy(id).await {
        Ok(is_final) => Erased::Now { is_final },
        // The enclave has seen the signed "revoked"; there is nothing left to erase. A hard end gives the same code, and an
        // old disk can come before that, so it counts only after a revocation.
        Err(SessionError::Refused(Code::Revoked)) if !revoked.is_empty() => {
            Erased::Now { is_final: true }
        }
        Err(SessionError::Refused(Code::NotFound)) => Erased::Absent,
        Err(error) => return Err(error.into()),
    };
    let (is_final, note) = match (erased, &imported) {
        (Erased::Absent, _) if was_destroyed => return Ok(already(&id)),
        (Erased::Absent, _) if revoked.is_empty() => {
            let sentence = "the provider has no such key of yours in that partition; it was destroyed already, or the id \
                            or the partition is wrong";
            return Err(Failure::refusal(Code::NotFound, sentence));
        }
        (Erased::Absent, _) => (false, REVOKED_ABSENT),
        (Erased::Now { is_final: true }, _) => (true, GONE),
        (_, None) => (false, ELSEWHERE),
        (_, Some(_)) if revoked.is_empty() => (false, UNREVOKED),
        (_, Some(_)) => (false, REVOKED),
    };
    if imported.is_some() {
        context.store()?.note_destroyed(&id)?;
    }
    let done = json!({
        "key": id.to_string(),
        "already": false,
        "final": is_final,
        "revoked_at": revoked,
        "note": note,
    });
    Ok(Shown::new(done, format!("{id}: {note}")))
}

fn already(id: &Id) -> Shown {
    let done = json!({ "key": id.to_string(), "already": true, "note": ALREADY });
    Shown::new(done, format!("{id}: {ALREADY}"))
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
