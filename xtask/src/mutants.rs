//! Is each defence tested? Every row of `mutants.toml` takes one defence out of a copy of the source; the test that
//! carries the threat's id must turn red. The shipped code has no switch for it.
//!
//! The copy is `target/mutants/tree`. What is compiled between lies in the workspace's own build folder, so that the
//! dependencies are not built again; what is finished lies in `target/mutants/build`, so that no mutated binary ever
//! replaces a good one.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::tree;

/// A mutation may make a test wait for ever; that is red as well.
const SECONDS_PER_ROW: &str = "600";

/// Which rows.
#[derive(clap::Args, Default)]
pub struct Options {
    /// Only rows of these threats, for example T-27.
    #[arg(long, value_delimiter = ',')]
    row: Vec<String>,
    /// Only checks that every row still fits the source; runs nothing.
    #[arg(long)]
    list: bool,
}

/// The file of rows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    /// Threats that must have a row.
    required: Vec<String>,
    row: Vec<Row>,
}

/// One mutation.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Row {
    /// The threat, T-27.
    id: String,
    /// The defence that is taken out, for people.
    what: String,
    /// File, from the root.
    file: String,
    /// Exact text; occurs once.
    find: String,
    /// What stands there instead.
    replace: String,
    /// Arguments of `cargo test`.
    test: String,
    /// What else has to go, where two defences stand behind one another.
    #[serde(default)]
    also: Vec<Edit>,
}

/// One more place of a mutation.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Edit {
    /// File, from the root.
    file: String,
    /// Exact text; occurs once.
    find: String,
    /// What stands there instead.
    replace: String,
}

/// What a mutation did to the tests.
enum Verdict {
    /// These turned red.
    Red(Vec<String>),
    /// The time was over.
    Hung,
    /// All stayed green, or none ran.
    Green,
    /// It does not compile, so it says nothing.
    Broken,
}

/// Applies the rows one after the other and prints the table; fails if one stays green.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    let rows: Rows = toml::from_str(&tree::read(&root.join("xtask/mutants.toml"))?)?;
    let missing = rows.missing();
    let wanted = |row: &&Row| options.row.is_empty() || options.row.contains(&row.id);
    let rows: Vec<Row> = rows.row.iter().filter(wanted).cloned().collect();
    ensure!(!rows.is_empty(), "no such row");
    for row in &rows {
        row.mutated(root)?;
    }
    if options.list {
        rows.iter()
            .for_each(|row| println!("{:<5} {:<60} {}", row.id, row.what, row.test));
        return Ok(());
    }
    let copy = Copy::fresh(root)?;
    let mut failures: Vec<_> = missing
        .iter()
        .filter(|_| options.row.is_empty())
        .map(|id| format!("{id}: no row"))
        .collect();
    for row in &rows {
        let begun = Instant::now();
        let verdict = copy.apply(row)?;
        let shown = match &verdict {
            Verdict::Red(tests) => format!("red: {}", tests.join(", ")),
            Verdict::Hung => "red: hung".to_owned(),
            Verdict::Green => "STILL GREEN".to_owned(),
            Verdict::Broken => "DOES NOT COMPILE".to_owned(),
        };
        println!(
            "| {} | {} | {shown} | {} s |",
            row.id,
            row.what,
            begun.elapsed().as_secs()
        );
        if matches!(verdict, Verdict::Green | Verdict::Broken) {
            failures.push(format!("{}: {} ({shown})", row.id, row.what));
        }
    }
    if !failures.is_empty() {
        bail!(
            "{} of {} mutations were not caught:\n  {}",
            failures.len(),
            rows.len(),
            failures.join("\n  ")
        );
    }
    println!("{} mutations, each caught by its test", rows.len());
    Ok(())
}

impl Rows {
    /// Required threats without a row.
    fn missing(&self) -> Vec<String> {
        let has_row = |id: &&String| self.row.iter().any(|row| row.id == **id);
        self.required
            .iter()
            .filter(|id| !has_row(id))
            .cloned()
            .collect()
    }
}

impl Row {
    /// The files of this row with the mutation, and as they are.
    fn mutated(&self, root: &Path) -> anyhow::Result<Vec<(String, String, String)>> {
        let first = Edit {
            file: self.file.clone(),
            find: self.find.clone(),
            replace: self.replace.clone(),
        };
        let mut files: Vec<(String, String, String)> = Vec::new();
        for edit in std::iter::once(&first).chain(&self.also) {
            let at = match files.iter().position(|(file, ..)| *file == edit.file) {
                Some(at) => at,
                None => {
                    let original = tree::read(&root.join(&edit.file))?;
                    files.push((edit.file.clone(), original.clone(), original));
                    files.len() - 1
                }
            };
            files[at].2 = edit.apply(&files[at].2).with_context(|| self.id.clone())?;
        }
        Ok(files)
    }
}

