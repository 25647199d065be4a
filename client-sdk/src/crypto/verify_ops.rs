//! Verifying, outside of the enclave, what customer keys signed inside: anybody with the public key can.
//!
//! The signature and the message are the stranger's. The algorithm is the caller's choice and must be one of the key's
//! kind (T-47): PKCS#1 v1.5 and PSS with a salt as long as the digest, ECDSA with the one hash of its curve as r || s,
//! strict Ed25519. Only public-key operations of the `rsa` crate are used.

use cofferdam_wire::kind::{Algorithm, KeyKind};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, Pkcs1v15Sign, Pss};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::public_key::{Inner, PublicKey};

/// Why a signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// This kind of key makes no such signatures.
    #[error("a key of kind {kind} makes no {algorithm} signatures")]
    Algorithm {
        /// Kind of the key.
        kind: KeyKind,
        /// What was asked for.
        algorithm: Algorithm,
    },
    /// The digest is not as long as the algorithm's hash, or the algorithm signs messages only.
    #[error("{algorithm} does not verify a digest of {actual} bytes")]
    Digest {
        /// What was asked for.
        algorithm: Algorithm,
        /// Bytes that came.
        actual: usize,
    },
    /// The signature is not this key's over this message.
    #[error("the signature is not valid")]
    Signature,
}

impl PublicKey {
    /// Verifies a signature over a message.
    pub fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        if let (Inner::Ed25519(key), Algorithm::Ed25519) = (&self.0, algorithm) {
            let signature = ed25519_dalek::Signature::from_slice(signature)
                .map_err(|_| VerifyError::Signature)?;
            return key
                .verify_strict(message, &signature)
                .map_err(|_| VerifyError::Signature);
        }
        use Algorithm::*;
        match algorithm {
            RsaPkcs1Sha256 | RsaPssSha256 | EcdsaSha256 => {
                self.verify_digest(algorithm, &Sha256::digest(message), signature)
            }
            RsaPkcs1Sha384 | RsaPssSha384 | EcdsaSha384 => {
                self.verify_digest(algorithm, &Sha384::digest(message), signature)
            }
            RsaPkcs1Sha512 | RsaPssSha512 | EcdsaSha512 => {
                self.verify_digest(algorithm, &Sha512::digest(message), signature)
            }
            _ => Err(VerifyError::Algorithm {
                kind: self.kind(),
                algorithm,
            }),
        }
    }

    /// Verifies a signature over the digest of a message that the caller hashed with the algorithm's hash.
    pub fn verify_digest(
        &self,
        algorithm: Algorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        use Algorithm::*;
        let expected = match algorithm {
            RsaPkcs1Sha256 | RsaPssSha256 | EcdsaSha256 => 32,
            RsaPkcs1Sha384 | RsaPssSha384 | EcdsaSha384 => 48,
            RsaPkcs1Sha512 | RsaPssSha512 | EcdsaSha512 => 64,
            _ => {
                return Err(VerifyError::Digest {
                    algorithm,
                    actual: digest.len(),
                });
            }
        };
        if digest.len() != expected {
            return Err(VerifyError::Digest {
                algorithm,
                actual: digest.len(),
            });
        }
        let valid = match (&self.0, algorithm) {
            (Inner::Rsa(_, key), RsaPkcs1Sha256 | RsaPkcs1Sha384 | RsaPkcs1Sha512) => {
                verify_pkcs1(key, algorithm, digest, signature)
            }
            (Inner::Rsa(_, key), RsaPssSha256 | RsaPssSha384 | RsaPssSha512) => {
                verify_pss(key, algorithm, digest, signature)
            }
            (Inner::P256(key), EcdsaSha256) => {
                let key = p256::ecdsa::VerifyingKey::from(key);
                p256::ecdsa::Signature::from_slice(signature)
                    .and_then(|rs| key.verify_prehash(digest, &rs))
                    .is_ok()
            }
            (Inner::P384(key), EcdsaSha384) => {
                let key = p384::ecdsa::VerifyingKey::from(key);
                p384::ecdsa::Signature::from_slice(signature)
                    .and_then(|rs| key.verify_prehash(digest, &rs))
                    .is_ok()
            }
            (Inner::P521(key), EcdsaSha512) => {
                let key = p521::ecdsa::VerifyingKey::from(key);
                p521::ecdsa::Signature::from_slice(signature)
                    .and_then(|rs| key.verify_prehash(digest, &rs))
                    .is_ok()
            }
            _ => {
                return Err(VerifyError::Algorithm {
                    kind: self.kind(),
                    algorithm,
                });
            }
        };
        if valid {
            Ok(())
        } else {
            Err(VerifyError::Signature)
        }
    }
}

