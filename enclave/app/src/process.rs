//! The process: leaves no image of its memory behind, and ends when a thread panics.
//!
//! A panic means that an invariant is broken, so nothing this process says can be relied on. It ends with the line of the
//! source and no message, since a message may hold what it was about (T-29, T-59).

use std::panic;
use std::process;
use std::thread;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

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
        process::abort();
    }));
    Ok(())
}

/// Ends the process if it is dropped by a panic. [`harden`] does so earlier; this holds where nobody called it.
pub(crate) struct Sentinel;

impl Drop for Sentinel {
    fn drop(&mut self) {
        if thread::panicking() {
            process::abort();
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
