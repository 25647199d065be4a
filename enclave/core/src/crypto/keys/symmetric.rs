//! Symmetric keys of customers: AES and HMAC.

use super::cose::Reader;
use super::{KeyError, OperationError, WeakKey};
use crate::crypto::secret::{Plaintext, Secret32};
use crate::crypto::{Failed, gcm, xaes};
use aws_lc_rs::{digest, hmac, rand};
use cofferdam_wire::cbor::{Item, context_list};
use cofferdam_wire::context;
use cofferdam_wire::kind::Algorithm;
use zeroize::Zeroizing;

/// Shortest key of any kind, in bytes.
const SHORTEST: usize = 16;
/// Longest HMAC key, in bytes: a block of SHA-512, beyond which HMAC would hash it down.
const LONGEST_HMAC: usize = 128;

/// An AES key, prepared for the modes that its length has.
pub(super) struct AesKey {
    bytes: Zeroizing<Vec<u8>>,
    gcm: gcm::Key,
    xaes: Option<xaes::Key>,
}

impl AesKey {
    /// Reads `{1: 4, -1: k}` with a key of `length` bytes.
    pub(super) fn parse(cose: &[u8], length: usize) -> Result<Self, KeyError> {
        let bytes = read(cose, length)?;
        if bytes.len() != length {
            return Err(KeyError::Malformed);
        }
        let xaes = Secret32::from_slice(&bytes)
            .map(|key| xaes::Key::new(&key))
            .transpose();
        match (gcm::Key::new(&bytes), xaes) {
            (Ok(gcm), Ok(xaes)) => Ok(Self { bytes, gcm, xaes }),
            _ => Err(KeyError::Malformed),
        }
    }

    pub(super) fn check_value(&self, salt: &[u8]) -> [u8; 32] {
        check_value(salt, &self.bytes)
    }

    pub(super) fn encrypt(
        &self,
        algorithm: Algorithm,
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, OperationError> {
        match (algorithm, &self.xaes) {
            (Algorithm::Xaes256Gcm, Some(key)) => {
                Ok(key.seal_with_nonce(&random_nonce()?, aad, plaintext)?)
            }
            (Algorithm::AesGcm, _) => {
                let nonce = random_nonce()?;
                Ok(self.gcm.seal(nonce, aad, &nonce, plaintext)?)
            }
            _ => Err(OperationError::Unsuitable),
        }
    }

    pub(super) fn decrypt(
        &self,
        algorithm: Algorithm,
        aad: &[u8],
        ciphertext: &[u8],
    ) -> Result<Plaintext, OperationError> {
        match (algorithm, &self.xaes) {
            (Algorithm::Xaes256Gcm, Some(key)) => Ok(key.open_with_nonce(aad, ciphertext)?),
            (Algorithm::AesGcm, _) => {
                let (nonce, sealed) = ciphertext.split_first_chunk().ok_or(Failed)?;
                Ok(self.gcm.open(*nonce, aad, sealed)?)
            }
            _ => Err(OperationError::Unsuitable),
        }
    }
}

/// A key for HMAC with any of the three hashes.
pub(super) struct HmacKey(Zeroizing<Vec<u8>>);

impl HmacKey {
    /// Reads `{1: 4, -1: k}` with a key of 16 to 128 bytes.
    pub(super) fn parse(cose: &[u8]) -> Result<Self, KeyError> {
        read(cose, LONGEST_HMAC).map(Self)
    }

    pub(super) fn check_value(&self, salt: &[u8]) -> [u8; 32] {
        check_value(salt, &self.0)
    }

    pub(super) fn mac(
        &self,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, OperationError> {
        Ok(hmac::sign(&self.with(algorithm)?, message)
            .as_ref()
            .to_vec())
    }

    /// The whole tag, in constant time.
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        tag: &[u8],
    ) -> Result<bool, OperationError> {
        Ok(hmac::verify(&self.with(algorithm)?, message, tag).is_ok())
    }

