//! The keys that people and programs sign with: owner, app, status root, status key, vendor. Ed25519 or P-256.
//!
//! These keys are the caller's own. They sign whole messages (COSE does the framing): Ed25519 as in RFC 8032, P-256
//! with SHA-256 as r || s (RFC 9053 section 2.1), deterministic (RFC 6979), so that no bad random number gives the key
//! away. Verification of Ed25519 is the strict one: no small-order keys, no second encoding of one signature.

use cofferdam_wire::cose;
use cofferdam_wire::kind::Algorithm;
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use zeroize::Zeroizing;

use super::public_key::PublicKey;
use super::secret::Secret32;
use super::verify_ops::VerifyError;
use crate::keyfile::{self, KeyFileError};

/// Bytes of a signature of either kind.
pub const SIGNATURE_LEN: usize = 64;

/// Which of the two signature schemes a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureKind {
    /// Ed25519 (COSE algorithm -8).
    Ed25519,
    /// ECDSA on P-256 with SHA-256 (COSE algorithm -7).
    P256,
}

/// A private signing key, erased on drop. It has no `Debug`, `Clone` or comparison.
pub struct SigningKey(Inner);

enum Inner {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::ecdsa::SigningKey>),
}

impl SigningKey {
    /// A new random key.
    pub fn generate(kind: SignatureKind) -> Self {
        loop {
            // A random number is no P-256 scalar once in 2^32 draws.
            if let Some(key) = Self::from_secret(kind, &Secret32::random()) {
                return key;
            }
        }
    }

    /// The key of an Ed25519 seed or a big-endian P-256 scalar. `None` if the number is not a scalar of P-256.
    pub fn from_secret(kind: SignatureKind, secret: &Secret32) -> Option<Self> {
        let inner = match kind {
            SignatureKind::Ed25519 => Inner::Ed25519(Box::new(
                ed25519_dalek::SigningKey::from_bytes(secret.expose()),
            )),
            SignatureKind::P256 => Inner::P256(Box::new(
                p256::ecdsa::SigningKey::from_slice(secret.expose()).ok()?,
            )),
        };
        Some(Self(inner))
    }

    /// Reads a private key file: exactly one PEM block, PKCS#8 or (P-256) SEC1, not encrypted.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyFileError> {
        keyfile::signing_key(pem)
    }

    /// The key as a PKCS#8 PEM block, as `openssl pkey` reads it.
    pub fn to_pkcs8_pem(&self) -> Zeroizing<String> {
        let pem = match &self.0 {
            // Version 1, without the public key: OpenSSL 3.0 does not read version 2.
            Inner::Ed25519(key) => ed25519_dalek::pkcs8::KeypairBytes {
                secret_key: key.to_bytes(),
                public_key: None,
            }
            .to_pkcs8_pem(der::pem::LineEnding::LF),
            Inner::P256(key) => {
                p256::SecretKey::from(key.as_ref()).to_pkcs8_pem(der::pem::LineEnding::LF)
            }
        };
        pem.expect("a signing key encodes")
    }

    /// The signature scheme.
    pub fn kind(&self) -> SignatureKind {
        match &self.0 {
            Inner::Ed25519(_) => SignatureKind::Ed25519,
            Inner::P256(_) => SignatureKind::P256,
        }
    }

    /// The public half.
    pub fn public(&self) -> cose::PublicKey {
        match &self.0 {
            Inner::Ed25519(key) => cose::PublicKey::Ed25519(key.verifying_key().to_bytes()),
            Inner::P256(key) => {
                let point = key.verifying_key().to_sec1_bytes();
                let coordinate = |at: usize| {
                    point[at..at + 32]
                        .try_into()
                        .expect("a P-256 point has 1 + 32 + 32 bytes")
                };
                cose::PublicKey::P256 {
                    x: coordinate(1),
                    y: coordinate(33),
                }
            }
        }
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        match &self.0 {
            Inner::Ed25519(key) => key.sign(message).to_bytes(),
            Inner::P256(key) => {
                let signature: p256::ecdsa::Signature =
                    p256::ecdsa::signature::Signer::sign(key.as_ref(), message);
                signature.to_bytes().into()
            }
        }
    }

    /// Signs a payload as COSE_Sign1 under a context of its own.
    pub fn sign1(&self, context: &str, payload: Vec<u8>) -> cose::CoseSign1 {
        let algorithm = self.public().algorithm();
        let signature = self.sign(&cose::CoseSign1::to_be_signed(algorithm, context, &payload));
        cose::CoseSign1 {
            algorithm,
            payload,
            signature,
        }
    }
}

/// Verifies a signature over a message. A public key that is no point of its curve, or an Ed25519 key of small order,
/// verifies nothing.
pub fn verify(
    public: &cose::PublicKey,
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    let key = PublicKey::from_signer(public).map_err(|_| VerifyError::Signature)?;
    let algorithm = match public {
        cose::PublicKey::Ed25519(_) => Algorithm::Ed25519,
        cose::PublicKey::P256 { .. } => Algorithm::EcdsaSha256,
    };
    key.verify(algorithm, message, signature)
}

