//! Everything that must be green before a change lands. `.ci/run` installs the tools and calls this.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};

use crate::{budget, fuzz, ids, links, mutants, nitro, other_language, pages, vectors};

/// Arguments of the lint.
pub(crate) const LINT: &[&str] = &[
    "clippy",
    "--workspace",
    "--all-targets",
    "--locked",
    "--",
    "-D",
    "warnings",
];
/// Formats the workspace of the fuzz targets, and only that.
pub(crate) const FMT_FUZZ: &[&str] = &["fmt", "--manifest-path", "fuzz/Cargo.toml"];
/// The README's second command.
const TEST: &[&str] = &["test", "--workspace", "--locked"];
/// The README's first command.
const DEMO: &[&str] = &[
    "run",
    "--release",
    "--locked",
    "-p",
    "cofferdam-simulator",
    "--",
    "demo",
];
/// Advisories need a database from the network and are a step of their own where it can be had.
const DENY: &[&str] = &["deny", "--locked", "check", "bans", "licenses", "sources"];

/// Which steps.
#[derive(clap::Args)]
pub struct Options {
    /// Only these steps, by name.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

/// One step.
struct Step {
    name: &'static str,
    run: fn(&Path) -> anyhow::Result<()>,
}

/// The steps, cheapest first, so that a slip shows soon.
const STEPS: &[Step] = &[
    Step {
        name: "format",
        run: |root| {
            cargo(root, &["fmt", "--all", "--check"])?;
            cargo(root, &[FMT_FUZZ, &["--check"]].concat())
        },
    },
    Step {
        name: "pages",
        run: check_pages,
    },
    Step {
        name: "vectors",
        run: |root| {
            let options = vectors::Options {
                check: true,
                forge: false,
            };
            vectors::run(root, &options)
        },
    },
    Step {
        name: "budget",
        run: budget::check,
    },
    Step {
        name: "deny",
        run: |root| cargo(root, DENY),
    },
    Step {
        name: "lint",
        run: |root| cargo(root, LINT),
    },
    Step {
        name: "tests",
        run: |root| cargo(root, TEST),
    },
    Step {
        name: "fuzz",
        run: |root| fuzz::run(root, &fuzz::Options::default()),
    },
    Step {
        name: "demo",
        run: |root| cargo(root, DEMO),
    },
    Step {
        name: "other-language",
        run: |root| other_language::run(root, &other_language::Options::default()),
    },
    Step {
        name: "mutants",
        run: |root| mutants::run(root, &mutants::Options::default()),
    },
    Step {
        name: "nitro",
        run: nitro::step,
    },
];

/// Runs the steps; the first that fails ends it.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    if let Some(unknown) = options
        .only
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != *name))
    {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!("there is no step {unknown}; there are {}", names.join(", "));
    }
    let begun = Instant::now();
    for Step { name, run } in STEPS {
        if !options.only.is_empty() && !options.only.iter().any(|only| only == name) {
            continue;
        }
        println!("\n==> {name}");
        let begun = Instant::now();
        let result = run(root);
        println!("<== {name}: {} s", begun.elapsed().as_secs());
        result.with_context(|| format!("the step {name} failed"))?;
    }
    println!(
        "\nall steps are green after {} s",
        begun.elapsed().as_secs()
    );
    Ok(())
}

fn check_pages(root: &Path) -> anyhow::Result<()> {
    pages::run(root, &pages::Options { check: true })?;
    ids::check(root)?;
    links::check(root)
}

/// Runs cargo in the workspace.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}
