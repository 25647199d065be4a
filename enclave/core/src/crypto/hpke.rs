//! HPKE (RFC 9180), base mode, one message, with X-Wing (KEM 0x647a of draft-ietf-hpke-pq), HKDF-SHA256 (0x0001) and
//! AES-256-GCM (0x0002).
//!
//! A secret can be exported before the message is sealed or opened: layers compare a commitment made of one first
//! (T-50). Both ends are consumed by their one message, so sequence number 0 is the only one there is.

use super::secret::{Plaintext, Secret32};
use super::xwing::{self, ENC, PUBLIC, PrivateKey};
use super::{Failed, gcm, kdf};

/// "HPKE", KEM, KDF, AEAD.
const SUITE: [u8; 10] = *b"HPKE\x64\x7a\x00\x01\x00\x02";
const VERSION: &[u8] = b"HPKE-v1";
const MODE_BASE: u8 = 0;

/// The sealing end.
pub(crate) struct Sender(Schedule);

/// The opening end.
pub(crate) struct Receiver(Schedule);

/// Starts a message to `public`. The first part of the answer goes beside the ciphertext.
pub(crate) fn setup_sender(
    public: &[u8; PUBLIC],
    info: &[u8],
) -> Result<([u8; ENC], Sender), Failed> {
    let (enc, secret) = xwing::encapsulate(public)?;
    Ok((enc, Sender(Schedule::derive(SUITE, &secret, info))))
}

/// Starts to receive the message that came with `enc`.
pub(crate) fn setup_receiver(
    private: &PrivateKey,
    enc: &[u8; ENC],
    info: &[u8],
) -> Result<Receiver, Failed> {
    Ok(Receiver(Schedule::derive(
        SUITE,
        &private.decapsulate(enc)?,
        info,
    )))
}

impl Sender {
    /// A secret that only the two ends know. The enclave itself seals nothing that carries a commitment.
    #[cfg(test)]
    pub(crate) fn export(&self, context: &[u8]) -> Secret32 {
        self.0.export(context)
    }

    /// Seals the one message.
    pub(crate) fn seal(self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Failed> {
        gcm::Key::new(self.0.key.expose())?.seal(self.0.base_nonce, aad, &[], plaintext)
    }
}

impl Receiver {
    /// A secret that only the two ends know.
    pub(crate) fn export(&self, context: &[u8]) -> Secret32 {
        self.0.export(context)
    }

    /// Opens the one message.
    pub(crate) fn open(self, aad: &[u8], sealed: &[u8]) -> Result<Plaintext, Failed> {
        gcm::Key::new(self.0.key.expose())?.open(self.0.base_nonce, aad, sealed)
    }
}

/// What RFC 9180 section 5.1 derives from the shared secret.
struct Schedule {
    suite: [u8; 10],
    key: Secret32,
    base_nonce: [u8; gcm::NONCE],
    exporter: Secret32,
}

impl Schedule {
    fn derive(suite: [u8; 10], shared: &Secret32, info: &[u8]) -> Self {
        let psk_id_hash = labeled_extract(&suite, &[], b"psk_id_hash", &[]);
        let info_hash = labeled_extract(&suite, &[], b"info_hash", info);
        let context = [&[MODE_BASE][..], psk_id_hash.expose(), info_hash.expose()].concat();
        let secret = labeled_extract(&suite, shared.expose(), b"secret", &[]);
        let mut base_nonce = [0; gcm::NONCE];
        labeled_expand(&suite, &secret, b"base_nonce", &context, &mut base_nonce);
        Self {
            key: labeled_secret(&suite, &secret, b"key", &context),
            base_nonce,
            exporter: labeled_secret(&suite, &secret, b"exp", &context),
            suite,
        }
    }

    fn export(&self, context: &[u8]) -> Secret32 {
        labeled_secret(&self.suite, &self.exporter, b"sec", context)
    }
}

fn labeled_extract(suite: &[u8; 10], salt: &[u8], label: &[u8], ikm: &[u8]) -> Secret32 {
    // In base mode there is no secret among these; the shared secret is the salt.
    kdf::extract(salt, &[VERSION, suite, label, ikm].concat())
}

fn labeled_secret(suite: &[u8; 10], prk: &Secret32, label: &[u8], info: &[u8]) -> Secret32 {
    kdf::expand_secret(prk, &[&32u16.to_be_bytes(), VERSION, suite, label, info])
}

fn labeled_expand(
    suite: &[u8; 10],
    prk: &Secret32,
    label: &[u8],
    info: &[u8],
    out: &mut [u8; gcm::NONCE],
) {
    kdf::expand(
        prk,
        &[
            &(gcm::NONCE as u16).to_be_bytes(),
            VERSION,
            suite,
            label,
            info,
        ],
        out,
    );
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use ::hpke::aead::AesGcm256;
    use ::hpke::kdf::HkdfSha256;
    use ::hpke::kem::XWing;
    use ::hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};

    const INFO: &[u8] = b"info";

