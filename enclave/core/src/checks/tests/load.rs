//! Turns, budgets, losses and pauses.

use super::*;
use crate::checks::schedule::PER_HOST;

#[test]
fn sta_13_t42_a_host_has_a_budget_and_its_owners_take_turns() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let (_, _) = enclave.load(100, &[&bank]);
    // One owner with many lanes (roots) at this host, and one with a single key.
    let crowd: Vec<_> = (0..20).map(|_| Service::new("BANK:443")).collect();
    for (number, root) in crowd.iter().enumerate() {
        let key = enclave.track(number as u8, 1, &[root], TERMS);
        enclave.want(key);
    }
    let lone = enclave.track(200, 2, &[&bank], TERMS);
    enclave.want(lone);
    let asks = enclave.due();
    assert_eq!(asks.len(), PER_HOST);
    let lone_asks = asks
        .iter()
        .filter(|ask| ask.message == Message::AskStatus)
        .count();
    assert_eq!(lone_asks, 1, "the other owner is among the first");
    assert!(enclave.due().is_empty());
    enclave.told(asks[0].id, Err(Code::Unreachable));
    assert_eq!(enclave.due().len(), 1);
}

#[test]
fn sta_13_hosts_take_turns_and_a_call_makes_few_asks() {
    let services: Vec<_> = (0..40)
        .map(|number| Service::new(&format!("host{number}")))
        .collect();
    let mut enclave = Enclave::new();
    for (number, service) in services.iter().enumerate() {
        let key = enclave.track(number as u8, 1, &[service], TERMS);
        enclave.want(key);
    }
    let mut hosts = BTreeSet::new();
    for expected in [16, 16, 8, 0] {
        let asks = enclave.due();
        assert_eq!(asks.len(), expected);
        hosts.extend(asks.iter().map(host));
        let is_more = enclave.checks.next_timeout_ms().unwrap() <= enclave.now().monotonic_ms;
        assert_eq!(is_more, hosts.len() < 40);
    }
}

#[test]
fn sta_14_an_ask_is_lost_after_10_s_and_its_late_reply_is_nothing() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let key = enclave.track(1, 1, &[&bank], TERMS);
    enclave.want(key);
    let (id, courier) = enclave.next_query(&[&bank]);
    let reply = bank.answer(&courier.query, EPOCH_MS);
    assert_eq!(
        enclave.checks.next_timeout_ms(),
        Some(enclave.now().monotonic_ms + 10_000)
    );
    enclave.ms = 9_999;
    assert!(enclave.due().is_empty());
    enclave.ms = 10_000;
    assert_eq!(enclave.told(id, Ok(&reply)), []);
    assert!(!enclave.permits(key));
    assert_eq!(enclave.told(id + 1, Ok(&reply)), []);
    enclave.ms = 12_000;
    assert_eq!(enclave.carry(&[&bank]).len(), 1);
}

#[test]
fn sta_14_the_parent_may_say_at_once_that_it_cannot_reach_the_service() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let key = enclave.track(1, 1, &[&bank], TERMS);
    enclave.want(key);
    let asks = enclave.due();
    assert_eq!(enclave.told(asks[0].id, Err(Code::Unreachable)), []);
    assert!(enclave.due().is_empty());
    enclave.ms = 1_300;
    assert_eq!(enclave.carry(&[&bank]).len(), 1);
}

