//! `coffer evidence verify`: the Verifier for files, useful without anything else of Cofferdam.

use std::path::Path;

use cofferdam_attestation::{Debugging, Expected, MAX_DOCUMENT, Root, aws_nitro_root};
use serde_json::json;

use super::args::EvidenceCommand;
use super::failure::Failure;
use super::output::Shown;
use super::times::show_time;
use crate::files;
use crate::session::now_s;

pub(super) fn run(command: &EvidenceCommand) -> Result<Shown, Failure> {
    let EvidenceCommand::Verify {
        file,
        at,
        root,
        allow_debug,
    } = command;
    let root = root
        .as_deref()
        .map_or_else(|| Ok(aws_nitro_root()), read_root)?;
    let debugging = if *allow_debug {
        Debugging::Allow
    } else {
        Debugging::Refuse
    };
    let expected = Expected {
        debugging,
        ..Expected::default()
    };
    let at_s = at.map_or_else(now_s, Ok)?;
    // One byte more than allowed, so that the Verifier itself says what is too long.
    let document = files::read(file, MAX_DOCUMENT + 1)?;
    let evidence =
        cofferdam_attestation::verify(&document, &root, at_s, &expected).map_err(|error| {
            Failure::new("evidence-refused", format!("{}: {error}", file.display()))
        })?;
    let measurement = evidence.measurement();
    Ok(Shown::fields(json!({
        "verdict": if evidence.debug() { "valid, but of an enclave in DEBUG mode, which protects nothing" } else { "valid" },
        "module": evidence.module_id(),
        "made": show_time(evidence.timestamp_ms() / 1000),
        "pcr0": hex::encode(measurement.pcr0),
        "pcr1": hex::encode(measurement.pcr1),
        "pcr2": hex::encode(measurement.pcr2),
        "nonce": evidence.nonce().map(hex::encode),
        "user_data": evidence.user_data().map(hex::encode),
        "public_key": evidence.public_key().map(hex::encode),
        "certificate_ends": show_time(evidence.leaf_not_after_s()),
        "root_sha256": evidence.certificate_sha256s().first().map(hex::encode),
    })))
}

/// A root certificate in PEM or DER.
fn read_root(path: &Path) -> Result<Root, Failure> {
    let file = files::read(path, 16 * 1024)?;
    let refused = |reason: String| Failure::new("root", format!("{}: {reason}", path.display()));
    let der = if file.starts_with(b"-----BEGIN") {
        match der::pem::decode_vec(&file) {
            Ok(("CERTIFICATE", der)) => der,
            _ => return Err(refused("not one PEM certificate".into())),
        }
    } else {
        file
    };
    Root::from_der(&der).map_err(|error| refused(error.to_string()))
}
