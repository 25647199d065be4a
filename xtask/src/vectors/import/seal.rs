//! Sealing with fixed randomness: both suites of docs/protocol/wrapping.md, so that `import.json` can be made again byte
//! for byte. For vectors only; whoever seals a key draws its randomness.

use std::convert::Infallible;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use cofferdam_wire::cose::{read_rsa_public, rsa_public};
use cofferdam_wire::id::{Digest, RecipientId};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::{
    Layer, commitment_exporter, commitment_info, info, key_info, recipient_id,
};
use hkdf::Hkdf;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeS, Serializable};
use num_bigint::BigUint;
use pkcs1::RsaPrivateKeyRef;
use pkcs8::{PrivateKeyInfoRef, SecretDocument};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A key that layers are sealed to, with its private half in the form of the file.
pub(super) struct Recipient {
    pub(super) suite: Suite,
    public: Vec<u8>,
    private: (&'static str, String),
}

impl Recipient {
    pub(super) fn x_wing(seed: [u8; 32]) -> anyhow::Result<Self> {
        let private = <XWing as Kem>::PrivateKey::from_bytes(&seed).map_err(anyhow::Error::msg)?;
        Ok(Self {
            suite: Suite::XWing,
            public: XWing::sk_to_pk(&private).to_bytes().to_vec(),
            private: ("seed", hex::encode(seed)),
        })
    }

    /// From a PKCS#8 file; only its public numbers are looked at.
    pub(super) fn rsa(pem: &str) -> anyhow::Result<Self> {
        let document = SecretDocument::from_pem(pem).map_err(anyhow::Error::msg)?.1;
        let info: PrivateKeyInfoRef<'_> = document.decode_msg().map_err(anyhow::Error::msg)?;
        let key =
            RsaPrivateKeyRef::try_from(info.private_key.as_bytes()).map_err(anyhow::Error::msg)?;
        Ok(Self {
            suite: Suite::RsaOaep,
            public: rsa_public(key.modulus.as_bytes(), key.public_exponent.as_bytes()),
            private: ("pkcs8_pem", pem.to_string()),
        })
    }

    pub(super) fn id(&self) -> RecipientId {
        recipient_id(self.suite, &self.public)
    }

    pub(super) fn to_json(&self) -> Value {
        let (form, private) = &self.private;
        json!({
            (*form): private,
            "public": hex::encode(&self.public),
            "recipient_id": hex::encode(self.id().0),
        })
    }
}

/// The 64 bytes that a layer's sealer draws. Suite 1: the ML-KEM message, then the X25519 private key. Suite 2: the secret
/// r, then the seed of OAEP.
pub(super) struct Randomness(pub(super) [u8; 64]);

/// Seals as the SDK does, with the given randomness.
pub(super) fn seal(
    recipient: &Recipient,
    context: &str,
    bound: &[u8; 32],
    aad: &[u8],
    plaintext: &[u8],
    randomness: &Randomness,
) -> anyhow::Result<Layer> {
    let info = info(context, bound);
    let (enc, commitment, ciphertext) = match recipient.suite {
        Suite::XWing => seal_x_wing(&recipient.public, &info, aad, plaintext, randomness)?,
        Suite::RsaOaep => seal_rsa(&recipient.public, &info, aad, plaintext, randomness)?,
    };
    Ok(Layer {
        suite: recipient.suite,
        recipient: recipient.id(),
        enc,
        commitment,
        ciphertext,
    })
}

fn seal_x_wing(
    public: &[u8],
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    randomness: &Randomness,
) -> anyhow::Result<(Vec<u8>, Digest, Vec<u8>)> {
    let public = <XWing as Kem>::PublicKey::from_bytes(public).map_err(anyhow::Error::msg)?;
    let (enc, mut sender) = hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, XWing>(
        &OpModeS::Base,
        &public,
        info,
        &mut Fixed(randomness.0.to_vec()),
    )
    .map_err(anyhow::Error::msg)?;
    let mut commitment = [0; 32];
    sender
        .export(&commitment_exporter(info), &mut commitment)
        .map_err(anyhow::Error::msg)?;
    let ciphertext = sender.seal(plaintext, aad).map_err(anyhow::Error::msg)?;
    Ok((enc.to_bytes().to_vec(), Digest(commitment), ciphertext))
}

fn seal_rsa(
    public: &[u8],
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    randomness: &Randomness,
) -> anyhow::Result<(Vec<u8>, Digest, Vec<u8>)> {
    let (secret, seed) = randomness.0.split_at(32);
    let (n, e) = read_rsa_public(public)?;
    let padded = oaep(n.len(), info, secret, seed);
    let power = BigUint::from_bytes_be(&padded)
        .modpow(&BigUint::from_bytes_be(e), &BigUint::from_bytes_be(n))
        .to_bytes_be();
    let enc = [vec![0; n.len() - power.len()], power].concat();
    let derive = |info: &[u8]| -> anyhow::Result<[u8; 32]> {
        let mut output = [0; 32];
        Hkdf::<Sha256>::new(None, secret)
            .expand(info, &mut output)
            .map_err(anyhow::Error::msg)?;
        Ok(output)
    };
    let payload = Payload {
        msg: plaintext,
        aad,
    };
    let ciphertext = Aes256Gcm::new(&derive(&key_info(info, &enc))?.into())
        .encrypt(&[0; 12].into(), payload)
        .map_err(anyhow::Error::msg)?;
    let commitment = Digest(derive(&commitment_info(info, &enc))?);
    Ok((enc, commitment, ciphertext))
}

/// EME-OAEP of RFC 8017, 7.1.1, with SHA-256 and MGF1-SHA-256.
fn oaep(size: usize, label: &[u8], message: &[u8], seed: &[u8]) -> Vec<u8> {
    let zeros = vec![0; size - message.len() - 2 * 32 - 2];
    let mut block = [&Sha256::digest(label)[..], &zeros, &[1], message].concat();
    let mut seed = seed.to_vec();
    mask(&mut block, &seed);
    mask(&mut seed, &block);
    [vec![0], seed, block].concat()
}

/// XORs MGF1 of `seed` over `target`.
fn mask(target: &mut [u8], seed: &[u8]) {
    for (counter, chunk) in (0u32..).zip(target.chunks_mut(32)) {
        let block = Sha256::digest([seed, &counter.to_be_bytes()].concat());
        for (byte, mask) in chunk.iter_mut().zip(block) {
            *byte ^= mask;
        }
    }
}

/// Gives out the bytes that it holds, in order; nothing may ask for more.
struct Fixed(Vec<u8>);

impl rand_core::TryRng for Fixed {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        rand_core::utils::next_word_via_fill(self)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.0[..bytes.len()]);
        self.0.drain(..bytes.len());
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Fixed {}
