//! The kernel's generator, after the NSM's has been stirred into it.
//!
//! The parent starts the enclave and may starve its kernel of events (T-31), so nothing is drawn for use before bytes of
//! the NSM are in the seed: not only in the pool, from which the next seed would be drawn some time later. The
//! cryptography's own generator and ours both draw from the kernel. [`KernelEntropy`] has one producer, which does all
//! that.

use std::io;

use cofferdam_enclave_core::Entropy;
use thiserror::Error;

use crate::attestor::{Attestor, AttestorError};
use crate::generator::{Generator, KernelGenerator};
use crate::process::Machine;

/// Bytes taken from the NSM: far more than the pool's 256 bits, at the price of two calls.
const SEED: usize = 512;

/// The kernel's generator.
#[derive(Debug)]
pub(crate) struct KernelEntropy(());

/// Why there is no randomness to start with.
#[derive(Debug, Error)]
pub enum EntropyError {
    /// The NSM's generator gave nothing.
    #[error("no randomness from the security module: {0}")]
    Attestor(#[from] AttestorError),
    /// The NSM's generator repeats itself.
    #[error("the security module gave the same bytes twice")]
    Stuck,
    /// The kernel's pool cannot be written to.
    #[error("the kernel's pool: {0}")]
    Pool(#[source] io::Error),
    /// The kernel does not draw a new seed.
    #[error("the kernel's generator cannot be seeded: {0}")]
    Seed(#[source] io::Error),
    /// The kernel's generator gives nothing.
    #[error("the kernel's generator: {0}")]
    Kernel(getrandom::Error),
}

impl KernelEntropy {
    /// Takes bytes of the NSM into the kernel's pool and has a new seed drawn from it, then draws once to see that the
    /// generator gives something. On a machine that is shared with others, its kernel seeds itself when it likes:
    /// nothing there is worth protecting, and the right to ask is not ours.
    ///
    /// # Errors
    /// Each is a reason not to start.
    pub(crate) fn stir(attestor: &dyn Attestor, machine: &Machine) -> Result<Self, EntropyError> {
        let mut kernel = KernelGenerator::open().map_err(EntropyError::Pool)?;
        Self::stir_into(&mut kernel, attestor, machine)
    }

    fn stir_into(
        kernel: &mut impl Generator,
        attestor: &dyn Attestor,
        machine: &Machine,
    ) -> Result<Self, EntropyError> {
        let mut seed = [0; SEED];
        attestor.random(&mut seed)?;
        let (first, second) = seed.split_at(SEED / 2);
        if first == second {
            return Err(EntropyError::Stuck);
        }
        kernel.mix(&seed).map_err(EntropyError::Pool)?;
        // A generator without a first seed refuses a new one, so this waits for the first.
        kernel.draw(&mut seed).map_err(EntropyError::Kernel)?;
        if let Machine::Enclave(_) = machine {
            kernel.reseed().map_err(EntropyError::Seed)?;
        }
        kernel.draw(&mut seed).map_err(EntropyError::Kernel)?;
        Ok(KernelEntropy(()))
    }
}

impl Entropy for KernelEntropy {
    fn fill(&mut self, buffer: &mut [u8]) {
        getrandom::fill(buffer)
            .expect("invariant: the generator gave bytes at the start, and never stops");
    }
}
