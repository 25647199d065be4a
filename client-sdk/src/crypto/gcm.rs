//! AES-256-GCM (NIST SP 800-38D) with a 16-byte tag behind the ciphertext.
//!
//! Only for keys that seal exactly one message (suite 2 layers derive key and nonce together) and below XAES. Where a
//! key lives longer use [`super::xaes`]: random 12-byte nonces repeat too soon (T-49).

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use zeroize::Zeroizing;

use super::secret::Secret32;

/// Bytes of the nonce.
pub const NONCE_LEN: usize = 12;
/// Bytes that the ciphertext is longer than the plaintext.
pub const TAG_LEN: usize = 16;

/// Why sealing or opening failed. Opening has one reason whatever was wrong (T-48).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AeadError {
    /// Longer than the mode allows (64 GiB).
    #[error("the plaintext is too long for AES-GCM")]
    TooLong,
    /// Key, nonce, additional data or ciphertext do not belong together.
    #[error("the ciphertext does not open")]
    Open,
}

/// Encrypts; the nonce must never have been used with this key.
pub fn seal(
    key: &Secret32,
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, AeadError> {
    cipher(key)
        .encrypt(
            &Nonce::from(*nonce),
            Payload {
                msg: plaintext,
                aad,
            },
        )
        .map_err(|_| AeadError::TooLong)
}

/// Decrypts what [`seal`] made, or says nothing but that it does not open.
pub fn open(
    key: &Secret32,
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, AeadError> {
    cipher(key)
        .decrypt(
            &Nonce::from(*nonce),
            Payload {
                msg: ciphertext,
                aad,
            },
        )
        .map(Zeroizing::new)
        .map_err(|_| AeadError::Open)
}

fn cipher(key: &Secret32) -> Aes256Gcm {
    Aes256Gcm::new(key.expose().into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// The GCM specification (McGrew and Viega), test case 14: zero key, zero nonce, 16 zero bytes.
    #[test]
    fn gcm_test_case_14() {
        let key = Secret32::from_slice(&[0; 32]).unwrap();
        let sealed = seal(&key, &[0; 12], b"", &[0; 16]).unwrap();
        assert_eq!(
            hex::encode(&sealed),
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
        );
        assert_eq!(
            open(&key, &[0; 12], b"", &sealed).unwrap().as_slice(),
            [0; 16]
        );
    }

    #[test]
    fn t48_every_defect_is_the_same_error() {
        let key = Secret32::random();
        let sealed = seal(&key, &[1; 12], b"aad", b"plaintext").unwrap();
        assert!(open(&key, &[1; 12], b"aad", &sealed).is_ok());
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                open(&key, &[1; 12], b"aad", &changed).unwrap_err(),
                AeadError::Open
            );
        }
        for end in 0..sealed.len() {
            assert_eq!(
                open(&key, &[1; 12], b"aad", &sealed[..end]).unwrap_err(),
                AeadError::Open
            );
        }
        assert_eq!(
            open(&key, &[1; 12], b"aae", &sealed).unwrap_err(),
            AeadError::Open
        );
        assert_eq!(
            open(&key, &[2; 12], b"aad", &sealed).unwrap_err(),
            AeadError::Open
        );
        assert_eq!(
            open(&Secret32::random(), &[1; 12], b"aad", &sealed).unwrap_err(),
            AeadError::Open
        );
    }
}
