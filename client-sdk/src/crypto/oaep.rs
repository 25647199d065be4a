//! RSAES-OAEP with SHA-256 and MGF1-SHA-256 (RFC 8017 section 7.1), the encrypting half: suite 2 layers, and public
//! encryption to a customer's RSA key.
//!
//! The padding is written out here because the `rsa` crate takes only text as a label, and ours is CBOR. Of that crate
//! one function is used, m^e mod n: a public-key operation. Opening is in the enclave and in [`super::provider_rsa`].

use rsa::BigUint;
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::public_key::{Inner, PublicKey};
use super::random;
use super::secret::Secret32;

const HASH_LEN: usize = 32;

/// Why a message was not encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OaepError {
    /// The key is not an RSA key.
    #[error("the recipient's key is not an RSA key")]
    NotRsa,
    /// Layers are sealed to RSA keys of at least 3072 bits.
    #[error("the recipient's RSA key is too short to seal a layer to; it needs at least 3072 bits")]
    KeyTooShort,
    /// The message is longer than modulus - 66 bytes.
    #[error("at most {limit} bytes can be encrypted to this key, and {actual} came")]
    MessageTooLong {
        /// Most bytes for this key.
        limit: usize,
        /// Bytes that came.
        actual: usize,
    },
}

/// Seals a fresh layer secret to a provider or TEE key (suite 2). The key has at least 3072 bits.
pub fn seal_secret(
    recipient: &PublicKey,
    label: &[u8],
    secret: &Secret32,
) -> Result<Vec<u8>, OaepError> {
    match &recipient.0 {
        Inner::Rsa(_, key) if key.size() < 384 => Err(OaepError::KeyTooShort),
        _ => encrypt(recipient, label, secret.expose()),
    }
}

/// Encrypts a short message to an RSA key of any supported size. The result is as long as the modulus.
pub fn encrypt(recipient: &PublicKey, label: &[u8], message: &[u8]) -> Result<Vec<u8>, OaepError> {
    encrypt_with_seed(recipient, label, message, &random::array())
}

fn encrypt_with_seed(
    recipient: &PublicKey,
    label: &[u8],
    message: &[u8],
    seed: &[u8; HASH_LEN],
) -> Result<Vec<u8>, OaepError> {
    let Inner::Rsa(_, key) = &recipient.0 else {
        return Err(OaepError::NotRsa);
    };
    let limit = key.size() - 2 * HASH_LEN - 2;
    if message.len() > limit {
        return Err(OaepError::MessageTooLong {
            limit,
            actual: message.len(),
        });
    }
    let padded = pad(key.size(), label, message, seed);
    let number = Zeroizing::new(BigUint::from_bytes_be(&padded));
    let power =
        rsa::hazmat::rsa_encrypt(key, &number).expect("the padded message is below the modulus");
    let power = power.to_bytes_be();
    let mut ciphertext = vec![0; key.size()];
    ciphertext[key.size() - power.len()..].copy_from_slice(&power);
    Ok(ciphertext)
}

/// EME-OAEP: 0 || seed masked || (label hash, zeros, 1, message) masked.
fn pad(size: usize, label: &[u8], message: &[u8], seed: &[u8; HASH_LEN]) -> Zeroizing<Vec<u8>> {
    let mut padded = Zeroizing::new(vec![0; size]);
    let (masked_seed, block) = padded[1..].split_at_mut(HASH_LEN);
    block[..HASH_LEN].copy_from_slice(&Sha256::digest(label));
    let start = block.len() - message.len();
    block[start - 1] = 1;
    block[start..].copy_from_slice(message);
    masked_seed.copy_from_slice(seed);
    mask(block, masked_seed);
    mask(masked_seed, block);
    padded
}

