//! Imports on the customer's disk: `imports/<key id>/` with the sealed bytes, the receipt, and how far it is.
//!
//! Each step is one file, written whole: `sealed.cbor`, then `receipt.cbor`, then `active`. What is there says where to go
//! on. The directory is also how this machine knows its keys' partitions, labels and handles later.

use std::path::{Path, PathBuf};

use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::id::KeyId;
use cofferdam_wire::import::{Receipt, ReceiptBundle};
use cofferdam_wire::{cbor, limits};

use crate::files::{self, FileError};
use crate::wrap::SealedImport;

const SEALED: &str = "sealed.cbor";
const RECEIPT: &str = "receipt.cbor";
const ACTIVE: &str = "active";
const REVOKED: &str = "revoked";
const DESTROYED: &str = "destroyed";
const LIMIT: usize = limits::PROOF;

/// Why the store could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// No such import here.
    #[error("this machine has no import of key {0}; see: coffer key list")]
    Unknown(KeyId),
    /// A file is not what was written.
    #[error("{0} is damaged; delete its directory and import the key again")]
    Damaged(String),
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Sealed and saved; perhaps sent.
    Saved,
    /// The receipt confirms it.
    Confirmed,
    /// Activated at every service.
    Active,
    /// Revoked from this machine, at every service.
    Revoked,
    /// Destroyed by its owner.
    Destroyed,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Stage::Saved => "unfinished (not confirmed)",
            Stage::Confirmed => "unfinished (not activated)",
            Stage::Active => "imported",
            Stage::Revoked => "revoked",
            Stage::Destroyed => "destroyed",
        })
    }
}

/// One import as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImport {
    /// What was sent, and what must be confirmed.
    pub sealed: SealedImport,
    /// The receipt, once it was confirmed.
    pub receipt: Option<ReceiptBundle>,
    /// How far it is.
    pub stage: Stage,
}

impl StoredImport {
    /// When the enclave imported it, as the receipt says that confirmed it.
    pub fn imported_s(&self) -> Option<u64> {
        let bundle = self.receipt.as_ref()?;
        let signed = CoseSign1::from_bytes(&bundle.receipt, limits::RECEIPT).ok()?;
        let receipt: Receipt = cbor::decode(&signed.payload, limits::RECEIPT).ok()?;
        Some(receipt.imported_s)
    }
}

/// The directory of all imports.
pub struct ImportStore(PathBuf);

impl ImportStore {
    /// In a state directory; made if it is not there.
    pub fn in_directory(state_dir: &Path) -> Result<Self, StoreError> {
        let directory = state_dir.join("imports");
        files::make_directory(&directory)?;
        Ok(Self(directory))
    }

    /// Saves a new import.
    pub fn save(&self, import: &SealedImport) -> Result<(), StoreError> {
        let directory = self.of(&import.key());
        files::make_directory(&directory)?;
        Ok(files::replace(&directory.join(SEALED), &import.to_bytes())?)
    }

    /// Reads one import.
    pub fn load(&self, key: &KeyId) -> Result<StoredImport, StoreError> {
        let directory = self.of(key);
        let sealed = match files::read(&directory.join(SEALED), LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::Unknown(*key));
            }
            Err(error) => return Err(error.into()),
        };
        let damaged = |name: &str| StoreError::Damaged(directory.join(name).display().to_string());
        let sealed = SealedImport::from_bytes(&sealed).map_err(|_| damaged(SEALED))?;
        if sealed.key() != *key {
            return Err(damaged(SEALED));
        }
        let receipt = match files::read(&directory.join(RECEIPT), LIMIT) {
            Ok(bytes) => Some(cbor::decode(&bytes, LIMIT).map_err(|_| damaged(RECEIPT))?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let stage = if directory.join(DESTROYED).exists() {
            Stage::Destroyed
        } else if directory.join(REVOKED).exists() {
            Stage::Revoked
        } else if receipt.is_none() {
            Stage::Saved
        } else if directory.join(ACTIVE).exists() {
            Stage::Active
        } else {
            Stage::Confirmed
        };
        Ok(StoredImport {
            sealed,
            receipt,
            stage,
        })
    }

    /// Every import here, by key id. A directory without a sealed import is what a crash left before anything was sent.
    pub fn list(&self) -> Result<Vec<StoredImport>, StoreError> {
        let failed = |reason| FileError::new(&self.0, "read", reason);
        let mut keys = Vec::new();
        for entry in std::fs::read_dir(&self.0).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            keys.extend(name.to_str().and_then(KeyId::from_hex));
        }
        keys.sort();
        let known = |key: &KeyId| match self.load(key) {
            Err(StoreError::Unknown(_)) => None,
            other => Some(other),
        };
        keys.iter().filter_map(known).collect()
    }

    /// Keeps the receipt that confirmed the import.
    pub fn note_receipt(&self, key: &KeyId, receipt: &ReceiptBundle) -> Result<(), StoreError> {
        Ok(files::replace(
            &self.of(key).join(RECEIPT),
            &cbor::encode(receipt),
        )?)
    }

    /// Notes that every service has activated it.
    pub fn note_active(&self, key: &KeyId) -> Result<(), StoreError> {
        Ok(files::replace(&self.of(key).join(ACTIVE), b"")?)
    }

    /// Notes that every service has revoked it.
    pub fn note_revoked(&self, key: &KeyId) -> Result<(), StoreError> {
        Ok(files::replace(&self.of(key).join(REVOKED), b"")?)
    }

    /// Notes that its owner destroyed it.
    pub fn note_destroyed(&self, key: &KeyId) -> Result<(), StoreError> {
        Ok(files::replace(&self.of(key).join(DESTROYED), b"")?)
    }

    /// Deletes an import that can never be confirmed.
    pub(super) fn forget(&self, key: &KeyId) -> Result<(), StoreError> {
        let directory = self.of(key);
        std::fs::remove_dir_all(&directory)
            .map_err(|reason| FileError::new(&directory, "deleted", reason).into())
    }

    fn of(&self, key: &KeyId) -> PathBuf {
        self.0.join(key.to_string())
    }
}
