//! Links from pages to tests: `[name](path/to/file.rs)`, where the file must hold a function of that name. A promise or
//! a threat whose test was renamed or deleted is found here, not by the reader.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::bail;

use crate::source::Source;
use crate::tree;

/// Fails if a link to a Rust file, or to any file of the repository, leads nowhere.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let mut failures = Vec::new();
    let mut tests = 0;
    for page in tree::files(root, "md")? {
        let folder = page.parent().unwrap_or(root);
        for (line, text) in tree::read(&page)?.lines().enumerate() {
            for (label, target) in links_in(text) {
                let problem = problem(folder, label, target);
                tests += usize::from(target.ends_with(".rs"));
                failures.extend(
                    problem
                        .map(|what| format!("{}:{}: {what}", tree::shown(root, &page), line + 1)),
                );
            }
        }
    }
    println!("{tests} links to tests and sources");
    if !failures.is_empty() {
        bail!("links that lead nowhere:\n  {}", failures.join("\n  "));
    }
    Ok(())
}

/// Points links to tests that have moved to the file where they are now; tells the pages that changed.
pub(crate) fn follow_moved_tests(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in tree::files(root, "rs")? {
        let name = tree::shown(root, &file).to_string();
        for function in Source::parse(&tree::read(&file)?).functions() {
            homes
                .entry(function.to_owned())
                .or_default()
                .push(name.clone());
        }
    }
    let mut changed = Vec::new();
    for page in tree::files(root, "md")? {
        let folder = page.parent().unwrap_or(root);
        let up = "../".repeat(tree::depth(root, folder));
        let text = tree::read(&page)?;
        let mut fresh = text.clone();
        for (label, target) in text.lines().flat_map(links_in) {
            let home = homes.get(label.trim_matches('`')).map(Vec::as_slice);
            if let (Some([home]), Some(_)) = (home, problem(folder, label, target)) {
                let moved = format!("[{label}]({target})");
                fresh = fresh.replace(&moved, &format!("[{label}]({up}{home})"));
            }
        }
        if fresh != text {
            std::fs::write(&page, fresh)?;
            changed.push(tree::shown(root, &page).to_string());
        }
    }
    Ok(changed)
}

/// Label and target of every relative Markdown link in a line.
fn links_in(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.match_indices("](").filter_map(|(middle, _)| {
        let label = &line[line[..middle].rfind('[')? + 1..middle];
        let rest = &line[middle + 2..];
        let target = rest[..rest.find(')')?].split('#').next()?;
        (!target.is_empty() && !target.contains(':')).then_some((label, target))
    })
}

fn problem(folder: &Path, label: &str, target: &str) -> Option<String> {
    let file = folder.join(target);
    if !file.exists() {
        return Some(format!("{target} does not exist"));
    }
    let name = label.trim_matches('`');
    let is_function = target.ends_with(".rs")
        && name.contains('_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !is_function {
        return None;
    }
    let source = Source::parse(&tree::read(&file).ok()?);
    let found = source.functions().any(|function| function == name);
    (!found).then(|| format!("{target} has no function {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_and_the_web_is_left_alone() {
        let line = "| a | [`t27_a`](../wire/src/frame.rs), [b](x.md#part) | [web](https://example.org) [here](#part) |";
        let links: Vec<_> = links_in(line).collect();
        assert_eq!(links, [("`t27_a`", "../wire/src/frame.rs"), ("b", "x.md")]);
    }

    #[test]
    fn a_function_that_is_not_there_is_told() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        assert_eq!(
            problem(&here, "`a_function_that_is_not_there_is_told`", "links.rs"),
            None
        );
        assert_eq!(problem(&here, "the source", "links.rs"), None);
        assert!(problem(&here, "`a_function_of_another_name`", "links.rs").is_some());
        assert!(problem(&here, "x", "gone.rs").is_some());
    }
}
