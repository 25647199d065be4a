//! The process: leaves no image of its memory behind, and ends when a thread panics.
//!
//! A panic means that an invariant is broken, so nothing this process says can be relied on. It ends with the line of the
//! source and no message, since a message may hold what it was about (T-29, T-59). Where it is the first process of its
//! machine, the machine ends with it.

use std::panic;
use std::process;
use std::thread;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::resource::{Resource, setrlimit};

use crate::init::Prepared;

/// Where this process runs.
#[derive(Debug)]
pub(crate) enum Machine {
    /// On a machine of its own, as its first process.
    Enclave(Prepared),
    /// Beside others, on a machine that somebody else looks after.
    Shared,
}

/// Whether this process is the first of its machine.
pub(crate) fn is_first() -> bool {
    process::id() == 1
}

/// Ends the machine if this process is its first, and otherwise the process.
pub(crate) fn end() -> ! {
    if is_first() {
        // It returns only if it is refused.
        let _ = reboot(RebootMode::RB_AUTOBOOT);
    }
    process::abort()
}

/// Turns core dumps and debuggers away, and ends the process at the first panic of any thread. To be called first.
///
/// # Errors
/// The system's; then nothing may start.
pub fn harden() -> Result<(), Errno> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    prctl::set_dumpable(false)?;
    panic::set_hook(Box::new(|panic| {
        if let Some(place) = panic.location() {
            eprintln!(
                "cofferdam-enclave: stopped at {}:{}",
                place.file(),
                place.line()
            );
        }
        end();
    }));
    Ok(())
}

/// Ends the process if it is dropped by a panic. [`harden`] does so earlier; this holds where nobody called it.
pub(crate) struct Sentinel;

impl Drop for Sentinel {
    fn drop(&mut self) {
        if thread::panicking() {
            end();
        }
    }
}

/// A thread that takes the process along if it panics.
pub(crate) fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _sentinel = Sentinel;
        run();
    })
}