fn verify_pkcs1(
    key: &rsa::RsaPublicKey,
    algorithm: Algorithm,
    digest: &[u8],
    signature: &[u8],
) -> bool {
    let scheme = match algorithm {
        Algorithm::RsaPkcs1Sha256 => Pkcs1v15Sign::new::<rsa::sha2::Sha256>(),
        Algorithm::RsaPkcs1Sha384 => Pkcs1v15Sign::new::<rsa::sha2::Sha384>(),
        _ => Pkcs1v15Sign::new::<rsa::sha2::Sha512>(),
    };
    in_range(key, signature) && key.verify(scheme, digest, signature).is_ok()
}

fn verify_pss(
    key: &rsa::RsaPublicKey,
    algorithm: Algorithm,
    digest: &[u8],
    signature: &[u8],
) -> bool {
    let scheme = match algorithm {
        Algorithm::RsaPssSha256 => Pss::new::<rsa::sha2::Sha256>(),
        Algorithm::RsaPssSha384 => Pss::new::<rsa::sha2::Sha384>(),
        _ => Pss::new::<rsa::sha2::Sha512>(),
    };
    in_range(key, signature) && key.verify(scheme, digest, signature).is_ok()
}

/// RFC 8017 section 5.2.2 step 1. The `rsa` crate checks the upper bound for PKCS#1 v1.5 but not for PSS, where
/// signature + n would pass as a second signature.
fn in_range(key: &rsa::RsaPublicKey, signature: &[u8]) -> bool {
    signature.len() == key.size() && BigUint::from_bytes_be(signature) < *key.n()
}

/// An ECDSA signature r || s as the DER sequence that X.509, TLS and `openssl` want. `kind` names the curve; `None` if
/// the bytes are no signature on it.
pub fn ecdsa_to_der(kind: KeyKind, signature: &[u8]) -> Option<Vec<u8>> {
    match kind {
        KeyKind::EcP256 => Some(
            p256::ecdsa::Signature::from_slice(signature)
                .ok()?
                .to_der()
                .as_bytes()
                .to_vec(),
        ),
        KeyKind::EcP384 => Some(
            p384::ecdsa::Signature::from_slice(signature)
                .ok()?
                .to_der()
                .as_bytes()
                .to_vec(),
        ),
        KeyKind::EcP521 => Some(
            p521::ecdsa::Signature::from_slice(signature)
                .ok()?
                .to_der()
                .as_bytes()
                .to_vec(),
        ),
        _ => None,
    }
}

