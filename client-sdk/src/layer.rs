//! Sealing and opening a [`Layer`]: the two envelopes of an import and the possession challenges.
//!
//! The SDK seals to keys that a [`crate::verify::Proven`] vouches for; the parent opens with its provider keys. Who holds
//! the key is decided before (an unknown recipient is a code of its own); from there on every failure is one code, and the
//! commitment is compared before a byte is decrypted (T-50). Formulas: `docs/protocol/wrapping.md`.

use cofferdam_wire::Code;
use cofferdam_wire::id::Digest;
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::{
    Layer, commitment_exporter, commitment_info, info, key_info, recipient_id,
};
use zeroize::Zeroizing;

use crate::crypto::hpke::{self, HpkeError, PrivateKey};
use crate::crypto::oaep::{self, OaepError};
use crate::crypto::provider_rsa::ProviderRsaKey;
use crate::crypto::public_key::{PublicKey, PublicKeyError};
use crate::crypto::secret::Secret32;
use crate::crypto::{gcm, kdf};

/// The key of a suite 2 layer is used once, so its nonce need not be another each time.
const ONE_TIME_NONCE: [u8; gcm::NONCE_LEN] = [0; gcm::NONCE_LEN];

/// Why a layer was not sealed. All of it is about the recipient's public key, which came from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Suite 1: not an X-Wing key.
    #[error(transparent)]
    XWing(#[from] HpkeError),
    /// Suite 2: not an RSA COSE_Key.
    #[error(transparent)]
    PublicKey(#[from] PublicKeyError),
    /// Suite 2: not RSA, or shorter than 3072 bits.
    #[error(transparent)]
    Rsa(#[from] OaepError),
    /// The plaintext is longer than AES-GCM takes.
    #[error("the plaintext is too long for one layer")]
    TooLong,
}

/// Seals `plaintext` to `public`: the raw X-Wing key in suite 1, the RSA COSE_Key in suite 2. `bound` is what the context
/// is bound to: the header's hash in an import, the recipient's id in a challenge.
///
/// It asks nobody who holds the key, so no key material of a customer goes through here but from [`crate::wrap::wrap`], which
/// takes nothing but proven keys. It is public for the parent's own tests and for those who play a hostile customer.
pub fn danger_seal(
    suite: Suite,
    public: &[u8],
    context: &str,
    bound: &[u8; 32],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Layer, SealError> {
    // WRP-1: the enclave does the same on another library; vectors/layers.json is where both meet.
    let info = info(context, bound);
    let recipient = recipient_id(suite, public);
    match suite {
        Suite::XWing => {
            let (enc, sender) = hpke::setup_sender(public, &info)?;
            let commitment = Digest(*sender.export(&commitment_exporter(&info)).expose());
            let ciphertext = sender.seal(aad, plaintext)?;
            Ok(Layer {
                suite,
                recipient,
                enc,
                commitment,
                ciphertext,
            })
        }
        Suite::RsaOaep => {
            let secret = Secret32::random();
            let enc = oaep::seal_secret(&PublicKey::from_cose(public)?, &info, &secret)?;
            let keys = RsaLayerKeys::derive(&secret, &info, &enc);
            let ciphertext = gcm::seal(&keys.key, &ONE_TIME_NONCE, aad, plaintext)
                .map_err(|_| SealError::TooLong)?;
            let commitment = Digest(*keys.commitment.expose());
            Ok(Layer {
                suite,
                recipient,
                enc,
                commitment,
                ciphertext,
            })
        }
    }
}

/// Opens a layer of suite 1.
///
/// # Errors
/// [`Code::UnwrapFailed`], whatever was wrong (T-01, T-48).
pub fn open_xwing(
    key: &PrivateKey,
    context: &str,
    bound: &[u8; 32],
    aad: &[u8],
    layer: &Layer,
) -> Result<Zeroizing<Vec<u8>>, Code> {
    if layer.suite != Suite::XWing {
        return Err(Code::UnwrapFailed);
    }
    let info = info(context, bound);
    let receiver = hpke::setup_receiver(key, &layer.enc, &info).map_err(|_| Code::UnwrapFailed)?;
    if !receiver
        .export(&commitment_exporter(&info))
        .ct_eq(&layer.commitment.0)
    {
        return Err(Code::UnwrapFailed);
    }
    receiver
        .open(aad, &layer.ciphertext)
        .map_err(|_| Code::UnwrapFailed)
}

/// Opens a layer of suite 2. A ciphertext that does not unwrap takes the same way to the same refusal (T-30).
///
/// # Errors
/// [`Code::UnwrapFailed`], whatever was wrong.
pub fn open_rsa(
    key: &ProviderRsaKey,
    context: &str,
    bound: &[u8; 32],
    aad: &[u8],
    layer: &Layer,
) -> Result<Zeroizing<Vec<u8>>, Code> {
    if layer.suite != Suite::RsaOaep {
        return Err(Code::UnwrapFailed);
    }
    let info = info(context, bound);
    let secret = key.open(&info, &layer.enc);
    let keys = RsaLayerKeys::derive(&secret, &info, &layer.enc);
    if !keys.commitment.ct_eq(&layer.commitment.0) {
        return Err(Code::UnwrapFailed);
    }
    gcm::open(&keys.key, &ONE_TIME_NONCE, aad, &layer.ciphertext).map_err(|_| Code::UnwrapFailed)
}

/// What the OAEP secret of one suite 2 layer becomes.
struct RsaLayerKeys {
    key: Secret32,
    commitment: Secret32,
}

impl RsaLayerKeys {
    fn derive(secret: &Secret32, info: &[u8], enc: &[u8]) -> Self {
        Self {
            key: kdf::derive(&[secret.expose()], &key_info(info, enc)),
            commitment: kdf::derive(&[secret.expose()], &commitment_info(info, enc)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use cofferdam_wire::context;

    const BOUND: &[u8; 32] = &[7; 32];
    const RSA_3072: &[u8] = include_bytes!("../tests/keys/rsa-3072.pem");

    enum Opener {
        XWing(PrivateKey),
        Rsa(ProviderRsaKey),
    }

    impl Opener {
        fn both() -> [Opener; 2] {
            [
                Opener::XWing(PrivateKey::generate()),
                Opener::Rsa(ProviderRsaKey::from_pkcs8_pem(RSA_3072).unwrap()),
            ]
        }

        fn seal(&self) -> Layer {
            let (suite, public) = match self {
                Opener::XWing(key) => (Suite::XWing, key.public().to_vec()),
                Opener::Rsa(key) => (Suite::RsaOaep, key.public_key().to_cose()),
            };
            danger_seal(
                suite,
                &public,
                context::LAYER_PROVIDER,
                BOUND,
                b"header",
                b"plaintext",
            )
            .unwrap()
        }

        fn open(
            &self,
            context: &str,
            bound: &[u8; 32],
            aad: &[u8],
            layer: &Layer,
        ) -> Result<Vec<u8>, Code> {
            match self {
                Opener::XWing(key) => open_xwing(key, context, bound, aad, layer),
                Opener::Rsa(key) => open_rsa(key, context, bound, aad, layer),
            }
            .map(|plaintext| plaintext.to_vec())
        }

        fn open_as_sealed(&self, layer: &Layer) -> Result<Vec<u8>, Code> {
            self.open(context::LAYER_PROVIDER, BOUND, b"header", layer)
        }
    }

    #[test]
    fn wrp_1_a_layer_opens_as_it_was_sealed() {
        for opener in Opener::both() {
            assert_eq!(opener.open_as_sealed(&opener.seal()).unwrap(), b"plaintext");
        }
    }

    #[test]
    fn t10_a_change_anywhere_is_the_one_refusal() {
        for opener in Opener::both() {
            let layer = opener.seal();
            let refused = Err(Code::UnwrapFailed);
            for at in [0, layer.enc.len() / 2, layer.enc.len() - 2] {
                let mut changed = layer.clone();
                changed.enc[at] ^= 1;
                assert_eq!(opener.open_as_sealed(&changed), refused);
            }
            for at in 0..32 {
                let mut changed = layer.clone();
                changed.commitment.0[at] ^= 0x80;
                assert_eq!(opener.open_as_sealed(&changed), refused);
            }
            for at in 0..layer.ciphertext.len() {
                let mut changed = layer.clone();
                changed.ciphertext[at] ^= 1;
                assert_eq!(opener.open_as_sealed(&changed), refused);
            }
            for enc in [&layer.enc[1..], &[]] {
                assert_eq!(
                    opener.open_as_sealed(&Layer {
                        enc: enc.to_vec(),
                        ..layer.clone()
                    }),
                    refused
                );
            }
            assert_eq!(
                opener.open(context::LAYER_VENDOR, BOUND, b"header", &layer),
                refused
            );
            assert_eq!(
                opener.open(context::LAYER_PROVIDER, &[8; 32], b"header", &layer),
                refused
            );
            assert_eq!(
                opener.open(context::LAYER_PROVIDER, BOUND, b"headeR", &layer),
                refused
            );
            let other = match layer.suite {
                Suite::XWing => Suite::RsaOaep,
                Suite::RsaOaep => Suite::XWing,
            };
            assert_eq!(
                opener.open_as_sealed(&Layer {
                    suite: other,
                    ..layer
                }),
                refused
            );
        }
    }

    #[test]
    fn only_keys_of_the_suite_are_sealed_to() {
        let xwing = PrivateKey::generate().public();
        let rsa = ProviderRsaKey::from_pkcs8_pem(RSA_3072)
            .unwrap()
            .public_key()
            .to_cose();
        let seal = |suite, public: &[u8]| {
            danger_seal(suite, public, context::CHALLENGE, BOUND, b"", b"").err()
        };
        assert_eq!(
            seal(Suite::XWing, &rsa),
            Some(SealError::XWing(HpkeError::PublicKey))
        );
        assert_eq!(
            seal(Suite::RsaOaep, &xwing),
            Some(SealError::PublicKey(PublicKeyError::Encoding))
        );
        let short =
            crate::keyfile::parse_private(include_bytes!("../tests/keys/rsa-2048.pem")).unwrap();
        let short = short.public_key().unwrap().to_cose();
        assert_eq!(
            seal(Suite::RsaOaep, &short),
            Some(SealError::Rsa(OaepError::KeyTooShort))
        );
    }
}
