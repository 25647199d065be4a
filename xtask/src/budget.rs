//! The budget of the trusted base: lines, crates, lengths of files. Raising one needs an ADR.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::source::Source;
use crate::tree;

/// Code lines of the core.
const CORE_LINES: usize = 9_000;
/// Code lines of everything that is measured into the image.
const TRUSTED_LINES: usize = 14_000;
/// Crates in the enclave, ours included.
const CRATES: usize = 80;
/// From here on a file is worth a second look.
const FILE_LINES_WARN: usize = 400;
/// No file is longer.
const FILE_LINES_MAX: usize = 500;

/// What is measured into the image.
const TRUSTED: &[&str] = &["wire", "attestation", "enclave/core", "enclave/app"];

/// Fails if any budget is exceeded, or the enclave's crates are not the reviewed ones.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let mut failures = Vec::new();
    let core = code_lines(&root.join("enclave/core/src"))?;
    let mut trusted = 0;
    for part in TRUSTED {
        trusted += code_lines(&root.join(part).join("src"))?;
    }
    for (name, actual, limit) in [
        ("enclave/core", core, CORE_LINES),
        ("the trusted base", trusted, TRUSTED_LINES),
    ] {
        println!("{name}: {actual} code lines of {limit}");
        if actual > limit {
            failures.push(format!(
                "{name} has {actual} code lines, {limit} are allowed"
            ));
        }
    }
    failures.extend(long_files(root)?);
    failures.extend(enclave_crates(root)?);
    if !failures.is_empty() {
        bail!("over budget:\n  {}", failures.join("\n  "));
    }
    Ok(())
}

/// Prints the code lines of every crate.
pub(crate) fn print_lines(root: &Path) -> anyhow::Result<()> {
    let workspace: toml::Table = toml::from_str(&tree::read(&root.join("Cargo.toml"))?)?;
    let members = workspace["workspace"]["members"]
        .as_array()
        .context("the workspace has no members")?;
    for member in members.iter().filter_map(toml::Value::as_str) {
        println!(
            "{:>7}  {member}",
            code_lines(&root.join(member).join("src"))?
        );
    }
    Ok(())
}

/// Code lines of one crate's `src`, without comments, blanks and tests.
fn code_lines(src: &Path) -> anyhow::Result<usize> {
    let mut sources = BTreeMap::new();
    for file in tree::files(src, "rs")? {
        let source = Source::parse(&tree::read(&file)?);
        sources.insert(file, source);
    }
    let tests = test_files(&sources);
    let product = sources
        .iter()
        .filter(|(file, _)| !tests.iter().any(|test| file.starts_with(test)));
    Ok(product.map(|(_, source)| source.code_lines()).sum())
}

/// Files and folders of modules that are declared under `cfg(test)`.
fn test_files(sources: &BTreeMap<PathBuf, Source>) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for (file, source) in sources {
        let stem = file.file_stem().unwrap_or_default();
        let folder = file.parent().unwrap_or(Path::new(""));
        let of_children = match stem.to_str() {
            Some("lib" | "main" | "mod") => folder.to_path_buf(),
            _ => folder.join(stem),
        };
        for module in &source.test_modules {
            found.insert(of_children.join(module).with_extension("rs"));
            found.insert(of_children.join(module));
        }
    }
    found
}

/// Warns of long files and tells the too long ones.
fn long_files(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut failures = Vec::new();
    for file in tree::files(root, "rs")? {
        let lines = tree::read(&file)?.lines().count();
        let name = tree::shown(root, &file);
        if lines > FILE_LINES_MAX {
            failures.push(format!(
                "{name} has {lines} lines, {FILE_LINES_MAX} are allowed"
            ));
        } else if lines > FILE_LINES_WARN {
            println!("warning: {name} has {lines} lines, about {FILE_LINES_WARN} is the rule");
        }
    }
    Ok(failures)
}

/// Counts the crates in the enclave and compares them with the reviewed list.
fn enclave_crates(root: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "-p",
            "cofferdam-enclave",
            "-e",
            "normal,no-proc-macro",
            "--prefix",
            "none",
        ])
        .current_dir(root)
        .output()
        .context("cannot run cargo tree")?;
    ensure!(
        output.status.success(),
        "cargo tree failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout)?;
    let review = tree::read(&root.join("enclave/README.md"))?;
    let crates = crates_of(&tree);
    println!("crates in the enclave: {} of {CRATES}", crates.len());
    Ok(compare_crates(&crates, &review))
}

