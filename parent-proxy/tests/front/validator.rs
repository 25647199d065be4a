//! `GET /v1/validator/{id}`: the provider says of its keys which ones are in use.

use crate::parent::Parent;
use cofferdam::crypto::signing::verify_sign1;
use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::id::{Nonce, RecipientId};
use cofferdam_wire::transcript::Proof;
use cofferdam_wire::validator::{KeyStatus, ValidatorAnswer};
use cofferdam_wire::{Code, cbor, context, limits};

const NONCE: Nonce = Nonce([5; 32]);

fn path(key: &RecipientId) -> String {
    format!("/v1/validator/{key}?nonce={NONCE}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_that_are_offered_are_current_and_the_answer_is_signed() {
    let parent = Parent::start().await;
    // What the operator gives to customers, printed by the shipped program over the same directory.
    let config = parent.directory.path().join("parent.toml");
    std::fs::write(
        &config,
        crate::parent::config_text(
            parent.directory.path(),
            &parent.enclave.address(),
            "admit = \"all\"",
        ),
    )
    .unwrap();
    let printed = tokio::process::Command::new(env!("CARGO_BIN_EXE_cofferdam-parent-proxy"))
        .args(["--config", config.to_str().unwrap(), "validator-key"])
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let validator = PublicKey::from_cose(&hex::decode(printed.trim()).unwrap()).unwrap();

    let proof = parent
        .get(&format!("/v1/evidence?nonce={NONCE}"))
        .await
        .unwrap();
    let proof: Proof = cbor::decode(&proof, limits::PROOF).unwrap();
    assert_eq!(proof.provider_keys.len(), 2);
    let offered = proof
        .provider_keys
        .iter()
        .map(|key| (key.id(), KeyStatus::Current));
    for (key, status) in offered.chain([(RecipientId([9; 32]), KeyStatus::Unknown)]) {
        let answer = parent.get(&path(&key)).await.unwrap();
        let signed = CoseSign1::from_bytes(&answer, limits::VALIDATOR_ANSWER).unwrap();
        let payload = verify_sign1(&validator, context::VALIDATOR_ANSWER, &signed).unwrap();
        let answer: ValidatorAnswer = cbor::decode(payload, limits::VALIDATOR_ANSWER).unwrap();
        assert_eq!(
            (answer.key, answer.nonce, answer.status),
            (key, NONCE, status)
        );
        assert!(answer.valid_for_s > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_a_whole_id_or_nonce_is_malformed() {
    let parent = Parent::start().await;
    let key = RecipientId([9; 32]);
    assert!(parent.get(&path(&key)).await.is_ok());
    for path in [
        format!("/v1/validator/{}?nonce={NONCE}", &key.to_string()[2..]),
        format!("/v1/validator/{key}?nonce=00"),
        format!("/v1/validator/{key}"),
        format!("/v1/validator/{key}?nonce={NONCE}&more=1"),
    ] {
        assert_eq!(parent.get(&path).await, Err(Code::Malformed), "{path}");
    }
}
