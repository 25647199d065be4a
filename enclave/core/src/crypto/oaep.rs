//! The RSA-4096 key beside X-Wing (suite 2): RSA-OAEP with SHA-256 and MGF1-SHA-256 (RFC 8017).
//!
//! An opening never fails (T-30). What does not decrypt to 32 bytes gives a secret that nobody can predict and that is
//! the same each time, so an attacker who alters a ciphertext meets the commitment check behind this, its one error and
//! its one course of events, like everybody whose secret is wrong.

use super::secret::Secret32;
use super::{Failed, kdf};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use aws_lc_rs::signature::KeyPair as _;
use zeroize::Zeroizing;

/// Bytes of the modulus, and of every ciphertext.
pub(crate) const MODULUS: usize = 512;

/// A private key with what it answers when it cannot open.
pub(crate) struct UnwrapKey {
    private: OaepPrivateDecryptingKey,
    fallback: Secret32,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl UnwrapKey {
    /// Makes a key; about a second of work.
    pub(crate) fn generate() -> Result<Self, Failed> {
        let pair = KeyPair::generate(KeySize::Rsa4096)?;
        let public = pair.public_key();
        let private = PrivateDecryptingKey::from_pkcs8(pair.as_der()?.as_ref())?;
        Ok(Self {
            private: OaepPrivateDecryptingKey::new(private)?,
            fallback: Secret32::random()?,
            modulus: public.modulus().big_endian_without_leading_zero().to_vec(),
            exponent: public.exponent().big_endian_without_leading_zero().to_vec(),
        })
    }

    /// The modulus n, big endian.
    pub(crate) fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// The exponent e, big endian.
    pub(crate) fn exponent(&self) -> &[u8] {
        &self.exponent
    }

    /// The secret in a ciphertext, or one made up.
    pub(crate) fn open(&self, label: &[u8], ciphertext: &[u8]) -> Secret32 {
        // Made in every case, so that its time is spent in every case.
        let made_up = Secret32::from_slice(&kdf::mac(&self.fallback, ciphertext));
        let mut buffer = Zeroizing::new([0; MODULUS]);
        let opened = self.private.decrypt(
            &OAEP_SHA256_MGF1SHA256,
            ciphertext,
            &mut buffer[..],
            Some(label),
        );
        let opened = opened
            .ok()
            .and_then(|plaintext| Secret32::from_slice(plaintext));
        opened
            .or(made_up)
            .expect("invariant: an HMAC-SHA256 has 32 bytes")
    }
}

#[cfg(test)]
impl UnwrapKey {
    /// From a PKCS#8 document, for recorded layers.
    pub(crate) fn from_pkcs8(document: &[u8]) -> Result<Self, Failed> {
        let pair = KeyPair::from_pkcs8(document)?;
        let public = pair.public_key();
        Ok(Self {
            private: OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(document)?)?,
            fallback: Secret32::random()?,
            modulus: public.modulus().big_endian_without_leading_zero().to_vec(),
            exponent: public.exponent().big_endian_without_leading_zero().to_vec(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use rsa::rand_core::OsRng;
    use rsa::{BigUint, Oaep, RsaPublicKey};

    fn seal(key: &UnwrapKey, label: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let n = BigUint::from_bytes_be(key.modulus());
        let e = BigUint::from_bytes_be(key.exponent());
        let mut padding = Oaep::new::<rsa::sha2::Sha256>();
        // Labels are strings in this crate; ours are CBOR of ASCII contexts and hashes, so tests use ASCII.
        padding.label = Some(String::from_utf8(label.to_vec()).unwrap());
        RsaPublicKey::new(n, e)
            .unwrap()
            .encrypt(&mut OsRng, padding, plaintext)
            .unwrap()
    }

    #[test]
    fn t30_the_second_implementation_seals_and_every_defect_gives_a_steady_made_up_secret() {
        let key = UnwrapKey::generate().unwrap();
        assert_eq!(
            (key.modulus().len(), key.exponent()),
            (MODULUS, &[1, 0, 1][..])
        );
        let sealed = seal(&key, b"label", &[7; 32]);
        assert_eq!(key.open(b"label", &sealed).expose(), &[7; 32]);

        let mut altered = sealed.clone();
        altered[100] ^= 1;
        let beyond_the_modulus = [0xff; MODULUS];
        let short_secret = seal(&key, b"label", &[7; 31]);
        let long_secret = seal(&key, b"label", &[7; 33]);
        let defects = [
            &altered[..],
            &beyond_the_modulus,
            &short_secret,
            &long_secret,
            &sealed[..511],
            &[],
            &[1; 4096],
        ];
        for (index, defect) in defects.into_iter().enumerate() {
            let made_up = key.open(b"label", defect);
            assert_ne!(made_up.expose(), &[7; 32], "{index}");
            assert_eq!(
                made_up.expose(),
                key.open(b"label", defect).expose(),
                "{index}"
            );
        }
        assert_ne!(key.open(b"other", &sealed).expose(), &[7; 32]);
        assert_ne!(
            key.open(b"label", &altered).expose(),
            key.open(b"label", &short_secret).expose()
        );
    }
}
