//! The service's own keys: the status key that signs answers, the HPKE key that queries are sealed to.
//!
//! Both are made together, as one *generation*, certified by the status root for at most seven days, and renewed after
//! half of that. The generation before stays for opening queries until its certificates end, so a courier with the old
//! key is served (RSV-34). Where the root is kept elsewhere, the service lays new keys and a request into `keys/next` and
//! takes the certificates up when they lie beside.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use cofferdam::crypto::hpke::PrivateKey;
use cofferdam::crypto::secret::Secret32;
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::private_file;
use cofferdam_wire::cbor;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::RecipientId;
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::recipient_id;
use cofferdam_wire::status::{StatusKeys, StatusPurpose};

use crate::certificate::{self, CertificateError, CertificateRequest};

/// The status root's private half, in the state directory.
pub const ROOT_FILE: &str = "status-root.pem";
/// The directory of the generations.
pub const KEYS_DIR: &str = "keys";

const MAX_FILE: u64 = 16 * 1024;

/// Why the keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// A file cannot be read or written.
    #[error("a key file cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// A key file is damaged or not there.
    #[error("{path} is missing or damaged")]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
    /// The root that is there is not the one in the configuration.
    #[error("status_root in the configuration is not the key in {ROOT_FILE}")]
    OtherRoot,
    /// Keys of an earlier run are there, but no root for them.
    #[error(
        "there is no {ROOT_FILE}, and the configuration has no status_root; keys pinned to the former root need it"
    )]
    RootMissing,
    /// A certificate is not what this service needs.
    #[error("{path}: {source}")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: CertificateError,
    },
}

/// One status key and one HPKE key with their certificates.
pub struct Generation {
    number: u64,
    answers: SigningKey,
    queries: PrivateKey,
    queries_id: RecipientId,
    published: StatusKeys,
    not_before_s: u64,
    not_after_s: u64,
}

impl Generation {
    /// Signs answers.
    pub fn answers(&self) -> &SigningKey {
        &self.answers
    }

    /// Opens queries.
    pub fn queries(&self) -> &PrivateKey {
        &self.queries
    }

    /// The two certificates.
    pub fn published(&self) -> &StatusKeys {
        &self.published
    }

    fn is_valid_at(&self, now_s: u64) -> bool {
        (self.not_before_s..self.not_after_s).contains(&now_s)
    }
}

/// The keys in force at one moment.
#[derive(Clone, Default)]
pub struct Keys {
    current: Option<Arc<Generation>>,
    previous: Option<Arc<Generation>>,
}

impl Keys {
    /// The generation that signs now.
    pub fn signing(&self, now_s: u64) -> Option<&Arc<Generation>> {
        self.current
            .as_ref()
            .filter(|generation| generation.is_valid_at(now_s))
    }

    /// The generation, current or previous, that a query names (RSV-2).
    pub fn receiving(&self, id: &RecipientId, now_s: u64) -> Option<&Arc<Generation>> {
        // RSV-34: the previous one still opens, until its certificates end.
        let both = [&self.current, &self.previous].into_iter().flatten();
        both.filter(|generation| generation.is_valid_at(now_s))
            .find(|generation| generation.queries_id == *id)
    }
}

enum Root {
    Here(SigningKey),
    Elsewhere(PublicKey),
}

/// Keeps the keys, on disk and in memory.
pub struct Keyring {
    dir: PathBuf,
    root: Root,
    lifetime_s: u64,
    keys: RwLock<Keys>,
}

impl Keyring {
    /// Opens the keys in `state_dir`; on first start makes the root, unless `pinned` names one that is kept elsewhere.
    pub fn open(
        state_dir: &Path,
        pinned: Option<PublicKey>,
        lifetime_s: u64,
        now_s: u64,
    ) -> Result<Self, KeyringError> {
        let dir = state_dir.join(KEYS_DIR);
        let numbers = if dir.exists() {
            numbers(&dir)?
        } else {
            Vec::new()
        };
        let root = open_root(&state_dir.join(ROOT_FILE), pinned, !numbers.is_empty())?;
        private_file::create_dir(&dir)?;
        let keyring = Self {
            dir,
            root,
            lifetime_s,
            keys: RwLock::default(),
        };
        for number in numbers.iter().rev().take(2).rev() {
            keyring.advance(keyring.read(*number)?);
        }
        keyring.renew(now_s)?;
        Ok(keyring)
    }

    /// The root that customers pin in R.
    pub fn root(&self) -> PublicKey {
        match &self.root {
            Root::Here(key) => key.public(),
            Root::Elsewhere(key) => *key,
        }
    }

