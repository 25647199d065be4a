//! Certificates, answers and pushes: each check with one valid case and the same with one defect.

use super::service::Draft;
use super::*;
use crate::checks::answer::{Refused, certified, open};
use cofferdam_wire::context;
use cofferdam_wire::id::{Digest, Nonce};
use cofferdam_wire::status::{SignedPush, StatusCertificate, StatusPurpose};

const DAY_S: u64 = 24 * 3_600;
const NOW_S: u64 = EPOCH_MS / 1000;

#[test]
fn sta_1_t11_a_certificate_is_by_this_root_and_for_this_purpose() {
    let (bank, other) = (Service::new("bank"), Service::new("bank"));
    let check =
        |bytes: &[u8], purpose| certified(&bank.root.public(), bytes, purpose, EPOCH_MS).map(drop);
    let valid = bank.certificate(StatusPurpose::Answers, EPOCH_MS, |_| ());
    assert_eq!(check(&valid, StatusPurpose::Answers), Ok(()));
    assert_eq!(
        check(&valid, StatusPurpose::Queries),
        Err(Refused::Certificate)
    );
    let foreign = other.certificate(StatusPurpose::Answers, EPOCH_MS, |_| ());
    assert_eq!(
        check(&foreign, StatusPurpose::Answers),
        Err(Refused::Certificate)
    );
    assert_eq!(
        check(&valid[1..], StatusPurpose::Answers),
        Err(Refused::Malformed)
    );
    for position in 0..valid.len() {
        let mut altered = valid.clone();
        altered[position] ^= 1;
        assert!(
            check(&altered, StatusPurpose::Answers).is_err(),
            "{position}"
        );
    }
}

#[test]
fn sta_2_t51_a_certificate_lives_for_a_week_at_most() {
    let bank = Service::new("bank");
    let check = |not_before_s: u64, not_after_s: u64| {
        let set = |c: &mut StatusCertificate| {
            (c.not_before_s, c.not_after_s) = (not_before_s, not_after_s)
        };
        let bytes = bank.certificate(StatusPurpose::Answers, EPOCH_MS, set);
        certified(
            &bank.root.public(),
            &bytes,
            StatusPurpose::Answers,
            EPOCH_MS,
        )
        .map(drop)
    };
    let refused = Err(Refused::Certificate);
    assert_eq!(check(NOW_S, NOW_S + 7 * DAY_S), Ok(()));
    assert_eq!(check(NOW_S, NOW_S + 7 * DAY_S + 1), refused);
    assert_eq!(check(NOW_S - DAY_S, NOW_S + 1), Ok(()));
    assert_eq!(check(NOW_S - DAY_S, NOW_S), refused);
    assert_eq!(check(NOW_S + 60, NOW_S + DAY_S), Ok(()));
    assert_eq!(check(NOW_S + 61, NOW_S + DAY_S), refused);
    assert_eq!(check(NOW_S + 1, NOW_S), refused);
    assert_eq!(check(0, u64::MAX), refused);
}

/// Loads one key, lets the test answer the query, and says whether the answer made the key usable.
fn takes(finish: impl FnOnce(&Service, &[u8], Draft) -> Vec<u8>) -> bool {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let key = enclave.track(1, 1, &[&bank], TERMS);
    enclave.want(key);
    let (id, courier) = enclave.next_query(&[&bank]);
    let draft = bank.draft(&courier.query, enclave.now().attested_ms);
    let reply = finish(&bank, &courier.query, draft);
    let events = enclave.told(id, Ok(&reply));
    assert_eq!(enclave.permits(key), !events.is_empty());
    enclave.permits(key)
}

/// The same, with one defect in the answer before it is signed.
fn takes_with(defect: impl FnOnce(&mut Draft)) -> bool {
    takes(|bank, _, mut draft| {
        defect(&mut draft);
        bank.finish(&draft)
    })
}

