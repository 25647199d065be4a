//! Queries: who shares one, what is in it, how long it is.

use super::*;
use crate::crypto::signature::verify_sign1;
use cofferdam_wire::context;
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::recipient_id;

/// All queries that leave now, opened by the services they go to.
fn queries(enclave: &mut Enclave, services: &[&Service]) -> Vec<(String, Vec<Token>, usize)> {
    let mut queries = Vec::new();
    loop {
        let asks = enclave.due();
        if asks.is_empty() {
            return queries;
        }
        for ask in asks {
            let attested_ms = enclave.now().attested_ms;
            if ask.message == Message::FetchStatusKeys {
                // Several services may stand at one host: the parent gives what the host gives.
                let keys = by_host(services, &host(&ask)).status_keys(attested_ms);
                enclave.told(ask.id, Ok(&keys));
            } else {
                let courier = courier(&ask);
                let service = by_host(services, &courier.host);
                let (sealed, _, query) = service.open(&courier.query);
                let tokens = query.items.iter().map(|item| item.token).collect();
                queries.push((courier.host.clone(), tokens, sealed.ciphertext.len()));
                enclave.told(ask.id, Ok(&service.answer(&courier.query, attested_ms)));
            }
        }
    }
}

#[test]
fn sta_3_t68_keys_share_a_query_only_within_one_owner_host_and_root() {
    let (bank, other_host) = (Service::new("bank"), Service::new("elsewhere"));
    let mut enclave = Enclave::new();
    let keys = [
        enclave.track(1, 1, &[&bank], TERMS),
        enclave.track(2, 1, &[&bank], TERMS),
        enclave.track(3, 2, &[&bank], TERMS),
        enclave.track(4, 1, &[&other_host], TERMS),
    ];
    for key in keys {
        enclave.want(key);
    }
    let mut shared: Vec<_> = queries(&mut enclave, &[&bank, &other_host])
        .into_iter()
        .map(|query| (query.0, query.1))
        .collect();
    shared.sort();
    let expected = [
        ("bank".to_owned(), vec![token(1, 0), token(2, 0)]),
        ("bank".to_owned(), vec![token(3, 0)]),
        ("elsewhere".to_owned(), vec![token(4, 0)]),
    ];
    assert_eq!(shared, expected);
    assert!(keys.iter().all(|key| enclave.permits(*key)));
}

#[test]
fn sta_3_t11_t68_another_root_at_the_same_host_gets_no_query() {
    let bank = Service::new("bank");
    let impostor = Service::new("bank");
    let mut enclave = Enclave::new();
    let (banked, tenants) = (
        enclave.track(1, 1, &[&bank], TERMS),
        enclave.track(2, 2, &[&impostor], TERMS),
    );
    enclave.want(banked);
    enclave.want(tenants);
    // The host is the bank's: its certificates are no use to the tenant's root.
    let sent = queries(&mut enclave, &[&bank]);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].1, [token(1, 0)]);
    assert!(enclave.permits(banked));
    assert!(!enclave.permits(tenants));

    // And the other way round: the courier dials another server for the bank's key.
    let mut enclave = Enclave::new();
    let banked = enclave.track(1, 1, &[&bank], TERMS);
    enclave.want(banked);
    assert_eq!(queries(&mut enclave, &[&impostor]), []);
}

#[test]
fn sta_4_a_query_has_at_most_512_items_and_tells_its_number_by_steps() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    for number in 0..600u16 {
        let mut id = [7; 32];
        id[..2].copy_from_slice(&number.to_be_bytes());
        let named = Named {
            host: "bank".into(),
            status_root: bank.root.public(),
            token: Token(id),
        };
        let revocation = Revocation::Services {
            services: vec![named],
            terms: TERMS,
        };
        enclave.checks.track(KeyId(id), &owner_key(1), &revocation);
        enclave.want(KeyId(id));
    }
    let sent = queries(&mut enclave, &[&bank]);
    let mut counts: Vec<_> = sent.iter().map(|query| query.1.len()).collect();
    counts.sort();
    assert_eq!(counts, [88, 512]);
    for (_, _, sealed) in &sent {
        assert_eq!((sealed - 16) % limits::STATUS_QUERY_STEP, 0);
        assert!(*sealed <= limits::STATUS_QUERY_PLAIN + 16);
    }
}

