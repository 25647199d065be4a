//! The bytes on every border of Cofferdam.
//!
//! Everything that passes between customer, provider, enclave and revocation service has its shape here, once:
//! identifiers, limits, the strict CBOR codec, COSE structures, frames, layers, requests, answers, error codes.
//! There is no I/O here, no policy, and no cryptography besides SHA-2, which identifiers need.
//!
//! Trust: none. Every decoder takes bytes that an attacker wrote. A decoder refuses what is longer than its limit
//! before it allocates, what is not the deterministic encoding (RFC 8949 section 4.2) of what it read, and what has
//! anything behind its end. The normative pages are in `docs/protocol/`.
#![forbid(unsafe_code)]

pub mod binding;
pub mod cbor;
pub mod code;
pub mod context;
pub mod cose;
pub mod frame;
pub mod group;
pub mod id;
pub mod import;
pub mod kind;
pub mod layer;
pub mod limits;
pub mod link;
pub mod operation;
pub mod owner_request;
pub mod record;
pub mod revocation;
pub mod session;
pub mod status;
pub mod transcript;
pub mod validator;
pub mod vendor;

pub use code::Code;
