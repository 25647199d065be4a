//! Keys of customers: from material to a parsed key, and what it can do.
//!
//! Material comes out of a payload or a record whose owner's signature was verified; it is still read strictly, and
//! weak keys are refused by name. Kind, usage class and policy decide elsewhere what a caller may ask for (T-47); here
//! a key merely has no way to do what its kind cannot.
//! No method returns material: public halves and check values are all that leaves.

mod cose;
mod curve;
#[cfg(test)]
mod material;
mod prime;
mod rsa;
mod symmetric;

use super::Failed;
use super::secret::Plaintext;
use aws_lc_rs::digest;
use cofferdam_wire::kind::{Algorithm, KeyKind};

/// Why material is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// Not the deterministic COSE_Key of this kind.
    #[error("the material is not a COSE_Key of its kind")]
    Malformed,
    /// Well formed, and not safe to use.
    #[error("weak key: {0}")]
    Weak(#[from] WeakKey),
}

/// What is wrong with a weak key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WeakKey {
    /// The RSA modulus does not have the bits of its kind.
    #[error("the modulus does not have the length of its kind")]
    ModulusLength,
    /// The RSA public exponent is even, below 65537, or over 32 bits.
    #[error("the public exponent is even, below 65537 or over 32 bits")]
    Exponent,
    /// The RSA factors are not half as long as the modulus each.
    #[error("the factors are not half as long as the modulus")]
    FactorLength,
    /// The RSA factors begin alike: the modulus falls to Fermat's factoring.
    #[error("the factors are too close to each other")]
    FactorsTooClose,
    /// The parts of the RSA key contradict each other.
    #[error("the parts of the key contradict each other")]
    Inconsistent,
    /// An RSA factor is not prime.
    #[error("a factor is not prime")]
    CompositeFactor,
    /// The public point is not on its curve.
    #[error("the public point is not on the curve")]
    OffCurve,
    /// The public half belongs to another private half, or the private half is out of range.
    #[error("public and private half do not belong together")]
    HalvesDiffer,
    /// A symmetric key under 128 bits.
    #[error("under 128 bits")]
    TooShort,
    /// A symmetric key of zeros.
    #[error("all zero")]
    AllZero,
}

/// Why a key did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OperationError {
    /// The key cannot do this with this algorithm.
    #[error("the key does not do this with this algorithm")]
    Unsuitable,
    /// The input is longer than the algorithm takes, or a digest of another length.
    #[error("the input does not have a length that the algorithm takes")]
    InputLength,
    /// It did not decrypt, or the library failed.
    #[error(transparent)]
    Failed(#[from] Failed),
}

/// What is signed or verified.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Input<'a> {
    /// A message, hashed here.
    Message(&'a [u8]),
    /// The digest of a message, by the hash of the algorithm.
    Digest(&'a [u8]),
}

impl Input<'_> {
    fn digest(
        &self,
        algorithm: &'static digest::Algorithm,
    ) -> Result<digest::Digest, OperationError> {
        match self {
            Input::Message(message) => Ok(digest::digest(algorithm, message)),
            Input::Digest(bytes) => digest::Digest::import_less_safe(bytes, algorithm)
                .map_err(|_| OperationError::InputLength),
        }
    }
}

/// A customer's key, parsed and ready.
pub(crate) struct CustomerKey(Material);

enum Material {
    Rsa(Box<rsa::Key>),
    Ec(curve::EcKey),
    Ed25519(curve::Ed25519Key),
    Aes(symmetric::AesKey),
    Hmac(symmetric::HmacKey),
}

impl CustomerKey {
    /// At import: every check, the primality of RSA factors included (at most some 50 ms for RSA-4096).
    pub(crate) fn import(kind: KeyKind, material: &[u8]) -> Result<Self, KeyError> {
        Self::parse(kind, material, rsa::Factors::Test)
    }

