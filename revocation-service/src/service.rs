//! The service itself: a query goes in, an answer comes out, and between them every check.
//!
//! Opening, verifying and appraising need no lock and run on threads that may block. Then the registry gives statements,
//! and while it holds still, they are signed, sealed to the setup key that Evidence binds, and returned.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam::crypto::hpke::setup_sender;
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::private_file;
use cofferdam_wire::id::{GroupId, Handle};
use cofferdam_wire::status::{
    AnswerItem, AnswerPlain, SealedAnswer, SignedPush, Status, StatusAnswer, StatusKeys,
    StatusPush, answer_info,
};
use cofferdam_wire::{Code, cbor, context, layer};
use minicbor::bytes::ByteSlice;
use zeroize::Zeroizing;

use crate::appraisal::{Appraiser, Consent, Shown, Withheld};
use crate::audit::{AuditLog, LogError};
use crate::chain::{self, ChainHead, ChainVerdict};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::keyring::{Generation, Keyring, KeyringError};
use crate::nonces::Nonces;
use crate::query::{self, SignedQuery};
use crate::registration::{NewRegistration, Registration, State};
use crate::registry::{ChangeError, Registered, Registry, Statements};
use crate::store::{Store, StoreError};

/// Answers are padded to multiples of this before sealing, so their size tells little about what they say.
pub const ANSWER_STEP: usize = 512;

/// The audit key's private half, in the state directory.
pub const AUDIT_KEY_FILE: &str = "audit-key.pem";
/// Its public half (COSE_Key in hex), for whoever verifies the log.
pub const AUDIT_PUBLIC_FILE: &str = "audit-key.pub";
/// The database, in the state directory.
pub const DATABASE_FILE: &str = "registrations.sqlite";

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The status keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state directory.
    #[error("{path} cannot be used: {source}")]
    State {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process serves from this directory.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// The audit key is damaged.
    #[error("{0} is not a signing key")]
    AuditKey(PathBuf),
    /// There is a log, and nothing of what signed it: the state directory is lost.
    #[error(
        "{0} has entries, but the state directory has no audit key; restore the state directory from its backup, or move \
         the log away and import every key again"
    )]
    StateLost(PathBuf),
}

/// The service.
pub struct Service {
    registry: Arc<Registry>,
    keyring: Keyring,
    appraiser: Appraiser,
    nonces: Mutex<Nonces>,
    groups: Vec<GroupId>,
    valid_for_s: u32,
    clock: Clock,
    _lock: File,
}

impl Service {
    /// Opens everything in the state directory, and makes what is not there yet.
    pub async fn open(config: &Config, clock: Clock) -> Result<Arc<Self>, StartError> {
        config.check()?;
        let state = |path: PathBuf| move |source| StartError::State { path, source };
        private_file::create_dir(&config.state_dir).map_err(state(config.state_dir.clone()))?;
        let lock = lock(config)?;
        let keyring = Keyring::open(
            &config.state_dir,
            config.status_root()?,
            config.certificate_lifetime_s,
            clock.now_s(),
        )?;
        let (log, scan) = AuditLog::open(&config.audit_log, audit_key(config)?)?;
        let store = Store::open(&config.state_dir.join(DATABASE_FILE)).await?;
        let registry = Registry::open(store, log, &scan, clock.clone()).await?;
        Ok(Arc::new(Self {
            registry,
            keyring,
            appraiser: Appraiser::new(config.attestation_root()?, config.accepted()?),
            nonces: Mutex::default(),
            groups: config.pinned_groups()?,
            valid_for_s: config.valid_for_s,
            clock,
            _lock: lock,
        }))
    }

    /// The registrations.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The keys.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The certificates of the keys in force.
    pub fn status_keys(&self) -> Result<StatusKeys, Code> {
        self.signing()
            .map(|generation| generation.published().clone())
    }

    /// Registers a key, for a group that this service serves.
    pub async fn register(
        &self,
        new: NewRegistration,
    ) -> Result<(Registered, Registration), ChangeError> {
        self.registry.register(new).await
    }

    /// Whether this service serves a group (RSV-12).
    pub fn serves(&self, group: &GroupId) -> bool {
        self.groups.is_empty() || self.groups.contains(group)
    }

