//! The 32 platform configuration registers: extended until they are locked.

use aws_lc_rs::digest::{Context, SHA384};
use cofferdam_attestation::Measurement;

use super::error::NsmError;

/// How many PCRs an NSM has.
pub const PCRS: u8 = 32;
/// The first PCR that an application may use; those below are the platform's, locked at boot.
const FIRST_FREE: u8 = 16;

/// One register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pcr {
    /// Its value.
    pub value: [u8; 48],
    /// Whether it can no longer be extended. Only locked registers are in a document.
    pub locked: bool,
}

/// All registers of an enclave.
pub(super) struct PcrBank {
    pcrs: [Pcr; PCRS as usize],
}

impl PcrBank {
    /// As the hypervisor leaves them: the image measured, the parent's instance id in PCR4, the
    /// platform's registers locked.
    pub(super) fn boot(image: Measurement, instance_id: &str) -> PcrBank {
        let empty = Pcr {
            value: [0; 48],
            locked: false,
        };
        let mut pcrs = [empty; PCRS as usize];
        for (index, value) in image.pcrs() {
            pcrs[usize::from(index)].value = value;
        }
        pcrs[4].value = extended(&[0; 48], instance_id.as_bytes());
        for pcr in &mut pcrs[..usize::from(FIRST_FREE)] {
            pcr.locked = true;
        }
        PcrBank { pcrs }
    }

    pub(super) fn describe(&self, index: u8) -> Result<Pcr, NsmError> {
        let pcr = self.pcrs.get(usize::from(index));
        pcr.copied().ok_or(NsmError::InvalidIndex { index })
    }

    /// Replaces the value by the SHA-384 of itself and the data.
    pub(super) fn extend(&mut self, index: u8, data: &[u8]) -> Result<[u8; 48], NsmError> {
        let pcr = self.open(index)?;
        pcr.value = extended(&pcr.value, data);
        Ok(pcr.value)
    }

    pub(super) fn lock(&mut self, index: u8) -> Result<(), NsmError> {
        self.open(index)?.locked = true;
        Ok(())
    }

    /// Locks all registers below `range`, locked ones too.
    pub(super) fn lock_range(&mut self, range: u8) -> Result<(), NsmError> {
        let pcrs = self.pcrs.get_mut(..usize::from(range));
        for pcr in pcrs.ok_or(NsmError::InvalidIndex { index: range })? {
            pcr.locked = true;
        }
        Ok(())
    }

    /// The locked registers, lowest index first.
    pub(super) fn locked(&self) -> Vec<(u8, [u8; 48])> {
        let numbered = (0..PCRS).zip(&self.pcrs);
        numbered
            .filter(|(_, pcr)| pcr.locked)
            .map(|(index, pcr)| (index, pcr.value))
            .collect()
    }

    fn open(&mut self, index: u8) -> Result<&mut Pcr, NsmError> {
        match self.pcrs.get_mut(usize::from(index)) {
            None => Err(NsmError::InvalidIndex { index }),
            Some(pcr) if pcr.locked => Err(NsmError::ReadOnlyIndex { index }),
            Some(pcr) => Ok(pcr),
        }
    }
}

fn extended(old: &[u8; 48], data: &[u8]) -> [u8; 48] {
    let mut context = Context::new(&SHA384);
    context.update(old);
    context.update(data);
    let digest = context.finish();
    digest
        .as_ref()
        .try_into()
        .expect("invariant: SHA-384 gives 48 bytes")
}