#[test]
fn sta_6_t78_an_answer_opens_for_this_instance_and_this_query_only() {
    assert!(takes_with(|_| ()));
    let other = xwing::PrivateKey::generate().unwrap();
    assert!(!takes_with(|draft| draft.to = *other.public()));
    assert!(!takes_with(
        |draft| draft.info = cofferdam_wire::status::answer_info(b"another query")
    ));
    for position in [0, 5, 700, 1_300, 1_600] {
        assert!(!takes(|bank, _, draft| {
            let mut reply = bank.finish(&draft);
            reply[position] ^= 1;
            reply
        }));
    }
}

#[test]
fn sta_6_t43_a_long_or_broken_answer_is_refused() {
    assert!(!takes(|_, _, _| vec![0; limits::STATUS_ANSWER + 1]));
    assert!(!takes(|_, _, _| Vec::new()));
    assert!(!takes(|bank, _, draft| {
        let reply = bank.finish(&draft);
        reply[..reply.len() - 1].to_vec()
    }));
}

#[test]
fn sta_7_t51_t68_the_signer_is_certified_now_by_the_root_of_the_key() {
    let tenant = Service::new("tenant");
    // A certificate of another root, and a signature that fits it.
    assert!(!takes(|_, _, mut draft| {
        draft.certificate = tenant.certificate(StatusPurpose::Answers, EPOCH_MS, |_| ());
        tenant.finish(&draft)
    }));
    // The right certificate, another signer.
    assert!(!takes(|_, _, draft| tenant.finish(&draft)));
    // The signer of last week.
    assert!(!takes(|bank, _, mut draft| {
        draft.certificate = bank.certificate(StatusPurpose::Answers, EPOCH_MS, |certificate| {
            (certificate.not_before_s, certificate.not_after_s) =
                (NOW_S - 8 * DAY_S, NOW_S - DAY_S);
        });
        bank.finish(&draft)
    }));
    // A signature made for something else.
    assert!(!takes(|bank, _, draft| bank.finish_signed_by(
        &bank.signer,
        context::STATUS_PUSH,
        &draft
    )));
}

/// What reading an answer gives, by itself: status and whether a release came, or why it was refused.
fn reads(defect: impl FnOnce(&mut Draft)) -> Result<Vec<(Status, bool)>, Refused> {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let key = enclave.track(1, 1, &[&bank], TERMS);
    enclave.want(key);
    let (id, courier) = enclave.next_query(&[&bank]);
    let mut draft = bank.draft(&courier.query, EPOCH_MS);
    defect(&mut draft);
    let under_way = &enclave.checks.under_way[&id];
    let What::Status { asked, .. } = &under_way.what else {
        panic!("a query")
    };
    let reply = bank.finish(&draft);
    let said = open(&reply, asked, &under_way.root, &enclave.setup, EPOCH_MS)?;
    Ok(said
        .iter()
        .map(|(answered, release)| (answered.status, release.is_some()))
        .collect())
}

#[test]
fn sta_8_t12_the_answer_names_the_query_and_its_nonce() {
    assert_eq!(reads(|_| ()), Ok(vec![(Status::Good, true)]));
    assert_eq!(
        reads(|draft| draft.query = Digest([0; 32])),
        Err(Refused::Query)
    );
    assert_eq!(
        reads(|draft| draft.nonce = Nonce([0; 32])),
        Err(Refused::Query)
    );
}

#[test]
fn sta_9_t68_another_count_of_items_is_refused_whole() {
    assert!(!takes_with(|draft| draft.items.clear()));
    assert!(!takes_with(|draft| {
        let again = draft.items[0].clone();
        draft.items.push(again);
    }));
}

