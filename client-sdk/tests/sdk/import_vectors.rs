//! `vectors/import.json`: with the secrets that it names, every step of an import gives the bytes that it names, and each
//! layer opens to the next.

use cofferdam::crypto::hpke::PrivateKey;
use cofferdam::crypto::provider_rsa::ProviderRsaKey;
use cofferdam::crypto::secret::Secret32;
use cofferdam::crypto::signing::{SignatureKind, SigningKey, verify_sign1};
use cofferdam::layer::{open_rsa, open_xwing};
use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::id::{Handle, KeyId, Token};
use cofferdam_wire::import::{
    Control, ImportHeader, ImportRequest, Material, Payload, Receipt, Statement, check_value,
    control_hash, header_hash, material_hash, revocation_hash, vendor_layer_hash,
};
use cofferdam_wire::kind::KeyKind;
use cofferdam_wire::layer::{self, Layer, pad, recipient_id};
use cofferdam_wire::{cbor, context, limits};
use serde_json::Value;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    hex::decode(text(value, name)).unwrap()
}

fn signing_key(value: &Value) -> SigningKey {
    let public = PublicKey::from_cose(&bytes(value, "cose_key")).unwrap();
    let kind = match public {
        PublicKey::Ed25519(_) => SignatureKind::Ed25519,
        PublicKey::P256 { .. } => SignatureKind::P256,
    };
    let secret = Secret32::from_slice(&bytes(value, "private")).unwrap();
    let key = SigningKey::from_secret(kind, &secret).unwrap();
    assert_eq!(key.public(), public);
    assert_eq!(public.thumbprint().0.to_vec(), bytes(value, "thumbprint"));
    key
}

/// Opens a layer that is written out in the file, with the private key that is written out too.
fn opened(key: &Value, written: &Value, context: &str, header: &[u8]) -> Vec<u8> {
    let encoded = bytes(written, "layer");
    let sealed: Layer = cbor::decode(&encoded, limits::LAYER).unwrap();
    assert_eq!(sealed.enc, bytes(written, "enc"));
    assert_eq!(sealed.commitment.0.to_vec(), bytes(written, "commitment"));
    assert_eq!(sealed.ciphertext, bytes(written, "ciphertext"));
    let recipient = recipient_id(sealed.suite, &bytes(key, "public"));
    assert_eq!(sealed.recipient, recipient);
    assert_eq!(recipient.0.to_vec(), bytes(key, "recipient_id"));
    let bound = header_hash(header).0;
    assert_eq!(layer::info(context, &bound), bytes(written, "info"));
    let plaintext = match key["seed"].as_str() {
        Some(_) => {
            let seed = Secret32::from_slice(&bytes(key, "seed")).unwrap();
            open_xwing(
                &PrivateKey::from_seed(&seed),
                context,
                &bound,
                header,
                &sealed,
            )
        }
        None => {
            let rsa = ProviderRsaKey::from_pkcs8_pem(text(key, "pkcs8_pem").as_bytes()).unwrap();
            open_rsa(&rsa, context, &bound, header, &sealed)
        }
    };
    plaintext.unwrap().to_vec()
}

