//! The kernel's generator, after the NSM's has been stirred into it.
//!
//! The parent starts the enclave and may starve its kernel of events (T-31), so nothing is drawn before bytes of the
//! NSM are in the pool. [`KernelEntropy`] has one producer, which does that.

use std::fs::OpenOptions;
use std::io::{self, Write};

use cofferdam_enclave_core::Entropy;
use thiserror::Error;

use crate::attestor::{Attestor, AttestorError};

const POOL: &str = "/dev/random";

/// Bytes taken from the NSM: far more than the pool's 256 bits, at the price of two calls.
const SEED: usize = 512;

/// The kernel's generator.
#[derive(Debug)]
pub struct KernelEntropy(());

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
    /// The kernel's generator gives nothing.
    #[error("the kernel's generator: {0}")]
    Kernel(getrandom::Error),
}

impl KernelEntropy {
    /// Writes bytes of the NSM into the kernel's pool, then draws once to see that the pool gives something.
    ///
    /// # Errors
    /// Each is a reason not to start.
    pub fn stir(attestor: &dyn Attestor) -> Result<Self, EntropyError> {
        let mut seed = [0; SEED];
        attestor.random(&mut seed)?;
        let (first, second) = seed.split_at(SEED / 2);
        if first == second {
            return Err(EntropyError::Stuck);
        }
        OpenOptions::new()
            .write(true)
            .open(POOL)
            .and_then(|mut pool| pool.write_all(&seed))
            .map_err(EntropyError::Pool)?;
        getrandom::fill(&mut seed).map_err(EntropyError::Kernel)?;
        Ok(KernelEntropy(()))
    }
}

impl Entropy for KernelEntropy {
    fn fill(&mut self, buffer: &mut [u8]) {
        getrandom::fill(buffer)
            .expect("invariant: the generator gave bytes at the start, and never stops");
    }
}
