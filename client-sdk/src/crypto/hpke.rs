//! HPKE in base mode (RFC 9180) with X-Wing (KEM 0x647a of draft-ietf-hpke-pq: ML-KEM-768 and X25519), HKDF-SHA256 and
//! AES-256-GCM: layers of suite 1, possession challenges, session openings, status queries and answers.
//!
//! One context seals one message: [`Sender::seal`] and [`Receiver::open`] take the context. Exports come before, so a
//! commitment is compared before anything is decrypted (T-50). Decapsulation never fails on a well-formed `enc` (X-Wing
//! rejects implicitly), so a wrong key shows only at the commitment or the tag.

use hpke::aead::{AeadCtxR, AeadCtxS, AesGcm256};
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::secret::Secret32;

/// Bytes of an encoded X-Wing public key.
pub const PUBLIC_KEY_LEN: usize = 1216;
/// Bytes of the encapsulated secret.
pub const ENC_LEN: usize = 1120;
/// Bytes that a ciphertext is longer than its plaintext.
pub const TAG_LEN: usize = 16;
/// Most bytes of `info`; the constructions use a few hundred.
pub const MAX_INFO_LEN: usize = 32 * 1024;

/// Why an HPKE step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HpkeError {
    /// Not 1,216 bytes, or not an X-Wing public key (a coefficient out of range).
    #[error("not an X-Wing public key")]
    PublicKey,
    /// Not 1,120 bytes.
    #[error("not an X-Wing encapsulation")]
    Encapsulation,
    /// Longer than [`MAX_INFO_LEN`].
    #[error("the info is longer than {MAX_INFO_LEN} bytes")]
    InfoTooLong,
    /// Longer than AES-GCM allows (64 GiB).
    #[error("the plaintext is too long to seal")]
    Seal,
    /// Key, enc, info, additional data or ciphertext do not belong together.
    #[error("the message does not open")]
    Open,
}

/// An X-Wing private key, parsed. Boxed, so that moving it leaves no copy; erased on drop.
pub struct PrivateKey(Box<<XWing as Kem>::PrivateKey>);

impl PrivateKey {
    /// A new random key.
    pub fn generate() -> Self {
        Self::from_seed(&Secret32::random())
    }

    /// The key that this 32-byte seed stands for; the seed is X-Wing's own encoding of a private key.
    pub fn from_seed(seed: &Secret32) -> Self {
        let key = Deserializable::from_bytes(seed.expose());
        Self(Box::new(
            key.expect("every 32 bytes are an X-Wing private key"),
        ))
    }

    /// The seed, for a key file.
    pub fn to_seed(&self) -> Secret32 {
        Secret32::filled(|seed| self.0.write_exact(seed))
    }

    /// The encoded public key.
    pub fn public(&self) -> [u8; PUBLIC_KEY_LEN] {
        XWing::sk_to_pk(&self.0).to_bytes().into()
    }
}

/// The sealing end of one message.
pub struct Sender(AeadCtxS<AesGcm256, HkdfSha256, XWing>);

/// The opening end of one message.
pub struct Receiver(AeadCtxR<AesGcm256, HkdfSha256, XWing>);

/// Encapsulates to `public_key`: the encapsulation (1,120 bytes) and the context to export from and seal with.
pub fn setup_sender(public_key: &[u8], info: &[u8]) -> Result<(Vec<u8>, Sender), HpkeError> {
    setup_sender_with(
        public_key,
        info,
        &mut rand_core::UnwrapErr(getrandom::SysRng),
    )
}

fn setup_sender_with(
    public_key: &[u8],
    info: &[u8],
    randomness: &mut impl CryptoRng,
) -> Result<(Vec<u8>, Sender), HpkeError> {
    check_info(info)?;
    let recipient =
        <XWing as Kem>::PublicKey::from_bytes(public_key).map_err(|_| HpkeError::PublicKey)?;
    let (enc, context) =
        hpke::setup_sender_with_rng::<_, _, XWing>(&OpModeS::Base, &recipient, info, randomness)
            .map_err(|_| HpkeError::PublicKey)?;
    Ok((enc.to_bytes().to_vec(), Sender(context)))
}

