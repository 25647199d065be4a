//! The pinned root: the one certificate whose word is taken.
//!
//! It comes from the caller's binary, never from a document (T-04).

use std::fmt;
use std::ops::Range;

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::{CertificateDer, TrustAnchor};
use thiserror::Error;

use crate::certificate::Facts;
use crate::document::MAX_CERTIFICATE;
use crate::hex::Hex;

/// SHA-256 of the root certificate of AWS Nitro Enclaves, as Amazon publishes it.
pub const AWS_NITRO_ROOT_SHA256: [u8; 32] = [
    0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef, 0xe4, 0x56, 0x46, 0x31, 0x95, 0xd6, 0x06, 0x31,
    0x7e, 0xd7, 0xcd, 0xcc, 0x3c, 0x17, 0x56, 0xe0, 0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b,
];

const AWS_NITRO_ROOT: &[u8] = include_bytes!("../roots/aws-nitro.der");

/// The root of AWS Nitro Enclaves ("aws.nitro-enclaves", valid until 2049).
pub fn aws_nitro_root() -> Root {
    Root::from_der(AWS_NITRO_ROOT).expect("invariant: the embedded root is a CA certificate")
}

/// A root certificate that the caller trusts.
#[derive(Clone)]
pub struct Root {
    der: Vec<u8>,
    pub(crate) anchor: TrustAnchor<'static>,
    pub(crate) validity: Range<u64>,
}

/// Why bytes are no root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RootError {
    /// Longer than [`MAX_CERTIFICATE`].
    #[error("a root certificate of {got} bytes")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// Not one certificate in DER.
    #[error("not a certificate in DER")]
    Malformed,
    /// Not a CA that may sign certificates.
    #[error("not a CA certificate")]
    NotCa,
}

impl Root {
    /// Takes a certificate as the pin. Its own signature is not checked: the caller's choice is
    /// what makes it a root.
    pub fn from_der(der: &[u8]) -> Result<Root, RootError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(RootError::TooLong { got: der.len() });
        }
        let facts = Facts::read(der).map_err(|_| RootError::Malformed)?;
        if !facts.is_ca || !facts.may_sign_certificates() {
            return Err(RootError::NotCa);
        }
        let certificate = CertificateDer::from(der);
        let anchor =
            webpki::anchor_from_trusted_cert(&certificate).map_err(|_| RootError::Malformed)?;
        Ok(Root {
            der: der.to_vec(),
            anchor: anchor.to_owned(),
            validity: facts.validity,
        })
    }

    /// The certificate.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the certificate.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&self.der)
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Root").field(&Hex(&self.sha256())).finish()
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes)
        .as_ref()
        .try_into()
        .expect("invariant: SHA-256 gives 32 bytes")
}
