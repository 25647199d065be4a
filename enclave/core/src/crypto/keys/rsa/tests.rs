//! RSA keys of customers against the second implementation, and every way in which one can be weak.

use super::super::material::{COMPOSITE, PSEUDOPRIME, RsaNumbers, number};
use super::*;
use num_bigint::BigUint;
use rsa::rand_core::OsRng;
use rsa::sha2::{Digest, Sha256, Sha384, Sha512};
use rsa::{BigUint as TheirUint, Oaep, Pkcs1v15Sign, Pss, RsaPublicKey};

fn key(bits: usize) -> Key {
    Key::parse(&RsaNumbers::of(bits).to_cose(), bits, Factors::Test).unwrap()
}

fn public(bits: usize) -> RsaPublicKey {
    let numbers = RsaNumbers::of(bits);
    let theirs = |number: &BigUint| TheirUint::from_bytes_be(&number.to_bytes_be());
    RsaPublicKey::new(theirs(&numbers.n), theirs(&numbers.e)).unwrap()
}

/// The name of the weakness of a 2048-bit key after one change.
fn weakness(change: impl FnOnce(&mut RsaNumbers)) -> KeyError {
    let mut numbers = RsaNumbers::of(2048);
    change(&mut numbers);
    Key::parse(&numbers.to_cose(), 2048, Factors::Test)
        .map(drop)
        .unwrap_err()
}

#[test]
fn signatures_are_accepted_by_the_second_implementation() {
    for bits in [2048, 3072, 4096] {
        let (ours, theirs) = (key(bits), public(bits));
        let (short, medium, long) = (
            Sha256::digest(b"message"),
            Sha384::digest(b"message"),
            Sha512::digest(b"message"),
        );
        let cases = [
            (Algorithm::RsaPkcs1Sha256, &short[..]),
            (Algorithm::RsaPkcs1Sha384, &medium[..]),
            (Algorithm::RsaPkcs1Sha512, &long[..]),
            (Algorithm::RsaPssSha256, &short[..]),
            (Algorithm::RsaPssSha384, &medium[..]),
            (Algorithm::RsaPssSha512, &long[..]),
        ];
        for (algorithm, digest) in cases {
            for input in [Input::Message(b"message"), Input::Digest(digest)] {
                let signature = ours.sign(algorithm, input).unwrap();
                match algorithm {
                    Algorithm::RsaPkcs1Sha256 => {
                        theirs.verify(Pkcs1v15Sign::new::<Sha256>(), digest, &signature)
                    }
                    Algorithm::RsaPkcs1Sha384 => {
                        theirs.verify(Pkcs1v15Sign::new::<Sha384>(), digest, &signature)
                    }
                    Algorithm::RsaPkcs1Sha512 => {
                        theirs.verify(Pkcs1v15Sign::new::<Sha512>(), digest, &signature)
                    }
                    Algorithm::RsaPssSha256 => {
                        theirs.verify(Pss::new::<Sha256>(), digest, &signature)
                    }
                    Algorithm::RsaPssSha384 => {
                        theirs.verify(Pss::new::<Sha384>(), digest, &signature)
                    }
                    _ => theirs.verify(Pss::new::<Sha512>(), digest, &signature),
                }
                .unwrap();
                assert!(
                    ours.verify(algorithm, Input::Message(b"message"), &signature)
                        .unwrap()
                );
                assert!(
                    ours.verify(algorithm, Input::Digest(digest), &signature)
                        .unwrap()
                );
                assert!(
                    !ours
                        .verify(algorithm, Input::Message(b"massage"), &signature)
                        .unwrap()
                );
                assert!(
                    !ours
                        .verify(algorithm, Input::Message(b"message"), &signature[1..])
                        .unwrap()
                );
                let mut altered = signature.clone();
                altered[bits / 16] ^= 1;
                assert!(
                    !ours
                        .verify(algorithm, Input::Message(b"message"), &altered)
                        .unwrap()
                );
            }
        }
    }
}

#[test]
fn t47_a_signature_of_one_padding_or_hash_is_none_of_another() {
    let ours = key(2048);
    let signature = ours
        .sign(Algorithm::RsaPkcs1Sha256, Input::Message(b"message"))
        .unwrap();
    for other in [
        Algorithm::RsaPssSha256,
        Algorithm::RsaPkcs1Sha384,
        Algorithm::RsaPkcs1Sha512,
    ] {
        assert!(
            !ours
                .verify(other, Input::Message(b"message"), &signature)
                .unwrap()
        );
    }
    let wrong_length = ours.sign(Algorithm::RsaPkcs1Sha256, Input::Digest(&[0; 48]));
    assert_eq!(wrong_length, Err(OperationError::InputLength));
}

#[test]
fn oaep_of_the_second_implementation_opens_and_every_defect_is_the_one_failure() {
    let ours = key(3072);
    let sealed = public(3072)
        .encrypt(
            &mut OsRng,
            Oaep::new_with_label::<Sha256, _>("label"),
            b"plaintext",
        )
        .unwrap();
    let open = |label: &[u8], sealed: &[u8]| ours.decrypt(Algorithm::RsaOaepSha256, label, sealed);
    assert_eq!(open(b"label", &sealed).unwrap().expose(), b"plaintext");
    let failed = Some(OperationError::Failed(Failed));
    assert_eq!(open(b"Label", &sealed).err(), failed);
    assert_eq!(open(b"label", &sealed[1..]).err(), failed);
    assert_eq!(open(b"label", &[0xff; 384]).err(), failed);
    let mut altered = sealed.clone();
    altered[10] ^= 1;
    assert_eq!(open(b"label", &altered).err(), failed);

    let sealed = ours
        .encrypt(Algorithm::RsaOaepSha256, b"label", &[7; 318])
        .unwrap();
    assert_eq!(open(b"label", &sealed).unwrap().expose(), &[7; 318]);
    let too_long = ours.encrypt(Algorithm::RsaOaepSha256, b"label", &[7; 319]);
    assert_eq!(too_long, Err(OperationError::InputLength));
}

