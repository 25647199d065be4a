//! Files with exactly one defect each, and the sentence that each of them gets.

use super::*;
use ::der::pem::{LineEnding, decode_vec, encode_string};

fn der(pem: &[u8]) -> Vec<u8> {
    decode_vec(pem).unwrap().1
}

fn pem(label: &'static str, der: &[u8]) -> Vec<u8> {
    encode_string(label, LineEnding::LF, der)
        .unwrap()
        .into_bytes()
}

fn refused(file: &[u8]) -> KeyFileError {
    parse_private(file).unwrap_err()
}

/// Replaces the one place where `from` stands.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<_> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, window)| *window == from)
        .collect();
    assert_eq!(places.len(), 1, "the pattern stands exactly once");
    let at = places[0].0;
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

#[test]
fn another_kind_than_asked_for_is_refused() {
    let error = parse(KeyKind::Rsa4096, RSA_2048).unwrap_err();
    assert_eq!(
        error,
        KeyFileError::WrongKind {
            expected: KeyKind::Rsa4096,
            found: KeyKind::Rsa2048
        }
    );
    assert!(error.to_string().contains("--kind rsa-2048"));
    let error = parse(KeyKind::EcP384, ED25519).unwrap_err();
    assert_eq!(
        error,
        KeyFileError::WrongKind {
            expected: KeyKind::EcP384,
            found: KeyKind::Ed25519
        }
    );
    assert!(parse(KeyKind::Aes256, P256).is_err());
}

#[test]
fn the_block_must_be_alone() {
    let twice = [P256, ED25519].concat();
    assert_eq!(refused(&twice), KeyFileError::SeveralBlocks { count: 2 });
    assert_eq!(
        refused(key!("bad-ec-two-blocks.pem")),
        KeyFileError::SeveralBlocks { count: 2 }
    );
    assert_eq!(
        refused(&[b"Bag Attributes\n", P256].concat()),
        KeyFileError::TextOutside
    );
    assert_eq!(
        refused(&[P256, b"and more"].concat()),
        KeyFileError::TextOutside
    );
    assert!(parse_private(&[b"\n  \n", P256, b"\n\n"].concat()).is_ok());
}

#[test]
fn a_file_that_was_cut_is_told_apart_from_one_that_is_no_pem() {
    let text = std::str::from_utf8(P256).unwrap();
    let end = text.find("-----END").unwrap();
    for length in [28, 60, end - 1, end, end + 5] {
        assert!(
            matches!(
                refused(&P256[..length]),
                KeyFileError::CutPem { has: "begins", .. }
            ),
            "{length}"
        );
    }
    assert!(matches!(
        refused(&P256[1..]),
        KeyFileError::CutPem { has: "ends", .. }
    ));
    let sentence = refused(&P256[..60]).to_string();
    assert!(sentence.contains("END line is missing"), "{sentence}");
}

#[test]
fn encrypted_keys_are_named_with_the_way_out() {
    for file in [
        key!("bad-encrypted-pkcs8.pem"),
        key!("bad-encrypted-pkcs1.pem"),
    ] {
        assert_eq!(refused(file), KeyFileError::Encrypted);
        assert!(refused(file).to_string().contains("openssl pkey"));
    }
}

