//! RSV-8 to RSV-11 (who asks is not known: refused) and RSV-14 to RSV-18 (no consent: "suspended", no release secret).

use cofferdam_wire::Code;
use cofferdam_wire::binding;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::group::genesis_user_data;
use cofferdam_wire::id::Digest;
use cofferdam_wire::status::Status;

use crate::instance::{Group, IMAGE, Instance, Said, item};
use crate::nsm::{Claims, Nsm, image};
use crate::world::{Key, START_S, World, accepted};

const HOUR_MS: u64 = 3_600_000;
const OTHER: u8 = 0xb0;

fn suspended() -> Said {
    Said {
        status: Status::Suspended,
        sequence: 1,
        grant_epoch: 0,
        release: None,
    }
}

async fn hears(world: &World, instance: &Instance, key: &Key) -> Said {
    world
        .ask(instance, vec![item(key.token)])
        .await
        .unwrap()
        .items
        .remove(0)
}

#[tokio::test]
async fn rsv_8_t70_evidence_that_does_not_verify_refuses_the_query() {
    let world = World::new().await;
    let key = world.active_key().await;
    let instance = Instance::new(&world.group);
    let PublicKey::Ed25519(public) = instance.key.public() else {
        panic!("an Ed25519 key")
    };
    let (user_data, spki) = (
        binding::user_data(&instance.binding()),
        binding::instance_spki(&public),
    );
    let claims = || Claims {
        measurement: instance.image,
        timestamp_ms: world.now_ms(),
        user_data: &user_data,
        public_key: Some(&spki),
        nonce: None,
    };
    let ask = async |evidence: Vec<u8>| {
        let mut query = world.draft(&instance, vec![item(key.token)]);
        query.evidence = evidence;
        world
            .ask_draft(&instance, query)
            .await
            .map(|answer| answer.items[0].status)
    };
    assert_eq!(ask(world.nsm.document(&claims())).await, Ok(Status::Good));

    let refused = Err(Code::EvidenceRefused);
    assert_eq!(
        ask(Nsm::new(START_S - 3600).document(&claims())).await,
        refused
    );
    let other_binding = Claims {
        user_data: &[0; 48],
        ..claims()
    };
    assert_eq!(ask(world.nsm.document(&other_binding)).await, refused);
    let other_key = Claims {
        public_key: Some(&[0; 44]),
        ..claims()
    };
    assert_eq!(ask(world.nsm.document(&other_key)).await, refused);
    let no_key = Claims {
        public_key: None,
        ..claims()
    };
    assert_eq!(ask(world.nsm.document(&no_key)).await, refused);
    let debug = Claims {
        measurement: image(0),
        ..claims()
    };
    assert_eq!(ask(world.nsm.document(&debug)).await, refused);
    let mut forged = world.nsm.document(&claims());
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(ask(forged).await, refused);
    assert_eq!(ask(vec![]).await, refused);
}

#[tokio::test]
async fn rsv_9_evidence_is_at_most_an_hour_old_also_when_it_is_known_already() {
    let world = World::new().await;
    let key = world.active_key().await;
    let instance = Instance::new(&world.group);
    let evidence = instance.evidence(&world.nsm, world.now_ms());
    let ask = async || {
        let mut query = world.draft(&instance, vec![item(key.token)]);
        query.evidence = evidence.clone();
        world
            .ask_draft(&instance, query)
            .await
            .map(|answer| answer.items[0].status)
    };
    assert_eq!(ask().await, Ok(Status::Good));
    world.pass(HOUR_MS - 1000);
    assert_eq!(ask().await, Ok(Status::Good));
    world.pass(1000);
    assert_eq!(ask().await, Ok(Status::Good));
    world.pass(1);
    assert_eq!(ask().await, Err(Code::EvidenceRefused));
}

#[tokio::test]
async fn rsv_10_the_genesis_record_is_that_of_the_group() {
    let world = World::new().await;
    let instance = Instance::new(&world.group);
    let other = Group::new(&world.nsm, image(IMAGE), START_S);
    for genesis in [
        other.record,
        vec![],
        vec![0x80],
        Group::record(&[0x80], vec![]),
    ] {
        let mut query = world.draft(&instance, vec![item(cofferdam_wire::id::Token([7; 32]))]);
        query.genesis = genesis;
        assert_eq!(
            world.ask_draft(&instance, query).await.unwrap_err(),
            Code::EvidenceRefused
        );
    }
}

#[tokio::test]
async fn rsv_11_the_genesis_evidence_was_made_for_this_genesis() {
    let world = World::new().await;
    let key = world.active_key().await;
    let mut instance = Instance::new(&world.group);
    let group = world.group.clone();
    let user_data = genesis_user_data(&group.body);
    let claims = || Claims {
        measurement: image(IMAGE),
        // At its own time; an hour would be too old for an instance.
        timestamp_ms: world.now_ms() - HOUR_MS / 2,
        user_data: &user_data,
        public_key: None,
        nonce: Some(&group.id.0),
    };
    let mut ask = async |evidence: Vec<u8>| {
        instance.group.record = Group::record(&group.body, evidence);
        world
            .ask(&instance, vec![item(key.token)])
            .await
            .map(|answer| answer.items[0].status)
    };
    assert_eq!(ask(world.nsm.document(&claims())).await, Ok(Status::Good));
    let refused = Err(Code::EvidenceRefused);
    let keyed = Claims {
        public_key: Some(&[1; 44]),
        ..claims()
    };
    assert_eq!(ask(world.nsm.document(&keyed)).await, refused);
    let other_nonce = Claims {
        nonce: Some(&[0; 32]),
        ..claims()
    };
    assert_eq!(ask(world.nsm.document(&other_nonce)).await, refused);
    let other_body = Claims {
        user_data: &[0; 48],
        ..claims()
    };
    assert_eq!(ask(world.nsm.document(&other_body)).await, refused);
    assert_eq!(
        ask(Nsm::new(START_S - 3600).document(&claims())).await,
        refused
    );
}

