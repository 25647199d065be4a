//! The file of the log: reading it through, and appending to it.
//!
//! A last line without an end is a write that a crash cut off; the call that made it never returned, so it is cut away.
//! Everything else that does not verify breaks the log from there on, and the service answers "suspended" for every key
//! until somebody has restored it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cofferdam::crypto::signing::SigningKey;
use cofferdam::private_file;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{Digest, Handle};

use super::entry::{Cause, Entry, MAX_LINE, START};
use crate::registration::Registration;

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file cannot be read or written.
    #[error("the audit log {path} cannot be used: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process writes it.
    #[error("the audit log {0} is in use by another process")]
    InUse(PathBuf),
    /// It does not verify, or a write failed half way.
    #[error("RSV-30: the audit log is broken: {0}")]
    Broken(String),
}

/// How reading a log ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanEnd {
    /// Every line verified.
    Complete,
    /// So did every line but the last, which is cut off.
    Torn,
    /// A line does not verify; lines count from 1.
    Broken {
        /// Which line.
        line: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// What a log says.
#[derive(Debug)]
pub struct Scan {
    /// Entries that verified.
    pub entries: u64,
    /// The hash that the next entry names.
    pub head: Digest,
    /// Bytes of these entries.
    pub length: u64,
    /// The last word on each handle.
    pub last: HashMap<Handle, Registration>,
    /// How it ended.
    pub end: ScanEnd,
}

/// Reads a log through, gives `each` every entry that verifies, and stops at the first that does not. A log that is not
/// there is an empty one.
pub fn scan(path: &Path, key: &PublicKey, mut each: impl FnMut(&Entry)) -> io::Result<Scan> {
    let mut scan = Scan {
        entries: 0,
        head: START,
        length: 0,
        last: HashMap::new(),
        end: ScanEnd::Complete,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(scan),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::with_capacity(MAX_LINE);
    loop {
        line.clear();
        let read = reader
            .by_ref()
            .take(MAX_LINE as u64)
            .read_until(b'\n', &mut line)?;
        let number = scan.entries + 1;
        let broken = |problem| ScanEnd::Broken {
            line: number,
            problem,
        };
        if read == 0 {
            return Ok(scan);
        }
        if line.pop() != Some(b'\n') {
            scan.end = if read < MAX_LINE {
                ScanEnd::Torn
            } else {
                broken("is too long")
            };
            return Ok(scan);
        }
        match Entry::from_line(&line, key, number, &scan.head) {
            Ok((entry, head)) => {
                each(&entry);
                scan.entries = number;
                scan.head = head;
                scan.length += read as u64;
                scan.last
                    .insert(entry.registration.handle, entry.registration);
            }
            Err(problem) => {
                scan.end = broken(problem);
                return Ok(scan);
            }
        }
    }
}

/// The log, open for appending. One process has it.
pub struct AuditLog {
    path: PathBuf,
    file: File,
    key: SigningKey,
    entries: u64,
    head: Digest,
    length: u64,
    broken: Option<String>,
}

impl AuditLog {
    /// Opens a log, or makes it, and reads it through.
    pub fn open(path: &Path, key: SigningKey) -> Result<(Self, Scan), LogError> {
        let io = |source| LogError::Io {
            path: path.into(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(io)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => LogError::InUse(path.into()),
            TryLockError::Error(source) => io(source),
        })?;
        private_file::sync_dir(path).map_err(io)?;
        let mut log = Self {
            path: path.into(),
            file,
            key,
            entries: 0,
            head: START,
            length: 0,
            broken: None,
        };
        let scan = log.rescan()?;
        Ok((log, scan))
    }

    /// Reads the file through again, as it is now.
    pub fn rescan(&mut self) -> Result<Scan, LogError> {
        let io = |source| LogError::Io {
            path: self.path.clone(),
            source,
        };
        let scan = scan(&self.path, &self.key.public(), |_| ()).map_err(io)?;
        (self.entries, self.head, self.length) = (scan.entries, scan.head, scan.length);
        self.broken = match &scan.end {
            ScanEnd::Complete => None,
            ScanEnd::Torn => {
                tracing::warn!(
                    entries = scan.entries,
                    "cut off an unfinished last line of the audit log"
                );
                self.file
                    .set_len(scan.length)
                    .and_then(|()| self.file.sync_all())
                    .map_err(io)?;
                None
            }
            ScanEnd::Broken { line, problem } => Some(format!("line {line} {problem}")),
        };
        Ok(scan)
    }

    /// What is wrong with the log, if anything is.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Verifies entries of this log.
    pub fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Writes an entry and syncs it. If that fails, the entry is not in the log.
    pub fn append(&mut self, cause: Cause, registration: &Registration) -> Result<(), LogError> {
        if let Some(problem) = &self.broken {
            return Err(LogError::Broken(problem.clone()));
        }
        let entry = Entry {
            version: 1,
            number: self.entries + 1,
            previous: self.head,
            cause,
            registration: registration.clone(),
        };
        let (mut line, head) = entry.to_line(&self.key);
        line.push('\n');
        let written = self
            .file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync_all());
        if let Err(source) = written {
            // Half a line, or a line that may or may not survive: take it back, or nothing can follow.
            if let Err(error) = self
                .file
                .set_len(self.length)
                .and_then(|()| self.file.sync_all())
            {
                self.broken = Some(format!(
                    "a write failed and could not be taken back: {error}"
                ));
            }
            return Err(LogError::Io {
                path: self.path.clone(),
                source,
            });
        }
        self.entries = entry.number;
        self.head = head;
        self.length += line.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::registration::State;
    use cofferdam::crypto::secret::Secret32;
    use cofferdam::crypto::signing::SignatureKind;
    use cofferdam_wire::id::GroupId;

    fn key() -> SigningKey {
        SigningKey::from_secret(
            SignatureKind::Ed25519,
            &Secret32::from_slice(&[7; 32]).unwrap(),
        )
        .unwrap()
    }

    fn registration(byte: u8, state: State, sequence: u64) -> Registration {
        Registration {
            handle: Handle([byte; 16]),
            token_hash: Digest([byte; 32]),
            group: GroupId([1; 32]),
            owner: PublicKey::Ed25519([2; 32]),
            state,
            sequence,
            grant_epoch: 0,
            created_ms: 1,
            changed_ms: 2,
        }
    }

    /// A log of three entries on two handles.
    fn written(dir: &tempfile::TempDir) -> PathBuf {
        let path = dir.path().join("log");
        let (mut log, _) = AuditLog::open(&path, key()).unwrap();
        log.append(Cause::Register, &registration(1, State::Pending, 0))
            .unwrap();
        log.append(Cause::Register, &registration(2, State::Pending, 0))
            .unwrap();
        log.append(Cause::Activate, &registration(1, State::Active, 1))
            .unwrap();
        path
    }

    fn end(path: &Path) -> ScanEnd {
        scan(path, &key().public(), |_| ()).unwrap().end
    }

    #[test]
    fn rsv_28_entries_read_back_and_the_last_word_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(&dir);
        let mut causes = Vec::new();
        let read = scan(&path, &key().public(), |entry| causes.push(entry.cause)).unwrap();
        assert_eq!(causes, [Cause::Register, Cause::Register, Cause::Activate]);
        assert_eq!(read.end, ScanEnd::Complete);
        assert_eq!(
            read.last[&Handle([1; 16])],
            registration(1, State::Active, 1)
        );
        let (mut log, again) = AuditLog::open(&path, key()).unwrap();
        assert_eq!(again.entries, 3);
        log.append(Cause::Revoke, &registration(1, State::Revoked, 2))
            .unwrap();
        assert_eq!(end(&path), ScanEnd::Complete);
        assert!(matches!(
            AuditLog::open(&path, key()),
            Err(LogError::InUse(_))
        ));
    }

    #[test]
    fn rsv_30_every_changed_line_breaks_the_log_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(&dir);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let broken_at = |lines: &[&str]| {
            std::fs::write(
                &path,
                lines
                    .iter()
                    .map(|line| format!("{line}\n"))
                    .collect::<String>(),
            )
            .unwrap();
            match end(&path) {
                ScanEnd::Broken { line, .. } => line,
                other => panic!("{other:?}"),
            }
        };
        let flipped = lines[1].replacen(
            &lines[1][40..41],
            if &lines[1][40..41] == "A" { "B" } else { "A" },
            1,
        );
        assert_eq!(broken_at(&[lines[0], &flipped, lines[2]]), 2);
        assert_eq!(broken_at(&[lines[0], lines[2]]), 2);
        assert_eq!(broken_at(&[lines[1], lines[2]]), 1);
        assert_eq!(broken_at(&[lines[0], lines[0], lines[1]]), 2);
        assert_eq!(broken_at(&[lines[0], lines[1], "", lines[2]]), 3);
        assert_eq!(broken_at(&[lines[0], &"A".repeat(4000)]), 2);
        let other = SigningKey::generate(SignatureKind::Ed25519).public();
        let read = scan(&path, &other, |_| ()).unwrap();
        assert_eq!(
            read.end,
            ScanEnd::Broken {
                line: 1,
                problem: "is not signed by the audit key"
            }
        );
        let (mut log, _) = AuditLog::open(&path, key()).unwrap();
        assert!(matches!(
            log.append(Cause::Revoke, &registration(1, State::Revoked, 2)),
            Err(LogError::Broken(_))
        ));
    }

    #[test]
    fn a_line_cut_off_by_a_crash_is_cut_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(&dir);
        let text = std::fs::read(&path).unwrap();
        let two = text
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(1)
            .unwrap()
            .0
            + 1;
        for cut in [two + 1, text.len() - 1] {
            std::fs::write(&path, &text[..cut]).unwrap();
            assert_eq!(end(&path), ScanEnd::Torn);
            let (mut log, read) = AuditLog::open(&path, key()).unwrap();
            assert_eq!(read.entries, 2);
            log.append(Cause::Activate, &registration(1, State::Active, 1))
                .unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), text);
        }
    }
}
