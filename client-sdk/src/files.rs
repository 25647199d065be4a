//! Files of the state directory and key files, with errors that name them: written whole or not at all, and for the
//! owner's eyes only ([`crate::private_file`]). Nothing here holds key material but the owner's own key files, which the
//! customer asked for.

use std::io;
use std::path::Path;

use crate::private_file;

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be {action}: {reason}")]
pub struct FileError {
    path: String,
    action: &'static str,
    reason: io::Error,
}

impl FileError {
    pub(crate) fn new(path: &Path, action: &'static str, reason: io::Error) -> Self {
        Self {
            path: path.display().to_string(),
            action,
            reason,
        }
    }

    /// What the system says.
    pub fn kind(&self) -> io::ErrorKind {
        self.reason.kind()
    }
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    let failed = |reason| FileError::new(path, "read", reason);
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > limit as u64 {
        let reason = format!("it has {length} bytes where at most {limit} are expected");
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
    }
    std::fs::read(path).map_err(failed)
}

/// Makes a directory and those above it, for the owner only.
pub(crate) fn make_directory(path: &Path) -> Result<(), FileError> {
    private_file::create_dir(path).map_err(|reason| FileError::new(path, "made", reason))
}

/// Replaces a file atomically (mode 0600), and is back only when it is on disk.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), FileError> {
    private_file::write(path, content).map_err(|reason| FileError::new(path, "written", reason))
}

/// Writes a file that must not be there yet (mode 0600): a key is never overwritten.
pub(crate) fn create(path: &Path, content: &[u8]) -> Result<(), FileError> {
    private_file::create_new(path, content)
        .map_err(|reason| FileError::new(path, "written", reason))
}
