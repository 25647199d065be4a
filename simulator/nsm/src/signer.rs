//! Makes attestation documents in Nitro's format, signed under the simulator's root.
//!
//! Apart from [`SimulatedNsm`](super::SimulatedNsm), so that an enclave with a real NSM device
//! that signs nothing (QEMU's) can have what the device says put into a document that verifies.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use minicbor::Encoder;

use super::chain::{Chain, ChainKeys};
use super::error::NsmError;

/// {1: -35}: ECDSA with SHA-384.
const PROTECTED_ES384: [u8; 4] = [0xa1, 0x01, 0x38, 0x22];

/// What a document is to say.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// The time of the document, in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// The locked PCRs by index.
    pub pcrs: &'a [(u8, [u8; 48])],
    /// A key of the enclave's.
    pub public_key: Option<&'a [u8]>,
    /// Bytes of the enclave's.
    pub user_data: Option<&'a [u8]>,
    /// Bytes of the caller's.
    pub nonce: Option<&'a [u8]>,
}

/// Signs documents for one boot of one enclave; its keys die with it.
pub struct DocumentSigner {
    module_id: String,
    keys: ChainKeys,
    current: Mutex<Option<Arc<Chain>>>,
}

impl DocumentSigner {
    /// Makes keys for an enclave of this name.
    ///
    /// # Errors
    /// [`NsmError::Internal`] where the machine gives no randomness.
    pub fn boot(module_id: &str) -> Result<DocumentSigner, NsmError> {
        Ok(DocumentSigner {
            module_id: module_id.to_owned(),
            keys: ChainKeys::generate(module_id)?,
            current: Mutex::new(None),
        })
    }

    /// The name of the enclave.
    pub fn module_id(&self) -> &str {
        &self.module_id
    }

    /// The COSE_Sign1 over these claims, without a tag, as Nitro writes it.
    ///
    /// # Errors
    /// [`NsmError::Internal`] where signing fails.
    pub fn document(&self, claims: &Claims<'_>) -> Result<Vec<u8>, NsmError> {
        let now_s = claims.timestamp_ms / 1000;
        let chain = {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            self.keys.at(now_s, &mut current)?
        };
        let payload = written(|out| write_payload(out, &self.module_id, claims, &chain))?;
        let signed = written(|out| {
            let out = out.array(4)?.str("Signature1")?.bytes(&PROTECTED_ES384)?;
            out.bytes(&[])?.bytes(&payload).map(drop)
        })?;
        let signature = self.keys.sign(&signed)?;
        written(|out| {
            let out = out.array(4)?.bytes(&PROTECTED_ES384)?.map(0)?;
            out.bytes(&payload)?.bytes(&signature).map(drop)
        })
    }
}

/// The map of the newer NSMs, which is indefinite.
fn write_payload(
    out: &mut Encoder<Vec<u8>>,
    module_id: &str,
    claims: &Claims<'_>,
    chain: &Chain,
) -> Result<(), minicbor::encode::Error<Infallible>> {
    out.begin_map()?;
    out.str("module_id")?.str(module_id)?;
    out.str("digest")?.str("SHA384")?;
    out.str("timestamp")?.u64(claims.timestamp_ms)?;
    out.str("pcrs")?.map(claims.pcrs.len() as u64)?;
    for (index, value) in claims.pcrs {
        out.u8(*index)?.bytes(value)?;
    }
    out.str("certificate")?.bytes(&chain.leaf)?;
    out.str("cabundle")?.array(chain.cabundle.len() as u64)?;
    for certificate in &chain.cabundle {
        out.bytes(certificate)?;
    }
    let optional = [
        ("public_key", claims.public_key),
        ("user_data", claims.user_data),
        ("nonce", claims.nonce),
    ];
    for (key, value) in optional {
        match value {
            Some(bytes) => out.str(key)?.bytes(bytes)?,
            None => out.str(key)?.null()?,
        };
    }
    out.end().map(drop)
}

fn written<F>(write: F) -> Result<Vec<u8>, NsmError>
where
    F: FnOnce(&mut Encoder<Vec<u8>>) -> Result<(), minicbor::encode::Error<Infallible>>,
{
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder).map_err(|_| NsmError::Internal)?;
    Ok(encoder.into_writer())
}
