//! ATT-01 to ATT-05 and ATT-28: the COSE_Sign1 around the payload.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair};
use cofferdam_attestation::EvidenceError::{self, *};
use cofferdam_attestation::{MAX_DOCUMENT, unverified_timestamp_ms, verify};

use crate::forge::{Forge, NOW_S, PROTECTED_ES384, bytes, expected, null, sig_structure, sign};

#[test]
fn the_standard_document_is_evidence() {
    let evidence = Forge::new().judge().unwrap();
    assert_eq!(evidence.timestamp_ms(), NOW_S * 1000 + 250);
    assert_eq!(evidence.measurement().pcr1, [0xa1; 48]);
    assert_eq!(evidence.certificate_sha256s().len(), 4);
    assert_eq!(evidence.leaf_not_before_s(), NOW_S - 60);
    assert_eq!(evidence.leaf_not_after_s(), NOW_S + 3 * 3600 - 60);
}

#[test]
fn errors_name_their_rule() {
    let forge = Forge::new();
    let (_, root) = forge.document();
    let judged = verify(&forge.signed(&[]), &root, NOW_S, &expected());
    for error in [judged.unwrap_err(), Size { got: 0 }, Nonce, PublicKey] {
        let named = format!("ATT-{:02}: ", error.rule());
        assert!(error.to_string().starts_with(&named), "{error}");
    }
}

/// Verifies the standard document after a change to its bytes.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Result<(), EvidenceError> {
    let (mut document, root) = Forge::new().document();
    change(&mut document);
    verify(&document, &root, NOW_S, &expected()).map(drop)
}

#[test]
fn att_01_size() {
    assert_eq!(changed(Vec::clear), Err(Size { got: 0 }));
    let too_long = Err(Size {
        got: MAX_DOCUMENT + 1,
    });
    assert_eq!(changed(|d| d.resize(MAX_DOCUMENT + 1, 0)), too_long);
    assert_eq!(
        changed(|d| d.resize(MAX_DOCUMENT, 0)),
        Err(TrailingBytes),
        "the longest is looked at"
    );
}

#[test]
fn att_02_tag_18_or_none() {
    assert_eq!(changed(|d| d.insert(0, 0xd2)), Ok(()));
    assert_eq!(changed(|d| d.insert(0, 0xd1)), Err(Envelope));
    assert_eq!(
        changed(|d| drop(d.splice(0..0, [0xd2, 0xd2]))),
        Err(Envelope)
    );
    assert_eq!(
        changed(|d| drop(d.splice(0..0, [0xd8, 18]))),
        Err(Envelope),
        "tag 18 in a longer form"
    );
}

#[test]
fn att_02_array_of_four() {
    assert_eq!(changed(|d| d[0] = 0x83), Err(Envelope));
    assert_eq!(changed(|d| d[0] = 0x85), Err(Envelope));
    assert_eq!(changed(|d| d[0] = 0xa4), Err(Envelope));
    assert_eq!(
        changed(|d| drop(d.splice(0..1, [0x98, 0x04]))),
        Err(Envelope),
        "four in a longer form"
    );
    let indefinite = |d: &mut Vec<u8>| {
        d[0] = 0x9f;
        d.push(0xff);
    };
    assert_eq!(changed(indefinite), Err(Envelope));
}

#[test]
fn att_02_parts_in_shortest_form() {
    assert_eq!(
        changed(|d| drop(d.splice(1..2, [0x58, 0x04]))),
        Err(Envelope),
        "protected header"
    );
    // 7 bytes lead to the payload's head: array, header of 5, empty map.
    let longer = |d: &mut Vec<u8>| drop(d.splice(7..8, [0x5a, 0, 0]));
    assert_eq!(changed(longer), Err(Envelope), "payload");
    let longer = |d: &mut Vec<u8>| {
        let head = d.len() - 98;
        drop(d.splice(head..head + 2, [0x59, 0, 96]));
    };
    assert_eq!(changed(longer), Err(Envelope), "signature");
}

#[test]
fn att_02_truncated_anywhere() {
    let (document, root) = Forge::new().document();
    for length in 1..document.len() {
        assert!(verify(&document[..length], &root, NOW_S, &expected()).is_err());
    }
}

#[test]
fn att_02_payload_detached_or_of_another_type() {
    for payload in [null(), vec![0xa0], vec![0x60], vec![0x5f, 0xff]] {
        let forge = Forge::new();
        let mut document = vec![0x84];
        document.extend(bytes(PROTECTED_ES384));
        document.push(0xa0);
        document.extend(payload);
        document.extend(bytes(&[0; 96]));
        assert_eq!(unverified_timestamp_ms(&document), Err(Envelope));
        drop(forge);
    }
}

