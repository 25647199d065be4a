//! What goes into the core and what comes out: the whole border between decisions and I/O.
//!
//! The shell calls [`crate::Core::handle`] with the time and one input, and carries out every output. It may run
//! [`Output::Work`] on any thread; it must give every result back as [`Input::Done`]. It must never alter, invent or
//! reorder a reading of the attested clock.

use crate::work::{Done, Job};
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::frame::Frame;

/// The two clocks of a call (docs/protocol/lease.md): each alone keeps the bound of P3 under its own assumption.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Milliseconds of a clock that never falls; the parent may slow it down or speed it up.
    pub monotonic_ms: u64,
    /// Unix milliseconds out of a fresh reading of the NSM, made for this batch of inputs; `None` if none was made.
    pub attested_ms: Option<u64>,
}

/// A connection of the parent, as the shell numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Port(pub u64);

/// What happens to the core.
pub enum Input {
    /// A frame came.
    Frame {
        /// On this connection.
        from: Port,
        /// Every byte of it is hostile.
        frame: Frame,
    },
    /// A job ended.
    Done(Done),
    /// The NSM answered an [`Output::Attest`]; `None` if it refused.
    Attested {
        /// Repeated from the request.
        request: u64,
        /// The attestation document.
        document: Option<Vec<u8>>,
    },
    /// Time passed; see [`crate::Core::next_timeout_ms`].
    Tick,
}

/// What the shell has to do.
pub enum Output {
    /// Send a frame.
    Send {
        /// On this connection, or on any live one if `None`. Dropped if there is none.
        to: Option<Port>,
        /// The frame.
        frame: Frame,
    },
    /// Run a job, on any thread.
    Work(Job),
    /// Ask the NSM for an attestation document.
    Attest {
        /// To be repeated in [`Input::Attested`].
        request: u64,
        /// 32 bytes.
        nonce: [u8; 32],
        /// 48 bytes.
        user_data: [u8; 48],
        /// SPKI of the instance key; `None` in genesis Evidence.
        public_key: Option<Vec<u8>>,
    },
}

/// Where ids, nonces and jitter come from. The shell mixes the NSM's generator into the kernel's pool before the first call.
pub trait Entropy: Send {
    /// Fills the buffer.
    fn fill(&mut self, buffer: &mut [u8]);
}

/// The anchors of trust, constants of the binary's `main`. Given by type: no file, argument or message sets them (T-81).
pub trait Trust: 'static {
    /// DER of the attestation root.
    const ATTESTATION_ROOT: &'static [u8];
    /// The vendor's signing key.
    const VENDOR: PublicKey;
}
