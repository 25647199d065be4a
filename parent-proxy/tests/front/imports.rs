//! Imports: the good one, and each defect by itself, which must change nothing.

use crate::customer::{Customer, Parts};
use crate::parent::Parent;
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam_wire::Code;
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::frame::Frame;
use cofferdam_wire::id::{KeyId, RecipientId};
use cofferdam_wire::import::{ImportRequest, ReceiptBundle};
use cofferdam_wire::kind::{Suite, WrapMode};
use cofferdam_wire::layer::Layer;
use cofferdam_wire::link::{Message, Note, Reply};
use cofferdam_wire::{cbor, context, limits};

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_peeled_passed_on_stored_and_listed() {
    let parent = Parent::start().await;
    let customer = Customer::of(&parent).await;
    for (number, suite) in [(1, Suite::XWing), (2, Suite::RsaOaep)] {
        let parts = customer.parts(suite, number);
        let (key, request) = customer.request(&parts);
        let bundle = parent
            .post("/v1/imports", cbor::encode(&request))
            .await
            .unwrap();
        let bundle: ReceiptBundle = cbor::decode(&bundle, limits::PROOF).unwrap();
        assert_eq!(bundle.receipt, vec![number; 100]);
        assert_eq!(
            bundle.vendor_statement,
            std::fs::read(parent.directory.path().join("statement")).unwrap()
        );

        let seen: ImportRequest = cbor::decode(
            parent.enclave.asked(Message::Import).last().unwrap(),
            limits::IMPORT,
        )
        .unwrap();
        assert_eq!(seen.statement, request.statement);
        assert_eq!(seen.layer, parts.vendor_layer);
        let record = parent
            .enclave
            .ask(Message::FetchRecord, cbor::encode(&key))
            .await;
        assert_eq!(record, Reply::Done(vec![number; 2000]));
        let path = format!("/v1/keys/{key}");
        assert_eq!(
            customer.ask(&parent, &path, &path).await.unwrap(),
            cbor::encode(&bundle)
        );
    }
    assert_eq!(customer.keys(&parent).await.len(), 2);
    assert_eq!(Customer::of(&parent).await.keys(&parent).await, []);
    assert_eq!(
        customer.ask(&parent, "/v1/keys", "/v1/keys/0").await,
        Err(Code::Unauthorized)
    );
    let unknown = parent
        .enclave
        .ask(Message::FetchRecord, cbor::encode(&KeyId([9; 32])))
        .await;
    assert_eq!(unknown, Reply::Refused(Code::NotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_import_gives_a_fresh_receipt_and_keeps_the_first_record() {
    let parent = Parent::start().await;
    let customer = Customer::of(&parent).await;
    let (key, request) = customer.request(&customer.parts(Suite::XWing, 1));
    for number in 1..3 {
        let bundle = parent
            .post("/v1/imports", cbor::encode(&request))
            .await
            .unwrap();
        let bundle: ReceiptBundle = cbor::decode(&bundle, limits::PROOF).unwrap();
        assert_eq!(bundle.receipt, vec![number; 100]);
    }
    let record = parent
        .enclave
        .ask(Message::FetchRecord, cbor::encode(&key))
        .await;
    assert_eq!(record, Reply::Done(vec![1; 2000]));
    assert_eq!(customer.keys(&parent).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn prx_1_prx_2_prx_4_prx_5_prx_6_prx_7_t10_t76_each_bad_import_is_refused_before_the_enclave()
{
    let parent = Parent::start().await;
    let customer = Customer::of(&parent).await;
    let stranger = SigningKey::generate(SignatureKind::P256);
    for suite in [Suite::XWing, Suite::RsaOaep] {
        let changed = |change: &dyn Fn(&mut Parts)| {
            let mut parts = customer.parts(suite, 1);
            change(&mut parts);
            cbor::encode(&customer.request(&parts).1)
        };
        let altered = |change: &dyn Fn(&mut ImportRequest)| {
            let mut request = customer.request(&customer.parts(suite, 1)).1;
            change(&mut request);
            cbor::encode(&request)
        };
        let with_layer = |change: &dyn Fn(&mut Layer)| {
            altered(&|request| {
                let mut layer: Layer = cbor::decode(&request.layer, limits::LAYER).unwrap();
                change(&mut layer);
                request.layer = cbor::encode(&layer);
            })
        };
        let other_key = customer
            .provider
            .iter()
            .find(|key| key.suite != suite)
            .unwrap();
        let mut cases: Vec<(&str, Vec<u8>, Code)> = vec![
            ("prx_1 empty", vec![], Code::Malformed),
            (
                "prx_1 truncated",
                changed(&|_| ())[..1000].to_vec(),
                Code::Malformed,
            ),
            (
                "prx_1 trailing",
                [changed(&|_| ()), vec![0]].concat(),
                Code::Malformed,
            ),
            (
                "prx_1 no statement",
                altered(&|request| request.statement = vec![0]),
                Code::Malformed,
            ),
            (
                "prx_1 no layer",
                altered(&|request| request.layer = vec![0]),
                Code::Malformed,
            ),
            (
                "prx_2 version",
                changed(&|parts| parts.header.version = 2),
                Code::UnsupportedVersion,
            ),
            (
                "prx_2 mode",
                changed(&|parts| parts.header.mode = WrapMode::Inside),
                Code::UnsupportedVersion,
            ),
            (
                "prx_4 unknown",
                changed(&|parts| parts.header.provider_key = RecipientId([0; 32])),
                Code::UnknownRecipient,
            ),
            (
                "prx_4 suite",
                changed(&|parts| parts.header.provider_suite = other_key.suite),
                Code::UnknownRecipient,
            ),
            (
                "prx_5 another owner",
                changed(&|parts| parts.header.owner = stranger.public()),
                Code::BadSignature,
            ),
            (
                "prx_6 other key",
                changed(&|parts| parts.seal_to = other_key.clone()),
                Code::UnwrapFailed,
            ),
            (
                "prx_6 context",
                changed(&|parts| parts.seal_context = context::CHALLENGE),
                Code::UnwrapFailed,
            ),
            (
                "prx_6 commitment",
                with_layer(&|layer| layer.commitment.0[0] ^= 1),
                Code::UnwrapFailed,
            ),
            (
                "prx_6 enc",
                with_layer(&|layer| layer.enc[9] ^= 1),
                Code::UnwrapFailed,
            ),
            (
                "prx_6 ciphertext",
                with_layer(&|layer| layer.ciphertext[9] ^= 1),
                Code::UnwrapFailed,
            ),
            (
                "prx_6 short enc",
                with_layer(&|layer| layer.enc.truncate(9)),
                Code::UnwrapFailed,
            ),
            (
                "prx_6 recipient",
                with_layer(&|layer| layer.recipient = other_key.id()),
                Code::UnwrapFailed,
            ),
            (
                "prx_7 another layer inside",
                changed(&|parts| parts.sealed_vendor_layer[50] ^= 1),
                Code::UnwrapFailed,
            ),
        ];
        let flipped = altered(&|request| {
            let mut signed = CoseSign1::from_bytes(&request.statement, limits::STATEMENT).unwrap();
            signed.signature[5] ^= 1;
            request.statement = signed.to_bytes();
        });
        cases.push(("prx_5 signature", flipped, Code::BadSignature));
        // The outer blob of another import of the same customer (T-01: layers do not travel).
        let other = customer.request(&customer.parts(suite, 2)).1;
        cases.push((
            "prx_6 another import's layer",
            altered(&|request| request.layer = other.layer.clone()),
            Code::UnwrapFailed,
        ));
        let both = altered(&|request| {
            request.layer = other.layer.clone();
            let mut signed = CoseSign1::from_bytes(&request.statement, limits::STATEMENT).unwrap();
            signed.signature[5] ^= 1;
            request.statement = signed.to_bytes();
        });
        cases.push((
            "t76 the signature comes before the private key",
            both,
            Code::BadSignature,
        ));
        for (name, body, code) in cases {
            assert_eq!(
                parent.post("/v1/imports", body).await,
                Err(code),
                "{name} {suite}"
            );
        }
    }
    assert_eq!(
        parent
            .post("/v1/imports", vec![0; limits::IMPORT + 1])
            .await,
        Err(Code::TooLarge)
    );
    assert_eq!(parent.enclave.asked(Message::Import).len(), 0);
    assert_eq!(customer.keys(&parent).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_enclave_stores_nothing() {
    let parent = Parent::start().await;
    let customer = Customer::of(&parent).await;
    parent.enclave.refuse(Message::Import, Code::WeakKey);
    let (key, request) = customer.request(&customer.parts(Suite::XWing, 1));
    assert_eq!(
        parent.post("/v1/imports", cbor::encode(&request)).await,
        Err(Code::WeakKey)
    );
    assert_eq!(customer.keys(&parent).await, []);
    let record = parent
        .enclave
        .ask(Message::FetchRecord, cbor::encode(&key))
        .await;
    assert_eq!(record, Reply::Refused(Code::NotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn prx_3_only_admitted_owners_import() {
    let parent = Parent::with(&format!("admit = [\"{}\"]", "00".repeat(32))).await;
    let customer = Customer::of(&parent).await;
    let (_, request) = customer.request(&customer.parts(Suite::XWing, 1));
    assert_eq!(
        parent.post("/v1/imports", cbor::encode(&request)).await,
        Err(Code::Unauthorized)
    );
    assert_eq!(parent.enclave.asked(Message::Import).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_has_a_limit_of_its_own() {
    let parent = Parent::with("admit = \"all\"\n[limits]\nkeys_per_partition = 2").await;
    let customer = Customer::of(&parent).await;
    let import = async |customer: &Customer, number| {
        parent
            .post(
                "/v1/imports",
                cbor::encode(&customer.request(&customer.parts(Suite::XWing, number)).1),
            )
            .await
    };
    assert!(import(&customer, 1).await.is_ok());
    assert!(import(&customer, 2).await.is_ok());
    assert_eq!(import(&customer, 3).await, Err(Code::Busy));
    assert!(
        import(&customer, 2).await.is_ok(),
        "a repeated import is no further key"
    );
    assert!(import(&Customer::of(&parent).await, 3).await.is_ok());
}

/// Two partitions of one owner, which has a limit over both; each of them has room by itself.
#[tokio::test(flavor = "multi_thread")]
async fn t38_a_new_partition_gives_an_owner_no_more_room() {
    let parent = Parent::with("admit = \"all\"\n[limits]\nkeys_per_owner = 2").await;
    let customer = Customer::of(&parent).await;
    let import = async |customer: &Customer, partition: &str, number| {
        let mut parts = customer.parts(Suite::XWing, number);
        parts.header.partition = partition.into();
        let request = cbor::encode(&customer.request(&parts).1);
        parent.post("/v1/imports", request).await
    };
    assert!(import(&customer, "payments", 1).await.is_ok());
    assert!(import(&customer, "another", 2).await.is_ok());
    assert_eq!(import(&customer, "a third", 3).await, Err(Code::Busy));
    assert_eq!(parent.enclave.asked(Message::Import).len(), 2);
    assert!(import(&customer, "another", 2).await.is_ok());
    assert_eq!(customer.keys(&parent).await.len(), 2);
    let other = Customer::of(&parent).await;
    assert!(import(&other, "payments", 3).await.is_ok());
}

/// None of these is stored when the others are looked at.
#[tokio::test(flavor = "multi_thread")]
async fn t38_imports_at_once_do_not_pass_the_limit() {
    let parent = Parent::with("admit = \"all\"\n[limits]\nkeys_per_owner = 2").await;
    let customer = Customer::of(&parent).await;
    let import = async |number| {
        let request = customer.request(&customer.parts(Suite::XWing, number)).1;
        parent.post("/v1/imports", cbor::encode(&request)).await
    };
    let (a, b, c, d, e) = tokio::join!(import(1), import(2), import(3), import(4), import(5));
    let refused = [a, b, c, d, e].into_iter().filter_map(Result::err);
    assert_eq!(refused.collect::<Vec<_>>(), [Code::Busy; 3]);
    assert_eq!(customer.keys(&parent).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn t39_a_new_partition_gives_an_owner_no_more_imports_a_minute() {
    let limits = "admit = \"all\"\n[limits]\nimports_per_minute_per_owner = 1";
    let parent = Parent::with(limits).await;
    let customer = Customer::of(&parent).await;
    let import = async |customer: &Customer, partition: &str| {
        let mut parts = customer.parts(Suite::XWing, 1);
        parts.header.partition = partition.into();
        let request = cbor::encode(&customer.request(&parts).1);
        parent.post("/v1/imports", request).await
    };
    assert!(import(&customer, "payments").await.is_ok());
    assert_eq!(import(&customer, "another").await, Err(Code::Busy));
    assert_eq!(parent.enclave.asked(Message::Import).len(), 1);
    let other = Customer::of(&parent).await;
    assert!(import(&other, "another").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_of_the_enclave_ends_a_key_for_ever() {
    let parent = Parent::start().await;
    let customer = Customer::of(&parent).await;
    for (number, note) in [
        (1, Note::Revoked as fn(KeyId) -> Note),
        (2, Note::Destroyed),
    ] {
        let (key, request) = customer.request(&customer.parts(Suite::XWing, number));
        parent
            .post("/v1/imports", cbor::encode(&request))
            .await
            .unwrap();
        parent.enclave.send(Frame {
            kind: Message::Note.number(),
            id: 0,
            body: cbor::encode(&note(key)),
        });
        for _ in 0..500 {
            if customer.keys(&parent).await.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let record = parent
            .enclave
            .ask(Message::FetchRecord, cbor::encode(&key))
            .await;
        assert_eq!(record, Reply::Refused(Code::NotFound));
        assert_eq!(
            parent.post("/v1/imports", cbor::encode(&request)).await,
            Err(Code::Revoked)
        );
    }
}