#[test]
fn files_that_are_no_private_keys_are_refused() {
    assert_eq!(refused(b""), KeyFileError::NotPem);
    assert_eq!(refused(&der(P256)), KeyFileError::NotPem);
    assert_eq!(refused(&[0xff; 40]), KeyFileError::NotPem);
    assert_eq!(
        refused(&vec![b' '; MAX_FILE_LEN + 1]),
        KeyFileError::TooLarge {
            limit: MAX_FILE_LEN,
            actual: MAX_FILE_LEN + 1
        }
    );
    assert_eq!(
        refused(key!("ec-p256-public.pem")),
        KeyFileError::PublicHalf
    );
    assert_eq!(
        refused(&pem("CERTIFICATE", &[1, 2, 3])),
        KeyFileError::Certificate
    );
    assert!(matches!(
        refused(&pem("CERTIFICATE REQUEST", &[1, 2, 3])),
        KeyFileError::UnexpectedBlock { .. }
    ));
    assert_eq!(
        refused(&pem("OPENSSH PRIVATE KEY", &[1, 2, 3])),
        KeyFileError::OpenSsh
    );
    let two_labels = String::from_utf8(P256.to_vec())
        .unwrap()
        .replace("END PRIVATE", "END PUBLIC");
    assert_eq!(refused(two_labels.as_bytes()), KeyFileError::DamagedPem);
    let bad_base64 = String::from_utf8(P256.to_vec())
        .unwrap()
        .replacen("MI", "M*", 1);
    assert_eq!(refused(bad_base64.as_bytes()), KeyFileError::DamagedPem);
}

#[test]
fn cut_and_lengthened_structures_are_refused() {
    for (file, label) in [
        (RSA_2048, pem::PKCS8),
        (RSA_2048_PKCS1, pem::PKCS1),
        (P256_SEC1, pem::SEC1),
        (ED25519, pem::PKCS8),
    ] {
        let der = der(file);
        for end in [1, 2, 10, der.len() / 2, der.len() - 1] {
            assert!(matches!(
                refused(&pem(label, &der[..end])),
                KeyFileError::Malformed { .. }
            ));
        }
        let trailing = [&der[..], &[0]].concat();
        assert!(matches!(
            refused(&pem(label, &trailing)),
            KeyFileError::TrailingData { .. }
        ));
    }
}

#[test]
fn bytes_behind_the_inner_key_are_refused() {
    // Ed25519 in PKCS#8: 302e 0201 00 3005 0603 2b6570 0422 0420 seed. One byte more inside the outer octet string.
    let mut der = der(ED25519);
    der.push(0);
    der[1] += 1;
    der[13] += 1;
    assert_eq!(der[12], 0x04);
    assert_eq!(
        refused(&pem(pem::PKCS8, &der)),
        KeyFileError::TrailingData {
            structure: "Ed25519 private key"
        }
    );
}

#[test]
fn attributes_in_pkcs8_are_refused_by_name() {
    let mut der = der(ED25519);
    der.extend([0xa0, 0x00]);
    der[1] += 2;
    assert_eq!(refused(&pem(pem::PKCS8, &der)), KeyFileError::Attributes);
}

#[test]
fn an_ed25519_public_key_in_the_file_must_belong() {
    let valid = parse_private(ED25519).unwrap();
    let public = &valid.cose_key()[valid.cose_key().len() - 32 - 35..][..32];
    let version_2 = |public: &[u8]| {
        let mut der = der(ED25519);
        der[4] = 1;
        der[1] += 35;
        der.extend([0x81, 33, 0]);
        der.extend(public);
        pem(pem::PKCS8, &der)
    };
    assert_eq!(
        parse_private(&version_2(public)).unwrap().cose_key(),
        valid.cose_key()
    );
    let mut other = public.to_vec();
    other[0] ^= 1;
    assert_eq!(refused(&version_2(&other)), KeyFileError::PublicMismatch);
}

#[test]
fn unknown_algorithms_and_curves_are_named() {
    assert_eq!(
        refused(key!("bad-x25519.pem")),
        KeyFileError::UnknownAlgorithm {
            oid: "1.3.101.110".into()
        }
    );
    assert_eq!(
        refused(key!("bad-rsa-pss.pem")),
        KeyFileError::UnknownAlgorithm {
            oid: "1.2.840.113549.1.1.10".into()
        }
    );
    assert_eq!(
        refused(key!("bad-ec-secp256k1.pem")),
        KeyFileError::UnknownCurve {
            curve: "1.3.132.0.10".into()
        }
    );
    assert!(matches!(
        refused(key!("bad-ec-explicit.pem")),
        KeyFileError::Malformed { .. }
    ));
}

