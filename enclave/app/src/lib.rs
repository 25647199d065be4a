//! The shell that boots in the enclave: it moves bytes, reads clocks, runs jobs and fires timers for the core.
//!
//! It decides nothing. It trusts the NSM behind its [`Attestor`], and nothing that comes over a connection. It refuses to
//! start without the NSM's randomness and to go on without its clock. As the first process of an enclave it also readies
//! the machine (`init`).
//!
//! ```text
//! connection -> reader -> | inbox | -> owner (core) -> | pool   | -> inbox
//!                                            |         | notary | -> inbox
//!                                            +-------> | outbox | -> writer -> connection
//! ```
//!
//! Threads and std only. Queues are bounded (`bounds`), and each is locked once for a bundle of messages: on a busy
//! machine a wake-up costs more than a signature.

mod attestor;
mod bounds;
mod clock;
mod connection;
mod entropy;
mod generator;
mod inbox;
mod init;
mod life;
mod listener;
mod notary;
mod nsm;
mod outbox;
mod owner;
mod pool;
mod process;
mod shell;

pub use attestor::{Attestor, AttestorError};
pub use entropy::EntropyError;
pub use init::{CommandLineError, DeviceError, InitError, KernelError, ModulesError, MountError};
pub use life::live;
pub use listener::{Connection, Listener, unix_listener, vsock_listener};
pub use nsm::NsmAttestor;
pub use process::harden;
pub use shell::{ShellError, serve};
