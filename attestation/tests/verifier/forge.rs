//! Makes attestation documents that are right in all respects but those a test changes.
//!
//! A [`Forge`] holds the plan of a document: a list of certificates still to be issued, the
//! payload's fields as encoded CBOR, the parts of the envelope. `document` signs what it finds.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
};
use cofferdam_attestation::{Evidence, EvidenceError, Expected, Root, verify};
use minicbor::Encoder;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384,
};
use time::{Duration, OffsetDateTime};

/// The clock of all tests on forged documents.
pub(crate) const NOW_S: u64 = 1_800_000_000;
pub(crate) const NONCE: &[u8] = b"a nonce of the caller's";
pub(crate) const USER_DATA: &[u8] = b"what the enclave binds";
pub(crate) const PUBLIC_KEY: &[u8] = b"the enclave's key";
pub(crate) const PROTECTED_ES384: &[u8] = &[0xa1, 0x01, 0x38, 0x22];

/// A certificate to be.
pub(crate) struct Plan {
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
}

impl Plan {
    fn new(name: &str, from_s: i64, to_s: i64) -> Plan {
        let now = at(NOW_S as i64);
        let mut params = CertificateParams::default();
        params.distinguished_name = named(name);
        params.not_before = now + Duration::seconds(from_s);
        params.not_after = now + Duration::seconds(to_s);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        Plan { params, key }
    }

    /// A CA, valid from an hour ago for a day.
    pub(crate) fn authority(name: &str) -> Plan {
        let mut plan = Plan::new(name, -3600, 86_400);
        plan.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        plan.params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        plan
    }

    /// A leaf, valid from a minute ago for three hours.
    fn leaf() -> Plan {
        let mut plan = Plan::new("enclave", -60, 3 * 3600 - 60);
        plan.params.is_ca = IsCa::ExplicitNoCa;
        plan.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        plan
    }
}

pub(crate) fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

pub(crate) fn at(unix_s: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(unix_s).unwrap()
}

pub(crate) struct Forge {
    /// The root first, the leaf last; each is issued by the one before.
    pub(crate) plans: Vec<Plan>,
    /// Certificates for the document instead of the planned ones: root, CAs, leaf.
    pub(crate) certificates: Option<Vec<Vec<u8>>>,
    /// Keys and their encoded values, in the order of writing.
    pub(crate) fields: Vec<(&'static str, Vec<u8>)>,
    pub(crate) indefinite: bool,
    pub(crate) protected: Vec<u8>,
    pub(crate) unprotected: Vec<u8>,
}

impl Forge {
    pub(crate) fn new() -> Forge {
        let plans = vec![
            Plan::authority("root"),
            Plan::authority("region"),
            Plan::authority("instance"),
            Plan::leaf(),
        ];
        let fields = vec![
            ("module_id", text("i-0123456789abcdef0-enc0123456789abcdef")),
            ("digest", text("SHA384")),
            ("timestamp", uint(NOW_S * 1000 + 250)),
            ("pcrs", pcrs(&standard_pcrs())),
            ("public_key", bytes(PUBLIC_KEY)),
            ("user_data", bytes(USER_DATA)),
            ("nonce", bytes(NONCE)),
        ];
        Forge {
            plans,
            certificates: None,
            fields,
            indefinite: false,
            protected: PROTECTED_ES384.to_vec(),
            unprotected: vec![0xa0],
        }
    }

    /// Replaces a field, or adds it.
    pub(crate) fn set(&mut self, key: &'static str, value: Vec<u8>) -> &mut Forge {
        match self.fields.iter_mut().find(|(name, _)| *name == key) {
            Some(field) => field.1 = value,
            None => self.fields.push((key, value)),
        }
        self
    }

    /// Issues the planned certificates: the root first, the leaf last.
    pub(crate) fn issue(&self) -> Vec<Vec<u8>> {
        let mut issued = Vec::new();
        let mut issuer = &self.plans[0];
        for plan in &self.plans {
            let by = Issuer::from_params(&issuer.params, &issuer.key);
            let certificate = plan.params.signed_by(&plan.key, &by).unwrap();
            issued.push(certificate.der().to_vec());
            issuer = plan;
        }
        issued
    }

    /// The document, and the root to pin for it.
    pub(crate) fn document(&self) -> (Vec<u8>, Root) {
        let (payload, root) = self.payload();
        (self.signed(&payload), root)
    }

    /// The payload alone, and the root to pin.
    pub(crate) fn payload(&self) -> (Vec<u8>, Root) {
        let issued = self.issue();
        let shown = self.certificates.as_ref().unwrap_or(&issued);
        let (leaf, bundle) = shown.split_last().unwrap();
        let mut fields = self.fields.clone();
        let planned = [("certificate", bytes(leaf)), ("cabundle", cabundle(bundle))];
        for (key, value) in planned {
            if !fields.iter().any(|(name, _)| *name == key) {
                fields.push((key, value));
            }
        }
        let payload = payload(&fields, self.indefinite);
        (payload, Root::from_der(&issued[0]).unwrap())
    }

    /// An envelope around any payload, signed by the planned leaf.
    pub(crate) fn signed(&self, payload: &[u8]) -> Vec<u8> {
        self.enveloped(payload, &self.signature(payload))
    }