    fn with(&self, algorithm: Algorithm) -> Result<hmac::Key, OperationError> {
        let hash = match algorithm {
            Algorithm::HmacSha256 => hmac::HMAC_SHA256,
            Algorithm::HmacSha384 => hmac::HMAC_SHA384,
            Algorithm::HmacSha512 => hmac::HMAC_SHA512,
            _ => return Err(OperationError::Unsuitable),
        };
        Ok(hmac::Key::new(hash, &self.0))
    }
}

fn read(cose: &[u8], longest: usize) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut reader = Reader::new(cose, 2, 4)?;
    let key = reader.bytes(-1)?;
    reader.end()?;
    if key.len() > longest {
        return Err(KeyError::Malformed);
    }
    if key.len() < SHORTEST {
        return Err(WeakKey::TooShort.into());
    }
    if key.iter().fold(0, |seen, byte| seen | byte) == 0 {
        return Err(WeakKey::AllZero.into());
    }
    Ok(Zeroizing::new(key.to_vec()))
}

/// H(salt, key). The key is the last item, so growing the buffer for it copies nothing secret.
fn check_value(salt: &[u8], key: &[u8]) -> [u8; 32] {
    let list = Zeroizing::new(context_list(
        context::CHECK_VALUE,
        &[Item::Bytes(salt), Item::Bytes(key)],
    ));
    digest::digest(&digest::SHA256, &list)
        .as_ref()
        .try_into()
        .expect("invariant: SHA-256 gives 32 bytes")
}