/// Decapsulates: the context to export from and open with.
pub fn setup_receiver(key: &PrivateKey, enc: &[u8], info: &[u8]) -> Result<Receiver, HpkeError> {
    check_info(info)?;
    let enc = <XWing as Kem>::EncappedKey::from_bytes(enc).map_err(|_| HpkeError::Encapsulation)?;
    hpke::setup_receiver::<_, _, XWing>(&OpModeR::Base, &key.0, &enc, info)
        .map(Receiver)
        .map_err(|_| HpkeError::Encapsulation)
}

impl Sender {
    /// 32 bytes for another purpose, bound to this encapsulation and `info` (RFC 9180 section 5.3).
    pub fn export(&self, context: &[u8]) -> Secret32 {
        Secret32::filled(|bytes| {
            self.0
                .export(context, bytes)
                .expect("32 bytes are below the limit of HKDF")
        })
    }

    /// Seals the one message of this context.
    pub fn seal(mut self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, HpkeError> {
        self.0.seal(plaintext, aad).map_err(|_| HpkeError::Seal)
    }
}

impl Receiver {
    /// The same 32 bytes that [`Sender::export`] gives, before or without opening.
    pub fn export(&self, context: &[u8]) -> Secret32 {
        Secret32::filled(|bytes| {
            self.0
                .export(context, bytes)
                .expect("32 bytes are below the limit of HKDF")
        })
    }

