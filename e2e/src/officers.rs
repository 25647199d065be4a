//! Three officers with file keys, two of whom act.

use cofferdam::crypto::hpke::{self, PrivateKey};
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam_wire::binding::Binding;
use cofferdam_wire::cbor;
use cofferdam_wire::group::{
    GenesisRequest, Officer, SealedShare, Share, share_to_enclave_info, share_to_officer_info,
};
use cofferdam_wire::id::GroupId;
use cofferdam_wire::kind::EscrowMode;

/// Officers and, after genesis, their shares.
pub struct Officers {
    signing: Vec<SigningKey>,
    sealing: Vec<PrivateKey>,
    /// salt and value of each.
    pub shares: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Officers {
    /// Three fresh ones.
    pub fn new() -> Self {
        let signing = (0..3)
            .map(|_| SigningKey::generate(SignatureKind::P256))
            .collect();
        Self {
            signing,
            sealing: (0..3).map(|_| PrivateKey::generate()).collect(),
            shares: Vec::new(),
        }
    }

    /// What they ask of a fresh enclave.
    pub fn request(&self) -> GenesisRequest {
        let officers = self
            .signing
            .iter()
            .zip(&self.sealing)
            .map(|(signing, sealing)| Officer {
                signing: signing.public(),
                sealing: sealing.public().to_vec(),
            });
        GenesisRequest {
            officers: officers.collect(),
            threshold: 2,
            escrow: EscrowMode::Officers,
        }
    }

    /// Each opens the share that genesis sealed to it.
    pub fn receive(&mut self, group: &GroupId, sealed: &[SealedShare]) {
        self.shares = sealed
            .iter()
            .map(|share| {
                let info = share_to_officer_info(group, share.officer);
                let receiver = hpke::setup_receiver(
                    &self.sealing[usize::from(share.officer)],
                    &share.enc,
                    &info,
                )
                .unwrap();
                let opened = receiver.open(&[], &share.ciphertext).unwrap();
                let share: Share<'_> = cbor::decode(&opened, 256).unwrap();
                (share.salt.to_vec(), share.value.to_vec())
            })
            .collect();
    }

    /// Re-encrypts one officer's share to the setup key of an instance.
    pub fn share_to(&self, officer: u8, binding: &Binding) -> SealedShare {
        let (salt, value) = &self.shares[usize::from(officer)];
        let info = share_to_enclave_info(&binding.group, officer, &binding.instance.thumbprint());
        let (enc, sender) = hpke::setup_sender(&binding.setup, &info).unwrap();
        let ciphertext = sender
            .seal(&[], &cbor::encode(&Share { salt, value }))
            .unwrap();
        SealedShare {
            officer,
            enc,
            ciphertext,
        }
    }
}

impl Default for Officers {
    fn default() -> Self {
        Self::new()
    }
}
