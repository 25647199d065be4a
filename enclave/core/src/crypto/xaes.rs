//! XAES-256-GCM (C2SP): AES-256-GCM under a key made for each message from the first half of a 24-byte nonce.
//!
//! Nonces are drawn at random and need no counter, so forks, restores and parallel enclaves never repeat one (T-49,
//! T-67). The derivation is the counter-mode KDF of SP 800-108 with AES-256-CMAC, label "X".

use super::secret::{Plaintext, Secret32};
use super::{Failed, gcm};
use aws_lc_rs::cmac;

/// Bytes of a nonce.
pub(crate) const NONCE: usize = 24;

/// A key, with its CMAC subkeys made.
pub(crate) struct Key(cmac::Key);

impl Key {
    /// Prepares a key for any number of messages.
    pub(crate) fn new(key: &Secret32) -> Result<Self, Failed> {
        Ok(Self(cmac::Key::new(cmac::AES_256, key.expose())?))
    }

    /// `nonce || ciphertext || tag`. The nonce must be random.
    pub(crate) fn seal_with_nonce(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Failed> {
        let (key, gcm_nonce) = self.message_key(nonce)?;
        key.seal(gcm_nonce, aad, nonce, plaintext)
    }

    /// Opens `nonce || ciphertext || tag`.
    pub(crate) fn open_with_nonce(&self, aad: &[u8], sealed: &[u8]) -> Result<Plaintext, Failed> {
        let (nonce, sealed) = sealed.split_first_chunk().ok_or(Failed)?;
        let (key, gcm_nonce) = self.message_key(nonce)?;
        key.open(gcm_nonce, aad, sealed)
    }

    fn message_key(&self, nonce: &[u8; NONCE]) -> Result<(gcm::Key, [u8; gcm::NONCE]), Failed> {
        let (for_key, for_gcm) = nonce.split_at(gcm::NONCE);
        let key = Secret32::filled(|key| {
            for (counter, half) in (1u8..).zip(key.chunks_exact_mut(16)) {
                let mut block = [0, counter, b'X', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                block[4..].copy_from_slice(for_key);
                cmac::sign_to_buffer(&self.0, &block, half)?;
            }
            Ok::<(), Failed>(())
        })?;
        let mut gcm_nonce = [0; gcm::NONCE];
        gcm_nonce.copy_from_slice(for_gcm);
        Ok((gcm::Key::new(key.expose())?, gcm_nonce))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use shake::{ExtendableOutput, Update, XofReader};

    fn key(byte: u8) -> Key {
        Key::new(&Secret32::from_slice(&[byte; 32]).unwrap()).unwrap()
    }

    // Data: https://c2sp.org/XAES-256-GCM, test vectors (CC BY 4.0).
    #[test]
    fn the_vectors_of_c2sp_are_met() {
        let nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";
        let sealed = key(1).seal_with_nonce(nonce, b"", b"XAES-256-GCM").unwrap();
        assert_eq!(
            hex::encode(&sealed[NONCE..]),
            "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"
        );
        let sealed = key(3)
            .seal_with_nonce(nonce, b"c2sp.org/XAES-256-GCM", b"XAES-256-GCM")
            .unwrap();
        assert_eq!(
            hex::encode(&sealed[NONCE..]),
            "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"
        );
    }

    #[test]
    fn the_accumulated_vector_of_c2sp_is_met() {
        let mut stream = shake::Shake128::default().finalize_xof();
        let mut read = |length: usize| {
            let mut bytes = vec![0; length];
            stream.read(&mut bytes);
            bytes
        };
        let mut sum = shake::Shake128::default();
        for _ in 0..10_000 {
            let key = Key::new(&Secret32::from_slice(&read(32)).unwrap()).unwrap();
            let nonce: [u8; NONCE] = read(NONCE).try_into().unwrap();
            let length = usize::from(read(1)[0]);
            let plaintext = read(length);
            let length = usize::from(read(1)[0]);
            let aad = read(length);
            let sealed = key.seal_with_nonce(&nonce, &aad, &plaintext).unwrap();
            let opened = key.open_with_nonce(&aad, &sealed).unwrap();
            assert_eq!(opened.expose(), plaintext);
            sum.update(&sealed[NONCE..]);
        }
        let mut digest = [0; 32];
        sum.finalize_xof().read(&mut digest);
        assert_eq!(
            hex::encode(digest),
            "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
        );
    }

    #[test]
    fn t48_any_difference_is_the_one_failure() {
        let nonce = [9; NONCE];
        let sealed = key(1)
            .seal_with_nonce(&nonce, b"aad", b"plaintext")
            .unwrap();
        assert_eq!(sealed.len(), NONCE + 9 + gcm::TAG);
        assert_eq!(
            key(1).open_with_nonce(b"aad", &sealed).unwrap().expose(),
            b"plaintext"
        );
        assert!(key(1).open_with_nonce(b"aaD", &sealed).is_err());
        assert!(key(2).open_with_nonce(b"aad", &sealed).is_err());
        for position in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[position] ^= 1;
            assert!(
                key(1).open_with_nonce(b"aad", &altered).is_err(),
                "{position}"
            );
            assert!(
                key(1).open_with_nonce(b"aad", &sealed[..position]).is_err(),
                "{position}"
            );
        }
    }
}
