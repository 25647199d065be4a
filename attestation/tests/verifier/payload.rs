//! ATT-06 to ATT-17: the map that the NSM signs.

use cofferdam_attestation::EvidenceError::{self, *};
use cofferdam_attestation::{
    MAX_CABUNDLE, MAX_CERTIFICATE, MAX_FIELD, MAX_MODULE_ID, Which, unverified_timestamp_ms, verify,
};

use crate::forge::{
    Forge, NOW_S, bytes, cabundle, expected, null, payload, pcrs, standard_pcrs, text, uint,
};

/// The standard document with one field replaced.
fn with(key: &'static str, value: Vec<u8>) -> EvidenceError {
    Forge::new().set(key, value).refused()
}

/// The standard document around another payload.
fn around(payload: &[u8]) -> EvidenceError {
    let forge = Forge::new();
    let (_, root) = forge.payload();
    verify(&forge.signed(payload), &root, NOW_S, &expected()).unwrap_err()
}

#[test]
fn att_06_payload_is_one_map() {
    for other in [&[][..], &[0x80], &[0xf6], &[0x40], &[0xff], &[0xc0, 0xa0]] {
        assert_eq!(around(other), Payload, "{other:02x?}");
    }
}

#[test]
fn att_06_indefinite_payload_is_fine() {
    let mut forge = Forge::new();
    forge.indefinite = true;
    assert!(forge.judge().is_ok());
}

#[test]
fn att_06_indefinite_containers_are_fine() {
    let mut forge = Forge::new();
    let bundle = forge.issue();
    let open = |head: u8, closed: Vec<u8>| [vec![head], closed[1..].to_vec(), vec![0xff]].concat();
    forge.certificates = Some(bundle.clone());
    forge.set("pcrs", open(0xbf, pcrs(&standard_pcrs())));
    forge.set("cabundle", open(0x9f, cabundle(&bundle[..3])));
    // Issued anew, the root is another: pin the one in the document.
    let (document, _) = forge.document();
    let root = cofferdam_attestation::Root::from_der(&bundle[0]).unwrap();
    assert!(verify(&document, &root, NOW_S, &expected()).is_ok());
}

#[test]
fn att_06_indefinite_map_without_its_end() {
    let mut forge = Forge::new();
    forge.indefinite = true;
    let (mut payload, _) = forge.payload();
    payload.pop();
    assert_eq!(around(&payload), Payload);
}

#[test]
fn att_06_map_in_a_longer_form() {
    let (payload, _) = Forge::new().payload();
    let longer = [&[0xb8, payload[0] & 0x1f], &payload[1..]].concat();
    assert_eq!(around(&longer), Payload);
}

