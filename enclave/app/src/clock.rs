//! The two clocks of the core: one of elapsed time, one that the NSM attests.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::attestor::{Attestor, AttestorError};

/// How often a reading is tried before the process ends.
const TRIES: u32 = 3;
/// Pause between tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Both clocks.
pub(crate) struct Clocks {
    start: Instant,
    attestor: Arc<dyn Attestor>,
}

impl Clocks {
    pub(crate) fn new(attestor: Arc<dyn Attestor>) -> Self {
        Clocks {
            start: Instant::now(),
            attestor,
        }
    }

    /// Milliseconds since the start; never falls.
    pub(crate) fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// When [`Clocks::monotonic_ms`] will be that.
    pub(crate) fn instant(&self, monotonic_ms: u64) -> Option<Instant> {
        self.start.checked_add(Duration::from_millis(monotonic_ms))
    }

    /// A fresh reading of the NSM. Whoever cannot get one must stop: to go on without is to serve on the word of the
    /// monotonic clock, which the parent slows (T-15).
    pub(crate) fn attested_ms(&self) -> Result<u64, AttestorError> {
        let mut reading = self.attestor.now_ms();
        for _ in 1..TRIES {
            if reading.is_ok() {
                break;
            }
            thread::sleep(PAUSE);
            reading = self.attestor.now_ms();
        }
        reading
    }
}
