//! RSV-19 to RSV-23 and RSV-32: what is said of each key.

use cofferdam_revocation_service::registration::Change;
use cofferdam_wire::id::Token;
use cofferdam_wire::limits;
use cofferdam_wire::status::{QueryItem, SealedAnswer, Status};

use crate::instance::{Group, IMAGE, Instance, Said, item};
use crate::nsm::{decoded, image};
use crate::world::{Key, START_S, World};

#[tokio::test]
async fn rsv_23_the_release_secret_comes_when_asked_for_and_good() {
    let world = World::new().await;
    let key = world.active_key().await;
    let expected = Said {
        status: Status::Good,
        sequence: 1,
        grant_epoch: 0,
        release: Some(key.release.clone()),
    };
    assert_eq!(world.hear(&key).await, expected);

    let instance = Instance::new(&world.group);
    let unasked = QueryItem {
        wants_release: false,
        ..item(key.token)
    };
    let answer = world.ask(&instance, vec![unasked]).await.unwrap();
    assert_eq!(
        answer.items[0],
        Said {
            release: None,
            ..expected
        }
    );
    assert_eq!(
        (answer.issued_at_ms, answer.valid_for_s),
        (world.now_ms(), 3600)
    );

    world.change(&key, Change::Suspend).await;
    assert_eq!(
        world.hear(&key).await,
        Said {
            status: Status::Suspended,
            sequence: 2,
            grant_epoch: 0,
            release: None
        }
    );
}

#[tokio::test]
async fn t68_an_answer_has_as_many_items_as_the_query_by_position() {
    let world = World::new().await;
    let (first, second) = (world.active_key().await, world.active_key().await);
    world.change(&second, Change::Revoke).await;
    let unknown = item(Token([7; 32]));
    let instance = Instance::new(&world.group);
    let items = vec![
        item(second.token),
        unknown,
        item(first.token),
        item(first.token),
    ];
    let answer = world.ask(&instance, items).await.unwrap();
    let statuses: Vec<Status> = answer.items.iter().map(|said| said.status).collect();
    assert_eq!(
        statuses,
        [Status::Revoked, Status::None, Status::Good, Status::Good]
    );
    assert_eq!(answer.items[3].release, Some(first.release.clone()));

    let full = world
        .ask(&instance, vec![item(first.token); limits::STATUS_ITEMS])
        .await
        .unwrap();
    assert_eq!(full.items.len(), limits::STATUS_ITEMS);
}

#[tokio::test]
async fn answers_are_padded() {
    let world = World::new().await;
    let key = world.active_key().await;
    let instance = Instance::new(&world.group);
    let length = async |items: Vec<QueryItem>| {
        let sealed = instance.seal(&world.service_key(), world.draft(&instance, items));
        let answer: SealedAnswer = decoded(&world.send(&sealed).await.unwrap());
        answer.ciphertext.len()
    };
    let unknown = length(vec![item(Token([7; 32]))]).await;
    assert_eq!(unknown, length(vec![item(key.token)]).await);
    assert_eq!((unknown - 16) % 512, 0);
}

#[tokio::test]
async fn rsv_19_token_and_group_must_be_those_registered() {
    let world = World::new().await;
    let key = world.active_key().await;
    let none = Said {
        status: Status::None,
        sequence: 0,
        grant_epoch: 0,
        release: None,
    };

    // Somebody registered the handle of a token that is not theirs, with a hash that does not belong.
    let squatted = Key::new(world.group.id);
    let mut registration = squatted.registration();
    registration.token_hash.0[0] ^= 1;
    world.service.register(registration).await.unwrap();
    world.change(&squatted, Change::Activate).await;
    assert_eq!(world.hear(&squatted).await, none);

    // A proven enclave of another group, made by the same image, has the token.
    let other = Group::new(&world.nsm, image(IMAGE), START_S);
    let answer = world
        .ask(&Instance::new(&other), vec![item(key.token)])
        .await
        .unwrap();
    assert_eq!(answer.items, [none]);
    assert_eq!(world.hear(&key).await.status, Status::Good);
}

#[tokio::test]
async fn rsv_20_t79_pending_and_expired_are_no_statement() {
    let world = World::new().await;
    let key = Key::new(world.group.id);
    let none = Said {
        status: Status::None,
        sequence: 0,
        grant_epoch: 0,
        release: None,
    };
    assert_eq!(world.hear(&key).await, none);
    world.service.register(key.registration()).await.unwrap();
    assert_eq!(world.hear(&key).await, none);
    world.pass(20 * 3600 * 1000);
    assert_eq!(world.hear(&key).await, none);
}

#[tokio::test]
async fn rsv_21_t75_a_sequence_higher_than_the_services_own_suspends_until_replayed() {
    let mut world = World::new().await;
    let key = world.active_key().await;
    let instance = Instance::new(&world.group);
    let heard_more = QueryItem {
        last_sequence: 9,
        ..item(key.token)
    };
    let answer = world.ask(&instance, vec![heard_more]).await.unwrap();
    let suspended = Said {
        status: Status::Suspended,
        sequence: 9,
        grant_epoch: 0,
        release: None,
    };
    assert_eq!(answer.items, [suspended]);
    // From now on for everybody, also after a restart.
    assert_eq!(
        world.hear(&key).await,
        Said {
            status: Status::Suspended,
            sequence: 9,
            grant_epoch: 0,
            release: None
        }
    );
    world = world.restart(|_| ()).await;
    assert_eq!(world.hear(&key).await.status, Status::Suspended);
    assert!(
        world
            .service
            .registry()
            .change(key.handle(), Change::Resume)
            .await
            .is_err()
    );

    let done = world.service.registry().replay().await.unwrap();
    assert_eq!(done.len(), 1);
    assert_eq!(
        world.hear(&key).await,
        Said {
            status: Status::Suspended,
            sequence: 10,
            grant_epoch: 0,
            release: None
        }
    );
    world.change(&key, Change::Resume).await;
    let good = Said {
        status: Status::Good,
        sequence: 11,
        grant_epoch: 0,
        release: Some(key.release.clone()),
    };
    assert_eq!(world.hear(&key).await, good);
    assert!(
        world
            .restart(|_| ())
            .await
            .service
            .registry()
            .holds()
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn rsv_22_a_key_that_only_the_enclave_remembers_is_suspended() {
    let world = World::new().await;
    let instance = Instance::new(&world.group);
    let lost = QueryItem {
        last_sequence: 4,
        ..item(Token([7; 32]))
    };
    let answer = world.ask(&instance, vec![lost]).await.unwrap();
    assert_eq!(
        answer.items,
        [Said {
            status: Status::Suspended,
            sequence: 4,
            grant_epoch: 0,
            release: None
        }]
    );
    assert!(world.service.registry().holds().await.is_empty());
}

#[tokio::test]
async fn rsv_32_the_answer_carries_the_lowest_grant_epoch_accepted() {
    let world = World::new().await;
    let key = world.active_key().await;
    world.change(&key, Change::GrantEpoch(5)).await;
    let said = world.hear(&key).await;
    assert_eq!(
        (said.status, said.sequence, said.grant_epoch),
        (Status::Good, 2, 5)
    );
    assert!(
        world
            .service
            .registry()
            .change(key.handle(), Change::GrantEpoch(4))
            .await
            .is_err()
    );
}
