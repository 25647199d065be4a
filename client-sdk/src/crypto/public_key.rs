//! Public keys of customer, owner, app and provider: read strictly from COSE_Key, written as COSE_Key and as SPKI.
//!
//! A value of [`PublicKey`] was checked: an RSA modulus has one of three sizes and an odd exponent from 65537 to 2^33,
//! a point is on its curve, an Ed25519 key is not of small order. The bytes came from anybody.

use cofferdam_wire::cose;
use cofferdam_wire::kind::KeyKind;
use minicbor::{Decoder, Encoder};
use rsa::BigUint;
use rsa::traits::PublicKeyParts;
use spki::EncodePublicKey;

/// Most bytes of a public COSE_Key: an RSA-4096 modulus, an exponent, and the map around them.
pub const MAX_COSE_LEN: usize = 544;

/// Why bytes are not a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Not a deterministically encoded COSE_Key with exactly the fields of its type, or it holds private parts.
    #[error("not a public COSE_Key in deterministic encoding")]
    Encoding,
    /// Key type or curve that is not in use here.
    #[error("the key type or curve is not supported")]
    Unsupported,
    /// Modulus of another size than 2048, 3072 or 4096 bits, or even.
    #[error("the RSA modulus has {bits} bits or is even; 2048, 3072 and 4096 bits are supported")]
    Modulus {
        /// Bits of the modulus.
        bits: usize,
    },
    /// Even, below 65537 or above 2^33.
    #[error("the RSA public exponent must be odd, at least 65537 and at most 33 bits long")]
    Exponent,
    /// The point is not on the curve, or has small order.
    #[error("the point is not a valid public key on its curve")]
    Point,
}

