//! Tells what was seen, one line a step: sentences for people, or JSON objects for programs.

use std::io::Write;
use std::time::Instant;

use serde_json::{Value, json};

/// What the demo does not show yet; said at its end.
pub(crate) const NOT_SHOWN: &[&str] = &[
    "a real Nitro enclave under Amazon's root",
    "officers with cards, and joining and upgrading enclaves",
    "generating keys inside",
    "PKCS#11",
];

/// The storyteller.
pub(crate) struct Narrator {
    json: bool,
    started: Instant,
    last: Instant,
    steps: u32,
}

impl Narrator {
    pub(crate) fn new(json: bool) -> Self {
        let now = Instant::now();
        if !json {
            say(format_args!(
                "Cofferdam: a customer's keys go to work at a provider who cannot see them, and are taken back."
            ));
        }
        Self {
            json,
            started: now,
            last: now,
            steps: 0,
        }
    }

    /// A step that held. The time is that since the step before.
    pub(crate) fn step(&mut self, name: &str, text: &str, details: Value) {
        self.steps += 1;
        let seconds = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        if self.json {
            say(format_args!(
                "{}",
                json!({"step": name, "ok": true, "seconds": rounded(seconds), "text": text, "details": details})
            ));
        } else {
            say(format_args!(
                "{:>2}. {name}: {text} [{seconds:.1} s]",
                self.steps
            ));
        }
    }

    /// A step that did not hold.
    pub(crate) fn failed(&self, error: &anyhow::Error) {
        let text = format!("{error:#}");
        if self.json {
            say(format_args!(
                "{}",
                json!({"step": "failed", "ok": false, "seconds": rounded(self.total()), "text": text})
            ));
        } else {
            say(format_args!("FAILED after step {}: {text}", self.steps));
        }
    }

    /// Everything held.
    pub(crate) fn end(&self) {
        let total = self.total();
        if self.json {
            let end = json!({
                "step": "end", "ok": true, "seconds": rounded(total), "steps": self.steps, "not_shown_yet": NOT_SHOWN,
            });
            say(format_args!("{end}"));
        } else {
            say(format_args!(
                "All {} steps held, in {total:.1} s.",
                self.steps
            ));
            say(format_args!("Not shown yet: {}.", NOT_SHOWN.join("; ")));
        }
    }

    fn total(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// One line. Whoever has closed the other end has seen enough; the demo goes on to its end.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// To milliseconds.
pub(crate) fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// `12345` as `12,345`.
pub(crate) fn counted(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [0, 12, 999, 1000, 12_345, 1_234_567].map(counted),
            ["0", "12", "999", "1,000", "12,345", "1,234,567"]
        );
    }
}
