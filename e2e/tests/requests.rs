//! Sealed requests under a parent that alters, replays, swaps and delays them (P4).

#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam_e2e::app::Opening;
use cofferdam_e2e::customer::p256_material;
use cofferdam_e2e::scene::{Scene, ask_to_sign, new_scene, sign_with};
use cofferdam_e2e::{App, Customer, World};
use cofferdam_wire::id::{KeyId, Thumbprint};
use cofferdam_wire::kind::{Action, Algorithm, HashAlgorithm, KeyKind, UsageClass};
use cofferdam_wire::link::Message;
use cofferdam_wire::operation::{Operation, Outcome};
use cofferdam_wire::session::{Answer, Audience, Grant, ProviderRequest, Request, SealedRequest};
use cofferdam_wire::{Code, cbor, limits};
use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

static SCENE: LazyLock<Mutex<Scene>> = LazyLock::new(|| Mutex::new(new_scene()));

/// Refusals change nothing, so most tests share one enclave.
fn scene() -> MutexGuard<'static, Scene> {
    SCENE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn req_1_a_request_that_is_cut_or_too_long_is_refused() {
    let mut scene = scene();
    assert_eq!(
        scene.world.call(Message::Sealed, vec![0x82]),
        Err(Code::Malformed)
    );
    assert_eq!(
        scene
            .world
            .call(Message::Sealed, vec![0; limits::SEALED_REQUEST + 1]),
        Err(Code::TooLarge)
    );
}

#[test]
fn t25_req_2_an_altered_request_or_ticket_is_refused() {
    let mut scene = scene();
    let app = scene.app();
    let request = app.seal(&scene.world, scene.sign(), 30_000);
    let altered = |change: &dyn Fn(&mut SealedRequest)| {
        let mut request: SealedRequest = cbor::decode(&request, limits::SEALED_REQUEST).unwrap();
        change(&mut request);
        cbor::encode(&request)
    };
    let cases: [(&dyn Fn(&mut SealedRequest), Code); 4] = [
        (&|request| request.sealed[30] ^= 1, Code::UnwrapFailed),
        (&|request| request.sealed[0] ^= 1, Code::UnwrapFailed),
        (&|request| request.sealed.truncate(10), Code::UnwrapFailed),
        (&|request| request.ticket[40] ^= 1, Code::SessionRefused),
    ];
    for (change, code) in cases {
        let altered = altered(change);
        assert_eq!(scene.world.call(Message::Sealed, altered), Err(code));
    }
    // A ticket of another session of the same app does not open this request.
    let other = scene.app();
    let moved = altered(&|request| request.ticket = other.ticket.clone());
    assert_eq!(
        scene.world.call(Message::Sealed, moved),
        Err(Code::UnwrapFailed)
    );
}

#[test]
fn t25_t67_a_replayed_request_is_answered_for_the_app_alone_and_never_under_the_same_nonce() {
    let mut scene = new_scene();
    let app = scene.app();
    let request = app.seal(&scene.world, scene.sign(), 100_000);
    // The first answer needs a lease; from then on the answers come at once.
    ask_to_sign(&app, &mut scene).unwrap();
    let mut nonces = BTreeSet::new();
    for _ in 0..500 {
        let answer = scene.world.call(Message::Sealed, request.clone()).unwrap();
        assert!(nonces.insert(answer[..24].to_vec()), "a nonce repeats");
        assert!(matches!(
            app.open(&request, &answer),
            Some(Answer::Done(Outcome::Bytes(_)))
        ));
        assert!(
            scene.app().open(&request, &answer).is_none() || nonces.len() > 1,
            "another session opens it"
        );
        if nonces.len() > 3 {
            break;
        }
    }
    for _ in 0..996 {
        let answer = scene.world.call(Message::Sealed, request.clone()).unwrap();
        assert!(nonces.insert(answer[..24].to_vec()), "a nonce repeats");
    }
    assert_eq!(nonces.len(), 1_000);
}

#[test]
fn t67_two_enclaves_never_answer_under_the_same_nonce() {
    // A restart is a second enclave of the group: same group key, other entropy, other tickets.
    let mut scene = new_scene();
    let app = scene.app();
    let request = app.seal(&scene.world, scene.sign(), 100_000);
    ask_to_sign(&app, &mut scene).unwrap();
    let first = scene.world.call(Message::Sealed, request.clone()).unwrap();
    scene.world.restart_and_recover();
    // The ticket key lives with the process until joins pass it on: the request is refused, and nothing is answered.
    assert_eq!(
        scene.world.call(Message::Sealed, request),
        Err(Code::SessionRefused)
    );
    let app = scene.app();
    let request = app.seal(&scene.world, scene.sign(), 100_000);
    ask_to_sign(&app, &mut scene).unwrap();
    let second = scene.world.call(Message::Sealed, request).unwrap();
    assert_ne!(first[..24], second[..24]);
}

