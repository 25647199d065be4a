//! From a load to the events that the core carries out.

use super::*;

#[test]
fn sta_11_one_service_opens_a_key_with_its_release() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let (key, events) = enclave.load(1, &[&bank]);
    assert_eq!(
        events,
        [Seen::Good(key, vec![Service::release(&token(1, 0))])]
    );
    assert_eq!(enclave.state(key), LeaseState::Active);
    assert!(enclave.permits(key));
}

#[test]
fn sta_11_releases_come_in_the_order_of_r_and_only_when_all_are_there() {
    let (first, second) = (Service::new("first"), Service::new("second"));
    let mut enclave = Enclave::new();
    let key = enclave.track(1, 1, &[&first, &second], TERMS);
    enclave.want(key);
    for ask in enclave.due() {
        let keys = by_host(&[&first, &second], &host(&ask)).status_keys(EPOCH_MS);
        enclave.told(ask.id, Ok(&keys));
    }
    let mut asks: Vec<_> = enclave
        .due()
        .into_iter()
        .map(|ask| (ask.id, courier(&ask)))
        .collect();
    asks.sort_by_key(|(_, courier)| courier.host != "second");
    let [(second_id, to_second), (first_id, to_first)] = &asks[..] else {
        panic!("two asks")
    };
    assert_eq!(
        enclave.told(*second_id, Ok(&second.answer(&to_second.query, EPOCH_MS))),
        []
    );
    assert!(!enclave.permits(key));
    let events = enclave.told(*first_id, Ok(&first.answer(&to_first.query, EPOCH_MS)));
    let releases = vec![
        Service::release(&token(1, 0)),
        Service::release(&token(1, 1)),
    ];
    assert_eq!(events, [Seen::Good(key, releases)]);
    assert!(enclave.permits(key));
}

#[test]
fn sta_11_a_release_is_kept_no_longer_than_its_service_stands_by_it() {
    let (first, second) = (Service::new("first"), Service::new("second"));
    let mut enclave = Enclave::new();
    let key = enclave.track(1, 1, &[&first, &second], TERMS);
    enclave.want(key);
    for ask in enclave.due() {
        let keys = by_host(&[&first, &second], &host(&ask)).status_keys(EPOCH_MS);
        enclave.told(ask.id, Ok(&keys));
    }
    for ask in enclave.due() {
        let Courier { host, query } = courier(&ask);
        if host == "first" {
            enclave.told(ask.id, Ok(&first.answer(&query, EPOCH_MS)));
        }
    }
    let holds = |enclave: &Enclave| enclave.checks.keys[&key].items[0].release.is_some();
    assert!(holds(&enclave));
    enclave.ms = 299_900;
    assert_eq!(enclave.expire(), []);
    assert!(!holds(&enclave));
}

#[test]
fn t12_a_recorded_answer_is_no_answer_to_the_next_query() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let key = enclave.track(1, 1, &[&bank], TERMS);
    enclave.want(key);
    let (id, courier) = enclave.next_query(&[&bank]);
    let recorded = bank.answer(&courier.query, EPOCH_MS);
    enclave.told(id, Ok(&recorded));
    enclave.ms = 250_000;
    let (next, _) = enclave.next_query(&[&bank]);
    assert_eq!(enclave.told(id, Ok(&recorded)), []);
    assert_eq!(enclave.told(next, Ok(&recorded)), []);
    enclave.ms = 300_000;
    assert_eq!(enclave.expire(), [Seen::Closed(key, LeaseState::Expired)]);
    assert!(!enclave.permits(key));
}

