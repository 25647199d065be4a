//! The program that boots in the simulator's image; everything is in the libraries.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use cofferdam_enclave::live;
use cofferdam_simulator_enclave::{SigningDevice, SimulatorTrust};

fn main() -> ExitCode {
    live::<SimulatorTrust, _>(SigningDevice::open)
}
