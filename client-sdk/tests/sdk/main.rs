//! The SDK against a provider that the tests play: proof, wrap, receipt, session, import.
//!
//! The enclave here is a few lines on the SDK's own cryptography; that the real enclave's library agrees is shown by the
//! vectors and by the tests of whole processes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod commands;
mod enclave;
mod evidence;
mod https;
mod imports;
mod nsm;
mod proofs;
mod receipts;
mod server;
mod sessions;
mod vectors;
mod world;
mod wraps;
