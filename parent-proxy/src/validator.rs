//! The provider's own validator: says of a provider key whether it is in use here, signed, for whoever asks.
//!
//! The answers are signed with a key of the validator's own, which customers pin in their trust files beside the vendor's;
//! so a provider retires a key at once where the vendor's table needs its next statement. It is the provider's word about
//! its own keys and opens nothing. A key that was in use and whose file is gone is *retired*: the ids of all keys that were
//! ever in use are kept beside it, since forgetting one would make it unknown, which customers refuse as well.

use crate::provider_keys::ProviderKeys;
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::private_file;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{Nonce, RecipientId};
use cofferdam_wire::validator::{KeyStatus, ValidatorAnswer};
use cofferdam_wire::{cbor, context};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// How long an answer may be relied on, seconds.
const VALID_FOR_S: u64 = 600;
/// Most bytes of the file of ids: some ten thousand keys.
const SEEN: u64 = 1024 * 1024;

/// Why the validator cannot work.
#[derive(Debug, thiserror::Error)]
pub enum ValidatorError {
    /// The file system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The signing key's file is not one.
    #[error("{}: not a private key that signs (Ed25519 or P-256, PKCS#8 in PEM)", path.display())]
    Key {
        /// Which.
        path: PathBuf,
    },
    /// The file of ids is damaged.
    #[error("{}: line {line} is not the id of a provider key", path.display())]
    Seen {
        /// Which.
        path: PathBuf,
        /// Where in it.
        line: usize,
    },
}

/// The validator of one provider.
pub struct Validator {
    key: SigningKey,
    current: BTreeSet<RecipientId>,
    seen: BTreeSet<RecipientId>,
}

impl Validator {
    /// Reads key and ids from the state directory; makes them if they are not there, and notes the keys in use.
    pub fn open_or_create(
        state_dir: &Path,
        keys: &dyn ProviderKeys,
    ) -> Result<Self, ValidatorError> {
        let key = signing_key(&state_dir.join("validator.pem"))?;
        let path = state_dir.join("validator.seen");
        let before = read_seen(&path)?;
        let current: BTreeSet<_> = keys.public().iter().map(|key| key.id()).collect();
        let seen: BTreeSet<_> = before.union(&current).copied().collect();
        if seen != before {
            let lines: String = seen.iter().map(|id| format!("{id}\n")).collect();
            private_file::write(&path, lines.as_bytes())
                .map_err(|error| ValidatorError::Io { path, error })?;
        }
        Ok(Self { key, current, seen })
    }

    /// What customers pin.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// The encoded COSE_Sign1 that answers a question.
    pub(crate) fn answer(&self, key: RecipientId, nonce: Nonce, issued_s: u64) -> Vec<u8> {
        let status = if self.current.contains(&key) {
            KeyStatus::Current
        } else if self.seen.contains(&key) {
            KeyStatus::Retired
        } else {
            KeyStatus::Unknown
        };
        let answer = ValidatorAnswer {
            version: 1,
            nonce,
            key,
            status,
            issued_s,
            valid_for_s: VALID_FOR_S,
        };
        self.key
            .sign1(context::VALIDATOR_ANSWER, cbor::encode(&answer))
            .to_bytes()
    }
}

fn signing_key(path: &Path) -> Result<SigningKey, ValidatorError> {
    let io = |error| ValidatorError::Io {
        path: path.into(),
        error,
    };
    if !path.exists() {
        let made = SigningKey::generate(SignatureKind::Ed25519);
        private_file::write(path, made.to_pkcs8_pem().as_bytes()).map_err(io)?;
    }
    let pem = zeroize::Zeroizing::new(std::fs::read(path).map_err(io)?);
    SigningKey::from_pem(&pem).map_err(|_| ValidatorError::Key { path: path.into() })
}