#[test]
fn sta_15_one_query_at_a_time_and_a_pause_that_no_operation_shortens_below_a_second() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let key = enclave.track(1, 1, &[&bank], TERMS);
    enclave.want(key);
    let (id, _) = enclave.next_query(&[&bank]);
    for _ in 0..100 {
        enclave.want(key);
    }
    assert!(enclave.due().is_empty());
    for failures in 0..6 {
        enclave.told(id + failures, Err(Code::Unreachable));
        enclave.want(key);
        enclave.ms += 999;
        assert!(enclave.due().is_empty());
        enclave.ms += 1;
        assert_eq!(enclave.due().len(), 1, "an operation waits");
    }
    // Without one the pauses double, up to an eighth of the interval.
    let mut last = id + 6;
    let mut pauses = Vec::new();
    for _ in 0..5 {
        enclave.told(last, Err(Code::Unreachable));
        let pause = enclave.checks.next_timeout_ms().unwrap() - enclave.now().monotonic_ms;
        pauses.push(pause);
        enclave.ms += pause;
        last = enclave.due()[0].id;
    }
    assert!(
        pauses[1..]
            .iter()
            .all(|pause| (30_000..=37_500 * 5 / 4).contains(pause)),
        "{pauses:?}"
    );
}

#[test]
fn sta_16_checks_start_at_50_to_75_percent_and_take_along_what_may_go() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let keys: Vec<_> = (1..=40)
        .map(|key| enclave.track(key, 1, &[&bank], TERMS))
        .collect();
    for key in keys {
        enclave.want(key);
    }
    enclave.carry(&[&bank]);
    let start = enclave.now().monotonic_ms;
    let first = enclave.checks.next_timeout_ms().unwrap() - start;
    assert!((150_000..=165_000).contains(&first), "{first}");
    enclave.ms += first;
    let (_, courier) = enclave.next_query(&[&bank]);
    assert_eq!(bank.open(&courier.query).2.items.len(), 40);
}

#[test]
fn sta_16_a_short_validity_makes_checks_more_frequent_but_no_loop() {
    let mut bank = Service::new("bank");
    bank.valid_for_s = 20;
    let mut enclave = Enclave::new();
    enclave.load(1, &[&bank]);
    let next = enclave.checks.next_timeout_ms().unwrap() - enclave.now().monotonic_ms;
    assert!((10_000..=15_000).contains(&next), "{next}");

    bank.valid_for_s = 0;
    let mut enclave = Enclave::new();
    let (key, events) = enclave.load(1, &[&bank]);
    assert_eq!(events, []);
    assert!(!enclave.permits(key));
    let next = enclave.checks.next_timeout_ms().unwrap() - enclave.now().monotonic_ms;
    assert!(next >= 1_000, "{next}");
}

#[test]
fn sta_2_certificates_are_fetched_again_when_they_are_over_or_the_service_has_other_keys() {
    let mut bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let (key, _) = enclave.load(1, &[&bank]);
    enclave.ms = 250_000;
    let asks = enclave.due();
    assert_eq!(asks[0].message, Message::AskStatus, "kept");
    bank.receiver = xwing::PrivateKey::generate().unwrap();
    enclave.told(asks[0].id, Err(Code::UnknownRecipient));
    enclave.ms = 252_000;
    let asks = enclave.due();
    assert_eq!(
        asks[0].message,
        Message::FetchStatusKeys,
        "the service has another key"
    );
    enclave.told(asks[0].id, Ok(&bank.status_keys(enclave.now().attested_ms)));
    assert_eq!(enclave.carry(&[&bank]), [Seen::Good(key, vec![])]);
    enclave.ms += 25 * 3_600_000;
    enclave.expire();
    enclave.want(key);
    assert_eq!(enclave.due()[0].message, Message::FetchStatusKeys, "over");
}

#[test]
fn sta_1_bad_certificates_make_the_service_wait_and_no_query_leaves() {
    let (bank, other) = (Service::new("bank"), Service::new("bank"));
    let mut enclave = Enclave::new();
    let key = enclave.track(1, 1, &[&bank], TERMS);
    enclave.want(key);
    for _ in 0..3 {
        let asks = enclave.due();
        assert_eq!(asks[0].message, Message::FetchStatusKeys);
        enclave.told(asks[0].id, Ok(&other.status_keys(EPOCH_MS)));
        assert!(enclave.due().is_empty());
        enclave.ms = enclave.checks.next_timeout_ms().unwrap() - 1_000;
    }
    assert_eq!(enclave.carry(&[&bank]).len(), 1);
}
