//! Writes vectors/*.json, or checks that they are what the wire crate gives now. `vectors/README.md` is their schema.
//!
//! A difference is a change of the protocol: it needs a reason, a line in CHANGELOG.md, and a look at both diffs.

mod annotate;
mod defects;
mod formats;
mod frames;
mod hashes;
mod import;
mod lists;
mod messages;
mod padding;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// Write or check.
#[derive(clap::Args)]
pub struct Options {
    /// Writes nothing; fails if a file differs.
    #[arg(long)]
    pub(crate) check: bool,
    /// Forges the documents of vectors/attestation/negative anew, under a new root: their signatures are random, so they
    /// are not compared but judged, by the tests of the verifier.
    #[arg(long, conflicts_with = "check")]
    pub(crate) forge: bool,
}

/// Writes the files or compares them.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    if options.forge {
        return forge(root);
    }
    let files = [
        ("formats.json", formats::all()?),
        ("lists.json", lists::all()),
        ("frames.json", frames::all()),
        ("padding.json", padding::all()),
        ("import.json", import::all()?),
    ];
    let mut differ = Vec::new();
    for (name, content) in files {
        let path = root.join("vectors").join(name);
        let content = text(&content)?;
        if std::fs::read_to_string(&path).is_ok_and(|old| old == content) {
            continue;
        }
        if !options.check {
            std::fs::write(&path, content)?;
        }
        differ.push(name);
    }
    match (differ.is_empty(), options.check) {
        (true, _) => println!("the vectors are up to date"),
        (false, false) => println!("written: {}", differ.join(", ")),
        (false, true) => bail!(
            "not what the source gives now: {} (cargo xtask vectors)",
            differ.join(", ")
        ),
    }
    Ok(())
}

/// The verifier's tests have the forge, and write the documents where they are asked to.
fn forge(root: &Path) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(["test", "--locked", "--quiet", "-p", "cofferdam-attestation"])
        .args(["--test", "verifier", "stored::the_index"])
        .env("COFFERDAM_FORGE_VECTORS", "1")
        .current_dir(root)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the documents were not forged");
    println!("written: attestation/negative");
    Ok(())
}

fn text(content: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(content)? + "\n")
}
