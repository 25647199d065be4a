//! The lease through the whole enclave, with a parent that replays, delays, drops and redirects (P3).
//! The rules themselves have property tests beside the code; here each attack meets the real queries and answers.

#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam::crypto::hpke;
use cofferdam_e2e::customer::p256_material;
use cofferdam_e2e::world::Carry;
use cofferdam_e2e::{App, Customer, Service, World};
use cofferdam_wire::id::{KeyId, Token};
use cofferdam_wire::kind::{Action, Algorithm, KeyKind, UsageClass};
use cofferdam_wire::link::Message;
use cofferdam_wire::operation::{Input, Operation};
use cofferdam_wire::session::Answer;
use cofferdam_wire::status::{AnswerItem, SealedQuery, Status, query_info};
use cofferdam_wire::{Code, cbor, limits};

struct Scene {
    world: World,
    app: App,
    key: KeyId,
    token: Token,
}

fn scene() -> Scene {
    let mut world = World::with_group();
    let customer = Customer::new();
    let draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let (key, _) = customer.import(&mut world, &draft).unwrap();
    let app = App::with_grant(&mut world, &customer, &[key], &[Action::Sign]).unwrap();
    Scene {
        world,
        app,
        key,
        token: draft.token(),
    }
}

impl Scene {
    fn sign(&mut self) -> Result<Vec<u8>, Code> {
        self.app
            .sign(&mut self.world, self.key, Algorithm::EcdsaSha256)
    }

    fn request(&self) -> Vec<u8> {
        let input = Input::Message(b"message".to_vec());
        let operation = Operation::Sign {
            key: self.key,
            algorithm: Algorithm::EcdsaSha256,
            input,
        };
        self.app.seal(&self.world, operation, 30_000)
    }

    /// Milliseconds from now until the first refusal, trying every 250 ms; waiting operations are not awaited.
    fn last_success_ms(&mut self, up_to_ms: u64) -> u64 {
        let (mut last, mut at) = (0, 0);
        while at <= up_to_ms {
            let request = self.request();
            let id = self.world.send(Message::Sealed, request.clone());
            if let Some(Ok(answer)) = self.world.reply(id)
                && matches!(self.app.open(&request, &answer), Some(Answer::Done(_)))
            {
                last = at;
            }
            self.world.pass_ms(250);
            at += 250;
        }
        last
    }
}

const BOUND_MS: u64 = 60_000 + 2_000;

#[test]
fn t14_after_revoked_no_operation_passes_the_bound_whatever_is_dropped() {
    for carry in [Carry::Pass, Carry::Drop, Carry::HoldAnswer] {
        let mut scene = scene();
        scene.sign().unwrap();
        scene.world.carry = carry;
        let token = scene.token;
        scene.world.set_status(&token, Status::Revoked);
        let last = scene.last_success_ms(3 * BOUND_MS);
        assert!(
            last <= BOUND_MS,
            "the last operation passed {last} ms after the revocation"
        );
        assert!(last > 20_000, "the lease is used for as long as it runs");
    }
}

#[test]
fn t12_an_old_good_is_refused_for_its_nonce() {
    let mut scene = scene();
    scene.world.carry = Carry::HoldAnswer;
    let request = scene.request();
    let id = scene.world.send(Message::Sealed, request.clone());
    let good = scene.world.held.pop().unwrap();
    scene.world.tell(good.id, Ok(good.answer.clone()));
    assert!(scene.world.reply(id).unwrap().is_ok());

    let token = scene.token;
    scene.world.set_status(&token, Status::Revoked);
    // From here on every query is answered with the recorded "good".
    let mut last = 0;
    for at in (0..150_000).step_by(250) {
        for held in std::mem::take(&mut scene.world.held) {
            scene.world.tell(held.id, Ok(good.answer.clone()));
            scene.world.tell(good.id, Ok(good.answer.clone()));
        }
        let request = scene.request();
        let id = scene.world.send(Message::Sealed, request.clone());
        if let Some(Ok(answer)) = scene.world.reply(id)
            && matches!(scene.app.open(&request, &answer), Some(Answer::Done(_)))
        {
            last = at;
        }
        scene.world.pass_ms(250);
    }
    assert!(
        last <= 60_000,
        "the replayed answer kept the key alive for {last} ms"
    );
}