    /// From a record: the same checks without primality, which was tested when the key came in.
    pub(crate) fn load(kind: KeyKind, material: &[u8]) -> Result<Self, KeyError> {
        Self::parse(kind, material, rsa::Factors::WereTested)
    }

    fn parse(kind: KeyKind, cose: &[u8], factors: rsa::Factors) -> Result<Self, KeyError> {
        let material = match kind {
            KeyKind::Rsa2048 => Material::Rsa(Box::new(rsa::Key::parse(cose, 2048, factors)?)),
            KeyKind::Rsa3072 => Material::Rsa(Box::new(rsa::Key::parse(cose, 3072, factors)?)),
            KeyKind::Rsa4096 => Material::Rsa(Box::new(rsa::Key::parse(cose, 4096, factors)?)),
            KeyKind::EcP256 => Material::Ec(curve::EcKey::parse::<32>(cose, &curve::P256)?),
            KeyKind::EcP384 => Material::Ec(curve::EcKey::parse::<48>(cose, &curve::P384)?),
            KeyKind::EcP521 => Material::Ec(curve::EcKey::parse::<66>(cose, &curve::P521)?),
            KeyKind::Ed25519 => Material::Ed25519(curve::Ed25519Key::parse(cose)?),
            KeyKind::Aes128 => Material::Aes(symmetric::AesKey::parse(cose, 16)?),
            KeyKind::Aes256 => Material::Aes(symmetric::AesKey::parse(cose, 32)?),
            KeyKind::Hmac => Material::Hmac(symmetric::HmacKey::parse(cose)?),
        };
        Ok(Self(material))
    }

    /// The public half as COSE_Key; `None` for a symmetric key.
    pub(crate) fn public_cose(&self) -> Option<Vec<u8>> {
        match &self.0 {
            Material::Rsa(key) => Some(key.public_cose()),
            Material::Ec(key) => Some(key.public_cose()),
            Material::Ed25519(key) => Some(key.public_cose()),
            Material::Aes(_) | Material::Hmac(_) => None,
        }
    }

    /// H(salt, key) of a symmetric key, by which its owner knows it in a receipt; `None` for a key with a public half.
    /// The salt must be one that nobody but owner and enclave knows, or short keys could be guessed.
    pub(crate) fn check_value(&self, salt: &[u8]) -> Option<[u8; 32]> {
        match &self.0 {
            Material::Aes(key) => Some(key.check_value(salt)),
            Material::Hmac(key) => Some(key.check_value(salt)),
            Material::Rsa(_) | Material::Ec(_) | Material::Ed25519(_) => None,
        }
    }

    /// Signs. ECDSA gives r || s of fixed length.
    pub(crate) fn sign(
        &self,
        algorithm: Algorithm,
        input: Input<'_>,
    ) -> Result<Vec<u8>, OperationError> {
        match &self.0 {
            Material::Rsa(key) => key.sign(algorithm, input),
            Material::Ec(key) => key.sign(algorithm, input),
            Material::Ed25519(key) => key.sign(algorithm, input),
            Material::Aes(_) | Material::Hmac(_) => Err(OperationError::Unsuitable),
        }
    }

