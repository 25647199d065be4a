//! Keys of customers on curves: ECDSA on P-256, P-384 and P-521, each with its own hash, and Ed25519.

use super::cose::Reader;
use super::{Input, KeyError, OperationError, WeakKey};
use crate::crypto::Failed;
use crate::crypto::signature::verify_ed25519;
use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self as lc, KeyPair, UnparsedPublicKey};
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::kind::Algorithm;

/// What belongs to one curve.
pub(super) struct Curve {
    cose: u8,
    algorithm: Algorithm,
    signing: &'static lc::EcdsaSigningAlgorithm,
    verification: &'static lc::EcdsaVerificationAlgorithm,
    hash: &'static digest::Algorithm,
}

pub(super) static P256: Curve = Curve {
    cose: 1,
    algorithm: Algorithm::EcdsaSha256,
    signing: &lc::ECDSA_P256_SHA256_FIXED_SIGNING,
    verification: &lc::ECDSA_P256_SHA256_FIXED,
    hash: &SHA256,
};

pub(super) static P384: Curve = Curve {
    cose: 2,
    algorithm: Algorithm::EcdsaSha384,
    signing: &lc::ECDSA_P384_SHA384_FIXED_SIGNING,
    verification: &lc::ECDSA_P384_SHA384_FIXED,
    hash: &SHA384,
};

pub(super) static P521: Curve = Curve {
    cose: 3,
    algorithm: Algorithm::EcdsaSha512,
    signing: &lc::ECDSA_P521_SHA512_FIXED_SIGNING,
    verification: &lc::ECDSA_P521_SHA512_FIXED,
    hash: &SHA512,
};

/// An ECDSA key pair.
pub(super) struct EcKey {
    curve: &'static Curve,
    pair: lc::EcdsaKeyPair,
}

impl EcKey {
    /// Reads `{1: 2, -1: curve, -2: x, -3: y, -4: d}`, all coordinates `N` bytes long.
    pub(super) fn parse<const N: usize>(
        cose: &[u8],
        curve: &'static Curve,
    ) -> Result<Self, KeyError> {
        let mut reader = Reader::new(cose, 5, 2)?;
        reader.number(-1, curve.cose)?;
        let (x, y, d) = (
            reader.fixed::<N>(-2)?,
            reader.fixed::<N>(-3)?,
            reader.fixed::<N>(-4)?,
        );
        reader.end()?;
        let point = [&[4][..], x, y].concat();
        lc::ParsedPublicKey::new(curve.verification, &point).map_err(|_| WeakKey::OffCurve)?;
        let pair = lc::EcdsaKeyPair::from_private_key_and_public_key(curve.signing, d, &point)
            .map_err(|_| WeakKey::HalvesDiffer)?;
        Ok(Self { curve, pair })
    }

    pub(super) fn public_cose(&self) -> Vec<u8> {
        let point = &self.pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        let mut cose = Vec::with_capacity(point.len() + 16);
        minicbor::Encoder::new(&mut cose)
            .map(4)
            .and_then(|map| {
                map.u8(1)?
                    .u8(2)?
                    .i8(-1)?
                    .u8(self.curve.cose)?
                    .i8(-2)?
                    .bytes(x)?
                    .i8(-3)?
                    .bytes(y)
                    .map(drop)
            })
            .expect("invariant: writing into memory cannot fail");
        cose
    }

    pub(super) fn sign(
        &self,
        algorithm: Algorithm,
        input: Input<'_>,
    ) -> Result<Vec<u8>, OperationError> {
        self.check(algorithm)?;
        let signature = match input {
            Input::Message(message) => self.pair.sign(&SystemRandom::new(), message),
            Input::Digest(_) => self.pair.sign_digest(&input.digest(self.curve.hash)?),
        };
        Ok(signature.map_err(Failed::from)?.as_ref().to_vec())
    }

    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        input: Input<'_>,
        signature: &[u8],
    ) -> Result<bool, OperationError> {
        self.check(algorithm)?;
        let public = UnparsedPublicKey::new(self.curve.verification, self.pair.public_key());
        Ok(public
            .verify_digest(&input.digest(self.curve.hash)?, signature)
            .is_ok())
    }

    fn check(&self, algorithm: Algorithm) -> Result<(), OperationError> {
        if algorithm == self.curve.algorithm {
            Ok(())
        } else {
            Err(OperationError::Unsuitable)
        }
    }
}