#[test]
fn att_06_map_that_promises_more() {
    let (mut payload, _) = Forge::new().payload();
    payload[0] += 1;
    assert_eq!(around(&payload), Payload);
    let endless = [0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(around(&endless), Payload);
}

#[test]
fn att_06_key_that_is_no_text() {
    assert_eq!(around(&[0xa1, 0x01, 0x01]), Payload);
    assert_eq!(
        around(&[0xa1, 0x46, b'd', b'i', b'g', b'e', b's', b't', 0xf6]),
        Payload
    );
    assert_eq!(
        around(&[0xa1, 0x62, 0xff, 0xfe, 0xf6]),
        Payload,
        "not UTF-8"
    );
}

#[test]
fn att_06_fields_of_another_type() {
    assert_eq!(with("module_id", bytes(b"i-1")), Payload);
    assert_eq!(with("digest", bytes(b"SHA384")), Payload);
    assert_eq!(with("timestamp", text("1")), Payload);
    assert_eq!(with("timestamp", vec![0x20]), Payload, "a negative time");
    assert_eq!(
        with("timestamp", vec![0xfb, 0x42, 0x79, 0, 0, 0, 0, 0, 0]),
        Payload
    );
    assert_eq!(with("pcrs", vec![0x80]), Payload);
    assert_eq!(
        with("pcrs", vec![0xa1, 0x61, b'0', 0x40]),
        Payload,
        "an index as text"
    );
    assert_eq!(with("certificate", null()), Payload);
    assert_eq!(with("cabundle", bytes(b"certificate")), Payload);
    assert_eq!(with("cabundle", vec![0x81, 0x61, b'c']), Payload);
    for key in ["public_key", "user_data", "nonce"] {
        assert_eq!(with(key, text("x")), Payload, "{key}");
        assert_eq!(with(key, vec![0xf7]), Payload, "{key}: undefined");
        assert_eq!(
            with(key, vec![0x5f, 0x41, b'x', 0xff]),
            Payload,
            "{key}: in pieces"
        );
    }
}

#[test]
fn att_06_values_in_longer_forms() {
    assert_eq!(with("digest", b"\x78\x06SHA384".to_vec()), Payload);
    assert_eq!(with("nonce", vec![0x58, 0x01, 0x01]), Payload);
    let longer = [&[0x1b, 0, 0, 0, 0][..], &[0x6b, 0x49, 0xd2, 0x00]].concat();
    assert_eq!(with("timestamp", longer), Payload);
}

#[test]
fn att_06_nesting_costs_nothing() {
    assert_eq!(around(&[0x81; 12_000]), Payload);
    assert_eq!(around(&[0xbf; 12_000]), Payload);
    assert_eq!(with("cabundle", vec![0x81; 8_000]), Payload);
    assert_eq!(with("nonce", vec![0xd2; 8_000]), Payload);
}

#[test]
fn att_06_strings_longer_than_the_document() {
    let huge = [&[0x5b][..], &[0x7f; 8]].concat();
    assert_eq!(with("nonce", huge), Payload);
    let huge = [&[0x9b][..], &[0x7f; 8]].concat();
    assert_eq!(with("cabundle", huge), Payload);
}

#[test]
fn att_07_t05_every_key_only_once() {
    let (plain, root) = Forge::new().payload();
    assert!(plain[0] == 0xa9, "nine keys, all in use");
    drop(root);
    let mut forge = Forge::new();
    let issued = forge.issue();
    forge.set("certificate", bytes(&issued[3]));
    forge.set("cabundle", cabundle(&issued[..3]));
    for place in 0..9 {
        let mut fields = forge.fields.clone();
        fields.push(fields[place].clone());
        let judged = unverified_timestamp_ms(&forge.signed(&payload(&fields, false)));
        assert_eq!(judged, Err(DuplicateKey), "{}", fields[place].0);
    }
}

#[test]
fn att_07_null_and_a_value() {
    let mut forge = Forge::new();
    forge.fields.push(("nonce", null()));
    assert_eq!(forge.refused(), DuplicateKey);
    forge.fields.reverse();
    assert_eq!(forge.refused(), DuplicateKey);
}

#[test]
fn att_07_t05_pcr_twice() {
    let mut values = standard_pcrs();
    values.push((0, vec![0xee; 48]));
    assert_eq!(with("pcrs", pcrs(&values)), DuplicateKey);
}

#[test]
fn att_08_unknown_key() {
    for key in ["extra", "Nonce", "nonce ", ""] {
        let mut forge = Forge::new();
        forge.fields.push((key, null()));
        assert_eq!(forge.refused(), UnknownKey, "{key:?}");
    }
}

#[test]
fn att_09_mandatory_fields() {
    for key in ["module_id", "digest", "timestamp", "pcrs"] {
        let mut forge = Forge::new();
        forge.fields.retain(|(name, _)| *name != key);
        assert_eq!(forge.refused(), MissingField(key));
    }
    let forge = Forge::new();
    for key in ["certificate", "cabundle"] {
        let mut fields = forge.fields.clone();
        match key {
            "certificate" => fields.push(("cabundle", cabundle(&[vec![1]]))),
            _ => fields.push(("certificate", bytes(&[1]))),
        }
        assert_eq!(around(&payload(&fields, false)), MissingField(key));
    }
}

#[test]
fn att_10_module_id() {
    for fine in ["i", &"i".repeat(MAX_MODULE_ID)] {
        let evidence = Forge::new().set("module_id", text(fine)).judge().unwrap();
        assert_eq!(evidence.module_id(), fine);
    }
    let too_long = "i".repeat(MAX_MODULE_ID + 1);
    for bad in ["", &too_long, "i-1\nforged: line", "i 1", "\u{1b}[2J", "ï"] {
        assert_eq!(with("module_id", text(bad)), ModuleId, "{bad:?}");
    }
}

#[test]
fn att_11_t05_digest() {
    for other in ["SHA256", "SHA512", "sha384", "SHA384 ", ""] {
        assert_eq!(with("digest", text(other)), Digest, "{other:?}");
    }
}

#[test]
fn att_12_time_of_zero() {
    assert_eq!(with("timestamp", uint(0)), Timestamp);
}

#[test]
fn att_13_pcr_indices() {
    let mut values = standard_pcrs();
    values.push((31, vec![7; 48]));
    let evidence = Forge::new().set("pcrs", pcrs(&values)).judge().unwrap();
    assert_eq!(evidence.pcr(31), Some(&[7; 48]));
    assert_eq!(evidence.pcr(30), None);
    assert_eq!(evidence.pcr(200), None);
    for index in [32, 255, 256, u64::MAX] {
        values.pop();
        values.push((index, vec![7; 48]));
        assert_eq!(with("pcrs", pcrs(&values)), PcrIndex, "{index}");
    }
    assert_eq!(with("pcrs", pcrs(&[])), PcrIndex, "none at all");
}

#[test]
fn att_13_all_32_pcrs() {
    let mut values = standard_pcrs();
    values.extend((16..32).map(|index| (index, vec![1; 48])));
    assert!(Forge::new().set("pcrs", pcrs(&values)).judge().is_ok());
}

#[test]
fn att_14_pcr_length() {
    for length in [0, 32, 47, 49, 64] {
        let mut values = standard_pcrs();
        values[1].1 = vec![0xa1; length];
        let index = 1;
        assert_eq!(with("pcrs", pcrs(&values)), PcrLength { index }, "{length}");
    }
}

#[test]
fn att_15_certificate_sizes() {
    for length in [0, MAX_CERTIFICATE + 1] {
        let certificate = vec![0x30; length];
        let which = Which::Leaf;
        assert_eq!(
            with("certificate", bytes(&certificate)),
            CertificateSize { which }
        );
        let which = Which::Bundle(1);
        let bundle = cabundle(&[vec![0x30], certificate]);
        assert_eq!(with("cabundle", bundle), CertificateSize { which });
    }
    assert_eq!(
        with("certificate", bytes(&[0x30; MAX_CERTIFICATE])),
        CertificateMalformed
    );
}

#[test]
fn att_16_number_of_certificates() {
    assert_eq!(with("cabundle", cabundle(&[])), BundleCount);
    let bundle = vec![vec![0x30]; MAX_CABUNDLE + 1];
    assert_eq!(with("cabundle", cabundle(&bundle)), BundleCount);
    let bundle = vec![vec![0x30]; MAX_CABUNDLE];
    assert_eq!(with("cabundle", cabundle(&bundle)), CertificateMalformed);
}

#[test]
fn att_17_field_lengths() {
    for key in ["public_key", "user_data", "nonce"] {
        let fine = bytes(&[1; MAX_FIELD]);
        assert!(unverified_timestamp_ms(&Forge::new().set(key, fine).document().0).is_ok());
        let too_long = bytes(&[1; MAX_FIELD + 1]);
        assert_eq!(with(key, too_long), FieldLength(key));
    }
}

#[test]
fn att_17_null_is_absent() {
    for absent in [true, false] {
        let mut forge = Forge::new();
        for key in ["public_key", "user_data", "nonce"] {
            forge.set(key, null());
            if absent {
                forge.fields.retain(|(name, _)| *name != key);
            }
        }
        let (document, root) = forge.document();
        let evidence = verify(&document, &root, NOW_S, &Default::default()).unwrap();
        assert_eq!(evidence.public_key(), None);
        assert_eq!(evidence.user_data(), None);
        assert_eq!(evidence.nonce(), None);
    }
}