/// Verifies a COSE_Sign1 under `context` and gives its payload, the only way to it that proves who signed.
pub fn verify_sign1<'a>(
    public: &cose::PublicKey,
    context: &str,
    signed: &'a cose::CoseSign1,
) -> Result<&'a [u8], VerifyError> {
    // The algorithm is the key's; a message that names another one is not asked again with it.
    if signed.algorithm != public.algorithm() {
        return Err(VerifyError::Signature);
    }
    let message = cose::CoseSign1::to_be_signed(signed.algorithm, context, &signed.payload);
    verify(public, &message, &signed.signature)?;
    Ok(&signed.payload)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const KINDS: [SignatureKind; 2] = [SignatureKind::Ed25519, SignatureKind::P256];

    #[test]
    fn sign_verify_and_every_flipped_bit() {
        for kind in KINDS {
            let key = SigningKey::generate(kind);
            let public = key.public();
            let signature = key.sign(b"message");
            assert_eq!(verify(&public, b"message", &signature), Ok(()));
            for bit in 0..SIGNATURE_LEN * 8 {
                let mut changed = signature;
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(
                    verify(&public, b"message", &changed),
                    Err(VerifyError::Signature)
                );
            }
            let other = SigningKey::generate(kind).public();
            assert_eq!(
                verify(&other, b"message", &signature),
                Err(VerifyError::Signature)
            );
            assert_eq!(
                verify(&public, b"messagE", &signature),
                Err(VerifyError::Signature)
            );
            assert_eq!(
                verify(&public, b"message", &signature[..63]),
                Err(VerifyError::Signature)
            );
            assert_eq!(
                verify(&public, b"message", &[0; 64]),
                Err(VerifyError::Signature)
            );
        }
    }

    #[test]
    fn t65_a_sign1_verifies_under_its_own_context_only() {
        for kind in KINDS {
            let key = SigningKey::generate(kind);
            let signed = key.sign1("cofferdam/v1/a", b"payload".to_vec());
            assert_eq!(
                verify_sign1(&key.public(), "cofferdam/v1/a", &signed),
                Ok(&b"payload"[..])
            );
            assert!(verify_sign1(&key.public(), "cofferdam/v1/b", &signed).is_err());
            let mut changed = signed.clone();
            changed.payload[0] ^= 1;
            assert!(verify_sign1(&key.public(), "cofferdam/v1/a", &changed).is_err());
            let mut renamed = signed;
            renamed.algorithm = -15 - renamed.algorithm;
            assert!(verify_sign1(&key.public(), "cofferdam/v1/a", &renamed).is_err());
        }
    }

    /// RFC 8032 section 7.1, test 2.
    #[test]
    fn ed25519_rfc_8032_test_2() {
        let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
            .unwrap();
        let key = SigningKey::from_secret(
            SignatureKind::Ed25519,
            &Secret32::from_slice(&seed).unwrap(),
        )
        .unwrap();
        let public =
            hex::decode("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
                .unwrap();
        assert_eq!(
            key.public(),
            cose::PublicKey::Ed25519(public.try_into().unwrap())
        );
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(hex::encode(key.sign(&[0x72])), signature);
    }

    /// RFC 6979 appendix A.2.5, P-256 with SHA-256, message "sample".
    #[test]
    fn p256_rfc_6979_sample() {
        let scalar =
            hex::decode("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")
                .unwrap();
        let key =
            SigningKey::from_secret(SignatureKind::P256, &Secret32::from_slice(&scalar).unwrap())
                .unwrap();
        let signature = key.sign(b"sample");
        let r = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716";
        assert_eq!(hex::encode(&signature[..32]), r);
        assert_eq!(verify(&key.public(), b"sample", &signature), Ok(()));
    }

    #[test]
    fn keys_read_back_from_pem() {
        for kind in KINDS {
            let key = SigningKey::generate(kind);
            let again = SigningKey::from_pem(key.to_pkcs8_pem().as_bytes())
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(again.kind(), kind);
            assert_eq!(again.public(), key.public());
        }
    }

    #[test]
    fn openssl_reads_the_key_files() {
        let folder = tempfile::tempdir().unwrap();
        for kind in KINDS {
            let key = SigningKey::generate(kind);
            let file = folder.path().join("key.pem");
            std::fs::write(&file, key.to_pkcs8_pem().as_bytes()).unwrap();
            let command = std::process::Command::new("openssl")
                .args(["pkey", "-pubout", "-in"])
                .arg(file)
                .output();
            let Ok(output) = command else {
                eprintln!("SKIPPED: no openssl command here");
                return;
            };
            let public = keyfile::public::parse_signer(&output.stdout).unwrap();
            assert_eq!(public, key.public());
        }
    }

    #[test]
    fn numbers_and_points_that_are_no_keys_are_refused() {
        for number in [[0; 32], [0xff; 32]] {
            let secret = Secret32::from_slice(&number).unwrap();
            assert!(SigningKey::from_secret(SignatureKind::P256, &secret).is_none());
        }
        let off_curve = cose::PublicKey::P256 {
            x: [1; 32],
            y: [1; 32],
        };
        assert_eq!(
            verify(&off_curve, b"", &[1; 64]),
            Err(VerifyError::Signature)
        );
        let mut identity = [0; 32];
        identity[0] = 1;
        // R = identity and s = 0 verify every message under the identity with the plain equation.
        let forged = [&identity[..], &[0; 32]].concat();
        assert_eq!(
            verify(&cose::PublicKey::Ed25519(identity), b"", &forged),
            Err(VerifyError::Signature)
        );
    }
}
