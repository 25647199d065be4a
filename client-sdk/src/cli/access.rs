//! The way from a command to a session: under which grant, with which app key.
//!
//! What this machine can know to be refused is refused here, before anything is sent, with a sentence that says more than
//! the enclave's code may. The enclave checks all of it again; nothing is allowed on this module's word.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_wire::Code;
use cofferdam_wire::id::{GroupId, KeyId};
use cofferdam_wire::import::UsagePolicy;
use cofferdam_wire::kind::{Action, Algorithm, KeyKind};
use cofferdam_wire::limits;
use cofferdam_wire::session::{Audience, Grant, SignedGrant};

use super::args;
use super::context::{Context, signing_key};
use super::failure::Failure;
use crate::crypto::signing::SigningKey;
use crate::files;
use crate::grant::{GrantOrder, OwnedGrant};
use crate::import::Stage;
use crate::session::{Session, SessionError, now_s, prove};
use crate::times::show_time;
use crate::transport::Client;
use crate::verify::Verifier;

/// Life of a grant that an owner gives itself for one command, seconds.
const OWN_GRANT_S: u64 = 600;
/// The partition in such a grant where no key is named, so that none plays a part.
const NO_PARTITION: &str = "none";
/// Patience where nothing has to be waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a session is opened for.
pub(super) struct Purpose<'a> {
    action: Action,
    key: Option<KeyId>,
    partition: Option<&'a str>,
    grant: Option<&'a Path>,
    app_key: Option<&'a Path>,
    patience: Duration,
}

impl<'a> Purpose<'a> {
    /// The owner looks after a key of its own.
    pub(super) fn care(action: Action, key: KeyId, partition: Option<&'a str>) -> Self {
        Self {
            action,
            key: Some(key),
            partition,
            grant: None,
            app_key: None,
            patience: PATIENCE,
        }
    }

    /// A key is used.
    pub(super) fn with_key(action: Action, key: KeyId, access: &'a args::Access) -> Self {
        Self {
            action,
            key: Some(key),
            partition: access.partition.as_deref(),
            grant: access.grant.as_deref(),
            app_key: access.app_key.as_deref(),
            patience: Duration::from_secs(access.wait),
        }
    }

    /// What needs no key.
    pub(super) fn keyless(action: Action, access: &'a args::KeylessAccess) -> Self {
        Self {
            action,
            key: None,
            partition: None,
            grant: access.grant.as_deref(),
            app_key: access.app_key.as_deref(),
            patience: PATIENCE,
        }
    }
}

/// A session under a grant from a file, or under one that the owner gives itself for a few minutes.
pub(super) async fn session(
    context: &Context,
    purpose: &Purpose<'_>,
) -> Result<Session<Client>, Failure> {
    let (grant, app) = match purpose.grant {
        Some(file) => {
            let grant = OwnedGrant::read(&files::read(file, limits::GRANT)?)?;
            let app_file = match purpose.app_key {
                Some(path) => path.to_path_buf(),
                None => context.app_key()?,
            };
            let app = signing_key(&app_file)?;
            check_grant(file, grant.grant(), purpose)?;
            check_app(file, grant.grant(), &app_file, &app)?;
            (Some(grant), app)
        }
        None => (None, context.owner()?),
    };
    let client = context.client()?;
    let verifier = Arc::new(context.verifier()?);
    let signed = match &grant {
        Some(grant) => grant.signed().clone(),
        None => own_grant(context, purpose, &client, &verifier).await?,
    };
    let opened = Session::open(client, verifier, vec![signed], app).await;
    let session = opened.map_err(|error| explained(error, purpose.grant, grant.as_ref()))?;
    Ok(session.with_patience(purpose.patience))
}

async fn own_grant(
    context: &Context,
    purpose: &Purpose<'_>,
    client: &Client,
    verifier: &Verifier,
) -> Result<SignedGrant, Failure> {
    let owner = context.owner()?;
    let now_s = now_s()?;
    let partition = match &purpose.key {
        Some(key) => context.partition(key, purpose.partition)?,
        None => NO_PARTITION.to_owned(),
    };
    let order = GrantOrder {
        group: group(context, purpose, client, verifier).await?,
        partition,
        keys: purpose.key.into_iter().collect(),
        actions: vec![purpose.action],
        audience: Audience::App(owner.public().thumbprint()),
        not_before_s: now_s.saturating_sub(OWN_GRANT_S),
        not_after_s: now_s + OWN_GRANT_S,
        epoch: u64::MAX,
    };
    Ok(OwnedGrant::sign(&order, &owner)?.signed().clone())
}

