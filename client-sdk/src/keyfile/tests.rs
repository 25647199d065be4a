//! Every kind of key file as it should be; the defects stand in [`defects`].
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use std::process::Command;

macro_rules! key {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/", $name)).as_slice()
    };
}

mod defects;

const RSA_2048: &[u8] = key!("rsa-2048.pem");
const RSA_2048_PKCS1: &[u8] = key!("rsa-2048-pkcs1.pem");
const P256: &[u8] = key!("ec-p256.pem");
const P256_SEC1: &[u8] = key!("ec-p256-sec1.pem");
const ED25519: &[u8] = key!("ed25519.pem");

const VALID: &[(KeyKind, &[u8])] = &[
    (KeyKind::Rsa2048, RSA_2048),
    (KeyKind::Rsa2048, RSA_2048_PKCS1),
    (KeyKind::Rsa3072, key!("rsa-3072.pem")),
    (KeyKind::Rsa4096, key!("rsa-4096.pem")),
    (KeyKind::EcP256, P256),
    (KeyKind::EcP256, P256_SEC1),
    (KeyKind::EcP256, key!("ec-p256-sec1-no-public.pem")),
    (KeyKind::EcP256, key!("ec-p256-sec1-compressed.pem")),
    (KeyKind::EcP384, key!("ec-p384.pem")),
    (KeyKind::EcP384, key!("ec-p384-sec1.pem")),
    (KeyKind::EcP521, key!("ec-p521.pem")),
    (KeyKind::EcP521, key!("ec-p521-sec1.pem")),
    (KeyKind::Ed25519, ED25519),
];

#[test]
fn every_valid_file_is_read_as_its_kind() {
    for (kind, file) in VALID {
        let material = parse(*kind, file).unwrap();
        assert_eq!(material.kind(), *kind);
        assert_eq!(material.public_key().unwrap().kind(), *kind);
    }
}

#[test]
fn the_formats_of_one_key_give_the_same_bytes() {
    let cose = |file: &[u8]| parse_private(file).unwrap().cose_key().to_vec();
    assert_eq!(cose(RSA_2048), cose(RSA_2048_PKCS1));
    for other in [
        P256_SEC1,
        key!("ec-p256-sec1-no-public.pem"),
        key!("ec-p256-sec1-compressed.pem"),
    ] {
        assert_eq!(cose(P256), cose(other));
    }
    let windows = String::from_utf8(P256.to_vec())
        .unwrap()
        .replace('\n', "\r\n");
    assert_eq!(cose(P256), cose(windows.as_bytes()));
}

#[test]
fn the_public_half_is_what_openssl_wrote() {
    for (private, public) in [
        (RSA_2048, key!("rsa-2048-public.pem")),
        (P256, key!("ec-p256-public.pem")),
        (key!("ec-p384.pem"), key!("ec-p384-public.pem")),
        (ED25519, key!("ed25519-public.pem")),
    ] {
        let material = parse_private(private).unwrap();
        assert_eq!(
            *material.public_key().unwrap(),
            public::parse(public).unwrap()
        );
    }
}

#[test]
fn the_cose_key_has_exactly_the_expected_fields() {
    let read = |file: &[u8]| {
        let material = parse_private(file).unwrap();
        let mut decoder = minicbor::Decoder::new(material.cose_key());
        let mut fields = Vec::new();
        for _ in 0..decoder.map().unwrap().unwrap() {
            let label = decoder.i8().unwrap();
            let length = match decoder.datatype().unwrap() {
                minicbor::data::Type::Bytes => decoder.bytes().unwrap().len(),
                _ => decoder.u8().unwrap().into(),
            };
            fields.push((label, length));
        }
        assert_eq!(decoder.position(), material.cose_key().len());
        fields
    };
    assert_eq!(read(P256), [(1, 2), (-1, 1), (-2, 32), (-3, 32), (-4, 32)]);
    assert_eq!(
        read(key!("ec-p384.pem")),
        [(1, 2), (-1, 2), (-2, 48), (-3, 48), (-4, 48)]
    );
    assert_eq!(
        read(key!("ec-p521.pem")),
        [(1, 2), (-1, 3), (-2, 66), (-3, 66), (-4, 66)]
    );
    assert_eq!(read(ED25519), [(1, 1), (-1, 6), (-2, 32), (-4, 32)]);
    let rsa = read(RSA_2048);
    assert_eq!(
        rsa.iter().map(|(label, _)| *label).collect::<Vec<_>>(),
        [1, -1, -2, -3, -4, -5, -6, -7, -8]
    );
    assert_eq!(
        [rsa[0].1, rsa[1].1, rsa[2].1, rsa[4].1, rsa[5].1],
        [3, 256, 3, 128, 128]
    );
}

