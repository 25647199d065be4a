//! Check ids: every check that a page under docs/protocol lists is in the code and in a test's name, and the other way.
//!
//! A page lists a check as a table row `| IMP-3 | ...`. The code names it in a comment beside the check, `// IMP-3`.
//! The test carries it in its name, `imp_3_...`. `ATT-03` and `ATT-3` are the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use anyhow::bail;

use crate::source::Source;
use crate::{threats, tree};

/// Words of the same shape that are no ids.
const NO_PREFIXES: &[&str] = &[
    "SHA", "AES", "RFC", "UTF", "ISO", "FIPS", "PKCS", "PCR", "DSA", "KEM", "TLS", "SEC",
];

/// `IMP-3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    prefix: String,
    number: u32,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.prefix, self.number)
    }
}

/// Where ids were found.
#[derive(Default)]
struct Found {
    pages: BTreeMap<Id, String>,
    code: BTreeMap<Id, String>,
    tests: BTreeMap<Id, String>,
    failures: Vec<String>,
}

/// Fails if pages, code and tests do not name the same checks.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let mut found = Found::default();
    for page in tree::files(&root.join("docs/protocol"), "md")? {
        found.read_page(&tree::shown(root, &page).to_string(), &tree::read(&page)?);
    }
    for file in tree::files(root, "rs")? {
        let name = tree::shown(root, &file).to_string();
        if !name.starts_with("xtask/") {
            found.read_source(&name, &Source::parse(&tree::read(&file)?));
        }
    }
    found.compare();
    found.failures.extend(threats::unknown(root)?);
    println!(
        "{} checks in pages, {} in code, {} in tests",
        found.pages.len(),
        found.code.len(),
        found.tests.len()
    );
    if !found.failures.is_empty() {
        bail!(
            "{} ids are not where they must be:\n  {}",
            found.failures.len(),
            found.failures.join("\n  ")
        );
    }
    Ok(())
}

impl Found {
    fn read_page(&mut self, name: &str, page: &str) {
        for (line, text) in page.lines().enumerate() {
            let Some(id) = text
                .strip_prefix("| ")
                .and_then(|row| row.split(" |").next())
                .and_then(parse_id)
            else {
                continue;
            };
            let here = format!("{name}:{}", line + 1);
            if let Some(there) = self.pages.insert(id.clone(), here.clone()) {
                self.failures
                    .push(format!("{id} has two rows: {there} and {here}"));
            }
        }
    }

    fn read_source(&mut self, name: &str, source: &Source) {
        let is_test_file = name
            .split('/')
            .any(|part| matches!(part, "tests" | "tests.rs" | "e2e"));
        if !is_test_file {
            for comment in source
                .comments
                .iter()
                .filter(|comment| !source.is_test(comment.at))
            {
                for id in ids_in(&comment.text) {
                    self.code
                        .entry(id)
                        .or_insert_with(|| format!("{name}:{}", comment.line));
                }
            }
        }
        for function in source.functions() {
            for id in ids_in_name(function) {
                self.tests
                    .entry(id)
                    .or_insert_with(|| format!("{name}::{function}"));
            }
        }
    }

    fn compare(&mut self) {
        let every: BTreeSet<Id> = self.pages.keys().chain(self.code.keys()).cloned().collect();
        let known: BTreeSet<String> = every.iter().map(|id| id.prefix.clone()).collect();
        for id in &every {
            let places = [
                ("page", self.pages.get(id)),
                ("code", self.code.get(id)),
                ("test", self.tests.get(id)),
            ];
            let missing: Vec<_> = places
                .iter()
                .filter(|(_, place)| place.is_none())
                .map(|(kind, _)| *kind)
                .collect();
            if !missing.is_empty() {
                let seen: Vec<_> = places
                    .iter()
                    .filter_map(|(_, place)| place.map(String::as_str))
                    .collect();
                self.failures.push(format!(
                    "{id} is in no {}; seen in {}",
                    missing.join(", no "),
                    seen.join(", ")
                ));
            }
        }
        let unlisted = self
            .tests
            .iter()
            .filter(|(id, _)| known.contains(&id.prefix) && !every.contains(id));
        self.failures
            .extend(unlisted.map(|(id, test)| format!("{id} is only in a test: {test}")));
    }
}