#[test]
fn att_03_t05_another_algorithm() {
    // ES256, ES512, EdDSA, "none", an algorithm by name, an empty header, an empty map, and the
    // -1 in the unsigned documents of QEMU's NSM.
    let others: [&[u8]; 8] = [
        &[0xa1, 0x01, 0x20],
        &[0xa1, 0x01, 0x26],
        &[0xa1, 0x01, 0x38, 0x23],
        &[0xa1, 0x01, 0x27],
        &[0xa1, 0x01, 0x00],
        b"\xa1\x01\x65ES384",
        &[],
        &[0xa0],
    ];
    for header in others {
        let mut forge = Forge::new();
        forge.protected = header.to_vec();
        assert_eq!(forge.refused(), Algorithm, "{header:02x?}");
    }
}

#[test]
fn att_03_more_than_the_algorithm() {
    // A key id beside it, the algorithm twice, the right value in longer forms.
    let others: [&[u8]; 4] = [
        &[0xa2, 0x01, 0x38, 0x22, 0x04, 0x40],
        &[0xa2, 0x01, 0x38, 0x22, 0x01, 0x38, 0x22],
        &[0xa1, 0x01, 0x39, 0x00, 0x22],
        &[0xbf, 0x01, 0x38, 0x22, 0xff],
    ];
    for header in others {
        let mut forge = Forge::new();
        forge.protected = header.to_vec();
        assert_eq!(forge.refused(), Algorithm, "{header:02x?}");
    }
}

#[test]
fn att_04_unprotected_header() {
    let others: [&[u8]; 3] = [
        &[0xa1, 0x04, 0x40],
        &[0xa1, 0x01, 0x38, 0x22],
        &[0xbf, 0xff],
    ];
    for header in others {
        let mut forge = Forge::new();
        forge.unprotected = header.to_vec();
        assert_eq!(forge.refused(), UnprotectedHeader, "{header:02x?}");
    }
}

#[test]
fn att_05_trailing_bytes() {
    assert_eq!(changed(|d| d.push(0)), Err(TrailingBytes));
    let forge = Forge::new();
    let (mut payload, root) = forge.payload();
    payload.push(0xf6);
    let judged = verify(&forge.signed(&payload), &root, NOW_S, &expected());
    assert_eq!(judged.unwrap_err(), TrailingBytes, "in the payload");
}

/// Verifies the standard payload under another signature.
fn under(signature: impl FnOnce(&Forge, &[u8]) -> Vec<u8>) -> Result<(), EvidenceError> {
    let forge = Forge::new();
    let (payload, root) = forge.payload();
    let document = forge.enveloped(&payload, &signature(&forge, &payload));
    verify(&document, &root, NOW_S, &expected()).map(drop)
}

#[test]
fn att_28_signature_of_96_bytes() {
    assert_eq!(under(Forge::signature), Ok(()));
    assert_eq!(under(|_, _| Vec::new()), Err(Signature));
    assert_eq!(under(|_, _| vec![0; 96]), Err(Signature));
    let shorter = |f: &Forge, p: &[u8]| f.signature(p)[..95].to_vec();
    assert_eq!(under(shorter), Err(Signature));
    let longer = |f: &Forge, p: &[u8]| [f.signature(p), vec![0]].concat();
    assert_eq!(under(longer), Err(Signature));
    let doubled = |f: &Forge, p: &[u8]| [f.signature(p), f.signature(p)].concat();
    assert_eq!(under(doubled), Err(Signature));
}

#[test]
fn att_28_signature_in_der() {
    let in_der = |f: &Forge, p: &[u8]| {
        let pkcs8 = f.plans[3].key.serialized_der();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8).unwrap();
        let message = sig_structure(PROTECTED_ES384, b"", p);
        let signature = key.sign(&SystemRandom::new(), &message).unwrap();
        signature.as_ref().to_vec()
    };
    assert_eq!(under(in_der), Err(Signature));
}

#[test]
fn att_28_signed_by_another_key() {
    for other in 0..3 {
        let by_an_issuer = |f: &Forge, p: &[u8]| {
            let message = sig_structure(PROTECTED_ES384, b"", p);
            sign(&f.plans[other].key, &message)
        };
        assert_eq!(under(by_an_issuer), Err(Signature));
    }
}

#[test]
fn att_28_signed_in_another_context() {
    let over_the_payload = |f: &Forge, p: &[u8]| sign(&f.plans[3].key, p);
    assert_eq!(under(over_the_payload), Err(Signature));
    let with_external_data =
        |f: &Forge, p: &[u8]| sign(&f.plans[3].key, &sig_structure(PROTECTED_ES384, b"x", p));
    assert_eq!(under(with_external_data), Err(Signature));
    let with_another_header =
        |f: &Forge, p: &[u8]| sign(&f.plans[3].key, &sig_structure(&[0xa1, 0x01, 0x26], b"", p));
    assert_eq!(under(with_another_header), Err(Signature));
}

#[test]
fn att_28_payload_changed_after_signing() {
    let forge = Forge::new();
    let (mut payload, root) = forge.payload();
    let signature = forge.signature(&payload);
    let place = payload.windows(6).position(|w| w == b"i-0123").unwrap();
    payload[place + 5] = b'4';
    let document = forge.enveloped(&payload, &signature);
    let judged = verify(&document, &root, NOW_S, &expected());
    assert_eq!(judged.unwrap_err(), Signature);
}
