//! The simulator's enclave: the shipped core, shell and start, under the simulator's anchors of trust.
//!
//! Emulated Nitro machines have a security module with registers, locks, a clock and a generator, and one thing less: they
//! sign nothing. This image asks that device for everything and signs what it says under the simulator's root, whose key
//! everybody knows. So it shows that the enclave works on such a machine, and its Evidence is worth nothing to anybody who
//! does not pin that root on purpose. No line of it is in the shipped program.
#![forbid(unsafe_code)]

mod claims;
mod device;

use cofferdam_enclave_core::Trust;
use cofferdam_simulated_nsm::{ROOT_DER, VENDOR_PUBLIC};
use cofferdam_wire::cose::PublicKey;

pub use device::SigningDevice;

/// The anchors of trust of the simulated enclave: constants of the program, as in the shipped one (T-81).
pub struct SimulatorTrust;

impl Trust for SimulatorTrust {
    const ATTESTATION_ROOT: &'static [u8] = ROOT_DER;
    const VENDOR: PublicKey = PublicKey::Ed25519(VENDOR_PUBLIC);
}

#[cfg(test)]
mod tests {
    use cofferdam_simulated_nsm::{simulator_root_der, vendor_public};

    use super::*;

    #[test]
    fn the_constants_are_the_keys_of_the_simulated_nsm() {
        assert_eq!(SimulatorTrust::ATTESTATION_ROOT, simulator_root_der());
        assert_eq!(SimulatorTrust::VENDOR, PublicKey::Ed25519(vendor_public()));
    }
}