    #[test]
    fn what_the_second_implementation_seals_we_open() {
        let key = PrivateKey::generate().unwrap();
        let public = <XWing as Kem>::PublicKey::from_bytes(key.public()).unwrap();
        let (enc, mut theirs) =
            ::hpke::setup_sender::<AesGcm256, HkdfSha256, XWing>(&OpModeS::Base, &public, INFO)
                .unwrap();
        let mut exported = [0; 32];
        theirs.export(b"commitment", &mut exported).unwrap();
        let sealed = theirs.seal(b"plaintext", b"aad").unwrap();

        let enc: [u8; ENC] = enc.to_bytes()[..].try_into().unwrap();
        let ours = setup_receiver(&key, &enc, INFO).unwrap();
        assert_eq!(ours.export(b"commitment").expose(), &exported);
        assert_ne!(ours.export(b"another").expose(), &exported);
        assert_eq!(ours.open(b"aad", &sealed).unwrap().expose(), b"plaintext");

        assert!(
            setup_receiver(&key, &enc, b"infO")
                .unwrap()
                .open(b"aad", &sealed)
                .is_err()
        );
        assert!(
            setup_receiver(&key, &enc, INFO)
                .unwrap()
                .open(b"aaD", &sealed)
                .is_err()
        );
        assert!(
            setup_receiver(&key, &enc, INFO)
                .unwrap()
                .open(b"aad", &sealed[1..])
                .is_err()
        );
        let other = PrivateKey::generate().unwrap();
        assert!(
            setup_receiver(&other, &enc, INFO)
                .unwrap()
                .open(b"aad", &sealed)
                .is_err()
        );
    }

    #[test]
    fn what_we_seal_the_second_implementation_opens() {
        let private = <XWing as Kem>::PrivateKey::from_bytes(&[6; 32]).unwrap();
        let public: [u8; PUBLIC] = <XWing as Kem>::sk_to_pk(&private).to_bytes()[..]
            .try_into()
            .unwrap();
        let (enc, ours) = setup_sender(&public, INFO).unwrap();
        let exported = ours.export(b"commitment");
        let sealed = ours.seal(b"aad", b"plaintext").unwrap();

        let enc = <XWing as Kem>::EncappedKey::from_bytes(&enc).unwrap();
        let mut theirs = ::hpke::setup_receiver::<AesGcm256, HkdfSha256, XWing>(
            &OpModeR::Base,
            &private,
            &enc,
            INFO,
        )
        .unwrap();
        let mut their_export = [0; 32];
        theirs.export(b"commitment", &mut their_export).unwrap();
        assert_eq!(exported.expose(), &their_export);
        assert_eq!(theirs.open(&sealed, b"aad").unwrap(), b"plaintext");
    }

    // Data: draft-ietf-hpke-pq test vectors (KEM 0x647a, KDF 0x0001, AEAD 0x0003), as in rust-hpke's
    // test-vectors/pq-53273fb.json (MIT OR Apache-2.0). There is none for our AEAD; its id enters through the suite.
    #[test]
    fn the_key_schedule_of_draft_ietf_hpke_pq_is_met() {
        let secret = |text: &str| Secret32::from_slice(&hex::decode(text).unwrap()).unwrap();
        let private = secret("3ec47fa82dd5689d27c6190e724c74ec8f608df3331ce331929e37b829676630");
        let randomness: [u8; 64] = hex::decode(
            "2a1c0a3745fe8a48fb62034d300f54dfe1974a5b2e169e580a8789cb1cf5fd190fc00f3fd899594e01a8b15334b9f3fa03d8de44da86e19f5776850fb689e6c8",
        )
        .unwrap()
        .try_into()
        .unwrap();
        let info = hex::decode(
            "34663634363532303666366532303631323034373732363536333639363136653230353537323665",
        )
        .unwrap();

        let key = PrivateKey::from_seed(private.expose());
        let recipient = x_wing::DecapsulationKey::from(*private.expose());
        let (enc, _) = x_wing::kem::Decapsulator::encapsulation_key(&recipient)
            .encapsulate_deterministic(&randomness.into());
        assert!(
            hex::encode(&enc[..]).starts_with("26759c7b22923ea5cc9c78e3e14c8fc62dcb0a66ce444609")
        );
        assert!(hex::encode(&enc[..]).ends_with("47d34d1a3cbafe42c73f57d0e"));

        let shared = key.decapsulate(&enc[..].try_into().unwrap()).unwrap();
        assert_eq!(
            hex::encode(shared.expose()),
            "58200ed1f137bd95a921bb47f6aaecf2395b26f7fd24efd3a5ffae4849e8dea3"
        );
        let schedule = Schedule::derive(*b"HPKE\x64\x7a\x00\x01\x00\x03", &shared, &info);
        assert_eq!(
            [
                hex::encode(schedule.key.expose()),
                hex::encode(schedule.base_nonce),
                hex::encode(schedule.exporter.expose()),
                hex::encode(schedule.export(b"pseudorandom0").expose()),
                hex::encode(schedule.export(b"pseudorandom4").expose()),
            ],
            [
                "131c2ebb469b909a40915914afd7ff5e638888ac7195dcaaaef8f9a84f0e4030",
                "2b7a68f19e6cdbd43dda3c6d",
                "c5362ef3c0008d0e573000c5c25a3f62a3bc7061cd41a384c86c27b37d945bbb",
                "5a78d37f40e078c17ef43fa40963f1ff7dcdee56e366da9099dc181c3eccaee5",
                "f77f100943595e59526fb9753401e57b86630f97ad99e6e9d73c8c272a4ad2f0",
            ]
        );
    }
}
