//! What is fetched or built once a machine: QEMU, the program that plays its vsock device, the kernel, copies of the tree.
//!
//! Everything in it can be had again, so whoever wants it anew deletes it. A thing is there as a whole or not at all: it
//! is made beside its place and moved there. Two commands do not work in it at once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;

use crate::program;

/// The folder, and the right to work in it.
pub(super) struct Cache {
    folder: PathBuf,
    _lock: File,
}

impl Cache {
    /// `COFFERDAM_NITRO_CACHE`, or `cofferdam/nitro` in the user's folder for caches. Waits for another command that
    /// works in it.
    pub(super) fn open() -> anyhow::Result<Self> {
        let named = std::env::var_os("COFFERDAM_NITRO_CACHE").filter(|value| !value.is_empty());
        let folder = match named {
            Some(folder) => PathBuf::from(folder),
            None => program::cache("nitro")?,
        };
        Self::at(&std::path::absolute(folder)?)
    }

    pub(super) fn at(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock().context("the cache cannot be locked")?;
        Ok(Self {
            folder: folder.to_path_buf(),
            _lock: lock,
        })
    }

    /// The folder of this name, which stays between commands and is whatever its user makes of it.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder of this name; if it is not there, `make` fills it.
    pub(super) fn once(
        &self,
        name: &str,
        make: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.is_dir() {
            return Ok(folder);
        }
        println!("making {}", folder.display());
        let begun = Instant::now();
        let part = self.folder.join(format!("{name}.part"));
        empty(&part)?;
        make(&part).with_context(|| format!("{name} could not be made"))?;
        fs::rename(&part, &folder)?;
        println!("{name}: {} s", begun.elapsed().as_secs());
        Ok(folder)
    }
}

/// Makes the folder, without anything that was in it.
pub(super) fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_thing_is_made_once_and_never_half() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let half = cache.once("thing", |part| {
            fs::write(part.join("a"), "half")?;
            bail!("no more")
        });
        assert!(half.is_err());
        assert!(!cache.place("thing").exists());
        let whole = |part: &Path| {
            assert!(!part.join("a").exists(), "what was left of the half");
            Ok(fs::write(part.join("a"), "whole")?)
        };
        let made = cache.once("thing", whole).unwrap();
        assert_eq!(fs::read(made.join("a")).unwrap(), b"whole");
        let again = cache.once("thing", |_| bail!("it is there")).unwrap();
        assert_eq!(again, made);
    }
}
