//! The enclave's role: the shipped core and shell, over a simulated NSM in the same process.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use cofferdam_enclave::{Attestor, AttestorError, harden, serve, unix_listener};
use cofferdam_simulator_enclave::SimulatorTrust;
use cofferdam_wire::binding::Measurement;

use crate::image::measure_running;
use crate::nsm::{NsmError, SimClock, SimulatedNsm};

/// Serves on a Unix socket until the process ends.
pub(crate) fn run(socket: &Path) -> anyhow::Result<Infallible> {
    let image = measure_running().context("the running program cannot be measured")?;
    harden().context("the process cannot be hardened")?;
    let attestor = Arc::new(SimulatedAttestor::boot(image));
    let listener =
        unix_listener(socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
    Ok(serve::<SimulatorTrust>(attestor, listener, || {
        eprintln!("enclave: ready")
    })?)
}

/// The simulated NSM, as the shell wants one.
struct SimulatedAttestor {
    nsm: SimulatedNsm,
    image: Measurement,
}

impl SimulatedAttestor {
    fn boot(image: Measurement) -> Self {
        let Measurement { pcr0, pcr1, pcr2 } = image;
        let measured = cofferdam_attestation::Measurement { pcr0, pcr1, pcr2 };
        Self {
            nsm: SimulatedNsm::boot(measured, SimClock::new()),
            image,
        }
    }
}

impl Attestor for SimulatedAttestor {
    fn attest(
        &self,
        nonce: &[u8],
        user_data: &[u8],
        public_key: Option<&[u8]>,
    ) -> Result<Vec<u8>, AttestorError> {
        self.nsm
            .attest(Some(nonce), Some(user_data), public_key)
            .map_err(refused)
    }

    fn now_ms(&self) -> Result<u64, AttestorError> {
        Ok(self.nsm.now_ms())
    }

    fn measurement(&self) -> Result<Measurement, AttestorError> {
        Ok(self.image)
    }

    fn lock_registers(&self) -> Result<(), AttestorError> {
        self.nsm.lock_pcrs(crate::nsm::PCRS).map_err(refused)
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), AttestorError> {
        buffer
            .chunks_mut(crate::nsm::MAX_RANDOM)
            .try_for_each(|piece| self.nsm.random(piece))
            .map_err(refused)
    }
}

fn refused(error: NsmError) -> AttestorError {
    AttestorError::Refused(match error {
        NsmError::InputTooLarge { .. } => "input too large",
        NsmError::BufferTooSmall { .. } => "buffer too small",
        _ => "internal error",
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::nsm::PCRS;

    #[test]
    fn ini_6_locked_registers_cannot_be_extended_and_every_document_states_them() {
        let image = Measurement {
            pcr0: [1; 48],
            pcr1: [2; 48],
            pcr2: [3; 48],
        };
        let attestor = SimulatedAttestor::boot(image);
        assert!(attestor.nsm.extend_pcr(16, b"before").is_ok());
        attestor.lock_registers().unwrap();
        for index in 0..PCRS {
            let refused = attestor.nsm.extend_pcr(index, b"after");
            assert_eq!(refused, Err(NsmError::ReadOnlyIndex { index }));
        }
        assert_eq!(attestor.nsm.describe().locked_pcrs.len(), usize::from(PCRS));
        attestor.lock_registers().unwrap();
    }
}
