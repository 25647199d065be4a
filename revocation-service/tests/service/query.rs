//! RSV-1 to RSV-7, RSV-12, RSV-13 and RSV-34: who may ask, each check right and with one defect.

use cofferdam::crypto::hpke::{PrivateKey, setup_sender};
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::Token;
use cofferdam_wire::layer::pad;
use cofferdam_wire::status::{SealedQuery, Status, query_info};
use cofferdam_wire::{Code, cbor, context, limits};

use crate::instance::{Instance, item, seal_by};
use crate::nsm::{decoded, flipped};
use crate::world::World;

const MINUTE_MS: u64 = 60_000;

#[tokio::test]
async fn rsv_1_only_one_sealed_query_within_the_limit_is_read() {
    let world = World::new().await;
    let key = world.active_key().await;
    let instance = Instance::new(&world.group);
    let sealed = instance.seal(
        &world.service_key(),
        world.draft(&instance, vec![item(key.token)]),
    );
    assert_eq!(world.send(&[]).await, Err(Code::Malformed));
    assert_eq!(
        world.send(&sealed[..sealed.len() - 1]).await,
        Err(Code::Malformed)
    );
    assert_eq!(
        world.send(&[&sealed[..], &[0]].concat()).await,
        Err(Code::Malformed)
    );
    assert_eq!(
        world.send(&vec![0; limits::STATUS_QUERY + 1]).await,
        Err(Code::TooLarge)
    );
    assert!(world.send(&sealed).await.is_ok());
}

#[tokio::test]
async fn rsv_2_a_key_that_is_not_in_force_opens_nothing() {
    let world = World::new().await;
    let instance = Instance::new(&world.group);
    let foreign = PrivateKey::generate().public();
    let sealed = instance.seal(&foreign, world.draft(&instance, vec![item(Token([7; 32]))]));
    assert_eq!(world.send(&sealed).await, Err(Code::UnknownRecipient));
}

#[tokio::test]
async fn rsv_3_what_does_not_open_or_is_not_padded_is_one_error() {
    let world = World::new().await;
    let instance = Instance::new(&world.group);
    let service_key = world.service_key();
    let sealed: SealedQuery = decoded(&instance.seal(
        &service_key,
        world.draft(&instance, vec![item(Token([7; 32]))]),
    ));
    let changed = SealedQuery {
        ciphertext: flipped(&sealed.ciphertext, 0),
        ..sealed.clone()
    };
    assert_eq!(
        world.send(&cbor::encode(&changed)).await,
        Err(Code::UnwrapFailed)
    );
    let changed = SealedQuery {
        enc: flipped(&sealed.enc, 1100),
        ..sealed.clone()
    };
    assert_eq!(
        world.send(&cbor::encode(&changed)).await,
        Err(Code::UnwrapFailed)
    );
    let changed = SealedQuery {
        enc: vec![],
        ..sealed.clone()
    };
    assert_eq!(
        world.send(&cbor::encode(&changed)).await,
        Err(Code::UnwrapFailed)
    );
    for plain in [
        vec![0; 100],
        vec![0; limits::STATUS_QUERY_STEP],
        pad(vec![], 7 * 8192 + 1),
    ] {
        let (enc, sender) = setup_sender(&service_key, &query_info(&sealed.service_key)).unwrap();
        let ciphertext = sender.seal(&[], &plain).unwrap();
        let query = SealedQuery {
            service_key: sealed.service_key,
            enc,
            ciphertext,
        };
        assert_eq!(
            world.send(&cbor::encode(&query)).await,
            Err(Code::UnwrapFailed)
        );
    }
}

