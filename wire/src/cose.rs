//! COSE structures (RFC 9052): COSE_Sign1 with one of two algorithms, and COSE_Key for public keys.
//!
//! A COSE_Sign1 here is untagged, has exactly `{1: alg}` protected, nothing unprotected, its payload inside, and the
//! context string as external_aad. This module encodes and decodes; it does not verify.

use crate::cbor::{self, DecodeError};
use crate::id::{Thumbprint, parse_hex};
use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

/// Longer than every COSE_Key here.
const MAX_KEY: usize = 128;

/// Public key that signatures are verified with: Ed25519 (COSE alg -8) or P-256 (COSE alg -7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublicKey {
    /// Ed25519, RFC 8032, 32 bytes.
    Ed25519([u8; 32]),
    /// P-256, affine coordinates x and y.
    P256 {
        /// x, big endian.
        x: [u8; 32],
        /// y, big endian.
        y: [u8; 32],
    },
}

impl PublicKey {
    /// The deterministic COSE_Key.
    pub fn to_cose(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// From a COSE_Key, strictly.
    pub fn from_cose(bytes: &[u8]) -> Result<Self, DecodeError> {
        cbor::decode(bytes, MAX_KEY)
    }

    /// From a COSE_Key in lower- or upper-case hexadecimal.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = vec![0; text.len().min(2 * MAX_KEY) / 2];
        let is_hex = parse_hex(text, &mut bytes);
        Self::from_cose(&bytes).ok().filter(|_| is_hex)
    }

    /// Names this key.
    pub fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of(&self.to_cose())
    }

    /// COSE algorithm number of signatures by this key.
    pub fn algorithm(&self) -> i8 {
        match self {
            PublicKey::Ed25519(_) => -8,
            PublicKey::P256 { .. } => -7,
        }
    }
}

impl<C> Encode<C> for PublicKey {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        match self {
            PublicKey::Ed25519(x) => e.map(3)?.u8(1)?.u8(1)?.i8(-1)?.u8(6)?.i8(-2)?.bytes(x)?,
            PublicKey::P256 { x, y } => e
                .map(4)?
                .u8(1)?
                .u8(2)?
                .i8(-1)?
                .u8(1)?
                .i8(-2)?
                .bytes(x)?
                .i8(-3)?
                .bytes(y)?,
        };
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for PublicKey {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let refused =
            || decode::Error::message("not a public key that signatures are verified with");
        let fields = d.map()?.ok_or_else(refused)?;
        // COSE-4: labels in their one order; whatever does not fit ends here.
        let head = (fields, d.i8()?, d.u8()?, d.i8()?, d.u8()?);
        let mut coordinate = |label: i8| -> Result<[u8; 32], decode::Error> {
            if d.i8()? != label {
                return Err(refused());
            }
            d.bytes()?.try_into().map_err(|_| refused())
        };
        match head {
            (3, 1, 1, -1, 6) => Ok(PublicKey::Ed25519(coordinate(-2)?)),
            (4, 1, 2, -1, 1) => Ok(PublicKey::P256 {
                x: coordinate(-2)?,
                y: coordinate(-3)?,
            }),
            _ => Err(refused()),
        }
    }
}

/// An RSA public key as COSE_Key (RFC 8230): `{1: 3, -1: n, -2: e}`, both big endian without leading zeros.
pub fn rsa_public(n: &[u8], e: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(n.len() + 16);
    let written = Encoder::new(&mut bytes).map(3).and_then(|m| {
        m.u8(1)?
            .u8(3)?
            .i8(-1)?
            .bytes(n)?
            .i8(-2)?
            .bytes(e)
            .map(|_| ())
    });
    debug_assert!(written.is_ok(), "writing into memory cannot fail");
    bytes
}

/// Reads n and e out of an RSA public COSE_Key, strictly.
pub fn read_rsa_public(bytes: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let read = |d: &mut Decoder<'_>| -> Result<_, decode::Error> {
        let head = (d.map()?, d.u8()?, d.u8()?, d.i8()?);
        let n = d.position();
        d.bytes()?;
        let label = d.i8()?;
        let e = d.position();
        d.bytes()?;
        if head != (Some(3), 1, 3, -1) || label != -2 {
            return Err(decode::Error::message("not an RSA public key"));
        }
        Ok((n, e))
    };
    let mut decoder = Decoder::new(bytes);
    let (n, e) = read(&mut decoder).map_err(|_| DecodeError::Malformed)?;
    let at = |position| {
        Decoder::new(&bytes[position..])
            .bytes()
            .map_err(|_| DecodeError::Malformed)
    };
    let (n, e) = (at(n)?, at(e)?);
    if n.first().is_none_or(|byte| *byte == 0) || e.first().is_none_or(|byte| *byte == 0) {
        return Err(DecodeError::NotCanonical);
    }
    if rsa_public(n, e) == bytes {
        Ok((n, e))
    } else {
        Err(DecodeError::NotCanonical)
    }
}

/// A COSE_Sign1 with its payload inside. Nothing is known of the signature until somebody has verified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoseSign1 {
    /// COSE algorithm number, -8 or -7, as the protected header names it.
    pub algorithm: i8,
    /// What is signed.
    pub payload: Vec<u8>,
    /// The signature, 64 bytes for both algorithms.
    pub signature: [u8; 64],
}