#[test]
fn t13_a_lease_counts_from_the_sending_and_so_is_shorter_by_the_delay() {
    let mut scene = scene();
    scene.world.carry = Carry::HoldAnswer;
    let request = scene.request();
    let id = scene.world.send(Message::Sealed, request);
    scene.world.pass_ms(9_000);
    let good = scene.world.held.remove(0);
    scene.world.held.clear();
    scene.world.tell(good.id, Ok(good.answer));
    assert!(
        scene.world.reply(id).unwrap().is_ok(),
        "the answer is taken"
    );
    scene.world.carry = Carry::Drop;
    let last = scene.last_success_ms(BOUND_MS);
    assert!(last <= 51_000, "9 s of delay come off: {last} ms");
    assert!(last > 45_000);
}

#[test]
fn t69_a_good_held_back_over_a_suspended_is_ignored() {
    let mut scene = scene();
    scene.sign().unwrap();
    scene.world.carry = Carry::HoldAnswer;
    scene.world.pass_ms(50_000); // past 75 % of the interval: a query is under way, and its "good" is held
    let good = scene.world.held.remove(0);
    scene.world.held.clear();
    let token = scene.token;
    scene.world.set_status(&token, Status::Suspended);
    scene.world.carry = Carry::Pass;
    scene.world.pass_ms(15_000);
    assert_eq!(scene.sign(), Err(Code::Suspended));
    scene.world.tell(good.id, Ok(good.answer));
    assert_eq!(scene.sign(), Err(Code::Suspended));
    scene.world.set_status(&token, Status::Good);
    scene.sign().unwrap();
}

#[test]
fn t11_a_query_led_to_another_server_brings_no_lease_and_shows_no_token() {
    let mut scene = scene();
    let token = scene.token;
    let real = scene.world.services.remove("status.example").unwrap();
    let mut other = Service::new();
    other.keys = real.keys.clone(); // even if it knew every token
    scene.world.services.insert("status.example".into(), other);
    assert_eq!(scene.sign(), Err(Code::LeaseUnavailable));
    assert!(
        scene.world.services["status.example"].last.is_none(),
        "nothing was ever sealed to it"
    );
    let seen = |body: &Vec<u8>| {
        body.windows(16)
            .any(|window| token.0.windows(16).any(|part| part == window))
    };
    assert!(
        !scene.world.crossed.iter().any(seen),
        "the token crosses sealed only"
    );
    scene.world.services.insert("status.example".into(), real);
    scene.sign().unwrap();
}

#[test]
fn t78_a_query_resealed_to_another_key_names_the_wrong_one() {
    let mut scene = scene();
    scene.world.carry = Carry::HoldAnswer;
    let request = scene.request();
    scene.world.send(Message::Sealed, request);
    let held = scene.world.held.remove(0);
    let query = scene.world.service().open(&held.query);
    let attacker = hpke::PrivateKey::generate();
    let to =
        cofferdam_wire::layer::recipient_id(cofferdam_wire::kind::Suite::XWing, &attacker.public());
    // Whoever gets at the plaintext of a signed query cannot seal it to a key of his own: it names key and enc.
    let (enc, _) = hpke::setup_sender(&attacker.public(), &query_info(&to)).unwrap();
    assert_ne!(query.service_key, to);
    assert_ne!(query.enc, enc);
    let sealed: SealedQuery = cbor::decode(&held.query, limits::STATUS_QUERY).unwrap();
    assert_eq!(
        (query.service_key, query.enc),
        (sealed.service_key, sealed.enc)
    );
}

#[test]
fn t78_an_answer_by_somebody_else_than_the_services_key_is_refused() {
    let mut scene = scene();
    let token = scene.token;
    scene.world.carry = Carry::HoldAnswer;
    let request = scene.request();
    let id = scene.world.send(Message::Sealed, request);
    let held = scene.world.held.remove(0);
    let query = scene.world.service().open(&held.query);
    let setup = scene.world.binding().setup;
    let now_ms = scene.world.nsm.now_ms();
    let release = scene.world.service().keys[&token].release.clone();
    let good = || AnswerItem {
        status: Status::Good,
        sequence: 1,
        release: Some(release.as_slice().into()),
        grant_epoch: 0,
    };
    let forged = Service::new().sealed_answer(&query, &held.query, vec![good()], now_ms, &setup);
    scene.world.tell(held.id, Ok(forged));
    assert!(
        scene.world.reply(id).is_none(),
        "no lease by a stranger's word"
    );
    assert_eq!(scene.world.health().active, 0);
}

