//! The rules of the key as a whole, one at a time: all its services, its states, pushes, modes.

use super::rules::{active, permits};
use super::*;

#[test]
fn lea_9_t15_either_line_alone_ends_it() {
    let lease = active();
    assert!(permits(&lease, clocks(299_849, 299_999)));
    assert!(!permits(&lease, clocks(299_850, 0)));
    assert!(!permits(&lease, clocks(0, 300_000)));
    assert!(!permits(&Lease::new(TERMS, 0), at(0)));
    assert_eq!(Lease::new(TERMS, 0).state(at(0)), LeaseState::Unverified);
}

#[test]
fn lea_9_t51_every_service_must_say_good_and_silence_of_one_ends_it() {
    let mut lease = Lease::new(TERMS, 2);
    lease.asked(0, nonce(1), at(0));
    lease.asked(1, nonce(2), at(100));
    lease.answered(0, &good(1, 0), at(10)).unwrap();
    assert_eq!(lease.state(at(10)), LeaseState::Unverified);
    lease.answered(1, &good(2, 100), at(110)).unwrap();
    assert_eq!(lease.state(at(110)), LeaseState::Active);
    // A stolen key goes on saying "good" for the one; the "revoked" of the other is dropped.
    lease.asked(0, nonce(3), at(200_000));
    lease.answered(0, &good(3, 200_000), at(200_000)).unwrap();
    assert!(permits(&lease, at(299_949)));
    assert!(!permits(&lease, at(299_950)));
}

#[test]
fn lea_10_after_leaving_active_every_service_is_asked_anew() {
    let mut lease = Lease::new(TERMS, 2);
    for service in [0, 1] {
        lease.asked(service, nonce(1), at(0));
        lease.answered(service, &good(1, 0), at(0)).unwrap();
    }
    lease.asked(0, nonce(2), at(200_000));
    lease.answered(0, &good(2, 200_000), at(200_000)).unwrap();
    lease.expire(at(300_000));
    assert!(!lease.is_confirmed(0, at(300_000)));
    lease.asked(1, nonce(3), at(300_000));
    lease.answered(1, &good(3, 300_000), at(300_000)).unwrap();
    assert_eq!(lease.state(at(300_000)), LeaseState::Expired);
    lease.asked(0, nonce(4), at(300_000));
    lease.answered(0, &good(4, 300_000), at(300_001)).unwrap();
    assert_eq!(lease.state(at(300_001)), LeaseState::Active);
}

#[test]
fn lea_11_revoked_is_for_ever_and_at_any_sequence() {
    let mut lease = active();
    lease.pushed(0, &push(Status::Good, 9), at(5));
    lease.asked(0, nonce(2), at(10));
    lease.pushed(0, &push(Status::Revoked, 2), at(20));
    assert_eq!(
        lease.answered(
            0,
            &Answered {
                sequence: 10,
                ..good(2, 10)
            },
            at(30)
        ),
        Err(Ignored::Nonce)
    );
    lease.asked(0, nonce(3), at(40));
    let later = Answered {
        sequence: 11,
        ..good(3, 40)
    };
    assert_eq!(lease.answered(0, &later, at(50)), Err(Ignored::Nonce));
    lease.pushed(0, &push(Status::Suspended, 12), at(60));
    assert_eq!(lease.state(at(60)), LeaseState::Revoked);
    assert!(!permits(&lease, at(60)));
}

#[test]
fn lea_11_any_one_service_revokes() {
    let mut lease = Lease::new(TERMS, 3);
    for service in 0..3 {
        lease.asked(service, nonce(1), at(0));
        let status = if service == 1 {
            Status::Revoked
        } else {
            Status::Good
        };
        lease.answered(service, &said(1, status, 0), at(0)).unwrap();
    }
    assert_eq!(lease.state(at(0)), LeaseState::Revoked);
}

#[test]
fn lea_12_suspended_returns_only_through_a_fresh_good() {
    let mut lease = active();
    lease.asked(0, nonce(2), at(10));
    lease
        .answered(0, &said(2, Status::Suspended, 10), at(20))
        .unwrap();
    assert_eq!(lease.state(at(20)), LeaseState::Suspended);
    lease.pushed(0, &push(Status::Good, 2), at(30));
    assert_eq!(lease.state(at(30)), LeaseState::Suspended);
    assert_eq!(lease.state(at(900_000)), LeaseState::Suspended);
    lease.asked(0, nonce(3), at(40));
    lease
        .answered(
            0,
            &Answered {
                sequence: 2,
                ..good(3, 40)
            },
            at(50),
        )
        .unwrap();
    assert_eq!(lease.state(at(50)), LeaseState::Active);
}