impl CoseSign1 {
    /// Decodes strictly, at most `limit` bytes.
    pub fn from_bytes(bytes: &[u8], limit: usize) -> Result<Self, DecodeError> {
        cbor::decode(bytes, limit)
    }

    /// The deterministic encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// What the signature is over: the encoded Sig_structure of RFC 9052 section 4.4.
    pub fn to_be_signed(algorithm: i8, context: &str, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(payload.len() + 64);
        let written = Encoder::new(&mut bytes).array(4).and_then(|a| {
            a.str("Signature1")?
                .bytes(&protected(algorithm))?
                .bytes(context.as_bytes())?
                .bytes(payload)
                .map(|_| ())
        });
        debug_assert!(written.is_ok(), "writing into memory cannot fail");
        bytes
    }
}

/// `{1: alg}`; both algorithm numbers take one byte.
fn protected(algorithm: i8) -> [u8; 3] {
    let encoded = if algorithm < 0 {
        0x20 | (-1 - algorithm) as u8
    } else {
        algorithm as u8
    };
    [0xa1, 0x01, encoded]
}

impl<C> Encode<C> for CoseSign1 {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.array(4)?
            .bytes(&protected(self.algorithm))?
            .map(0)?
            .bytes(&self.payload)?
            .bytes(&self.signature)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for CoseSign1 {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let refused = || decode::Error::message("not a COSE_Sign1 of this protocol");
        if d.datatype()? != Type::Array || d.array()? != Some(4) {
            return Err(refused());
        }
        // COSE-1, COSE-2: the protected header is one of two byte strings.
        let algorithm = match d.bytes()? {
            [0xa1, 0x01, 0x27] => -8,
            [0xa1, 0x01, 0x26] => -7,
            _ => return Err(refused()),
        };
        // COSE-3
        if d.map()? != Some(0) {
            return Err(refused());
        }
        let payload = d.bytes()?.to_vec();
        let signature = d.bytes()?.try_into().map_err(|_| refused())?;
        Ok(CoseSign1 {
            algorithm,
            payload,
            signature,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn signed() -> CoseSign1 {
        CoseSign1 {
            algorithm: -8,
            payload: vec![1, 2, 3],
            signature: [9; 64],
        }
    }

    #[test]
    fn cose_1_a_signed_message_reads_back() {
        assert_eq!(
            CoseSign1::from_bytes(&signed().to_bytes(), 128).unwrap(),
            signed()
        );
    }

    #[test]
    fn cose_2_another_algorithm_is_refused() {
        let mut bytes = signed().to_bytes();
        bytes[4] = 0x38; // -25 and so on
        assert!(CoseSign1::from_bytes(&bytes, 128).is_err());
        let es384 = [
            &[0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0, 0x40, 0x58, 0x40][..],
            &[0; 64],
        ]
        .concat();
        assert!(CoseSign1::from_bytes(&es384, 128).is_err());
    }

    #[test]
    fn cose_3_an_unprotected_header_is_refused() {
        let mut bytes = signed().to_bytes();
        bytes.splice(5..6, [0xa1, 0x01, 0x27]);
        assert!(CoseSign1::from_bytes(&bytes, 128).is_err());
    }

    #[test]
    fn cose_4_a_key_with_a_duplicate_or_unsorted_label_is_refused() {
        let key = PublicKey::Ed25519([7; 32]).to_cose();
        assert_eq!(
            PublicKey::from_cose(&key).unwrap(),
            PublicKey::Ed25519([7; 32])
        );
        let mut duplicate = vec![0xa4, 0x01, 0x01];
        duplicate.extend_from_slice(&key[1..]);
        assert!(PublicKey::from_cose(&duplicate).is_err());
        let mut unsorted = vec![0xa3, 0x20, 0x06, 0x01, 0x01];
        unsorted.extend_from_slice(&key[5..]);
        assert!(PublicKey::from_cose(&unsorted).is_err());
    }

    #[test]
    fn a_key_is_read_from_hexadecimal() {
        let key = PublicKey::P256 {
            x: [0xab; 32],
            y: [2; 32],
        };
        let text: String = key
            .to_cose()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(PublicKey::from_hex(&text), Some(key));
        assert_eq!(PublicKey::from_hex(&text.to_uppercase()), Some(key));
        for defect in [
            String::new(),
            text[1..].to_owned(),
            text[2..].to_owned(),
            format!("{text}00"),
            format!(" {text}"),
            text.replacen("ab", "xx", 1),
            text.repeat(9),
        ] {
            assert_eq!(PublicKey::from_hex(&defect), None, "{defect}");
        }
    }

    #[test]
    fn an_rsa_public_key_reads_back_and_leading_zeros_are_refused() {
        let n = [0x80; 256];
        let bytes = rsa_public(&n, &[1, 0, 1]);
        assert_eq!(read_rsa_public(&bytes).unwrap(), (&n[..], &[1, 0, 1][..]));
        assert!(read_rsa_public(&rsa_public(&[0, 0x80], &[1, 0, 1])).is_err());
    }
}
