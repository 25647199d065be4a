//! Everything of Cofferdam on one machine: the real processes on loopback, with a simulated NSM under the enclave.
//!
//! `cofferdam-sim up` starts them and stays; `cofferdam-sim demo` takes a key all the way and tries to break the promises.
//! One program plays every role by starting itself again, since cargo builds no other member's binaries; each role runs
//! the library of the shipped binary and nothing else.
//!
//! Trust: this crate plays provider, vendor, officers and customer at once, so it proves nothing about who is separated
//! from whom on a real machine; what it shows is what the bytes on the borders allow. Its attestation root and vendor key
//! are public (`simulator/nsm/keys`), pinned by the trust file that it writes and by nothing that ships.
#![forbid(unsafe_code)]

pub mod cli;
pub mod demo;
pub mod host;
pub mod house;
pub mod image;
pub mod inspect;
pub mod layout;
pub mod ports;
pub mod ready;
pub mod up;

mod enclave;
mod officers;
mod operator;
mod roles;
mod setup;
mod signals;
mod supervise;

pub use cofferdam_simulated_nsm as nsm;
