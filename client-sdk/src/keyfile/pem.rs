//! One PEM block (RFC 7468) and nothing else in the file.

use zeroize::Zeroizing;

use super::MAX_FILE_LEN;
use super::error::KeyFileError;

/// Label of a PKCS#8 private key.
pub(super) const PKCS8: &str = "PRIVATE KEY";
/// Label of a PKCS#1 RSA private key.
pub(super) const PKCS1: &str = "RSA PRIVATE KEY";
/// Label of a SEC1 elliptic-curve private key.
pub(super) const SEC1: &str = "EC PRIVATE KEY";
/// Label of a SubjectPublicKeyInfo.
pub(super) const SPKI: &str = "PUBLIC KEY";

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The one block of a file. Its DER is erased on drop.
pub(super) struct Block<'a> {
    label: &'a str,
    der: Zeroizing<Vec<u8>>,
}

impl<'a> Block<'a> {
    /// Reads a file that holds one block, with white space around it at most.
    pub(super) fn read(file: &'a [u8]) -> Result<Self, KeyFileError> {
        if file.len() > MAX_FILE_LEN {
            return Err(KeyFileError::TooLarge {
                limit: MAX_FILE_LEN,
                actual: file.len(),
            });
        }
        let text = std::str::from_utf8(file)
            .map_err(|_| KeyFileError::NotPem)?
            .trim();
        let ends = text.matches(END).count();
        match text.matches(BEGIN).count() {
            0 if ends > 0 => return Err(cut("ends", "BEGIN")),
            0 => return Err(KeyFileError::NotPem),
            1 if ends == 0 => return Err(cut("begins", "END")),
            1 => {}
            count => return Err(KeyFileError::SeveralBlocks { count }),
        }
        if !text.starts_with(BEGIN) || !text.ends_with(DASHES) {
            return Err(KeyFileError::TextOutside);
        }
        let label = text[BEGIN.len()..].split(DASHES).next().unwrap_or_default();
        // Seen before decoding: an encrypted block has headers or a label of its own, and the advice differs.
        if label.contains("ENCRYPTED") || text.contains("Proc-Type:") {
            return Err(KeyFileError::Encrypted);
        }
        if label == "OPENSSH PRIVATE KEY" {
            return Err(KeyFileError::OpenSsh);
        }
        // Base64 of constant time over the secret, into a buffer that never grows and so leaves no copy.
        let mut der = Zeroizing::new(Vec::with_capacity(text.len()));
        ::der::pem::Decoder::new_detect_wrap(text.as_bytes())
            .and_then(|mut decoder| decoder.decode_to_end(&mut der).map(|_| ()))
            .map_err(|_| KeyFileError::DamagedPem)?;
        Ok(Self { label, der })
    }

    pub(super) fn label(&self) -> &str {
        self.label
    }

    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    pub(super) fn into_der(self) -> Zeroizing<Vec<u8>> {
        self.der
    }

    /// The error for a block that is no private key.
    pub(super) fn not_private(&self, expected: &'static str) -> KeyFileError {
        match self.label {
            "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => KeyFileError::Certificate,
            SPKI | "RSA PUBLIC KEY" => KeyFileError::PublicHalf,
            _ => self.unexpected(expected),
        }
    }

    /// The error for a block of another kind.
    pub(super) fn unexpected(&self, expected: &'static str) -> KeyFileError {
        KeyFileError::UnexpectedBlock {
            label: self.label.chars().take(40).collect(),
            expected,
        }
    }
}

fn cut(has: &'static str, lacks: &'static str) -> KeyFileError {
    KeyFileError::CutPem { has, lacks }
}

/// One mapping of the DER library's errors; they may name positions, never content.
pub(super) fn refused(structure: &'static str) -> impl Fn(::der::Error) -> KeyFileError {
    move |error| match error.kind() {
        ::der::ErrorKind::TrailingData { .. } => KeyFileError::TrailingData { structure },
        _ => KeyFileError::Malformed { structure },
    }
}
