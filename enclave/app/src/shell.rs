//! The start: registers locked, randomness, then the core, then the threads, then connections.

use std::convert::Infallible;
use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use cofferdam_enclave_core::{Boot, BootError, Core, Now, Trust};
use thiserror::Error;

use crate::attestor::{Attestor, AttestorError};
use crate::clock::Clocks;
use crate::connection;
use crate::entropy::{EntropyError, KernelEntropy};
use crate::inbox::Inbox;
use crate::init::InitError;
use crate::listener::Listener;
use crate::notary::Notary;
use crate::owner::{Owner, Work};
use crate::pool::Pool;
use crate::process::{self, Machine, Sentinel};

/// Why the enclave does not serve, or serves no more.
#[derive(Debug, Error)]
pub enum ShellError {
    /// The process could not be hardened.
    #[error("the process cannot be hardened: {0}")]
    Harden(#[from] nix::errno::Errno),
    /// The machine is not fit to serve (T-16, T-31).
    #[error(transparent)]
    Init(#[from] InitError),
    /// There is no randomness to start with (T-31).
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The security module failed at the start, or gave no time later (T-15).
    #[error("{0}")]
    Attestor(#[from] AttestorError),
    /// The core refused to start.
    #[error("the core does not start: {0}")]
    Boot(#[from] BootError),
    /// No listener, or no thread.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

/// Starts the core under these anchors of trust, beside other processes, and serves what connects; returns only when it
/// can serve no more, and then the process has to end. `ready` is called before the first connection is taken.
///
/// # Errors
/// Each variant of [`ShellError`] but `Harden` and `Init`.
pub fn serve<T: Trust>(
    attestor: Arc<dyn Attestor>,
    listener: impl Listener,
    ready: impl FnOnce(),
) -> Result<Infallible, ShellError> {
    serve_on::<T>(Machine::Shared, attestor, listener, ready)
}

/// The same, on this machine.
pub(crate) fn serve_on<T: Trust>(
    machine: Machine,
    attestor: Arc<dyn Attestor>,
    listener: impl Listener,
    ready: impl FnOnce(),
) -> Result<Infallible, ShellError> {
    let _sentinel = Sentinel;
    // INI-6: before the first document. Whoever got into this process later could change none that a document states.
    attestor.lock_registers()?;
    let entropy = KernelEntropy::stir(attestor.as_ref(), &machine)?;
    // INI-8
    let clocks = Clocks::new(Arc::clone(&attestor));
    let started = Now {
        monotonic_ms: clocks.monotonic_ms(),
        attested_ms: Some(clocks.attested_ms()?),
    };
    let boot = Boot {
        measurement: attestor.measurement()?,
        started,
    };
    let core = Core::new::<T>(boot, Box::new(entropy))?;
    let inbox = Arc::new(Inbox::default());
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let owner = Owner {
        core,
        clocks,
        pool: Pool::start(workers, &inbox)?,
        notary: Notary::start(&attestor, &inbox)?,
        inbox: Arc::clone(&inbox),
        work: Work::default(),
    };
    ready();
    process::spawn("acceptor", move || connection::accept(&listener, &inbox))?;
    Ok(owner.run()?)
}
