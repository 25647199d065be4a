//! The document as bytes: a COSE_Sign1 envelope around the NSM's claims.
//!
//! Trusts nobody: what leaves this module is well-formed and within limits, and nothing more.
//! Both types borrow from the document, so a refused document has cost no memory.

use minicbor::Encoder;

use crate::error::{EvidenceError, Which};
use crate::reader::{Malformed, Reader, Remaining};

/// The longest document that is looked at. The largest that Nitro can make has three fields of
/// 1,024 bytes, 32 PCRs and certificates of 1,024 bytes each, and stays below this.
pub const MAX_DOCUMENT: usize = 16 * 1024;
/// The longest certificate, as the NSM's specification has it.
pub const MAX_CERTIFICATE: usize = 1024;
/// The most certificates in a cabundle: a root and as many CAs as a path may have.
pub const MAX_CABUNDLE: usize = 7;
/// The longest public key, user data or nonce. (Real documents with 1,024 bytes in each exist,
/// although some of Amazon's pages give 512.)
pub const MAX_FIELD: usize = 1024;
/// The longest module id.
pub const MAX_MODULE_ID: usize = 256;
/// One more than the highest index of a PCR.
pub(crate) const PCRS: usize = 32;

const COSE_SIGN1: u64 = 18;
/// {1: -35}: the algorithm is ECDSA with SHA-384.
const PROTECTED_ES384: [u8; 4] = [0xa1, 0x01, 0x38, 0x22];

/// A COSE_Sign1 under ES384, its signature not yet checked.
pub(crate) struct Envelope<'d> {
    pub(crate) payload: &'d [u8],
    pub(crate) signature: &'d [u8],
}

impl<'d> Envelope<'d> {
    pub(crate) fn parse(document: &'d [u8]) -> Result<Envelope<'d>, EvidenceError> {
        if document.is_empty() || document.len() > MAX_DOCUMENT {
            return Err(EvidenceError::Size {
                got: document.len(),
            });
        }
        let malformed = |_: Malformed| EvidenceError::Envelope;
        let mut reader = Reader::new(document);
        if !matches!(reader.tag().map_err(malformed)?, None | Some(COSE_SIGN1)) {
            return Err(EvidenceError::Envelope);
        }
        if !matches!(reader.array().map_err(malformed)?, Remaining::Exactly(4)) {
            return Err(EvidenceError::Envelope);
        }
        if reader.bytes().map_err(malformed)? != PROTECTED_ES384 {
            return Err(EvidenceError::Algorithm);
        }
        if !matches!(reader.map().map_err(malformed)?, Remaining::Exactly(0)) {
            return Err(EvidenceError::UnprotectedHeader);
        }
        let payload = reader.bytes().map_err(malformed)?;
        let signature = reader.bytes().map_err(malformed)?;
        if !reader.at_end() {
            return Err(EvidenceError::TrailingBytes);
        }
        Ok(Envelope { payload, signature })
    }

    /// The Sig_structure of RFC 9052, section 4.4, with no external data.
    pub(crate) fn signed_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::with_capacity(self.payload.len() + 32));
        let written = encoder
            .array(4)
            .and_then(|e| e.str("Signature1"))
            .and_then(|e| e.bytes(&PROTECTED_ES384))
            .and_then(|e| e.bytes(&[]))
            .and_then(|e| e.bytes(self.payload))
            .is_ok();
        debug_assert!(written, "writing to a Vec cannot fail");
        encoder.into_writer()
    }
}

/// What the NSM says in a document, well-formed and otherwise unproven.
pub(crate) struct Claims<'d> {
    pub(crate) module_id: &'d str,
    pub(crate) timestamp_ms: u64,
    pub(crate) pcrs: [Option<[u8; 48]>; PCRS],
    pub(crate) certificate: &'d [u8],
    pub(crate) cabundle: Vec<&'d [u8]>,
    pub(crate) public_key: Option<&'d [u8]>,
    pub(crate) user_data: Option<&'d [u8]>,
    pub(crate) nonce: Option<&'d [u8]>,
}

impl<'d> Claims<'d> {
    pub(crate) fn parse(payload: &'d [u8]) -> Result<Claims<'d>, EvidenceError> {
        let mut fields = Fields::default();
        let mut reader = Reader::new(payload);
        let mut entries = reader.map().map_err(payload_malformed)?;
        while reader.has_next(&mut entries).map_err(payload_malformed)? {
            let key = reader.text().map_err(payload_malformed)?;
            fields.read(key, &mut reader)?;
        }
        if !reader.at_end() {
            return Err(EvidenceError::TrailingBytes);
        }
        fields.complete()
    }
}

fn payload_malformed(_: Malformed) -> EvidenceError {
    EvidenceError::Payload
}

/// The fields read so far. An optional field is `Some(None)` where the document says null: that
/// is as good as leaving it out, but saying it twice is not.
#[derive(Default)]
struct Fields<'d> {
    module_id: Option<&'d str>,
    digest: Option<()>,
    timestamp_ms: Option<u64>,
    pcrs: Option<[Option<[u8; 48]>; PCRS]>,
    certificate: Option<&'d [u8]>,
    cabundle: Option<Vec<&'d [u8]>>,
    public_key: Option<Option<&'d [u8]>>,
    user_data: Option<Option<&'d [u8]>>,
    nonce: Option<Option<&'d [u8]>>,
}

