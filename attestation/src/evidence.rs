//! The result of a verification, and the measurement in it.

use std::fmt;
use std::ops::Range;

use crate::document::{Claims, PCRS};
use crate::hex::Hex;
use crate::root::{Root, sha256};

/// What an image measures: the enclave image file, its kernel and boot, its application.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Measurement {
    /// SHA-384 of the whole image.
    pub pcr0: [u8; 48],
    /// SHA-384 of kernel and bootstrap.
    pub pcr1: [u8; 48],
    /// SHA-384 of the application.
    pub pcr2: [u8; 48],
}

impl Measurement {
    /// The three PCRs with their indices, as [`Expected`](crate::Expected) takes them.
    pub fn pcrs(&self) -> [(u8, [u8; 48]); 3] {
        [(0, self.pcr0), (1, self.pcr1), (2, self.pcr2)]
    }

    /// Whether a PCR is all zero, as the hypervisor makes them in debug mode: then nothing is
    /// measured and the parent reads the enclave's console.
    pub fn is_debug(&self) -> bool {
        [self.pcr0, self.pcr1, self.pcr2].contains(&[0; 48])
    }
}

impl fmt::Debug for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measurement")
            .field("pcr0", &Hex(&self.pcr0))
            .field("pcr1", &Hex(&self.pcr1))
            .field("pcr2", &Hex(&self.pcr2))
            .finish()
    }
}

/// A document that passed every rule. Only [`verify`](crate::verify()) and
/// [`verify_at_own_time`](crate::verify_at_own_time) make one.
#[derive(Clone, PartialEq, Eq)]
pub struct Evidence {
    module_id: String,
    timestamp_ms: u64,
    pcrs: [Option<[u8; 48]>; PCRS],
    measurement: Measurement,
    public_key: Option<Vec<u8>>,
    user_data: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    leaf_validity: Range<u64>,
    certificates: Vec<Vec<u8>>,
}

impl Evidence {
    pub(crate) fn new(
        claims: &Claims<'_>,
        measurement: Measurement,
        root: &Root,
        leaf_validity: Range<u64>,
    ) -> Evidence {
        let authorities = claims.cabundle.iter().skip(1).copied();
        let certificates = std::iter::once(root.der())
            .chain(authorities)
            .chain([claims.certificate]);
        Evidence {
            module_id: claims.module_id.to_owned(),
            timestamp_ms: claims.timestamp_ms,
            pcrs: claims.pcrs,
            measurement,
            public_key: claims.public_key.map(<[u8]>::to_vec),
            user_data: claims.user_data.map(<[u8]>::to_vec),
            nonce: claims.nonce.map(<[u8]>::to_vec),
            leaf_validity,
            certificates: certificates.map(<[u8]>::to_vec).collect(),
        }
    }

    /// The NSM's name for the enclave: printable ASCII.
    pub fn module_id(&self) -> &str {
        &self.module_id
    }

    /// When the NSM made the document, in milliseconds since 1970.
    pub fn timestamp_ms(&self) -> u64 {
        self.timestamp_ms
    }

    /// The value of a PCR, if the document states it.
    pub fn pcr(&self, index: u8) -> Option<&[u8; 48]> {
        self.pcrs.get(usize::from(index))?.as_ref()
    }

    /// What the enclave's image measures.
    pub fn measurement(&self) -> Measurement {
        self.measurement
    }

    /// Whether the enclave runs in debug mode.
    pub fn debug(&self) -> bool {
        self.measurement.is_debug()
    }

    /// The nonce that the enclave passed to the NSM.
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }

    /// The user data that the enclave passed to the NSM.
    pub fn user_data(&self) -> Option<&[u8]> {
        self.user_data.as_deref()
    }

    /// The public key that the enclave passed to the NSM.
    pub fn public_key(&self) -> Option<&[u8]> {
        self.public_key.as_deref()
    }

    /// The first second in which the leaf was valid, since 1970.
    pub fn leaf_not_before_s(&self) -> u64 {
        self.leaf_validity.start
    }

    /// The second in which the leaf ended, since 1970: from then on the document is refused.
    pub fn leaf_not_after_s(&self) -> u64 {
        self.leaf_validity.end
    }

    /// The path in DER, the pinned root first and the leaf last.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates.iter().map(Vec::as_slice)
    }

    /// SHA-256 of each certificate of the path, the pinned root first and the leaf last.
    pub fn certificate_sha256s(&self) -> Vec<[u8; 32]> {
        self.certificates().map(sha256).collect()
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("module_id", &self.module_id)
            .field("timestamp_ms", &self.timestamp_ms)
            .field("measurement", &self.measurement)
            .finish_non_exhaustive()
    }
}