impl Edit {
    /// The text with the mutation.
    fn apply(&self, text: &str) -> anyhow::Result<String> {
        let count = text.matches(&self.find).count();
        ensure!(
            count == 1,
            "the text to replace occurs {count} times in {}: {}",
            self.file,
            self.find
        );
        ensure!(
            self.find != self.replace,
            "nothing is changed in {}",
            self.file
        );
        Ok(text.replacen(&self.find, &self.replace, 1))
    }
}

/// A copy of the source that mutations are applied to.
struct Copy {
    tree: PathBuf,
    finished: PathBuf,
    between: PathBuf,
}

impl Copy {
    /// Brings the copy in line with the work tree. What is equal already keeps its time, and so its build.
    fn fresh(root: &Path) -> anyhow::Result<Self> {
        let copy = Copy {
            tree: root.join("target/mutants/tree"),
            finished: root.join("target/mutants/build"),
            between: std::env::var_os("CARGO_TARGET_DIR")
                .map_or_else(|| root.join("target"), PathBuf::from),
        };
        tree::copy(root, &copy.tree)?;
        Ok(copy)
    }

    /// Mutates, tests, restores.
    fn apply(&self, row: &Row) -> anyhow::Result<Verdict> {
        let files = row.mutated(&self.tree)?;
        for (file, _, mutated) in &files {
            tree::replace(&self.tree.join(file), mutated.as_bytes())?;
        }
        let output = self.test(&row.test);
        for (file, original, _) in &files {
            tree::replace(&self.tree.join(file), original.as_bytes())?;
        }
        Ok(judge(&output?))
    }

    fn test(&self, arguments: &str) -> anyhow::Result<Output> {
        Command::new("timeout")
            .args([
                "--kill-after=5",
                SECONDS_PER_ROW,
                env!("CARGO"),
                "test",
                "--locked",
            ])
            .args(arguments.split_whitespace())
            .env("CARGO_BUILD_BUILD_DIR", &self.between)
            .env("CARGO_TARGET_DIR", &self.finished)
            .current_dir(&self.tree)
            .output()
            .context("cannot run cargo test")
    }
}

fn judge(output: &Output) -> Verdict {
    let text = String::from_utf8_lossy(&output.stdout);
    let failed = |line: &str| {
        line.strip_prefix("test ")?
            .strip_suffix(" ... FAILED")
            .map(str::to_owned)
    };
    let failed: Vec<String> = text.lines().filter_map(failed).collect();
    match output.status.code() {
        Some(0) => Verdict::Green,
        Some(124 | 137) => Verdict::Hung,
        _ if !failed.is_empty() => Verdict::Red(failed),
        _ => {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            Verdict::Broken
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    fn mutated(find: &str, text: &str) -> anyhow::Result<String> {
        let text_of = |text: &str| text.to_owned();
        Edit {
            file: text_of("f"),
            find: text_of(find),
            replace: text_of("c"),
        }
        .apply(text)
    }

    fn output(code: i32, stdout: &str) -> Output {
        Output {
            status: ExitStatus::from_raw(code << 8),
            stdout: stdout.into(),
            stderr: Vec::new(),
        }
    }

    #[test]
    fn a_mutation_fits_exactly_one_place() {
        assert_eq!(mutated("a", "a b").unwrap(), "c b");
        assert!(mutated("a", "a a").is_err());
        assert!(mutated("d", "a b").is_err());
    }

    #[test]
    fn red_needs_a_named_test() {
        let red = judge(&output(
            101,
            "test a::t27_x ... FAILED\ntest a::t27_y ... ok\n",
        ));
        assert!(matches!(red, Verdict::Red(tests) if tests == ["a::t27_x"]));
        assert!(matches!(
            judge(&output(0, "running 0 tests\n")),
            Verdict::Green
        ));
        assert!(matches!(judge(&output(101, "")), Verdict::Broken));
        assert!(matches!(judge(&output(124, "")), Verdict::Hung));
    }

    #[test]
    fn every_row_fits_the_source() {
        let root = tree::root();
        run(
            &root,
            &Options {
                row: Vec::new(),
                list: true,
            },
        )
        .unwrap();
    }
}