#[test]
fn t26_two_answers_swapped_are_refused_by_the_app() {
    let mut scene = scene();
    let app = scene.app();
    ask_to_sign(&app, &mut scene).unwrap();
    let requests = [0, 1].map(|_| app.seal(&scene.world, scene.sign(), 30_000));
    let answers = requests
        .clone()
        .map(|request| scene.world.call(Message::Sealed, request).unwrap());
    assert!(app.open(&requests[0], &answers[0]).is_some());
    assert!(app.open(&requests[0], &answers[1]).is_none());
    assert!(app.open(&requests[1], &answers[0]).is_none());
}

#[test]
fn t74_req_3_a_request_past_its_deadline_is_refused() {
    let mut scene = new_scene();
    let grant = [Action::Sign, Action::Destroy];
    let app = App::with_grant(&mut scene.world, &scene.customer, &[scene.key], &grant).unwrap();
    let refusal = |world: &mut World, request: Vec<u8>| {
        let answer = world.call(Message::Sealed, request.clone()).unwrap();
        app.open(&request, &answer).unwrap()
    };
    let too_far = app.seal(&scene.world, scene.sign(), limits::DEADLINE_MAX_MS + 5_000);
    assert_eq!(
        refusal(&mut scene.world, too_far),
        Answer::Refused(Code::RequestExpired)
    );
    let destroy = app.seal(&scene.world, Operation::Destroy { key: scene.key }, 60_000);
    scene.world.pass_ms(61_000);
    assert_eq!(
        refusal(&mut scene.world, destroy),
        Answer::Refused(Code::RequestExpired)
    );
    app.sign(&mut scene.world, scene.key, Algorithm::EcdsaSha256)
        .unwrap();
}

#[test]
fn req_4_an_operation_or_key_that_no_grant_names_is_not_permitted() {
    let mut scene = scene();
    let app = scene.app();
    let key = scene.key;
    let describe = app.ask(&mut scene.world, Operation::Describe { key });
    assert_eq!(describe, Err(Code::NotPermitted));
    let other = app.sign(&mut scene.world, KeyId([1; 32]), Algorithm::EcdsaSha256);
    assert_eq!(other, Err(Code::NotPermitted));
    let hash = Operation::Hash {
        algorithm: HashAlgorithm::Sha256,
        data: b"data".to_vec(),
    };
    assert_eq!(app.ask(&mut scene.world, hash), Err(Code::NotPermitted));
    app.sign(&mut scene.world, key, Algorithm::EcdsaSha256)
        .unwrap();
}

#[test]
fn req_5_a_grant_that_ended_during_the_session_is_refused() {
    let mut scene = new_scene();
    let app = SigningKey::generate(SignatureKind::Ed25519);
    let mut long = scene.customer.grant(
        &scene.world,
        &[scene.key],
        &[Action::Sign],
        Customer::audience(&app),
    );
    long.not_after_s += 7_200;
    let long = scene.customer.sign(&long);
    let session = Opening::new(&mut scene.world, &app, &app, vec![long])
        .send(&mut scene.world)
        .unwrap();
    session
        .sign(&mut scene.world, scene.key, Algorithm::EcdsaSha256)
        .unwrap();
    scene.world.clock.jump_ms(10_900_000);
    let refused = session.sign(&mut scene.world, scene.key, Algorithm::EcdsaSha256);
    assert!(
        matches!(refused, Err(Code::SessionRefused | Code::GrantExpired)),
        "{refused:?}"
    );
}

#[test]
fn t37_req_6_a_foreign_key_and_an_absent_one_get_the_same_answer() {
    let mut scene = scene();
    let stranger = Customer::new();
    let absent = KeyId([5; 32]);
    let keys = [scene.key, absent];
    let app = App::with_grant(
        &mut scene.world,
        &stranger,
        &keys,
        &[Action::Sign, Action::Describe],
    )
    .unwrap();
    let answers = keys.map(|key| app.ask(&mut scene.world, sign_with(key)));
    assert_eq!(answers, [Err(Code::NotFound), Err(Code::NotFound)]);
    let answers = keys.map(|key| app.ask(&mut scene.world, Operation::Describe { key }));
    assert_eq!(answers, [Err(Code::NotFound), Err(Code::NotFound)]);
    scene
        .app()
        .sign(&mut scene.world, keys[0], Algorithm::EcdsaSha256)
        .unwrap();
}

