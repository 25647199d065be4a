//! One method for each operation, so a caller gets the outcome that belongs to it.

use cofferdam_wire::id::KeyId;
use cofferdam_wire::kind::{Algorithm, HashAlgorithm};
use cofferdam_wire::limits;
use cofferdam_wire::operation::{Description, Input, Operation, Outcome};
use zeroize::Zeroizing;

use super::{Session, SessionError};
use crate::crypto::public_key::PublicKey;
use crate::transport::Parent;

impl<P: Parent> Session<P> {
    /// Signs a message or digest; ECDSA as r || s.
    pub async fn sign(
        &self,
        key: KeyId,
        algorithm: Algorithm,
        input: Input,
    ) -> Result<Vec<u8>, SessionError> {
        self.bytes(&Operation::Sign {
            key,
            algorithm,
            input,
        })
        .await
    }

    /// Whether a signature verifies, by the enclave's word.
    pub async fn verify(
        &self,
        key: KeyId,
        algorithm: Algorithm,
        input: Input,
        signature: Vec<u8>,
    ) -> Result<bool, SessionError> {
        self.verdict(&Operation::Verify {
            key,
            algorithm,
            input,
            signature,
        })
        .await
    }

    /// Encrypts. `aad` is additional data (AES) or the label (OAEP).
    pub async fn encrypt(
        &self,
        key: KeyId,
        algorithm: Algorithm,
        aad: Vec<u8>,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, SessionError> {
        self.bytes(&Operation::Encrypt {
            key,
            algorithm,
            aad,
            data,
        })
        .await
    }

    /// Decrypts what [`Session::encrypt`] made.
    pub async fn decrypt(
        &self,
        key: KeyId,
        algorithm: Algorithm,
        aad: Vec<u8>,
        data: Vec<u8>,
    ) -> Result<Zeroizing<Vec<u8>>, SessionError> {
        self.bytes(&Operation::Decrypt {
            key,
            algorithm,
            aad,
            data,
        })
        .await
        .map(Zeroizing::new)
    }

    /// Computes an authentication tag.
    pub async fn mac(
        &self,
        key: KeyId,
        algorithm: Algorithm,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, SessionError> {
        self.bytes(&Operation::Mac {
            key,
            algorithm,
            data,
        })
        .await
    }

    /// Whether a tag is right.
    pub async fn verify_mac(
        &self,
        key: KeyId,
        algorithm: Algorithm,
        data: Vec<u8>,
        tag: Vec<u8>,
    ) -> Result<bool, SessionError> {
        self.verdict(&Operation::VerifyMac {
            key,
            algorithm,
            data,
            tag,
        })
        .await
    }

    /// The public half.
    pub async fn public_key(&self, key: KeyId) -> Result<PublicKey, SessionError> {
        let cose = self.bytes(&Operation::PublicKey { key }).await?;
        PublicKey::from_cose(&cose).map_err(|_| SessionError::Outcome)
    }

    /// Kind, policy, lease.
    pub async fn describe(&self, key: KeyId) -> Result<Description, SessionError> {
        match self.call(&Operation::Describe { key }).await? {
            Outcome::Description(description) => Ok(description),
            _ => Err(SessionError::Outcome),
        }
    }

    /// Erases the key at the provider; whether no old disk can bring it back. For a key with a revocation service that is
    /// so once the enclave has seen its signed "revoked": revoke first.
    pub async fn destroy(&self, key: KeyId) -> Result<bool, SessionError> {
        match self.call(&Operation::Destroy { key }).await? {
            Outcome::Destroyed(is_final) => Ok(is_final),
            _ => Err(SessionError::Outcome),
        }
    }

    /// Hashes; needs no key.
    pub async fn hash(
        &self,
        algorithm: HashAlgorithm,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, SessionError> {
        self.bytes(&Operation::Hash { algorithm, data }).await
    }

    /// Random bytes of the enclave, at most 4,096 at once.
    pub async fn random(&self, count: u16) -> Result<Zeroizing<Vec<u8>>, SessionError> {
        if usize::from(count) > limits::RANDOM {
            return Err(SessionError::TooLarge {
                what: "random data",
                limit: limits::RANDOM,
            });
        }
        let bytes = Zeroizing::new(self.bytes(&Operation::Random { count }).await?);
        if bytes.len() == usize::from(count) {
            Ok(bytes)
        } else {
            Err(SessionError::Outcome)
        }
    }

    async fn bytes(&self, operation: &Operation) -> Result<Vec<u8>, SessionError> {
        check_size(operation)?;
        match self.call(operation).await? {
            Outcome::Bytes(bytes) => Ok(bytes),
            _ => Err(SessionError::Outcome),
        }
    }

    async fn verdict(&self, operation: &Operation) -> Result<bool, SessionError> {
        check_size(operation)?;
        match self.call(operation).await? {
            Outcome::Verdict(verdict) => Ok(verdict),
            _ => Err(SessionError::Outcome),
        }
    }
}

/// Too much data is said before anything is sealed, with the number that holds.
fn check_size(operation: &Operation) -> Result<(), SessionError> {
    let (aad, data) = match operation {
        Operation::Sign {
            input: Input::Message(data) | Input::Digest(data),
            ..
        }
        | Operation::Verify {
            input: Input::Message(data) | Input::Digest(data),
            ..
        }
        | Operation::Mac { data, .. }
        | Operation::VerifyMac { data, .. }
        | Operation::Hash { data, .. } => (0, data.len()),
        Operation::Encrypt { aad, data, .. } | Operation::Decrypt { aad, data, .. } => {
            (aad.len(), data.len())
        }
        _ => (0, 0),
    };
    if aad > limits::ADDITIONAL_DATA {
        return Err(SessionError::TooLarge {
            what: "additional data",
            limit: limits::ADDITIONAL_DATA,
        });
    }
    // A ciphertext is longer than its plaintext by nonce and tag; what was encrypted decrypts again.
    let around = match operation {
        Operation::Decrypt { .. } => 64,
        _ => 0,
    };
    if data > limits::OPERATION_DATA + around {
        return Err(SessionError::TooLarge {
            what: "data",
            limit: limits::OPERATION_DATA,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encrypted_at_the_limit_can_be_decrypted() {
        let (key, algorithm) = (KeyId([1; 32]), Algorithm::Xaes256Gcm);
        let encrypt = |len| Operation::Encrypt {
            key,
            algorithm,
            aad: Vec::new(),
            data: vec![0; len],
        };
        let decrypt = |len| Operation::Decrypt {
            key,
            algorithm,
            aad: Vec::new(),
            data: vec![0; len],
        };
        assert!(check_size(&encrypt(limits::OPERATION_DATA)).is_ok());
        assert!(check_size(&encrypt(limits::OPERATION_DATA + 1)).is_err());
        assert!(check_size(&decrypt(limits::OPERATION_DATA + 40)).is_ok());
        assert!(check_size(&decrypt(limits::OPERATION_DATA + 65)).is_err());
    }
}
