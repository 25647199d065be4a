//! What an NSM answers instead of a result, by the names of the real one.

use thiserror::Error;

/// Why the simulated NSM refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NsmError {
    /// A part of the request, or the request, is too long.
    #[error("InputTooLarge: {what} of {got} bytes, at most {max}")]
    InputTooLarge {
        /// Which part: "nonce", "user_data", "public_key" or "request".
        what: &'static str,
        /// Bytes given.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// More random bytes asked for than one reply holds.
    #[error("BufferTooSmall: {got} random bytes, at most {max}")]
    BufferTooSmall {
        /// Bytes asked for.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// No PCR has this index.
    #[error("InvalidIndex: {index}")]
    InvalidIndex {
        /// The index given.
        index: u8,
    },
    /// The PCR is locked.
    #[error("ReadOnlyIndex: {index}")]
    ReadOnlyIndex {
        /// The index given.
        index: u8,
    },
    /// The simulation itself failed.
    #[error("InternalError")]
    Internal,
}
