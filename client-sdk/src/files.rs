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

/// Reads a file of at most `limit` bytes, whatever length it says that it has.
pub(crate) fn read(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    let failed = |reason| FileError::new(path, "read", reason);
    match private_file::read(path, limit as u64) {
        Ok(Some(mut bytes)) => Ok(std::mem::take(&mut *bytes)),
        Ok(None) => Err(failed(io::Error::new(
            io::ErrorKind::NotFound,
            "there is no such file",
        ))),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let reason = format!("it has more than {limit} bytes");
            Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, reason)))
        }
        Err(error) => Err(failed(error)),
    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit_and_one_without_a_length_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, b"12345678").unwrap();
        assert_eq!(read(&path, 8).unwrap(), b"12345678");
        let kind = |path: &Path, limit| read(path, limit).unwrap_err().kind();
        assert_eq!(kind(&path, 7), io::ErrorKind::FileTooLarge);
        assert_eq!(kind(Path::new("/dev/zero"), 7), io::ErrorKind::FileTooLarge);
        assert_eq!(
            kind(&directory.path().join("gone"), 7),
            io::ErrorKind::NotFound
        );
    }
}
