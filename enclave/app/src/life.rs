//! The whole life of the program, from its first instruction to the line that says why it ended.
//!
//! The same in every image: `main` names the anchors of trust and the security module, and nothing else. As the first
//! process of a machine it prepares it first and ends it last; beside others it only serves.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cofferdam_enclave_core::Trust;
use cofferdam_wire::binding::Measurement;

use crate::attestor::{Attestor, AttestorError};
use crate::init;
use crate::listener::vsock_listener;
use crate::process::{self, Machine, harden};
use crate::shell::{ShellError, serve_on};

/// Where the parent connects.
const PORT: u32 = 5000;

/// For the console to pass on the last line before the machine ends. Nobody is served any more.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Lives under these anchors of trust, with the module that `open` finds. As the first process it does not return.
pub fn live<T: Trust, A: Attestor>(open: impl FnOnce() -> Result<A, AttestorError>) -> ExitCode {
    let error = match run::<T, A>(open) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    eprintln!("cofferdam-enclave: {error}");
    if process::is_first() {
        thread::sleep(LAST_WORDS);
        process::end();
    }
    ExitCode::FAILURE
}

fn run<T: Trust, A: Attestor>(
    open: impl FnOnce() -> Result<A, AttestorError>,
) -> Result<Infallible, ShellError> {
    harden()?;
    let machine = match process::is_first() {
        true => Machine::Enclave(init::prepare()?),
        false => Machine::Shared,
    };
    let attestor = Arc::new(open()?);
    tell(&attestor.measurement()?);
    let listener = vsock_listener(PORT)?;
    serve_on::<T>(machine, attestor, listener, || {
        eprintln!("cofferdam-enclave: ready")
    })
}

/// Puts the measurement on the console, for whoever compares it with what a build printed. Nobody has to believe it:
/// Evidence says the same.
fn tell(measurement: &Measurement) {
    let Measurement { pcr0, pcr1, pcr2 } = measurement;
    for (index, value) in [pcr0, pcr1, pcr2].into_iter().enumerate() {
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("cofferdam-enclave: PCR{index} {hex}");
    }
}