#[test]
fn req_7_a_key_past_its_hard_end_is_over() {
    let mut scene = new_scene();
    let mut draft = scene.customer.draft(
        &mut scene.world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    draft.control.hard_end_s = Some(scene.world.now_s() + 600);
    let (key, _) = scene.customer.import(&mut scene.world, &draft).unwrap();
    let app = App::with_grant(&mut scene.world, &scene.customer, &[key], &[Action::Sign]).unwrap();
    app.sign(&mut scene.world, key, Algorithm::EcdsaSha256)
        .unwrap();
    scene.world.pass_ms(601_000);
    assert_eq!(
        app.sign(&mut scene.world, key, Algorithm::EcdsaSha256),
        Err(Code::Revoked)
    );
}

#[test]
fn req_8_a_key_without_revocation_takes_no_grant_over_a_day() {
    let mut guard = scene();
    let scene = &mut *guard;
    let mut draft = scene.customer.draft(
        &mut scene.world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    draft.control.revocation = None;
    draft.release_secrets.clear();
    draft.control.hard_end_s = Some(scene.world.now_s() + 30 * 24 * 3_600);
    let (key, _) = scene.customer.import(&mut scene.world, &draft).unwrap();
    let app = SigningKey::generate(SignatureKind::Ed25519);
    let mut grant = scene.customer.grant(
        &scene.world,
        &[key],
        &[Action::Sign],
        Customer::audience(&app),
    );
    for (lifetime_s, expected) in [
        (24 * 3_600, None),
        (24 * 3_600 + 1, Some(Code::NotPermitted)),
    ] {
        grant.not_after_s = grant.not_before_s + lifetime_s;
        let grant = scene.customer.sign(&grant);
        let app = Opening::new(&mut scene.world, &app, &app, vec![grant])
            .send(&mut scene.world)
            .unwrap();
        assert_eq!(
            app.sign(&mut scene.world, key, Algorithm::EcdsaSha256)
                .err(),
            expected
        );
    }
}

#[test]
fn req_9_a_grant_below_the_services_epoch_is_refused() {
    let mut scene = new_scene();
    let draft = scene.customer.draft(
        &mut scene.world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let (key, _) = scene.customer.import(&mut scene.world, &draft).unwrap();
    let app = App::with_grant(&mut scene.world, &scene.customer, &[key], &[Action::Sign]).unwrap();
    app.sign(&mut scene.world, key, Algorithm::EcdsaSha256)
        .unwrap();
    scene
        .world
        .service()
        .keys
        .get_mut(&draft.token())
        .unwrap()
        .grant_epoch = 1;
    scene.world.pass_ms(61_000);
    // The first operation brings the fresh answer, and with it the epoch.
    assert_eq!(
        app.sign(&mut scene.world, key, Algorithm::EcdsaSha256),
        Err(Code::GrantExpired)
    );
}

#[test]
fn req_10_an_algorithm_outside_of_the_policy_is_refused() {
    let mut scene = scene();
    let app = scene.app();
    let key = scene.key;
    assert_eq!(
        app.sign(&mut scene.world, key, Algorithm::EcdsaSha384),
        Err(Code::UsageRefused)
    );
    assert_eq!(
        app.sign(&mut scene.world, key, Algorithm::RsaPkcs1Sha256),
        Err(Code::UsageRefused)
    );
}

#[test]
fn the_provider_uses_a_key_only_if_the_owner_granted_it() {
    let mut scene = scene();
    let request = Request {
        id: cofferdam_wire::id::RequestId([1; 16]),
        deadline_ms: scene.world.nsm.now_ms() + 30_000,
        operation: scene.sign(),
    };
    let app = scene.app();
    ask_to_sign(&app, &mut scene).unwrap();
    let for_provider = scene.customer.grant(
        &scene.world,
        &[scene.key],
        &[Action::Sign],
        Audience::Provider,
    );
    let for_app = scene.customer.grant(
        &scene.world,
        &[scene.key],
        &[Action::Sign],
        Audience::App(Thumbprint([2; 32])),
    );
    let mut plain = |grant: &Grant| {
        let grant = scene.customer.sign(grant);
        let body = cbor::encode(&ProviderRequest {
            grant,
            request: request.clone(),
        });
        scene.world.call(Message::Plain, body)
    };
    assert_eq!(plain(&for_app), Err(Code::SessionRefused));
    let answer = plain(&for_provider).unwrap();
    assert!(matches!(
        cbor::decode(&answer, 1_024).unwrap(),
        Answer::Done(Outcome::Bytes(_))
    ));
}

#[test]
fn req_12_describe_and_destroy_wait_until_the_services_were_heard() {
    let mut scene = new_scene();
    let draft = scene.customer.draft(
        &mut scene.world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let (key, _) = scene.customer.import(&mut scene.world, &draft).unwrap();
    let actions = [Action::Destroy, Action::Describe];
    let former = App::with_grant(&mut scene.world, &scene.customer, &[key], &actions).unwrap();
    scene
        .world
        .service()
        .keys
        .get_mut(&draft.token())
        .unwrap()
        .grant_epoch = 1;
    // Nothing was heard of this key yet, so the enclave cannot know that the grant was withdrawn: it asks first.
    for operation in [Operation::Describe { key }, Operation::Destroy { key }] {
        assert_eq!(
            former.ask(&mut scene.world, operation),
            Err(Code::GrantExpired)
        );
    }
    assert!(scene.world.notes.is_empty(), "nothing was destroyed");
    scene.world.restart_and_recover();
    scene.world.carry = cofferdam_e2e::world::Carry::Drop;
    let app = App::with_grant(&mut scene.world, &scene.customer, &[key], &actions).unwrap();
    assert_eq!(
        app.ask(&mut scene.world, Operation::Destroy { key }),
        Err(Code::LeaseUnavailable)
    );
}

#[test]
fn t74_req_3_a_destroy_that_was_held_back_with_its_record_is_past_its_deadline() {
    let mut scene = new_scene();
    let actions = [Action::Destroy];
    let app = App::with_grant(&mut scene.world, &scene.customer, &[scene.key], &actions).unwrap();
    scene.world.hold_records = true;
    let destroy = app.seal(&scene.world, Operation::Destroy { key: scene.key }, 60_000);
    let id = scene.world.send(Message::Sealed, destroy.clone());
    let (fetch, record) = (
        scene.world.held_fetches.remove(0),
        scene.world.store[&scene.key].clone(),
    );
    // The machine is stopped for weeks; when it goes on, the record is the first thing that comes.
    scene.world.clock.jump_ms(14 * 24 * 3_600_000);
    scene.world.tell(fetch, Ok(record));
    let answer = scene.world.reply(id).unwrap().unwrap();
    assert_eq!(
        app.open(&destroy, &answer),
        Some(Answer::Refused(Code::RequestExpired))
    );
    assert!(scene.world.notes.is_empty());
}

#[test]
fn what_the_parent_says_of_a_record_is_none_or_nothing() {
    let mut scene = new_scene();
    let app = scene.app();
    scene.world.hold_records = true;
    for (said, heard) in [
        (Code::NotFound, Code::NotFound),
        (Code::Revoked, Code::Unreachable),
        (Code::GrantExpired, Code::Unreachable),
    ] {
        let request = app.seal(&scene.world, scene.sign(), 30_000);
        let id = scene.world.send(Message::Sealed, request.clone());
        let fetch = scene.world.held_fetches.remove(0);
        scene.world.tell(fetch, Err(said));
        let answer = scene.world.reply(id).unwrap().unwrap();
        assert_eq!(app.open(&request, &answer), Some(Answer::Refused(heard)));
    }
}

#[test]
fn a_withdrawn_grant_does_not_stand_in_the_way_of_a_good_one() {
    let mut scene = new_scene();
    let draft = scene.customer.draft(
        &mut scene.world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let (key, _) = scene.customer.import(&mut scene.world, &draft).unwrap();
    scene
        .world
        .service()
        .keys
        .get_mut(&draft.token())
        .unwrap()
        .grant_epoch = 1;
    let app = SigningKey::generate(SignatureKind::Ed25519);
    let mut grant = scene.customer.grant(
        &scene.world,
        &[key],
        &[Action::Sign],
        Customer::audience(&app),
    );
    let old = scene.customer.sign(&grant);
    grant.epoch = 1;
    let new = scene.customer.sign(&grant);
    let session = Opening::new(&mut scene.world, &app, &app, vec![old, new])
        .send(&mut scene.world)
        .unwrap();
    session
        .sign(&mut scene.world, key, Algorithm::EcdsaSha256)
        .unwrap();
}

#[test]
fn req_11_a_result_that_outlives_its_grant_does_not_leave() {
    let mut scene = new_scene();
    let app = scene.app();
    ask_to_sign(&app, &mut scene).unwrap();
    scene.world.keep_results = true;
    let request = app.seal(&scene.world, scene.sign(), 100_000);
    let id = scene.world.send(Message::Sealed, request.clone());
    scene.world.clock.jump_ms(110_000);
    scene.world.give_kept();
    let answer = scene.world.reply(id).unwrap().unwrap();
    assert_eq!(
        app.open(&request, &answer),
        Some(Answer::Refused(Code::RequestExpired))
    );
}