#[test]
fn raw_keys_have_the_length_of_their_kind() {
    let bytes: Vec<u8> = (0..=200).collect();
    for (kind, length) in [
        (KeyKind::Aes128, 16),
        (KeyKind::Aes256, 32),
        (KeyKind::Hmac, 16),
        (KeyKind::Hmac, 33),
        (KeyKind::Hmac, 128),
    ] {
        let material = parse(kind, &bytes[..length]).unwrap();
        let mut expected = vec![0xa2, 0x01, 0x04, 0x20];
        expected.extend(if length < 24 {
            vec![0x40 + length as u8]
        } else {
            vec![0x58, length as u8]
        });
        expected.extend(&bytes[..length]);
        assert_eq!(material.cose_key(), expected);
        assert!(material.public_key().is_none());
    }
    for (kind, length) in [
        (KeyKind::Aes128, 15),
        (KeyKind::Aes128, 17),
        (KeyKind::Aes256, 16),
        (KeyKind::Aes256, 33),
        (KeyKind::Hmac, 0),
        (KeyKind::Hmac, 15),
        (KeyKind::Hmac, 129),
    ] {
        let error = parse(kind, &bytes[..length]).unwrap_err();
        assert!(
            matches!(error, KeyFileError::RawLength { actual, .. } if actual == length),
            "{error}"
        );
    }
    assert_eq!(
        parse(KeyKind::Aes256, &[0; 32]).unwrap_err(),
        KeyFileError::RawConstant
    );
    assert_eq!(
        parse(KeyKind::Hmac, &[0xff; 64]).unwrap_err(),
        KeyFileError::RawConstant
    );
}

#[test]
fn signing_keys_are_ed25519_and_p256_only() {
    for file in [P256, P256_SEC1, ED25519] {
        let key = signing_key(file).unwrap_or_else(|error| panic!("{error}"));
        let material = parse_private(file).unwrap();
        assert_eq!(
            Some(key.public()),
            material.public_key().unwrap().to_signer()
        );
    }
    for file in [RSA_2048, key!("ec-p384.pem")] {
        assert!(matches!(
            signing_key(file),
            Err(KeyFileError::NotASigner { .. })
        ));
    }
}

#[test]
fn nothing_secret_is_in_debug_or_errors() {
    let text = format!("{:?}", parse_private(P256).unwrap());
    assert_eq!(text, "Material { kind: EcP256, .. }");
}

/// Fresh keys from the command line, so that more than the checked-in ones were seen.
#[test]
fn keys_that_openssl_makes_now_are_read() {
    let commands: &[(KeyKind, &[&str])] = &[
        (
            KeyKind::Rsa2048,
            &[
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
            ],
        ),
        (
            KeyKind::EcP256,
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ],
        ),
        (
            KeyKind::EcP384,
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-384",
            ],
        ),
        (
            KeyKind::EcP521,
            &[
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-521",
            ],
        ),
        (
            KeyKind::EcP521,
            &["ecparam", "-name", "secp521r1", "-genkey", "-noout"],
        ),
        (KeyKind::Ed25519, &["genpkey", "-algorithm", "ED25519"]),
    ];
    for (kind, arguments) in commands {
        let Ok(output) = Command::new("openssl").args(*arguments).output() else {
            eprintln!("SKIPPED: no openssl command here, so no fresh keys were read");
            return;
        };
        assert!(output.status.success(), "openssl {arguments:?}");
        parse(*kind, &output.stdout).unwrap();
    }
}
