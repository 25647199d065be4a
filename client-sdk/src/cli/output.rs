//! Results: text with tables for eyes, one JSON value for programs. Progress goes to stderr.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
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

    fn rendered(&self, json: bool) -> String {
        match (json, &self.json) {
            (true, Value::Null) => String::new(),
            (true, value) => value.to_string(),
            (false, _) => {
                let lines = self.text.lines().map(str::trim_end);
                lines.collect::<Vec<_>>().join("\n")
            }
        }
    }

    /// Shows it on stdout. What cannot be shown is a failure: a script would take the empty file for the result.
    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        let text = self.rendered(json);
        if text.is_empty() {
            return Ok(());
        }
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            // A reader that has seen enough and went away is no failure.
            Err(reason) if reason.kind() != std::io::ErrorKind::BrokenPipe => {
                let failed = FileError::new(Path::new("standard output"), "written", reason);
                Err(failed.into())
            }
            _ => Ok(()),
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

/// How the bytes of a result are shown where they do not go as they are.
#[derive(Clone, Copy)]
pub(super) enum Encoding {
    /// Only in JSON; text output has the bytes themselves.
    Base64,
    /// In JSON and in text: short values for eyes.
    Hex,
}

/// Who may read a file that did not exist.
#[derive(Clone, Copy)]
pub(super) enum Privacy {
    /// Whom the system's habits let.
    Public,
    /// The user only.
    Private,
}

/// Brings a result of bytes, with its name, to where it was asked for. A file gets the bytes; then JSON says where they
/// are and how many, and text says nothing. On stdout JSON has the bytes encoded beside `facts`.
pub(super) fn deliver(
    json: bool,
    out: Option<&Path>,
    privacy: Privacy,
    mut facts: Value,
    (name, bytes, encoding): (&str, &[u8], Encoding),
) -> Result<Shown, Failure> {
    if let Some(path) = file(out) {
        write_file(path, bytes, privacy)?;
        facts["out"] = path.display().to_string().into();
        facts["bytes"] = bytes.len().into();
        return Ok(Shown::new(facts, ""));
    }
    match (encoding, json) {
        (Encoding::Hex, _) => {
            let text = hex::encode(bytes);
            facts[name] = text.clone().into();
            Ok(Shown::new(facts, text))
        }
        (Encoding::Base64, true) => {
            facts[name] = BASE64.encode(bytes).into();
            Ok(Shown::new(facts, ""))
        }
        (Encoding::Base64, false) => {
            let mut stdout = std::io::stdout().lock();
            stdout
                .write_all(bytes)
                .and_then(|()| stdout.flush())
                .map_err(|reason| {
                    FileError::new(Path::new("standard output"), "written", reason)
                })?;
            Ok(Shown::nothing())
        }
    }
}

/// Brings a result of words to where it was asked for.
pub(super) fn deliver_text(json: bool, out: Option<&Path>, shown: Shown) -> Result<Shown, Failure> {
    let Some(path) = file(out) else {
        return Ok(shown);
    };
    let line = format!("{}\n", shown.rendered(json));
    write_file(path, line.as_bytes(), Privacy::Public)?;
    Ok(Shown::nothing())
}

fn file(out: Option<&Path>) -> Option<&Path> {
    out.filter(|path| *path != Path::new("-"))
}

fn write_file(path: &Path, bytes: &[u8], privacy: Privacy) -> Result<(), FileError> {
    let mode = match privacy {
        Privacy::Public => 0o666,
        Privacy::Private => 0o600,
    };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    options
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|reason| FileError::new(path, "written", reason))
}

/// One line of progress.
pub(super) fn progress(quiet: bool, line: &str) {
    if !quiet {
        eprintln!("coffer: {line}");
    }
}