#[tokio::test]
async fn rsv_4_the_content_is_one_query_within_its_limits() {
    let world = World::new().await;
    let instance = Instance::new(&world.group);
    let draft = || world.draft(&instance, vec![item(Token([7; 32]))]);
    assert!(world.ask_draft(&instance, draft()).await.is_ok());
    let mut query = draft();
    query.version = 2;
    assert_eq!(
        world.ask_draft(&instance, query).await.unwrap_err(),
        Code::UnsupportedVersion
    );
    let mut query = draft();
    query.items.clear();
    assert_eq!(
        world.ask_draft(&instance, query).await.unwrap_err(),
        Code::Malformed
    );
    let mut query = draft();
    query.items = vec![item(Token([7; 32])); limits::STATUS_ITEMS + 1];
    assert_eq!(
        world.ask_draft(&instance, query).await.unwrap_err(),
        Code::Malformed
    );
    let mut query = draft();
    query.evidence.resize(limits::EVIDENCE + 1, 0);
    assert_eq!(
        world.ask_draft(&instance, query).await.unwrap_err(),
        Code::Malformed
    );
    let mut query = draft();
    query.genesis.resize(limits::GENESIS_RECORD + 1, 0);
    assert_eq!(
        world.ask_draft(&instance, query).await.unwrap_err(),
        Code::Malformed
    );

    let (service_key, id) = (
        world.service_key(),
        decoded::<SealedQuery>(&instance.seal(&world.service_key(), draft())).service_key,
    );
    for plain in [
        vec![],
        vec![0x80],
        instance
            .key
            .sign1(context::STATUS_QUERY, vec![0x80])
            .to_bytes(),
    ] {
        let (enc, sender) = setup_sender(&service_key, &query_info(&id)).unwrap();
        let ciphertext = sender
            .seal(&[], &pad(plain, limits::STATUS_QUERY_STEP))
            .unwrap();
        let sealed = cbor::encode(&SealedQuery {
            service_key: id,
            enc,
            ciphertext,
        });
        assert_eq!(world.send(&sealed).await, Err(Code::Malformed));
    }
}

#[tokio::test]
async fn rsv_5_t78_a_query_signed_for_another_key_and_resealed_is_refused() {
    let world = World::new().await;
    let key = world.active_key().await;
    let instance = Instance::new(&world.group);
    let attackers = PrivateKey::generate().public();
    let draft = world.draft(&instance, vec![item(key.token)]);
    let resealed = seal_by(
        &instance.key,
        &attackers,
        &world.service_key(),
        draft.clone(),
    );
    assert_eq!(world.send(&resealed).await, Err(Code::UnknownRecipient));

    // Signed for this very key, but taken out of its seal and put into another one.
    let first: SealedQuery = decoded(&instance.seal(&world.service_key(), draft.clone()));
    let mut query = draft;
    query.service_key = first.service_key;
    query.enc = first.enc;
    let signed = instance
        .key
        .sign1(context::STATUS_QUERY, cbor::encode(&query))
        .to_bytes();
    let (enc, sender) =
        setup_sender(&world.service_key(), &query_info(&first.service_key)).unwrap();
    let ciphertext = sender
        .seal(&[], &pad(signed, limits::STATUS_QUERY_STEP))
        .unwrap();
    let sealed = cbor::encode(&SealedQuery {
        service_key: first.service_key,
        enc,
        ciphertext,
    });
    assert_eq!(world.send(&sealed).await, Err(Code::UnknownRecipient));
}

#[tokio::test]
async fn rsv_6_the_binding_fits_the_query() {
    let world = World::new().await;
    let items = || vec![item(Token([7; 32]))];
    let mut instance = Instance::new(&world.group);
    let mut query = world.draft(&instance, items());
    query.binding = vec![0x80];
    assert_eq!(
        world.ask_draft(&instance, query).await.unwrap_err(),
        Code::Malformed
    );
    let mut query = world.draft(&instance, items());
    query.group.0[0] ^= 1;
    assert_eq!(
        world.ask_draft(&instance, query).await.unwrap_err(),
        Code::Malformed
    );

    instance.binding.version = 2;
    assert_eq!(
        world.ask(&instance, items()).await.unwrap_err(),
        Code::UnsupportedVersion
    );
    instance = Instance::new(&world.group);
    instance.binding.setup.pop();
    assert_eq!(
        world.ask(&instance, items()).await.unwrap_err(),
        Code::Malformed
    );
    instance = Instance::new(&world.group);
    instance.binding.measurements = vec![instance.image; limits::MEASUREMENTS + 1];
    assert_eq!(
        world.ask(&instance, items()).await.unwrap_err(),
        Code::Malformed
    );
    instance = Instance::new(&world.group);
    instance.binding.instance = SigningKey::generate(SignatureKind::P256).public();
    assert!(matches!(instance.binding.instance, PublicKey::P256 { .. }));
    assert_eq!(
        world.ask(&instance, items()).await.unwrap_err(),
        Code::Malformed
    );
}

