//! What the shell holds at most. Beyond it a sender waits or is cut off; nobody else notices.

use std::time::Duration;

/// Connections at a time: a parent needs a few. The next one is closed at once.
pub(crate) const CONNECTIONS: usize = 32;

/// Bytes asked for by one read: what a peer writes at a time. With a frame that never ends, a connection holds this
/// and one frame.
pub(crate) const READ: usize = cofferdam_wire::limits::WRITE_PIECE;

/// Bytes of frames of one connection that wait for the owner. Its reader stops until half of it is taken.
pub(crate) const INCOMING: usize = 256 * 1024;

/// Inputs of a kind that one reading of the attested clock is made for: operations that start, and operations whose
/// results leave (the rule of `cofferdam_wire::limits::OPERATIONS_PER_READING`, T-15).
pub(crate) const BATCH: usize = cofferdam_wire::limits::OPERATIONS_PER_READING as usize;

/// Jobs under way. While there are so many, no frame is taken. Two batches keep the pool busy while the owner works.
pub(crate) const UNDER_WAY: usize = 2 * BATCH;

/// Bytes of replies that wait for one connection: from here on none of its frames is taken.
pub(crate) const OUTGOING: usize = 1024 * 1024;

/// From here on the connection is closed: more than every job under way could add to a connection that waits.
pub(crate) const OUTGOING_MOST: usize = 16 * 1024 * 1024;

/// Capacity that a buffer keeps when it has been emptied.
pub(crate) const BUFFER_KEPT: usize = 256 * 1024;

/// Longest wait for a peer that takes no byte.
pub(crate) const WRITE_STALL: Duration = Duration::from_secs(30);

/// Jobs that a worker takes at a time.
pub(crate) const JOBS_AT_ONCE: usize = 4;

/// Results that a worker keeps back at most, and how long, so that a busy pool does not wake the owner for each.
pub(crate) const RESULTS_KEPT: usize = 32;
/// See [`RESULTS_KEPT`].
pub(crate) const RESULTS_KEPT_FOR: Duration = Duration::from_micros(500);

/// Shortest time between two ticks, should the core ask for one in the past.
pub(crate) const TICK: Duration = Duration::from_millis(2);

/// Pause of the acceptor after an error of the system (no descriptors, for one).
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