/// The reverse of [`ecdsa_to_der`]; strict DER, nothing behind it.
pub fn ecdsa_from_der(kind: KeyKind, signature: &[u8]) -> Option<Vec<u8>> {
    match kind {
        KeyKind::EcP256 => Some(
            p256::ecdsa::Signature::from_der(signature)
                .ok()?
                .to_bytes()
                .to_vec(),
        ),
        KeyKind::EcP384 => Some(
            p384::ecdsa::Signature::from_der(signature)
                .ok()?
                .to_bytes()
                .to_vec(),
        ),
        KeyKind::EcP521 => Some(
            p521::ecdsa::Signature::from_der(signature)
                .ok()?
                .to_bytes()
                .to_vec(),
        ),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::keyfile;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair, RsaKeyPair};

    const MESSAGE: &[u8] = b"a message that the enclave's library signed";

    /// What AWS-LC, the enclave's library, signs with a key file.
    fn signed(algorithm: Algorithm, pem: &[u8]) -> Vec<u8> {
        let (pkcs8, _) = keyfile::pkcs8_document(pem).unwrap();
        let random = SystemRandom::new();
        let elliptic = |scheme| {
            EcdsaKeyPair::from_pkcs8(scheme, &pkcs8)
                .unwrap()
                .sign(&random, MESSAGE)
                .unwrap()
                .as_ref()
                .to_vec()
        };
        let rsa = |scheme| {
            let pair = RsaKeyPair::from_pkcs8(&pkcs8).unwrap();
            let mut bytes = vec![0; pair.public_key().modulus_len()];
            pair.sign(scheme, &random, MESSAGE, &mut bytes).unwrap();
            bytes
        };
        match algorithm {
            Algorithm::RsaPkcs1Sha256 => rsa(&signature::RSA_PKCS1_SHA256),
            Algorithm::RsaPkcs1Sha384 => rsa(&signature::RSA_PKCS1_SHA384),
            Algorithm::RsaPkcs1Sha512 => rsa(&signature::RSA_PKCS1_SHA512),
            Algorithm::RsaPssSha256 => rsa(&signature::RSA_PSS_SHA256),
            Algorithm::RsaPssSha384 => rsa(&signature::RSA_PSS_SHA384),
            Algorithm::RsaPssSha512 => rsa(&signature::RSA_PSS_SHA512),
            Algorithm::EcdsaSha256 => elliptic(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::EcdsaSha384 => elliptic(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EcdsaSha512 => elliptic(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
            _ => {
                let pair = signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).unwrap();
                assert_eq!(pair.public_key().as_ref().len(), 32);
                pair.sign(MESSAGE).as_ref().to_vec()
            }
        }
    }

    const RSA: &[u8] = include_bytes!("../../tests/keys/rsa-2048.pem");
    const P256: &[u8] = include_bytes!("../../tests/keys/ec-p256.pem");
    const P384: &[u8] = include_bytes!("../../tests/keys/ec-p384.pem");
    const P521: &[u8] = include_bytes!("../../tests/keys/ec-p521.pem");
    const ED25519: &[u8] = include_bytes!("../../tests/keys/ed25519.pem");

    const CELLS: [(Algorithm, &[u8]); 10] = [
        (Algorithm::RsaPkcs1Sha256, RSA),
        (Algorithm::RsaPkcs1Sha384, RSA),
        (Algorithm::RsaPkcs1Sha512, RSA),
        (Algorithm::RsaPssSha256, RSA),
        (Algorithm::RsaPssSha384, RSA),
        (Algorithm::RsaPssSha512, RSA),
        (Algorithm::EcdsaSha256, P256),
        (Algorithm::EcdsaSha384, P384),
        (Algorithm::EcdsaSha512, P521),
        (Algorithm::Ed25519, ED25519),
    ];

    fn public(pem: &[u8]) -> PublicKey {
        keyfile::parse_private(pem)
            .unwrap()
            .public_key()
            .unwrap()
            .clone()
    }

    #[test]
    fn t47_what_aws_lc_signs_verifies_under_its_own_cell_only() {
        for (algorithm, pem) in CELLS {
            let key = public(pem);
            let signature = signed(algorithm, pem);
            assert_eq!(
                key.verify(algorithm, MESSAGE, &signature),
                Ok(()),
                "{algorithm}"
            );
            for other in Algorithm::ALL.iter().filter(|other| **other != algorithm) {
                assert!(
                    key.verify(*other, MESSAGE, &signature).is_err(),
                    "{algorithm} as {other}"
                );
            }
        }
    }

    #[test]
    fn a_changed_message_or_signature_is_refused() {
        for (algorithm, pem) in CELLS {
            let key = public(pem);
            let valid = signed(algorithm, pem);
            let refused = |message: &[u8], signature: &[u8]| {
                assert_eq!(
                    key.verify(algorithm, message, signature),
                    Err(VerifyError::Signature),
                    "{algorithm}"
                );
            };
            refused(&MESSAGE[1..], &valid);
            for at in [0, valid.len() / 2, valid.len() - 1] {
                let mut changed = valid.clone();
                changed[at] ^= 1;
                refused(MESSAGE, &changed);
            }
            refused(MESSAGE, &valid[1..]);
            refused(MESSAGE, &valid[..valid.len() - 1]);
            refused(MESSAGE, &[&[0], &valid[..]].concat());
            refused(MESSAGE, &[&valid[..], &[0]].concat());
            refused(MESSAGE, &vec![0; valid.len()]);
            refused(MESSAGE, &vec![0xff; valid.len()]);
            refused(MESSAGE, &[]);
        }
    }

    #[test]
    fn a_digest_verifies_as_its_message_does() {
        let key = public(P384);
        let signature = signed(Algorithm::EcdsaSha384, P384);
        assert_eq!(
            key.verify_digest(Algorithm::EcdsaSha384, &Sha384::digest(MESSAGE), &signature),
            Ok(())
        );
        let wrong_length = VerifyError::Digest {
            algorithm: Algorithm::EcdsaSha384,
            actual: 32,
        };
        assert_eq!(
            key.verify_digest(Algorithm::EcdsaSha384, &[0; 32], &signature),
            Err(wrong_length)
        );
        let no_digest = VerifyError::Digest {
            algorithm: Algorithm::Ed25519,
            actual: 64,
        };
        assert_eq!(
            public(ED25519).verify_digest(Algorithm::Ed25519, &[0; 64], &signature),
            Err(no_digest)
        );
    }

    /// A second signature that equals the first modulo n must not pass, for PSS either.
    #[test]
    fn an_rsa_signature_above_the_modulus_is_refused() {
        let key = public(RSA);
        let (n, _) = key.rsa_numbers().unwrap();
        // The sum fits into 256 bytes for a part of the signatures only.
        let second = |signature: Vec<u8>| {
            let sum = BigUint::from_bytes_be(&signature) + BigUint::from_bytes_be(&n);
            Some(sum.to_bytes_be()).filter(|sum| sum.len() == 256)
        };
        let algorithm = Algorithm::RsaPssSha256;
        let sum = (0..500)
            .find_map(|_| second(signed(algorithm, RSA)))
            .expect("one of 500 sums fits");
        assert_eq!(
            key.verify(algorithm, MESSAGE, &sum),
            Err(VerifyError::Signature)
        );
    }

    #[test]
    fn ecdsa_signatures_change_form_and_back() {
        for (algorithm, pem) in CELLS
            .into_iter()
            .filter(|(algorithm, _)| algorithm.slug().starts_with("ecdsa"))
        {
            let kind = public(pem).kind();
            let fixed = signed(algorithm, pem);
            let der = ecdsa_to_der(kind, &fixed).unwrap();
            assert_eq!(ecdsa_from_der(kind, &der).unwrap(), fixed);
            for end in 0..der.len() {
                assert!(ecdsa_from_der(kind, &der[..end]).is_none());
            }
            assert!(ecdsa_from_der(kind, &[&der[..], &[0]].concat()).is_none());
            assert!(ecdsa_to_der(kind, &fixed[1..]).is_none());
            assert!(ecdsa_to_der(kind, &vec![0; fixed.len()]).is_none());
            assert!(ecdsa_to_der(KeyKind::Ed25519, &fixed).is_none());
        }
    }
}
