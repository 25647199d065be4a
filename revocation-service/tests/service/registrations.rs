//! RSV-24 to RSV-28: registering, the end of a registration, and that nothing says "good" after a revoke (T-14, T-17, T-79).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use cofferdam::crypto::secret::Secret32;
use cofferdam_revocation_service::audit::{Cause, scan};
use cofferdam_revocation_service::clock::Clock;
use cofferdam_revocation_service::registration::{Change, NewRegistration, Refusal, State};
use cofferdam_revocation_service::registry::{ChangeError, Registered};
use cofferdam_revocation_service::service::{AUDIT_PUBLIC_FILE, Service};
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{GroupId, Handle};
use cofferdam_wire::status::Status;

use crate::instance::{Instance, item};
use crate::world::{Key, World, files};

const HOURS_48_MS: u64 = 48 * 3600 * 1000;

#[tokio::test]
async fn rsv_24_t79_a_handle_is_registered_once_and_never_replaced() {
    let world = World::new().await;
    let key = Key::new(world.group.id);
    let register = async |new| {
        world
            .service
            .register(new)
            .await
            .map(|(how, row)| (how, row.state))
    };
    assert_eq!(
        register(key.registration()).await.unwrap(),
        (Registered::Created, State::Pending)
    );
    assert_eq!(
        register(key.registration()).await.unwrap(),
        (Registered::Identical, State::Pending)
    );
    world.change(&key, Change::Activate).await;
    assert_eq!(
        register(key.registration()).await.unwrap(),
        (Registered::Identical, State::Active)
    );

    let mut others: Vec<NewRegistration> = (0..4).map(|_| key.registration()).collect();
    others[0].token_hash.0[0] ^= 1;
    others[1].release = Secret32::random();
    others[2].group = GroupId([0; 32]);
    others[3].owner = PublicKey::Ed25519([9; 32]);
    for other in others {
        assert!(matches!(register(other).await, Err(ChangeError::Taken)));
    }
    assert_eq!(world.hear(&key).await.release, Some(key.release.clone()));
}

#[tokio::test]
async fn rsv_25_t79_a_revoked_handle_stays_taken_and_revoked() {
    let world = World::new().await;
    let key = world.active_key().await;
    world.change(&key, Change::Revoke).await;
    let refused = world.service.register(key.registration()).await;
    assert!(matches!(
        refused,
        Err(ChangeError::Refused(Refusal::Revoked))
    ));
    for change in [
        Change::Activate,
        Change::Suspend,
        Change::Resume,
        Change::GrantEpoch(9),
    ] {
        let refused = world.service.registry().change(key.handle(), change).await;
        assert!(
            matches!(refused, Err(ChangeError::Refused(Refusal::Revoked))),
            "{change:?}"
        );
    }
    // Revoking again is no error, and changes nothing.
    world.change(&key, Change::Revoke).await;
    let said = world.hear(&key).await;
    assert_eq!(
        (said.status, said.sequence, said.release),
        (Status::Revoked, 2, None)
    );
}

#[tokio::test]
async fn rsv_26_t79_pending_ends_after_48_hours() {
    let world = World::new().await;
    let (in_time, late) = (Key::new(world.group.id), Key::new(world.group.id));
    for key in [&in_time, &late] {
        world.service.register(key.registration()).await.unwrap();
    }
    world.pass(HOURS_48_MS - 1);
    world.change(&in_time, Change::Activate).await;
    world.pass(1);
    let activate = async |key: &Key| {
        world
            .service
            .registry()
            .change(key.handle(), Change::Activate)
            .await
    };
    assert!(matches!(
        activate(&late).await,
        Err(ChangeError::Refused(Refusal::Expired))
    ));
    let again = world.service.register(late.registration()).await;
    assert!(matches!(again, Err(ChangeError::Refused(Refusal::Expired))));

    // What time has done is noted, and stays when the clock goes back.
    world.service.tend().await;
    world.clock_ms.fetch_sub(HOURS_48_MS, Ordering::SeqCst);
    let state = async |key: &Key| {
        world
            .service
            .registry()
            .find(&key.handle())
            .await
            .unwrap()
            .unwrap()
            .state
    };
    assert_eq!(
        (state(&in_time).await, state(&late).await),
        (State::Active, State::Expired)
    );
    assert!(matches!(
        activate(&late).await,
        Err(ChangeError::Refused(Refusal::Expired))
    ));
    assert!(!found(&world, &late.release));
    assert!(found(&world, &in_time.release));
}

/// Whether bytes are anywhere in the service's files.
fn found(world: &World, bytes: &[u8]) -> bool {
    let holds = |content: &[u8]| content.windows(bytes.len()).any(|window| window == bytes);
    files(world.dir.path())
        .iter()
        .any(|(_, content)| holds(content))
}

