//! The command `cofferdam-sim`; everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use cofferdam_simulator::cli::{Cli, execute};

fn main() -> ExitCode {
    execute(Cli::parse())
}
