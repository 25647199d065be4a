//! Annotated examples for readers of the protocol: of each message the first valid one of vectors/formats.json.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use crate::tree;

/// Where they stand.
pub(crate) const PAGE: &str = "docs/protocol/examples.md";

#[derive(Deserialize)]
struct Formats {
    valid: Vec<Valid>,
}

#[derive(Deserialize)]
struct Valid {
    #[serde(rename = "type")]
    message: String,
    form: String,
    hex: String,
    annotated: Vec<String>,
}

/// A section for each message, in the order of the vectors.
pub(crate) fn sections(root: &Path) -> anyhow::Result<String> {
    let text = tree::read(&root.join("vectors/formats.json"))?;
    let formats: Formats = serde_json::from_str(&text).context("vectors/formats.json")?;
    let mut sections = String::new();
    let mut shown = Vec::new();
    for Valid {
        message,
        form,
        hex,
        annotated,
    } in formats.valid
    {
        if shown.contains(&message) {
            continue;
        }
        let which = match form.is_empty() {
            true => String::new(),
            false => format!(", {form}"),
        };
        writeln!(
            sections,
            "\n## {message}\n\n{} bytes{which}.\n\n```text\n{}\n```",
            hex.len() / 2,
            annotated.join("\n")
        )?;
        shown.push(message);
    }
    sections.push('\n');
    Ok(sections)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn of_each_message_the_first_is_shown_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("vectors")).unwrap();
        let formats = r#"{ "valid": [
            { "type": "A", "form": "one", "limit": 9, "hex": "8101", "annotated": ["81 # list of 1", "  01 # 1"] },
            { "type": "A", "form": "two", "limit": 9, "hex": "8102", "annotated": ["81"] },
            { "type": "B", "form": "", "limit": 9, "hex": "00", "annotated": ["00 # 0"] }
        ], "invalid": [] }"#;
        std::fs::write(folder.path().join("vectors/formats.json"), formats).unwrap();
        assert_eq!(
            sections(folder.path()).unwrap(),
            "\n## A\n\n2 bytes, one.\n\n```text\n81 # list of 1\n  01 # 1\n```\n\n## B\n\n1 bytes.\n\n```text\n00 # 0\n```\n\n"
        );
    }
}
