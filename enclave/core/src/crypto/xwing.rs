//! X-Wing (draft-connolly-cfrg-xwing-kem, also MLKEM768-X25519 of draft-irtf-cfrg-concrete-hybrid-kems): ML-KEM-768
//! and X25519 together, so what is sealed today stays sealed when either falls.
//!
//! Public key and encapsulation are the ML-KEM part followed by the 32 bytes of X25519. The shared secret is
//! SHA3-256(ML-KEM secret || X25519 secret || X25519 part of enc || X25519 public key || label).
//! A parsed private key stays here; it has no way out.

use super::Failed;
use super::secret::Secret32;
use aws_lc_rs::agreement::{self, UnparsedPublicKey, X25519};
use aws_lc_rs::digest::{Context, SHA3_256};
use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey, ML_KEM_768};

const ML_KEM_PUBLIC: usize = 1184;
const ML_KEM_ENC: usize = 1088;
const LABEL: [u8; 6] = *br"\.//^\";

/// Bytes of a public key.
pub(crate) const PUBLIC: usize = ML_KEM_PUBLIC + 32;
/// Bytes of an encapsulation.
pub(crate) const ENC: usize = ML_KEM_ENC + 32;

/// A private key, parsed once.
pub(crate) struct PrivateKey {
    ml_kem: DecapsulationKey,
    x25519: agreement::PrivateKey,
    public: Box<[u8; PUBLIC]>,
}

impl PrivateKey {
    /// Makes a key from the library's generator.
    pub(crate) fn generate() -> Result<Self, Failed> {
        let ml_kem = DecapsulationKey::generate(&ML_KEM_768)?;
        let ml_kem_public = ml_kem.encapsulation_key()?.key_bytes()?;
        Self::from_parts(
            ml_kem,
            ml_kem_public.as_ref(),
            agreement::PrivateKey::generate(&X25519)?,
        )
    }

    fn from_parts(
        ml_kem: DecapsulationKey,
        ml_kem_public: &[u8],
        x25519: agreement::PrivateKey,
    ) -> Result<Self, Failed> {
        let x25519_public = x25519.compute_public_key()?;
        let public = [ml_kem_public, x25519_public.as_ref()]
            .concat()
            .into_boxed_slice();
        Ok(Self {
            ml_kem,
            x25519,
            public: public.try_into().map_err(|_| Failed)?,
        })
    }

    /// The public key.
    pub(crate) fn public(&self) -> &[u8; PUBLIC] {
        &self.public
    }

    /// The secret that an encapsulation carries. Bytes made up by somebody give a secret that nobody knows (implicit
    /// rejection), or a failure if the X25519 part is a point of small order.
    pub(crate) fn decapsulate(&self, enc: &[u8; ENC]) -> Result<Secret32, Failed> {
        let (ml_kem_enc, x25519_enc) = enc.split_at(ML_KEM_ENC);
        let (_, x25519_public) = self.public.split_at(ML_KEM_PUBLIC);
        let ml_kem_secret = self.ml_kem.decapsulate(ml_kem_enc.into())?;
        agreement::agree(
            &self.x25519,
            UnparsedPublicKey::new(&X25519, x25519_enc),
            Failed,
            |x25519_secret| {
                Ok(combine(
                    ml_kem_secret.as_ref(),
                    x25519_secret,
                    x25519_enc,
                    x25519_public,
                ))
            },
        )
    }
}

/// Makes a fresh secret and its encapsulation to a public key.
pub(crate) fn encapsulate(public: &[u8; PUBLIC]) -> Result<([u8; ENC], Secret32), Failed> {
    let (ml_kem_public, x25519_public) = public.split_at(ML_KEM_PUBLIC);
    let (ml_kem_enc, ml_kem_secret) =
        EncapsulationKey::new(&ML_KEM_768, ml_kem_public)?.encapsulate()?;
    let ephemeral = agreement::PrivateKey::generate(&X25519)?;
    let x25519_enc = ephemeral.compute_public_key()?;
    let secret = agreement::agree(
        &ephemeral,
        UnparsedPublicKey::new(&X25519, x25519_public),
        Failed,
        |secret| {
            Ok(combine(
                ml_kem_secret.as_ref(),
                secret,
                x25519_enc.as_ref(),
                x25519_public,
            ))
        },
    )?;
    let enc = [ml_kem_enc.as_ref(), x25519_enc.as_ref()].concat();
    Ok((enc.try_into().map_err(|_| Failed)?, secret))
}

fn combine(
    ml_kem_secret: &[u8],
    x25519_secret: &[u8],
    x25519_enc: &[u8],
    x25519_public: &[u8],
) -> Secret32 {
    let mut hash = Context::new(&SHA3_256);
    for part in [
        ml_kem_secret,
        x25519_secret,
        x25519_enc,
        x25519_public,
        &LABEL,
    ] {
        hash.update(part);
    }
    Secret32::from_slice(hash.finish().as_ref()).expect("invariant: SHA3-256 gives 32 bytes")
}

