//! RSV-29 and RSV-30: database and log disagree (T-75).

use cofferdam_revocation_service::Config;
use cofferdam_revocation_service::clock::Clock;
use cofferdam_revocation_service::registration::{Change, State};
use cofferdam_revocation_service::registry::{ChangeError, HoldReason, ReplayError};
use cofferdam_revocation_service::service::{Service, StartError};
use cofferdam_wire::status::Status;

use crate::world::{World, files, restore};

#[tokio::test]
async fn rsv_29_t75_a_backup_from_before_a_revocation_is_suspended_until_replayed() {
    let mut world = World::new().await;
    let (revoked, untouched) = (world.active_key().await, world.active_key().await);
    let mut backup = Vec::new();
    world = world
        .restart(|config| backup = files(&config.state_dir))
        .await;
    world.change(&revoked, Change::Revoke).await;
    let later = world.active_key().await;
    world = world
        .restart(|config| restore(&config.state_dir, &backup))
        .await;

    // The backup has the release secret, and the service does not give it away.
    let said = world.hear(&revoked).await;
    assert_eq!(
        (said.status, said.sequence, said.release),
        (Status::Suspended, 2, None)
    );
    assert_eq!(world.hear(&later).await.status, Status::Suspended);
    assert_eq!(world.hear(&untouched).await.status, Status::Good);
    for change in [Change::Resume, Change::Suspend, Change::Activate] {
        let refused = world
            .service
            .registry()
            .change(revoked.handle(), change)
            .await;
        assert!(matches!(refused, Err(ChangeError::Held)), "{change:?}");
    }
    assert!(matches!(
        world.service.register(later.registration()).await,
        Err(ChangeError::Held)
    ));
    let reasons: Vec<HoldReason> = world
        .service
        .registry()
        .holds()
        .await
        .into_iter()
        .map(|(_, hold)| hold.reason)
        .collect();
    assert_eq!(reasons, [HoldReason::LogAhead, HoldReason::LogAhead]);

    assert_eq!(world.service.registry().replay().await.unwrap().len(), 2);
    let said = world.hear(&revoked).await;
    assert_eq!((said.status, said.sequence), (Status::Revoked, 3));
    let holds_release =
        |(_, content): &(_, Vec<u8>)| content.windows(32).any(|window| window == revoked.release);
    assert!(!files(&world.config.state_dir).iter().any(holds_release));
    // Its release secret is lost with the newer database: it cannot be good, and stays taken.
    assert_eq!(world.hear(&later).await.status, Status::Suspended);
    assert!(matches!(
        world.service.register(later.registration()).await,
        Err(ChangeError::Taken)
    ));
    world.change(&later, Change::Resume).await;
    assert_eq!(world.hear(&later).await.status, Status::Suspended);
    let world = world.restart(|_| ()).await;
    assert!(world.service.registry().holds().await.is_empty());
}

#[tokio::test]
async fn rsv_29_t75_a_held_key_can_be_revoked_at_once() {
    let mut world = World::new().await;
    let key = world.active_key().await;
    let mut backup = Vec::new();
    world = world
        .restart(|config| backup = files(&config.state_dir))
        .await;
    world.change(&key, Change::Suspend).await;
    world = world
        .restart(|config| restore(&config.state_dir, &backup))
        .await;
    world.change(&key, Change::Revoke).await;
    let said = world.hear(&key).await;
    assert_eq!((said.status, said.sequence), (Status::Revoked, 3));
    let world = world.restart(|_| ()).await;
    assert!(world.service.registry().holds().await.is_empty());
}