    /// Opens the one message of this context.
    pub fn open(mut self, aad: &[u8], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
        self.0
            .open(ciphertext, aad)
            .map(Zeroizing::new)
            .map_err(|_| HpkeError::Open)
    }
}

fn check_info(info: &[u8]) -> Result<(), HpkeError> {
    if info.len() > MAX_INFO_LEN {
        Err(HpkeError::InfoTooLong)
    } else {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// Gives fixed bytes, so that published encapsulations can be made again.
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

    struct Case {
        seed: Secret32,
        randomness: Vec<u8>,
        shared_secret: Vec<u8>,
        public_key: Vec<u8>,
        enc: Vec<u8>,
    }

    fn published_cases() -> Vec<Case> {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/xwing-kem.json")).unwrap();
        let bytes = |case: &serde_json::Value, name: &str| {
            hex::decode(case[name].as_str().unwrap()).unwrap()
        };
        let read = |case: &serde_json::Value| Case {
            seed: Secret32::from_slice(&bytes(case, "seed")).unwrap(),
            randomness: bytes(case, "eseed"),
            shared_secret: bytes(case, "ss"),
            public_key: bytes(case, "pk"),
            enc: bytes(case, "ct"),
        };
        file["cases"].as_array().unwrap().iter().map(read).collect()
    }

    /// RFC 9180 sections 4 and 5.1, written out: what the context must be for a shared secret.
    struct KeySchedule {
        key: Secret32,
        nonce: [u8; 12],
        exporter: Secret32,
    }

    const SUITE_ID: &[u8] = b"HPKE\x64\x7a\x00\x01\x00\x02";

    fn labeled_extract(salt: &[u8], label: &[u8], ikm: &[u8]) -> Vec<u8> {
        let (prk, _) = hkdf::Hkdf::<sha2::Sha256>::extract(
            Some(salt),
            &[b"HPKE-v1", SUITE_ID, label, ikm].concat(),
        );
        prk.to_vec()
    }

    fn labeled_expand(prk: &[u8], label: &[u8], info: &[u8], output: &mut [u8]) {
        let length = u16::try_from(output.len()).unwrap().to_be_bytes();
        let info = [&length[..], b"HPKE-v1", SUITE_ID, label, info].concat();
        hkdf::Hkdf::<sha2::Sha256>::from_prk(prk)
            .unwrap()
            .expand(&info, output)
            .unwrap();
    }

    fn key_schedule(shared_secret: &[u8], info: &[u8]) -> KeySchedule {
        let id_hash = labeled_extract(b"", b"psk_id_hash", b"");
        let info_hash = labeled_extract(b"", b"info_hash", info);
        let context = [&[0][..], &id_hash, &info_hash].concat();
        let secret = labeled_extract(shared_secret, b"secret", b"");
        let mut nonce = [0; 12];
        labeled_expand(&secret, b"base_nonce", &context, &mut nonce);
        KeySchedule {
            key: Secret32::filled(|key| labeled_expand(&secret, b"key", &context, key)),
            nonce,
            exporter: Secret32::filled(|bytes| labeled_expand(&secret, b"exp", &context, bytes)),
        }
    }

    #[test]
    fn the_published_kem_vectors_and_the_written_key_schedule_agree() {
        let cases = published_cases();
        assert_eq!(cases.len(), 3);
        for case in cases {
            let key = PrivateKey::from_seed(&case.seed);
            assert_eq!(key.public().as_slice(), case.public_key);
            let (enc, sender) =
                setup_sender_with(&case.public_key, b"info", &mut Fixed(case.randomness)).unwrap();
            assert_eq!(enc, case.enc);

            let schedule = key_schedule(&case.shared_secret, b"info");
            let receiver = setup_receiver(&key, &enc, b"info").unwrap();
            let mut exported = [0; 32];
            labeled_expand(schedule.exporter.expose(), b"sec", b"ctx", &mut exported);
            assert!(sender.export(b"ctx").ct_eq(&exported));
            assert!(receiver.export(b"ctx").ct_eq(&exported));

            let sealed = sender.seal(b"aad", b"plaintext").unwrap();
            let expected =
                super::super::gcm::seal(&schedule.key, &schedule.nonce, b"aad", b"plaintext")
                    .unwrap();
            assert_eq!(sealed, expected);
            assert_eq!(
                receiver.open(b"aad", &sealed).unwrap().as_slice(),
                b"plaintext"
            );
        }
    }

    #[test]
    fn a_seed_reads_back_as_the_same_key() {
        let key = PrivateKey::generate();
        let again = PrivateKey::from_seed(&key.to_seed());
        assert_eq!(key.public(), again.public());
        assert_ne!(key.public(), PrivateKey::generate().public());
    }

    #[test]
    fn t48_every_defect_gives_the_one_opening_error() {
        let key = PrivateKey::generate();
        let (enc, sender) = setup_sender(&key.public(), b"info").unwrap();
        let commitment = sender.export(b"commitment");
        let sealed = sender.seal(b"aad", b"plaintext").unwrap();
        let open = |key: &PrivateKey, enc: &[u8], info: &[u8], aad: &[u8], sealed: &[u8]| {
            let receiver = setup_receiver(key, enc, info).unwrap();
            let committed = commitment.ct_eq(receiver.export(b"commitment").expose());
            (
                committed,
                receiver.open(aad, sealed).map(|text| text.to_vec()),
            )
        };
        assert_eq!(
            open(&key, &enc, b"info", b"aad", &sealed),
            (true, Ok(b"plaintext".to_vec()))
        );

        let flipped = |bytes: &[u8], at: usize| {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            changed
        };
        let refused = Err(HpkeError::Open);
        for at in [0, 1087, 1088, 1118] {
            assert_eq!(
                open(&key, &flipped(&enc, at), b"info", b"aad", &sealed),
                (false, refused.clone())
            );
        }
        assert_eq!(
            open(&key, &enc, b"infO", b"aad", &sealed),
            (false, refused.clone())
        );
        assert_eq!(
            open(&PrivateKey::generate(), &enc, b"info", b"aad", &sealed),
            (false, refused.clone())
        );
        assert_eq!(
            open(&key, &enc, b"info", b"aaD", &sealed),
            (true, refused.clone())
        );
        assert_eq!(
            open(&key, &enc, b"info", b"aad", &flipped(&sealed, 0)),
            (true, refused.clone())
        );
        assert_eq!(
            open(&key, &enc, b"info", b"aad", &sealed[..15]),
            (true, refused)
        );
    }

    #[test]
    fn malformed_keys_and_encapsulations_are_refused() {
        let key = PrivateKey::generate();
        let public = key.public();
        assert_eq!(
            setup_sender(&public[1..], b"").err(),
            Some(HpkeError::PublicKey)
        );
        assert_eq!(setup_sender(&[], b"").err(), Some(HpkeError::PublicKey));
        // A coefficient of 4095 is not below the ML-KEM modulus 3329.
        let mut out_of_range = public;
        out_of_range[..2].fill(0xff);
        assert_eq!(
            setup_sender(&out_of_range, b"").err(),
            Some(HpkeError::PublicKey)
        );
        let (enc, _) = setup_sender(&public, b"").unwrap();
        assert_eq!(
            setup_receiver(&key, &enc[1..], b"").err(),
            Some(HpkeError::Encapsulation)
        );
        let long = vec![0; MAX_INFO_LEN + 1];
        assert_eq!(
            setup_sender(&public, &long).err(),
            Some(HpkeError::InfoTooLong)
        );
        assert_eq!(
            setup_receiver(&key, &enc, &long).err(),
            Some(HpkeError::InfoTooLong)
        );
    }
}
