//! AES-GCM (SP 800-38D) with 12-byte nonces. Callers answer for a nonce that never repeats under one key (T-49).

use super::Failed;
use super::secret::Plaintext;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub(crate) const NONCE: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG: usize = 16;

/// An AES key, expanded.
pub(crate) struct Key(LessSafeKey);

impl Key {
    /// From 16 or 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, Failed> {
        let algorithm = match key.len() {
            16 => &AES_128_GCM,
            32 => &AES_256_GCM,
            _ => return Err(Failed),
        };
        Ok(Self(LessSafeKey::new(UnboundKey::new(algorithm, key)?)))
    }

    /// `prefix || ciphertext || tag`; the prefix is where formats keep their nonce.
    pub(crate) fn seal(
        &self,
        nonce: [u8; NONCE],
        aad: &[u8],
        prefix: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Failed> {
        // All room is taken at once: growing would leave plaintext behind in freed memory.
        let mut sealed = Zeroizing::new(Vec::with_capacity(prefix.len() + plaintext.len() + TAG));
        sealed.extend_from_slice(prefix);
        sealed.extend_from_slice(plaintext);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(
            nonce,
            Aad::from(aad),
            &mut sealed[prefix.len()..],
        )?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(std::mem::take(&mut *sealed))
    }

    /// Opens `ciphertext || tag`.
    pub(crate) fn open(
        &self,
        nonce: [u8; NONCE],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Plaintext, Failed> {
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let length = self
            .0
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                &mut buffer,
            )?
            .len();
        buffer.truncate(length);
        Ok(Plaintext::new(buffer))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use aes_gcm::aead::{Aead, KeyInit, Payload};

    #[test]
    fn what_one_implementation_seals_the_other_opens() {
        let payload = Payload {
            msg: b"plaintext",
            aad: b"aad",
        };
        let nonce = [5; NONCE];
        let ours = Key::new(&[1; 32]).unwrap();
        let theirs = aes_gcm::Aes256Gcm::new(&[1; 32].into());
        let sealed = ours.seal(nonce, b"aad", b"", b"plaintext").unwrap();
        assert_eq!(sealed, theirs.encrypt(&nonce.into(), payload).unwrap());
        assert_eq!(
            ours.open(nonce, b"aad", &sealed).unwrap().expose(),
            b"plaintext"
        );

        let payload = Payload {
            msg: b"plaintext",
            aad: b"aad",
        };
        let ours = Key::new(&[1; 16]).unwrap();
        let theirs = aes_gcm::Aes128Gcm::new(&[1; 16].into());
        assert_eq!(
            ours.seal(nonce, b"aad", b"", b"plaintext").unwrap(),
            theirs.encrypt(&nonce.into(), payload).unwrap()
        );
    }

    #[test]
    fn t48_any_difference_is_the_one_failure() {
        let key = Key::new(&[1; 32]).unwrap();
        let sealed = key
            .seal([5; NONCE], b"aad", b"prefix", b"plaintext")
            .unwrap();
        let sealed = sealed.strip_prefix(b"prefix").unwrap();
        assert!(key.open([5; NONCE], b"aad", sealed).is_ok());
        assert!(key.open([6; NONCE], b"aad", sealed).is_err());
        assert!(key.open([5; NONCE], b"aaD", sealed).is_err());
        assert!(
            Key::new(&[2; 32])
                .unwrap()
                .open([5; NONCE], b"aad", sealed)
                .is_err()
        );
        for position in 0..sealed.len() {
            let mut altered = sealed.to_vec();
            altered[position] ^= 0x80;
            assert!(
                key.open([5; NONCE], b"aad", &altered).is_err(),
                "{position}"
            );
            assert!(
                key.open([5; NONCE], b"aad", &sealed[..position]).is_err(),
                "{position}"
            );
        }
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        assert!(Key::new(&[1; 24]).is_err());
        assert!(Key::new(&[]).is_err());
    }
}