#[tokio::test]
async fn rsv_29_t75_a_lost_or_cut_log_is_suspended_until_replayed() {
    let mut world = World::new().await;
    let key = world.active_key().await;
    world = world
        .restart(|config| std::fs::remove_file(&config.audit_log).unwrap())
        .await;
    assert_eq!(world.hear(&key).await.status, Status::Suspended);
    let done = world.service.registry().replay().await.unwrap();
    assert_eq!(
        (done[0].reason, done[0].state, done[0].sequence),
        (HoldReason::LogBehind, State::Active, 2)
    );
    assert_eq!(world.hear(&key).await.status, Status::Good);

    world.change(&key, Change::Revoke).await;
    let cut = |config: &mut Config| {
        let text = std::fs::read_to_string(&config.audit_log).unwrap();
        let all_but_one = text.trim_end().rfind('\n').unwrap() + 1;
        std::fs::write(&config.audit_log, &text[..all_but_one]).unwrap();
    };
    world = world.restart(cut).await;
    // A revocation is believed from wherever it comes.
    assert_eq!(world.hear(&key).await.status, Status::Revoked);
    assert_eq!(
        world.service.registry().replay().await.unwrap()[0].state,
        State::Revoked
    );
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
async fn rsv_30_t75_a_broken_log_suspends_everything_and_is_not_written_on() {
    let mut world = World::new().await;
    let key = world.active_key().await;
    let mut original = String::new();
    let change_it = |config: &mut Config| {
        original = std::fs::read_to_string(&config.audit_log).unwrap();
        let lines: Vec<&str> = original.lines().rev().collect();
        std::fs::write(&config.audit_log, lines.join("\n") + "\n").unwrap();
    };
    world = world.restart(change_it).await;
    assert_eq!(world.hear(&key).await.status, Status::Suspended);
    assert!(world.service.readiness().await.is_err());
    let refused = world
        .service
        .registry()
        .change(key.handle(), Change::GrantEpoch(1))
        .await;
    assert!(refused.is_err());
    assert!(matches!(
        world.service.registry().replay().await,
        Err(ReplayError::Log(_))
    ));

    // With the log restored from its copy, the service goes on without a restart.
    std::fs::write(&world.config.audit_log, &original).unwrap();
    world.service.registry().replay().await.unwrap();
    assert_eq!(world.hear(&key).await.status, Status::Good);
    assert!(world.service.readiness().await.is_ok());
}

#[tokio::test]
async fn rsv_29_a_row_moved_to_another_group_is_suspended() {
    let mut world = World::new().await;
    let key = world.active_key().await;
    let path = world.config.state_dir.join("registrations.sqlite");
    let other =
        crate::instance::Group::new(&world.nsm, crate::nsm::image(0xa0), crate::world::START_S);
    let (from, to) = (world.group.id, other.id);
    world = world.restart(|_| patch(&path, &from.0, &to.0)).await;
    world.group = other;
    assert_eq!(world.hear(&key).await.status, Status::Suspended);
    world.service.registry().replay().await.unwrap();
    assert_eq!(world.hear(&key).await.status, Status::None);
}

/// Overwrites bytes in a file wherever they are.
fn patch(path: &std::path::Path, from: &[u8], to: &[u8]) {
    let mut content = std::fs::read(path).unwrap();
    for at in 0..content.len() - from.len() {
        if &content[at..at + from.len()] == from {
            content[at..at + from.len()].copy_from_slice(to);
        }
    }
    std::fs::write(path, content).unwrap();
}

#[tokio::test]
async fn rsv_30_a_log_that_cannot_be_written_lets_no_key_be_good() {
    let mut world = World::new().await;
    let key = world.active_key().await;
    world = world
        .restart(|config| {
            std::fs::remove_file(&config.audit_log).unwrap();
            std::os::unix::fs::symlink("/dev/full", &config.audit_log).unwrap();
        })
        .await;
    let refused = world
        .service
        .registry()
        .change(key.handle(), Change::Revoke)
        .await;
    assert!(matches!(refused, Err(ChangeError::Log(_))), "{refused:?}");
    assert_eq!(world.hear(&key).await.status, Status::Suspended);
}

#[tokio::test]
async fn p3_a_second_process_cannot_serve_from_the_same_directory() {
    let world = World::new().await;
    let second = Service::open(&world.config, Clock::system()).await;
    assert!(matches!(second, Err(StartError::InUse(_))));
}

#[tokio::test]
async fn a_log_without_the_state_that_signed_it_is_not_taken_for_a_first_start() {
    let world = World::new().await;
    world.active_key().await;
    let World {
        config,
        service,
        dir,
        ..
    } = world;
    service.close().await;
    drop(service);
    std::fs::remove_dir_all(&config.state_dir).unwrap();
    assert!(matches!(
        Service::open(&config, Clock::system()).await,
        Err(StartError::StateLost(_))
    ));
    drop(dir);
}
