//! Results: text with tables for eyes, one JSON value for programs. Progress goes to stderr.

use std::io::Write as _;
use std::path::Path;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::failure::Failure;
use crate::files::FileError;

/// What stands in a table where there is nothing.
const NOTHING: &str = "-";

/// What a command has to show.
pub(super) struct Shown {
    json: Value,
    text: String,
}

impl Shown {
    /// Nothing, since the result went to a file or to stdout already.
    pub(super) fn nothing() -> Self {
        Self {
            json: Value::Null,
            text: String::new(),
        }
    }

    pub(super) fn new(json: Value, text: impl Into<String>) -> Self {
        Self {
            json,
            text: text.into(),
        }
    }

    /// The members of a JSON object as lines `name value`, in their order.
    pub(super) fn fields(json: Value) -> Self {
        let mut table = plain();
        if let Value::Object(members) = &json {
            let lines = members.iter().map(|(name, value)| (name, cell(value)));
            for (name, text) in lines.filter(|(_, text)| !text.is_empty() && text != NOTHING) {
                table.add_row([name.replace('_', " "), text]);
            }
        }
        let text = table.to_string();
        Self { json, text }
    }

    /// A list of JSON objects as a table with these members as columns.
    pub(super) fn rows(rows: Vec<Value>, columns: &[&str], empty: &str) -> Self {
        let text = if rows.is_empty() {
            empty.to_owned()
        } else {
            let mut table = plain();
            table.set_header(
                columns
                    .iter()
                    .map(|column| column.replace('_', " ").to_uppercase()),
            );
            for row in &rows {
                table.add_row(columns.iter().map(|column| cell(&row[*column])));
            }
            table.to_string()
        };
        Self {
            json: Value::Array(rows),
            text,
        }
    }

    pub(super) fn print(&self, json: bool) {
        let text = match (json, &self.json) {
            (true, Value::Null) => return,
            (true, value) => value.to_string(),
            (false, _) => self
                .text
                .lines()
                .map(str::trim_end)
                .collect::<Vec<_>>()
                .join("\n"),
        };
        if !text.is_empty() {
            // A reader that has seen enough and went away is no failure.
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }
}

fn plain() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim_end().to_owned(),
        Value::Null => NOTHING.to_owned(),
        Value::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(members) => members.values().map(cell).collect::<Vec<_>>().join(" "),
        Value::Number(number) => number.to_string(),
    }
}

/// Bytes to a file, or to stdout for `-`.
pub(super) fn write_result(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |reason| FileError::new(path, "written", reason);
    if path == Path::new("-") {
        let mut stdout = std::io::stdout().lock();
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .map_err(failed)?;
    } else {
        std::fs::write(path, bytes).map_err(failed)?;
    }
    Ok(())
}

/// One line of progress.
pub(super) fn progress(quiet: bool, line: &str) {
    if !quiet {
        eprintln!("coffer: {line}");
    }
}