fn read_seen(path: &Path) -> Result<BTreeSet<RecipientId>, ValidatorError> {
    let io = |error| ValidatorError::Io {
        path: path.into(),
        error,
    };
    let Some(bytes) = private_file::read(path, SEEN).map_err(io)? else {
        return Ok(BTreeSet::new());
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| io(io::ErrorKind::InvalidData.into()))?;
    let id = |(at, line): (usize, &str)| {
        RecipientId::from_hex(line).ok_or_else(|| ValidatorError::Seen {
            path: path.into(),
            line: at + 1,
        })
    };
    text.lines().enumerate().map(id).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use cofferdam::crypto::signing::verify_sign1;
    use cofferdam_wire::Code;
    use cofferdam_wire::cose::CoseSign1;
    use cofferdam_wire::kind::Suite;
    use cofferdam_wire::layer::Layer;
    use cofferdam_wire::limits;
    use cofferdam_wire::transcript::ProviderKey;
    use std::os::unix::fs::PermissionsExt;
    use zeroize::Zeroizing;

    struct Keys(Vec<ProviderKey>);

    impl ProviderKeys for Keys {
        fn public(&self) -> &[ProviderKey] {
            &self.0
        }

        fn open(
            &self,
            _: &str,
            _: &[u8; 32],
            _: &[u8],
            _: &Layer,
        ) -> Result<Zeroizing<Vec<u8>>, Code> {
            Err(Code::UnknownRecipient)
        }
    }

    fn keys(bytes: &[u8]) -> Keys {
        let key = |byte: &u8| ProviderKey {
            suite: Suite::XWing,
            public: vec![*byte; 1216],
        };
        Keys(bytes.iter().map(key).collect())
    }

    fn said(validator: &Validator, byte: u8) -> KeyStatus {
        let key = keys(&[byte]).0[0].id();
        let answer = validator.answer(key, Nonce([7; 32]), 1_000);
        let signed = CoseSign1::from_bytes(&answer, limits::VALIDATOR_ANSWER).unwrap();
        let payload =
            verify_sign1(&validator.public(), context::VALIDATOR_ANSWER, &signed).unwrap();
        let answer: ValidatorAnswer = cbor::decode(payload, limits::VALIDATOR_ANSWER).unwrap();
        assert_eq!((answer.key, answer.nonce), (key, Nonce([7; 32])));
        assert_eq!((answer.issued_s, answer.version), (1_000, 1));
        assert!(answer.valid_for_s <= limits::VALIDATOR_ANSWER_LIFETIME_S);
        answer.status
    }

    #[test]
    fn a_key_whose_file_is_gone_is_retired_and_one_that_never_was_is_unknown() {
        let directory = tempfile::tempdir().unwrap();
        let open =
            |bytes: &[u8]| Validator::open_or_create(directory.path(), &keys(bytes)).unwrap();
        let first = open(&[1, 2]);
        assert_eq!(
            [1, 2, 3].map(|byte| said(&first, byte)),
            [KeyStatus::Current, KeyStatus::Current, KeyStatus::Unknown]
        );
        let second = open(&[2, 3]);
        assert_eq!(second.public(), first.public());
        assert_eq!(
            [1, 2, 3, 4].map(|byte| said(&second, byte)),
            [
                KeyStatus::Retired,
                KeyStatus::Current,
                KeyStatus::Current,
                KeyStatus::Unknown
            ]
        );
        let mode = std::fs::metadata(directory.path().join("validator.pem")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn damaged_files_are_named_and_not_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Validator::open_or_create(directory.path(), &keys(&[1]));
        assert!(open().is_ok());
        let seen = directory.path().join("validator.seen");
        let text = std::fs::read_to_string(&seen).unwrap();
        std::fs::write(&seen, format!("{text}00\n")).unwrap();
        assert!(matches!(
            open().err().unwrap(),
            ValidatorError::Seen { line: 2, .. }
        ));
        // A device says that it has no bytes, and has no end.
        std::fs::remove_file(&seen).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &seen).unwrap();
        assert!(matches!(open().err().unwrap(), ValidatorError::Io { .. }));
        std::fs::remove_file(&seen).unwrap();
        std::fs::write(&seen, text).unwrap();
        std::fs::write(directory.path().join("validator.pem"), "no key").unwrap();
        assert!(matches!(open().err().unwrap(), ValidatorError::Key { .. }));
    }
}
