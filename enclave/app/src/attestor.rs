//! What the shell wants from the module that vouches for the enclave: documents, a clock, measurements, randomness.
//!
//! The NSM is trusted: the hypervisor stands behind it, the parent does not reach it. The simulator brings an
//! [`Attestor`] of its own and starts the same shell.

use cofferdam_wire::binding::Measurement;
use thiserror::Error;

/// A Nitro Security Module, or what stands for it.
pub trait Attestor: Send + Sync + 'static {
    /// A document over these values.
    ///
    /// # Errors
    /// The module refused or did not answer.
    fn attest(
        &self,
        nonce: &[u8],
        user_data: &[u8],
        public_key: Option<&[u8]>,
    ) -> Result<Vec<u8>, AttestorError>;

    /// The module's clock, Unix milliseconds, read now.
    ///
    /// # Errors
    /// The module refused or did not answer.
    fn now_ms(&self) -> Result<u64, AttestorError>;

    /// PCR0, PCR1 and PCR2 of the running image.
    ///
    /// # Errors
    /// The module refused or did not answer.
    fn measurement(&self) -> Result<Measurement, AttestorError>;

    /// Locks all registers: from here on none can be extended, and documents state every one.
    ///
    /// # Errors
    /// The module refused or did not answer.
    fn lock_registers(&self) -> Result<(), AttestorError>;

    /// Fills the buffer from the module's generator.
    ///
    /// # Errors
    /// The module refused or did not answer; the buffer is then worthless.
    fn random(&self, buffer: &mut [u8]) -> Result<(), AttestorError>;
}

/// Why the module gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AttestorError {
    /// There is no such device.
    #[error("there is no security module")]
    Absent,
    /// The module answered with an error of its own.
    #[error("the security module refused: {0}")]
    Refused(&'static str),
    /// The answer is not of the form that was asked for.
    #[error("the security module gave an answer that cannot be read")]
    Unreadable,
}
