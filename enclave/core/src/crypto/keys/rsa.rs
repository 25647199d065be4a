//! RSA keys of customers: signatures (PKCS#1 v1.5, PSS) and OAEP. There is no decryption of PKCS#1 v1.5.

use super::cose::Reader;
use super::prime;
use super::{Input, KeyError, OperationError, WeakKey};
use crate::crypto::Failed;
use crate::crypto::secret::{Plaintext, equal};
use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeyPair, KeyPairComponents, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey,
    OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey, PublicKeyComponents,
};
use aws_lc_rs::signature::{
    self as lc, KeyPair as _, RsaParameters, RsaSignatureEncoding, UnparsedPublicKey,
};
use cofferdam_wire::cose::rsa_public;
use cofferdam_wire::kind::Algorithm;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// Factors that begin with this many equal bytes are too close: FIPS 186-5 wants a difference in the first 100 bits.
const CLOSE: usize = 13;

/// Whether the factors are to be tested for primality.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Factors {
    /// At import.
    Test,
    /// When a record is loaded.
    WereTested,
}

/// An RSA key pair. Its OAEP form is made when it is first needed: signing keys never pay for it.
pub(super) struct Key {
    pair: KeyPair,
    oaep: OnceLock<OaepPrivateDecryptingKey>,
}

/// What AWS-LC calls an algorithm, for signing and for verifying.
struct Signature {
    encoding: &'static RsaSignatureEncoding,
    verification: &'static RsaParameters,
    hash: &'static digest::Algorithm,
}

impl Key {
    /// Reads `{1: 3, -1: n, -2: e, -3: d, -4: p, -5: q, -6: dP, -7: dQ, -8: qInv}` (RFC 8230).
    pub(super) fn parse(cose: &[u8], bits: usize, factors: Factors) -> Result<Self, KeyError> {
        let mut reader = Reader::new(cose, 9, 3)?;
        let (n, e, d) = (
            reader.integer(-1)?,
            reader.integer(-2)?,
            reader.integer(-3)?,
        );
        let (p, q) = (reader.integer(-4)?, reader.integer(-5)?);
        let (dp, dq, q_inverse) = (
            reader.integer(-6)?,
            reader.integer(-7)?,
            reader.integer(-8)?,
        );
        reader.end()?;

        // Lengths first: no arithmetic is done on a 16k modulus or a giant exponent (T-39).
        if !has_bits(n, bits) {
            return Err(WeakKey::ModulusLength.into());
        }
        if !is_sound_exponent(e) {
            return Err(WeakKey::Exponent.into());
        }
        if !has_bits(p, bits / 2) || !has_bits(q, bits / 2) {
            return Err(WeakKey::FactorLength.into());
        }
        if equal(&p[..CLOSE], &q[..CLOSE]) {
            return Err(WeakKey::FactorsTooClose.into());
        }
        // AWS-LC checks n = p q, d e = 1 modulo p - 1 and q - 1, and all three CRT values.
        let public_key = PublicKeyComponents { n, e };
        let components = KeyPairComponents {
            public_key,
            d,
            p,
            q,
            dP: dp,
            dQ: dq,
            qInv: q_inverse,
        };
        let pair = KeyPair::from_components(&components).map_err(|_| WeakKey::Inconsistent)?;
        if factors == Factors::Test && !prime::both_are_prime(p, q) {
            return Err(WeakKey::CompositeFactor.into());
        }
        Ok(Self {
            pair,
            oaep: OnceLock::new(),
        })
    }

    pub(super) fn public_cose(&self) -> Vec<u8> {
        let public = self.pair.public_key();
        rsa_public(
            public.modulus().big_endian_without_leading_zero(),
            public.exponent().big_endian_without_leading_zero(),
        )
    }

