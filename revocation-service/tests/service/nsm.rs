//! Makes attestation documents under a root of its own.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use cofferdam_wire::binding::Measurement;
use cofferdam_wire::cbor;
use minicbor::Encoder;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384,
};
use time::OffsetDateTime;

/// What a document is to say.
pub(crate) struct Claims<'a> {
    pub(crate) measurement: Measurement,
    pub(crate) timestamp_ms: u64,
    pub(crate) user_data: &'a [u8],
    pub(crate) public_key: Option<&'a [u8]>,
    pub(crate) nonce: Option<&'a [u8]>,
}

/// A security module with its root and one leaf.
pub(crate) struct Nsm {
    root: Vec<u8>,
    leaf: Vec<u8>,
    key: EcdsaKeyPair,
}

impl Nsm {
    /// Valid for a day from `from_s` on.
    pub(crate) fn new(from_s: u64) -> Self {
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let params = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.not_before = OffsetDateTime::from_unix_timestamp(from_s as i64).unwrap();
            params.not_after = params.not_before + time::Duration::days(1);
            params
        };
        let (root_key, leaf_key) = (key(), key());
        let mut root = params("root");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let mut leaf = params("enclave");
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let root_der = root.self_signed(&root_key).unwrap().der().to_vec();
        let leaf_der = leaf
            .signed_by(&leaf_key, &Issuer::new(root, root_key))
            .unwrap()
            .der()
            .to_vec();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, leaf_key.serialized_der())
                .unwrap();
        Self {
            root: root_der,
            leaf: leaf_der,
            key,
        }
    }

    /// The root to pin, DER.
    pub(crate) fn root(&self) -> &[u8] {
        &self.root
    }

    /// A signed document.
    pub(crate) fn document(&self, claims: &Claims<'_>) -> Vec<u8> {
        let payload = self.payload(claims);
        let protected = [0xa1, 0x01, 0x38, 0x22];
        let mut signed = Encoder::new(Vec::new());
        signed
            .array(4)
            .unwrap()
            .str("Signature1")
            .unwrap()
            .bytes(&protected)
            .unwrap();
        signed.bytes(&[]).unwrap().bytes(&payload).unwrap();
        let signature = self
            .key
            .sign(&SystemRandom::new(), &signed.into_writer())
            .unwrap();
        let mut document = Encoder::new(Vec::new());
        document
            .array(4)
            .unwrap()
            .bytes(&protected)
            .unwrap()
            .map(0)
            .unwrap();
        document
            .bytes(&payload)
            .unwrap()
            .bytes(signature.as_ref())
            .unwrap();
        document.into_writer()
    }

    fn payload(&self, claims: &Claims<'_>) -> Vec<u8> {
        let mut payload = Encoder::new(Vec::new());
        payload.map(9).unwrap();
        payload
            .str("module_id")
            .unwrap()
            .str("i-0123456789abcdef0-enc0123456789abcdef")
            .unwrap();
        payload.str("digest").unwrap().str("SHA384").unwrap();
        payload
            .str("timestamp")
            .unwrap()
            .u64(claims.timestamp_ms)
            .unwrap();
        let Measurement { pcr0, pcr1, pcr2 } = claims.measurement;
        payload.str("pcrs").unwrap().map(3).unwrap();
        for (index, pcr) in [pcr0, pcr1, pcr2].iter().enumerate() {
            payload.u64(index as u64).unwrap().bytes(pcr).unwrap();
        }
        payload
            .str("certificate")
            .unwrap()
            .bytes(&self.leaf)
            .unwrap();
        payload
            .str("cabundle")
            .unwrap()
            .array(1)
            .unwrap()
            .bytes(&self.root)
            .unwrap();
        for (name, value) in [
            ("public_key", claims.public_key),
            ("user_data", Some(claims.user_data)),
            ("nonce", claims.nonce),
        ] {
            payload.str(name).unwrap();
            match value {
                Some(bytes) => payload.bytes(bytes).unwrap(),
                None => payload.null().unwrap(),
            };
        }
        payload.into_writer()
    }
}

/// The measurement whose PCRs are all made of one byte.
pub(crate) fn image(byte: u8) -> Measurement {
    Measurement {
        pcr0: [byte; 48],
        pcr1: [byte; 48],
        pcr2: [byte; 48],
    }
}

/// An encoding with one byte changed.
pub(crate) fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at] ^= 1;
    changed
}

/// Decodes what this service wrote.
pub(crate) fn decoded<T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()>>(
    bytes: &[u8],
) -> T {
    cbor::decode(bytes, 1 << 20).unwrap()
}
