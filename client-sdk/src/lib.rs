//! The customer's side of Cofferdam: the SDK, and the library under `coffer`.
//!
//! A key's way, and the module for each step:
//!
//! 1. [`keyfile`] reads the customer's key file into material.
//! 2. [`trust`] says whom the customer believes; [`verify`] proves the enclave behind a provider, and the live possession
//!    of both keys that the wrap will use.
//! 3. [`wrap`] seals the material; nothing else can, and it takes nothing but such a proof.
//! 4. [`import`] registers the key at its revocation services, saves and sends the sealed bytes, compares the
//!    [`receipt`] and only then activates the key. It can be interrupted anywhere.
//! 5. [`grant`] lets an app use the key; [`session`] is how the app does it; [`revocation`] is how the owner ends it.
//!
//! Beside the way: [`vendor`] makes the statements that [`verify`] asks for, [`officer`] is the officers' part of a group, and
//! [`private_file`] keeps files that nobody else may read; parent and service keep theirs with it.
//!
//! Trust: the customer's own files and clock. Provider, network and every byte from there are hostile. The parent uses
//! [`layer`] and [`crypto`] to take its own layer off, the revocation service [`verify::Instance`] to judge a query.
#![forbid(unsafe_code)]

pub mod cli;
pub mod config;
pub mod crypto;
mod files;
pub mod grant;
pub mod import;
pub mod keyfile;
pub mod known;
pub mod layer;
pub mod officer;
pub mod private_file;
pub mod receipt;
pub mod revocation;
pub mod session;
mod times;
pub mod transport;
pub mod trust;
pub mod vendor;
pub mod verify;
pub mod wrap;

pub use files::FileError;
