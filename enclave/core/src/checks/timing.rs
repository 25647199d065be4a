//! When to ask again. All of it is about load and availability: the lease holds whatever happens here.

use super::schedule::{Member, Slot};
use crate::io::Entropy;
use cofferdam_wire::import::LeaseTerms;

/// A query without a reply is lost after this long at most.
pub(super) const LOST_MS: u64 = 10_000;
/// Shortest pause after a query that brought no "good".
pub(super) const PAUSE_MS: u64 = 1_000;
/// Longest pause.
pub(super) const PAUSE_MAX_MS: u64 = 60_000;

/// How long to wait for the reply about a key: half its interval, so a lost query can be made up for.
pub(super) fn patience_ms(terms: &LeaseTerms) -> u64 {
    // STA-14
    LOST_MS.min(interval_ms(terms) / 2)
}

/// The pause after so many failures in a row: it doubles from one second up to a longest, plus up to a quarter.
pub(super) fn pause_ms(failures: u32, longest_ms: u64, entropy: &mut dyn Entropy) -> u64 {
    // STA-15
    let pause = (PAUSE_MS << failures.saturating_sub(1).min(10))
        .min(longest_ms)
        .max(PAUSE_MS);
    pause + jitter(pause / 4, entropy)
}

/// The longest pause for a key: an eighth of its interval, between a second and a minute.
pub(super) fn longest_pause_ms(terms: &LeaseTerms) -> u64 {
    (interval_ms(terms) / 8).clamp(PAUSE_MS, PAUSE_MAX_MS)
}

/// When a key that was confirmed by a query sent at `sent_ms` is asked about again: at 50 to 75 % of the interval.
pub(super) fn next_check(
    member: Member,
    terms: &LeaseTerms,
    valid_for_s: u32,
    sent_ms: u64,
    now_ms: u64,
    entropy: &mut dyn Entropy,
) -> Slot {
    // STA-16
    let length = interval_ms(terms).min(1000 * u64::from(valid_for_s));
    let from_ms = (sent_ms + length / 2).max(now_ms + PAUSE_MS);
    Slot {
        due_ms: from_ms + jitter(length / 4, entropy),
        from_ms,
        member,
    }
}

fn interval_ms(terms: &LeaseTerms) -> u64 {
    1000 * u64::from(terms.interval_s)
}

/// Up to `span_ms`.
fn jitter(span_ms: u64, entropy: &mut dyn Entropy) -> u64 {
    let mut bytes = [0; 4];
    entropy.fill(&mut bytes);
    (span_ms * u64::from(u32::from_le_bytes(bytes))) >> 32
}