#[test]
fn t17_a_reload_is_closed_until_a_fresh_answer_whatever_was_under_way() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let (key, _) = enclave.load(1, &[&bank]);
    enclave.ms = 250_000;
    let (id, courier) = enclave.next_query(&[&bank]);
    let reply = bank.answer(&courier.query, enclave.now().attested_ms);
    enclave.track(1, 1, &[&bank], TERMS);
    assert_eq!(enclave.state(key), LeaseState::Unverified);
    enclave.want(key);
    let (next, courier) = enclave.next_query(&[&bank]);
    assert_eq!(enclave.told(id, Ok(&reply)), []);
    assert!(!enclave.permits(key));
    // Nor does the answer of the load before take the place of the one that is on its way.
    let reply = bank.answer(&courier.query, enclave.now().attested_ms);
    let events = enclave.told(next, Ok(&reply));
    assert_eq!(
        events,
        [Seen::Good(key, vec![Service::release(&token(1, 0))])]
    );
}

#[test]
fn t14_silence_closes_and_a_later_good_opens_again() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let (key, _) = enclave.load(1, &[&bank]);
    enclave.ms = 300_000;
    assert!(!enclave.permits(key));
    assert_eq!(enclave.expire(), [Seen::Closed(key, LeaseState::Expired)]);
    assert_eq!(enclave.expire(), []);
    enclave.want(key);
    let events = enclave.carry(&[&bank]);
    assert_eq!(
        events,
        [Seen::Good(key, vec![Service::release(&token(1, 0))])]
    );
}

#[test]
fn t15_the_end_on_the_second_clock_closes_while_the_first_stands_still() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let (key, _) = enclave.load(1, &[&bank]);
    let frozen = |ms: u64| Clock {
        monotonic_ms: 1_000,
        attested_ms: EPOCH_MS + ms,
    };
    assert!(enclave.checks.permits(key, Turn::NONE, frozen(299_999)));
    assert!(!enclave.checks.permits(key, Turn::NONE, frozen(300_000)));
    let events = seen(enclave.checks.expire(frozen(300_000)));
    assert_eq!(events, [Seen::Closed(key, LeaseState::Expired)]);
}

#[test]
fn t61_a_result_whose_revocation_was_heard_meanwhile_does_not_leave() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let (key, _) = enclave.load(1, &[&bank]);
    assert!(enclave.permits(key), "the operation starts");
    let push = bank.push(&token(1, 0), Status::Revoked, 2, EPOCH_MS);
    assert_eq!(
        seen(enclave.checks.pushed(&push, enclave.now()).unwrap()),
        [Seen::Revoked(key)]
    );
    assert!(!enclave.permits(key), "its result stays");
}

#[test]
fn t70_suspended_closes_what_is_open_and_a_good_at_the_same_sequence_returns() {
    let mut bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let (key, _) = enclave.load(1, &[&bank]);
    // The service does not accept the image any more: the registration and its sequence are as before.
    bank.say(token(1, 0), Status::Suspended, 1);
    enclave.ms = 250_000;
    assert_eq!(
        enclave.carry(&[&bank]),
        [Seen::Closed(key, LeaseState::Suspended)]
    );
    assert!(!enclave.permits(key));
    // An operation waits, and hears why.
    enclave.ms += 1_000;
    enclave.want(key);
    assert_eq!(
        enclave.carry(&[&bank]),
        [Seen::Closed(key, LeaseState::Suspended)]
    );
    bank.say(token(1, 0), Status::Good, 1);
    enclave.ms += 1_000;
    enclave.want(key);
    let events = enclave.carry(&[&bank]);
    assert_eq!(
        events,
        [Seen::Good(key, vec![Service::release(&token(1, 0))])]
    );
}

#[test]
fn sta_17_t5_revoked_is_said_once_remembered_and_never_asked_about_again() {
    let mut bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let (key, _) = enclave.load(1, &[&bank]);
    bank.say(token(1, 0), Status::Revoked, 2);
    enclave.ms = 250_000;
    assert_eq!(enclave.carry(&[&bank]), [Seen::Revoked(key)]);
    enclave.ms = 900_000;
    enclave.want(key);
    assert!(enclave.due().is_empty());
    enclave.track(1, 1, &[&bank], TERMS);
    assert_eq!(enclave.state(key), LeaseState::Revoked);
    bank.say(token(1, 0), Status::Good, 3);
    enclave.want(key);
    assert!(enclave.due().is_empty());
    assert!(!enclave.permits(key));
}

