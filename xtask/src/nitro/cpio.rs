//! A ramdisk: the kernel's cpio format "newc", uncompressed, with nothing in it that differs from one build to the next.
//!
//! Every entry belongs to root, has no time, and is numbered by its place. Entries come in the order of their names, which
//! puts a folder before what it holds.

use std::collections::BTreeMap;

use anyhow::ensure;

const MAGIC: &str = "070701";
const END: &str = "TRAILER!!!";
const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
/// Every part of the archive begins at a multiple of this.
const ALIGN: usize = 4;

/// What goes into a ramdisk, by its path without a slash in front.
#[derive(Default)]
pub(super) struct Archive {
    entries: BTreeMap<String, (u32, Vec<u8>)>,
}

impl Archive {
    /// Adds a folder.
    pub(super) fn folder(&mut self, path: &str) -> anyhow::Result<()> {
        self.add(path, FOLDER, Vec::new())
    }

    /// Adds a file that everybody may read.
    pub(super) fn file(&mut self, path: &str, content: Vec<u8>) -> anyhow::Result<()> {
        self.add(path, FILE, content)
    }

    /// Adds a file that may be run.
    pub(super) fn program(&mut self, path: &str, content: Vec<u8>) -> anyhow::Result<()> {
        self.add(path, PROGRAM, content)
    }

    fn add(&mut self, path: &str, mode: u32, content: Vec<u8>) -> anyhow::Result<()> {
        let plain = path.split('/').all(|part| !part.is_empty()) && path.is_ascii();
        ensure!(plain && path != END, "{path:?} is no path in a ramdisk");
        if let Some((folder, _)) = path.rsplit_once('/') {
            let above = self.entries.get(folder).map(|(mode, _)| *mode);
            ensure!(above == Some(FOLDER), "{path} has no folder");
        }
        ensure!(!self.entries.contains_key(path), "{path} is there twice");
        self.entries.insert(path.to_owned(), (mode, content));
        Ok(())
    }

    /// The bytes.
    pub(super) fn written(&self) -> anyhow::Result<Vec<u8>> {
        let mut out = Vec::new();
        for (number, (path, (mode, content))) in (1..).zip(&self.entries) {
            write(&mut out, number, path, *mode, content)?;
        }
        write(&mut out, 0, END, 0, &[])?;
        Ok(out)
    }
}

fn write(
    out: &mut Vec<u8>,
    number: u32,
    path: &str,
    mode: u32,
    content: &[u8],
) -> anyhow::Result<()> {
    let size = u32::try_from(content.len())?;
    let name = u32::try_from(path.len() + 1)?;
    // Inode, mode, user, group, links, time, size, device and its minor, the same of a device file, name, checksum.
    let fields = [number, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name, 0];
    out.extend(MAGIC.bytes());
    for field in fields {
        out.extend(format!("{field:08x}").bytes());
    }
    out.extend(path.bytes());
    out.push(0);
    align(out);
    out.extend(content);
    align(out);
    Ok(())
}

fn align(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(ALIGN), 0);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Path, mode and content of every entry, read as the kernel reads them.
    fn read(bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            let text = |from: usize, to: usize| std::str::from_utf8(&bytes[from..to]).unwrap();
            let field =
                |i: usize| u32::from_str_radix(text(at + 6 + 8 * i, at + 14 + 8 * i), 16).unwrap();
            assert_eq!(text(at, at + 6), "070701");
            assert_eq!(
                [field(2), field(3), field(5)],
                [0, 0, 0],
                "user, group, time"
            );
            let (mode, size, name) = (field(1), field(6) as usize, field(11) as usize);
            let path = text(at + 110, at + 110 + name - 1).to_owned();
            let data = (at + 110 + name).next_multiple_of(4);
            at = (data + size).next_multiple_of(4);
            if path == END {
                assert_eq!(at, bytes.len());
                return found;
            }
            found.push((path, mode, bytes[data..data + size].to_vec()));
        }
    }

    fn archive(order: &[usize]) -> Archive {
        let mut archive = Archive::default();
        archive.folder("modules").unwrap();
        for i in order {
            match i {
                0 => archive.file("modules/a.ko", vec![1; 5]).unwrap(),
                1 => archive.program("init", vec![2]).unwrap(),
                _ => archive.folder("proc").unwrap(),
            }
        }
        archive
    }

    #[test]
    fn what_was_put_in_is_read_in_the_order_of_names() {
        let bytes = archive(&[0, 1, 2]).written().unwrap();
        assert_eq!(
            read(&bytes),
            [
                ("init".to_owned(), 0o100_755, vec![2]),
                ("modules".to_owned(), 0o040_755, vec![]),
                ("modules/a.ko".to_owned(), 0o100_644, vec![1; 5]),
                ("proc".to_owned(), 0o040_755, vec![]),
            ]
        );
    }

    #[test]
    fn t54_the_order_of_adding_makes_no_difference() {
        let one = archive(&[0, 1, 2]).written().unwrap();
        assert_eq!(one, archive(&[2, 1, 0]).written().unwrap());
        assert_ne!(one, archive(&[0, 1]).written().unwrap());
    }

    #[test]
    fn paths_are_plain_and_have_a_folder_and_come_once() {
        let mut archive = archive(&[0]);
        for path in [
            "/init",
            "a//b",
            "",
            "nowhere/a",
            "modules/a.ko",
            "modules",
            END,
        ] {
            assert!(archive.file(path, vec![]).is_err(), "{path}");
        }
        archive.file("modules/b.ko", vec![]).unwrap();
    }
}