    /// Answers a sealed query; the result is an encoded [`SealedAnswer`].
    pub async fn answer(self: &Arc<Self>, sealed: Vec<u8>) -> Result<Vec<u8>, Code> {
        let service = Arc::clone(self);
        let hash_of = sealed.clone();
        let verified = tokio::task::spawn_blocking(move || service.verify(&sealed)).await;
        let (signed, consent) = verified.map_err(|_| Code::Internal)??;
        let query = signed.query();
        // RSV-12
        if !self.serves(&query.group) {
            return Err(Code::WrongGroup);
        }
        let consent = self.apply_chain(&signed, consent).await.map_err(failed)?;
        if let Consent::Withheld(reason) = consent {
            tracing::warn!(group = %query.group, %reason, "answering \"suspended\"");
        }
        let statements = self
            .registry
            .statements(&query.group, &query.items, consent)
            .await
            .map_err(failed)?;
        let answer = self.seal(&signed, &hash_of, &statements)?;
        let reported = statements.reported.clone();
        drop(statements);
        self.registry
            .hold_reported(&reported)
            .await
            .map_err(failed)?;
        Ok(answer)
    }

    /// A signed push about one key: whoever has it may hand it to the parent, and it can only shorten a lease.
    pub async fn push(&self, handle: &Handle) -> Result<Vec<u8>, Code> {
        let row = self
            .registry
            .find(handle)
            .await
            .map_err(failed)?
            .ok_or(Code::NotFound)?;
        let status = match row.state {
            State::Active => Status::Good,
            State::Suspended => Status::Suspended,
            State::Revoked => Status::Revoked,
            State::Pending | State::Expired => return Err(Code::NotFound),
        };
        let push = StatusPush {
            handle: row.handle,
            status,
            sequence: row.sequence,
            grant_epoch: row.grant_epoch,
        };
        let generation = self.signing()?;
        let push = generation
            .answers()
            .sign1(context::STATUS_PUSH, cbor::encode(&push))
            .to_bytes();
        Ok(cbor::encode(&SignedPush {
            certificate: generation.published().answers.clone(),
            push,
        }))
    }

    /// What time has changed: keys to renew, registrations that expired, files to tidy.
    pub async fn tend(self: &Arc<Self>) {
        let service = Arc::clone(self);
        let renewed =
            tokio::task::spawn_blocking(move || service.keyring.renew(service.clock.now_s())).await;
        match renewed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the status keys could not be renewed"),
            Err(error) => tracing::error!(%error, "the renewal of the status keys ended early"),
        }
        if let Err(error) = self.registry.tend().await {
            tracing::error!(%error, "tidying the registrations failed");
        }
    }

    /// Whether queries can be answered "good" at all; the error says why not.
    pub async fn readiness(&self) -> Result<(), &'static str> {
        if self.signing().is_err() {
            return Err("no certified status key is in force");
        }
        match self.registry.broken_log().await {
            Some(_) => Err("the audit log is broken"),
            None => Ok(()),
        }
    }

    /// Lets a change in flight end, and closes the database.
    pub async fn close(&self) {
        self.registry.close().await;
    }

    fn signing(&self) -> Result<Arc<Generation>, Code> {
        self.keyring
            .keys()
            .signing(self.clock.now_s())
            .cloned()
            .ok_or(Code::NotReady)
    }

    /// Everything up to the knowledge of who asks.
    fn verify(&self, sealed: &[u8]) -> Result<(SignedQuery, Consent), Code> {
        let now_ms = self.clock.now_ms();
        let signed = query::open(&self.keyring.keys(), sealed, now_ms / 1000).map_err(|error| {
            tracing::info!(%error, "refused a query");
            error.code()
        })?;
        let query = signed.query();
        let shown = Shown {
            group: query.group,
            binding_bytes: &query.binding,
            binding: signed.binding(),
            evidence: &query.evidence,
            genesis: &query.genesis,
        };
        let consent = self.appraiser.appraise(&shown, now_ms).map_err(|error| {
            tracing::warn!(group = %query.group, %error, "refused a query");
            Code::EvidenceRefused
        })?;
        // RSV-13. Only now: nobody but a proven enclave can use up memory or spoil a nonce.
        let fresh = self
            .nonces
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .claim(query.nonce, now_ms);
        if fresh {
            Ok((signed, consent))
        } else {
            Err(Code::RequestExpired)
        }
    }

    /// RSV-17, RSV-18. Heads of images without consent say nothing, and groups without keys here are not remembered.
    async fn apply_chain(
        &self,
        signed: &SignedQuery,
        consent: Consent,
    ) -> Result<Consent, StoreError> {
        let binding = signed.binding();
        if consent != Consent::Given || !self.registry.store().knows_group(&binding.group).await? {
            return Ok(consent);
        }
        let now_ms = self.clock.now_ms();
        let own = ChainHead {
            sequence: binding.chain_sequence,
            head: binding.chain_head,
            first_seen_ms: now_ms,
        };
        let seen = self
            .registry
            .store()
            .note_chain(&binding.group, own)
            .await?;
        Ok(match chain::judge(&seen, binding.chain_sequence, now_ms) {
            ChainVerdict::Current => Consent::Given,
            ChainVerdict::Behind => Consent::Withheld(Withheld::Behind),
            ChainVerdict::Forked => Consent::Withheld(Withheld::Forked),
        })
    }

    /// Signs the statements and seals them to the setup key, while no registration can change.
    fn seal(
        &self,
        signed: &SignedQuery,
        sealed: &[u8],
        statements: &Statements<'_>,
    ) -> Result<Vec<u8>, Code> {
        let generation = self.signing()?;
        let items = statements.items.iter().map(|item| AnswerItem {
            status: item.status,
            sequence: item.sequence,
            release: item
                .release
                .as_ref()
                .map(|secret| <&ByteSlice>::from(secret.expose().as_slice())),
            grant_epoch: item.grant_epoch,
        });
        let answer = StatusAnswer {
            query: *signed.hash(),
            nonce: signed.query().nonce,
            issued_at_ms: statements.issued_at_ms,
            valid_for_s: self.valid_for_s,
            items: items.collect(),
        };
        // Release secrets are in all of these until they are sealed.
        let payload = Zeroizing::new(cbor::encode(&answer));
        let mut cose = generation
            .answers()
            .sign1(context::STATUS_ANSWER, payload.to_vec());
        let answer = Zeroizing::new(cose.to_bytes());
        zeroize::Zeroize::zeroize(&mut cose.payload);
        let plain = AnswerPlain {
            certificate: &generation.published().answers,
            answer: &answer,
        };
        let padded = padded(&plain);
        let info = answer_info(sealed);
        let (enc, sender) =
            setup_sender(&signed.binding().setup, &info).map_err(|_| Code::Malformed)?;
        let ciphertext = sender.seal(&[], &padded).map_err(|_| Code::Internal)?;
        Ok(cbor::encode(&SealedAnswer { enc, ciphertext }))
    }
}