/// XORs MGF1-SHA-256 of `seed` over `target`.
fn mask(target: &mut [u8], seed: &[u8]) {
    for (counter, chunk) in (0u32..).zip(target.chunks_mut(HASH_LEN)) {
        let mut block = Sha256::new()
            .chain_update(seed)
            .chain_update(counter.to_be_bytes())
            .finalize();
        chunk
            .iter_mut()
            .zip(&block)
            .for_each(|(byte, mask)| *byte ^= mask);
        block.as_mut_slice().zeroize();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::keyfile;
    use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
    use std::process::Command;

    const RSA_2048: &[u8] = include_bytes!("../../tests/keys/rsa-2048.pem");
    const RSA_4096: &[u8] = include_bytes!("../../tests/keys/rsa-4096.pem");

    fn key(pem: &[u8]) -> (OaepPrivateDecryptingKey, PublicKey) {
        let (pkcs8, material) = keyfile::pkcs8_document(pem).unwrap();
        let key = OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(&pkcs8).unwrap())
            .unwrap();
        (key, material.public_key().unwrap().clone())
    }

    fn opened(key: &OaepPrivateDecryptingKey, label: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
        let mut plaintext = vec![0; key.min_output_size()];
        let plaintext = key.decrypt(
            &OAEP_SHA256_MGF1SHA256,
            ciphertext,
            &mut plaintext,
            Some(label),
        );
        plaintext.ok().map(|plaintext| plaintext.to_vec())
    }

    #[test]
    fn aws_lc_opens_every_length_and_label() {
        for pem in [RSA_2048, RSA_4096] {
            let (private, public) = key(pem);
            let limit = private.key_size_bytes() - 66;
            for length in [0, 1, 32, limit] {
                let message = random::array::<512>()[..length].to_vec();
                for label in [&b""[..], b"\x82\x00\xff", &[9; 1000]] {
                    let sealed = encrypt(&public, label, &message).unwrap();
                    assert_eq!(sealed.len(), private.key_size_bytes());
                    assert_eq!(opened(&private, label, &sealed), Some(message.clone()));
                    assert_eq!(opened(&private, b"another", &sealed), None);
                }
            }
            let too_long = encrypt(&public, b"", &vec![0; limit + 1]).unwrap_err();
            assert_eq!(
                too_long,
                OaepError::MessageTooLong {
                    limit,
                    actual: limit + 1
                }
            );
        }
    }

    #[test]
    fn the_seed_is_fresh_each_time() {
        let (_, public) = key(RSA_2048);
        assert_ne!(
            encrypt(&public, b"", b"m").unwrap(),
            encrypt(&public, b"", b"m").unwrap()
        );
        let fixed = || encrypt_with_seed(&public, b"", b"m", &[3; 32]).unwrap();
        assert_eq!(fixed(), fixed());
    }

    #[test]
    fn layers_are_sealed_to_long_rsa_keys_only() {
        let secret = Secret32::random();
        assert_eq!(
            seal_secret(&key(RSA_2048).1, b"", &secret).unwrap_err(),
            OaepError::KeyTooShort
        );
        let (private, public) = key(RSA_4096);
        let sealed = seal_secret(&public, b"label", &secret).unwrap();
        assert!(
            secret.ct_eq(
                opened(&private, b"label", &sealed)
                    .unwrap()
                    .as_slice()
                    .try_into()
                    .unwrap()
            )
        );
        let ed25519 =
            keyfile::public::parse(include_bytes!("../../tests/keys/ed25519-public.pem")).unwrap();
        assert_eq!(
            seal_secret(&ed25519, b"", &secret).unwrap_err(),
            OaepError::NotRsa
        );
        assert_eq!(encrypt(&ed25519, b"", b"m").unwrap_err(), OaepError::NotRsa);
    }

    #[test]
    fn openssl_opens_it_too() {
        let (_, public) = key(RSA_2048);
        let sealed = encrypt(&public, b"\x01label", b"message").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (file, key_file) = (folder.path().join("sealed"), folder.path().join("key.pem"));
        std::fs::write(&file, sealed).unwrap();
        std::fs::write(&key_file, RSA_2048).unwrap();
        let mut command = Command::new("openssl");
        command.args([
            "pkeyutl",
            "-decrypt",
            "-pkeyopt",
            "rsa_padding_mode:oaep",
            "-pkeyopt",
            "rsa_oaep_md:sha256",
        ]);
        command.args([
            "-pkeyopt",
            "rsa_mgf1_md:sha256",
            "-pkeyopt",
            "rsa_oaep_label:016c6162656c",
        ]);
        let Ok(output) = command
            .arg("-inkey")
            .arg(key_file)
            .arg("-in")
            .arg(file)
            .output()
        else {
            eprintln!("SKIPPED: no openssl command here");
            return;
        };
        assert_eq!(
            output.stdout,
            b"message",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