/// The group that the key was imported into; without one that this machine knows, the proven one.
async fn group(
    context: &Context,
    purpose: &Purpose<'_>,
    client: &Client,
    verifier: &Verifier,
) -> Result<GroupId, Failure> {
    let imported = purpose.key.map(|key| context.imported(&key)).transpose()?;
    match imported.flatten() {
        Some(import) => Ok(import.sealed.expected().group),
        None => Ok(prove(client, verifier).await?.group()),
    }
}

/// Refuses what a key of this machine cannot do: destroyed, for another use, or without that algorithm.
pub(super) fn check_key(
    context: &Context,
    key: &KeyId,
    action: Action,
    algorithm: Algorithm,
) -> Result<(), Failure> {
    let Some(import) = context.imported(key)? else {
        return Ok(());
    };
    if import.stage == Stage::Destroyed {
        let sentence = format!("this machine has destroyed the key {key}; import another one");
        return Err(Failure::new("destroyed", sentence));
    }
    check_policy(key, &import.sealed.expected().policy, action, algorithm)
        .map_err(|sentence| Failure::refusal(Code::UsageRefused, sentence))
}

fn check_policy(
    key: &KeyId,
    policy: &UsagePolicy,
    action: Action,
    algorithm: Algorithm,
) -> Result<(), String> {
    let (kind, class) = (policy.kind, policy.class);
    let is_possible = |algorithm: &Algorithm| class.allows(action, kind, *algorithm);
    if !policy.algorithms.iter().any(is_possible) {
        let wanted = match action {
            Action::Mac => "mac",
            Action::Encrypt | Action::Decrypt if kind.is_asymmetric() => "decrypt",
            Action::Encrypt | Action::Decrypt => "encrypt",
            _ => "sign",
        };
        return Err(format!(
            "the key {key} is of kind {kind} and was imported for use {class}, so it cannot {action}; \
             that needs a key imported with --use {wanted}"
        ));
    }
    if policy.algorithms.contains(&algorithm) && is_possible(&algorithm) {
        return Ok(());
    }
    Err(format!(
        "the key {key} is of kind {kind} and allows {}, not {algorithm}; choose with --alg",
        names(&policy.algorithms)
    ))
}

/// Refuses what RSA-OAEP with a key of this machine cannot carry: its modulus less two hashes and two bytes.
pub(super) fn check_oaep(
    context: &Context,
    key: &KeyId,
    algorithm: Algorithm,
    len: usize,
) -> Result<(), Failure> {
    let hash = match algorithm {
        Algorithm::RsaOaepSha256 => 32,
        _ => return Ok(()),
    };
    let Some(import) = context.imported(key)? else {
        return Ok(());
    };
    let kind = import.sealed.expected().policy.kind;
    let modulus = match kind {
        KeyKind::Rsa2048 => 256,
        KeyKind::Rsa3072 => 384,
        KeyKind::Rsa4096 => 512,
        _ => return Ok(()),
    };
    let most = modulus - 2 * hash - 2;
    if len <= most {
        return Ok(());
    }
    let sentence = format!(
        "{algorithm} with the key {key} of kind {kind} takes at most {most} bytes, and the data has {len}; \
         encrypt it under a symmetric key and that key with this one"
    );
    Err(Failure::refusal(Code::OutOfRange, sentence))
}

fn check_grant(file: &Path, grant: &Grant, purpose: &Purpose<'_>) -> Result<(), Failure> {
    let refused = |sentence| Err(Failure::refusal(Code::NotPermitted, sentence));
    let shown = file.display();
    if !grant.actions.contains(&purpose.action) {
        return refused(format!(
            "the grant {shown} allows {}, not {}; ask the key's owner for a grant that names it",
            names(&grant.actions),
            purpose.action
        ));
    }
    match &purpose.key {
        Some(key) if !grant.keys.contains(key) => refused(format!(
            "the grant {shown} does not name the key {key}; ask the key's owner for a grant that names it"
        )),
        _ => Ok(()),
    }
}

