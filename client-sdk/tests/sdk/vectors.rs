//! `vectors/layers.json`: what this side sealed once, both sides open for ever.

use cofferdam::crypto::hpke::PrivateKey;
use cofferdam::crypto::provider_rsa::ProviderRsaKey;
use cofferdam::crypto::secret::Secret32;
use cofferdam::layer::{open_rsa, open_xwing};
use cofferdam_wire::layer::{self, Layer};
use cofferdam_wire::{Code, cbor, limits};
use serde_json::Value;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex::decode(text(value, name)).unwrap()
}

#[test]
fn wrp_1_valid_layers_open_and_one_defect_is_the_one_refusal() {
    let file: Value = serde_json::from_str(include_str!("../../../vectors/layers.json")).unwrap();
    let xwing =
        PrivateKey::from_seed(&Secret32::from_slice(&bytes(&file["xwing"], "seed")).unwrap());
    assert_eq!(xwing.public().to_vec(), bytes(&file["xwing"], "public"));
    let rsa = ProviderRsaKey::from_pkcs8_pem(text(&file["rsa"], "pkcs8_pem").as_bytes()).unwrap();
    assert_eq!(
        rsa.public_key().to_cose(),
        bytes(&file["rsa"], "public_cose_key")
    );
    let open = |case: &Value| {
        let layer: Layer = cbor::decode(&bytes(case, "layer"), limits::LAYER).unwrap();
        let (context, aad) = (text(case, "context"), bytes(case, "aad"));
        let bound = bytes(case, "bound").try_into().unwrap();
        match case["suite"].as_u64() {
            Some(1) => open_xwing(&xwing, context, &bound, &aad, &layer),
            _ => open_rsa(&rsa, context, &bound, &aad, &layer),
        }
        .map(|plaintext| plaintext.to_vec())
    };
    let (valid, invalid) = (
        file["valid"].as_array().unwrap(),
        file["invalid"].as_array().unwrap(),
    );
    assert_eq!((valid.len(), invalid.len()), (6, 60));
    for case in valid {
        assert_eq!(open(case).unwrap(), bytes(case, "plaintext"));
        let bound = bytes(case, "bound").try_into().unwrap();
        assert_eq!(
            layer::info(text(case, "context"), &bound),
            bytes(case, "info")
        );
    }
    for case in invalid {
        assert_eq!(
            open(case),
            Err(Code::UnwrapFailed),
            "{}",
            text(case, "defect")
        );
    }
}
