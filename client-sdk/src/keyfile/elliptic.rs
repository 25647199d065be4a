//! SEC1 elliptic-curve private keys (RFC 5915) on P-256, P-384 and P-521, alone or inside of PKCS#8.

use ::sec1::{EcParameters, EcPrivateKey};
use cofferdam_wire::kind::KeyKind;
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Tagged};

use super::error::KeyFileError;
use super::pem::refused;
use super::{Material, Private, cose};
use crate::crypto::public_key::PublicKey;
use crate::crypto::secret::Secret32;

const STRUCTURE: &str = "EC private key";

const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// The curve that an AlgorithmIdentifier names (RFC 5480). Curves spelled out in numbers are refused: whoever writes the
/// numbers chooses the group.
pub(super) fn named_curve(parameters: Option<AnyRef<'_>>) -> Result<KeyKind, KeyFileError> {
    let parameters = parameters.ok_or(KeyFileError::UnknownCurve {
        curve: "not named".into(),
    })?;
    if parameters.tag() != der::Tag::ObjectIdentifier {
        return Err(KeyFileError::UnknownCurve {
            curve: "spelled out in numbers".into(),
        });
    }
    let oid = parameters.decode_as().map_err(refused(STRUCTURE))?;
    kind_of_curve(oid)
}

fn kind_of_curve(oid: ObjectIdentifier) -> Result<KeyKind, KeyFileError> {
    match oid {
        P256 => Ok(KeyKind::EcP256),
        P384 => Ok(KeyKind::EcP384),
        P521 => Ok(KeyKind::EcP521),
        oid => Err(KeyFileError::UnknownCurve {
            curve: oid.to_string(),
        }),
    }
}

/// Reads an ECPrivateKey; inside of PKCS#8 `outer` is the curve that the envelope names.
pub(super) fn read(der: &[u8], outer: Option<KeyKind>) -> Result<Private, KeyFileError> {
    let key = EcPrivateKey::from_der(der).map_err(refused(STRUCTURE))?;
    let inner = match key.parameters {
        Some(EcParameters::NamedCurve(oid)) => Some(kind_of_curve(oid)?),
        None => None,
    };
    let kind = match (outer, inner) {
        (Some(outer), Some(inner)) if outer != inner => {
            return Err(KeyFileError::Malformed {
                structure: STRUCTURE,
            });
        }
        (Some(kind), _) | (None, Some(kind)) => kind,
        (None, None) => {
            return Err(KeyFileError::UnknownCurve {
                curve: "not named".into(),
            });
        }
    };
    let scalar = key.private_key;
    let (curve, point) = public_point(kind, scalar).ok_or(KeyFileError::Scalar { kind })?;
    let public = PublicKey::elliptic_curve(kind, &point)?;
    if let Some(claimed) = key.public_key
        && PublicKey::elliptic_curve(kind, claimed)? != public
    {
        return Err(KeyFileError::PublicMismatch);
    }
    let (x, y) = point[1..].split_at(scalar.len());
    let material = Material {
        kind,
        cose_key: cose::elliptic(curve, x, y, scalar),
        public: Some(public),
    };
    Ok(Private {
        material,
        secret: Secret32::from_slice(scalar),
    })
}

/// COSE's number of the curve, and the public point, uncompressed, of a scalar that is exactly as long as the field.
fn public_point(kind: KeyKind, scalar: &[u8]) -> Option<(u8, Vec<u8>)> {
    match (kind, scalar.len()) {
        (KeyKind::EcP256, 32) => Some((
            1,
            p256::SecretKey::from_slice(scalar)
                .ok()?
                .public_key()
                .to_sec1_bytes()
                .into(),
        )),
        (KeyKind::EcP384, 48) => Some((
            2,
            p384::SecretKey::from_slice(scalar)
                .ok()?
                .public_key()
                .to_sec1_bytes()
                .into(),
        )),
        (KeyKind::EcP521, 66) => Some((
            3,
            p521::SecretKey::from_slice(scalar)
                .ok()?
                .public_key()
                .to_sec1_bytes()
                .into(),
        )),
        _ => None,
    }
}
