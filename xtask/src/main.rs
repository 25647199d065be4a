//! `cargo xtask <command>`.
#![forbid(unsafe_code)]

use clap::Parser;

fn main() -> anyhow::Result<()> {
    xtask::Command::parse().run()
}
