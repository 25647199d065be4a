//! Key files: PEM around PKCS#8, PKCS#1, SEC1 and SPKI. No input panics, and what is taken becomes a COSE_Key that a
//! second CBOR decoder reads.
#![no_main]

use ciborium::Value;
use cofferdam::keyfile::{parse, parse_private, pkcs8_document, public, signing_key};
use cofferdam_wire::kind::KeyKind;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    match parse_private(file) {
        Ok(material) => {
            is_cose_key(material.cose_key());
            let again = parse(material.kind(), file).expect("of the kind that it is");
            assert_eq!(again.cose_key(), material.cose_key());
        }
        Err(_) => {
            assert!(signing_key(file).is_err());
            assert!(pkcs8_document(file).is_err());
        }
    }
    for kind in KeyKind::ALL.iter().filter(|kind| !kind.is_asymmetric()) {
        if let Ok(material) = parse(*kind, file) {
            is_cose_key(material.cose_key());
        }
    }
    if public::parse_signer(file).is_ok() {
        assert!(public::parse(file).is_ok());
    }
    let _ = public::parse_der(file);
});

fn is_cose_key(mut bytes: &[u8]) {
    let key: Value = ciborium::from_reader(&mut bytes).expect("what we write, others read");
    assert!(bytes.is_empty() && key.is_map());
}
