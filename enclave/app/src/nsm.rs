//! The Nitro Security Module, through the kernel's driver.
//!
//! The device is trusted, its replies are read by AWS's crate. Nothing here verifies a document: whoever receives one
//! does, and the core does so for the documents of others.

use aws_nitro_enclaves_nsm_api::api::{ErrorCode, Request, Response};
use aws_nitro_enclaves_nsm_api::driver::{nsm_exit, nsm_init, nsm_process_request};
use cofferdam_attestation::unverified_timestamp_ms;
use cofferdam_wire::binding::Measurement;

use crate::attestor::{Attestor, AttestorError};

/// `/dev/nsm`, open.
#[derive(Debug)]
pub struct NsmAttestor {
    device: i32,
}

impl NsmAttestor {
    /// Opens the device.
    ///
    /// # Errors
    /// [`AttestorError::Absent`] outside of an enclave.
    pub fn open() -> Result<Self, AttestorError> {
        match nsm_init() {
            device if device >= 0 => Ok(NsmAttestor { device }),
            _ => Err(AttestorError::Absent),
        }
    }

    fn ask(&self, request: Request) -> Result<Response, AttestorError> {
        match nsm_process_request(self.device, request) {
            Response::Error(code) => Err(AttestorError::Refused(name(&code))),
            response => Ok(response),
        }
    }

    fn document(
        &self,
        nonce: Option<&[u8]>,
        user_data: Option<&[u8]>,
        public_key: Option<&[u8]>,
    ) -> Result<Vec<u8>, AttestorError> {
        let request = Request::Attestation {
            user_data: user_data.map(|bytes| bytes.to_vec().into()),
            nonce: nonce.map(|bytes| bytes.to_vec().into()),
            public_key: public_key.map(|bytes| bytes.to_vec().into()),
        };
        match self.ask(request)? {
            Response::Attestation { document } => Ok(document),
            _ => Err(AttestorError::Unreadable),
        }
    }

    fn pcr(&self, index: u16) -> Result<[u8; 48], AttestorError> {
        match self.ask(Request::DescribePCR { index })? {
            Response::DescribePCR { data, .. } => {
                data.try_into().map_err(|_| AttestorError::Unreadable)
            }
            _ => Err(AttestorError::Unreadable),
        }
    }
}

impl Attestor for NsmAttestor {
    fn attest(
        &self,
        nonce: &[u8],
        user_data: &[u8],
        public_key: Option<&[u8]>,
    ) -> Result<Vec<u8>, AttestorError> {
        self.document(Some(nonce), Some(user_data), public_key)
    }

    /// The NSM has no other clock than the time in its documents.
    fn now_ms(&self) -> Result<u64, AttestorError> {
        let document = self.document(None, None, None)?;
        unverified_timestamp_ms(&document).map_err(|_| AttestorError::Unreadable)
    }

    fn measurement(&self) -> Result<Measurement, AttestorError> {
        Ok(Measurement {
            pcr0: self.pcr(0)?,
            pcr1: self.pcr(1)?,
            pcr2: self.pcr(2)?,
        })
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), AttestorError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let Response::GetRandom { random } = self.ask(Request::GetRandom)? else {
                return Err(AttestorError::Unreadable);
            };
            let take = random.len().min(buffer.len() - filled);
            if take == 0 {
                return Err(AttestorError::Unreadable);
            }
            buffer[filled..filled + take].copy_from_slice(&random[..take]);
            filled += take;
        }
        Ok(())
    }
}

impl Drop for NsmAttestor {
    fn drop(&mut self) {
        nsm_exit(self.device);
    }
}

fn name(code: &ErrorCode) -> &'static str {
    match code {
        ErrorCode::Success => "success",
        ErrorCode::InvalidArgument => "invalid argument",
        ErrorCode::InvalidIndex => "invalid index",
        ErrorCode::InvalidResponse => "invalid response",
        ErrorCode::ReadOnlyIndex => "read-only index",
        ErrorCode::InvalidOperation => "invalid operation",
        ErrorCode::BufferTooSmall => "buffer too small",
        ErrorCode::InputTooLarge => "input too large",
        ErrorCode::InternalError => "internal error",
    }
}
