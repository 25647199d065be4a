//! Packages of Debian, from wherever this machine has its own: the kernel as a package, QEMU as source.
//!
//! Nothing is installed. What apt has verified is unpacked into the cache. No Debian release has a QEMU that emulates
//! Nitro, but the sources of the release after this machine's have one that can be built to; they are asked for through a
//! configuration of our own, which is the machine's with the release's name replaced.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::program;

/// The release that this is made and tested on.
const RELEASE: &str = "bookworm";
/// The release whose sources are taken.
const NEXT: &str = "trixie";

/// What something needs: packages, and a program or a file by which each is known to be installed.
pub(super) type Needs = &'static [(&'static str, &'static str)];

/// To build images.
pub(super) const IMAGES: Needs = &[
    ("gcc-12", "/usr/bin/gcc-12"),
    ("make", "/usr/bin/make"),
    ("xz-utils", "/usr/bin/xz"),
];

/// To build the emulator, beside [`IMAGES`].
pub(super) const EMULATOR: Needs = &[
    ("bison", "/usr/bin/bison"),
    ("dpkg-dev", "/usr/bin/dpkg-source"),
    ("flex", "/usr/bin/flex"),
    ("libcbor-dev", "/usr/include/cbor.h"),
    ("libfdt-dev", "/usr/include/libfdt.h"),
    ("libglib2.0-dev", "/usr/include/glib-2.0/glib.h"),
    ("libgnutls28-dev", "/usr/include/gnutls/gnutls.h"),
    ("ninja-build", "/usr/bin/ninja"),
    ("pkg-config", "/usr/bin/pkg-config"),
    ("python3-venv", "/usr/lib/python3.11/ensurepip/__init__.py"),
    ("zlib1g-dev", "/usr/include/zlib.h"),
];

/// Packages that are missing on this machine.
pub(super) fn missing(needs: &[Needs]) -> Vec<&'static str> {
    needs
        .iter()
        .copied()
        .flatten()
        .filter(|(_, file)| !Path::new(file).exists())
        .map(|(package, _)| *package)
        .collect()
}

/// Why none of this can be done on this machine, if so.
pub(super) fn obstacle(needs: &[Needs]) -> Option<String> {
    if std::env::consts::ARCH != "x86_64" {
        return Some("the machine is not an x86-64".to_owned());
    }
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !system
        .lines()
        .any(|line| line == format!("VERSION_CODENAME={RELEASE}"))
    {
        return Some(format!("the system is not Debian's {RELEASE}"));
    }
    if !program::is_there("apt-get") {
        return Some("there is no apt-get".to_owned());
    }
    match missing(needs).as_slice() {
        [] => None,
        missing => Some(format!(
            "packages are missing: apt-get install {}",
            missing.join(" ")
        )),
    }
}

/// The package that a meta-package stands for, by the start of its name.
pub(super) fn stands_for(meta: &str, start: &str) -> anyhow::Result<String> {
    let shown =
        program::output(Command::new("apt-cache").args(["show", "--no-all-versions", meta]))
            .with_context(|| format!("{meta} is not known here; apt-get update"))?;
    depends(&String::from_utf8(shown)?, start)
        .with_context(|| format!("{meta} depends on nothing like {start}"))
}

/// The first dependency whose name begins so.
fn depends(shown: &str, start: &str) -> Option<String> {
    let list = shown
        .lines()
        .find_map(|line| line.strip_prefix("Depends: "))?;
    let mut names = list
        .split(',')
        .map(|one| one.trim().split(' ').next().unwrap_or_default());
    names
        .find(|name| name.starts_with(start))
        .map(str::to_owned)
}

/// Unpacks these packages, in the versions that would be installed today, into `root`.
pub(super) fn unpack(packages: &[String], root: &Path, log: &Path) -> anyhow::Result<()> {
    let folder = root.with_extension("packages");
    fs::create_dir_all(&folder)?;
    fs::create_dir_all(root)?;
    let mut fetch = Command::new("apt-get");
    // Root's apt would fetch as a user that may not write here.
    fetch.args(["-q", "-o", "APT::Sandbox::User=root", "download"]);
    program::run(fetch.args(packages).current_dir(&folder), log)?;
    for entry in fs::read_dir(&folder)? {
        program::run(
            Command::new("dpkg").arg("-x").arg(entry?.path()).arg(root),
            log,
        )?;
    }
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Unpacks the source of a package of the next release, with Debian's patches, into `folder`/`name`.
pub(super) fn source(name: &str, folder: &Path, log: &Path) -> anyhow::Result<PathBuf> {
    let apt = folder.join("apt");
    let lists = next_sources(Path::new("/etc/apt"))?;
    fs::create_dir_all(apt.join("sources"))?;
    for (file, text) in &lists {
        fs::write(apt.join("sources").join(file), text)?;
    }
    for part in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(apt.join(part))?;
    }
    let get = |words: &[&str]| {
        let mut get = Command::new("apt-get");
        for (key, place) in [
            ("Dir::Etc::sourceparts", "sources"),
            ("Dir::State::lists", "lists"),
            ("Dir::Cache", "cache"),
        ] {
            get.arg("-o")
                .arg(format!("{key}={}", apt.join(place).display()));
        }
        get.args(["-q", "-o", "Dir::Etc::sourcelist=/dev/null"]);
        get.args(["-o", "APT::Sandbox::User=root"]);
        program::run(get.args(words).current_dir(folder), log)
    };
    get(&["update"])?;
    get(&["source", "--download-only", name])?;
    let mut found = None;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "dsc") {
            found = Some(path);
        }
    }
    let source = folder.join(name);
    // apt has verified the files already.
    let mut unpack = Command::new("dpkg-source");
    unpack
        .args(["--no-check", "-x"])
        .arg(found.context("no source came")?);
    program::run(unpack.arg(&source).current_dir(folder), log)?;
    Ok(source)
}