/// A public key that passed the checks of this module.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(pub(super) Inner);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Inner {
    Rsa(KeyKind, rsa::RsaPublicKey),
    P256(p256::PublicKey),
    P384(p384::PublicKey),
    P521(p521::PublicKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl PublicKey {
    /// An RSA key from big-endian modulus and exponent.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, PublicKeyError> {
        if modulus.len() > 513 || exponent.len() > 8 {
            return Err(PublicKeyError::Modulus {
                bits: modulus.len() * 8,
            });
        }
        let n = BigUint::from_bytes_be(modulus);
        let e = BigUint::from_bytes_be(exponent);
        let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        let kind = match n.bits() {
            2048 if odd(modulus) => KeyKind::Rsa2048,
            3072 if odd(modulus) => KeyKind::Rsa3072,
            4096 if odd(modulus) => KeyKind::Rsa4096,
            bits => return Err(PublicKeyError::Modulus { bits }),
        };
        if !odd(exponent) || e < BigUint::from(65_537u32) {
            return Err(PublicKeyError::Exponent);
        }
        let key = rsa::RsaPublicKey::new(n, e).map_err(|_| PublicKeyError::Exponent)?;
        Ok(Self(Inner::Rsa(kind, key)))
    }

    /// A key on P-256, P-384 or P-521 from its point in SEC1 encoding, compressed or not.
    pub fn elliptic_curve(kind: KeyKind, point: &[u8]) -> Result<Self, PublicKeyError> {
        let bad = |_| PublicKeyError::Point;
        let inner = match kind {
            KeyKind::EcP256 => Inner::P256(p256::PublicKey::from_sec1_bytes(point).map_err(bad)?),
            KeyKind::EcP384 => Inner::P384(p384::PublicKey::from_sec1_bytes(point).map_err(bad)?),
            KeyKind::EcP521 => Inner::P521(p521::PublicKey::from_sec1_bytes(point).map_err(bad)?),
            _ => return Err(PublicKeyError::Unsupported),
        };
        Ok(Self(inner))
    }

    /// An Ed25519 key from its 32 bytes.
    pub fn ed25519(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let bytes: &[u8; 32] = bytes.try_into().map_err(|_| PublicKeyError::Point)?;
        let key =
            ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| PublicKeyError::Point)?;
        // A key of small order verifies one signature over many messages.
        if key.is_weak() {
            Err(PublicKeyError::Point)
        } else {
            Ok(Self(Inner::Ed25519(key)))
        }
    }

    /// An owner, app or status key as the general form.
    pub fn from_signer(key: &cose::PublicKey) -> Result<Self, PublicKeyError> {
        match key {
            cose::PublicKey::Ed25519(bytes) => Self::ed25519(bytes),
            cose::PublicKey::P256 { x, y } => {
                Self::elliptic_curve(KeyKind::EcP256, &[&[4], &x[..], y].concat())
            }
        }
    }

    /// The form that owner, app and status keys have; `None` for kinds that do not sign in the protocol.
    pub fn to_signer(&self) -> Option<cose::PublicKey> {
        match &self.0 {
            Inner::Ed25519(key) => Some(cose::PublicKey::Ed25519(key.to_bytes())),
            Inner::P256(key) => {
                let point = key.to_sec1_bytes();
                let coordinate = |at: usize| {
                    point[at..at + 32]
                        .try_into()
                        .expect("a P-256 point has 1 + 32 + 32 bytes")
                };
                Some(cose::PublicKey::P256 {
                    x: coordinate(1),
                    y: coordinate(33),
                })
            }
            _ => None,
        }
    }

    /// Reads a COSE_Key (RFC 9052 section 7, RFC 8230) with its public fields and nothing else.
    pub fn from_cose(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        if bytes.len() > MAX_COSE_LEN {
            return Err(PublicKeyError::Encoding);
        }
        let key = read_cose(&mut Decoder::new(bytes))?;
        // Writing it again refuses everything that is not the one deterministic form, also bytes behind the end.
        if key.to_cose() == bytes {
            Ok(key)
        } else {
            Err(PublicKeyError::Encoding)
        }
    }

    /// The kind of key.
    pub fn kind(&self) -> KeyKind {
        match &self.0 {
            Inner::Rsa(kind, _) => *kind,
            Inner::P256(_) => KeyKind::EcP256,
            Inner::P384(_) => KeyKind::EcP384,
            Inner::P521(_) => KeyKind::EcP521,
            Inner::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    /// The COSE_Key: RSA {1: 3, -1: n, -2: e}, EC2 {1: 2, -1: curve, -2: x, -3: y}, OKP {1: 1, -1: 6, -2: x}.
    pub fn to_cose(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAX_COSE_LEN);
        let mut encoder = Encoder::new(&mut bytes);
        let written = match &self.0 {
            Inner::Rsa(_, key) => {
                write_rsa(&mut encoder, &key.n().to_bytes_be(), &key.e().to_bytes_be())
            }
            Inner::P256(key) => write_ec2(&mut encoder, 1, &key.to_sec1_bytes()),
            Inner::P384(key) => write_ec2(&mut encoder, 2, &key.to_sec1_bytes()),
            Inner::P521(key) => write_ec2(&mut encoder, 3, &key.to_sec1_bytes()),
            Inner::Ed25519(key) => write_okp(&mut encoder, key.as_bytes()),
        };
        written.expect("writing into memory cannot fail");
        bytes
    }

    /// The SubjectPublicKeyInfo in DER (RFC 5280).
    pub fn to_spki_der(&self) -> Vec<u8> {
        match &self.0 {
            Inner::Rsa(_, key) => rsa::pkcs8::EncodePublicKey::to_public_key_der(key)
                .expect("a checked key encodes")
                .into_vec(),
            Inner::P256(key) => key
                .to_public_key_der()
                .expect("a checked key encodes")
                .into_vec(),
            Inner::P384(key) => key
                .to_public_key_der()
                .expect("a checked key encodes")
                .into_vec(),
            Inner::P521(key) => key
                .to_public_key_der()
                .expect("a checked key encodes")
                .into_vec(),
            Inner::Ed25519(key) => key
                .to_public_key_der()
                .expect("a checked key encodes")
                .into_vec(),
        }
    }

    /// The SubjectPublicKeyInfo as a PEM block `PUBLIC KEY`, as `openssl pkey -pubin` reads it.
    pub fn to_spki_pem(&self) -> String {
        der::pem::encode_string("PUBLIC KEY", der::pem::LineEnding::LF, &self.to_spki_der())
            .expect("a public key is far below the limits of PEM")
    }

    /// Modulus and exponent of an RSA key, big-endian without leading zeros.
    pub fn rsa_numbers(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        match &self.0 {
            Inner::Rsa(_, key) => Some((key.n().to_bytes_be(), key.e().to_bytes_be())),
            _ => None,
        }
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "PublicKey({} {})",
            self.kind(),
            hex::encode(self.to_cose())
        )
    }
}

