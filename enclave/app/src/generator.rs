//! The kernel's generator: takes bytes in, is seeded anew at once, gives bytes out.
//!
//! Bytes that are written to the device wait in the kernel's input pool until the generator draws its next seed from it,
//! and a generator that runs already does so only after a while (Linux 6.12: at most once a second when young, once a
//! minute later). In between, everything would still come from the old seed. So the seed is drawn at once, by an ioctl
//! that has no safe wrapper: this is the one file of the enclave with an `unsafe` block (docs/adr/0005).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ioctl::ioctl_num_type;

const DEVICE: &str = "/dev/random";

/// RNDRESEEDCRNG of linux/random.h.
const RESEED: ioctl_num_type = nix::request_code_none!(b'R', 7);

/// A generator that can be stirred.
pub(crate) trait Generator {
    /// Takes bytes into the pool.
    fn mix(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Draws a new seed from the pool, now.
    fn reseed(&mut self) -> io::Result<()>;

    /// Fills the buffer; waits until there has been a first seed.
    fn draw(&mut self, buffer: &mut [u8]) -> Result<(), getrandom::Error>;
}

/// The kernel's.
pub(crate) struct KernelGenerator {
    device: File,
}

impl KernelGenerator {
    pub(crate) fn open() -> io::Result<Self> {
        let device = OpenOptions::new().write(true).open(DEVICE)?;
        Ok(KernelGenerator { device })
    }
}

impl Generator for KernelGenerator {
    fn mix(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.device.write_all(bytes)
    }

    #[allow(
        unsafe_code,
        reason = "no crate of the enclave has a safe wrapper of this ioctl"
    )]
    fn reseed(&mut self) -> io::Result<()> {
        // SAFETY: the descriptor is open as long as `self.device` lives, which outlives the call. The request takes no
        // argument, so the kernel reads and writes no memory of this process.
        let done = unsafe { libc::ioctl(self.device.as_raw_fd(), RESEED) };
        Ok(Errno::result(done).map(drop)?)
    }

    fn draw(&mut self, buffer: &mut [u8]) -> Result<(), getrandom::Error> {
        getrandom::fill(buffer)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_the_request_and_gives_it_to_root_only() {
        let mut generator = KernelGenerator::open().unwrap();
        generator.mix(b"some bytes").unwrap();
        generator.draw(&mut [0; 32]).unwrap();
        if let Err(error) = generator.reseed() {
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        }
    }
}
