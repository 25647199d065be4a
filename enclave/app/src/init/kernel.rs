//! What has to be true of the kernel before the first key is made.
//!
//! - Its hardware generator is the security module's (T-31). The kernel is then fed by it from the start, and goes on
//!   being fed; a parent that starves the machine of events changes nothing.
//! - Its clock source is one that the parent does not reach (T-16): the processor's counter, or the hypervisor's page.
//!   Kernels choose between these two by what they know of the processor; what they fall back to when they trust neither
//!   counts interrupts, which come late or not at all as the host pleases.
//!
//! The lists are constants, and nobody else runs in this machine who could change what the kernel uses afterwards.

use std::fs::File;
use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::devices::PAUSE;

/// The generator of the security module, by the name that its driver gives it.
const GENERATOR: &str = "nsm-hwrng";
/// See the module.
const CLOCK_SOURCES: [&str; 2] = ["kvm-clock", "tsc"];

/// No name is longer.
const NAME_BYTES: u64 = 64;

/// The kernel uses something else.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum KernelError {
    /// The hardware generator (T-31).
    #[error("the kernel's hardware generator is {got:?}, and has to be {GENERATOR:?}")]
    Generator {
        /// The one in use; empty if there is none.
        got: String,
    },
    /// The clock source (T-16).
    #[error("the kernel's clock source is {got:?}, and has to be one of {CLOCK_SOURCES:?}")]
    ClockSource {
        /// The one in use; empty if the kernel does not say.
        got: String,
    },
}

/// Where the kernel says what it uses.
pub(super) struct Places<'a> {
    pub(super) generator: &'a str,
    pub(super) clock_source: &'a str,
}

/// In an enclave.
pub(super) const PLACES: Places<'static> = Places {
    generator: "/sys/class/misc/hw_random/rng_current",
    clock_source: "/sys/devices/system/clocksource/clocksource0/current_clocksource",
};

/// Waits until the kernel uses what it has to. It settles on a clock source some time after its start.
pub(super) fn expect(places: &Places<'_>, patience: Duration) -> Result<(), KernelError> {
    let start = Instant::now();
    loop {
        match look(places) {
            Err(_) if start.elapsed() < patience => thread::sleep(PAUSE),
            found => return found,
        }
    }
}

fn look(places: &Places<'_>) -> Result<(), KernelError> {
    let got = name_in(places.generator);
    // INI-4
    if got != GENERATOR {
        return Err(KernelError::Generator { got });
    }
    let got = name_in(places.clock_source);
    // INI-5
    if !CLOCK_SOURCES.contains(&got.as_str()) {
        return Err(KernelError::ClockSource { got });
    }
    Ok(())
}

/// The name in this file; nothing if it cannot be read.
fn name_in(file: &str) -> String {
    let mut name = String::new();
    let read = File::open(file).and_then(|file| file.take(NAME_BYTES).read_to_string(&mut name));
    match read {
        Ok(_) => name.trim_end_matches('\n').to_owned(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use super::*;

    /// Looks at a kernel that says this.
    fn found(generator: Option<&str>, clock_source: Option<&str>) -> Result<(), KernelError> {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: Option<&str>| {
            let path = folder.path().join(name);
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
            }
            path.to_str().unwrap().to_owned()
        };
        let (generator, clock_source) = (file("rng", generator), file("clock", clock_source));
        let places = Places {
            generator: &generator,
            clock_source: &clock_source,
        };
        expect(&places, Duration::ZERO)
    }

    #[test]
    fn ini_4_t31_nothing_starts_on_another_generator_than_the_security_module_s() {
        assert_eq!(found(Some("nsm-hwrng\n"), Some("tsc\n")), Ok(()));
        for other in [
            "none\n",
            "virtio_rng.0\n",
            "tpm-rng-0\n",
            "nsm-hwrng2\n",
            "",
            "\n",
        ] {
            let got = other.trim_end_matches('\n').to_owned();
            assert_eq!(
                found(Some(other), Some("tsc\n")),
                Err(KernelError::Generator { got })
            );
        }
        let got = String::new();
        assert_eq!(
            found(None, Some("tsc\n")),
            Err(KernelError::Generator { got })
        );
    }

    #[test]
    fn ini_5_t16_nothing_starts_on_a_clock_source_that_the_host_can_hold_back() {
        for good in ["kvm-clock\n", "tsc\n"] {
            assert_eq!(found(Some("nsm-hwrng\n"), Some(good)), Ok(()));
        }
        for other in [
            "hpet\n",
            "acpi_pm\n",
            "jiffies\n",
            "refined-jiffies\n",
            "tsc-early\n",
            "tsc kvm-clock\n",
            "",
        ] {
            let got = other.trim_end_matches('\n').to_owned();
            assert_eq!(
                found(Some("nsm-hwrng\n"), Some(other)),
                Err(KernelError::ClockSource { got })
            );
        }
        let got = String::new();
        assert_eq!(
            found(Some("nsm-hwrng\n"), None),
            Err(KernelError::ClockSource { got })
        );
    }

    #[test]
    fn ini_5_t16_a_kernel_may_settle_on_its_clock_late() {
        let folder = tempfile::tempdir().unwrap();
        let [rng, clock] = ["rng", "clock"].map(|name| folder.path().join(name));
        fs::write(&rng, "nsm-hwrng\n").unwrap();
        fs::write(&clock, "tsc-early\n").unwrap();
        let settles = thread::spawn({
            let clock = clock.clone();
            move || {
                thread::sleep(Duration::from_millis(30));
                fs::write(clock, "tsc\n").unwrap();
            }
        });
        let places = Places {
            generator: rng.to_str().unwrap(),
            clock_source: clock.to_str().unwrap(),
        };
        assert_eq!(expect(&places, Duration::from_secs(60)), Ok(()));
        settles.join().unwrap();
    }
}
