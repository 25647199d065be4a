//! The stapled vendor statement: a file that the operator replaces, read again when it changes.
//!
//! This process cannot verify it (the vendor key is pinned by customers and built into the image) and need not: it is
//! shown to them, and a wrong one is refused there. Only its shape is checked, so a half-written file is not stapled.

use cofferdam_wire::cbor;
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::limits;
use cofferdam_wire::vendor::VendorStatement;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Why there is no statement to staple.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatementError {
    #[error("{}: {error}", path.display())]
    Read {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{}: not a signed vendor statement", path.display())]
    Shape { path: PathBuf },
}

/// A statement with the form that it has for us.
#[derive(Clone)]
pub(crate) struct Stapled {
    pub(crate) signed: Arc<Vec<u8>>,
    pub(crate) statement: Arc<VendorStatement>,
}

pub(crate) struct VendorStatementFile {
    path: PathBuf,
    last: Mutex<Option<(Stamp, Stapled)>>,
}

#[derive(PartialEq, Clone, Copy)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl VendorStatementFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            last: Mutex::new(None),
        }
    }

    /// The statement in the file now. While a replacement is unreadable, the last good one is given.
    pub(crate) fn current(&self) -> Result<Stapled, StatementError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match (self.read(last.as_ref().map(|(stamp, _)| *stamp)), &*last) {
            (Ok(Some(new)), _) => {
                let stapled = new.1.clone();
                *last = Some(new);
                Ok(stapled)
            }
            (Ok(None), Some((_, stapled))) => Ok(stapled.clone()),
            (Err(error), Some((_, stapled))) => {
                tracing::warn!(%error, "vendor statement not read again; the last good one stays");
                Ok(stapled.clone())
            }
            (Err(error), None) => Err(error),
            (Ok(None), None) => Err(StatementError::Shape {
                path: self.path.clone(),
            }),
        }
    }

    fn read(&self, known: Option<Stamp>) -> Result<Option<(Stamp, Stapled)>, StatementError> {
        let failed = |error| StatementError::Read {
            path: self.path.clone(),
            error,
        };
        let metadata = std::fs::metadata(&self.path).map_err(failed)?;
        let stamp = Stamp {
            modified: metadata.modified().ok(),
            length: metadata.len(),
        };
        if known == Some(stamp) {
            return Ok(None);
        }
        let shape = || StatementError::Shape {
            path: self.path.clone(),
        };
        if metadata.len() > limits::VENDOR_STATEMENT as u64 {
            return Err(shape());
        }
        let signed = std::fs::read(&self.path).map_err(failed)?;
        let envelope =
            CoseSign1::from_bytes(&signed, limits::VENDOR_STATEMENT).map_err(|_| shape())?;
        let statement: VendorStatement =
            cbor::decode(&envelope.payload, limits::VENDOR_STATEMENT).map_err(|_| shape())?;
        Ok(Some((
            stamp,
            Stapled {
                signed: Arc::new(signed),
                statement: Arc::new(statement),
            },
        )))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn signed(sequence: u64) -> Vec<u8> {
        let statement = VendorStatement {
            version: 1,
            sequence,
            issued_s: 0,
            not_after_s: 1,
            images: vec![],
            providers: vec![],
        };
        CoseSign1 {
            algorithm: -8,
            payload: cbor::encode(&statement),
            signature: [0; 64],
        }
        .to_bytes()
    }

    #[test]
    fn a_new_file_is_read_and_a_broken_one_is_not_stapled() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("statement");
        let file = VendorStatementFile::new(path.clone());
        assert!(file.current().is_err());
        std::fs::write(&path, b"not a statement").unwrap();
        assert!(file.current().is_err());
        std::fs::write(&path, signed(1)).unwrap();
        assert_eq!(file.current().unwrap().statement.sequence, 1);
        std::fs::write(&path, &signed(1000)[..20]).unwrap();
        assert_eq!(file.current().unwrap().statement.sequence, 1);
        std::fs::write(&path, signed(1000)).unwrap();
        assert_eq!(file.current().unwrap().statement.sequence, 1000);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.current().unwrap().statement.sequence, 1000);
    }
}
