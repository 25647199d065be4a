//! XAES-256-GCM (C2SP): AES-256-GCM under a key that each message derives from half of a 24-byte random nonce.
//!
//! One key can seal 2^80 messages with random nonces, so clones, forks and retries never repeat a (key, nonce) pair
//! (T-49, T-67). The derivation is two blocks of CMAC-AES-256 over the counter, the letter X and the first 12 bytes.

use aes::Aes256;
use cmac::{Cmac, KeyInit, Mac};
use zeroize::{Zeroize, Zeroizing};

use super::gcm::{self, AeadError};
use super::random;
use super::secret::Secret32;

/// Bytes of the nonce.
pub const NONCE_LEN: usize = 24;
/// Bytes that a ciphertext is longer than its plaintext.
pub const TAG_LEN: usize = gcm::TAG_LEN;

/// Encrypts under a nonce that the caller drew; ciphertext and tag without the nonce.
pub fn seal(
    key: &Secret32,
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, AeadError> {
    let (message_key, message_nonce) = message_key(key, nonce);
    gcm::seal(&message_key, &message_nonce, aad, plaintext)
}

/// Decrypts what [`seal`] made.
pub fn open(
    key: &Secret32,
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, AeadError> {
    let (message_key, message_nonce) = message_key(key, nonce);
    gcm::open(&message_key, &message_nonce, aad, ciphertext)
}

/// Draws a nonce and gives nonce, ciphertext and tag, one behind the other.
pub fn seal_with_random_nonce(
    key: &Secret32,
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, AeadError> {
    let nonce = random::array();
    let ciphertext = seal(key, &nonce, aad, plaintext)?;
    Ok([nonce.as_slice(), &ciphertext].concat())
}

/// Decrypts what [`seal_with_random_nonce`] made.
pub fn open_with_leading_nonce(
    key: &Secret32,
    aad: &[u8],
    message: &[u8],
) -> Result<Zeroizing<Vec<u8>>, AeadError> {
    let (nonce, ciphertext) = message
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(AeadError::Open)?;
    open(key, nonce, aad, ciphertext)
}

fn message_key(key: &Secret32, nonce: &[u8; NONCE_LEN]) -> (Secret32, [u8; gcm::NONCE_LEN]) {
    let (for_key, for_gcm) = nonce.split_at(12);
    let derived = Secret32::filled(|bytes| {
        for (counter, half) in (1u8..).zip(bytes.chunks_exact_mut(16)) {
            let mut mac = <Cmac<Aes256> as KeyInit>::new(key.expose().into());
            mac.update(&[0, counter, b'X', 0]);
            mac.update(for_key);
            let mut block = mac.finalize().into_bytes();
            half.copy_from_slice(&block);
            block.as_mut_slice().zeroize();
        }
    });
    (derived, for_gcm.try_into().expect("24 = 12 + 12 bytes"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// C2SP XAES-256-GCM.md, "Test vectors" (CC BY 4.0), both of them.
    #[test]
    fn c2sp_vectors() {
        let nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";
        for (byte, aad, expected) in [
            (
                1,
                "",
                "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
            ),
            (
                3,
                "c2sp.org/XAES-256-GCM",
                "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
            ),
        ] {
            let key = Secret32::from_slice(&[byte; 32]).unwrap();
            let sealed = seal(&key, nonce, aad.as_bytes(), b"XAES-256-GCM").unwrap();
            assert_eq!(hex::encode(&sealed), expected);
            assert_eq!(
                open(&key, nonce, aad.as_bytes(), &sealed)
                    .unwrap()
                    .as_slice(),
                b"XAES-256-GCM"
            );
        }
    }

    #[test]
    fn t49_the_nonce_is_random_and_in_front() {
        let key = Secret32::random();
        let one = seal_with_random_nonce(&key, b"aad", b"text").unwrap();
        let other = seal_with_random_nonce(&key, b"aad", b"text").unwrap();
        assert_ne!(one[..NONCE_LEN], other[..NONCE_LEN]);
        assert_eq!(one.len(), NONCE_LEN + 4 + TAG_LEN);
        assert_eq!(
            open_with_leading_nonce(&key, b"aad", &one)
                .unwrap()
                .as_slice(),
            b"text"
        );
    }

    #[test]
    fn t48_every_flipped_bit_and_every_cut_is_the_same_error() {
        let key = Secret32::random();
        let message = seal_with_random_nonce(&key, b"aad", b"text").unwrap();
        for bit in 0..message.len() * 8 {
            let mut changed = message.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                open_with_leading_nonce(&key, b"aad", &changed).unwrap_err(),
                AeadError::Open
            );
        }
        for end in 0..message.len() {
            assert_eq!(
                open_with_leading_nonce(&key, b"aad", &message[..end]).unwrap_err(),
                AeadError::Open
            );
        }
        assert_eq!(
            open_with_leading_nonce(&key, b"aae", &message).unwrap_err(),
            AeadError::Open
        );
    }
}
