//! The trusted core of Cofferdam: it decides every import, lease, session and operation.
//!
//! Sans-IO: [`Core::handle`] takes the time and one input and gives outputs; it has no clock, no file, no socket, no
//! environment, and its ids, nonces and jitter come from [`Entropy`]. A shell moves the bytes and runs the jobs.
//!
//! It trusts its constants ([`Trust`]), the NSM's documents under that root, and signatures of owners, services and the
//! vendor for what each may say. It believes the parent nothing: every frame is hostile, so is the monotonic clock.
#![forbid(unsafe_code)]

mod authorise;
mod challenge;
pub(crate) mod checks;
mod core;
mod crypto;
mod envelope;
mod evidence;
mod genesis;
mod group;
mod identity;
mod import;
mod io;
mod keys;
mod layer;
pub(crate) mod lease;
mod operate;
mod receipt;
mod record;
mod recover;
mod serve;
mod session;
mod ticket;
mod told;
mod vendor;
pub mod work;

pub use crate::core::{Boot, BootError, Core};
pub use crate::io::{Entropy, Input, Now, Output, Port, Trust};