#[tokio::test]
async fn rsv_7_only_the_instance_key_signs() {
    let world = World::new().await;
    let key = world.active_key().await;
    let instance = Instance::new(&world.group);
    let other = SigningKey::generate(SignatureKind::Ed25519);
    let service_key = world.service_key();
    let sealed = seal_by(
        &other,
        &service_key,
        &service_key,
        world.draft(&instance, vec![item(key.token)]),
    );
    assert_eq!(world.send(&sealed).await, Err(Code::BadSignature));
}

#[tokio::test]
async fn rsv_12_other_groups_than_the_pinned_ones_are_refused() {
    let world = World::with(|config| config.groups = vec!["11".repeat(32)]).await;
    let instance = Instance::new(&world.group);
    assert_eq!(
        world
            .ask(&instance, vec![item(Token([7; 32]))])
            .await
            .unwrap_err(),
        Code::WrongGroup
    );
    let id = world.group.id.to_string();
    let world = world.restart(|config| config.groups.push(id)).await;
    assert!(
        world
            .ask(&instance, vec![item(Token([7; 32]))])
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn rsv_13_a_query_is_answered_once() {
    let world = World::new().await;
    let instance = Instance::new(&world.group);
    let query = world.draft(&instance, vec![item(Token([7; 32]))]);
    let sealed = instance.seal(&world.service_key(), query.clone());
    assert!(world.send(&sealed).await.is_ok());
    assert_eq!(world.send(&sealed).await, Err(Code::RequestExpired));
    assert_eq!(
        world.ask_draft(&instance, query).await.unwrap_err(),
        Code::RequestExpired
    );
}

#[tokio::test]
async fn rsv_34_a_query_to_the_previous_key_is_answered_under_the_new_one() {
    let world = World::with(|config| config.certificate_lifetime_s = 7200).await;
    let key = world.active_key().await;
    let old = world.service_key();
    let ask_old = async || {
        let instance = Instance::new(&world.group);
        let query = world.draft(&instance, vec![item(key.token)]);
        let nonce = query.nonce;
        let sealed = instance.seal(&old, query);
        let answer = world.send(&sealed).await?;
        let root = world.service.keyring().root();
        Ok::<_, Code>(instance.open(&root, &sealed, &nonce, &answer).items[0].status)
    };
    world.pass(60 * MINUTE_MS);
    world.service.tend().await;
    assert_ne!(world.service_key(), old);
    assert_eq!(ask_old().await, Ok(Status::Good));
    world.pass(60 * MINUTE_MS);
    assert_eq!(ask_old().await, Err(Code::UnknownRecipient));
    assert_eq!(world.hear(&key).await.status, Status::Good);
}

#[tokio::test]
async fn without_a_certified_key_nothing_is_answered() {
    let world = World::with(|config| config.certificate_lifetime_s = 3600).await;
    let instance = Instance::new(&world.group);
    world.pass(60 * MINUTE_MS);
    assert_eq!(world.service.status_keys().unwrap_err(), Code::NotReady);
    assert!(world.service.readiness().await.is_err());
    world.service.tend().await;
    assert!(
        world
            .ask(&instance, vec![item(Token([7; 32]))])
            .await
            .is_ok()
    );
}