/// An Ed25519 key pair.
pub(super) struct Ed25519Key(lc::Ed25519KeyPair);

impl Ed25519Key {
    /// Reads `{1: 1, -1: 6, -2: x, -4: seed}`.
    pub(super) fn parse(cose: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(cose, 4, 1)?;
        reader.number(-1, 6)?;
        let (public, seed) = (reader.fixed::<32>(-2)?, reader.fixed::<32>(-4)?);
        reader.end()?;
        let pair = lc::Ed25519KeyPair::from_seed_and_public_key(seed, public)
            .map_err(|_| WeakKey::HalvesDiffer)?;
        Ok(Self(pair))
    }

    pub(super) fn public_cose(&self) -> Vec<u8> {
        PublicKey::Ed25519(*self.public()).to_cose()
    }

    /// Ed25519 hashes the message twice, so there is nothing to sign for who has a digest only.
    pub(super) fn sign(
        &self,
        algorithm: Algorithm,
        input: Input<'_>,
    ) -> Result<Vec<u8>, OperationError> {
        match (algorithm, input) {
            (Algorithm::Ed25519, Input::Message(message)) => Ok(self
                .0
                .try_sign(message)
                .map_err(Failed::from)?
                .as_ref()
                .to_vec()),
            _ => Err(OperationError::Unsuitable),
        }
    }

    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        input: Input<'_>,
        signature: &[u8],
    ) -> Result<bool, OperationError> {
        match (algorithm, input) {
            (Algorithm::Ed25519, Input::Message(message)) => {
                Ok(verify_ed25519(self.public(), message, signature))
            }
            _ => Err(OperationError::Unsuitable),
        }
    }

    fn public(&self) -> &[u8; 32] {
        self.0
            .public_key()
            .as_ref()
            .try_into()
            .expect("invariant: an Ed25519 public key has 32 bytes")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::material::{cose, ec, p256_parts, p384_parts, p521_parts};
    use super::*;
    use p256::ecdsa::signature::Verifier;

    /// Each curve against the second implementation: a message and a digest, signed here, verified there.
    macro_rules! against_the_second_implementation {
        ($name:ident, $curve:ident, $static:ident, $length:literal, $parts:ident, $hash:ident) => {
            #[test]
            fn $name() {
                let [x, y, d] = $parts();
                let ours =
                    EcKey::parse::<$length>(&ec($static.cose, &x, &y, &d), &$static).unwrap();
                assert_eq!(
                    ours.public_cose(),
                    cose(2, Some($static.cose), &[(-2, &x), (-3, &y)])
                );
                let point = [&[4][..], &x, &y].concat();
                let theirs = $curve::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
                let digest = digest::digest(&$hash, b"message");
                for input in [Input::Message(b"message"), Input::Digest(digest.as_ref())] {
                    let signature = ours.sign($static.algorithm, input).unwrap();
                    assert_eq!(signature.len(), 2 * $length);
                    let read = $curve::ecdsa::Signature::from_slice(&signature).unwrap();
                    theirs.verify(b"message", &read).unwrap();
                    let verify = |message: &[u8], signature: &[u8]| {
                        ours.verify($static.algorithm, Input::Message(message), signature)
                            .unwrap()
                    };
                    assert!(verify(b"message", &signature));
                    assert!(
                        ours.verify(
                            $static.algorithm,
                            Input::Digest(digest.as_ref()),
                            &signature
                        )
                        .unwrap()
                    );
                    assert!(!verify(b"massage", &signature));
                    assert!(!verify(b"message", &signature[1..]));
                    let mut altered = signature.clone();
                    altered[$length] ^= 1;
                    assert!(!verify(b"message", &altered));
                }
                let wrong_length = ours.sign($static.algorithm, Input::Digest(&[0; 20]));
                assert_eq!(wrong_length, Err(OperationError::InputLength));

                let parse = |x: &[u8], y: &[u8], d: &[u8]| {
                    EcKey::parse::<$length>(&ec($static.cose, x, y, d), &$static).map(drop)
                };
                let weak = |weakness| Err(KeyError::Weak(weakness));
                let mut off = y.clone();
                off[$length - 1] ^= 1;
                assert_eq!(parse(&x, &off, &d), weak(WeakKey::OffCurve));
                let zero = [0; $length];
                assert_eq!(parse(&zero, &zero, &d), weak(WeakKey::OffCurve));
                let mut other = d.clone();
                other[$length - 1] ^= 1;
                assert_eq!(parse(&x, &y, &other), weak(WeakKey::HalvesDiffer));
                assert_eq!(parse(&x, &y, &zero), weak(WeakKey::HalvesDiffer));
                assert_eq!(parse(&x, &y, &[0xff; $length]), weak(WeakKey::HalvesDiffer));
                assert_eq!(parse(&x, &y, &d[1..]), Err(KeyError::Malformed));
                assert_eq!(parse(&x[1..], &y, &d), Err(KeyError::Malformed));
                let another_curve = ec($static.cose % 3 + 1, &x, &y, &d);
                assert!(EcKey::parse::<$length>(&another_curve, &$static).is_err());
            }
        };
    }
    against_the_second_implementation!(
        p256_meets_the_second_implementation,
        p256,
        P256,
        32,
        p256_parts,
        SHA256
    );
    against_the_second_implementation!(
        p384_meets_the_second_implementation,
        p384,
        P384,
        48,
        p384_parts,
        SHA384
    );
    against_the_second_implementation!(
        p521_meets_the_second_implementation,
        p521,
        P521,
        66,
        p521_parts,
        SHA512
    );

    fn ed25519(public: &[u8; 32], seed: &[u8; 32]) -> Result<Ed25519Key, KeyError> {
        Ed25519Key::parse(&cose(1, Some(6), &[(-2, public), (-4, seed)]))
    }

    #[test]
    fn ed25519_meets_the_second_implementation() {
        let theirs = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
        let public = theirs.verifying_key().to_bytes();
        let ours = ed25519(&public, &[5; 32]).unwrap();
        let message = Input::Message(b"message");
        let signature = ours.sign(Algorithm::Ed25519, message).unwrap();
        assert_eq!(
            signature,
            ed25519_dalek::Signer::sign(&theirs, b"message").to_bytes()
        );
        assert!(
            ours.verify(Algorithm::Ed25519, message, &signature)
                .unwrap()
        );
        assert!(
            !ours
                .verify(Algorithm::Ed25519, Input::Message(b"massage"), &signature)
                .unwrap()
        );
        assert_eq!(ours.public_cose(), PublicKey::Ed25519(public).to_cose());
        assert_eq!(
            ours.sign(Algorithm::Ed25519, Input::Digest(&[0; 64])),
            Err(OperationError::Unsuitable)
        );
    }

    #[test]
    fn imp_an_ed25519_public_half_of_another_seed_is_refused() {
        let mut public = ed25519_dalek::SigningKey::from_bytes(&[5; 32])
            .verifying_key()
            .to_bytes();
        assert!(ed25519(&public, &[5; 32]).is_ok());
        assert_eq!(
            ed25519(&public, &[6; 32]).map(drop),
            Err(KeyError::Weak(WeakKey::HalvesDiffer))
        );
        public[0] ^= 1;
        assert_eq!(
            ed25519(&public, &[5; 32]).map(drop),
            Err(KeyError::Weak(WeakKey::HalvesDiffer))
        );
    }
}