#[test]
fn the_public_half_is_n_and_e() {
    let numbers = RsaNumbers::of(4096);
    let expected = rsa_public(&numbers.n.to_bytes_be(), &numbers.e.to_bytes_be());
    assert_eq!(key(4096).public_cose(), expected);
}

#[test]
fn t39_composite_factors_that_aws_lc_accepts_are_refused_at_import() {
    for composite in [COMPOSITE, PSEUDOPRIME] {
        let q = RsaNumbers::of(2048).q;
        let cose = RsaNumbers::from_factors(number(composite), q.clone(), 65537).to_cose();
        assert!(Key::parse(&cose, 2048, Factors::WereTested).is_ok());
        let refused = Key::parse(&cose, 2048, Factors::Test).map(drop);
        assert_eq!(refused, Err(KeyError::Weak(WeakKey::CompositeFactor)));
    }
}

#[test]
fn imp_each_contradiction_is_refused() {
    let one = BigUint::from(1u8);
    let two = BigUint::from(2u8);
    let inconsistent = KeyError::Weak(WeakKey::Inconsistent);
    assert_eq!(weakness(|key| key.n += &two), inconsistent);
    assert_eq!(weakness(|key| key.d += &two), inconsistent);
    assert_eq!(weakness(|key| key.p += &two), inconsistent);
    assert_eq!(weakness(|key| key.q += &two), inconsistent);
    assert_eq!(weakness(|key| key.dp += &two), inconsistent);
    assert_eq!(weakness(|key| key.dq += &two), inconsistent);
    assert_eq!(weakness(|key| key.q_inverse += &one), inconsistent);
    assert_eq!(
        weakness(|key| std::mem::swap(&mut key.p, &mut key.q)),
        inconsistent
    );
    assert_eq!(weakness(|key| key.e += &two), inconsistent);
}

#[test]
fn imp_the_exponent_is_odd_at_least_65537_and_at_most_32_bits() {
    let with = |e: u64| weakness(|key| key.e = BigUint::from(e));
    let weak = KeyError::Weak(WeakKey::Exponent);
    for e in [1, 3, 17, 257, 65535, 65536, 65538, 0x1_0000_0001, u64::MAX] {
        assert_eq!(with(e), weak, "{e}");
    }
    assert_eq!(with(0xffff_ffff), KeyError::Weak(WeakKey::Inconsistent));
    let [p, q] = [RsaNumbers::of(2048).p, RsaNumbers::of(2048).q];
    let sound = [65539u64, 65543, 65551, 65557].into_iter().find(|e| {
        let e = BigUint::from(*e);
        e.modinv(&((&p - 1u8) * (&q - 1u8))).is_some()
    });
    let cose = RsaNumbers::from_factors(p, q, sound.unwrap()).to_cose();
    assert!(Key::parse(&cose, 2048, Factors::Test).is_ok());
    assert_eq!(weakness(|key| key.e = &key.n - 2u8), weak);
}

#[test]
fn t39_lengths_are_those_of_the_kind() {
    let parse =
        |numbers: &RsaNumbers, bits| Key::parse(&numbers.to_cose(), bits, Factors::Test).map(drop);
    let modulus = Err(KeyError::Weak(WeakKey::ModulusLength));
    assert_eq!(parse(&RsaNumbers::of(2048), 3072), modulus);
    assert_eq!(parse(&RsaNumbers::of(4096), 2048), modulus);
    let giant = weakness(|key| key.n = BigUint::from(1u8) << 16383u32);
    assert_eq!(Err(giant), modulus);
    let short_by_a_bit = weakness(|key| key.n >>= 1);
    assert_eq!(Err(short_by_a_bit), modulus);
    // 1536 + 512 bits: the product has the right length, the factors have not.
    let long = RsaNumbers::of(3072).p;
    let short = (BigUint::from(3u8) << 510u32) + 1u8;
    let weak =
        weakness(|key| (key.n, key.p, key.q) = (&long * &short, long.clone(), short.clone()));
    let expected = if (long * short).bits() == 2048 {
        WeakKey::FactorLength
    } else {
        WeakKey::ModulusLength
    };
    assert_eq!(weak, KeyError::Weak(expected));
}

#[test]
fn imp_close_factors_are_refused() {
    assert_eq!(
        weakness(|key| key.q = key.p.clone()),
        KeyError::Weak(WeakKey::FactorsTooClose)
    );
    assert_eq!(
        weakness(|key| key.q = &key.p + 2u8),
        KeyError::Weak(WeakKey::FactorsTooClose)
    );
}

#[test]
fn t60_a_leading_zero_is_malformed() {
    let numbers = RsaNumbers::of(2048);
    let n = [&[0][..], &numbers.n.to_bytes_be()].concat();
    let cose = super::super::material::cose(3, None, &[(-1, &n)]);
    assert_eq!(
        Key::parse(&cose, 2048, Factors::Test).map(drop),
        Err(KeyError::Malformed)
    );
}
