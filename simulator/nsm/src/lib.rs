//! A Nitro Security Module in software.
//!
//! Documents, registers and limits are Nitro's; the root is the simulator's own, whose key
//! everybody knows (`simulator/nsm/keys`). So its Evidence is good for those who pin that root on
//! purpose, tests and demonstrations, and for nobody else. It is no part of the shipped enclave.

mod chain;
mod clock;
mod error;
mod keys;
mod pcrs;
mod signer;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand;
use cofferdam_attestation::Measurement;

pub use crate::keys::{
    ROOT_DER, VENDOR_PUBLIC, simulator_root_der, vendor_key_pkcs8, vendor_public,
};
pub use clock::SimClock;
pub use error::NsmError;
use pcrs::PcrBank;
pub use pcrs::{PCRS, Pcr};
pub use signer::{Claims, DocumentSigner};

/// The longest nonce.
pub const MAX_NONCE: usize = 512;
/// The longest user data.
pub const MAX_USER_DATA: usize = 512;
/// The longest public key.
pub const MAX_PUBLIC_KEY: usize = 1024;
/// The most bytes in one request.
pub const MAX_REQUEST: usize = 4096;
/// The most random bytes in one reply.
pub const MAX_RANDOM: usize = 256;

/// What an NSM says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The name of the enclave.
    pub module_id: String,
    /// How many PCRs there are.
    pub max_pcrs: u8,
    /// Those that are locked.
    pub locked_pcrs: Vec<u8>,
}

/// The simulated NSM of one boot. Shared between threads by reference.
pub struct SimulatedNsm {
    signer: DocumentSigner,
    pcrs: Mutex<PcrBank>,
    clock: SimClock,
}

impl SimulatedNsm {
    /// Boots an enclave whose image measures this. Zeros make it one in debug mode.
    ///
    /// # Panics
    /// Where the machine gives no randomness.
    pub fn boot(image: Measurement, clock: SimClock) -> SimulatedNsm {
        let mut id = [0; 16];
        rand::fill(&mut id).expect("invariant: the machine gives randomness");
        let (instance, enclave) = id.split_at(8);
        let instance_id = format!("i-{}", hex::encode(instance));
        let module_id = format!("{instance_id}-enc{}", hex::encode(enclave));
        let signer = DocumentSigner::boot(&module_id)
            .expect("invariant: keys can be made where there is randomness");
        SimulatedNsm {
            signer,
            pcrs: Mutex::new(PcrBank::boot(image, &instance_id)),
            clock,
        }
    }

    /// An attestation document of now.
    ///
    /// # Errors
    /// [`NsmError::InputTooLarge`] over a limit.
    pub fn attest(
        &self,
        nonce: Option<&[u8]>,
        user_data: Option<&[u8]>,
        public_key: Option<&[u8]>,
    ) -> Result<Vec<u8>, NsmError> {
        let length = |field: Option<&[u8]>| field.map_or(0, <[u8]>::len);
        let total = length(nonce) + length(user_data) + length(public_key);
        at_most("request", total, MAX_REQUEST)?;
        at_most("nonce", length(nonce), MAX_NONCE)?;
        at_most("user_data", length(user_data), MAX_USER_DATA)?;
        at_most("public_key", length(public_key), MAX_PUBLIC_KEY)?;
        let pcrs = self.bank().locked();
        self.signer.document(&Claims {
            timestamp_ms: self.now_ms(),
            pcrs: &pcrs,
            public_key,
            user_data,
            nonce,
        })
    }

    /// Fills a buffer with random bytes.
    ///
    /// # Errors
    /// [`NsmError::BufferTooSmall`] if more than [`MAX_RANDOM`] bytes are wanted.
    pub fn random(&self, buffer: &mut [u8]) -> Result<(), NsmError> {
        if buffer.len() > MAX_RANDOM {
            return Err(NsmError::BufferTooSmall {
                got: buffer.len(),
                max: MAX_RANDOM,
            });
        }
        rand::fill(buffer).map_err(|_| NsmError::Internal)
    }

    /// The NSM's time, in milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// The clock, for whoever is to move it.
    pub fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// What this NSM is.
    pub fn describe(&self) -> Description {
        let locked = self.bank().locked();
        Description {
            module_id: self.signer.module_id().to_owned(),
            max_pcrs: PCRS,
            locked_pcrs: locked.into_iter().map(|(index, _)| index).collect(),
        }
    }

    /// One PCR.
    ///
    /// # Errors
    /// [`NsmError::InvalidIndex`] over 31.
    pub fn describe_pcr(&self, index: u8) -> Result<Pcr, NsmError> {
        self.bank().describe(index)
    }

    /// Sets a PCR to SHA-384(its value || data), and returns that.
    ///
    /// # Errors
    /// [`NsmError::ReadOnlyIndex`] if it is locked, [`NsmError::InvalidIndex`] over 31,
    /// [`NsmError::InputTooLarge`] over [`MAX_REQUEST`] bytes.
    pub fn extend_pcr(&self, index: u8, data: &[u8]) -> Result<[u8; 48], NsmError> {
        at_most("request", data.len(), MAX_REQUEST)?;
        self.bank().extend(index, data)
    }

    /// Locks a PCR: it keeps its value, and documents state it from now on.
    ///
    /// # Errors
    /// [`NsmError::ReadOnlyIndex`] if it is locked already, [`NsmError::InvalidIndex`] over 31.
    pub fn lock_pcr(&self, index: u8) -> Result<(), NsmError> {
        self.bank().lock(index)
    }

    /// Locks all PCRs with an index below `range`.
    ///
    /// # Errors
    /// [`NsmError::InvalidIndex`] over 32.
    pub fn lock_pcrs(&self, range: u8) -> Result<(), NsmError> {
        self.bank().lock_range(range)
    }

    fn bank(&self) -> MutexGuard<'_, PcrBank> {
        self.pcrs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn at_most(what: &'static str, got: usize, max: usize) -> Result<(), NsmError> {
    if got > max {
        return Err(NsmError::InputTooLarge { what, got, max });
    }
    Ok(())
}
