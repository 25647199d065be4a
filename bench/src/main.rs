//! Figures, side by side in one run: `cargo run --release -p cofferdam-bench`.
//!
//! Every row is P-256 signatures a second on this machine, beside AWS-LC signing in a loop in the same run, because only
//! the ratio says something about Cofferdam. Nothing here passes or fails.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod core;
mod link;
mod raw;
mod setup;

use std::time::Duration;

/// How long each row is measured.
const EACH: Duration = Duration::from_secs(3);

fn main() {
    let one = raw::signatures_per_second(1, EACH);
    let two = raw::signatures_per_second(2, EACH);
    println!(
        "{:<44} {:>12} {:>10} {:>10}",
        "P-256 signatures a second", "per second", "of 1 thr.", "of 2 thr."
    );
    let row = |name: &str, rate: f64| {
        println!(
            "{name:<44} {rate:>12.0} {:>10.2} {:>10.2}",
            rate / one,
            rate / two
        )
    };
    row("AWS-LC in a loop, one thread", one);
    row("AWS-LC in a loop, two threads", two);
    row("core alone, one thread, provider plane", core::plain(EACH));
    row("core alone, one thread, sealed", core::sealed(EACH));
    for in_flight in [1, 16, 64, 256] {
        row(
            &format!("core + link, plain, {in_flight} in flight"),
            link::plain(in_flight, EACH),
        );
    }
    row("core + link, sealed, 64 in flight", link::sealed(64, EACH));
}