#[test]
fn t39_rsa_keys_of_other_shapes_are_refused() {
    use crate::crypto::public_key::PublicKeyError;
    assert_eq!(
        refused(key!("bad-rsa-1024.pem")),
        KeyFileError::PublicKey(PublicKeyError::Modulus { bits: 1024 })
    );
    assert_eq!(
        refused(key!("bad-rsa-exponent-3.pem")),
        KeyFileError::PublicKey(PublicKeyError::Exponent)
    );
    assert_eq!(
        refused(key!("bad-rsa-three-primes.pem")),
        KeyFileError::MultiPrime
    );
}

#[test]
fn rsa_numbers_of_impossible_length_are_refused() {
    let der = der(RSA_2048_PKCS1);
    let numbers = ::pkcs1::RsaPrivateKeyRef::try_from(&der[..]).unwrap();
    for (name, number) in [
        ("p", numbers.prime1.as_bytes()),
        ("q", numbers.prime2.as_bytes()),
        ("d", numbers.private_exponent.as_bytes()),
        ("dP", numbers.exponent1.as_bytes()),
        ("dQ", numbers.exponent2.as_bytes()),
    ] {
        // An even prime or exponent; for d a number of one bit in the same length.
        let mut changed = number.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        let error = parse_private(&pem(pem::PKCS1, &replaced(&der, number, &changed)));
        match name {
            "d" => assert!(error.is_ok(), "parity of d is the enclave's to check"),
            number => assert_eq!(error.unwrap_err(), KeyFileError::RsaNumber { number }),
        }
    }
}

#[test]
fn ec_scalars_out_of_range_and_foreign_points_are_refused() {
    let der = der(P256_SEC1);
    let scalar = &der[7..39];
    for number in [[0; 32], [0xff; 32]] {
        let changed = replaced(&der, scalar, &number);
        assert_eq!(
            refused(&pem(pem::SEC1, &changed)),
            KeyFileError::Scalar {
                kind: KeyKind::EcP256
            }
        );
    }
    let mut other = scalar.to_vec();
    other[31] ^= 1;
    assert_eq!(
        refused(&pem(pem::SEC1, &replaced(&der, scalar, &other))),
        KeyFileError::PublicMismatch
    );
    let mut off_curve = der.clone();
    *off_curve.last_mut().unwrap() ^= 1;
    assert!(matches!(
        refused(&pem(pem::SEC1, &off_curve)),
        KeyFileError::PublicKey(_)
    ));
}

#[test]
fn the_curve_inside_must_be_the_curve_outside() {
    use ::der::Encode;
    use ::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
    let sec1 = der(P256_SEC1);
    let enveloped = |curve: &str| {
        let curve = ObjectIdentifier::new(curve).unwrap();
        let algorithm = spki::AlgorithmIdentifier {
            oid: pkcs8::EC,
            parameters: Some(AnyRef::from(&curve)),
        };
        let info = ::pkcs8::PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(&sec1).unwrap());
        pem(pem::PKCS8, &info.to_der().unwrap())
    };
    assert!(parse_private(&enveloped("1.2.840.10045.3.1.7")).is_ok());
    let p384_outside = enveloped("1.3.132.0.34");
    assert_eq!(
        refused(&p384_outside),
        KeyFileError::Malformed {
            structure: "EC private key"
        }
    );
    let unknown_outside = enveloped("1.2.840.10045.3.1.6");
    assert_eq!(
        refused(&unknown_outside),
        KeyFileError::UnknownCurve {
            curve: "1.2.840.10045.3.1.6".into()
        }
    );
}

#[test]
fn a_sec1_key_without_its_curve_is_refused_alone() {
    let der = der(key!("ec-p256-sec1-no-public.pem"));
    // Cut the [0] parameters off: version and scalar remain.
    let mut bare = der[..39].to_vec();
    bare[1] = 37;
    assert_eq!(
        refused(&pem(pem::SEC1, &bare)),
        KeyFileError::UnknownCurve {
            curve: "not named".into()
        }
    );
}
