//! The whole way with real cryptography, under a parent that delays, drops, repeats and mixes replies.
//!
//! What counts as a failure: an operation is released later than interval + grace + 2 s after a revoke returned; a host
//! has more queries under way than its budget; a query mixes owners or services; a key opens without the release of
//! each of its services; something is left behind when all keys are forgotten.

use super::*;
use crate::checks::schedule::PER_HOST;
use std::collections::BTreeMap;

#[test]
fn t12_t13_t14_t68_t69_a_hostile_parent_gains_nothing() {
    for seed in 0..12 {
        eprintln!("seed {seed}");
        attack(seed);
    }
}

fn attack(seed: u64) {
    let mut dice = Seeded(seed);
    let mut services = [Service::new("one"), Service::new("two")];
    let mut enclave = Enclave::new();
    enclave.entropy = Seeded(seed + 1_000);
    let terms = LeaseTerms {
        interval_s: 30,
        grace_s: 5,
        per_operation: false,
        skew_s: 1,
    };
    let mut owners = BTreeMap::new();
    for key in 0..12u8 {
        let used: Vec<_> = services
            .iter()
            .skip(usize::from(key % 3 == 1))
            .take(1 + usize::from(key % 3 == 2))
            .collect();
        enclave.track(key, key % 2, &used, terms);
        owners.insert(key, key % 2);
    }
    let mut revoked_at: BTreeMap<KeyId, u64> = BTreeMap::new();
    let mut under_way: Vec<(u64, String)> = Vec::new();
    let mut replies: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut opened = 0;
    for _ in 0..400 {
        enclave.ms += dice.roll() % 1_500;
        let mut events = enclave.expire();
        for key in 0..12 {
            if dice.roll().is_multiple_of(3) {
                enclave.want(KeyId([key; 32]));
            }
        }
        for ask in enclave.due() {
            if ask.message == Message::FetchStatusKeys {
                let host = host(&ask);
                let service = services
                    .iter()
                    .find(|service| service.host == host)
                    .unwrap();
                replies.push((ask.id, service.status_keys(enclave.now().attested_ms)));
                under_way.push((ask.id, host));
                continue;
            }
            let courier = courier(&ask);
            let service = services
                .iter()
                .find(|service| service.host == courier.host)
                .unwrap();
            let (_, _, query) = service.open(&courier.query);
            let asked: BTreeSet<_> = query
                .items
                .iter()
                .map(|item| owners[&item.token.0[0]])
                .collect();
            assert_eq!(asked.len(), 1, "a query mixes owners");
            // Sometimes the query never arrives.
            if !dice.roll().is_multiple_of(6) {
                replies.push((
                    ask.id,
                    service.answer(&courier.query, enclave.now().attested_ms),
                ));
            }
            under_way.push((ask.id, courier.host));
        }
        under_way.retain(|(id, _)| enclave.checks.under_way.contains_key(id));
        for host in ["one", "two"] {
            assert!(under_way.iter().filter(|(_, to)| to == host).count() <= PER_HOST);
        }
        for _ in 0..dice.roll() % 4 {
            if replies.is_empty() {
                break;
            }
            // Mostly the newest; sometimes anything, also twice; sometimes under another ask's id.
            let any = (dice.roll() % replies.len() as u64) as usize;
            let pick = if dice.roll().is_multiple_of(3) {
                any
            } else {
                replies.len() - 1
            };
            let (mut id, reply) = replies[pick].clone();
            if dice.roll().is_multiple_of(8) {
                id = replies[any].0;
            }
            if dice.roll().is_multiple_of(2) {
                replies.remove(pick);
            }
            let reply = if dice.roll().is_multiple_of(10) {
                Err(Code::Unreachable)
            } else {
                Ok(&reply[..])
            };
            events.extend(enclave.told(id, reply));
        }
        if dice.roll().is_multiple_of(40) {
            let key = (dice.roll() % 12) as u8;
            let place = (dice.roll() % 2) as u8;
            let revokes = dice.roll().is_multiple_of(2);
            for service in &mut services {
                let sequence = service
                    .says
                    .get(&token(key, place).0)
                    .map_or(1, |said| said.1)
                    + 1;
                let is_over = matches!(
                    service.says.get(&token(key, place).0),
                    Some((Status::Revoked, ..))
                );
                if !is_over {
                    let status = if revokes {
                        Status::Revoked
                    } else {
                        Status::Suspended
                    };
                    service.say(token(key, place), status, sequence);
                }
            }
            let is_named = place == 0 || key % 3 == 2;
            if revokes && is_named {
                revoked_at.entry(KeyId([key; 32])).or_insert(enclave.ms);
            }
        }
        for event in events {
            if let Seen::Good(key, releases) = event
                && !releases.is_empty()
            {
                opened += 1;
                let places = if key.0[0] % 3 == 2 { 2 } else { 1 };
                let expected: Vec<_> = (0..places)
                    .map(|place| Service::release(&token(key.0[0], place)))
                    .collect();
                assert_eq!(releases, expected);
            }
        }
        for (key, at) in &revoked_at {
            assert!(
                !enclave.permits(*key) || enclave.ms <= at + 37_000,
                "P3: seed {seed}"
            );
        }
    }
    assert!(
        opened > 10,
        "the attack must leave something to attack: {opened}"
    );
    (0..12).for_each(|key| enclave.checks.forget(KeyId([key; 32])));
    enclave.ms += 20_000;
    enclave.due();
    assert!(enclave.checks.keys.is_empty() && enclave.checks.under_way.is_empty());
    assert!(enclave.checks.schedule.is_empty() && enclave.checks.services.is_empty());
}
