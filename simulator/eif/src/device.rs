//! The security module of an emulated machine, with a signature put under what it says.

use std::sync::OnceLock;

use cofferdam_enclave::{Attestor, AttestorError, NsmAttestor};
use cofferdam_simulated_nsm::DocumentSigner;
use cofferdam_wire::binding::Measurement;

use crate::claims::DeviceClaims;

/// The kernel's device, and keys to sign its documents with. They live as long as this process, as a machine's do.
pub struct SigningDevice {
    device: NsmAttestor,
    /// Made with the first document, when the kernel's generator has been seeded.
    signer: OnceLock<Option<DocumentSigner>>,
}

impl SigningDevice {
    /// Opens the device.
    ///
    /// # Errors
    /// [`AttestorError::Absent`] where there is none.
    pub fn open() -> Result<Self, AttestorError> {
        Ok(SigningDevice {
            device: NsmAttestor::open()?,
            signer: OnceLock::new(),
        })
    }
}

impl Attestor for SigningDevice {
    fn attest(
        &self,
        nonce: &[u8],
        user_data: &[u8],
        public_key: Option<&[u8]>,
    ) -> Result<Vec<u8>, AttestorError> {
        let unsigned = self.device.attest(nonce, user_data, public_key)?;
        let claims = DeviceClaims::read(&unsigned)?;
        self.signer
            .get_or_init(|| DocumentSigner::boot(&claims.module_id).ok())
            .as_ref()
            .and_then(|signer| signer.document(&claims.to_sign()).ok())
            .ok_or(AttestorError::Refused("no signature"))
    }

    fn now_ms(&self) -> Result<u64, AttestorError> {
        self.device.now_ms()
    }

    fn measurement(&self) -> Result<Measurement, AttestorError> {
        self.device.measurement()
    }

    fn lock_registers(&self) -> Result<(), AttestorError> {
        self.device.lock_registers()
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), AttestorError> {
        self.device.random(buffer)
    }
}
