//! HKDF-SHA256 (RFC 5869) and HMAC-SHA256 (RFC 2104).
//!
//! `info` always starts with a context string of its own (`wire::context`), so a key that was derived for one purpose
//! is no key for another.

use super::secret::Secret32;
use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

/// HKDF-SHA256 with empty salt over the concatenated `ikm`. The parts must be of fixed length, or name their lengths.
pub(crate) fn derive(ikm: &[&[u8]], info: &[u8]) -> Secret32 {
    let prk = extract(&[], &Zeroizing::new(ikm.concat()));
    expand_secret(&prk, &[info])
}

/// HMAC-SHA256.
pub(crate) fn mac(key: &Secret32, message: &[u8]) -> [u8; 32] {
    let mut tag = [0; 32];
    mac_into(key.expose(), message, &mut tag);
    tag
}

/// HKDF-Extract. `salt` may itself be the secret, as it is in HPKE.
pub(super) fn extract(salt: &[u8], ikm: &[u8]) -> Secret32 {
    let filled: Result<_, std::convert::Infallible> = Secret32::filled(|prk| {
        mac_into(salt, ikm, prk);
        Ok(())
    });
    match filled {
        Ok(prk) => prk,
    }
}

/// HKDF-Expand to 32 bytes.
pub(super) fn expand_secret(prk: &Secret32, info: &[&[u8]]) -> Secret32 {
    let filled: Result<_, std::convert::Infallible> = Secret32::filled(|out| {
        expand(prk, info, out);
        Ok(())
    });
    match filled {
        Ok(secret) => secret,
    }
}

/// HKDF-Expand into a buffer of at most 255 * 32 bytes.
pub(super) fn expand(prk: &Secret32, info: &[&[u8]], out: &mut [u8]) {
    let prk = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, prk.expose());
    prk.expand(info, Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .expect("invariant: the core derives 12 or 32 bytes, far below the maximum of HKDF");
}

fn mac_into(key: &[u8], message: &[u8], tag: &mut [u8; 32]) {
    hmac::sign_to_buffer(&hmac::Key::new(hmac::HMAC_SHA256, key), message, tag)
        .expect("invariant: the buffer is as long as a tag of HMAC-SHA256");
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn derivation_is_the_hkdf_of_the_second_implementation() {
        let ours = derive(&[&[1; 32], &[2; 32]], b"info");
        let mut theirs = [0; 32];
        let ikm = [[1u8; 32], [2; 32]].concat();
        ::hkdf::Hkdf::<sha2::Sha256>::new(None, &ikm)
            .expand(b"info", &mut theirs)
            .unwrap();
        assert_eq!(ours.expose(), &theirs);
        assert_ne!(derive(&[&[1; 32], &[2; 32]], b"other").expose(), &theirs);
        assert_ne!(derive(&[&[1; 32], &[3; 32]], b"info").expose(), &theirs);
    }

    #[test]
    fn extract_and_expand_give_test_case_3_of_rfc_5869() {
        let prk = extract(&[], &[0x0b; 22]);
        let mut okm = [0; 42];
        expand(&prk, &[], &mut okm);
        assert_eq!(
            hex::encode(okm),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        );
    }

    #[test]
    fn a_mac_is_that_of_the_second_implementation() {
        use ::hmac::{Hmac, KeyInit, Mac};
        let ours = mac(&Secret32::from_slice(&[3; 32]).unwrap(), b"message");
        let theirs = Hmac::<sha2::Sha256>::new_from_slice(&[3; 32])
            .unwrap()
            .chain_update(b"message");
        assert_eq!(ours[..], theirs.finalize().into_bytes()[..]);
    }
}
