//! Tables in pages that the source already says: codes, limits, context strings. They are written between two marks,
//! and a page whose table is not what the source gives fails the check.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use cofferdam_wire::Code;

use crate::{examples, links, threats, tree};

/// Write or check.
#[derive(clap::Args)]
pub struct Options {
    /// Writes nothing; fails if a table differs.
    #[arg(long)]
    pub(crate) check: bool,
}

/// Page and table.
const TABLES: &[(&str, &str)] = &[
    ("docs/protocol/encoding.md", "codes"),
    ("docs/protocol/encoding.md", "limits"),
    ("docs/protocol/encoding.md", "contexts"),
    ("docs/protocol/frames.md", "messages"),
    ("docs/protocol/evidence.md", "rules"),
    (threats::PAGE, "tests"),
    (examples::PAGE, "examples"),
];

/// Writes the tables or compares them.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    let mut differ = if options.check {
        Vec::new()
    } else {
        links::follow_moved_tests(root)?
    };
    for (page, name) in TABLES {
        let path = root.join(page);
        let text = tree::read(&path)?;
        let fresh = with_table(&text, name, &table(root, name)?)
            .with_context(|| format!("{page} has no marks for the table {name}"))?;
        if fresh == text {
            continue;
        }
        if !options.check {
            std::fs::write(&path, fresh)?;
        }
        differ.push(format!("{page} ({name})"));
    }
    match (differ.is_empty(), options.check) {
        (true, _) => println!("the tables of the pages are up to date"),
        (false, false) => println!("written: {}", differ.join(", ")),
        (false, true) => bail!(
            "not what the source says: {} (cargo xtask pages)",
            differ.join(", ")
        ),
    }
    Ok(())
}

/// The page with another table between the marks.
fn with_table(page: &str, name: &str, table: &str) -> Option<String> {
    let begin = format!("<!-- {name}: written by cargo xtask pages -->\n");
    let end = format!("<!-- end of {name} -->");
    let start = page.find(&begin)? + begin.len();
    let stop = start + page[start..].find(&end)?;
    Some(format!("{}{table}{}", &page[..start], &page[stop..]))
}

fn table(root: &Path, name: &str) -> anyhow::Result<String> {
    let source = |file: &str| tree::read(&root.join("wire/src").join(file));
    let mut table = String::new();
    match name {
        "codes" => {
            table.push_str("| code | slug | what was wrong, and what to do |\n|---|---|---|\n");
            for code in Code::ALL {
                writeln!(
                    table,
                    "| {} | `{}` | {} |",
                    code.number(),
                    code.slug(),
                    code.sentence()
                )?;
            }
        }
        "limits" => {
            table.push_str("| name | value | what it bounds, and why |\n|---|---|---|\n");
            for (doc, code) in documented(&source("limits.rs")?) {
                let Some((name, value)) = code
                    .strip_prefix("pub const ")
                    .and_then(|code| code.split_once(" = "))
                else {
                    continue;
                };
                let name = name.split(':').next().unwrap_or_default();
                writeln!(
                    table,
                    "| `{name}` | {} | {doc} |",
                    shown(value.trim_end_matches(';'))
                )?;
            }
        }
        "contexts" => {
            table.push_str("| context string | use |\n|---|---|\n");
            for (doc, code) in documented(&source("context.rs")?) {
                if let Some((_, text)) = code.split_once(" = \"") {
                    writeln!(
                        table,
                        "| `cofferdam/v1/{}` | {doc} |",
                        text.trim_end_matches("\";")
                    )?;
                }
            }
        }
        "tests" => table = threats::table(root)?,
        "examples" => table = examples::sections(root)?,
        "rules" => {
            let head = tree::read(&root.join("attestation/src/lib.rs"))?;
            for row in head.lines().filter_map(|line| line.strip_prefix("//! |")) {
                writeln!(table, "|{row}")?;
            }
        }
        _ => {
            table.push_str("| type | name | body |\n|---|---|---|\n");
            for (doc, code) in documented(&source("link.rs")?) {
                if let Some((name, number)) = code.trim_end_matches(';').split_once(" = 0x") {
                    writeln!(table, "| 0x{number} | {name} | {} |", without_links(&doc))?;
                }
            }
        }
    }
    Ok(table)
}

/// Lines of code with the doc comment above them.
fn documented(source: &str) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    let mut doc = String::new();
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            doc.push_str(text);
        } else if !doc.is_empty() {
            found.push((std::mem::take(&mut doc).trim().to_owned(), line));
        }
    }
    found
}

/// `60 * 1024` as 61,440; what is no product of numbers as it stands.
fn shown(value: &str) -> String {
    let factors: Option<Vec<u64>> = value
        .split('*')
        .map(|factor| factor.trim().replace('_', "").parse().ok())
        .collect();
    let Some(factors) = factors else {
        return format!("`{}`", value.replace("crate::", ""));
    };
    let digits = factors.iter().product::<u64>().to_string();
    let mut shown = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// ``[`crate::x::Name`]`` as `Name`.
fn without_links(doc: &str) -> String {
    let mut plain = String::new();
    for (i, part) in doc.split("[`").enumerate() {
        match part.split_once("`]") {
            Some((path, rest)) if i > 0 => {
                let name = path.rsplit("::").next().unwrap_or(path);
                plain.push_str(&format!("`{name}`{rest}"));
            }
            _ => plain.push_str(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_goes_between_its_marks_and_nowhere_else() {
        let page = "a\n<!-- x: written by cargo xtask pages -->\nold\n<!-- end of x -->\nb\n";
        let fresh = "a\n<!-- x: written by cargo xtask pages -->\nnew\n<!-- end of x -->\nb\n";
        assert_eq!(with_table(page, "x", "new\n").as_deref(), Some(fresh));
        assert_eq!(with_table(page, "y", "new\n"), None);
    }

    #[test]
    fn values_are_shown_for_people() {
        assert_eq!(shown("60 * 1024"), "61,440");
        assert_eq!(shown("7 * 24 * 3600"), "604,800");
        assert_eq!(shown("120_000"), "120,000");
        assert_eq!(shown("64"), "64");
        assert_eq!(
            shown("FRAME - crate::frame::HEADER"),
            "`FRAME - frame::HEADER`"
        );
    }

    #[test]
    fn links_of_the_documentation_become_names() {
        assert_eq!(
            without_links("A ([`crate::a::B`]); reply [`C`]."),
            "A (`B`); reply `C`."
        );
    }
}
