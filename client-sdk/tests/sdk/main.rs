//! The SDK against a provider that the tests play: proof, wrap, receipt, session, import.
//!
//! The enclave here is a few lines on the SDK's own cryptography; that the real enclave's library agrees is shown by the
//! vectors and by the tests of whole processes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod commands;
mod enclave;
mod evidence;
mod failures;
mod https;
mod import_vectors;
mod imports;
mod nsm;
mod operations;
mod proofs;
mod receipts;
mod server;
mod sessions;
mod usage;
mod vectors;
mod vendor_commands;
mod vendors;
mod web;
mod world;
mod wraps;
