//! The keys of the examples: whoever signs, and the customer keys as COSE_Key. All of them come from a name, so they are
//! the same each time, and none is worth anything.

use cofferdam_wire::cose::{CoseSign1, PublicKey};
use ed25519_dalek::Signer as _;
use minicbor::Encoder;
use sha2::{Digest as _, Sha256};

/// 32 bytes that belong to a name.
pub(super) fn fixed(name: &str) -> [u8; 32] {
    Sha256::digest(format!("vectors/import.json: {name}")).into()
}

/// 64 bytes that belong to a name.
pub(super) fn fixed_64(name: &str) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&fixed(&format!("{name}, first half")));
    bytes[32..].copy_from_slice(&fixed(&format!("{name}, second half")));
    bytes
}

/// A key that signs.
pub(super) enum Signer {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

impl Signer {
    pub(super) fn ed25519(name: &str) -> Self {
        Signer::Ed25519(ed25519_dalek::SigningKey::from_bytes(&fixed(name)))
    }

    pub(super) fn p256(name: &str) -> anyhow::Result<Self> {
        Ok(Signer::P256(p256::ecdsa::SigningKey::from_slice(&fixed(
            name,
        ))?))
    }

    /// The seed of Ed25519, or the scalar of P-256.
    pub(super) fn secret(&self) -> Vec<u8> {
        match self {
            Signer::Ed25519(key) => key.to_bytes().to_vec(),
            Signer::P256(key) => key.to_bytes().to_vec(),
        }
    }

    pub(super) fn public(&self) -> PublicKey {
        match self {
            Signer::Ed25519(key) => PublicKey::Ed25519(key.verifying_key().to_bytes()),
            Signer::P256(key) => {
                let point = key.verifying_key().to_sec1_bytes();
                let coordinate = |at: usize| std::array::from_fn(|i| point[at + i]);
                PublicKey::P256 {
                    x: coordinate(1),
                    y: coordinate(33),
                }
            }
        }
    }

    /// Both algorithms are deterministic here (RFC 8032, RFC 6979).
    pub(super) fn sign1(&self, context: &str, payload: &[u8]) -> CoseSign1 {
        let algorithm = self.public().algorithm();
        let message = CoseSign1::to_be_signed(algorithm, context, payload);
        let signature = match self {
            Signer::Ed25519(key) => key.sign(&message).to_bytes(),
            Signer::P256(key) => {
                let signature: p256::ecdsa::Signature =
                    p256::ecdsa::signature::Signer::sign(key, &message);
                signature.to_bytes().into()
            }
        };
        CoseSign1 {
            algorithm,
            payload: payload.to_vec(),
            signature,
        }
    }
}

/// A value in a COSE_Key.
pub(super) enum Part<'a> {
    Number(u8),
    Bytes(&'a [u8]),
}

/// A COSE_Key with these labels in this order.
pub(super) fn cose_map(parts: &[(i8, Part<'_>)]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    let mut write = || -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        encoder.map(parts.len() as u64)?;
        for (label, part) in parts {
            encoder.i8(*label)?;
            match part {
                Part::Number(number) => encoder.u8(*number)?,
                Part::Bytes(bytes) => encoder.bytes(bytes)?,
            };
        }
        Ok(())
    };
    write().expect("writing into memory cannot fail");
    encoder.into_writer()
}

/// The customer's P-256 key: its private form.
pub(super) fn p256_private(x: &[u8], y: &[u8], d: &[u8]) -> Vec<u8> {
    cose_map(&[
        (1, Part::Number(2)),
        (-1, Part::Number(1)),
        (-2, Part::Bytes(x)),
        (-3, Part::Bytes(y)),
        (-4, Part::Bytes(d)),
    ])
}

/// A symmetric key.
pub(super) fn symmetric(k: &[u8]) -> Vec<u8> {
    cose_map(&[(1, Part::Number(4)), (-1, Part::Bytes(k))])
}
