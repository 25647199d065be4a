//! vectors/import.json: one whole import in each suite, from fixed secrets to the receipt, and imports with one defect each.
//!
//! Everything here is computed from names, so it is the same bytes each time. Suite 2 is a third hand at the
//! construction, beside the SDK's and the enclave's. Suite 1 is the SDK's own crate `hpke`, and hashes and layouts are those
//! of `wire`; what stands against the crate is the enclave's HPKE, which is its own. Tests of SDK, parent and enclave read the file and must agree with it.

mod defects;
mod draft;
mod keys;
mod seal;

use anyhow::ensure;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{Handle, KeyId};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::{self, Layer};
use cofferdam_wire::revocation::Revocation;
use cofferdam_wire::{cbor, context, import, limits};
use serde_json::{Value, json};

use defects::{DEFECTS, Defect, Refuser};
use draft::{Draft, Made, NOW_S};
use keys::{Part, Signer, cose_map};

/// The file.
pub(super) fn all() -> anyhow::Result<Value> {
    let first = Draft::suite_1("suite 1")?;
    let second = Draft::suite_2("suite 2")?;
    let public = p256_public(&first)?;
    let valid = [
        complete(&first, Some(public), None)?,
        complete(&second, None, Some(keys::fixed("suite 2, customer key")))?,
    ];
    let invalid = DEFECTS
        .iter()
        .map(refused)
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(json!({
        "about": "Imports of docs/protocol/import.md and wrapping.md with every secret that went in. The keys are public: use none.",
        "attested_s": NOW_S,
        "keys": {
            "suite_1": recipients(&first),
            "suite_2": recipients(&second),
        },
        "valid": valid,
        "invalid": invalid,
    }))
}

/// The public form of the P-256 key, as receipts have it.
fn p256_public(draft: &Draft) -> anyhow::Result<Vec<u8>> {
    let PublicKey::P256 { x, y } = Signer::p256("suite 1, customer key")?.public() else {
        anyhow::bail!("{}: not a P-256 key", draft.name);
    };
    Ok(cose_map(&[
        (1, Part::Number(2)),
        (-1, Part::Number(1)),
        (-2, Part::Bytes(&x)),
        (-3, Part::Bytes(&y)),
    ]))
}

fn recipients(draft: &Draft) -> Value {
    json!({ "provider": draft.provider.to_json(), "tee": draft.tee.to_json() })
}

fn signer(key: &Signer) -> Value {
    json!({
        "private": hex::encode(key.secret()),
        "cose_key": hex::encode(key.public().to_cose()),
        "thumbprint": hex::encode(key.public().thumbprint().0),
    })
}

fn complete(
    draft: &Draft,
    public: Option<Vec<u8>>,
    secret: Option<[u8; 32]>,
) -> anyhow::Result<Value> {
    let made = draft.make()?;
    let receipt = draft.receipt(&made, public, secret.as_ref().map(|secret| &secret[..]));
    let receipt = cbor::encode(&receipt);
    let signed_receipt = draft.instance.sign1(context::RECEIPT, &receipt).to_bytes();
    let services = draft
        .control
        .revocation
        .iter()
        .flat_map(Revocation::services);
    let services: Vec<_> = services
        .zip(draft.release_secrets.chunks(32))
        .map(|(service, release)| {
            json!({
                "host": service.host,
                "status_root": hex::encode(service.status_root.to_cose()),
                "token": hex::encode(service.token.0),
                "token_hash": hex::encode(service.token.hash().0),
                "handle": hex::encode(Handle::of(&service.token).0),
                "release_secret": hex::encode(release),
            })
        })
        .collect();
    Ok(json!({
        "suite": draft.tee.suite.number(),
        "owner": signer(&draft.owner),
        "instance": signer(&draft.instance),
        "group": hex::encode(draft.header.group.0),
        "partition_id": hex::encode(draft.header.partition_id().0),
        "transcript": hex::encode(draft.header.transcript.0),
        "cose_key": hex::encode(&draft.cose_key),
        "services": services,
        "header": hex::encode(&made.header),
        "bound": hex::encode(import::header_hash(&made.header).0),
        "control": hex::encode(&made.control),
        "material": hex::encode(&made.material),
        "payload": hex::encode(&made.payload),
        "vendor_layer": layer_json(draft, "vendor layer", context::LAYER_VENDOR, &made, &made.vendor)?,
        "provider_layer": layer_json(draft, "provider layer", context::LAYER_PROVIDER, &made, &made.provider)?,
        "statement": hex::encode(&made.statement),
        "signed_statement": hex::encode(&made.signed_statement),
        "key_id": hex::encode(KeyId::of(&made.statement).0),
        "import": hex::encode(&made.import),
        "receipt": hex::encode(&receipt),
        "signed_receipt": hex::encode(&signed_receipt),
    }))
}

fn layer_json(
    draft: &Draft,
    name: &str,
    context: &str,
    made: &Made,
    encoded: &[u8],
) -> anyhow::Result<Value> {
    let sealed: Layer = cbor::decode(encoded, limits::LAYER)?;
    let randomness = draft.randomness(name).0;
    let (first, second) = randomness.split_at(32);
    let names = match sealed.suite {
        Suite::XWing => ["ml_kem_message", "x25519_private"],
        Suite::RsaOaep => ["secret", "oaep_seed"],
    };
    let bound = import::header_hash(&made.header);
    Ok(json!({
        (names[0]): hex::encode(first),
        (names[1]): hex::encode(second),
        "info": hex::encode(layer::info(context, &bound.0)),
        "enc": hex::encode(&sealed.enc),
        "commitment": hex::encode(sealed.commitment.0),
        "ciphertext": hex::encode(&sealed.ciphertext),
        "layer": hex::encode(encoded),
    }))
}

fn refused(defect: &Defect) -> anyhow::Result<Value> {
    let name = format!("suite {}, {}", defect.suite.number(), defect.name);
    let mut draft = match defect.suite {
        Suite::XWing => Draft::suite_1(&name)?,
        Suite::RsaOaep => Draft::suite_2(&name)?,
    };
    let whole = draft.make()?.import;
    (defect.put)(&mut draft);
    let spoiled = draft.make()?.import;
    ensure!(whole != spoiled, "{name}: the defect changes nothing");
    let refused_by: &[&str] = match defect.refuser {
        Refuser::ParentAlone => &["parent"],
        Refuser::Both => &["parent", "enclave"],
        Refuser::Enclave => &["enclave"],
    };
    Ok(json!({
        "suite": defect.suite.number(),
        "defect": defect.name,
        "check": defect.check,
        "refused_by": refused_by,
        "code": defect.code.number(),
        "import": hex::encode(spoiled),
    }))
}