/// The distinct lines of `cargo tree --prefix none`, without its marks for repetition.
fn crates_of(tree: &str) -> BTreeSet<&str> {
    tree.lines()
        .map(|line| line.trim_end_matches(" (*)").trim())
        .filter(|line| !line.is_empty())
        .collect()
}

fn compare_crates(crates: &BTreeSet<&str>, review: &str) -> Vec<String> {
    let mut failures = Vec::new();
    if crates.len() > CRATES {
        failures.push(format!(
            "{} crates in the enclave, {CRATES} are allowed",
            crates.len()
        ));
    }
    let ours = |line: &&str| {
        line.split(' ')
            .next()
            .is_some_and(|name| name.starts_with("cofferdam-"))
    };
    let built: BTreeSet<_> = crates
        .iter()
        .filter(|line| !ours(line))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let reviewed: BTreeMap<_, _> = review
        .lines()
        .filter_map(reviewed_crate)
        .filter(|(name, _)| !ours(name))
        .collect();
    for name in &built {
        match reviewed.get(name) {
            None => failures.push(format!(
                "crate {name} is in the enclave and not in enclave/README.md"
            )),
            Some(reason) if reason.len() < 10 => {
                failures.push(format!("crate {name} has no reason in enclave/README.md"));
            }
            Some(_) => {}
        }
    }
    for name in reviewed.keys().filter(|name| !built.contains(*name)) {
        failures.push(format!(
            "crate {name} is in enclave/README.md and not in the enclave"
        ));
    }
    failures
}

/// `- name — reason`; the name may stand in backticks.
fn reviewed_crate(line: &str) -> Option<(&str, &str)> {
    let (name, reason) = line.strip_prefix("- ")?.split_once(" — ")?;
    let name = name.trim().trim_matches('`');
    let is_name = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    is_name.then_some((name, reason.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str =
        "cofferdam-enclave v0.1.0 (/x)\nsha2 v0.11.0\nsubtle v2.6.1 (*)\nsubtle v2.6.1\n";
    const REVIEW: &str = "# Crates\n- sha2 — hashes of identifiers\n- `subtle` — comparisons in constant time\n- see above\n";

    #[test]
    fn the_reviewed_list_fits() {
        assert_eq!(crates_of(TREE).len(), 3);
        assert!(compare_crates(&crates_of(TREE), REVIEW).is_empty());
    }

    #[test]
    fn a_crate_more_or_less_or_without_reason_is_told() {
        let more = format!("{TREE}ring v0.17.0\n");
        assert_eq!(compare_crates(&crates_of(&more), REVIEW).len(), 1);
        let less = format!("{REVIEW}- ring — left over from before\n");
        assert_eq!(compare_crates(&crates_of(TREE), &less).len(), 1);
        let silent = REVIEW.replace("comparisons in constant time", "needed");
        assert_eq!(compare_crates(&crates_of(TREE), &silent).len(), 1);
    }

    #[test]
    fn more_crates_than_allowed_are_told() {
        let many: String = (0..=CRATES)
            .map(|i| format!("cofferdam-{i} v0.1.0\n"))
            .collect();
        assert_eq!(compare_crates(&crates_of(&many), "").len(), 1);
    }

    #[test]
    fn only_modules_declared_as_tests_are_left_out() {
        let sources = BTreeMap::from([
            (
                PathBuf::from("src/lib.rs"),
                Source::parse("#[cfg(test)]\nmod forge;\nmod tests;\nmod lease;"),
            ),
            (
                PathBuf::from("src/lease.rs"),
                Source::parse("#[cfg(test)]\nmod rules;"),
            ),
        ]);
        let tests = test_files(&sources);
        assert!(
            tests.contains(Path::new("src/forge.rs")) && tests.contains(Path::new("src/forge"))
        );
        assert!(tests.contains(Path::new("src/lease/rules.rs")));
        assert!(!tests.contains(Path::new("src/tests.rs")));
    }
}