/// Encodes and pads without leaving a second copy of the secrets behind.
fn padded(plain: &AnswerPlain<'_>) -> Zeroizing<Vec<u8>> {
    let encoded = Zeroizing::new(cbor::encode(plain));
    let mut roomy = Vec::with_capacity(encoded.len() + ANSWER_STEP);
    roomy.extend_from_slice(&encoded);
    Zeroizing::new(layer::pad(roomy, ANSWER_STEP))
}

fn failed(error: StoreError) -> Code {
    tracing::error!(%error, "a query could not be answered");
    Code::Internal
}

/// One process at a time: two would not see each other's changes in time (P3).
fn lock(config: &Config) -> Result<File, StartError> {
    let path = config.state_dir.join("lock");
    let state = |source| StartError::State {
        path: path.clone(),
        source,
    };
    private_file::create_if_missing(&path).map_err(state)?;
    let file = File::open(&path).map_err(state)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::InUse(config.state_dir.clone())),
        Err(std::fs::TryLockError::Error(source)) => Err(state(source)),
    }
}

fn audit_key(config: &Config) -> Result<SigningKey, StartError> {
    let path = config.state_dir.join(AUDIT_KEY_FILE);
    let state = |source| StartError::State {
        path: path.clone(),
        source,
    };
    if let Some(pem) = private_file::read(&path, 16 * 1024).map_err(state)? {
        return SigningKey::from_pem(&pem).map_err(|_| StartError::AuditKey(path));
    }
    if std::fs::metadata(&config.audit_log).is_ok_and(|log| log.len() > 0) {
        return Err(StartError::StateLost(config.audit_log.clone()));
    }
    let key = SigningKey::generate(SignatureKind::Ed25519);
    let public = hex::encode(key.public().to_cose());
    private_file::write(&config.state_dir.join(AUDIT_PUBLIC_FILE), public.as_bytes())
        .map_err(state)?;
    private_file::write(&path, key.to_pkcs8_pem().as_bytes()).map_err(state)?;
    Ok(key)
}
