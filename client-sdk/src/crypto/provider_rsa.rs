//! The provider's RSA key for suite 2: takes the provider layer off, on AWS-LC.
//!
//! Every ciphertext is the attacker's, and whether it unwraps is what he wants to know (Bleichenbacher, Manger, Marvin;
//! T-30). So [`ProviderRsaKey::open`] cannot fail: where unwrapping does, it goes on with HMAC(fallback key, ciphertext),
//! a secret that is the same for the same ciphertext and unknown to everybody. The commitment check then refuses it like
//! any other wrong secret, with the one error. The decryption itself is AWS-LC's blinded, constant-time one, never the
//! `rsa` crate's.

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use cofferdam_wire::kind::KeyKind;
use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroizing;

use super::kdf;
use super::public_key::PublicKey;
use super::secret::Secret32;
use crate::keyfile::{self, KeyFileError};

/// Why a file is not a provider RSA key.
#[derive(Debug, thiserror::Error)]
pub enum ProviderRsaError {
    /// The file cannot be read as a private key.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// Provider keys have 3072 or 4096 bits.
    #[error("the key is {kind}; a provider key is rsa-3072 or rsa-4096")]
    Kind {
        /// What the file holds.
        kind: KeyKind,
    },
    /// The numbers of the key do not fit together.
    #[error(
        "the numbers in the RSA key do not belong together; the file is damaged or was made by a broken tool"
    )]
    Inconsistent,
}

/// An RSA private key of the provider, ready to open suite 2 layers.
pub struct ProviderRsaKey {
    key: OaepPrivateDecryptingKey,
    public: Box<PublicKey>,
    fallback: Secret32,
}

impl ProviderRsaKey {
    /// Reads a PKCS#8 PEM file with an RSA key of 3072 or 4096 bits.
    pub fn from_pkcs8_pem(pem: &[u8]) -> Result<Self, ProviderRsaError> {
        // Our parser is the strict one (AWS-LC ignores bytes behind the end); AWS-LC then checks the numbers.
        let (document, material) = keyfile::pkcs8_document(pem)?;
        let kind = material.kind();
        let public = match (kind, material.public_key()) {
            (KeyKind::Rsa3072 | KeyKind::Rsa4096, Some(public)) => Box::new(public.clone()),
            _ => return Err(ProviderRsaError::Kind { kind }),
        };
        let key = PrivateDecryptingKey::from_pkcs8(&document)
            .map_err(|_| ProviderRsaError::Inconsistent)?;
        let key = OaepPrivateDecryptingKey::new(key).map_err(|_| ProviderRsaError::Inconsistent)?;
        Ok(Self {
            key,
            public,
            fallback: Secret32::random(),
        })
    }

    /// The public half, for the provider's key list.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The layer secret in `ciphertext`, or a pseudo-random one that opens nothing.
    pub fn open(&self, label: &[u8], ciphertext: &[u8]) -> Secret32 {
        let mut plaintext = Zeroizing::new(vec![0; self.key.min_output_size()]);
        let length = self
            .key
            .decrypt(
                &OAEP_SHA256_MGF1SHA256,
                ciphertext,
                &mut plaintext,
                Some(label),
            )
            .map_or(0, |plaintext| plaintext.len());
        // Made in every case and chosen without a branch, so that success takes no other path than failure.
        let fallback = Zeroizing::new(kdf::hmac_sha256(self.fallback.expose(), &[ciphertext]));
        let unwrapped = Choice::from(u8::from(length == 32));
        Secret32::filled(|secret| {
            for (byte, (good, bad)) in secret.iter_mut().zip(plaintext.iter().zip(fallback.iter()))
            {
                *byte = u8::conditional_select(bad, good, unwrapped);
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::oaep;

    const RSA_3072: &[u8] = include_bytes!("../../tests/keys/rsa-3072.pem");

    fn key() -> ProviderRsaKey {
        ProviderRsaKey::from_pkcs8_pem(RSA_3072).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_rustcrypto_seals_aws_lc_opens() {
        let key = key();
        for label in [&b""[..], b"\x82\x01label", &[0xff; 300]] {
            let secret = Secret32::random();
            let sealed = oaep::seal_secret(key.public_key(), label, &secret).unwrap();
            assert_eq!(sealed.len(), 384);
            assert!(key.open(label, &sealed).ct_eq(secret.expose()));
        }
    }

    #[test]
    fn t30_a_failed_unwrap_goes_on_with_a_pseudo_random_secret() {
        let key = key();
        let secret = Secret32::random();
        let sealed = oaep::seal_secret(key.public_key(), b"label", &secret).unwrap();
        let mut flipped = sealed.clone();
        flipped[100] ^= 1;
        let short = oaep::encrypt(key.public_key(), b"label", &secret.expose()[..31]).unwrap();
        let long = oaep::encrypt(key.public_key(), b"label", &[7; 33]).unwrap();
        let empty = oaep::encrypt(key.public_key(), b"label", b"").unwrap();
        for bad in [
            &flipped[..],
            &short,
            &long,
            &empty,
            &sealed[1..],
            &[0; 384],
            &[0xff; 384],
            &[],
            &[1; 4096],
        ] {
            let opened = key.open(b"label", bad);
            assert!(!opened.ct_eq(secret.expose()));
            assert!(!opened.ct_eq(&[0; 32]) && !opened.ct_eq(&[7; 32]));
            // The same ciphertext gives the same answer, as a real secret would; another key's is another.
            assert!(opened.ct_eq(key.open(b"label", bad).expose()));
            assert!(!opened.ct_eq(self::key().open(b"label", bad).expose()));
        }
        assert!(!key.open(b"labeL", &sealed).ct_eq(secret.expose()));
        assert!(key.open(b"label", &sealed).ct_eq(secret.expose()));
    }

    #[test]
    fn only_long_consistent_rsa_keys_in_pkcs8_are_provider_keys() {
        let refused = |pem: &[u8]| ProviderRsaKey::from_pkcs8_pem(pem).err().unwrap();
        let error = refused(include_bytes!("../../tests/keys/rsa-2048.pem"));
        assert!(matches!(
            error,
            ProviderRsaError::Kind {
                kind: KeyKind::Rsa2048
            }
        ));
        let error = refused(include_bytes!("../../tests/keys/ec-p256.pem"));
        assert!(matches!(
            error,
            ProviderRsaError::Kind {
                kind: KeyKind::EcP256
            }
        ));
        let error = refused(include_bytes!("../../tests/keys/rsa-2048-pkcs1.pem"));
        assert!(matches!(
            error,
            ProviderRsaError::File(KeyFileError::UnexpectedBlock { .. })
        ));
        assert!(matches!(refused(b""), ProviderRsaError::File(_)));
    }

    #[test]
    fn a_damaged_number_is_refused_when_the_key_is_read() {
        let (_, mut der) = der::pem::decode_vec(RSA_3072).unwrap();
        // The last byte belongs to qInv.
        *der.last_mut().unwrap() ^= 2;
        let pem = der::pem::encode_string("PRIVATE KEY", der::pem::LineEnding::LF, &der).unwrap();
        let error = ProviderRsaKey::from_pkcs8_pem(pem.as_bytes())
            .err()
            .unwrap();
        assert!(matches!(error, ProviderRsaError::Inconsistent));
    }
}
