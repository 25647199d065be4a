//! Files that only their own user may read: keys, tokens, sealed imports, the services' state.
//!
//! A file is replaced as a whole: written beside, synced, renamed, and the call is back only when that is on disk. So a
//! crash leaves the old one or the new one, and never one that others can read. What must not replace anything is made with
//! [`create_new`]. The customer's files go through here, and those of the revocation service and of the parent. Nothing here
//! looks into a file.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::crypto::random;

/// Makes a directory (and what is above it) that nobody else can enter.
pub fn create_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes an empty file that nobody else can read, if there is none.
pub fn create_if_missing(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

/// Makes a file that is not there yet, and is back when it and its name are on disk. What is there already stays, also if it
/// came in this moment (`AlreadyExists`). A crash meanwhile may leave a part, which nobody was told of and no call replaces.
pub fn create_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = open_new(path)?;
    fill(file, bytes)
        .and_then(|()| sync_dir(path))
        .inspect_err(|_| {
            let _ = fs::remove_file(path);
        })
}

fn open_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
}

fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// Replaces a file as a whole, or leaves it as it was.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path);
    write_beside(&beside, path, bytes).inspect_err(|_| {
        // What is half written helps nobody; the first error is the one to tell.
        let _ = fs::remove_file(&beside);
    })
}

fn write_beside(beside: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fill(open_new(beside)?, bytes)?;
    fs::rename(beside, path)?;
    sync_dir(path)
}

/// A name that no other writer uses. It is drawn, since two containers that share a directory have the same process ids.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", hex::encode(random::array::<8>())));
    name.into()
}

/// A file with a key or a token, or what is read of something that has no length.
const SMALL: u64 = 64 * 1024;

/// Reads a file of at most `limit` bytes; `None` if there is none.
pub fn read(path: &Path, limit: u64) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Enough from the start, so that growing leaves no copy of a secret behind; and no more than the file may need.
    let capacity = limit.min(file.metadata()?.len().max(SMALL));
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(capacity).unwrap_or(0) + 1,
    ));
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let text = format!("{} is longer than {limit} bytes", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(Some(bytes))
}

/// Makes the entry of `path` in its directory durable.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_cannot_be_replaced_stays_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inner").join("token");
        create_dir(path.parent().unwrap()).unwrap();
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        // A directory is in the way of the rename.
        let taken = dir.path().join("taken");
        create_dir(&taken.join("below")).unwrap();
        assert!(write(&taken, b"three").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert!(taken.join("below").is_dir());
    }

    #[test]
    fn a_new_file_is_private_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("owner.pem");
        create_new(&path, b"one").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // A link that leads nowhere is there as well.
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
        for taken in [&path, &link] {
            let refused = create_new(taken, b"two").unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(read(&path, 8).unwrap().unwrap().as_slice(), b"one");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn names_beside_are_drawn() {
        let drawn = || {
            let name = beside(Path::new("token")).into_os_string();
            let name = name.into_string().unwrap();
            let name = name.strip_prefix("token.").unwrap();
            hex::decode(name.strip_suffix(".new").unwrap()).unwrap()
        };
        let (one, other) = (drawn(), drawn());
        assert_eq!((one.len(), other.len()), (8, 8));
        assert_ne!(one, other);
    }

    #[test]
    fn a_written_file_reads_back_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        assert!(read(&path, 8).unwrap().is_none());
        write(&path, b"first").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(read(&path, 8).unwrap().unwrap().as_slice(), b"second");
        assert!(read(&path, 5).is_err());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