#[tokio::test]
async fn rsv_27_t17_revoking_destroys_the_release_secret_in_every_file() {
    let world = World::new().await;
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(world.active_key().await);
    }
    assert!(keys.iter().all(|key| found(&world, &key.release)));
    for key in &keys[..19] {
        world.change(key, Change::Revoke).await;
        assert!(!found(&world, &key.release));
    }
    assert!(found(&world, &keys[19].release));
    assert_eq!(
        world.hear(&keys[19]).await.release,
        Some(keys[19].release.clone())
    );
}

#[tokio::test]
async fn rsv_28_t52_every_change_is_a_signed_entry_before_the_call_returns() {
    let world = World::new().await;
    let key = world.active_key().await;
    let text = std::fs::read_to_string(world.config.state_dir.join(AUDIT_PUBLIC_FILE)).unwrap();
    let public = PublicKey::from_cose(&hex::decode(text).unwrap()).unwrap();
    let last = || {
        let mut last = None;
        scan(&world.config.audit_log, &public, |entry| {
            last = Some((
                entry.cause,
                entry.registration.state,
                entry.registration.sequence,
            ));
        })
        .unwrap();
        last.unwrap()
    };
    assert_eq!(last(), (Cause::Activate, State::Active, 1));
    world.change(&key, Change::Suspend).await;
    assert_eq!(last(), (Cause::Suspend, State::Suspended, 2));
    world.change(&key, Change::Resume).await;
    assert_eq!(last(), (Cause::Resume, State::Active, 3));
    world.change(&key, Change::GrantEpoch(4)).await;
    assert_eq!(last(), (Cause::GrantEpoch, State::Active, 4));
    world.change(&key, Change::Revoke).await;
    assert_eq!(last(), (Cause::Revoke, State::Revoked, 5));
    assert!(matches!(
        world
            .service
            .registry()
            .change(Handle([0; 16]), Change::Revoke)
            .await,
        Err(ChangeError::NotFound)
    ));
    assert!(!found(&world, &key.token.0));
}

/// Every reading of the clock is later than the one before, so that times are an order of events.
fn ticking(from: &AtomicU64) -> (Clock, Arc<AtomicU64>) {
    let now = Arc::new(AtomicU64::new(from.load(Ordering::SeqCst)));
    let clock = Arc::clone(&now);
    (
        Clock::from_fn(move || clock.fetch_add(1, Ordering::SeqCst)),
        now,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn t14_no_answer_made_after_a_revoke_returned_says_good() {
    let world = World::new().await;
    let World {
        dir,
        config,
        clock_ms,
        nsm,
        group,
        service,
    } = world;
    service.close().await;
    drop(service);
    let (clock, now) = ticking(&clock_ms);
    let service = Service::open(&config, clock).await.unwrap();
    let world = Arc::new(World {
        dir,
        config,
        clock_ms: now,
        nsm,
        group,
        service,
    });

    for round in 0..4 {
        let key = Arc::new(world.active_key().await);
        let revoked = Arc::new(AtomicBool::new(false));
        let mut askers = Vec::new();
        for _ in 0..4 {
            let (world, key, revoked) =
                (Arc::clone(&world), Arc::clone(&key), Arc::clone(&revoked));
            askers.push(tokio::spawn(async move {
                let instance = Instance::new(&world.group);
                let mut good = Vec::new();
                loop {
                    let over = revoked.load(Ordering::SeqCst);
                    let answer = world.ask(&instance, vec![item(key.token)]).await.unwrap();
                    let said = &answer.items[0];
                    assert_eq!(said.status == Status::Good, said.release.is_some());
                    if said.status == Status::Good {
                        assert!(!over, "good after the revoke returned");
                        good.push(answer.issued_at_ms);
                    }
                    if over {
                        return good;
                    }
                }
            }));
        }
        tokio::time::sleep(std::time::Duration::from_millis(20 * (round + 1))).await;
        let row = world
            .service
            .registry()
            .change(key.handle(), Change::Revoke)
            .await
            .unwrap();
        revoked.store(true, Ordering::SeqCst);
        for asker in askers {
            assert!(
                asker
                    .await
                    .unwrap()
                    .into_iter()
                    .all(|issued_at_ms| issued_at_ms < row.changed_ms)
            );
        }
    }
}

#[tokio::test]
async fn a_caller_who_hangs_up_leaves_nothing_half_done() {
    let world = World::new().await;
    let key = world.active_key().await;
    let registry = Arc::clone(world.service.registry());
    let handle = key.handle();
    let call = tokio::spawn(async move { registry.change(handle, Change::Revoke).await });
    tokio::task::yield_now().await;
    call.abort();
    // The next change waits for the one in flight, whether it had begun or not.
    world.change(&key, Change::Revoke).await;
    assert_eq!(world.hear(&key).await.status, Status::Revoked);
    let world = world.restart(|_| ()).await;
    assert!(world.service.registry().holds().await.is_empty());
}
