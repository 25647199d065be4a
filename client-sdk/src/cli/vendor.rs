//! `coffer vendor`: the vendor's offline key, its statements, and a look at one.

use std::path::Path;

use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::limits;
use cofferdam_wire::vendor::{Image, Provider, VendorStatement};
use serde_json::{Value, json};

use super::args::{ShowOptions, StatementOptions, VendorCommand, VendorInit, VendorKeyKind};
use super::context::{Context, create_new, signing_key};
use super::evidence::printable;
use super::failure::Failure;
use super::output::{Encoding, Privacy, Shown, deliver, progress};
use crate::crypto::signing::{SignatureKind, SigningKey};
use crate::files;
use crate::keyfile;
use crate::session::now_s;
use crate::times::show_time;
use crate::vendor::{self, Description, DescriptionError};
use crate::verify::verify_statement;

impl From<DescriptionError> for Failure {
    fn from(error: DescriptionError) -> Self {
        Failure::new("description", error.to_string())
    }
}

pub(super) fn run(context: &Context, command: VendorCommand) -> Result<Shown, Failure> {
    match command {
        VendorCommand::Init(options) => init(&options),
        VendorCommand::Statement(options) => statement(&options, context.global().json),
        VendorCommand::Show(options) => show(&options),
    }
}

/// A vendor's public key as an argument: hexadecimal COSE_Key, or a file with it or with PEM.
pub(super) fn vendor_key(argument: &str) -> Result<PublicKey, Failure> {
    let from_hex = |text: &str| PublicKey::from_hex(text.trim());
    if let Some(key) = from_hex(argument) {
        return Ok(key);
    }
    let refused = |reason: String| {
        let sentence = format!(
            "\"{argument}\" is not the vendor's public key: neither a COSE_Key in hexadecimal nor a file with one or with a public key in PEM ({reason})"
        );
        Failure::new("vendor-key", sentence)
    };
    let file = files::read(Path::new(argument), keyfile::MAX_FILE_LEN)
        .map_err(|error| refused(error.to_string()))?;
    if let Some(key) = std::str::from_utf8(&file).ok().and_then(from_hex) {
        return Ok(key);
    }
    keyfile::public::parse_signer(&file).map_err(|error| refused(error.to_string()))
}

fn init(options: &VendorInit) -> Result<Shown, Failure> {
    let key = SigningKey::generate(match options.kind {
        VendorKeyKind::Ed25519 => SignatureKind::Ed25519,
        VendorKeyKind::P256 => SignatureKind::P256,
    });
    create_new(&options.out, key.to_pkcs8_pem().as_bytes())?;
    Ok(Shown::fields(json!({
        "key": options.out.display().to_string(),
        "vendor_thumbprint": key.public().thumbprint().to_string(),
        "vendor_key": hex::encode(key.public().to_cose()),
        "rust_constant": vendor::rust_constant(&key.public()),
    })))
}

fn statement(options: &StatementOptions, json: bool) -> Result<Shown, Failure> {
    let key = signing_key(&options.key)?;
    let description = Description::read(&options.input)?;
    let previous = match &options.after {
        Some(path) => Some(read_previous(path, &key.public())?),
        None => None,
    };
    let statement = description.statement(previous.as_ref(), now_s()?)?;
    let changes = vendor::changes(previous.as_ref(), &statement);
    let warnings = vendor::warnings(&statement);
    for warning in &warnings {
        progress(json, warning);
    }
    let signed = vendor::sign(&statement, &key);
    let (issued, ends) = (
        show_time(statement.issued_s),
        show_time(statement.not_after_s),
    );
    let facts = json!({
        "sequence": statement.sequence,
        "issued": issued,
        "not_after": ends,
        "changes": changes,
        "warnings": warnings,
    });
    let delivered = deliver(
        json,
        Some(&options.out),
        Privacy::Public,
        facts,
        ("statement", &signed, Encoding::Base64),
    )?;
    // For eyes there is a summary, but where the statement itself is on stdout.
    if json || options.out == Path::new("-") {
        return Ok(delivered);
    }
    let mut text = format!(
        "statement {} from {issued} to {ends}, {} bytes; providers must staple a newer one within {} days\n",
        statement.sequence,
        signed.len(),
        limits::VENDOR_STATEMENT_MAX_AGE_S / 86_400,
    );
    if changes.is_empty() {
        text.push_str("  nothing changes but the time\n");
    }
    text.extend(changes.iter().map(|change| format!("  {change}\n")));
    Ok(Shown::new(json!(null), text))
}

fn read_previous(path: &Path, vendor: &PublicKey) -> Result<VendorStatement, Failure> {
    let signed = files::read(path, limits::VENDOR_STATEMENT)?;
    vendor::read_signed(&signed, vendor)
        .map_err(|error| Failure::new("statement", format!("{}: {error}", path.display())))
}

fn show(options: &ShowOptions) -> Result<Shown, Failure> {
    let vendor = vendor_key(&options.vendor)?;
    let signed = files::read(&options.file, limits::VENDOR_STATEMENT)?;
    let at_s = options.at.map_or_else(now_s, Ok)?;
    let statement = verify_statement(&signed, &vendor, at_s, limits::VENDOR_STATEMENT_LIFETIME_S)?;
    let recent_s = statement
        .issued_s
        .saturating_add(limits::VENDOR_STATEMENT_MAX_AGE_S);
    let head = json!({
        "verdict": "signed by this vendor, and current",
        "vendor_thumbprint": vendor.thumbprint().to_string(),
        "sequence": statement.sequence,
        "issued": show_time(statement.issued_s),
        "accepted_by_default_until": show_time(recent_s.min(statement.not_after_s)),
        "not_after": show_time(statement.not_after_s),
    });
    let mut text = String::new();
    if let Value::Object(members) = &head {
        for (name, value) in members {
            let shown = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            text.push_str(&format!("{:<27}{shown}\n", name.replace('_', " ")));
        }
    }
    let images: Vec<_> = statement.images.iter().map(image).collect();
    let providers: Vec<_> = statement.providers.iter().map(provider).collect();
    for entry in images.iter().chain(&providers) {
        text.push('\n');
        text.push_str(&lines(entry));
    }
    let mut json = head;
    json["images"] = images.into();
    json["providers"] = providers.into();
    Ok(Shown::new(json, text))
}

fn image(image: &Image) -> Value {
    let until = match image.until_s {
        None => Value::Null,
        Some(0) => "condemned".into(),
        Some(until_s) => show_time(until_s).into(),
    };
    json!({
        "image_epoch": image.epoch,
        "until": until,
        "pcr0": hex::encode(image.measurement.pcr0),
        "pcr1": hex::encode(image.measurement.pcr1),
        "pcr2": hex::encode(image.measurement.pcr2),
        "pcr8": image.pcr8.map(|pcr8| pcr8.to_string()),
    })
}

fn provider(provider: &Provider) -> Value {
    json!({
        "provider": provider.name,
        "keys": provider.keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "pcr3": provider.pcr3.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// An entry as lines `name value`, without what it does not say; a list takes a line for each item.
fn lines(entry: &Value) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        text.push_str(&format!("{:<12}{value}\n", name.replace('_', " ")));
    };
    let Value::Object(members) = entry else {
        return text;
    };
    for (name, value) in members {
        match value {
            Value::Null => (),
            Value::String(value) => line(name, printable(value.as_bytes())),
            Value::Array(items) => items
                .iter()
                .filter_map(Value::as_str)
                .for_each(|item| line(name, item.to_owned())),
            other => line(name, other.to_string()),
        }
    }
    text
}
