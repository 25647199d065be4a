//! Public key files: one PEM block `PUBLIC KEY` (SubjectPublicKeyInfo, RFC 5280), strictly.
//!
//! Owners name app keys with them, and operators pin vendor and status keys. Certificates are not read: what they say
//! beside the key would be believed by nobody here.

use ::pkcs1::RsaPublicKeyRef;
use cofferdam_wire::cose;
use der::Decode;
use spki::SubjectPublicKeyInfoRef;

use super::error::KeyFileError;
use super::pem::{self, Block, refused};
use super::{elliptic, pkcs8};
use crate::crypto::public_key::PublicKey;

const STRUCTURE: &str = "public key";

/// Reads a public key of any supported kind.
pub fn parse(file: &[u8]) -> Result<PublicKey, KeyFileError> {
    let block = Block::read(file)?;
    if block.label() != pem::SPKI {
        return Err(
            block.unexpected(
                "a public key (\"PUBLIC KEY\": openssl pkey -pubout writes it from a private key, openssl x509 -pubkey \
                 -noout from a certificate)",
            )
        );
    }
    parse_der(block.der())
}

/// Reads an owner, app, vendor or status key: Ed25519 or P-256.
pub fn parse_signer(file: &[u8]) -> Result<cose::PublicKey, KeyFileError> {
    let key = parse(file)?;
    key.to_signer()
        .ok_or(KeyFileError::NotASigner { found: key.kind() })
}

/// Reads a SubjectPublicKeyInfo in DER.
pub fn parse_der(der: &[u8]) -> Result<PublicKey, KeyFileError> {
    let info = SubjectPublicKeyInfoRef::from_der(der).map_err(refused(STRUCTURE))?;
    let bits = info
        .subject_public_key
        .as_bytes()
        .ok_or(KeyFileError::Malformed {
            structure: STRUCTURE,
        })?;
    match info.algorithm.oid {
        pkcs8::RSA => {
            pkcs8::require_null(info.algorithm.parameters)?;
            let key = RsaPublicKeyRef::from_der(bits).map_err(refused("RSA public key"))?;
            Ok(PublicKey::rsa(
                key.modulus.as_bytes(),
                key.public_exponent.as_bytes(),
            )?)
        }
        pkcs8::EC => Ok(PublicKey::elliptic_curve(
            elliptic::named_curve(info.algorithm.parameters)?,
            bits,
        )?),
        pkcs8::ED25519 => {
            pkcs8::require_absent(info.algorithm.parameters)?;
            Ok(PublicKey::ed25519(bits)?)
        }
        oid => Err(KeyFileError::UnknownAlgorithm {
            oid: oid.to_string(),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use cofferdam_wire::kind::KeyKind;

    const P256: &[u8] = include_bytes!("../../tests/keys/ec-p256-public.pem");

    #[test]
    fn signers_are_ed25519_and_p256_only() {
        assert!(matches!(
            parse_signer(P256),
            Ok(cose::PublicKey::P256 { .. })
        ));
        let ed25519 = include_bytes!("../../tests/keys/ed25519-public.pem");
        assert!(matches!(
            parse_signer(ed25519),
            Ok(cose::PublicKey::Ed25519(_))
        ));
        let p384 = include_bytes!("../../tests/keys/ec-p384-public.pem");
        assert_eq!(
            parse_signer(p384).unwrap_err(),
            KeyFileError::NotASigner {
                found: KeyKind::EcP384
            }
        );
        assert_eq!(parse(p384).unwrap().kind(), KeyKind::EcP384);
    }

    #[test]
    fn a_private_key_is_no_public_key_file() {
        let error = parse(include_bytes!("../../tests/keys/ec-p256.pem")).unwrap_err();
        assert!(
            matches!(error, KeyFileError::UnexpectedBlock { .. }),
            "{error}"
        );
    }

    #[test]
    fn bytes_behind_and_cut_files_are_refused() {
        let (_, der) = der::pem::decode_vec(P256).unwrap();
        assert!(parse_der(&der).is_ok());
        let trailing = [&der[..], &[0]].concat();
        assert_eq!(
            parse_der(&trailing).unwrap_err(),
            KeyFileError::TrailingData {
                structure: STRUCTURE
            }
        );
        for end in 0..der.len() {
            assert!(parse_der(&der[..end]).is_err());
        }
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let (_, mut der) = der::pem::decode_vec(P256).unwrap();
        *der.last_mut().unwrap() ^= 1;
        assert!(matches!(parse_der(&der), Err(KeyFileError::PublicKey(_))));
    }
}
