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
        // INI-7
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

#[cfg(test)]
mod tests {
    use cofferdam_wire::binding::Measurement;

    use super::*;
    use crate::init::Prepared;

    /// Gives bytes that never repeat.
    struct Module;

    impl Attestor for Module {
        fn attest(&self, _: &[u8], _: &[u8], _: Option<&[u8]>) -> Result<Vec<u8>, AttestorError> {
            Err(AttestorError::Absent)
        }

        fn now_ms(&self) -> Result<u64, AttestorError> {
            Err(AttestorError::Absent)
        }

        fn measurement(&self) -> Result<Measurement, AttestorError> {
            Err(AttestorError::Absent)
        }

        fn lock_registers(&self) -> Result<(), AttestorError> {
            Err(AttestorError::Absent)
        }

        fn random(&self, buffer: &mut [u8]) -> Result<(), AttestorError> {
            for (byte, value) in buffer.iter_mut().zip(0_u16..) {
                *byte = value.to_be_bytes()[usize::from(value % 2 == 0)];
            }
            Ok(())
        }
    }

    /// What was asked of the kernel.
    #[derive(Debug, PartialEq, Eq)]
    enum Asked {
        Mix(Vec<u8>),
        Reseed,
        Draw,
    }

    #[derive(Default)]
    struct Kernel {
        asked: Vec<Asked>,
        refuses: Option<fn(&Asked) -> bool>,
    }

    impl Kernel {
        fn ask(&mut self, what: Asked) -> io::Result<()> {
            let refused = self.refuses.is_some_and(|refuses| refuses(&what));
            self.asked.push(what);
            match refused {
                true => Err(io::ErrorKind::PermissionDenied.into()),
                false => Ok(()),
            }
        }
    }

    impl Generator for Kernel {
        fn mix(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.ask(Asked::Mix(bytes.to_vec()))
        }

        fn reseed(&mut self) -> io::Result<()> {
            self.ask(Asked::Reseed)
        }

        fn draw(&mut self, _: &mut [u8]) -> Result<(), getrandom::Error> {
            self.ask(Asked::Draw)
                .map_err(|_| getrandom::Error::UNSUPPORTED)
        }
    }

    fn enclave() -> Machine {
        Machine::Enclave(Prepared::taken_for_granted())
    }

    #[test]
    fn ini_7_t31_the_module_s_bytes_are_in_the_seed_before_anything_is_drawn_for_use() {
        let mut seed = vec![0; SEED];
        assert_eq!(Module.random(&mut seed), Ok(()));
        let mut kernel = Kernel::default();
        assert!(KernelEntropy::stir_into(&mut kernel, &Module, &enclave()).is_ok());
        let mixed = Asked::Mix(seed);
        assert_eq!(
            kernel.asked,
            [mixed, Asked::Draw, Asked::Reseed, Asked::Draw]
        );
    }

    #[test]
    fn ini_7_t31_nothing_starts_in_an_enclave_whose_kernel_cannot_be_seeded() {
        let error_of = |refuses, machine| {
            let mut kernel = Kernel {
                refuses: Some(refuses),
                ..Kernel::default()
            };
            KernelEntropy::stir_into(&mut kernel, &Module, &machine).err()
        };
        let error = error_of(|asked| *asked == Asked::Reseed, enclave());
        assert!(matches!(error, Some(EntropyError::Seed(_))));
        let error = error_of(|asked| matches!(asked, Asked::Mix(_)), enclave());
        assert!(matches!(error, Some(EntropyError::Pool(_))));
        let error = error_of(|asked| *asked == Asked::Draw, enclave());
        assert!(matches!(error, Some(EntropyError::Kernel(_))));
        // Another machine's kernel is not asked.
        let error = error_of(|asked| *asked == Asked::Reseed, Machine::Shared);
        assert!(error.is_none());
    }
}
