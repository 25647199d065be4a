//! Signed things and public keys of strangers. No input panics, and what is taken has exactly this one encoding (T-60).
#![no_main]

use cofferdam_wire::cose::{CoseSign1, PublicKey, read_rsa_public, rsa_public};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signed) = CoseSign1::from_bytes(bytes, bytes.len()) {
        assert_eq!(signed.to_bytes(), bytes);
        let message = CoseSign1::to_be_signed(signed.algorithm, "context", &signed.payload);
        let other = CoseSign1::to_be_signed(signed.algorithm, "another", &signed.payload);
        assert_ne!(message, other);
    }
    if let Ok(key) = PublicKey::from_cose(bytes) {
        assert_eq!(key.to_cose(), bytes);
        assert!(matches!(key.algorithm(), -8 | -7));
    }
    if let Ok((n, e)) = read_rsa_public(bytes) {
        assert_eq!(rsa_public(n, e), bytes);
    }
});
