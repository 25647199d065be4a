//! PKCS#8 (RFC 5208, RFC 5958): the envelope, Ed25519 inside (RFC 8410), and the way to RSA and EC.

use ::pkcs8::PrivateKeyInfoRef;
use cofferdam_wire::kind::KeyKind;
use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode};

use super::error::KeyFileError;
use super::pem::refused;
use super::{Material, Private, cose, elliptic, rsa};
use crate::crypto::public_key::PublicKey;
use crate::crypto::secret::Secret32;

const STRUCTURE: &str = "PKCS#8 private key";

/// rsaEncryption (RFC 8017).
pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// id-ecPublicKey (RFC 5480).
pub(super) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// id-Ed25519 (RFC 8410).
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

pub(super) fn read(der: &[u8]) -> Result<Private, KeyFileError> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(refused(STRUCTURE))?;
    // The library skips attributes and unknown fields; what it did not keep makes the file longer than its own encoding.
    let kept = info.encoded_len().map_err(refused(STRUCTURE))?;
    if usize::try_from(kept) != Ok(der.len()) {
        return Err(KeyFileError::Attributes);
    }
    let key = info.private_key.as_bytes();
    match info.algorithm.oid {
        RSA => {
            require_null(info.algorithm.parameters)?;
            rsa::read(key)
        }
        EC => elliptic::read(key, Some(elliptic::named_curve(info.algorithm.parameters)?)),
        ED25519 => {
            require_absent(info.algorithm.parameters)?;
            let private = read_ed25519(key)?;
            match info.public_key {
                Some(public)
                    if public.as_bytes()
                        != private.material.public.as_ref().map(raw_ed25519).as_deref() =>
                {
                    Err(KeyFileError::PublicMismatch)
                }
                _ => Ok(private),
            }
        }
        oid => Err(KeyFileError::UnknownAlgorithm {
            oid: oid.to_string(),
        }),
    }
}

fn read_ed25519(der: &[u8]) -> Result<Private, KeyFileError> {
    let seed = <&OctetStringRef>::from_der(der)
        .map_err(refused("Ed25519 private key"))?
        .as_bytes();
    let secret = Secret32::from_slice(seed).ok_or(KeyFileError::Scalar {
        kind: KeyKind::Ed25519,
    })?;
    let public = ed25519_dalek::SigningKey::from_bytes(secret.expose()).verifying_key();
    let material = Material {
        kind: KeyKind::Ed25519,
        cose_key: cose::ed25519(public.as_bytes(), seed),
        public: Some(PublicKey::ed25519(public.as_bytes())?),
    };
    Ok(Private {
        material,
        secret: Some(secret),
    })
}

fn raw_ed25519(key: &PublicKey) -> Vec<u8> {
    // The last 32 bytes of an Ed25519 COSE_Key are x.
    let cose = key.to_cose();
    cose[cose.len() - 32..].to_vec()
}

/// RSA has NULL parameters (RFC 8017 appendix A.1).
pub(super) fn require_null(parameters: Option<AnyRef<'_>>) -> Result<(), KeyFileError> {
    match parameters {
        Some(parameters) if parameters.is_null() => Ok(()),
        _ => Err(KeyFileError::Malformed {
            structure: "RSA algorithm identifier",
        }),
    }
}

/// Ed25519 has none (RFC 8410 section 3).
pub(super) fn require_absent(parameters: Option<AnyRef<'_>>) -> Result<(), KeyFileError> {
    match parameters {
        None => Ok(()),
        Some(_) => Err(KeyFileError::Malformed {
            structure: "Ed25519 algorithm identifier",
        }),
    }
}