    /// The keys in force.
    pub fn keys(&self) -> Keys {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Makes the next generation when half of the current one's time is over, or takes up certificates that were brought.
    pub fn renew(&self, now_s: u64) -> Result<(), KeyringError> {
        let current = self.keys().current;
        if let Some(generation) = &current {
            let half =
                generation.not_before_s + (generation.not_after_s - generation.not_before_s) / 2;
            if (generation.not_before_s..half).contains(&now_s) {
                return Ok(());
            }
        }
        let next = self.dir.join("next");
        if !next.join("request.cbor").exists() {
            prepare(&next)?;
        }
        if let Root::Here(root) = &self.root {
            sign_request(root, &next, &next, now_s, self.lifetime_s)?;
        } else if !(next.join("answers.cert").exists() && next.join("queries.cert").exists()) {
            tracing::warn!(request = %next.join("request.cbor").display(), "the status root must certify new keys");
            return Ok(());
        }
        let number = current.map_or(0, |generation| generation.number) + 1;
        self.load(&next, number)?;
        let path = self.path(number);
        fs::rename(&next, &path)?;
        private_file::sync_dir(&path)?;
        self.advance(self.read(number)?);
        tracing::info!(generation = number, "new status keys are in force");
        self.remove_before(number.saturating_sub(1))
    }

    fn advance(&self, generation: Generation) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.previous = keys.current.replace(Arc::new(generation));
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:08}"))
    }

    fn read(&self, number: u64) -> Result<Generation, KeyringError> {
        self.load(&self.path(number), number)
    }

    fn load(&self, dir: &Path, number: u64) -> Result<Generation, KeyringError> {
        let damaged = |name: &str| KeyringError::Damaged {
            path: dir.join(name),
        };
        let file = |name: &str| {
            private_file::read(&dir.join(name), MAX_FILE)?.ok_or_else(|| damaged(name))
        };
        let answers =
            SigningKey::from_pem(&file("answers.pem")?).map_err(|_| damaged("answers.pem"))?;
        let seed =
            Secret32::from_slice(&file("queries.seed")?).ok_or_else(|| damaged("queries.seed"))?;
        let queries = PrivateKey::from_seed(&seed);
        let published = StatusKeys {
            answers: file("answers.cert")?.to_vec(),
            queries: file("queries.cert")?.to_vec(),
        };
        let check = |name: &str, purpose, key: &[u8], bytes: &[u8]| {
            certificate::verify(&self.root(), purpose, key, bytes).map_err(|source| {
                KeyringError::Certificate {
                    path: dir.join(name),
                    source,
                }
            })
        };
        let public = answers.public().to_cose();
        let first = check(
            "answers.cert",
            StatusPurpose::Answers,
            &public,
            &published.answers,
        )?;
        let second = check(
            "queries.cert",
            StatusPurpose::Queries,
            &queries.public(),
            &published.queries,
        )?;
        Ok(Generation {
            number,
            queries_id: recipient_id(Suite::XWing, &queries.public()),
            answers,
            queries,
            published,
            not_before_s: first.not_before_s.max(second.not_before_s),
            not_after_s: first.not_after_s.min(second.not_after_s),
        })
    }

    /// Removes generations that are neither current nor previous.
    fn remove_before(&self, number: u64) -> Result<(), KeyringError> {
        for old in numbers(&self.dir)?.into_iter().filter(|old| *old < number) {
            fs::remove_dir_all(self.path(old))?;
        }
        Ok(())
    }
}

/// Certifies the keys of a request, the work of whoever holds the root.
pub fn sign_request(
    root: &SigningKey,
    request_dir: &Path,
    out_dir: &Path,
    now_s: u64,
    lifetime_s: u64,
) -> Result<(), KeyringError> {
    let path = request_dir.join("request.cbor");
    let damaged = || KeyringError::Damaged { path: path.clone() };
    let bytes =
        private_file::read(&path, certificate::REQUEST_LIMIT as u64)?.ok_or_else(damaged)?;
    let request: CertificateRequest =
        cbor::decode(&bytes, certificate::REQUEST_LIMIT).map_err(|_| damaged())?;
    let certify = |purpose, key| certificate::issue(root, purpose, key, now_s, lifetime_s);
    private_file::write(
        &out_dir.join("answers.cert"),
        &certify(StatusPurpose::Answers, request.answers),
    )?;
    private_file::write(
        &out_dir.join("queries.cert"),
        &certify(StatusPurpose::Queries, request.queries),
    )?;
    Ok(())
}

/// Makes a root's private half in a file of its own.
pub fn create_root(path: &Path) -> Result<PublicKey, KeyringError> {
    let key = SigningKey::generate(SignatureKind::Ed25519);
    private_file::write(path, key.to_pkcs8_pem().as_bytes())?;
    Ok(key.public())
}

/// Reads a root's private half.
pub fn read_root(path: &Path) -> Result<Option<SigningKey>, KeyringError> {
    let Some(pem) = private_file::read(path, MAX_FILE)? else {
        return Ok(None);
    };
    SigningKey::from_pem(&pem)
        .map(Some)
        .map_err(|_| KeyringError::Damaged { path: path.into() })
}

fn open_root(
    path: &Path,
    pinned: Option<PublicKey>,
    used_before: bool,
) -> Result<Root, KeyringError> {
    match (read_root(path)?, pinned) {
        (Some(key), Some(pinned)) if key.public() != pinned => Err(KeyringError::OtherRoot),
        (Some(key), _) => Ok(Root::Here(key)),
        (None, Some(pinned)) => Ok(Root::Elsewhere(pinned)),
        // A new root would silence every key that pins the former one.
        (None, None) if used_before => Err(KeyringError::RootMissing),
        (None, None) => {
            create_root(path)?;
            let root =
                read_root(path)?.ok_or_else(|| KeyringError::Damaged { path: path.into() })?;
            tracing::info!(
                "made a status root in the state directory; docs say how to keep one offline"
            );
            Ok(Root::Here(root))
        }
    }
}

/// Lays new keys and a request for their certificates into a directory.
fn prepare(dir: &Path) -> Result<(), KeyringError> {
    private_file::create_dir(dir)?;
    let answers = SigningKey::generate(SignatureKind::Ed25519);
    let queries = PrivateKey::generate();
    private_file::write(&dir.join("answers.pem"), answers.to_pkcs8_pem().as_bytes())?;
    private_file::write(&dir.join("queries.seed"), queries.to_seed().expose())?;
    let request = CertificateRequest {
        answers: answers.public().to_cose(),
        queries: queries.public().to_vec(),
    };
    // Last: where the request is, the keys are.
    private_file::write(&dir.join("request.cbor"), &cbor::encode(&request))?;
    Ok(())
}

/// The numbers of the generations in a directory, ascending.
fn numbers(dir: &Path) -> Result<Vec<u64>, KeyringError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests;
