//! The files of the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Where the workspace is.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("xtask is a folder of the workspace")
        .to_path_buf()
}

/// Every file below `folder` with this extension, sorted; not what was built, and nothing hidden.
pub(crate) fn files(folder: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The content of a text file.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The path as people write it in pages.
pub(crate) fn shown<'a>(root: &Path, path: &'a Path) -> std::path::Display<'a> {
    path.strip_prefix(root).unwrap_or(path).display()
}

/// How many folders `folder` lies below the root.
pub(crate) fn depth(root: &Path, folder: &Path) -> usize {
    folder
        .strip_prefix(root)
        .map_or(0, |below| below.components().count())
}

/// Brings a copy of the source in line with the work tree: what git knows or would add. What is equal already keeps its
/// time, and so its build; files of Rust that are gone here go there too.
pub(crate) fn copy(root: &Path, into: &Path) -> anyhow::Result<()> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    ensure!(listed.status.success(), "git ls-files failed");
    let listed = String::from_utf8(listed.stdout)?;
    let names: Vec<&str> = listed
        .split('\0')
        .filter(|name| !name.is_empty() && root.join(name).is_file())
        .collect();
    for name in &names {
        replace(&into.join(name), &std::fs::read(root.join(name))?)?;
    }
    for file in files(into, "rs")? {
        let name = file.strip_prefix(into)?.to_str().unwrap_or_default();
        if !names.contains(&name) {
            std::fs::remove_file(&file)?;
        }
    }
    Ok(())
}

/// Writes a file if it is not so already.
pub(crate) fn replace(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