impl<'d> Fields<'d> {
    fn read(&mut self, key: &str, reader: &mut Reader<'d>) -> Result<(), EvidenceError> {
        match key {
            "module_id" => once(&mut self.module_id, || module_id(reader)),
            "digest" => once(&mut self.digest, || digest(reader)),
            "timestamp" => once(&mut self.timestamp_ms, || timestamp(reader)),
            "pcrs" => once(&mut self.pcrs, || pcrs(reader)),
            "certificate" => once(&mut self.certificate, || certificate(reader, Which::Leaf)),
            "cabundle" => once(&mut self.cabundle, || cabundle(reader)),
            "public_key" => once(&mut self.public_key, || optional(reader, "public_key")),
            "user_data" => once(&mut self.user_data, || optional(reader, "user_data")),
            "nonce" => once(&mut self.nonce, || optional(reader, "nonce")),
            _ => Err(EvidenceError::UnknownKey),
        }
    }

    fn complete(self) -> Result<Claims<'d>, EvidenceError> {
        use EvidenceError::MissingField;
        let module_id = self.module_id.ok_or(MissingField("module_id"))?;
        self.digest.ok_or(MissingField("digest"))?;
        Ok(Claims {
            module_id,
            timestamp_ms: self.timestamp_ms.ok_or(MissingField("timestamp"))?,
            pcrs: self.pcrs.ok_or(MissingField("pcrs"))?,
            certificate: self.certificate.ok_or(MissingField("certificate"))?,
            cabundle: self.cabundle.ok_or(MissingField("cabundle"))?,
            public_key: self.public_key.flatten(),
            user_data: self.user_data.flatten(),
            nonce: self.nonce.flatten(),
        })
    }
}

/// Fills a slot, or refuses the second value for it (T-05): of two, readers may pick either.
fn once<T>(
    slot: &mut Option<T>,
    read: impl FnOnce() -> Result<T, EvidenceError>,
) -> Result<(), EvidenceError> {
    if slot.is_some() {
        return Err(EvidenceError::DuplicateKey);
    }
    *slot = Some(read()?);
    Ok(())
}

fn module_id<'d>(reader: &mut Reader<'d>) -> Result<&'d str, EvidenceError> {
    let id = reader.text().map_err(payload_malformed)?;
    // It ends up in logs, where control characters could forge lines.
    let printable = id.bytes().all(|byte| byte.is_ascii_graphic());
    if id.is_empty() || id.len() > MAX_MODULE_ID || !printable {
        return Err(EvidenceError::ModuleId);
    }
    Ok(id)
}

fn digest(reader: &mut Reader<'_>) -> Result<(), EvidenceError> {
    match reader.text().map_err(payload_malformed)? {
        "SHA384" => Ok(()),
        _ => Err(EvidenceError::Digest),
    }
}

fn timestamp(reader: &mut Reader<'_>) -> Result<u64, EvidenceError> {
    match reader.uint().map_err(payload_malformed)? {
        0 => Err(EvidenceError::Timestamp),
        milliseconds => Ok(milliseconds),
    }
}

fn pcrs(reader: &mut Reader<'_>) -> Result<[Option<[u8; 48]>; PCRS], EvidenceError> {
    let mut pcrs = [None; PCRS];
    let mut entries = reader.map().map_err(payload_malformed)?;
    while reader.has_next(&mut entries).map_err(payload_malformed)? {
        let index = reader.uint().map_err(payload_malformed)?;
        let index = u8::try_from(index).map_err(|_| EvidenceError::PcrIndex)?;
        let slot = pcrs
            .get_mut(usize::from(index))
            .ok_or(EvidenceError::PcrIndex)?;
        once(slot, || {
            let value = reader.bytes().map_err(payload_malformed)?;
            <[u8; 48]>::try_from(value).map_err(|_| EvidenceError::PcrLength { index })
        })?;
    }
    if pcrs.iter().all(Option::is_none) {
        return Err(EvidenceError::PcrIndex);
    }
    Ok(pcrs)
}

fn certificate<'d>(reader: &mut Reader<'d>, which: Which) -> Result<&'d [u8], EvidenceError> {
    let certificate = reader.bytes().map_err(payload_malformed)?;
    if certificate.is_empty() || certificate.len() > MAX_CERTIFICATE {
        return Err(EvidenceError::CertificateSize { which });
    }
    Ok(certificate)
}

fn cabundle<'d>(reader: &mut Reader<'d>) -> Result<Vec<&'d [u8]>, EvidenceError> {
    let mut bundle = Vec::with_capacity(MAX_CABUNDLE);
    let mut entries = reader.array().map_err(payload_malformed)?;
    while reader.has_next(&mut entries).map_err(payload_malformed)? {
        if bundle.len() == MAX_CABUNDLE {
            return Err(EvidenceError::BundleCount);
        }
        let place = Which::Bundle(bundle.len() as u8);
        bundle.push(certificate(reader, place)?);
    }
    if bundle.is_empty() {
        return Err(EvidenceError::BundleCount);
    }
    Ok(bundle)
}

fn optional<'d>(
    reader: &mut Reader<'d>,
    name: &'static str,
) -> Result<Option<&'d [u8]>, EvidenceError> {
    let value = reader.bytes_or_null().map_err(payload_malformed)?;
    match value {
        Some(bytes) if bytes.len() > MAX_FIELD => Err(EvidenceError::FieldLength(name)),
        value => Ok(value),
    }
}
