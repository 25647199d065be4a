//! SES-1 to SES-4: what is opened, sealed, answered and renewed.

use std::sync::Arc;

use cofferdam::crypto::signing::SigningKey;
use cofferdam::grant::{GrantOrder, OwnedGrant};
use cofferdam::session::{Opened, Opening, Session, SessionError};
use cofferdam::transport::Parent as _;
use cofferdam_wire::Code;
use cofferdam_wire::cbor;
use cofferdam_wire::id::KeyId;
use cofferdam_wire::kind::{Action, HashAlgorithm};
use cofferdam_wire::operation::Operation;
use cofferdam_wire::session::{Audience, SessionOpen, SignedGrant};

use crate::enclave::{Played, owner};
use crate::world::World;

pub(crate) fn grant(world: &World, app: &SigningKey) -> SignedGrant {
    let order = GrantOrder {
        group: world.group(),
        partition: "payments".into(),
        keys: Vec::new(),
        actions: vec![Action::Hash, Action::Random],
        audience: Audience::App(app.public().thumbprint()),
        not_before_s: world.now_s,
        not_after_s: world.now_s + 600,
        epoch: 0,
    };
    OwnedGrant::sign(&order, &owner()).unwrap().signed().clone()
}

async fn session<'a>(world: &World, parent: Played<'a>) -> Session<Played<'a>> {
    let app = owner();
    let grant = grant(world, &app);
    Session::open(parent, Arc::new(world.verifier()), vec![grant], app)
        .await
        .unwrap()
}

async fn opened(world: &World, parent: &Played<'_>) -> Opened {
    let app = owner();
    let opening = Opening::new(&world.proven(), &[grant(world, &app)], &app).unwrap();
    let sealed = parent.open_session(opening.body().to_vec()).await.unwrap();
    opening.accept(&sealed).unwrap()
}

#[tokio::test]
async fn ses_0_operations_come_back_sealed() {
    let world = World::new();
    let session = session(&world, Played::new(&world)).await;
    assert_eq!(
        session
            .hash(HashAlgorithm::Sha256, b"data".to_vec())
            .await
            .unwrap(),
        b"data"
    );
    assert_eq!(session.random(5).await.unwrap().as_slice(), [7; 5]);
    let refused = session.public_key(KeyId([1; 32])).await.unwrap_err();
    assert!(
        matches!(refused, SessionError::Refused(Code::NotFound)),
        "{refused}"
    );
}

#[tokio::test]
async fn ses_1_t08_an_acceptance_of_another_opening_is_refused() {
    let world = World::new();
    let parent = Played::new(&world);
    let app = owner();
    let grants = [grant(&world, &app)];
    let mine = Opening::new(&world.proven(), &grants, &app).unwrap();
    let other = Opening::new(&world.proven(), &grants, &app).unwrap();
    let sealed = parent.open_session(other.body().to_vec()).await.unwrap();
    let error = mine.accept(&sealed).err().unwrap();
    assert!(
        matches!(error, SessionError::Foreign { check: "SES-1", .. }),
        "{error}"
    );
}

#[tokio::test]
async fn t71_an_opening_cannot_be_signed_by_another_app() {
    let world = World::new();
    let parent = Played::new(&world);
    let app = owner();
    let opening = Opening::new(&world.proven(), &[grant(&world, &app)], &app).unwrap();
    let mut copied: SessionOpen = cbor::decode(opening.body(), 100_000).unwrap();
    copied.info.app = owner().public().thumbprint();
    assert!(parent.open_session(cbor::encode(&copied)).await.is_err());
    assert!(parent.open_session(opening.body().to_vec()).await.is_ok());
}

#[tokio::test]
async fn ses_2_t25_t26_an_answer_belongs_to_its_request() {
    let world = World::new();
    let parent = Played::new(&world);
    let session = opened(&world, &parent).await;
    let deadline_ms = world.now_s * 1000 + 1000;
    let one = session
        .seal(&Operation::Random { count: 1 }, deadline_ms)
        .unwrap();
    let other = session
        .seal(&Operation::Random { count: 1 }, deadline_ms)
        .unwrap();
    let (to_one, to_other) = (
        parent.call(one.body().to_vec()).await.unwrap(),
        parent.call(other.body().to_vec()).await.unwrap(),
    );
    assert!(one.open(&to_one).is_ok() && other.open(&to_other).is_ok());
    assert!(matches!(
        one.open(&to_other),
        Err(SessionError::Foreign { check: "SES-2", .. })
    ));
    assert!(matches!(
        other.open(&to_one),
        Err(SessionError::Foreign { check: "SES-2", .. })
    ));
    for bit in 0..to_one.len() * 8 {
        let mut changed = to_one.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(one.open(&changed).is_err());
    }
    // A replay is answered again, sealed anew, and only this app can read it.
    let again = parent.call(one.body().to_vec()).await.unwrap();
    assert_ne!(again, to_one);
    assert!(one.open(&again).is_ok());
}

#[tokio::test]
async fn ses_2_t26_a_session_refuses_exchanged_answers() {
    let world = World::new();
    let parent = Played::new(&world);
    parent.faults.lock().unwrap().swap_answers = true;
    let session = session(&world, parent).await;
    assert!(session.random(1).await.is_ok());
    assert!(matches!(
        session.random(1).await,
        Err(SessionError::Foreign { check: "SES-2", .. })
    ));
}

#[tokio::test]
async fn ses_3_an_outcome_of_another_operation_is_refused() {
    let world = World::new();
    let session = session(&world, Played::new(&world)).await;
    // The played enclave answers destroy with a verdict.
    assert!(matches!(
        session.destroy(KeyId([1; 32])).await,
        Err(SessionError::Outcome)
    ));
}

#[tokio::test]
async fn ses_4_a_session_that_is_no_longer_known_is_renewed_once() {
    let world = World::new();
    let session = session(&world, Played::new(&world)).await;
    let parent = session.parent();
    assert!(session.random(1).await.is_ok());
    parent.faults.lock().unwrap().forget_sessions = true;
    assert!(session.random(1).await.is_ok());
    assert_eq!(*parent.openings.lock().unwrap(), 2);
}

#[tokio::test]
async fn t25_nothing_is_sealed_twice_alike() {
    let world = World::new();
    let session = opened(&world, &Played::new(&world)).await;
    let seal = || {
        session
            .seal(&Operation::Random { count: 1 }, 0)
            .unwrap()
            .body()
            .to_vec()
    };
    assert_ne!(seal(), seal());
}

#[tokio::test]
async fn sizes_are_refused_before_they_are_sealed() {
    let world = World::new();
    let session = session(&world, Played::new(&world)).await;
    assert!(
        session
            .hash(HashAlgorithm::Sha256, vec![0; 48 * 1024])
            .await
            .is_ok()
    );
    let too_large = session
        .hash(HashAlgorithm::Sha256, vec![0; 48 * 1024 + 1])
        .await
        .unwrap_err();
    assert!(
        matches!(too_large, SessionError::TooLarge { .. }),
        "{too_large}"
    );
    let app = owner();
    let grants = vec![grant(&world, &app); 5];
    assert!(matches!(
        Opening::new(&world.proven(), &grants, &app),
        Err(SessionError::Grants(5))
    ));
}
