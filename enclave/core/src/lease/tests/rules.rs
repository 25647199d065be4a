//! One rule at a time.

use super::*;

/// A lease of one service that was confirmed at the start.
fn active() -> Lease {
    let mut lease = Lease::new(TERMS, 1);
    lease.asked(0, nonce(1), at(0));
    lease.answered(0, &good(1, 0), at(0)).unwrap();
    assert_eq!(lease.state(at(0)), LeaseState::Active);
    lease
}

fn permits(lease: &Lease, now: Clock) -> bool {
    lease.permits(Turn::NONE, now)
}

#[test]
fn lea_1_t12_a_nonce_counts_once_for_one_load_and_one_service() {
    let mut lease = active();
    assert_eq!(lease.answered(0, &good(1, 0), at(0)), Err(Ignored::Nonce));
    lease.asked(0, nonce(2), at(10));
    assert_eq!(lease.answered(0, &good(3, 10), at(20)), Err(Ignored::Nonce));
    assert_eq!(lease.answered(1, &good(2, 10), at(20)), Err(Ignored::Nonce));
    assert_eq!(lease.answered(0, &good(2, 10), at(20)), Ok(()));

    let mut reloaded = Lease::new(TERMS, 1);
    assert_eq!(
        reloaded.answered(0, &good(2, 10), at(20)),
        Err(Ignored::Nonce)
    );
    assert_eq!(reloaded.state(at(20)), LeaseState::Unverified);
}

#[test]
fn lea_1_t12_an_old_good_extends_nothing_after_the_end() {
    let mut lease = active();
    let recorded = good(1, 0);
    assert_eq!(
        lease.answered(0, &recorded, at(300_000)),
        Err(Ignored::Nonce)
    );
    assert_eq!(lease.state(at(300_000)), LeaseState::Expired);
}

#[test]
fn lea_2_t69_a_held_good_is_void_once_a_suspension_was_heard() {
    let mut lease = active();
    lease.asked(0, nonce(2), at(10));
    let held = good(2, 10);
    lease.asked(0, nonce(3), at(20));
    lease
        .answered(0, &said(3, Status::Suspended, 20), at(30))
        .unwrap();
    assert_eq!(lease.answered(0, &held, at(40)), Err(Ignored::Nonce));
    assert_eq!(lease.state(at(40)), LeaseState::Suspended);
}

#[test]
fn lea_2_t69_a_push_voids_the_good_on_its_way() {
    let mut lease = active();
    lease.asked(0, nonce(2), at(10));
    lease.pushed(0, &push(Status::Suspended, 1), at(20));
    assert_eq!(lease.answered(0, &good(2, 10), at(30)), Err(Ignored::Nonce));
    assert_eq!(lease.state(at(30)), LeaseState::Suspended);
    lease.asked(0, nonce(3), at(40));
    lease.answered(0, &good(3, 40), at(50)).unwrap();
    assert_eq!(lease.state(at(50)), LeaseState::Active);
}

#[test]
fn lea_3_no_statement_is_silence() {
    let mut lease = active();
    lease.asked(0, nonce(2), at(100_000));
    lease
        .answered(0, &said(2, Status::None, 100_000), at(100_000))
        .unwrap();
    assert_eq!(lease.state(at(200_000)), LeaseState::Active);
    assert_eq!(lease.state(at(300_000)), LeaseState::Expired);
    assert_eq!(
        lease.answered(0, &good(2, 100_000), at(100_000)),
        Err(Ignored::Nonce)
    );

    let mut lease = Lease::new(TERMS, 1);
    lease.asked(0, nonce(1), at(0));
    lease
        .answered(0, &said(1, Status::Suspended, 0), at(0))
        .unwrap();
    lease.asked(0, nonce(2), at(10));
    lease
        .answered(0, &said(2, Status::None, 10), at(10))
        .unwrap();
    assert_eq!(lease.state(at(10)), LeaseState::Suspended);
}

#[test]
fn lea_4_t69_the_sequence_of_a_good_never_falls() {
    for (sequence, taken) in [(7, Ok(())), (6, Err(Ignored::Sequence))] {
        let mut lease = active();
        lease.pushed(0, &push(Status::Good, 7), at(5));
        lease.asked(0, nonce(2), at(10));
        assert_eq!(
            lease.answered(
                0,
                &Answered {
                    sequence,
                    ..good(2, 10)
                },
                at(20)
            ),
            taken
        );
        assert_eq!(lease.last_sequence(0), 7);
    }
}

