//! One example of every message that crosses a border. Strings that the codec does not look into are short here.

mod imports;
mod proofs;
mod sessions;
mod statuses;

use cofferdam_wire::cbor::DecodeError;
use cofferdam_wire::code::Code;
use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::kind::{Algorithm, KeyKind, Suite};
use cofferdam_wire::status::Status;
use cofferdam_wire::{cbor, limits};

use super::formats::Example;
pub(super) use imports::revocation;
pub(super) use proofs::proof;

/// Limit of what is decoded as a frame's body.
pub(super) const BODY: usize = limits::FRAME_BODY;

/// A time in the examples, Unix seconds.
const TIME_S: u64 = 1_800_000_000;

/// One example, with the strict decoder of its type.
macro_rules! example {
    ($message:literal, $form:literal, $type:ty, $limit:expr, $value:expr, $names:expr) => {
        $crate::vectors::formats::Example {
            message: $message,
            form: $form,
            limit: $limit,
            names: $names,
            bytes: cofferdam_wire::cbor::encode(&$value),
            decode: |bytes, limit| cofferdam_wire::cbor::decode::<$type>(bytes, limit).map(drop),
        }
    };
}
pub(super) use example;

/// Every example.
pub(super) fn examples() -> Vec<Example> {
    let mut all = keys();
    all.extend(imports::examples());
    all.extend(proofs::examples());
    all.extend(sessions::examples());
    all.extend(statuses::examples());
    all
}

fn keys() -> Vec<Example> {
    let signed = CoseSign1 {
        algorithm: -8,
        payload: vec![1, 2, 3],
        signature: [9; 64],
    };
    let by_p256 = CoseSign1 {
        algorithm: -7,
        ..signed.clone()
    };
    let names: &[&str] = &["protected", "unprotected", "payload", "signature"];
    vec![
        example!("PublicKey", "Ed25519", PublicKey, 128, ed25519(), &[]),
        example!("PublicKey", "P-256", PublicKey, 128, p256(), &[]),
        example!(
            "CoseSign1",
            "Ed25519",
            CoseSign1,
            limits::STATEMENT,
            signed,
            names
        ),
        example!(
            "CoseSign1",
            "P-256",
            CoseSign1,
            limits::STATEMENT,
            by_p256,
            names
        ),
    ]
}

fn ed25519() -> PublicKey {
    PublicKey::Ed25519([7; 32])
}

fn p256() -> PublicKey {
    PublicKey::P256 {
        x: [1; 32],
        y: [2; 32],
    }
}

/// The strict decoder of one type.
type Decode = fn(&[u8], usize) -> Result<(), DecodeError>;

/// What no derivation from an example gives.
pub(super) fn refused() -> Vec<(&'static str, &'static str, Vec<u8>, Decode)> {
    let public: Decode = |bytes, limit| cbor::decode::<PublicKey>(bytes, limit).map(drop);
    let signed: Decode = |bytes, limit| cbor::decode::<CoseSign1>(bytes, limit).map(drop);
    let key = ed25519().to_cose();
    let coordinates = &key[5..];
    let duplicate = [&[0xa4, 0x01, 0x01][..], &key[1..]].concat();
    let unsorted = [&[0xa3, 0x20, 0x06, 0x01, 0x01][..], coordinates].concat();
    let other_curve = [&[0xa3, 0x01, 0x01, 0x20, 0x04][..], coordinates].concat();
    let private = [&[0xa4][..], &key[1..], &[0x23, 0x58, 0x20], &[5; 32]].concat();
    let short = [
        &[0xa3, 0x01, 0x01, 0x20, 0x06, 0x21, 0x58, 0x1f][..],
        &[7; 31],
    ]
    .concat();
    let sign1 = |protected: &[u8], rest: &[u8]| {
        [&[0x84][..], protected, rest, &[0x58, 0x40], &[9; 64]].concat()
    };
    let eddsa = [0x43, 0xa1, 0x01, 0x27];
    let enums: [(&'static str, &'static str, u8, Decode); 5] = [
        (
            "Suite",
            "a number that is not assigned",
            3,
            |bytes, limit| cbor::decode::<Suite>(bytes, limit).map(drop),
        ),
        (
            "KeyKind",
            "a number that is not assigned",
            0,
            |bytes, limit| cbor::decode::<KeyKind>(bytes, limit).map(drop),
        ),
        (
            "Algorithm",
            "a number that is not assigned",
            17,
            |bytes, limit| cbor::decode::<Algorithm>(bytes, limit).map(drop),
        ),
        (
            "Status",
            "a number that is not assigned",
            4,
            |bytes, limit| cbor::decode::<Status>(bytes, limit).map(drop),
        ),
        (
            "Code",
            "a number that is not assigned",
            0,
            |bytes, limit| cbor::decode::<Code>(bytes, limit).map(drop),
        ),
    ];
    let mut all: Vec<_> = enums
        .map(|(message, defect, number, decode)| (message, defect, vec![number], decode))
        .into();
    all.extend([
        ("PublicKey", "a label twice", duplicate, public),
        ("PublicKey", "labels not in order", unsorted, public),
        ("PublicKey", "another curve (X25519)", other_curve, public),
        ("PublicKey", "a private part", private, public),
        ("PublicKey", "a coordinate of 31 bytes", short, public),
        (
            "CoseSign1",
            "another algorithm (-35)",
            sign1(&[0x44, 0xa1, 0x01, 0x38, 0x22], &[0xa0, 0x41, 1]),
            signed,
        ),
        (
            "CoseSign1",
            "an empty protected header",
            sign1(&[0x40], &[0xa0, 0x41, 1]),
            signed,
        ),
        (
            "CoseSign1",
            "an unprotected header",
            sign1(&eddsa, &[0xa1, 0x01, 0x27, 0x41, 1]),
            signed,
        ),
        (
            "CoseSign1",
            "a detached payload",
            sign1(&eddsa, &[0xa0, 0xf6]),
            signed,
        ),
        (
            "CoseSign1",
            "tag 18",
            [&[0xd2][..], &sign1(&eddsa, &[0xa0, 0x41, 1])].concat(),
            signed,
        ),
        (
            "CoseSign1",
            "200 arrays in one another",
            vec![0x81; 200],
            signed,
        ),
    ]);
    all
}