fn random_nonce<const N: usize>() -> Result<[u8; N], Failed> {
    let mut nonce = [0; N];
    rand::fill(&mut nonce)?;
    Ok(nonce)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::material::cose;
    use super::*;
    use ::hmac::{Hmac, Mac};
    use aes_gcm::aead::{Aead, KeyInit, Payload};

    fn aes(key: &[u8], length: usize) -> Result<AesKey, KeyError> {
        AesKey::parse(&cose(4, None, &[(-1, key)]), length)
    }

    fn hmac_key(key: &[u8]) -> Result<HmacKey, KeyError> {
        HmacKey::parse(&cose(4, None, &[(-1, key)]))
    }

    #[test]
    fn aes_gcm_of_either_length_meets_the_second_implementation() {
        let ours = aes(&[7; 16], 16).unwrap();
        let sealed = ours
            .encrypt(Algorithm::AesGcm, b"aad", b"plaintext")
            .unwrap();
        let (nonce, body) = sealed.split_first_chunk::<12>().unwrap();
        let payload = Payload {
            msg: body,
            aad: b"aad",
        };
        let opened = aes_gcm::Aes128Gcm::new(&[7; 16].into())
            .decrypt(&(*nonce).into(), payload)
            .unwrap();
        assert_eq!(opened, b"plaintext");
        assert_eq!(
            ours.encrypt(Algorithm::Xaes256Gcm, b"", b"").err(),
            Some(OperationError::Unsuitable)
        );

        let ours = aes(&[7; 32], 32).unwrap();
        let payload = Payload {
            msg: b"plaintext",
            aad: b"aad",
        };
        let body = aes_gcm::Aes256Gcm::new(&[7; 32].into())
            .encrypt(&[3; 12].into(), payload)
            .unwrap();
        let sealed = [&[3; 12][..], &body].concat();
        assert_eq!(
            ours.decrypt(Algorithm::AesGcm, b"aad", &sealed)
                .unwrap()
                .expose(),
            b"plaintext"
        );
    }

    #[test]
    fn t48_every_mutant_is_the_one_failure() {
        let ours = aes(&[7; 32], 32).unwrap();
        for algorithm in [Algorithm::Xaes256Gcm, Algorithm::AesGcm] {
            let sealed = ours.encrypt(algorithm, b"aad", b"plaintext").unwrap();
            assert_eq!(
                ours.decrypt(algorithm, b"aad", &sealed).unwrap().expose(),
                b"plaintext"
            );
            assert_ne!(
                sealed,
                ours.encrypt(algorithm, b"aad", b"plaintext").unwrap()
            );
            let failed = Some(OperationError::Failed(Failed));
            assert_eq!(ours.decrypt(algorithm, b"aaD", &sealed).err(), failed);
            for position in 0..sealed.len() {
                let mut altered = sealed.clone();
                altered[position] ^= 1;
                assert_eq!(
                    ours.decrypt(algorithm, b"aad", &altered).err(),
                    failed,
                    "{position}"
                );
                assert_eq!(
                    ours.decrypt(algorithm, b"aad", &sealed[..position]).err(),
                    failed,
                    "{position}"
                );
            }
        }
    }

    #[test]
    fn hmac_meets_the_second_implementation() {
        let key = [7; 48];
        let ours = hmac_key(&key).unwrap();
        let theirs = [
            (Algorithm::HmacSha256, {
                let mac = Hmac::<sha2::Sha256>::new_from_slice(&key)
                    .unwrap()
                    .chain_update(b"message");
                mac.finalize().into_bytes().to_vec()
            }),
            (Algorithm::HmacSha384, {
                let mac = Hmac::<sha2::Sha384>::new_from_slice(&key)
                    .unwrap()
                    .chain_update(b"message");
                mac.finalize().into_bytes().to_vec()
            }),
            (Algorithm::HmacSha512, {
                let mac = Hmac::<sha2::Sha512>::new_from_slice(&key)
                    .unwrap()
                    .chain_update(b"message");
                mac.finalize().into_bytes().to_vec()
            }),
        ];
        for (algorithm, tag) in theirs {
            assert_eq!(ours.mac(algorithm, b"message").unwrap(), tag);
            assert!(ours.verify(algorithm, b"message", &tag).unwrap());
            assert!(!ours.verify(algorithm, b"massage", &tag).unwrap());
            assert!(
                !ours
                    .verify(algorithm, b"message", &tag[..tag.len() - 1])
                    .unwrap()
            );
            assert!(!ours.verify(algorithm, b"message", &[]).unwrap());
        }
    }

    #[test]
    fn imp_short_zero_and_odd_keys_are_refused() {
        let weak = |weakness| Some(KeyError::Weak(weakness));
        assert_eq!(hmac_key(&[7; 15]).err(), weak(WeakKey::TooShort));
        assert!(hmac_key(&[7; 16]).is_ok());
        assert!(hmac_key(&[7; 128]).is_ok());
        assert_eq!(hmac_key(&[7; 129]).err(), Some(KeyError::Malformed));
        assert_eq!(hmac_key(&[0; 32]).err(), weak(WeakKey::AllZero));
        assert_eq!(aes(&[0; 32], 32).err(), weak(WeakKey::AllZero));
        assert_eq!(aes(&[7; 8], 16).err(), weak(WeakKey::TooShort));
        assert_eq!(aes(&[7; 24], 32).err(), Some(KeyError::Malformed));
        assert_eq!(aes(&[7; 32], 16).err(), Some(KeyError::Malformed));
        let mut one_bit = [0; 32];
        one_bit[31] = 1;
        assert!(aes(&one_bit, 32).is_ok());
    }

    #[test]
    fn a_check_value_names_salt_and_key() {
        let value = aes(&[7; 32], 32).unwrap().check_value(&[1; 32]);
        let list = context_list(
            context::CHECK_VALUE,
            &[Item::Bytes(&[1; 32]), Item::Bytes(&[7; 32])],
        );
        assert_eq!(value, cofferdam_wire::id::sha256(&list).0);
        assert_ne!(value, aes(&[7; 32], 32).unwrap().check_value(&[2; 32]));
        assert_ne!(value, aes(&[8; 32], 32).unwrap().check_value(&[1; 32]));
    }
}