fn read_cose(decoder: &mut Decoder<'_>) -> Result<PublicKey, PublicKeyError> {
    let bad = |_: minicbor::decode::Error| PublicKeyError::Encoding;
    let fields = decoder.map().map_err(bad)?;
    expect_label(decoder, 1)?;
    let key_type = decoder.u8().map_err(bad)?;
    expect_label(decoder, -1)?;
    match (key_type, fields) {
        (3, Some(3)) => {
            let modulus = decoder.bytes().map_err(bad)?;
            expect_label(decoder, -2)?;
            PublicKey::rsa(modulus, decoder.bytes().map_err(bad)?)
        }
        (2, Some(4)) => {
            let kind = match decoder.u8().map_err(bad)? {
                1 => KeyKind::EcP256,
                2 => KeyKind::EcP384,
                3 => KeyKind::EcP521,
                _ => return Err(PublicKeyError::Unsupported),
            };
            expect_label(decoder, -2)?;
            let x = decoder.bytes().map_err(bad)?;
            expect_label(decoder, -3)?;
            let y = decoder.bytes().map_err(bad)?;
            PublicKey::elliptic_curve(kind, &[&[4], x, y].concat())
        }
        (1, Some(3)) => {
            if decoder.u8().map_err(bad)? != 6 {
                return Err(PublicKeyError::Unsupported);
            }
            expect_label(decoder, -2)?;
            PublicKey::ed25519(decoder.bytes().map_err(bad)?)
        }
        (1..=3, _) => Err(PublicKeyError::Encoding),
        _ => Err(PublicKeyError::Unsupported),
    }
}

fn expect_label(decoder: &mut Decoder<'_>, label: i8) -> Result<(), PublicKeyError> {
    match decoder.i8() {
        Ok(found) if found == label => Ok(()),
        _ => Err(PublicKeyError::Encoding),
    }
}

/// How writing CBOR into memory "fails".
pub(crate) type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn write_rsa(encoder: &mut Encoder<&mut Vec<u8>>, n: &[u8], e: &[u8]) -> Written {
    encoder
        .map(3)?
        .u8(1)?
        .u8(3)?
        .i8(-1)?
        .bytes(n)?
        .i8(-2)?
        .bytes(e)?
        .ok()
}

fn write_ec2(encoder: &mut Encoder<&mut Vec<u8>>, curve: u8, point: &[u8]) -> Written {
    let (x, y) = point[1..].split_at(point.len() / 2);
    encoder
        .map(4)?
        .u8(1)?
        .u8(2)?
        .i8(-1)?
        .u8(curve)?
        .i8(-2)?
        .bytes(x)?
        .i8(-3)?
        .bytes(y)?
        .ok()
}

