//! Opening layers (docs/protocol/wrapping.md). Every failure is one error (T-01): the commitment is compared before
//! anything is opened, and an OAEP failure goes on with a pseudo-random secret to that comparison (T-30).

use crate::crypto::oaep::UnwrapKey;
use crate::crypto::secret::{Plaintext, equal};
use crate::crypto::{Failed, gcm, hpke, kdf, xwing};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::{self, Layer};

#[cfg(test)]
mod vectors;

/// The private half of a key that layers are sealed to.
pub(crate) enum Recipient {
    /// Suite 1.
    XWing(xwing::PrivateKey),
    /// Suite 2.
    Rsa(UnwrapKey),
}

impl Recipient {
    /// The suite that seals to this key.
    pub(crate) fn suite(&self) -> Suite {
        match self {
            Recipient::XWing(_) => Suite::XWing,
            Recipient::Rsa(_) => Suite::RsaOaep,
        }
    }

    /// The public half as layers and Binding name it.
    pub(crate) fn public(&self) -> Vec<u8> {
        match self {
            Recipient::XWing(private) => private.public().to_vec(),
            Recipient::Rsa(private) => {
                cofferdam_wire::cose::rsa_public(private.modulus(), private.exponent())
            }
        }
    }

    /// Opens a layer that was sealed under `info` and `aad`.
    pub(crate) fn open(
        &self,
        sealed: &Layer,
        info: &[u8],
        aad: &[u8],
    ) -> Result<Plaintext, Failed> {
        match self {
            Recipient::XWing(private) => {
                let enc = sealed.enc.as_slice().try_into().map_err(|_| Failed)?;
                let receiver = hpke::setup_receiver(private, enc, info)?;
                let commitment = receiver.export(&layer::commitment_exporter(info));
                committed(commitment.expose(), sealed)?;
                receiver.open(aad, &sealed.ciphertext)
            }
            Recipient::Rsa(private) => {
                let secret = private.open(info, &sealed.enc);
                let commitment = kdf::derive(
                    &[secret.expose()],
                    &layer::commitment_info(info, &sealed.enc),
                );
                committed(commitment.expose(), sealed)?;
                let key = kdf::derive(&[secret.expose()], &layer::key_info(info, &sealed.enc));
                // The key is used once, so the nonce may be constant.
                gcm::Key::new(key.expose())?.open([0; gcm::NONCE], aad, &sealed.ciphertext)
            }
        }
    }
}

fn committed(commitment: &[u8; 32], sealed: &Layer) -> Result<(), Failed> {
    if equal(commitment, &sealed.commitment.0) {
        Ok(())
    } else {
        Err(Failed)
    }
}