#[test]
fn sta_4_fewer_items_fit_beside_a_large_genesis_and_the_rest_follows() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    enclave.carried[2] = vec![3; 38_000];
    enclave.carried[1] = vec![2; 15_000];
    let room = |enclave: &Enclave| {
        let [binding, evidence, genesis] = &enclave.carried;
        let (instance, setup) = (&enclave.instance, &enclave.setup);
        let group = GroupId([9; 32]);
        query::capacity(&Identity {
            group,
            binding,
            evidence,
            genesis,
            instance,
            setup,
        })
    };
    assert!((1..40).contains(&room(&enclave)));
    for key in 1..=100 {
        let key = enclave.track(key, 1, &[&bank], TERMS);
        enclave.want(key);
    }
    let sent = queries(&mut enclave, &[&bank]);
    assert_eq!(sent.iter().map(|query| query.1.len()).sum::<usize>(), 100);
    assert!(sent.iter().all(|query| query.1.len() <= room(&enclave)));

    // What every query carries leaves no room: nothing is asked, and nothing spins.
    enclave.carried[2] = vec![3; 60_000];
    enclave.ms = 250_000;
    assert!(enclave.due().is_empty());
    assert!(enclave.checks.next_timeout_ms().unwrap() > enclave.now().monotonic_ms);
}

#[test]
fn sta_5_t78_a_query_is_signed_for_its_recipient_and_used_once() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let key = enclave.track(1, 1, &[&bank], TERMS);
    enclave.want(key);
    let (id, courier) = enclave.next_query(&[&bank]);
    let (sealed, signed, query) = bank.open(&courier.query);
    assert!(verify_sign1(
        &enclave.instance.public(),
        context::STATUS_QUERY,
        &signed
    ));
    assert_eq!(
        query.service_key,
        recipient_id(Suite::XWing, bank.receiver.public())
    );
    assert_eq!(query.service_key, sealed.service_key);
    assert_eq!(query.enc, sealed.enc);
    assert_eq!((query.version, query.group), (1, GroupId([9; 32])));
    assert_eq!(
        (&query.binding, &query.evidence),
        (&enclave.carried[0], &enclave.carried[1])
    );
    assert_eq!(query.genesis, enclave.carried[2]);
    let item = QueryItem {
        token: token(1, 0),
        last_sequence: 0,
        wants_release: true,
    };
    assert_eq!(query.items, [item]);

    enclave.told(id, Ok(&bank.answer(&courier.query, EPOCH_MS)));
    enclave.ms = 250_000;
    let (_, next) = enclave.next_query(&[&bank]);
    let (_, _, next) = bank.open(&next.query);
    assert_ne!(next.nonce, query.nonce);
    let item = QueryItem {
        token: token(1, 0),
        last_sequence: 1,
        wants_release: false,
    };
    assert_eq!(next.items, [item]);
}

#[test]
fn sta_3_forgotten_keys_leave_nothing_behind() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let (key, _) = enclave.load(1, &[&bank]);
    let other = enclave.track(2, 2, &[&bank], TERMS);
    enclave.want(other);
    let asks = enclave.due();
    enclave.checks.forget(key);
    enclave.checks.forget(other);
    enclave.told(asks[0].id, Err(Code::Unreachable));
    let Checks {
        keys,
        handles,
        revoked,
        ends_monotonic,
        ends_attested,
        under_way,
        losses,
        ..
    } = &enclave.checks;
    assert!(keys.is_empty() && handles.is_empty() && revoked.is_empty());
    assert!(ends_monotonic.is_empty() && ends_attested.is_empty());
    assert!(under_way.is_empty() && losses.is_empty());
    assert!(enclave.checks.schedule.is_empty() && enclave.checks.services.is_empty());
    assert_eq!(enclave.checks.next_timeout_ms(), None);
}