#[test]
fn wrp_1_rcp_6_each_step_of_the_written_imports_gives_the_next() {
    let file: Value = serde_json::from_str(include_str!("../../../vectors/import.json")).unwrap();
    let valid = file["valid"].as_array().unwrap();
    assert_eq!(valid.len(), 2);
    for case in valid {
        let keys = &file["keys"][format!("suite_{}", case["suite"])];
        let header = bytes(case, "header");
        assert_eq!(header_hash(&header).0.to_vec(), bytes(case, "bound"));

        // From outside in: what the parent and then the enclave get to see.
        let import: ImportRequest = cbor::decode(&bytes(case, "import"), limits::IMPORT).unwrap();
        assert_eq!(import.statement, bytes(case, "signed_statement"));
        assert_eq!(import.layer, bytes(&case["provider_layer"], "layer"));
        let provider = opened(
            &keys["provider"],
            &case["provider_layer"],
            context::LAYER_PROVIDER,
            &header,
        );
        assert_eq!(provider, bytes(&case["vendor_layer"], "layer"));
        let padded = opened(
            &keys["tee"],
            &case["vendor_layer"],
            context::LAYER_VENDOR,
            &header,
        );
        let payload = bytes(case, "payload");
        assert_eq!(padded, pad(payload.clone(), limits::PAYLOAD_STEP));

        // From inside out: what a customer makes.
        let material_bytes = bytes(case, "material");
        let material: Material<'_> = cbor::decode(&material_bytes, limits::MATERIAL).unwrap();
        assert_eq!(material.cose_key, bytes(case, "cose_key"));
        let control: Control = cbor::decode(&bytes(case, "control"), limits::CONTROL).unwrap();
        let release: Vec<u8> = release_secrets(case, &control);
        let made = Payload {
            control: &bytes(case, "control"),
            material: &material_bytes,
            release_secrets: &release,
        };
        assert_eq!(cbor::encode(&made), payload);
        let statement = Statement {
            header: header.clone(),
            vendor_layer: vendor_layer_hash(&provider),
            control: control_hash(&bytes(case, "control")),
            material: material_hash(&material_bytes),
            revocation: revocation_hash(control.revocation.as_ref(), &release),
        };
        let statement = cbor::encode(&statement);
        assert_eq!(statement, bytes(case, "statement"));
        let key = KeyId::of(&statement);
        assert_eq!(key.0.to_vec(), bytes(case, "key_id"));
        let owner = signing_key(&case["owner"]);
        let signed = owner.sign1(context::STATEMENT, statement).to_bytes();
        assert_eq!(signed, import.statement);

        receipt_says_it(case, &header, &control, &material, key);
    }
}

fn release_secrets(case: &Value, control: &Control) -> Vec<u8> {
    let services = control.revocation.as_ref().unwrap().services();
    let written = case["services"].as_array().unwrap();
    assert_eq!(services.len(), written.len());
    for (service, written) in services.iter().zip(written) {
        let token = Token::from_slice(&bytes(written, "token")).unwrap();
        assert_eq!(service.token, token);
        assert_eq!(service.host, text(written, "host"));
        assert_eq!(service.status_root.to_cose(), bytes(written, "status_root"));
        assert_eq!(token.hash().0.to_vec(), bytes(written, "token_hash"));
        assert_eq!(Handle::of(&token).0.to_vec(), bytes(written, "handle"));
    }
    let secret = |service: &Value| bytes(service, "release_secret");
    written.iter().flat_map(secret).collect()
}

fn receipt_says_it(
    case: &Value,
    header: &[u8],
    control: &Control,
    material: &Material<'_>,
    key: KeyId,
) {
    let header: ImportHeader = cbor::decode(header, limits::IMPORT_HEADER).unwrap();
    let signed = CoseSign1::from_bytes(&bytes(case, "signed_receipt"), limits::RECEIPT).unwrap();
    let instance = signing_key(&case["instance"]).public();
    verify_sign1(&instance, context::RECEIPT, &signed).unwrap();
    assert_eq!(signed.payload, bytes(case, "receipt"));
    let receipt: Receipt = cbor::decode(&signed.payload, limits::RECEIPT).unwrap();
    assert_eq!(receipt.key, key);
    assert_eq!(receipt.group, header.group);
    assert_eq!(receipt.partition, header.partition_id());
    assert_eq!(receipt.partition.0.to_vec(), bytes(case, "partition_id"));
    assert_eq!(receipt.transcript, header.transcript);
    assert_eq!(receipt.policy, control.policy);
    let terms = control
        .revocation
        .as_ref()
        .map(|revocation| revocation.terms());
    assert_eq!(receipt.lease, terms);
    assert_eq!(receipt.hard_end_s, control.hard_end_s);
    assert_eq!(receipt.instance, instance.thumbprint());
    if control.policy.kind == KeyKind::Aes256 {
        let raw = &material.cose_key[material.cose_key.len() - 32..];
        assert_eq!(receipt.check_value, Some(check_value(material.salt, raw)));
        assert_eq!(receipt.public_key, None);
    } else {
        assert_eq!(receipt.check_value, None);
        // The same map without the label -4: four fields, and the last 35 bytes are gone.
        let private = material.cose_key;
        let public = [&[0xa4], &private[1..private.len() - 35]].concat();
        assert_eq!(receipt.public_key, Some(public));
    }
}
