//! The customer's switch: a service that says "good" of a key to proven enclaves, and "revoked" for ever.
//!
//! It runs on the customer's side. It is a Verifier and a Relying Party (RFC 9334): it verifies the Evidence of every
//! enclave that asks, against its *own* list of measurements, and only to such an enclave it gives the release secret
//! that opens a stored key. The contract is `docs/protocol/status-service.md`; the checks carry its ids, RSV-n.
//!
//! Trust: whoever holds the admin or the registrar token may do what that credential is for; the machine's disk and
//! clock are the customer's. Everything else that arrives is hostile: queries come from the internet, through a provider
//! who would like to hear "good" a little longer.
//!
//! What it guarantees: after a revoke call returned, no answer of this service says "good" for that key, its release
//! secret is destroyed, and a signed entry about it lies in a log on another path. Where database and log disagree, it
//! answers "suspended" until somebody replays the log (T-75).
#![forbid(unsafe_code)]

pub mod appraisal;
pub mod audit;
pub mod certificate;
pub mod chain;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod keyring;
pub mod nonces;
pub mod query;
pub mod registration;
pub mod registry;
pub mod run;
pub mod service;
pub mod store;
pub mod tls;

pub use config::Config;
pub use run::{RunError, run};
