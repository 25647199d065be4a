//! Signatures of the protocol: Ed25519 (RFC 8032) and ECDSA on P-256 with SHA-256, and the instance's own key.
//!
//! Ed25519 is verified strictly: besides what AWS-LC refuses (s not below the group order, R not as computed) a public
//! key or R of small order, or not in its canonical encoding, is refused. Under such a key one signature would fit any
//! message, and a statement or grant would name nobody.

use super::Failed;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey,
};
use cofferdam_wire::cose::{CoseSign1, PublicKey};

/// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410) before its 32 bytes.
const ED25519_SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// y of every point of small order on edwards25519: 0, 1, -1, and the two of order 8; little endian, without sign bit.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// Whether `signature` is one of `message` by the holder of `key`.
pub(crate) fn verify(key: &PublicKey, message: &[u8], signature: &[u8; 64]) -> bool {
    match key {
        PublicKey::Ed25519(public) => verify_ed25519(public, message, signature),
        PublicKey::P256 { x, y } => {
            let point = [&[4][..], x, y].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message, signature)
                .is_ok()
        }
    }
}

/// Whether a COSE_Sign1 is signed by `key` for this context. Only then may its payload be believed.
pub(crate) fn verify_sign1(key: &PublicKey, context: &str, signed: &CoseSign1) -> bool {
    // The header's algorithm must be the key's: the signature covers the name, and one key has one algorithm.
    signed.algorithm == key.algorithm()
        && verify(
            key,
            &CoseSign1::to_be_signed(signed.algorithm, context, &signed.payload),
            &signed.signature,
        )
}

/// Ed25519 over a message, strictly.
pub(super) fn verify_ed25519(public: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Some((r, _)) = signature.split_first_chunk() else {
        return false;
    };
    is_sound_point(public)
        && is_sound_point(r)
        && UnparsedPublicKey::new(&ED25519, public)
            .verify(message, signature)
            .is_ok()
}

/// Canonical (y below 2^255 - 19) and not of small order.
fn is_sound_point(encoded: &[u8; 32]) -> bool {
    let mut y = *encoded;
    y[31] &= 0x7f;
    let not_reduced = y[31] == 0x7f && y[1..31].iter().all(|byte| *byte == 0xff) && y[0] >= 0xed;
    !not_reduced && !SMALL_ORDER.contains(&y)
}

/// The key of one boot of one enclave: Evidence binds it, and it signs receipts, status queries and joins.
pub(crate) struct InstanceKey {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

#[cfg(test)]
impl InstanceKey {
    /// From a seed, for recorded receipts.
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("every 32 bytes are a seed");
        let public = pair.public_key().as_ref().try_into();
        Self {
            public: public.expect("an Ed25519 key has 32 bytes"),
            pair,
        }
    }
}

