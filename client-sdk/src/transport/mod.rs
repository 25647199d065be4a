//! The way to the parent: HTTPS for everything, and a stream for many requests at once.
//!
//! Trust: none in the parent, and none in TLS beyond keeping strangers out. What comes back is verified elsewhere
//! ([`crate::verify`], [`crate::session`], [`crate::receipt`]); here its length is bounded before it is read, and its
//! problem details become a [`Code`]. Texts of the other side are shortened and stripped before a person sees them.

mod client;
mod endpoint;
mod problem;
mod stream;

use std::future::Future;

use cofferdam_wire::Code;
use cofferdam_wire::id::Nonce;

pub use client::Client;
pub use endpoint::{ClientError, HttpsEndpoint};
pub use stream::{Stream, Streamed};

/// Why a call to the other side gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The other side refused, with a code.
    #[error("{} ({}, code {})", .detail, .code.slug(), .code.number())]
    Refused {
        /// The code.
        code: Code,
        /// Its sentence, or the other side's own.
        detail: String,
    },
    /// No connection, or it broke before the answer was there.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// Whom was asked.
        url: String,
        /// What happened.
        reason: String,
    },
    /// An answer that is not of this protocol.
    #[error("{url} answered {what}; check the address, and compare the versions of both sides")]
    Answer {
        /// Whom was asked.
        url: String,
        /// What came.
        what: String,
    },
}

impl CallError {
    /// The refusal of a code in its own words.
    pub fn refused(code: Code) -> Self {
        CallError::Refused {
            code,
            detail: code.sentence().to_owned(),
        }
    }

    /// The code, where one is known.
    pub fn code(&self) -> Option<Code> {
        match self {
            CallError::Refused { code, .. } => Some(*code),
            CallError::Unreachable { .. } => Some(Code::Unreachable),
            CallError::Answer { .. } => None,
        }
    }
}

/// What the SDK asks of a parent, as bytes. [`Client`] asks over HTTPS, [`Streamed`] sends its calls over a stream, and
/// tests answer themselves.
pub trait Parent: Send + Sync {
    /// The proof for a nonce.
    fn evidence(&self, nonce: &Nonce) -> impl Future<Output = Result<Vec<u8>, CallError>> + Send;

    /// The reply to an encoded challenge.
    fn challenge(
        &self,
        challenge: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, CallError>> + Send;

    /// The receipt bundle for an encoded import.
    fn import(&self, import: Vec<u8>) -> impl Future<Output = Result<Vec<u8>, CallError>> + Send;

    /// The sealed acceptance of an encoded opening.
    fn open_session(
        &self,
        opening: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, CallError>> + Send;

    /// The sealed answer to an encoded sealed request.
    fn call(&self, request: Vec<u8>) -> impl Future<Output = Result<Vec<u8>, CallError>> + Send;
}