/// This machine's lists of sources, for the next release's sources.
fn next_sources(apt: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = vec![apt.join("sources.list")];
    if let Ok(entries) = fs::read_dir(apt.join("sources.list.d")) {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    let mut found = Vec::new();
    for file in files {
        let kind = file.extension().and_then(|kind| kind.to_str());
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        let (text, kind) = match kind {
            Some("list") => (from_lines(&text), "list"),
            Some("sources") => (from_stanzas(&text), "sources"),
            _ => continue,
        };
        if !text.is_empty() {
            found.push((format!("{}.{kind}", found.len()), text));
        }
    }
    ensure!(!found.is_empty(), "apt has no source of {RELEASE} here");
    Ok(found)
}

/// One-line style: `deb [options] URI suite component...`.
fn from_lines(text: &str) -> String {
    let mut next = String::new();
    for line in text.lines() {
        let Some(rest) = line.trim().strip_prefix("deb ") else {
            continue;
        };
        let words: Vec<String> = rest.split_whitespace().map(next_suite).collect();
        let words = words.join(" ");
        if words.contains(NEXT) {
            next.push_str(&format!("deb-src {words}\n"));
        }
    }
    next
}

/// Stanzas of fields, with empty lines between.
fn from_stanzas(text: &str) -> String {
    let mut next = String::new();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for stanza in lines.split(|line| line.trim().is_empty()) {
        let mut of_release = false;
        let mut fields = String::new();
        for line in stanza {
            let name = line
                .split(':')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            let line = match name.as_str() {
                "types" => "Types: deb-src".to_owned(),
                "suites" => {
                    let words: Vec<String> = line.split_whitespace().map(next_suite).collect();
                    words.join(" ")
                }
                _ => (*line).to_owned(),
            };
            of_release |= name == "suites" && line.contains(NEXT);
            fields.push_str(&line);
            fields.push('\n');
        }
        if of_release {
            next.push_str(&fields);
            next.push('\n');
        }
    }
    next
}

/// `bookworm-updates` as `trixie-updates`; a word that is no suite of the release as it is.
fn next_suite(word: &str) -> String {
    match word.strip_prefix(RELEASE) {
        Some(rest) if rest.is_empty() || rest.starts_with('-') => format!("{NEXT}{rest}"),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_needs_none_of_the_emulator_s_packages() {
        let of_both = |(name, _): &&(&str, &str)| EMULATOR.iter().any(|(other, _)| other == name);
        assert_eq!(IMAGES.iter().find(of_both), None);
        let absent: Needs = &[("a", "/no/such/file"), ("b", "/")];
        let other: Needs = &[("c", "/no/such/file")];
        assert_eq!(missing(&[absent, other]), ["a", "c"]);
        assert_eq!(missing(&[absent]), ["a"]);
    }

    #[test]
    fn lists_of_sources_name_the_next_release_and_ask_for_source() {
        let lines = "# deb http://a bookworm main\ndeb [arch=amd64] http://a/bookworm bookworm-updates main\n\
                     deb-src http://a bookworm main\ndeb http://b stable main\n";
        assert_eq!(
            from_lines(lines),
            "deb-src [arch=amd64] http://a/bookworm trixie-updates main\n"
        );
        let stanzas = "Types: deb\n# a comment\nURIs: http://a/bookworm\nSuites: bookworm bookworm-updates\n\
                       Components: main\nSigned-By: /keys\n\nTypes: deb\nURIs: http://b\nSuites: stable\n";
        assert_eq!(
            from_stanzas(stanzas),
            "Types: deb-src\nURIs: http://a/bookworm\nSuites: trixie trixie-updates\n\
             Components: main\nSigned-By: /keys\n\n"
        );
    }

    #[test]
    fn a_meta_package_names_what_it_stands_for() {
        let shown =
            "Package: linux-image-x\nDepends: other, linux-image-6.1-x (= 6.1-1)\nSize: 1\n";
        assert_eq!(
            depends(shown, "linux-image-").as_deref(),
            Some("linux-image-6.1-x")
        );
        assert_eq!(depends(shown, "linux-headers-"), None);
        assert_eq!(depends("Package: a\n", ""), None);
    }
}
