//! The devices that an enclave lives on. The kernel finds them while this process runs already, so they are waited for.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

/// The security module, vsock, and the kernel's generator.
pub(super) const NEEDED: [&str; 3] = ["/dev/nsm", "/dev/vsock", "/dev/random"];

/// Between two looks.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// A device did not appear.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("there is no {0}")]
pub struct DeviceError(String);

/// Waits until all of them are there.
pub(super) fn wait_for(devices: &[&str], patience: Duration) -> Result<(), DeviceError> {
    let start = Instant::now();
    for device in devices {
        while !Path::new(device).exists() {
            // INI-3
            if start.elapsed() >= patience {
                return Err(DeviceError((*device).to_owned()));
            }
            thread::sleep(PAUSE);
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn ini_3_a_device_may_come_late_and_must_come() {
        let folder = tempfile::tempdir().unwrap();
        let [first, late] = ["first", "late"].map(|name| folder.path().join(name));
        let names = [first.to_str().unwrap(), late.to_str().unwrap()];
        fs::write(&first, "").unwrap();
        let missing = wait_for(&names, Duration::ZERO).unwrap_err();
        assert_eq!(missing, DeviceError(names[1].to_owned()));
        let path = late.clone();
        let appears = thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            fs::write(path, "").unwrap();
        });
        assert_eq!(wait_for(&names, Duration::from_secs(60)), Ok(()));
        appears.join().unwrap();
    }
}
