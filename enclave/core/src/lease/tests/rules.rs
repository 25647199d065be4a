//! The rules of one service's word, one at a time: nonces, sequences, times, both lines.

use super::*;

/// A lease of one service that was confirmed at the start.
pub(super) fn active() -> Lease {
    let mut lease = Lease::new(TERMS, 1);
    lease.asked(0, nonce(1), at(0));
    lease.answered(0, &good(1, 0), at(0)).unwrap();
    assert_eq!(lease.state(at(0)), LeaseState::Active);
    lease
}

pub(super) fn permits(lease: &Lease, now: Clock) -> bool {
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