#[test]
fn lea_12_at_an_equal_sequence_the_worse_wins_and_an_older_push_is_nothing() {
    for (sequence, state) in [(0, LeaseState::Active), (1, LeaseState::Suspended)] {
        let mut lease = active();
        lease.pushed(0, &push(Status::Suspended, sequence), at(10));
        assert_eq!(lease.state(at(10)), state);
    }
    // A service that was set back answers with a lower sequence: it is believed when it says less.
    let mut lease = active();
    lease.asked(0, nonce(2), at(10));
    lease
        .answered(
            0,
            &Answered {
                sequence: 0,
                ..said(2, Status::Suspended, 10)
            },
            at(20),
        )
        .unwrap();
    assert_eq!(lease.state(at(20)), LeaseState::Suspended);
    assert_eq!(lease.last_sequence(0), 1);
}

#[test]
fn lea_13_a_pushed_good_confirms_nothing() {
    let mut lease = Lease::new(TERMS, 1);
    lease.asked(0, nonce(1), at(0));
    lease.pushed(0, &push(Status::Good, 1), at(0));
    lease.pushed(0, &push(Status::None, 9), at(0));
    assert_eq!(lease.state(at(0)), LeaseState::Unverified);
    assert_eq!(lease.last_sequence(0), 1);
    // Nor does it void what was asked.
    lease.answered(0, &good(1, 0), at(0)).unwrap();
    assert_eq!(lease.state(at(0)), LeaseState::Active);
}

#[test]
fn lea_14_the_grant_epoch_is_the_highest_of_all_and_never_falls() {
    let mut lease = Lease::new(TERMS, 2);
    for (service, grant_epoch) in [(0, 4), (1, 3)] {
        lease.asked(service, nonce(1), at(0));
        lease
            .answered(
                service,
                &Answered {
                    grant_epoch,
                    ..good(1, 0)
                },
                at(0),
            )
            .unwrap();
    }
    assert_eq!(lease.grant_epoch(), 4);
    lease.pushed(
        1,
        &StatusPush {
            grant_epoch: 6,
            ..push(Status::Good, 1)
        },
        at(10),
    );
    assert_eq!(lease.grant_epoch(), 6);
    lease.asked(1, nonce(2), at(20));
    lease
        .answered(
            1,
            &Answered {
                grant_epoch: 0,
                ..good(2, 20)
            },
            at(20),
        )
        .unwrap();
    assert_eq!(lease.grant_epoch(), 6);
}

#[test]
fn lea_15_t15_per_operation_a_good_permits_those_that_waited_when_it_was_asked_for() {
    let mut lease = Lease::new(
        LeaseTerms {
            per_operation: true,
            ..TERMS
        },
        2,
    );
    let first = Turn::NONE.next();
    lease.admit(first);
    lease.asked(0, nonce(1), at(0));
    let second = first.next();
    lease.admit(second);
    lease.asked(1, nonce(2), at(10));
    lease.answered(0, &good(1, 0), at(20)).unwrap();
    lease.answered(1, &good(2, 10), at(20)).unwrap();
    assert_eq!(lease.state(at(20)), LeaseState::Active);
    assert!(lease.permits(first, at(20)));
    assert!(!lease.permits(second, at(20)));
    assert!(!lease.permits(Turn::NONE, at(20)));
    lease.asked(0, nonce(3), at(30));
    lease.answered(0, &good(3, 30), at(40)).unwrap();
    assert!(lease.permits(second, at(40)));
    assert!(!lease.permits(second, at(300_000)));
}

#[test]
fn t14_silence_expires_and_never_revokes() {
    let mut lease = active();
    lease.expire(at(300_000));
    assert_eq!(lease.state(at(300_000)), LeaseState::Expired);
    lease.asked(0, nonce(2), at(900_000));
    lease.answered(0, &good(2, 900_000), at(900_000)).unwrap();
    assert_eq!(lease.state(at(900_000)), LeaseState::Active);
}

#[test]
fn a_lease_says_when_it_ends() {
    let mut lease = Lease::new(TERMS, 2);
    assert_eq!(lease.ends(), None);
    for (service, sent) in [(0, 0), (1, 50)] {
        lease.asked(service, nonce(1), at(sent));
        lease.answered(service, &good(1, sent), at(50)).unwrap();
    }
    assert_eq!(lease.ends(), Some(clocks(299_850, 300_000)));
}