#[cfg(test)]
#[allow(
    deprecated,
    reason = "AWS-LC takes expanded ML-KEM keys only, which RustCrypto would rather not write"
)]
impl PrivateKey {
    /// Expands a seed as the draft says, with RustCrypto.
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        use ml_kem::ExpandedKeyEncoding;
        use ml_kem::kem::KeyExport;
        use shake::{ExtendableOutput, Update, XofReader};
        let mut stream = shake::Shake256::default().chain(seed).finalize_xof();
        let (mut ml_kem_seed, mut x25519) = ([0; 64], [0; 32]);
        stream.read(&mut ml_kem_seed);
        stream.read(&mut x25519);
        let expanded = ml_kem::DecapsulationKey::<ml_kem::MlKem768>::from_seed(ml_kem_seed.into());
        let ml_kem =
            DecapsulationKey::new(&ML_KEM_768, &expanded.to_expanded_bytes()).expect("a valid key");
        let x25519 =
            agreement::PrivateKey::from_private_key(&X25519, &x25519).expect("a valid key");
        Self::from_parts(ml_kem, &expanded.encapsulation_key().to_bytes(), x25519)
            .expect("a valid key")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use x_wing::kem::{Decapsulate, Decapsulator, KeyExport, TryKeyInit};

    // Data: draft-connolly-cfrg-xwing-kem-06 appendix C, as in the x-wing crate (Apache-2.0 OR MIT).
    // Public keys and encapsulations are compared by what RustCrypto makes from the same seeds.
    const VECTORS: [[&str; 3]; 3] = [
        [
            "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26",
            "3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e235b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2",
            "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384",
        ],
        [
            "badfd6dfaac359a5efbb7bcc4b59d538df9a04302e10c8bc1cbf1a0b3a5120ea",
            "17cda7cfad765f5623474d368ccca8af0007cd9f5e4c849f167a580b14aabdefaee7eef47cb0fca9767be1fda69419dfb927e9df07348b196691abaeb580b32d",
            "f2e86241c64d60f6649fbc6c5b7d17180b780a3f34355e64a85749949c45f150",
        ],
        [
            "ef58538b8d23f87732ea63b02b4fa0f4873360e2841928cd60dd4cee8cc0d4c9",
            "22a96188d032675c8ac850933c7aff1533b94c834adbb69c6115bad4692d8619f90b0cdf8a7b9c264029ac185b70b83f2801f2f4b3f70c593ea3aeeb613a7f1b",
            "953f7f4e8c5b5049bdc771d1dffada0dd961477d1a2ae0988baa7ea6898d893f",
        ],
    ];

    #[test]
    fn the_vectors_of_the_draft_are_met() {
        for [seed, randomness, secret] in VECTORS {
            let seed: [u8; 32] = hex::decode(seed).unwrap().try_into().unwrap();
            let randomness: [u8; 64] = hex::decode(randomness).unwrap().try_into().unwrap();
            let ours = PrivateKey::from_seed(&seed);
            let theirs = x_wing::DecapsulationKey::from(seed);
            let public = theirs.encapsulation_key();
            assert_eq!(ours.public()[..], public.to_bytes()[..]);
            let (enc, _) = public.encapsulate_deterministic(&randomness.into());
            let enc: [u8; ENC] = enc[..].try_into().unwrap();
            assert_eq!(
                hex::encode(ours.decapsulate(&enc).unwrap().expose()),
                secret
            );
        }
    }

    #[test]
    fn what_we_encapsulate_the_second_implementation_opens() {
        let theirs = x_wing::DecapsulationKey::from([4; 32]);
        let public: [u8; PUBLIC] = theirs.encapsulation_key().to_bytes()[..]
            .try_into()
            .unwrap();
        let (enc, secret) = encapsulate(&public).unwrap();
        let opened = theirs.decapsulate(&enc[..].try_into().unwrap());
        assert_eq!(secret.expose()[..], opened[..]);
        assert!(x_wing::EncapsulationKey::new(public[..].try_into().unwrap()).is_ok());
    }

    #[test]
    fn every_altered_part_gives_another_secret_or_none() {
        let key = PrivateKey::generate().unwrap();
        let (enc, secret) = encapsulate(key.public()).unwrap();
        assert_eq!(key.decapsulate(&enc).unwrap().expose(), secret.expose());
        for position in [0, 500, ML_KEM_ENC - 1, ML_KEM_ENC, ENC - 2] {
            let mut altered = enc;
            altered[position] ^= 1;
            assert!(
                key.decapsulate(&altered)
                    .is_ok_and(|other| other.expose() != secret.expose()),
                "{position}"
            );
        }
        let mut small_order = enc;
        small_order[ML_KEM_ENC..].fill(0);
        assert!(key.decapsulate(&small_order).is_err());
    }

    #[test]
    fn a_public_key_outside_of_the_field_is_refused() {
        let mut public = *PrivateKey::generate().unwrap().public();
        assert!(encapsulate(&public).is_ok());
        public[..3].fill(0xff); // two coefficients of 4095, the modulus is 3329
        assert!(encapsulate(&public).is_err());
    }
}
