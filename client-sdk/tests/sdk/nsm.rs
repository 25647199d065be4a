//! An NSM of its own root, right in everything; what it is asked to say is the test's business.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use cofferdam_wire::binding::Measurement;
use minicbor::Encoder;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384,
};
use time::{Duration, OffsetDateTime};

const PROTECTED_ES384: [u8; 4] = [0xa1, 0x01, 0x38, 0x22];

pub(crate) struct Nsm {
    root: Vec<u8>,
    leaf: Vec<u8>,
    key: EcdsaKeyPair,
}

/// What one document says.
#[derive(Clone)]
pub(crate) struct Says<'a> {
    pub(crate) at_s: u64,
    pub(crate) measurement: Measurement,
    /// Registers beside those of the measurement, ascending.
    pub(crate) further: &'a [(u8, [u8; 48])],
    pub(crate) nonce: Option<&'a [u8]>,
    pub(crate) user_data: Option<&'a [u8]>,
    pub(crate) public_key: Option<&'a [u8]>,
}

impl Nsm {
    pub(crate) fn new(around_s: u64) -> Nsm {
        Nsm::with_leaf(around_s, DnType::CommonName)
    }

    /// With this attribute in the subject of the leaf.
    pub(crate) fn with_leaf(around_s: u64, attribute: DnType) -> Nsm {
        let around = OffsetDateTime::from_unix_timestamp(around_s as i64).unwrap();
        let params = |attribute: DnType, name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name = Default::default();
            params.distinguished_name.push(attribute, name);
            params.not_before = around - Duration::days(400);
            params.not_after = around + Duration::days(400);
            params
        };
        let root_key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let mut root = params(DnType::CommonName, "root");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let mut leaf = params(attribute, "enclave");
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let leaf = leaf
            .signed_by(&leaf_key, &Issuer::from_params(&root, &root_key))
            .unwrap()
            .der()
            .to_vec();
        let root = root.self_signed(&root_key).unwrap().der().to_vec();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, leaf_key.serialized_der())
                .unwrap();
        Nsm { root, leaf, key }
    }

    pub(crate) fn root_der(&self) -> &[u8] {
        &self.root
    }

    pub(crate) fn attest(&self, says: &Says<'_>) -> Vec<u8> {
        let payload = self.payload(says);
        let mut structure = Encoder::new(Vec::new());
        let s = structure.array(4).unwrap().str("Signature1").unwrap();
        s.bytes(&PROTECTED_ES384)
            .unwrap()
            .bytes(b"")
            .unwrap()
            .bytes(&payload)
            .unwrap();
        let signature = self
            .key
            .sign(&SystemRandom::new(), structure.writer())
            .unwrap();
        let mut document = Encoder::new(Vec::new());
        let d = document
            .array(4)
            .unwrap()
            .bytes(&PROTECTED_ES384)
            .unwrap()
            .map(0)
            .unwrap();
        d.bytes(&payload)
            .unwrap()
            .bytes(signature.as_ref())
            .unwrap();
        document.into_writer()
    }

    fn payload(&self, says: &Says<'_>) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        let optional = [
            ("public_key", says.public_key),
            ("user_data", says.user_data),
            ("nonce", says.nonce),
        ];
        let present = optional.iter().filter(|(_, value)| value.is_some()).count();
        encoder.map(6 + present as u64).unwrap();
        encoder
            .str("module_id")
            .unwrap()
            .str("i-0123456789abcdef0-enc0123456789abcdef")
            .unwrap();
        encoder.str("digest").unwrap().str("SHA384").unwrap();
        encoder
            .str("timestamp")
            .unwrap()
            .u64(says.at_s * 1000)
            .unwrap();
        let pcrs = [
            (0, says.measurement.pcr0),
            (1, says.measurement.pcr1),
            (2, says.measurement.pcr2),
        ];
        let count = (pcrs.len() + says.further.len()) as u64;
        encoder.str("pcrs").unwrap().map(count).unwrap();
        for (index, pcr) in pcrs.iter().chain(says.further) {
            encoder.u8(*index).unwrap().bytes(pcr).unwrap();
        }
        encoder
            .str("certificate")
            .unwrap()
            .bytes(&self.leaf)
            .unwrap();
        encoder
            .str("cabundle")
            .unwrap()
            .array(1)
            .unwrap()
            .bytes(&self.root)
            .unwrap();
        for (name, value) in optional {
            if let Some(value) = value {
                encoder.str(name).unwrap().bytes(value).unwrap();
            }
        }
        encoder.into_writer()
    }
}
