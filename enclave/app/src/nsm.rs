//! The Nitro Security Module, through the kernel's driver.
//!
//! The device is trusted, its replies are read by AWS's crate. Nothing here verifies a document: whoever receives one
//! does, and the core does so for the documents of others. The one thing that is read in a document is the time, out of
//! the device's own hand.

use aws_nitro_enclaves_nsm_api::api::{ErrorCode, Request, Response};
use aws_nitro_enclaves_nsm_api::driver::{nsm_exit, nsm_init, nsm_process_request};
use cofferdam_wire::binding::Measurement;
use minicbor::Decoder;
use minicbor::data::Type;

use crate::attestor::{Attestor, AttestorError};

/// Registers of a Nitro Security Module.
const REGISTERS: u16 = 32;

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
        timestamp_ms(&document).map_err(|_| AttestorError::Unreadable)
    }

    fn measurement(&self) -> Result<Measurement, AttestorError> {
        Ok(Measurement {
            pcr0: self.pcr(0)?,
            pcr1: self.pcr(1)?,
            pcr2: self.pcr(2)?,
        })
    }

    /// The platform has locked its own, 0 to 15, already; this locks those that are ours.
    fn lock_registers(&self) -> Result<(), AttestorError> {
        match self.ask(Request::LockPCRs { range: REGISTERS })? {
            Response::LockPCRs => Ok(()),
            _ => Err(AttestorError::Unreadable),
        }
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

/// The time in a document that the device has just handed over.
fn timestamp_ms(document: &[u8]) -> Result<u64, minicbor::decode::Error> {
    let mut envelope = Decoder::new(document);
    envelope.array()?;
    // Headers: whether the document is signed, and how, is for its receiver to judge.
    envelope.skip()?;
    envelope.skip()?;
    let mut claims = Decoder::new(envelope.bytes()?);
    let mut left = claims.map()?;
    while left != Some(0) && claims.datatype()? != Type::Break {
        if claims.str()? == "timestamp" {
            return claims.u64();
        }
        claims.skip()?;
        left = left.map(|entries| entries - 1);
    }
    Err(minicbor::decode::Error::message("no time"))
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use minicbor::Encoder;

    use super::*;

    /// An emulated device's document: nobody signed it.
    fn unsigned(claims: &[u8]) -> Vec<u8> {
        let mut document = Encoder::new(Vec::new());
        document.array(4).unwrap().bytes(&[0xa1, 1, 0x20]).unwrap();
        document.map(0).unwrap().bytes(claims).unwrap();
        document.bytes(&[0; 64]).unwrap();
        document.into_writer()
    }

    #[test]
    fn the_time_is_read_in_real_documents_and_in_unsigned_ones() {
        let real = include_bytes!(
            "../../../vectors/attestation/nitro/nitro-20250916T212401Z-ce1e1c6e.cbor"
        );
        let verified = cofferdam_attestation::unverified_timestamp_ms(real).unwrap();
        assert_eq!(timestamp_ms(real).unwrap(), verified);
        for definite in [true, false] {
            let mut claims = Encoder::new(Vec::new());
            match definite {
                true => claims.map(2).unwrap(),
                false => claims.begin_map().unwrap(),
            };
            claims.str("pcrs").unwrap().map(1).unwrap().u8(0).unwrap();
            claims.bytes(&[1; 48]).unwrap();
            claims
                .str("timestamp")
                .unwrap()
                .u64(1_800_000_000_000)
                .unwrap();
            if !definite {
                claims.end().unwrap();
            }
            let document = unsigned(&claims.into_writer());
            assert_eq!(timestamp_ms(&document).unwrap(), 1_800_000_000_000);
        }
    }

    #[test]
    fn t15_a_document_without_a_time_is_no_reading() {
        for claims in [
            &[0xa0][..],
            &[0xbf, 0xff],
            // Another field of that length, a time that is a text, one that is cut off.
            b"\xa1\x69timestomp\x01",
            b"\xa1\x69timestamp\x61x",
            b"\xa1\x69timestamp",
            b"",
        ] {
            assert!(timestamp_ms(&unsigned(claims)).is_err(), "{claims:02x?}");
        }
        assert!(timestamp_ms(&[]).is_err());
    }
}
