//! Which tests stand against which threat: docs/threat-model.md has a row for each threat, a test carries the id in its
//! name (`t27_...`), and the table of tests in that page is written from the names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::source::Source;
use crate::tree;

/// The page with the rows.
pub(crate) const PAGE: &str = "docs/threat-model.md";

/// The table of tests, for the page.
pub(crate) fn table(root: &Path) -> anyhow::Result<String> {
    let tests = tests(root)?;
    let mut table = String::from("| id | tests |\n|---|---|\n");
    for id in rows(&tree::read(&root.join(PAGE))?) {
        let links: Vec<_> = tests
            .get(&id)
            .into_iter()
            .flatten()
            .map(Test::link)
            .collect();
        let shown = if links.is_empty() {
            "later".to_owned()
        } else {
            links.join(", ")
        };
        writeln!(table, "| {} | {shown} |", named(id))?;
    }
    Ok(table)
}

/// Threats that a test names and the page does not.
pub(crate) fn unknown(root: &Path) -> anyhow::Result<Vec<String>> {
    let rows = rows(&tree::read(&root.join(PAGE))?);
    let tests = tests(root)?;
    let unknown = tests.iter().filter(|(id, _)| !rows.contains(id));
    Ok(unknown
        .map(|(id, tests)| format!("{} has tests and no row: {}", named(*id), tests[0].name))
        .collect())
}

/// One test.
struct Test {
    file: String,
    name: String,
}

impl Test {
    fn link(&self) -> String {
        format!("[`{}`](../{})", self.name, self.file)
    }
}

fn named(id: u32) -> String {
    format!("T-{id:02}")
}

/// Numbers of the rows `| T-27 | ...`, in their order.
fn rows(page: &str) -> Vec<u32> {
    let number = |line: &str| line.strip_prefix("| T-")?.split(" |").next()?.parse().ok();
    let mut rows: Vec<u32> = page.lines().filter_map(number).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

fn tests(root: &Path) -> anyhow::Result<BTreeMap<u32, Vec<Test>>> {
    let mut tests: BTreeMap<u32, Vec<Test>> = BTreeMap::new();
    for path in tree::files(root, "rs")? {
        let file = tree::shown(root, &path).to_string();
        // The other commands are tested with names that stand against nothing.
        if file.starts_with("xtask/") && !file.starts_with("xtask/src/nitro/") {
            continue;
        }
        let source = Source::parse(&tree::read(&path)?);
        for function in source.functions() {
            for id in threats_in_name(function) {
                tests.entry(id).or_default().push(Test {
                    file: file.clone(),
                    name: function.to_owned(),
                });
            }
        }
    }
    Ok(tests)
}

/// `t12_t14_both_lines` is about T-12 and T-14.
fn threats_in_name(name: &str) -> impl Iterator<Item = u32> + '_ {
    name.split('_').filter_map(|word| {
        word.strip_prefix('t')
            .filter(|digits| digits.len() == 2)?
            .parse()
            .ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_threats() {
        assert_eq!(
            threats_in_name("lea_1_t12_t14_keeps_the_bound").collect::<Vec<_>>(),
            [12, 14]
        );
        assert_eq!(threats_in_name("the_t2_type_tells_ten").count(), 0);
    }

    #[test]
    fn rows_are_read_once_each() {
        assert_eq!(
            rows("| T-02 | a |\n| T-01 | b |\n| id | c |\n| T-01 | d |\n"),
            [1, 2]
        );
    }
}