fn check_app(file: &Path, grant: &Grant, app_file: &Path, app: &SigningKey) -> Result<(), Failure> {
    let (shown, here) = (file.display(), app.public().thumbprint());
    let sentence = match grant.audience {
        Audience::App(named) if named == here => return Ok(()),
        Audience::App(named) => format!(
            "the grant {shown} is for the app key {named}, and {} holds the app key {here}; \
             give the right one with --app-key FILE, or ask the key's owner for a grant to this one",
            app_file.display()
        ),
        Audience::Provider => format!(
            "the grant {shown} is for the provider's own plain API and not for an app; \
             ask the key's owner for a grant to the app key {here}"
        ),
    };
    Err(Failure::new("app-key", sentence))
}

/// A refusal of the opening, with what the grant itself says about it.
fn explained(error: SessionError, file: Option<&Path>, grant: Option<&OwnedGrant>) -> Failure {
    match (error.code(), file, grant) {
        (Some(code @ Code::GrantExpired), Some(file), Some(grant)) => {
            let (file, grant) = (file.display(), grant.grant());
            let from = show_time(grant.not_before_s);
            let until = show_time(grant.not_after_s);
            let sentence = format!(
                "the grant {file} is valid from {from} until {until}, and by the enclave's clock that is not now; \
                 ask the key's owner for a new one"
            );
            Failure::refusal(code, sentence)
        }
        (Some(code @ Code::WrongGroup), Some(file), Some(grant)) => {
            let (file, group) = (file.display(), grant.grant().group);
            let sentence = format!(
                "the grant {file} is for the group {group}, which is not the one at this address; \
                 check the address, or ask the key's owner for a grant for this group"
            );
            Failure::refusal(code, sentence)
        }
        _ => error.into(),
    }
}

fn names<T: std::fmt::Display>(values: &[T]) -> String {
    let names: Vec<_> = values.iter().map(ToString::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use cofferdam_wire::kind::UsageClass;

    fn refused(kind: KeyKind, class: UsageClass, action: Action, algorithm: Algorithm) -> String {
        let policy = UsagePolicy {
            kind,
            class,
            algorithms: class.default_algorithms(kind),
        };
        check_policy(&KeyId([1; 32]), &policy, action, algorithm)
            .err()
            .unwrap_or_default()
    }

    /// Here as in the enclave: only the cells of the matrix pass, and what fails says what would do.
    #[test]
    fn only_the_cells_of_the_matrix_leave_this_machine() {
        for kind in KeyKind::ALL {
            for class in UsageClass::ALL {
                for action in [
                    Action::Sign,
                    Action::Verify,
                    Action::Encrypt,
                    Action::Decrypt,
                    Action::Mac,
                ] {
                    for algorithm in Algorithm::ALL {
                        let allowed = class.allows(action, *kind, *algorithm)
                            && class.default_algorithms(*kind).contains(algorithm);
                        let sentence = refused(*kind, *class, action, *algorithm);
                        assert_eq!(sentence.is_empty(), allowed, "{sentence}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_refusal_says_what_the_key_is_and_what_would_do() {
        let wrong_algorithm = refused(
            KeyKind::EcP256,
            UsageClass::Sign,
            Action::Sign,
            Algorithm::RsaPssSha256,
        );
        assert!(
            wrong_algorithm.contains("ec-p256 and allows ecdsa-sha256"),
            "{wrong_algorithm}"
        );
        let by_policy = refused(
            KeyKind::Aes256,
            UsageClass::Encrypt,
            Action::Encrypt,
            Algorithm::AesGcm,
        );
        assert!(
            by_policy.contains("allows xaes-256-gcm, not aes-gcm"),
            "{by_policy}"
        );
        let wrong_use = refused(
            KeyKind::Rsa3072,
            UsageClass::Sign,
            Action::Decrypt,
            Algorithm::RsaOaepSha256,
        );
        assert!(wrong_use.contains("--use decrypt"), "{wrong_use}");
        let none = refused(
            KeyKind::Hmac,
            UsageClass::Mac,
            Action::Encrypt,
            Algorithm::Xaes256Gcm,
        );
        assert!(none.contains("--use encrypt"), "{none}");
    }
}
