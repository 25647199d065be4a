//! Figures, side by side in one run: `cargo run --release -p cofferdam-bench`.
//!
//! Every row is P-256 signatures a second on this machine, beside AWS-LC signing in a loop in the same run, because only
//! the ratio says something about Cofferdam. Nothing here passes or fails.
//!
//! Two parts, one after the other, each with the loop measured again just before it: first the whole way over real
//! processes, then, when these have ended, the core alone and the core behind its link in this process.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod core;
mod house;
mod link;
mod raw;
mod setup;

use clap::Parser;
use cofferdam_simulator::cli::{Cli, execute};
use std::process::ExitCode;
use std::time::Duration;

/// How long each row is measured.
const EACH: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    // The house starts its processes as this program again.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "role")
    {
        return execute(Cli::parse());
    }
    // The house's own HTTPS clients take the process's TLS library; whoever came first has set it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let running = runtime.block_on(house::Running::start());

    println!(
        "{:<44} {:>12} {:>10} {:>10}",
        "P-256 signatures a second", "per second", "of 1 thr.", "of 2 thr."
    );
    let beside = Yardstick::measure();
    for in_flight in [1, 16, 64] {
        beside.row(
            &format!("real processes, POST, {in_flight} in flight"),
            runtime.block_on(running.posts(in_flight, EACH)),
        );
    }
    beside.row(
        "real processes, stream, 64 in flight",
        runtime.block_on(running.stream(64, EACH)),
    );
    let memory = running.memory();
    runtime.block_on(running.stop());

    let beside = Yardstick::measure();
    beside.row("core alone, one thread, provider plane", core::plain(EACH));
    beside.row("core alone, one thread, sealed", core::sealed(EACH));
    for in_flight in [1, 16, 64, 256] {
        beside.row(
            &format!("core + link, plain, {in_flight} in flight"),
            link::plain(in_flight, EACH),
        );
    }
    beside.row("core + link, sealed, 64 in flight", link::sealed(64, EACH));

    println!(
        "\n{:<44} {:>12}",
        "most memory resident, real processes", "MiB"
    );
    for (process, bytes) in memory {
        println!("{process:<44} {:>12.1}", bytes as f64 / f64::from(1 << 20));
    }
    ExitCode::SUCCESS
}

/// AWS-LC in a loop, measured just before the rows that stand beside it.
struct Yardstick {
    one: f64,
    two: f64,
}

impl Yardstick {
    fn measure() -> Self {
        let one = raw::signatures_per_second(1, EACH);
        let two = raw::signatures_per_second(2, EACH);
        let measured = Self { one, two };
        measured.row("AWS-LC in a loop, one thread", one);
        measured.row("AWS-LC in a loop, two threads", two);
        measured
    }

    fn row(&self, name: &str, rate: f64) {
        println!(
            "{name:<44} {rate:>12.0} {:>10.2} {:>10.2}",
            rate / self.one,
            rate / self.two
        );
    }
}