#[test]
fn lea_5_t44_issued_between_question_and_answer_or_refused() {
    for (issued, taken) in [
        (9_000, Ok(())),
        (8_999, Err(Ignored::Time)),
        (13_000, Ok(())),
        (13_001, Err(Ignored::Time)),
        (2_300_000_000_000, Err(Ignored::Time)),
    ] {
        let mut lease = Lease::new(TERMS, 1);
        lease.asked(0, nonce(1), at(10_000));
        assert_eq!(
            lease.answered(0, &good(1, issued), at(12_000)),
            taken,
            "{issued}"
        );
        assert_eq!(permits(&lease, at(12_000)), taken.is_ok());
    }
    // A "revoked" is true at any time.
    let mut lease = active();
    lease.asked(0, nonce(2), at(10_000));
    lease
        .answered(0, &said(2, Status::Revoked, 2_300_000_000_000), at(12_000))
        .unwrap();
    assert_eq!(lease.state(at(12_000)), LeaseState::Revoked);
}

#[test]
fn lea_6_t16_a_clock_that_was_turned_back_proves_nothing() {
    let confirmed = || {
        let mut lease = Lease::new(TERMS, 1);
        lease.asked(0, nonce(1), at(3_600_000));
        lease
            .answered(0, &good(1, 3_600_000), at(3_600_000))
            .unwrap();
        lease
    };
    assert!(permits(&confirmed(), clocks(3_600_001, 3_600_001)));
    assert!(!permits(&confirmed(), clocks(0, 3_600_001)));
    assert!(!permits(&confirmed(), clocks(3_600_001, 0)));
    let mut lease = confirmed();
    lease.expire(clocks(0, 3_600_001));
    assert_eq!(lease.state(at(3_600_001)), LeaseState::Expired);
}

#[test]
fn lea_7_t13_line_1_counts_from_the_sending_less_500_ppm() {
    let mut lease = Lease::new(TERMS, 1).with_lines(Lines::Elapsed);
    lease.asked(0, nonce(1), at(0));
    lease.answered(0, &good(1, 0), at(200_000)).unwrap();
    assert!(permits(&lease, at(299_849)));
    assert!(!permits(&lease, at(299_850)));

    let mut late = Lease::new(TERMS, 1).with_lines(Lines::Elapsed);
    late.asked(0, nonce(1), at(0));
    late.answered(0, &good(1, 0), at(299_850)).unwrap();
    assert!(!permits(&late, at(299_850)));
}

#[test]
fn lea_7_the_service_may_make_it_shorter_and_not_longer() {
    let terms = LeaseTerms {
        grace_s: 100,
        ..TERMS
    };
    for (valid_for_s, length) in [
        (0, 0),
        (10, 9_995),
        (400, 399_800),
        (401, 399_800),
        (u32::MAX, 399_800),
    ] {
        let mut lease = Lease::new(terms, 1).with_lines(Lines::Elapsed);
        lease.asked(0, nonce(1), at(0));
        lease
            .answered(
                0,
                &Answered {
                    valid_for_s,
                    ..good(1, 0)
                },
                at(0),
            )
            .unwrap();
        assert!(
            length == 0 || permits(&lease, at(length - 1)),
            "{valid_for_s}"
        );
        assert!(!permits(&lease, at(length)), "{valid_for_s}");
    }
}

#[test]
fn lea_8_t15_line_2_ends_at_the_earlier_of_both_limits() {
    // (issued, valid_for_s, end)
    for (issued, valid_for_s, end) in [(0, 1_000, 300_000), (500, 100, 100_500), (0, 299, 299_000)]
    {
        let mut lease = Lease::new(TERMS, 1).with_lines(Lines::Attested);
        lease.asked(0, nonce(1), at(0));
        lease
            .answered(
                0,
                &Answered {
                    valid_for_s,
                    ..good(1, issued)
                },
                at(600),
            )
            .unwrap();
        // The monotonic clock stands still.
        assert!(permits(&lease, clocks(0, end - 1)));
        assert!(!permits(&lease, clocks(0, end)));
    }
}

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
