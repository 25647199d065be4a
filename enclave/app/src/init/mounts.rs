//! The kernel's own file systems. Nothing is stored in an enclave, so there are no others.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount as mount_one};
use thiserror::Error;

/// A file system is missing.
#[derive(Debug, Error)]
pub enum MountError {
    /// There is no place for it.
    #[error("{place} cannot be made: {error}")]
    Place {
        /// Where it belongs.
        place: &'static str,
        /// The system's.
        error: io::Error,
    },
    /// The kernel refused.
    #[error("{place} cannot be mounted: {error}")]
    Kernel {
        /// Where it belongs.
        place: &'static str,
        /// The kernel's.
        error: Errno,
    },
}

/// Mounts devices, processes and the kernel's view of itself. What is there already stays.
pub(super) fn mount() -> Result<(), MountError> {
    let closed = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    // Nobody writes to these two.
    let read_only = closed | MsFlags::MS_NODEV | MsFlags::MS_RDONLY;
    for (kind, place, flags) in [
        ("devtmpfs", "/dev", closed),
        ("proc", "/proc", read_only),
        ("sysfs", "/sys", read_only),
    ] {
        match fs::create_dir(place) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(MountError::Place { place, error });
            }
            _ => {}
        }
        match mount_one(Some(kind), place, Some(kind), flags, None::<&str>) {
            // The kernel has done so itself.
            Ok(()) | Err(Errno::EBUSY) => {}
            Err(error) => return Err(MountError::Kernel { place, error }),
        }
    }
    Ok(())
}
