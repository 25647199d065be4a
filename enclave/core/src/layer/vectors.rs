//! vectors/layers.json, which the SDK sealed once: here the two implementations of a layer meet.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::Recipient;
use crate::crypto::oaep::UnwrapKey;
use crate::crypto::xwing::PrivateKey;
use base64::Engine as _;
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::{Layer, info};
use cofferdam_wire::{cbor, limits};
use serde_json::Value;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex::decode(text(value, name)).unwrap()
}

/// The content of a PEM file with one block.
fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    base64::engine::general_purpose::STANDARD
        .decode(lines.collect::<String>())
        .unwrap()
}

#[test]
fn wrp_1_t10_what_the_sdk_sealed_opens_and_every_defect_is_the_one_failure() {
    let file: Value =
        serde_json::from_str(include_str!("../../../../vectors/layers.json")).unwrap();
    let seed = bytes(&file["xwing"], "seed").try_into().unwrap();
    let xwing = Recipient::XWing(PrivateKey::from_seed(&seed));
    let rsa = UnwrapKey::from_pkcs8(&der(text(&file["rsa"], "pkcs8_pem"))).unwrap();
    let rsa = Recipient::Rsa(rsa);
    assert_eq!(xwing.public(), bytes(&file["xwing"], "public"));
    assert_eq!(rsa.public(), bytes(&file["rsa"], "public_cose_key"));
    let open = |case: &Value| {
        let layer: Layer = cbor::decode(&bytes(case, "layer"), limits::LAYER).unwrap();
        let bound = bytes(case, "bound").try_into().unwrap();
        let info = info(text(case, "context"), &bound);
        let recipient = if layer.suite == Suite::XWing {
            &xwing
        } else {
            &rsa
        };
        let opened = recipient.open(&layer, &info, &bytes(case, "aad"));
        opened.map(|plaintext| plaintext.expose().to_vec()).ok()
    };
    let (valid, invalid) = (
        file["valid"].as_array().unwrap(),
        file["invalid"].as_array().unwrap(),
    );
    assert_eq!((valid.len(), invalid.len()), (6, 60));
    for case in valid {
        assert_eq!(open(case), Some(bytes(case, "plaintext")));
    }
    for case in invalid {
        assert_eq!(open(case), None, "{}", text(case, "defect"));
    }
}
