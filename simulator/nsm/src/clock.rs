//! The clock of a simulated NSM: the machine's, and an offset that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Wall clock plus offset. Clones share the offset, so a test that keeps one moves the time of
/// every NSM that got another.
#[derive(Clone, Debug, Default)]
pub struct SimClock {
    offset_ms: Arc<AtomicI64>,
}

impl SimClock {
    /// A clock that agrees with the machine's.
    pub fn new() -> SimClock {
        SimClock::default()
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let wall_ms = wall.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        });
        wall_ms.saturating_add_signed(self.offset_ms())
    }

    /// Moves the clock, backwards where `by_ms` is negative.
    pub fn jump_ms(&self, by_ms: i64) {
        self.offset_ms.fetch_add(by_ms, Ordering::SeqCst);
    }

    /// How far the clock is ahead of the machine's.
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::SeqCst)
    }

    /// Sets how far the clock is ahead of the machine's.
    pub fn set_offset_ms(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::SeqCst);
    }
}