#[test]
fn t68_an_answer_with_another_count_of_items_is_refused_whole() {
    for count in [0, 2] {
        let mut scene = scene();
        scene.world.carry = Carry::HoldAnswer;
        let request = scene.request();
        let id = scene.world.send(Message::Sealed, request);
        let held = scene.world.held.remove(0);
        let query = scene.world.service().open(&held.query);
        let setup = scene.world.binding().setup;
        let now_ms = scene.world.nsm.now_ms();
        let token = scene.token;
        let release = scene.world.service().keys[&token].release.clone();
        let items = (0..count)
            .map(|_| AnswerItem {
                status: Status::Good,
                sequence: 1,
                release: Some(release.as_slice().into()),
                grant_epoch: 0,
            })
            .collect();
        let answer =
            scene
                .world
                .service()
                .sealed_answer(&query, &held.query, items, now_ms, &setup);
        scene.world.tell(held.id, Ok(answer));
        assert!(scene.world.reply(id).is_none());
    }
}

#[test]
fn t61_a_result_computed_before_the_revocation_does_not_leave_after_it() {
    let mut scene = scene();
    scene.sign().unwrap();
    scene.world.keep_results = true;
    let request = scene.request();
    let id = scene.world.send(Message::Sealed, request.clone());
    assert!(scene.world.reply(id).is_none(), "the result is in the pool");
    let token = scene.token;
    scene.world.set_status(&token, Status::Revoked);
    let push = {
        let now_s = scene.world.now_s();
        scene.world.service().push(&token, now_s)
    };
    scene.world.call(Message::Push, push).unwrap();
    scene.world.give_kept();
    let answer = scene.world.reply(id).unwrap().unwrap();
    assert_eq!(
        scene.app.open(&request, &answer),
        Some(Answer::Refused(Code::Revoked))
    );
}

#[test]
fn t61_req_11_a_result_that_outlives_its_lease_does_not_leave() {
    let mut scene = scene();
    scene.sign().unwrap();
    scene.world.carry = Carry::Drop;
    scene.world.keep_results = true;
    let input = Input::Message(b"message".to_vec());
    let operation = Operation::Sign {
        key: scene.key,
        algorithm: Algorithm::EcdsaSha256,
        input,
    };
    let request = scene.app.seal(&scene.world, operation, 100_000);
    let id = scene.world.send(Message::Sealed, request.clone());
    scene.world.pass_ms(61_000);
    scene.world.give_kept();
    let answer = scene.world.reply(id).unwrap().unwrap();
    assert_eq!(
        scene.app.open(&request, &answer),
        Some(Answer::Refused(Code::LeaseUnavailable))
    );
}

#[test]
fn t15_without_readings_of_the_attested_clock_64_results_leave_and_no_more() {
    let mut scene = scene();
    scene.sign().unwrap();
    scene.world.reads_attested = false; // the shell is starved of readings, and the monotonic clock stands still
    let mut left = 1; // the one above left on the last reading
    for _ in 0..100 {
        let request = scene.request();
        let answer = scene.world.call(Message::Sealed, request.clone()).unwrap();
        left += u32::from(matches!(
            scene.app.open(&request, &answer),
            Some(Answer::Done(_))
        ));
    }
    assert_eq!(left, limits::OPERATIONS_PER_READING);
}

#[test]
fn a_push_shortens_and_never_lengthens() {
    let mut scene = scene();
    scene.sign().unwrap();
    let token = scene.token;
    scene.world.set_status(&token, Status::Suspended);
    let now_s = scene.world.now_s();
    let push = scene.world.service().push(&token, now_s);
    scene.world.carry = Carry::Drop;
    scene.world.call(Message::Push, push).unwrap();
    assert!(scene.sign().is_err());
    scene.world.set_status(&token, Status::Good);
    let push = scene.world.service().push(&token, now_s);
    let _ = scene.world.call(Message::Push, push);
    assert!(scene.sign().is_err(), "a pushed good is no lease");
    scene.world.carry = Carry::Pass;
    scene.sign().unwrap();
}

#[test]
fn t22_two_enclaves_on_one_store_both_need_their_own_answers() {
    let mut scene = scene();
    scene.sign().unwrap();
    scene.world.restart_and_recover();
    assert_eq!(
        scene.world.health().active,
        0,
        "leases die with the process"
    );
}
