//! What this machine remembers of a provider between runs: the highest vendor statement it has seen (T-66) and the group
//! it has seen (T-20). Neither ever falls back by itself.
//!
//! The file is the customer's own. A damaged one is refused with a sentence, never taken for an empty one: forgetting is
//! what an attacker would want.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use cofferdam_wire::id::{GroupId, Thumbprint};
use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};

/// A state file is a few lines.
const LIMIT: usize = 1024 * 1024;

/// Why the memory could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// Reading or writing failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not what this SDK wrote.
    #[error(
        "{path} is damaged ({reason}); restore it, or delete it if you accept to forget which vendor statements and groups were seen"
    )]
    Damaged {
        /// Path of the file.
        path: String,
        /// What the parser says.
        reason: serde_json::Error,
    },
}

/// The memory: a file in a state directory, or this process only.
pub struct Known {
    file: Option<PathBuf>,
    facts: Mutex<Facts>,
}

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    /// Highest sequence by the vendor key's thumbprint.
    vendor_sequences: BTreeMap<String, u64>,
    /// Group by the trust file's name.
    groups: BTreeMap<String, String>,
}

/// One look into the memory; what is noted in it is kept when the closure returns well.
pub(crate) struct Glance<'a>(&'a mut Facts);

impl Known {
    /// Remembers in `known.json` of a state directory, which is made if it is not there.
    pub fn in_directory(directory: &Path) -> Result<Self, KnownError> {
        files::make_directory(directory)?;
        let known = Self {
            file: Some(directory.join("known.json")),
            facts: Mutex::default(),
        };
        known.load()?;
        Ok(known)
    }

    /// Remembers until the process ends: for programs that carry a group pin in their trust file and hold no state.
    pub fn in_memory() -> Self {
        Self {
            file: None,
            facts: Mutex::default(),
        }
    }

    /// Asks and notes in one step, alone even among processes.
    pub(crate) fn consult<E: From<KnownError>>(
        &self,
        ask: impl FnOnce(&mut Glance<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut facts = self
            .facts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(file) = &self.file else {
            let mut changed = facts.clone();
            ask(&mut Glance(&mut changed))?;
            *facts = changed;
            return Ok(());
        };
        let lock = file.with_extension("lock");
        let failed = |reason| KnownError::from(FileError::new(&lock, "locked", reason));
        let guard = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock);
        let guard = guard.map_err(failed)?;
        guard.lock().map_err(failed)?;
        let stored = self.load()?;
        let mut changed = stored.clone();
        ask(&mut Glance(&mut changed))?;
        if changed != stored {
            let text = serde_json::to_vec_pretty(&changed)
                .expect("invariant: maps of text have a JSON form");
            files::replace(file, &text).map_err(KnownError::from)?;
        }
        *facts = changed;
        Ok(())
    }

    fn load(&self) -> Result<Facts, KnownError> {
        let Some(file) = &self.file else {
            return Ok(Facts::default());
        };
        match files::read(file, LIMIT) {
            Ok(text) => serde_json::from_slice(&text).map_err(|reason| KnownError::Damaged {
                path: file.display().to_string(),
                reason,
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Facts::default()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Glance<'_> {
    /// Highest statement seen of this vendor.
    pub(crate) fn vendor_sequence(&self, vendor: &Thumbprint) -> Option<u64> {
        self.0.vendor_sequences.get(&vendor.to_string()).copied()
    }

    /// Notes a statement.
    pub(crate) fn note_vendor_sequence(&mut self, vendor: &Thumbprint, sequence: u64) {
        self.0.vendor_sequences.insert(vendor.to_string(), sequence);
    }

    /// The group seen under a trust file of this name.
    pub(crate) fn group(&self, trust: &str) -> Option<GroupId> {
        self.0
            .groups
            .get(trust)
            .and_then(|text| GroupId::from_hex(text))
    }

    /// Notes a group.
    pub(crate) fn note_group(&mut self, trust: &str, group: GroupId) {
        self.0.groups.insert(trust.to_owned(), group.to_string());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const VENDOR: Thumbprint = Thumbprint([1; 32]);

    fn sequence(known: &Known) -> Option<u64> {
        let mut seen = None;
        known
            .consult::<KnownError>(|glance| {
                seen = glance.vendor_sequence(&VENDOR);
                Ok(())
            })
            .unwrap();
        seen
    }

    #[test]
    fn what_is_noted_is_there_in_the_next_run() {
        let directory = tempfile::tempdir().unwrap();
        let known = Known::in_directory(directory.path()).unwrap();
        known
            .consult::<KnownError>(|glance| {
                glance.note_vendor_sequence(&VENDOR, 7);
                glance.note_group("acme", GroupId([2; 32]));
                Ok(())
            })
            .unwrap();
        let again = Known::in_directory(directory.path()).unwrap();
        assert_eq!(sequence(&again), Some(7));
    }

    #[test]
    fn a_refusal_notes_nothing() {
        let known = Known::in_memory();
        let refusal = known.consult::<KnownError>(|glance| {
            glance.note_vendor_sequence(&VENDOR, 7);
            Err(FileError::new(Path::new("x"), "read", std::io::ErrorKind::Other.into()).into())
        });
        assert!(refusal.is_err());
        assert_eq!(sequence(&known), None);
    }

    #[test]
    fn a_damaged_memory_is_not_an_empty_one() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("known.json"), "{").unwrap();
        assert!(matches!(
            Known::in_directory(directory.path()),
            Err(KnownError::Damaged { .. })
        ));
    }
}