#[tokio::test]
async fn rsv_14_t70_an_image_that_is_not_on_the_list_hears_suspended_and_gets_no_release() {
    let world = World::new().await;
    let key = world.active_key().await;
    let mut instance = Instance::new(&world.group);
    instance.image = image(OTHER);
    assert_eq!(hears(&world, &instance, &key).await, suspended());
    assert_eq!(world.hear(&key).await.status, Status::Good);

    // The image is on the list, but the group does not admit it.
    let world = world
        .restart(|config| config.verifier.measurements.push(accepted(OTHER)))
        .await;
    assert_eq!(hears(&world, &instance, &key).await, suspended());
    instance.binding.measurements.push(image(OTHER));
    assert_eq!(hears(&world, &instance, &key).await.status, Status::Good);
}

#[tokio::test]
async fn rsv_14_t70_withdrawing_consent_stops_the_release() {
    let world = World::new().await;
    let key = world.active_key().await;
    assert_eq!(world.hear(&key).await.status, Status::Good);
    let world = world
        .restart(|config| config.verifier.measurements = vec![accepted(OTHER)])
        .await;
    assert_eq!(world.hear(&key).await, suspended());
    // A revoked key is revoked for every image.
    world
        .change(
            &key,
            cofferdam_revocation_service::registration::Change::Revoke,
        )
        .await;
    assert_eq!(world.hear(&key).await.status, Status::Revoked);
}

#[tokio::test]
async fn rsv_15_t70_every_image_that_the_group_admits_must_be_on_the_list() {
    let world = World::new().await;
    let key = world.active_key().await;
    let mut instance = Instance::new(&world.group);
    instance.binding.measurements.push(image(OTHER));
    assert_eq!(hears(&world, &instance, &key).await, suspended());
}

#[tokio::test]
async fn rsv_16_t70_the_image_that_made_the_group_must_have_been_on_the_list() {
    let world = World::new().await;
    let group = Group::new(&world.nsm, image(OTHER), START_S);
    let key = Key::new(group.id);
    world.service.register(key.registration()).await.unwrap();
    world
        .change(
            &key,
            cofferdam_revocation_service::registration::Change::Activate,
        )
        .await;
    let instance = Instance::new(&group);
    assert_eq!(hears(&world, &instance, &key).await, suspended());

    let mut until = accepted(OTHER);
    until.until_s = Some(START_S + 1);
    let world = world
        .restart(|config| config.verifier.measurements.push(until))
        .await;
    assert_eq!(hears(&world, &instance, &key).await.status, Status::Good);
    let world = world
        .restart(|config| config.verifier.measurements[1].until_s = Some(START_S))
        .await;
    assert_eq!(hears(&world, &instance, &key).await, suspended());
}

#[tokio::test]
async fn rsv_17_t70_an_instance_that_misses_a_command_is_suspended_after_ten_minutes() {
    let mut world = World::new().await;
    let key = world.active_key().await;
    let behind = Instance::new(&world.group);
    let mut current = Instance::new(&world.group);
    current.binding.chain_sequence = 1;
    current.binding.chain_head = Digest([1; 32]);
    assert_eq!(hears(&world, &behind, &key).await.status, Status::Good);
    assert_eq!(hears(&world, &current, &key).await.status, Status::Good);
    world.pass(10 * 60 * 1000);
    assert_eq!(hears(&world, &behind, &key).await.status, Status::Good);
    world.pass(1);
    // A restart forgets nothing.
    world = world.restart(|_| ()).await;
    assert_eq!(hears(&world, &behind, &key).await, suspended());
    assert_eq!(hears(&world, &current, &key).await.status, Status::Good);
}

#[tokio::test]
async fn rsv_17_a_chain_told_by_an_image_without_consent_counts_for_nothing() {
    let world = World::new().await;
    let key = world.active_key().await;
    let mut liar = Instance::new(&world.group);
    liar.image = image(OTHER);
    liar.binding.chain_sequence = 9;
    assert_eq!(hears(&world, &liar, &key).await, suspended());
    world.pass(11 * 60 * 1000);
    assert_eq!(world.hear(&key).await.status, Status::Good);
}

#[tokio::test]
async fn rsv_18_t70_two_chains_of_one_length_are_both_suspended() {
    let world = World::new().await;
    let key = world.active_key().await;
    let fork = |byte| {
        let mut instance = Instance::new(&world.group);
        instance.binding.chain_sequence = 2;
        instance.binding.chain_head = Digest([byte; 32]);
        instance
    };
    let (left, right) = (fork(1), fork(2));
    assert_eq!(hears(&world, &left, &key).await.status, Status::Good);
    assert_eq!(hears(&world, &right, &key).await, suspended());
    assert_eq!(hears(&world, &left, &key).await, suspended());
}
