//! The first process of an enclave: what a machine without any other program needs before it can serve.
//!
//! File systems, the kernel's command line (`command_line`), kernel modules, devices; then what has to be true of the kernel
//! (`kernel`); then the sign of life that the parent waits for. Trusted are the ramdisk, which is measured, and the kernel
//! and hypervisor below. From the kernel's command line, to which the hypervisor appends, come places of devices and
//! nothing else: no word of it, no file and no message changes whom the enclave trusts (T-81).
//!
//! It refuses to go on when anything is missing, and it starts no other process, so that there are no children to wait
//! for.

mod command_line;
mod devices;
mod heartbeat;
mod kernel;
mod modules;
mod mounts;

use std::time::Duration;

use thiserror::Error;

pub use command_line::CommandLineError;
pub use devices::DeviceError;
pub use kernel::KernelError;
pub use modules::ModulesError;
pub use mounts::MountError;

/// How long a device may take to appear, and the kernel to settle on its clock. Emulated processors are slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the machine is not fit to serve.
#[derive(Debug, Error)]
pub enum InitError {
    /// A file system is missing.
    #[error(transparent)]
    Mounts(#[from] MountError),
    /// The kernel was started with other words than those of the image (T-54).
    #[error(transparent)]
    CommandLine(#[from] CommandLineError),
    /// A kernel module is missing.
    #[error(transparent)]
    Modules(#[from] ModulesError),
    /// A device is missing.
    #[error(transparent)]
    Devices(#[from] DeviceError),
    /// The kernel does not use what it has to use (T-16, T-31).
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// A machine of our own that is fit to serve. Made by [`prepare`] only.
#[derive(Debug)]
pub(crate) struct Prepared(());

#[cfg(test)]
impl Prepared {
    /// For tests of what follows.
    pub(crate) fn taken_for_granted() -> Self {
        Prepared(())
    }
}

/// Does all of it, and says on the console how far it came.
///
/// # Errors
/// Each is a reason not to start.
pub(crate) fn prepare() -> Result<Prepared, InitError> {
    mounts::mount()?;
    command_line::expect(command_line::PLACE)?;
    let modules = modules::load(&modules::PLACES, modules::insert)?;
    eprintln!("cofferdam-enclave: file systems mounted, {modules} modules loaded");
    devices::wait_for(&devices::NEEDED, PATIENCE)?;
    kernel::expect(&kernel::PLACES, PATIENCE)?;
    eprintln!("cofferdam-enclave: devices, generator and clock source are as expected");
    match heartbeat::send() {
        Some(parent) => {
            eprintln!("cofferdam-enclave: the parent, context {parent}, took the heartbeat")
        }
        // It may wait for none. One that does ends an enclave without.
        None => eprintln!("cofferdam-enclave: no parent took the heartbeat"),
    }
    Ok(Prepared(()))
}