#[test]
fn none_is_silence_and_is_asked_again_with_growing_pauses() {
    let mut bank = Service::new("bank");
    bank.say(token(1, 0), Status::None, 0);
    let mut enclave = Enclave::new();
    let (key, events) = enclave.load(1, &[&bank]);
    assert_eq!(events, []);
    assert_eq!(enclave.state(key), LeaseState::Unverified);
    enclave.ms = 1_300;
    assert_eq!(enclave.carry(&[&bank]), []);
    bank.say(token(1, 0), Status::Good, 1);
    enclave.ms = 2_000;
    assert!(enclave.due().is_empty(), "the second pause is longer");
    enclave.ms = 4_000;
    assert_eq!(enclave.carry(&[&bank]).len(), 1);
}

#[test]
fn the_grant_epoch_comes_with_the_answer() {
    let mut bank = Service::new("bank");
    bank.says.insert(token(1, 0).0, (Status::Good, 1, 5));
    let mut enclave = Enclave::new();
    let (key, _) = enclave.load(1, &[&bank]);
    assert_eq!(enclave.checks.grant_epoch(key), 5);
}

#[test]
fn t15_per_operation_each_operation_waits_for_an_answer_of_its_own() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let key = enclave.track(
        1,
        1,
        &[&bank],
        LeaseTerms {
            per_operation: true,
            ..TERMS
        },
    );
    let permits = |enclave: &Enclave, turn| enclave.checks.permits(key, turn, enclave.now());
    let first = enclave.want(key);
    let (id, courier) = enclave.next_query(&[&bank]);
    let second = enclave.want(key);
    let events = enclave.told(id, Ok(&bank.answer(&courier.query, EPOCH_MS)));
    assert_eq!(
        events,
        [Seen::Good(key, vec![Service::release(&token(1, 0))])]
    );
    assert!(permits(&enclave, first));
    assert!(!permits(&enclave, second));
    assert!(!permits(&enclave, Turn::NONE));
    assert_eq!(enclave.carry(&[&bank]), [Seen::Good(key, vec![])]);
    assert!(permits(&enclave, second));
    // Nobody waits: nothing is asked, until the material goes.
    enclave.ms = 250_000;
    assert!(enclave.due().is_empty());
    enclave.ms = 300_000;
    assert_eq!(enclave.expire(), [Seen::Closed(key, LeaseState::Expired)]);
}

#[test]
fn t15_per_operation_a_waiting_operation_keeps_its_turn_between_two_services() {
    let (first, second) = (Service::new("first"), Service::new("second"));
    let services = [&first, &second];
    let mut enclave = Enclave::new();
    let key = enclave.track(
        1,
        1,
        &services,
        LeaseTerms {
            per_operation: true,
            ..TERMS
        },
    );
    enclave.want(key);
    assert_eq!(enclave.carry(&services).len(), 1);
    let turn = enclave.want(key);
    let mut asks: Vec<_> = enclave
        .due()
        .into_iter()
        .map(|ask| (ask.id, courier(&ask)))
        .collect();
    asks.sort_by_key(|(_, courier)| courier.host != "first");
    let [(first_id, to_first), (second_id, to_second)] = &asks[..] else {
        panic!("two asks")
    };
    assert_eq!(
        enclave
            .told(*first_id, Ok(&first.answer(&to_first.query, EPOCH_MS)))
            .len(),
        1
    );
    // It was let try too early; it goes on waiting, and nobody is asked twice.
    let now = enclave.now();
    assert!(!enclave.checks.permits(key, turn, now));
    assert_eq!(enclave.checks.want_now(key, turn, now), turn);
    assert!(enclave.due().is_empty());
    assert_eq!(
        enclave
            .told(*second_id, Ok(&second.answer(&to_second.query, EPOCH_MS)))
            .len(),
        1
    );
    assert!(enclave.checks.permits(key, turn, now));
    assert!(enclave.due().is_empty());
}