/// The ids in a comment.
fn ids_in(text: &str) -> impl Iterator<Item = Id> + '_ {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter_map(parse_id)
}

/// `IMP-3`: two to four capitals, and a number of one or two digits. Threats (`T-10`) have one letter.
fn parse_id(word: &str) -> Option<Id> {
    let (prefix, number) = word.split_once('-')?;
    let fits = (2..=4).contains(&prefix.len())
        && prefix.bytes().all(|byte| byte.is_ascii_uppercase())
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && !NO_PREFIXES.contains(&prefix);
    fits.then(|| {
        Some(Id {
            prefix: prefix.to_owned(),
            number: number.parse().ok()?,
        })
    })
    .flatten()
}

/// The ids that stand in a test's name: `imp_3_...`, `att_35_36_37_...`, `wrp_2_to_wrp_4_...`. Number 0 is the valid case.
fn ids_in_name(name: &str) -> Vec<Id> {
    let mut ids: Vec<Id> = Vec::new();
    let mut prefix = String::new();
    let mut is_range = false;
    for word in name.split('_') {
        let is_number =
            (1..=2).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number {
            is_range =
                word == "to" && !ids.is_empty() || is_range && word.to_ascii_uppercase() == prefix;
            if word != "to" {
                prefix = word.to_ascii_uppercase();
            }
            continue;
        }
        let Some(id) = parse_id(&format!("{prefix}-{word}")) else {
            continue;
        };
        let from = ids
            .last()
            .filter(|last| is_range && last.prefix == id.prefix)
            .map(|last| last.number + 1);
        let between = (from.unwrap_or(id.number)..id.number).map(|number| Id {
            prefix: id.prefix.clone(),
            number,
        });
        ids.extend(between.collect::<Vec<_>>());
        ids.push(id);
        is_range = false;
    }
    ids.retain(|id| id.number > 0);
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(page: &str, code: &str) -> Vec<String> {
        let mut found = Found::default();
        found.read_page("page.md", page);
        found.read_source("a/src/lib.rs", &Source::parse(code));
        found.compare();
        found.failures
    }

    const PAGE: &str = "| id | check |\n|---|---|\n| IMP-3 | the version is 1 |\n";
    const CODE: &str = "// IMP-03: see SHA-256 and T-10\nfn a() {}\n#[cfg(test)]\nmod tests { fn t10_imp_3_works() {} }\n";

    #[test]
    fn the_same_in_all_three_is_fine() {
        assert_eq!(failures(PAGE, CODE), Vec::<String>::new());
    }

    #[test]
    fn what_misses_is_told_with_the_place_of_the_rest() {
        assert_eq!(
            failures("", CODE),
            ["IMP-3 is in no page; seen in a/src/lib.rs:1, a/src/lib.rs::t10_imp_3_works"]
        );
        assert_eq!(
            failures(PAGE, &CODE.replace("// IMP-03", "// imp")).len(),
            1
        );
        assert_eq!(failures(PAGE, &CODE.replace("imp_3", "imp_4")).len(), 2);
        assert_eq!(failures(&PAGE.repeat(2), CODE).len(), 1);
    }

    #[test]
    fn an_id_in_a_comment_of_a_test_is_not_the_check() {
        let code =
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    // IMP-3\n    fn imp_3_works() {}\n}\n";
        assert_eq!(failures(PAGE, code).len(), 1);
    }

    #[test]
    fn a_name_can_carry_a_range() {
        let ids = |name| {
            ids_in_name(name)
                .iter()
                .map(Id::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            ids("wrp_2_to_wrp_4_the_proof_must_be_of_now"),
            "WRP-2 WRP-3 WRP-4"
        );
        assert_eq!(ids("wrp_2_to_4_names"), "WRP-2 WRP-3 WRP-4");
        assert_eq!(ids("prf_1_leads_to_prf_9"), "PRF-1 PRF-9");
        assert_eq!(ids("prf_0_the_valid_proof_passes"), "");
    }

    #[test]
    fn one_name_can_carry_several_ids() {
        let ids: Vec<_> = ids_in_name("att_35_36_absent_is_not_equal_t03_rsa_2048")
            .iter()
            .map(Id::to_string)
            .collect();
        assert_eq!(ids, ["ATT-35", "ATT-36"]);
    }
}
