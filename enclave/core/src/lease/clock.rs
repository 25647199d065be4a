//! Points in time on two clocks, and how long one "good" lasts on each.
//!
//! Line 1 is elapsed time on the monotonic clock, which the parent may slow down; line 2 is the NSM's timestamp, which
//! the parent can at most withhold. A span runs while both lines run, so the parent has to break both.

use cofferdam_wire::import::LeaseTerms;

/// Tolerated slowness of the monotonic clock: one part in 2,000 (500 ppm), taken off every span of line 1.
const DRIFT_PART: u64 = 2000;

/// A point in time, read on both clocks. The core sees to it that neither falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    /// Milliseconds of the monotonic clock.
    pub(crate) monotonic_ms: u64,
    /// Unix milliseconds of the NSM, as last read.
    pub(crate) attested_ms: u64,
}

/// Which lines count. In the product there is one answer; tests leave one line out to show what the other does alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    Both,
    #[cfg(test)]
    Elapsed,
    #[cfg(test)]
    Attested,
}

impl Lines {
    fn elapsed(self) -> bool {
        match self {
            Lines::Both => true,
            #[cfg(test)]
            Lines::Elapsed => true,
            #[cfg(test)]
            Lines::Attested => false,
        }
    }

    pub(super) fn attested(self) -> bool {
        match self {
            Lines::Both => true,
            #[cfg(test)]
            Lines::Elapsed => false,
            #[cfg(test)]
            Lines::Attested => true,
        }
    }
}

/// How long one "good" lasts: from the sending of its query to an end on each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    sent: Clock,
    ends: Clock,
}

impl Span {
    /// Of a "good" to a query that left at `sent`.
    pub(super) fn new(
        terms: &LeaseTerms,
        sent: Clock,
        issued_at_ms: u64,
        valid_for_s: u32,
    ) -> Self {
        let whole_ms = 1000 * (u64::from(terms.interval_s) + u64::from(terms.grace_s));
        let valid_ms = 1000 * u64::from(valid_for_s);
        // LEA-7: counted from the sending, so a delayed answer gives a shorter lease (T-13).
        let local_ms = whole_ms.min(valid_ms);
        let local_ms = local_ms - local_ms.div_ceil(DRIFT_PART);
        // LEA-8: the same on the second clock, by itself (T-15).
        let attested_end = sent
            .attested_ms
            .saturating_add(whole_ms)
            .min(issued_at_ms.saturating_add(valid_ms));
        let ends = Clock {
            monotonic_ms: sent.monotonic_ms.saturating_add(local_ms),
            attested_ms: attested_end,
        };
        Span { sent, ends }
    }

    /// Whether it lasts at `now`. A clock that stands before the sending has been turned back, and proves nothing.
    pub(super) fn runs(&self, now: Clock, lines: Lines) -> bool {
        // LEA-6, LEA-9
        let elapsed = (self.sent.monotonic_ms..self.ends.monotonic_ms).contains(&now.monotonic_ms);
        let attested = (self.sent.attested_ms..self.ends.attested_ms).contains(&now.attested_ms);
        (elapsed || !lines.elapsed()) && (attested || !lines.attested())
    }

    /// The first moment on each line at which it is over.
    pub(super) fn ends(&self) -> Clock {
        self.ends
    }
}