    pub(super) fn sign(
        &self,
        algorithm: Algorithm,
        input: Input<'_>,
    ) -> Result<Vec<u8>, OperationError> {
        let scheme = scheme(algorithm).ok_or(OperationError::Unsuitable)?;
        let mut signature = vec![0; self.pair.public_modulus_len()];
        match input {
            Input::Message(message) => self.pair.sign(
                scheme.encoding,
                &SystemRandom::new(),
                message,
                &mut signature,
            ),
            Input::Digest(_) => {
                self.pair
                    .sign_digest(scheme.encoding, &input.digest(scheme.hash)?, &mut signature)
            }
        }
        .map_err(Failed::from)?;
        Ok(signature)
    }

    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        input: Input<'_>,
        signature: &[u8],
    ) -> Result<bool, OperationError> {
        let scheme = scheme(algorithm).ok_or(OperationError::Unsuitable)?;
        let public = UnparsedPublicKey::new(scheme.verification, self.pair.public_key());
        Ok(public
            .verify_digest(&input.digest(scheme.hash)?, signature)
            .is_ok())
    }

    pub(super) fn encrypt(
        &self,
        algorithm: Algorithm,
        label: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, OperationError> {
        if algorithm != Algorithm::RsaOaepSha256 {
            return Err(OperationError::Unsuitable);
        }
        let spki = self.pair.public_key().as_der().map_err(Failed::from)?;
        let public = PublicEncryptingKey::from_der(spki.as_ref()).map_err(Failed::from)?;
        let public = OaepPublicEncryptingKey::new(public).map_err(Failed::from)?;
        if plaintext.len() > public.max_plaintext_size(&OAEP_SHA256_MGF1SHA256) {
            return Err(OperationError::InputLength);
        }
        let mut ciphertext = vec![0; public.ciphertext_size()];
        let length = public
            .encrypt(
                &OAEP_SHA256_MGF1SHA256,
                plaintext,
                &mut ciphertext,
                Some(label),
            )
            .map_err(Failed::from)?
            .len();
        ciphertext.truncate(length);
        Ok(ciphertext)
    }

    pub(super) fn decrypt(
        &self,
        algorithm: Algorithm,
        label: &[u8],
        ciphertext: &[u8],
    ) -> Result<Plaintext, OperationError> {
        if algorithm != Algorithm::RsaOaepSha256 {
            return Err(OperationError::Unsuitable);
        }
        let private = self.oaep()?;
        let mut buffer = Zeroizing::new(vec![0; private.min_output_size()]);
        let length = private
            .decrypt(
                &OAEP_SHA256_MGF1SHA256,
                ciphertext,
                &mut buffer,
                Some(label),
            )
            .map_err(Failed::from)?
            .len();
        buffer.truncate(length);
        Ok(Plaintext::new(buffer))
    }

    /// AWS-LC's OAEP takes PKCS#8 only, so the parsed key is written out and read again, once.
    fn oaep(&self) -> Result<&OaepPrivateDecryptingKey, Failed> {
        if let Some(private) = self.oaep.get() {
            return Ok(private);
        }
        let private = PrivateDecryptingKey::from_pkcs8(self.pair.as_der()?.as_ref())?;
        let private = OaepPrivateDecryptingKey::new(private)?;
        Ok(self.oaep.get_or_init(|| private))
    }
}

/// Big endian without leading zeros, so the first byte tells the length in bits.
fn has_bits(integer: &[u8], bits: usize) -> bool {
    integer.len() == bits / 8 && integer[0] >= 0x80
}

/// Odd, at least 65537 and at most 32 bits.
fn is_sound_exponent(e: &[u8]) -> bool {
    let value = e
        .iter()
        .take(5)
        .fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
    e.len() <= 4 && value >= 65537 && value % 2 == 1
}

fn scheme(algorithm: Algorithm) -> Option<Signature> {
    let (encoding, verification, hash) = match algorithm {
        Algorithm::RsaPkcs1Sha256 => (
            &lc::RSA_PKCS1_SHA256,
            &lc::RSA_PKCS1_2048_8192_SHA256,
            &SHA256,
        ),
        Algorithm::RsaPkcs1Sha384 => (
            &lc::RSA_PKCS1_SHA384,
            &lc::RSA_PKCS1_2048_8192_SHA384,
            &SHA384,
        ),
        Algorithm::RsaPkcs1Sha512 => (
            &lc::RSA_PKCS1_SHA512,
            &lc::RSA_PKCS1_2048_8192_SHA512,
            &SHA512,
        ),
        Algorithm::RsaPssSha256 => (&lc::RSA_PSS_SHA256, &lc::RSA_PSS_2048_8192_SHA256, &SHA256),
        Algorithm::RsaPssSha384 => (&lc::RSA_PSS_SHA384, &lc::RSA_PSS_2048_8192_SHA384, &SHA384),
        Algorithm::RsaPssSha512 => (&lc::RSA_PSS_SHA512, &lc::RSA_PSS_2048_8192_SHA512, &SHA512),
        _ => return None,
    };
    Some(Signature {
        encoding,
        verification,
        hash,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