fn write_okp(encoder: &mut Encoder<&mut Vec<u8>>, x: &[u8]) -> Written {
    encoder
        .map(3)?
        .u8(1)?
        .u8(1)?
        .i8(-1)?
        .u8(6)?
        .i8(-2)?
        .bytes(x)?
        .ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::keyfile;

    fn keys() -> Vec<PublicKey> {
        [
            &include_bytes!("../../tests/keys/rsa-2048-public.pem")[..],
            &include_bytes!("../../tests/keys/ec-p256-public.pem")[..],
            &include_bytes!("../../tests/keys/ec-p384-public.pem")[..],
            &include_bytes!("../../tests/keys/ed25519-public.pem")[..],
        ]
        .map(|pem| keyfile::public::parse(pem).unwrap())
        .to_vec()
    }

    #[test]
    fn cose_and_pem_read_back() {
        for key in keys() {
            assert_eq!(PublicKey::from_cose(&key.to_cose()).unwrap(), key);
            assert_eq!(
                keyfile::public::parse(key.to_spki_pem().as_bytes()).unwrap(),
                key
            );
        }
        let pem = include_str!("../../tests/keys/rsa-2048-public.pem");
        assert_eq!(keys()[0].to_spki_pem(), pem);
    }

    #[test]
    fn t60_only_the_deterministic_form_is_read() {
        for key in keys() {
            let valid = key.to_cose();
            for end in 0..valid.len() {
                assert!(PublicKey::from_cose(&valid[..end]).is_err());
            }
            let trailing = [&valid[..], &[0]].concat();
            assert_eq!(
                PublicKey::from_cose(&trailing).unwrap_err(),
                PublicKeyError::Encoding
            );
            // The key type in two bytes.
            let long_form = [&valid[..2], &[0x18], &valid[2..]].concat();
            assert_eq!(
                PublicKey::from_cose(&long_form).unwrap_err(),
                PublicKeyError::Encoding
            );
        }
    }

    #[test]
    fn a_private_field_is_refused() {
        let mut with_secret = keys()[3].to_cose();
        with_secret[0] += 1;
        with_secret.extend([0x23, 0x41, 1]);
        assert_eq!(
            PublicKey::from_cose(&with_secret).unwrap_err(),
            PublicKeyError::Encoding
        );
    }

    #[test]
    fn points_off_the_curve_and_weak_points_are_refused() {
        let mut off = keys()[1].to_cose();
        *off.last_mut().unwrap() ^= 1;
        assert_eq!(
            PublicKey::from_cose(&off).unwrap_err(),
            PublicKeyError::Point
        );
        let identity = [&[1u8][..], &[0; 31]].concat();
        assert_eq!(
            PublicKey::ed25519(&identity).unwrap_err(),
            PublicKeyError::Point
        );
        assert_eq!(
            PublicKey::ed25519(&[1; 31]).unwrap_err(),
            PublicKeyError::Point
        );
        assert_eq!(
            PublicKey::elliptic_curve(KeyKind::Aes128, &[4]).unwrap_err(),
            PublicKeyError::Unsupported
        );
    }

    #[test]
    fn t39_rsa_numbers_out_of_range_are_refused() {
        let (n, e) = keys()[0].rsa_numbers().unwrap();
        assert!(PublicKey::rsa(&n, &e).is_ok());
        assert_eq!(
            PublicKey::rsa(&n[1..], &e).unwrap_err(),
            PublicKeyError::Modulus {
                bits: 2040 - n[1].leading_zeros() as usize
            }
        );
        assert!(matches!(
            PublicKey::rsa(&[0xff; 2048], &e),
            Err(PublicKeyError::Modulus { .. })
        ));
        let mut even = n.clone();
        *even.last_mut().unwrap() &= 0xfe;
        assert!(matches!(
            PublicKey::rsa(&even, &e),
            Err(PublicKeyError::Modulus { .. })
        ));
        for exponent in [&[][..], &[3], &[1, 0, 0], &[1, 0, 0, 0, 0, 0, 1]] {
            assert_eq!(
                PublicKey::rsa(&n, exponent).unwrap_err(),
                PublicKeyError::Exponent
            );
        }
    }
}
