//! Verifies signatures outside of our code: by the `openssl` command, or by AWS-LC where there is none.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use cofferdam_wire::kind::Algorithm;

use super::keys::FreshKey;

/// Who verifies.
pub(crate) enum Outsider {
    /// The command, and its version.
    Openssl(String),
    /// The library that the enclave uses too: still not our code, but less of an outsider.
    AwsLc,
}

impl Outsider {
    /// `openssl` if it is there.
    pub(crate) fn find() -> Self {
        let version = Command::new("openssl").arg("version").output();
        match version {
            Ok(output) if output.status.success() => {
                let text = String::from_utf8_lossy(&output.stdout);
                let words: Vec<_> = text.split_whitespace().take(2).collect();
                Outsider::Openssl(words.join(" "))
            }
            _ => Outsider::AwsLc,
        }
    }

    /// Its name, for people.
    pub(crate) fn name(&self) -> &str {
        match self {
            Outsider::Openssl(version) => version,
            Outsider::AwsLc => "AWS-LC (no openssl command here)",
        }
    }

    /// Whether the signature is one over the message by this key, by the customer's own copy of its public half. `scratch`
    /// is a directory for files.
    pub(crate) fn verifies(
        &self,
        key: &FreshKey,
        message: &[u8],
        signature: &[u8],
        scratch: &Path,
    ) -> anyhow::Result<bool> {
        match self {
            Outsider::Openssl(_) => openssl(key, message, signature, scratch),
            Outsider::AwsLc => aws_lc(key, message, signature),
        }
    }
}

fn openssl(
    key: &FreshKey,
    message: &[u8],
    signature: &[u8],
    scratch: &Path,
) -> anyhow::Result<bool> {
    let file = |name: &str| scratch.join(format!("{}.{name}", key.kind));
    let signature = match key.algorithm {
        Algorithm::EcdsaSha256 => ecdsa_der(signature)?,
        _ => signature.to_vec(),
    };
    fs::write(file("pem"), &key.public_pem)?;
    fs::write(file("message"), message)?;
    fs::write(file("signature"), signature)?;
    let mut command = Command::new("openssl");
    command
        .args(["dgst", "-sha256"])
        .arg("-verify")
        .arg(file("pem"))
        .arg("-signature")
        .arg(file("signature"));
    if key.algorithm == Algorithm::RsaPssSha256 {
        command.args([
            "-sigopt",
            "rsa_padding_mode:pss",
            "-sigopt",
            "rsa_pss_saltlen:32",
        ]);
    }
    let output = command.arg(file("message")).output().context("openssl")?;
    Ok(output.status.success())
}

fn aws_lc(key: &FreshKey, message: &[u8], signature: &[u8]) -> anyhow::Result<bool> {
    let algorithm: &'static dyn VerificationAlgorithm = match key.algorithm {
        Algorithm::EcdsaSha256 => &ECDSA_P256_SHA256_FIXED,
        _ => &RSA_PSS_2048_8192_SHA256,
    };
    let (_, spki) = pkcs8::Document::from_pem(&key.public_pem)
        .ok()
        .context("the public key")?;
    Ok(UnparsedPublicKey::new(algorithm, spki.as_bytes())
        .verify(message, signature)
        .is_ok())
}

/// r || s as openssl wants it: SEQUENCE { INTEGER r, INTEGER s } (RFC 3279 section 2.2.3).
fn ecdsa_der(signature: &[u8]) -> anyhow::Result<Vec<u8>> {
    ensure!(
        signature.len() == 64,
        "an ECDSA signature with P-256 has 64 bytes, not {}",
        signature.len()
    );
    let integer = |number: &[u8]| {
        let leading = number
            .iter()
            .take_while(|byte| **byte == 0)
            .count()
            .min(number.len() - 1);
        let mut bytes = number[leading..].to_vec();
        if bytes[0] & 0x80 != 0 {
            bytes.insert(0, 0);
        }
        [&[2, bytes.len() as u8][..], &bytes].concat()
    };
    let both = [integer(&signature[..32]), integer(&signature[32..])].concat();
    Ok([&[0x30, both.len() as u8][..], &both].concat())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};

    #[test]
    fn both_outsiders_take_a_good_signature_and_refuse_a_changed_one() {
        let key = FreshKey::p256().unwrap();
        let (_, der) = pkcs8::SecretDocument::from_pem(&key.pem).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_bytes()).unwrap();
        let good = pair
            .sign(&SystemRandom::new(), b"message")
            .unwrap()
            .as_ref()
            .to_vec();
        let mut changed = good.clone();
        changed[40] ^= 1;
        let scratch = tempfile::tempdir().unwrap();
        for outsider in [Outsider::find(), Outsider::AwsLc] {
            let verifies = |message: &[u8], signature: &[u8]| {
                outsider
                    .verifies(&key, message, signature, scratch.path())
                    .unwrap()
            };
            assert!(verifies(b"message", &good));
            assert!(!verifies(b"messagE", &good));
            assert!(!verifies(b"message", &changed));
        }
    }

    #[test]
    fn small_numbers_are_encoded_in_the_shortest_form() {
        let mut signature = [0; 64];
        signature[31] = 1;
        signature[63] = 0x80;
        assert_eq!(
            ecdsa_der(&signature).unwrap(),
            [0x30, 7, 2, 1, 1, 2, 2, 0, 0x80]
        );
    }
}
