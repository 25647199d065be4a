//! The closed list of reasons why a document is not Evidence, one variant a rule.

use thiserror::Error;

/// Which certificate of a document a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Which {
    /// The certificate whose key signs the document.
    Leaf,
    /// The certificate at this place of the cabundle, the claimed root being 0.
    Bundle(u8),
    /// The pinned root itself.
    Root,
}

/// Why a document was refused. The number is the rule's id in the table of the crate's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// ATT-01: empty, or more than [`MAX_DOCUMENT`](crate::MAX_DOCUMENT) bytes.
    #[error("ATT-01: a document of {got} bytes")]
    Size {
        /// Bytes given.
        got: usize,
    },
    /// ATT-02: not an array of byte string, map, byte string, byte string, in its shortest
    /// encoding, with tag 18 or none.
    #[error("ATT-02: not a COSE_Sign1")]
    Envelope,
    /// ATT-03: the protected header is not {1: -35} and nothing else.
    #[error("ATT-03: the algorithm is not ES384")]
    Algorithm,
    /// ATT-04: the unprotected header is not the empty map.
    #[error("ATT-04: an unprotected header")]
    UnprotectedHeader,
    /// ATT-05: bytes after the document or after its payload.
    #[error("ATT-05: trailing bytes")]
    TrailingBytes,
    /// ATT-06: the payload is not one map of the types that Nitro writes.
    #[error("ATT-06: malformed payload")]
    Payload,
    /// ATT-07: a key twice, in the payload or among the PCRs.
    #[error("ATT-07: a key twice")]
    DuplicateKey,
    /// ATT-08: a key that Nitro does not write.
    #[error("ATT-08: an unknown key")]
    UnknownKey,
    /// ATT-09: a mandatory field is not there.
    #[error("ATT-09: no {0}")]
    MissingField(&'static str),
    /// ATT-10: empty, over [`MAX_MODULE_ID`](crate::MAX_MODULE_ID) bytes, or not printable ASCII.
    #[error("ATT-10: bad module_id")]
    ModuleId,
    /// ATT-11: the PCRs are not said to be SHA-384.
    #[error("ATT-11: the digest is not SHA384")]
    Digest,
    /// ATT-12: the time is zero.
    #[error("ATT-12: no time")]
    Timestamp,
    /// ATT-13: no PCR at all, or one with an index over 31.
    #[error("ATT-13: not 1 to 32 PCRs with an index below 32")]
    PcrIndex,
    /// ATT-14: a PCR that is not 48 bytes long.
    #[error("ATT-14: PCR{index} is not 48 bytes long")]
    PcrLength {
        /// The PCR.
        index: u8,
    },
    /// ATT-15: a certificate that is empty or longer than
    /// [`MAX_CERTIFICATE`](crate::MAX_CERTIFICATE).
    #[error("ATT-15: size of certificate {which:?}")]
    CertificateSize {
        /// The certificate.
        which: Which,
    },
    /// ATT-16: a cabundle without a certificate or with more than
    /// [`MAX_CABUNDLE`](crate::MAX_CABUNDLE).
    #[error("ATT-16: number of certificates in the cabundle")]
    BundleCount,
    /// ATT-17: public key, user data or nonce longer than [`MAX_FIELD`](crate::MAX_FIELD).
    #[error("ATT-17: {0} is too long")]
    FieldLength(&'static str),
    /// ATT-18: not a version 3 certificate in DER.
    #[error("ATT-18: malformed certificate")]
    CertificateMalformed,
    /// ATT-19: the certificates do not lead, by name and signature, to the pinned root.
    #[error("ATT-19: untrusted root")]
    UntrustedRoot,
    /// ATT-20: a certificate that is not yet valid at the given clock.
    #[error("ATT-20: a certificate is not yet valid")]
    NotYetValid,
    /// ATT-21: a certificate that has ended at the given clock.
    #[error("ATT-21: a certificate has ended")]
    Ended,
    /// ATT-22: a certificate that is not signed with, or for, ECDSA on P-384 with SHA-384.
    #[error("ATT-22: a certificate under another algorithm")]
    CertificateAlgorithm,
    /// ATT-23: an issuer that is not a CA, or a leaf that is one.
    #[error("ATT-23: basic constraints")]
    BasicConstraints,
    /// ATT-24: more CAs below a CA than it allows.
    #[error("ATT-24: path length")]
    PathLength,
    /// ATT-25: an issuer without keyCertSign, or a leaf without digitalSignature.
    #[error("ATT-25: key usage of certificate {which:?}")]
    KeyUsage {
        /// The certificate.
        which: Which,
    },
    /// ATT-26: an extension that forbids this use, or a critical one that nobody here understands.
    #[error("ATT-26: certificate extension")]
    CertificateExtension,
    /// ATT-27: the cabundle is not exactly the path, from the root downwards, or a name comes twice.
    #[error("ATT-27: the cabundle is not the path in its order")]
    BundleOrder,
    /// ATT-28: the document is not signed by the leaf's key.
    #[error("ATT-28: signature")]
    Signature,
    /// ATT-29: the document's time lies outside its leaf's validity.
    #[error("ATT-29: the document's time lies outside its certificate's")]
    TimeOutsideLeaf,
    /// ATT-30: the document's time is ahead of the given clock by more than
    /// [`MAX_AHEAD_S`](crate::MAX_AHEAD_S).
    #[error("ATT-30: the document's time is ahead of the clock")]
    TimeAhead,
    /// ATT-31: one of PCR0, PCR1 and PCR2 is not there.
    #[error("ATT-31: no measurement")]
    MeasurementMissing,
    /// ATT-32: PCR0, PCR1 or PCR2 is all zero and the caller did not allow it.
    #[error("ATT-32: the enclave runs in debug mode")]
    DebugMode,
    /// ATT-33: a PCR that the caller expects is not in the document.
    #[error("ATT-33: PCR{index} is missing")]
    PcrMissing {
        /// The PCR.
        index: u8,
    },
    /// ATT-34: a PCR has another value than the caller expects.
    #[error("ATT-34: PCR{index} has another value")]
    PcrMismatch {
        /// The PCR.
        index: u8,
    },
    /// ATT-35: the nonce is missing or another.
    #[error("ATT-35: nonce")]
    Nonce,
    /// ATT-36: the user data are missing or others.
    #[error("ATT-36: user data")]
    UserData,
    /// ATT-37: the public key is missing or another.
    #[error("ATT-37: public key")]
    PublicKey,
}

impl EvidenceError {
    /// The number of the rule: 19 for ATT-19.
    pub fn rule(&self) -> u8 {
        match self {
            EvidenceError::Size { .. } => 1,
            EvidenceError::Envelope => 2,
            EvidenceError::Algorithm => 3,
            EvidenceError::UnprotectedHeader => 4,
            EvidenceError::TrailingBytes => 5,
            EvidenceError::Payload => 6,
            EvidenceError::DuplicateKey => 7,
            EvidenceError::UnknownKey => 8,
            EvidenceError::MissingField(_) => 9,
            EvidenceError::ModuleId => 10,
            EvidenceError::Digest => 11,
            EvidenceError::Timestamp => 12,
            EvidenceError::PcrIndex => 13,
            EvidenceError::PcrLength { .. } => 14,
            EvidenceError::CertificateSize { .. } => 15,
            EvidenceError::BundleCount => 16,
            EvidenceError::FieldLength(_) => 17,
            EvidenceError::CertificateMalformed => 18,
            EvidenceError::UntrustedRoot => 19,
            EvidenceError::NotYetValid => 20,
            EvidenceError::Ended => 21,
            EvidenceError::CertificateAlgorithm => 22,
            EvidenceError::BasicConstraints => 23,
            EvidenceError::PathLength => 24,
            EvidenceError::KeyUsage { .. } => 25,
            EvidenceError::CertificateExtension => 26,
            EvidenceError::BundleOrder => 27,
            EvidenceError::Signature => 28,
            EvidenceError::TimeOutsideLeaf => 29,
            EvidenceError::TimeAhead => 30,
            EvidenceError::MeasurementMissing => 31,
            EvidenceError::DebugMode => 32,
            EvidenceError::PcrMissing { .. } => 33,
            EvidenceError::PcrMismatch { .. } => 34,
            EvidenceError::Nonce => 35,
            EvidenceError::UserData => 36,
            EvidenceError::PublicKey => 37,
        }
    }
}