    pub(crate) fn signature(&self, payload: &[u8]) -> Vec<u8> {
        let key = &self.plans.last().unwrap().key;
        sign(key, &sig_structure(&self.protected, b"", payload))
    }

    pub(crate) fn enveloped(&self, payload: &[u8], signature: &[u8]) -> Vec<u8> {
        let mut document = vec![0x84];
        document.extend(bytes(&self.protected));
        document.extend(&self.unprotected);
        document.extend(bytes(payload));
        document.extend(bytes(signature));
        document
    }

    /// Verifies the document under its root at [`NOW_S`], expecting all that it should say.
    pub(crate) fn judge(&self) -> Result<Evidence, EvidenceError> {
        self.judge_at(NOW_S)
    }

    pub(crate) fn judge_at(&self, at_unix_s: u64) -> Result<Evidence, EvidenceError> {
        let (document, root) = self.document();
        verify(&document, &root, at_unix_s, &expected())
    }

    pub(crate) fn refused(&self) -> EvidenceError {
        self.judge().unwrap_err()
    }
}

/// What the standard document says, expected.
pub(crate) fn expected() -> Expected<'static> {
    const PCRS: &[(u8, [u8; 48])] = &[(0, [0xa0; 48]), (1, [0xa1; 48]), (2, [0xa2; 48])];
    Expected {
        nonce: Some(NONCE),
        user_data: Some(USER_DATA),
        public_key: Some(PUBLIC_KEY),
        pcrs: PCRS,
        ..Expected::default()
    }
}

/// PCR0 to PCR15 as a freshly booted enclave has them.
pub(crate) fn standard_pcrs() -> Vec<(u64, Vec<u8>)> {
    let value = |index| match index {
        0..=2 => vec![0xa0 + index as u8; 48],
        _ => vec![0; 48],
    };
    (0..16).map(|index| (index, value(index))).collect()
}

pub(crate) fn sig_structure(protected: &[u8], external: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut signed = vec![0x84];
    signed.extend(text("Signature1"));
    signed.extend(bytes(protected));
    signed.extend(bytes(external));
    signed.extend(bytes(payload));
    signed
}

pub(crate) fn sign(key: &KeyPair, message: &[u8]) -> Vec<u8> {
    let key =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, key.serialized_der()).unwrap();
    let signature = key.sign(&SystemRandom::new(), message).unwrap();
    signature.as_ref().to_vec()
}

/// A certificate whose signed part was changed, signed again. Its lengths are in two bytes, as all of ours.
pub(crate) fn resigned(
    certificate: &[u8],
    issuer: &KeyPair,
    change: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let long = |bytes: &[u8]| {
        assert_eq!(bytes[..2], [0x30, 0x82]);
        4 + usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))
    };
    assert_eq!(long(certificate), certificate.len());
    let (tbs, rest) = certificate[4..].split_at(long(&certificate[4..]));
    let algorithm = &rest[..2 + usize::from(rest[1])];
    let mut tbs = tbs.to_vec();
    change(&mut tbs);
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, issuer.serialized_der());
    let signature = key.unwrap().sign(&SystemRandom::new(), &tbs).unwrap();
    let signature = signature.as_ref();
    let bits = [&[0x03, signature.len() as u8 + 1, 0], signature].concat();
    let content = [&tbs[..], algorithm, &bits].concat();
    let length = (content.len() as u16).to_be_bytes();
    [&[0x30, 0x82, length[0], length[1]], &content[..]].concat()
}

pub(crate) fn payload(fields: &[(&str, Vec<u8>)], indefinite: bool) -> Vec<u8> {
    let mut payload = match indefinite {
        true => vec![0xbf],
        false => vec![0xa0 + fields.len() as u8],
    };
    for (key, value) in fields {
        payload.extend(text(key));
        payload.extend(value);
    }
    if indefinite {
        payload.push(0xff);
    }
    payload
}

pub(crate) fn text(value: &str) -> Vec<u8> {
    encoded(|encoder| encoder.str(value).map(drop))
}

pub(crate) fn bytes(value: &[u8]) -> Vec<u8> {
    encoded(|encoder| encoder.bytes(value).map(drop))
}

pub(crate) fn uint(value: u64) -> Vec<u8> {
    encoded(|encoder| encoder.u64(value).map(drop))
}

pub(crate) fn null() -> Vec<u8> {
    vec![0xf6]
}

pub(crate) fn pcrs(values: &[(u64, Vec<u8>)]) -> Vec<u8> {
    encoded(|encoder| {
        encoder.map(values.len() as u64)?;
        for (index, value) in values {
            encoder.u64(*index)?.bytes(value)?;
        }
        Ok(())
    })
}

pub(crate) fn cabundle(certificates: &[Vec<u8>]) -> Vec<u8> {
    encoded(|encoder| {
        encoder.array(certificates.len() as u64)?;
        for certificate in certificates {
            encoder.bytes(certificate)?;
        }
        Ok(())
    })
}

fn encoded(
    write: impl FnOnce(
        &mut Encoder<Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>>,
) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder).unwrap();
    encoder.into_writer()
}