impl InstanceKey {
    /// Made at boot and never written anywhere.
    pub(crate) fn generate() -> Result<Self, Failed> {
        let pair = Ed25519KeyPair::generate()?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| Failed)?;
        Ok(Self { pair, public })
    }

    /// The public half.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::Ed25519(self.public)
    }

    /// The public half as SubjectPublicKeyInfo: what NSM gets as `public_key`.
    pub(crate) fn public_spki(&self) -> [u8; 44] {
        let mut spki = [0; 44];
        let (head, key) = spki.split_at_mut(ED25519_SPKI.len());
        head.copy_from_slice(&ED25519_SPKI);
        key.copy_from_slice(&self.public);
        spki
    }

    /// Signs bytes.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], Failed> {
        self.pair
            .try_sign(message)?
            .as_ref()
            .try_into()
            .map_err(|_| Failed)
    }

    /// Signs a payload as COSE_Sign1 under its context.
    pub(crate) fn sign1(&self, context: &str, payload: Vec<u8>) -> Result<CoseSign1, Failed> {
        let algorithm = self.public().algorithm();
        let signature = self.sign(&CoseSign1::to_be_signed(algorithm, context, &payload))?;
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
    use ed25519_dalek::{Signer, Verifier};

    #[test]
    fn ed25519_of_the_second_implementation_is_accepted_and_one_flipped_bit_is_not() {
        let theirs = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
        let public = PublicKey::Ed25519(theirs.verifying_key().to_bytes());
        let signature = theirs.sign(b"message").to_bytes();
        assert!(verify(&public, b"message", &signature));
        assert!(!verify(&public, b"massage", &signature));
        for position in 0..64 {
            let mut altered = signature;
            altered[position] ^= 1;
            assert!(!verify(&public, b"message", &altered), "{position}");
        }
    }

    #[test]
    fn ed25519_of_small_order_signs_nothing() {
        // The neutral point as R and as key: s = 0 fits every message in the equation of RFC 8032.
        for y in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut point = y;
                point[31] |= sign;
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&point);
                assert!(!verify_ed25519(&point, b"any message", &signature));
            }
        }
        let neutral = SMALL_ORDER[1];
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&neutral);
        assert!(
            UnparsedPublicKey::new(&ED25519, neutral)
                .verify(b"any message", &signature)
                .is_ok()
        );
    }

    #[test]
    fn ed25519_not_canonical_is_refused() {
        let mut one_plus_p = [0xff; 32];
        one_plus_p[0] = 0xee;
        one_plus_p[31] = 0x7f;
        assert!(!is_sound_point(&one_plus_p));
        one_plus_p[0] = 0xeb; // p - 2
        assert!(is_sound_point(&one_plus_p));
    }

    #[test]
    fn p256_of_the_second_implementation_is_accepted_and_one_flipped_bit_is_not() {
        use p256::ecdsa::{Signature, SigningKey};
        let theirs = SigningKey::from_slice(&[9; 32]).unwrap();
        let point = theirs.verifying_key().to_sec1_point(false);
        let x: [u8; 32] = point.x().unwrap()[..].try_into().unwrap();
        let y: [u8; 32] = point.y().unwrap()[..].try_into().unwrap();
        let signature: Signature = theirs.sign(b"message");
        let signature: [u8; 64] = signature.to_bytes()[..].try_into().unwrap();
        assert!(verify(&PublicKey::P256 { x, y }, b"message", &signature));
        assert!(!verify(&PublicKey::P256 { x, y }, b"massage", &signature));
        for position in 0..64 {
            let mut altered = signature;
            altered[position] ^= 1;
            assert!(
                !verify(&PublicKey::P256 { x, y }, b"message", &altered),
                "{position}"
            );
        }
        let mut off_the_curve = y;
        off_the_curve[0] ^= 1;
        assert!(!verify(
            &PublicKey::P256 {
                x,
                y: off_the_curve
            },
            b"message",
            &signature
        ));
    }

    #[test]
    fn an_instance_signs_under_its_key_and_context() {
        let instance = InstanceKey::generate().unwrap();
        let signed = instance.sign1("a", b"payload".to_vec()).unwrap();
        assert!(verify_sign1(&instance.public(), "a", &signed));
        assert!(!verify_sign1(&instance.public(), "b", &signed));
        assert!(!verify_sign1(
            &InstanceKey::generate().unwrap().public(),
            "a",
            &signed
        ));
        assert!(!verify_sign1(
            &instance.public(),
            "a",
            &CoseSign1 {
                algorithm: -7,
                ..signed.clone()
            }
        ));
        assert!(!verify_sign1(
            &instance.public(),
            "a",
            &CoseSign1 {
                payload: b"Payload".to_vec(),
                ..signed.clone()
            }
        ));

        let PublicKey::Ed25519(public) = instance.public() else {
            panic!("an instance key is Ed25519")
        };
        let theirs = ed25519_dalek::VerifyingKey::from_bytes(&public).unwrap();
        let signature = ed25519_dalek::Signature::from_bytes(&instance.sign(b"message").unwrap());
        theirs.verify(b"message", &signature).unwrap();
    }

    #[test]
    fn the_spki_is_what_the_second_implementation_reads() {
        use ed25519_dalek::pkcs8::DecodePublicKey;
        let instance = InstanceKey::generate().unwrap();
        let read =
            ed25519_dalek::VerifyingKey::from_public_key_der(&instance.public_spki()).unwrap();
        assert_eq!(PublicKey::Ed25519(read.to_bytes()), instance.public());
    }
}
