//! The operator's listener.

use crate::enclave;
use crate::parent::{Parent, outcome};
use cofferdam_wire::cbor;
use cofferdam_wire::group::{RecoverRequest, Recovery, SealedShare};
use cofferdam_wire::link::Message;
use cofferdam_wire::{Code, limits};

#[tokio::test(flavor = "multi_thread")]
async fn genesis_happens_once_and_its_record_goes_to_every_new_link() {
    let parent = Parent::start().await;
    assert_eq!(
        parent.operator("/v1/operator/recover", vec![]).await,
        Err(Code::NotFound)
    );
    assert!(parent.enclave.asked(Message::Recover).is_empty());

    let genesis = parent
        .operator("/v1/operator/genesis", vec![1])
        .await
        .unwrap();
    assert_eq!(genesis, cbor::encode(&enclave::genesis()));
    assert_eq!(parent.enclave.asked(Message::Genesis), [[1]]);
    assert_eq!(
        parent.operator("/v1/operator/genesis", vec![1]).await,
        Err(Code::Conflict)
    );
    assert_eq!(
        parent.enclave.asked(Message::Genesis).len(),
        1,
        "the enclave is not asked again"
    );

    parent.enclave.restart();
    parent.enclave.wait_for(Message::Recover, 1).await;
    parent.until_ready().await;
    parent
        .operator("/v1/operator/recover", vec![])
        .await
        .unwrap();
    for request in parent.enclave.asked(Message::Recover) {
        let request: RecoverRequest = cbor::decode(&request, limits::FRAME_BODY).unwrap();
        assert_eq!(request.genesis, enclave::genesis().record);
        assert_eq!(
            request.vendor_statement,
            std::fs::read(parent.directory.path().join("statement")).unwrap()
        );
    }
    assert_eq!(parent.enclave.asked(Message::Recover).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_genesis_leaves_the_place_free() {
    let parent = Parent::start().await;
    parent.enclave.refuse(Message::Genesis, Code::OutOfRange);
    for _ in 0..2 {
        assert_eq!(
            parent.operator("/v1/operator/genesis", vec![1]).await,
            Err(Code::OutOfRange)
        );
    }
    assert_eq!(parent.enclave.asked(Message::Genesis).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_and_health_pass_through() {
    let parent = Parent::start().await;
    let share = cbor::encode(&SealedShare {
        officer: 1,
        enc: vec![2; 1120],
        ciphertext: vec![3; 100],
    });
    let reply = parent
        .operator("/v1/operator/shares", share.clone())
        .await
        .unwrap();
    assert_eq!(
        reply,
        cbor::encode(&Recovery {
            have: 1,
            need: 2,
            complete: false
        })
    );
    assert_eq!(parent.enclave.asked(Message::Share), [share]);
    assert_eq!(
        parent.operator("/v1/operator/shares", vec![0]).await,
        Err(Code::Malformed)
    );
    let health = parent
        .http
        .get(format!("{}/v1/operator/health", parent.operator_url));
    let health = outcome(
        health
            .bearer_auth(&parent.operator_token)
            .send()
            .await
            .unwrap(),
    )
    .await
    .unwrap();
    let health: serde_json::Value = serde_json::from_slice(&health).unwrap();
    assert_eq!(
        health,
        serde_json::json!({"ready": true, "keys": 3, "active": 2, "attested_ms": 1})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_nothing_reaches_the_enclave() {
    let parent = Parent::start().await;
    for token in [
        None,
        Some(""),
        Some("wrong"),
        Some(&parent.operator_token[..63]),
    ] {
        for path in ["genesis", "recover", "shares"] {
            let mut request = parent
                .http
                .post(format!("{}/v1/operator/{path}", parent.operator_url))
                .body(vec![1]);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            assert_eq!(
                outcome(request.send().await.unwrap()).await,
                Err(Code::Unauthorized)
            );
        }
    }
    assert!(parent.enclave.asked(Message::Genesis).is_empty());
    assert_eq!(
        parent.post("/v1/operator/genesis", vec![1]).await,
        Err(Code::NotFound),
        "not on the public listener"
    );
}
