//! vectors/formats.json: for each message one valid encoding, annotated, and many that must be refused.

use anyhow::ensure;
use cofferdam_wire::cbor::DecodeError;
use serde_json::{Value, json};

use super::{annotate, defects, messages};

/// One message of the protocol with an example.
pub(super) struct Example {
    /// Type in the wire crate.
    pub(super) message: &'static str,
    /// Which of its forms, where it has several.
    pub(super) form: &'static str,
    /// Limit that borders decode it with.
    pub(super) limit: usize,
    /// Names of the outermost elements.
    pub(super) names: &'static [&'static str],
    /// The valid encoding.
    pub(super) bytes: Vec<u8>,
    /// The strict decoder.
    pub(super) decode: fn(&[u8], usize) -> Result<(), DecodeError>,
}

/// The file.
pub(super) fn all() -> anyhow::Result<Value> {
    let (mut valid, mut invalid) = (Vec::new(), Vec::new());
    for example in messages::examples() {
        let Example {
            message,
            form,
            limit,
            names,
            bytes,
            decode,
        } = example;
        ensure!(
            decode(&bytes, limit).is_ok(),
            "the example of {message} {form} does not decode"
        );
        valid.push(json!({
            "type": message,
            "form": form,
            "limit": limit,
            "hex": hex::encode(&bytes),
            "annotated": annotate::annotate(&bytes, names),
        }));
        for defect in defects::of(&bytes) {
            let limit = defect.limit.unwrap_or(limit);
            let Err(error) = decode(&defect.bytes, limit) else {
                anyhow::bail!("{message} {form} with {} was accepted", defect.name);
            };
            invalid.push(refused(
                message,
                form,
                defect.name,
                limit,
                &defect.bytes,
                &error,
            ));
        }
    }
    for (message, defect, bytes, decode) in messages::refused() {
        let Err(error) = decode(&bytes, messages::BODY) else {
            anyhow::bail!("{message} with {defect} was accepted");
        };
        invalid.push(refused(message, "", defect, messages::BODY, &bytes, &error));
    }
    Ok(json!({ "valid": valid, "invalid": invalid }))
}

fn refused(
    message: &str,
    form: &str,
    defect: &str,
    limit: usize,
    bytes: &[u8],
    error: &DecodeError,
) -> Value {
    let error = match error {
        DecodeError::TooLarge { .. } => "too-large",
        DecodeError::Malformed => "malformed",
        DecodeError::TrailingBytes => "trailing-bytes",
        DecodeError::NotCanonical => "not-canonical",
    };
    json!({
        "type": message,
        "form": form,
        "defect": defect,
        "limit": limit,
        "error": error,
        "hex": hex::encode(bytes),
    })
}
