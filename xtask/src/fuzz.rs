//! Every fuzz target for a short while, over a corpus made from vectors/: decoders that see a border must not panic, and
//! must agree with a second decoder.
//!
//! The targets have the layout of cargo-fuzz, and `cargo fuzz run` works on them. Here they are built without it: coverage
//! is a pass of the stable compiler, and the sanitizers, which are not, would look for faults that code without `unsafe`
//! cannot have. `fuzz/corpus` grows from run to run and is not kept in the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::tree;

/// What libFuzzer needs of the compiler.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Longer than every message but a frame's body; longer inputs find the same.
const MAX_LENGTH: usize = 20_000;

/// For each target, where nobody says otherwise.
const SECONDS: u32 = 10;
const RUNS: u32 = 200_000;

/// Where the first inputs of a target come from.
struct Target {
    name: &'static str,
    seeds: fn(&Path) -> anyhow::Result<Vec<Vec<u8>>>,
}

const TARGETS: &[Target] = &[
    Target {
        name: "evidence",
        seeds: |root| files(&root.join("vectors/attestation"), "cbor"),
    },
    Target {
        name: "messages",
        seeds: |root| hex_members(root, "formats.json", "hex"),
    },
    Target {
        name: "frames",
        seeds: |root| {
            let streams = hex_members(root, "frames.json", "stream")?;
            // The first byte says how the stream is cut.
            Ok(streams.into_iter().map(|s| [vec![6], s].concat()).collect())
        },
    },
    Target {
        name: "cose",
        seeds: |root| hex_members(root, "formats.json", "hex"),
    },
    Target {
        name: "keyfile",
        seeds: |root| files(&root.join("client-sdk/tests/keys"), "pem"),
    },
];

/// Which targets, and for how long.
#[derive(clap::Args)]
pub struct Options {
    /// Only these targets.
    #[arg(long, value_delimiter = ',')]
    target: Vec<String>,
    /// At most so many seconds for each target.
    #[arg(long, default_value_t = SECONDS)]
    seconds: u32,
    /// At most so many inputs for each target.
    #[arg(long, default_value_t = RUNS)]
    runs: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            target: Vec::new(),
            seconds: SECONDS,
            runs: RUNS,
        }
    }
}

/// Builds the targets and runs them; a crash of one is an error, and its input stays in fuzz/artifacts.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    let known = |name: &String| TARGETS.iter().any(|target| target.name == name);
    if let Some(unknown) = options.target.iter().find(|name| !known(name)) {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        bail!(
            "there is no target {unknown}; there are {}",
            names.join(", ")
        );
    }
    let binaries = build(root)?;
    for target in TARGETS {
        if options.target.is_empty() || options.target.iter().any(|name| name == target.name) {
            target.run(root, &binaries, options)?;
        }
    }
    Ok(())
}

/// Where the targets were built.
fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let host = host()?;
    let folder = root.join("target/fuzz");
    // With a target named, the flags are not for build scripts and procedural macros.
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--bins"])
        .args(["--manifest-path", "fuzz/Cargo.toml", "--target", &host])
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", COVERAGE)
        .current_dir(root)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the fuzz targets do not build");
    Ok(folder.join(host).join("release"))
}

fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output();
    let output = output.context("cannot run rustc")?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}

impl Target {
    fn run(&self, root: &Path, binaries: &Path, options: &Options) -> anyhow::Result<()> {
        let corpus = root.join("fuzz/corpus").join(self.name);
        let artifacts = root.join("fuzz/artifacts").join(self.name);
        std::fs::create_dir_all(&corpus)?;
        std::fs::create_dir_all(&artifacts)?;
        let seeds = (self.seeds)(root)?;
        ensure!(!seeds.is_empty(), "no seeds for {}", self.name);
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(corpus.join(format!("seed-{number:04}")), seed)?;
        }
        let output = Command::new(binaries.join(self.name))
            .arg(&corpus)
            .arg(format!("-runs={}", options.runs))
            .arg(format!("-max_total_time={}", options.seconds))
            .arg(format!("-max_len={MAX_LENGTH}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            // One input may not take long, nor much memory: T-27.
            .args(["-timeout=10", "-rss_limit_mb=1024", "-malloc_limit_mb=64"])
            .args(["-verbosity=0", "-print_final_stats=1"])
            .current_dir(root)
            .output()
            .with_context(|| format!("cannot run {}", self.name))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!("the target {} failed:\n{said}", self.name);
        }
        let inputs = said
            .lines()
            .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))
            .with_context(|| {
                format!(
                    "{} did not say how many inputs it tried:\n{said}",
                    self.name
                )
            })?;
        println!(
            "{}: {} seeds, {} inputs",
            self.name,
            seeds.len(),
            inputs.trim()
        );
        Ok(())
    }
}

/// The content of all files below a folder with this extension.
fn files(folder: &Path, extension: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let files = tree::files(folder, extension)?;
    let read = |path: &PathBuf| {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
    };
    files.iter().map(read).collect()
}

/// The bytes of every member of this name, in all lists of a file of vectors.
fn hex_members(root: &Path, file: &str, member: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let content: Value = serde_json::from_str(&tree::read(&root.join("vectors").join(file))?)?;
    let lists = content.as_object().context("vectors are an object")?;
    let entries = lists.values().filter_map(Value::as_array).flatten();
    let members = entries.filter_map(|entry| entry[member].as_str());
    members.map(|text| Ok(hex::decode(text)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each message that has vectors is decoded by a target: in the list of `messages`, or in `cose`.
    #[test]
    fn every_message_with_vectors_is_fuzzed() -> anyhow::Result<()> {
        let root = tree::root();
        let target = |name: &str| tree::read(&root.join("fuzz/fuzz_targets").join(name));
        let (messages, cose) = (target("messages.rs")?, target("cose.rs")?);
        let list = messages.split_once("taken!(bytes:");
        let list = list.and_then(|(_, rest)| rest.split_once(");"));
        let (list, _) = list.context("messages.rs has no list")?;
        let named = |text: &str, name: &str| {
            let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
            words.any(|word| word == name)
        };
        let vectors: Value =
            serde_json::from_str(&tree::read(&root.join("vectors/formats.json"))?)?;
        let valid = vectors["valid"].as_array().context("a list")?;
        let types: Vec<_> = valid
            .iter()
            .filter_map(|entry| entry["type"].as_str())
            .collect();
        assert!(types.contains(&"ValidatorAnswer"));
        for name in types {
            assert!(
                named(list, name) || named(&cose, name),
                "no target decodes {name}"
            );
        }
        Ok(())
    }
}