#[test]
fn sta_10_a_good_that_opens_nothing_is_no_good() {
    assert!(!takes_with(|draft| draft.items[0].2 = None));
    assert!(!takes_with(|draft| draft.items[0].2 = Some(vec![1; 31])));
    assert!(!takes_with(|draft| draft.items[0].2 = Some(vec![1; 33])));
    // What comes beside another status opens nothing either.
    let beside = reads(|draft| draft.items[0].0 = Status::None);
    assert_eq!(beside, Ok(vec![(Status::None, false)]));
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let key = enclave.track(1, 1, &[&bank], TERMS);
    enclave.want(key);
    let (id, courier) = enclave.next_query(&[&bank]);
    let mut draft = bank.draft(&courier.query, EPOCH_MS);
    draft.items[0].0 = Status::Suspended;
    let events = enclave.told(id, Ok(&bank.finish(&draft)));
    assert_eq!(events, [Seen::Closed(key, LeaseState::Suspended)]);
    assert!(enclave.checks.keys[&key].items[0].release.is_none());
}

#[test]
fn sta_10_a_good_asked_for_while_open_opens_nothing_after_the_end_and_is_asked_for_anew() {
    let bank = Service::new("bank");
    let mut enclave = Enclave::new();
    let (key, _) = enclave.load(1, &[&bank]);
    enclave.ms = 295_000;
    let (id, courier) = enclave.next_query(&[&bank]);
    assert!(!bank.open(&courier.query).2.items[0].wants_release);
    enclave.ms = 299_900;
    let reply = bank.answer(&courier.query, enclave.now().attested_ms);
    assert_eq!(
        enclave.told(id, Ok(&reply)),
        [Seen::Closed(key, LeaseState::Expired)]
    );
    assert!(!enclave.permits(key));
    let (id, courier) = enclave.next_query(&[&bank]);
    assert!(bank.open(&courier.query).2.items[0].wants_release);
    let reply = bank.answer(&courier.query, enclave.now().attested_ms);
    let opened = vec![Service::release(&token(1, 0))];
    assert_eq!(enclave.told(id, Ok(&reply)), [Seen::Good(key, opened)]);
}

#[test]
fn sta_12_a_push_counts_for_keys_that_name_its_root() {
    let (bank, tenant) = (Service::new("bank"), Service::new("tenant"));
    let mut enclave = Enclave::new();
    let (key, _) = enclave.load(1, &[&bank]);
    let now = enclave.now();
    let push =
        |service: &Service, key| service.push(&token(key, 0), Status::Suspended, 2, EPOCH_MS);

    assert_eq!(
        enclave.checks.pushed(&push(&tenant, 1), now).err(),
        Some(Code::BadSignature)
    );
    let mut altered = push(&bank, 1);
    *altered.push.last_mut().unwrap() ^= 1;
    assert!(enclave.checks.pushed(&altered, now).is_err());
    let mixed = SignedPush {
        certificate: push(&bank, 1).certificate,
        push: push(&tenant, 1).push,
    };
    assert_eq!(
        enclave.checks.pushed(&mixed, now).err(),
        Some(Code::BadSignature)
    );
    assert_eq!(
        seen(enclave.checks.pushed(&push(&bank, 2), now).unwrap()),
        []
    );
    assert!(enclave.permits(key));

    let closed = seen(enclave.checks.pushed(&push(&bank, 1), now).unwrap());
    assert_eq!(closed, [Seen::Closed(key, LeaseState::Suspended)]);
    assert!(!enclave.permits(key));
}

#[test]
fn sta_12_keys_that_share_a_handle_each_believe_their_own_root() {
    let (bank, tenant) = (Service::new("bank"), Service::new("tenant"));
    let mut enclave = Enclave::new();
    let (key, _) = enclave.load(1, &[&bank]);
    // A tenant that learned the token names it in its own R.
    let named = Named {
        host: "tenant".into(),
        status_root: tenant.root.public(),
        token: token(1, 0),
    };
    let revocation = Revocation::Services {
        services: vec![named],
        terms: TERMS,
    };
    enclave
        .checks
        .track(KeyId([2; 32]), &owner_key(2), &revocation);
    let push = tenant.push(&token(1, 0), Status::Revoked, 9, EPOCH_MS);
    let events = seen(enclave.checks.pushed(&push, enclave.now()).unwrap());
    assert_eq!(events, [Seen::Revoked(KeyId([2; 32]))]);
    assert!(enclave.permits(key));
}