    /// Whether a signature, or the whole tag of a MAC, is right.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        input: Input<'_>,
        signature: &[u8],
    ) -> Result<bool, OperationError> {
        match (&self.0, input) {
            (Material::Rsa(key), _) => key.verify(algorithm, input, signature),
            (Material::Ec(key), _) => key.verify(algorithm, input, signature),
            (Material::Ed25519(key), _) => key.verify(algorithm, input, signature),
            (Material::Hmac(key), Input::Message(message)) => {
                key.verify(algorithm, message, signature)
            }
            (Material::Hmac(_), Input::Digest(_)) | (Material::Aes(_), _) => {
                Err(OperationError::Unsuitable)
            }
        }
    }

    /// The tag of a message.
    pub(crate) fn mac(
        &self,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, OperationError> {
        match &self.0 {
            Material::Hmac(key) => key.mac(algorithm, message),
            _ => Err(OperationError::Unsuitable),
        }
    }

    /// Encrypts: RSA-OAEP with `aad` as its label, or AES with a random nonce in front.
    pub(crate) fn encrypt(
        &self,
        algorithm: Algorithm,
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, OperationError> {
        match &self.0 {
            Material::Rsa(key) => key.encrypt(algorithm, aad, plaintext),
            Material::Aes(key) => key.encrypt(algorithm, aad, plaintext),
            _ => Err(OperationError::Unsuitable),
        }
    }

    /// Decrypts what `encrypt` gives. Whatever is wrong with the ciphertext is the one failure (T-48).
    pub(crate) fn decrypt(
        &self,
        algorithm: Algorithm,
        aad: &[u8],
        ciphertext: &[u8],
    ) -> Result<Plaintext, OperationError> {
        match &self.0 {
            Material::Rsa(key) => key.decrypt(algorithm, aad, ciphertext),
            Material::Aes(key) => key.decrypt(algorithm, aad, ciphertext),
            _ => Err(OperationError::Unsuitable),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use cofferdam_wire::kind::{Action, UsageClass};

    #[test]
    fn t47_a_key_does_what_some_class_allows_its_kind_and_nothing_else() {
        for kind in KeyKind::ALL {
            let key = CustomerKey::load(*kind, &material::of(*kind)).unwrap();
            assert_eq!(key.public_cose().is_some(), kind.is_asymmetric());
            assert_eq!(key.check_value(&[1; 32]).is_some(), !kind.is_asymmetric());
            for algorithm in Algorithm::ALL {
                let allowed = |action| {
                    UsageClass::ALL
                        .iter()
                        .any(|class| class.allows(action, *kind, *algorithm))
                };
                let message = Input::Message(b"message");
                let cell = |action, result: Result<(), OperationError>| {
                    let expected = if allowed(action) {
                        Ok(())
                    } else {
                        Err(OperationError::Unsuitable)
                    };
                    assert_eq!(result, expected, "{kind} {algorithm} {action}");
                };
                cell(Action::Sign, key.sign(*algorithm, message).map(drop));
                cell(
                    Action::Verify,
                    key.verify(*algorithm, message, &[0; 64]).map(drop),
                );
                cell(Action::Mac, key.mac(*algorithm, b"message").map(drop));
                cell(
                    Action::Encrypt,
                    key.encrypt(*algorithm, b"", b"message").map(drop),
                );
                let refused = key
                    .decrypt(*algorithm, b"", &[0; 100])
                    .map(drop)
                    .unwrap_err();
                let expected = if allowed(Action::Decrypt) {
                    OperationError::Failed(Failed)
                } else {
                    OperationError::Unsuitable
                };
                assert_eq!(refused, expected, "{kind} {algorithm}");
            }
        }
    }

    #[test]
    fn t46_material_of_one_kind_is_malformed_or_weak_as_another() {
        for kind in KeyKind::ALL {
            assert!(
                CustomerKey::import(*kind, &material::of(*kind)).is_ok(),
                "{kind}"
            );
            for other in KeyKind::ALL.iter().filter(|other| *other != kind) {
                let parsed = CustomerKey::import(*other, &material::of(*kind));
                // A symmetric key says nothing of its use: only its length is checked.
                let alike = !kind.is_asymmetric() && *other == KeyKind::Hmac;
                assert_eq!(parsed.is_ok(), alike, "{kind} as {other}");
            }
        }
    }

    #[test]
    fn t60_a_byte_behind_the_material_is_refused() {
        for kind in KeyKind::ALL {
            let mut bytes = material::of(*kind);
            bytes.push(0);
            assert_eq!(
                CustomerKey::load(*kind, &bytes).map(drop),
                Err(KeyError::Malformed),
                "{kind}"
            );
            for length in 0..bytes.len() - 1 {
                assert!(
                    CustomerKey::load(*kind, &bytes[..length]).is_err(),
                    "{kind} {length}"
                );
            }
        }
    }
}
