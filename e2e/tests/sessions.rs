//! Opening a session with grants, and every way to get that wrong (P4; docs/protocol/session.md).

#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam_e2e::Customer;
use cofferdam_e2e::app::Opening;
use cofferdam_e2e::scene::{Scene, new_scene};
use cofferdam_wire::id::Thumbprint;
use cofferdam_wire::kind::Action;
use cofferdam_wire::link::Message;
use cofferdam_wire::session::{Audience, SessionOpen};
use cofferdam_wire::{Code, cbor, limits};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

static SCENE: LazyLock<Mutex<Scene>> = LazyLock::new(|| Mutex::new(new_scene()));

/// Refusals change nothing, so most tests share one enclave.
fn scene() -> MutexGuard<'static, Scene> {
    SCENE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An opening with one change to its clear part.
fn altered_opening(
    scene: &mut Scene,
    change: impl FnOnce(&mut SessionOpen),
) -> Result<Vec<u8>, Code> {
    let app = SigningKey::generate(SignatureKind::Ed25519);
    let grant = scene.customer.grant(
        &scene.world,
        &[scene.key],
        &[Action::Sign],
        Customer::audience(&app),
    );
    let grant = scene.customer.sign(&grant);
    let opening = Opening::new(&mut scene.world, &app, &app, vec![grant]);
    let mut open: SessionOpen = cbor::decode(&opening.encoded, limits::SESSION_OPEN).unwrap();
    change(&mut open);
    scene.world.call(Message::OpenSession, cbor::encode(&open))
}

#[test]
fn opn_1_an_opening_that_is_cut_or_too_long_is_refused() {
    let mut scene = scene();
    assert_eq!(
        scene.world.call(Message::OpenSession, vec![0x83]),
        Err(Code::Malformed)
    );
    assert_eq!(
        scene
            .world
            .call(Message::OpenSession, vec![0; limits::SESSION_OPEN + 1]),
        Err(Code::TooLarge)
    );
}

#[test]
fn t73_opn_2_an_opening_to_another_group_is_refused() {
    let mut scene = scene();
    assert!(altered_opening(&mut scene, |_| ()).is_ok());
    assert_eq!(
        altered_opening(&mut scene, |open| open.info.group.0[0] ^= 1),
        Err(Code::WrongGroup)
    );
}

#[test]
fn opn_3_an_opening_to_a_key_that_is_not_held_is_named_as_such() {
    let mut scene = scene();
    let refused = altered_opening(&mut scene, |open| open.info.session_key.0[0] ^= 1);
    assert_eq!(refused, Err(Code::UnknownRecipient));
}

#[test]
fn t71_opn_4_an_opening_whose_clear_part_was_changed_does_not_open() {
    let mut scene = scene();
    let other = Thumbprint([1; 32]);
    assert_eq!(
        altered_opening(&mut scene, |open| open.info.app = other),
        Err(Code::UnwrapFailed)
    );
    assert_eq!(
        altered_opening(&mut scene, |open| open.info.grants.clear()),
        Err(Code::UnwrapFailed)
    );
    assert_eq!(
        altered_opening(&mut scene, |open| open.enc[0] ^= 1),
        Err(Code::UnwrapFailed)
    );
    assert_eq!(
        altered_opening(&mut scene, |open| open.ciphertext[0] ^= 1),
        Err(Code::UnwrapFailed)
    );
}

#[test]
fn t71_opn_6_an_opening_signed_by_somebody_else_is_refused() {
    let mut scene = scene();
    let (app, thief) = (
        SigningKey::generate(SignatureKind::Ed25519),
        SigningKey::generate(SignatureKind::Ed25519),
    );
    let grant = scene.customer.grant(
        &scene.world,
        &[scene.key],
        &[Action::Sign],
        Customer::audience(&app),
    );
    let grant = scene.customer.sign(&grant);
    let opening = Opening::new(&mut scene.world, &app, &thief, vec![grant.clone()]);
    assert_eq!(
        opening.send(&mut scene.world).err(),
        Some(Code::SessionRefused)
    );
    // The thief opens under its own name with the copied grant: the grant is for the app.
    let opening = Opening::new(&mut scene.world, &thief, &thief, vec![grant]);
    assert_eq!(
        opening.send(&mut scene.world).err(),
        Some(Code::SessionRefused)
    );
}

#[test]
fn opn_5_opn_7_the_inside_has_to_be_what_the_outside_says() {
    let mut scene = scene();
    let app = SigningKey::generate(SignatureKind::P256);
    assert_eq!(
        Opening::new(&mut scene.world, &app, &app, vec![])
            .send(&mut scene.world)
            .err(),
        Some(Code::SessionRefused)
    );
    let grant = scene.customer.grant(
        &scene.world,
        &[scene.key],
        &[Action::Sign],
        Customer::audience(&app),
    );
    let grant = scene.customer.sign(&grant);
    let five = Opening::new(&mut scene.world, &app, &app, vec![grant.clone(); 5]);
    assert_eq!(
        five.send(&mut scene.world).err(),
        Some(Code::SessionRefused)
    );
    Opening::new(&mut scene.world, &app, &app, vec![grant; 4])
        .send(&mut scene.world)
        .unwrap();
}

#[test]
fn opn_8_a_grant_that_is_no_grant_is_refused() {
    let mut scene = scene();
    let app = SigningKey::generate(SignatureKind::Ed25519);
    let garbage = cofferdam_wire::session::SignedGrant(vec![0x80]);
    assert_eq!(
        Opening::new(&mut scene.world, &app, &app, vec![garbage])
            .send(&mut scene.world)
            .err(),
        Some(Code::Malformed)
    );
}

#[test]
fn opn_9_a_grant_signed_by_another_owner_is_refused() {
    let mut scene = scene();
    let app = SigningKey::generate(SignatureKind::Ed25519);
    let grant = scene.customer.grant(
        &scene.world,
        &[scene.key],
        &[Action::Sign],
        Customer::audience(&app),
    );
    let forged = Customer::new().sign(&grant);
    assert_eq!(
        Opening::new(&mut scene.world, &app, &app, vec![forged])
            .send(&mut scene.world)
            .err(),
        Some(Code::BadSignature)
    );
}

#[test]
fn t73_opn_10_a_grant_for_another_group_is_refused() {
    assert_eq!(
        scene().opening_refused(|grant| grant.group.0[0] ^= 1),
        Code::WrongGroup
    );
}

#[test]
fn opn_11_a_grant_for_another_audience_is_refused() {
    assert_eq!(
        scene().opening_refused(|grant| grant.audience = Audience::Provider),
        Code::SessionRefused
    );
    let other = Audience::App(Thumbprint([9; 32]));
    assert_eq!(
        scene().opening_refused(|grant| grant.audience = other),
        Code::SessionRefused
    );
}

#[test]
fn opn_12_a_grant_out_of_its_time_is_refused() {
    assert_eq!(
        scene().opening_refused(|grant| grant.not_after_s = grant.not_before_s),
        Code::GrantExpired
    );
    assert_eq!(
        scene().opening_refused(|grant| grant.not_before_s += 3_000),
        Code::GrantExpired
    );
}

#[test]
fn opn_13_a_grant_of_another_version_or_unsorted_is_refused() {
    assert_eq!(
        scene().opening_refused(|grant| grant.version = 2),
        Code::Malformed
    );
    assert_eq!(
        scene().opening_refused(|grant| grant.actions = vec![Action::Verify, Action::Sign]),
        Code::Malformed
    );
    assert_eq!(
        scene().opening_refused(|grant| grant.partition = String::new()),
        Code::Malformed
    );
}
