//! HKDF-SHA256 (RFC 5869, empty salt) and HMAC-SHA256 (RFC 2104).
//!
//! The info names the purpose (a context string in CBOR), so one secret gives unrelated keys.

use hkdf::HkdfExtract;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::secret::Secret32;

/// HKDF-SHA256 with an empty salt over the concatenation of `ikm`, expanded with `info` to 32 bytes.
pub fn derive(ikm: &[&[u8]], info: &[u8]) -> Secret32 {
    Secret32::filled(|bytes| derive_into(ikm, info, bytes))
}

/// Like [`derive`], for another length; the caller erases `output`.
///
/// # Panics
/// When `output` is longer than the 8,160 bytes that RFC 5869 allows, which no construction here asks for.
pub fn derive_into(ikm: &[&[u8]], info: &[u8], output: &mut [u8]) {
    let mut extract = HkdfExtract::<Sha256>::new(None);
    for part in ikm {
        extract.input_ikm(part);
    }
    let (mut pseudo_random_key, expander) = extract.finalize();
    zeroize::Zeroize::zeroize(pseudo_random_key.as_mut_slice());
    expander
        .expand(info, output)
        .expect("outputs are far below 255 * 32 bytes");
}

/// HMAC-SHA256 over the concatenation of `parts`. A key of any length is allowed (RFC 2104).
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    mac_over(key, parts).finalize().into_bytes().into()
}

/// Whether `tag` is the HMAC-SHA256 of `parts`, compared in constant time.
pub fn hmac_sha256_matches(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    mac_over(key, parts).verify_slice(tag).is_ok()
}

fn mac_over(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        hex::decode(text).unwrap()
    }

    /// RFC 5869 appendix A.3: empty salt, empty info, 42 bytes.
    #[test]
    fn hkdf_rfc_5869_case_3() {
        let mut output = [0; 42];
        derive_into(&[&[0x0b; 22]], b"", &mut output);
        let expected =
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
        assert_eq!(output.as_slice(), unhex(expected));
        assert!(derive(&[&[0x0b; 10], &[0x0b; 12]], b"").ct_eq(output[..32].try_into().unwrap()));
    }

    #[test]
    fn another_info_or_secret_gives_another_key() {
        let key = derive(&[b"secret"], b"a");
        assert!(!key.ct_eq(derive(&[b"secret"], b"b").expose()));
        assert!(!key.ct_eq(derive(&[b"secreT"], b"a").expose()));
    }

    /// RFC 4231 test case 2.
    #[test]
    fn hmac_rfc_4231_case_2() {
        let parts: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        let expected = unhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(hmac_sha256(b"Jefe", &parts).as_slice(), expected);
        assert!(hmac_sha256_matches(b"Jefe", &parts, &expected));
    }

    #[test]
    fn a_wrong_or_shortened_tag_does_not_match() {
        let mut tag = hmac_sha256(b"key", &[b"data"]);
        assert!(!hmac_sha256_matches(b"key", &[b"data"], &tag[..16]));
        tag[0] ^= 1;
        assert!(!hmac_sha256_matches(b"key", &[b"data"], &tag));
    }
}
