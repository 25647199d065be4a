//! What an unsigned document of the device says.
//!
//! The document comes from the kernel's driver and from nowhere else, so nothing is verified and there is nothing to verify
//! it with. What cannot be read is refused.

use cofferdam_enclave::AttestorError;
use cofferdam_simulated_nsm::Claims;
use minicbor::Decoder;
use minicbor::data::Type;
use minicbor::decode::Error;

/// The claims that count. Certificates are left out: the device has none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct DeviceClaims {
    pub(crate) module_id: String,
    timestamp_ms: u64,
    pcrs: Vec<(u8, [u8; 48])>,
    public_key: Option<Vec<u8>>,
    user_data: Option<Vec<u8>>,
    nonce: Option<Vec<u8>>,
}

impl DeviceClaims {
    /// Reads a COSE_Sign1, whatever its headers and its signature.
    pub(crate) fn read(document: &[u8]) -> Result<Self, AttestorError> {
        read(document).map_err(|_| AttestorError::Unreadable)
    }

    /// The same claims, for a signature.
    pub(crate) fn to_sign(&self) -> Claims<'_> {
        Claims {
            timestamp_ms: self.timestamp_ms,
            pcrs: &self.pcrs,
            public_key: self.public_key.as_deref(),
            user_data: self.user_data.as_deref(),
            nonce: self.nonce.as_deref(),
        }
    }
}

fn read(document: &[u8]) -> Result<DeviceClaims, Error> {
    let mut envelope = Decoder::new(document);
    if envelope.array()? != Some(4) {
        return Err(Error::message("no COSE_Sign1"));
    }
    envelope.skip()?;
    envelope.skip()?;
    let mut claims = Decoder::new(envelope.bytes()?);
    let mut found = DeviceClaims::default();
    let mut needed = 3;
    entries(&mut claims, |claims| {
        match claims.str()? {
            "module_id" => claims.str()?.clone_into(&mut found.module_id),
            "timestamp" => found.timestamp_ms = claims.u64()?,
            "pcrs" => {
                entries(claims, |claims| {
                    let index = claims.u8()?;
                    let value = claims.bytes()?.try_into();
                    let value = value.map_err(|_| Error::message("no SHA-384 value"))?;
                    found.pcrs.push((index, value));
                    Ok(())
                })?;
            }
            "public_key" => return optional(claims, &mut found.public_key),
            "user_data" => return optional(claims, &mut found.user_data),
            "nonce" => return optional(claims, &mut found.nonce),
            _ => return claims.skip(),
        }
        needed -= 1;
        Ok(())
    })?;
    match needed {
        0 => Ok(found),
        _ => Err(Error::message("a claim is missing")),
    }
}

/// Walks a map of either kind.
fn entries<'d>(
    decoder: &mut Decoder<'d>,
    mut entry: impl FnMut(&mut Decoder<'d>) -> Result<(), Error>,
) -> Result<(), Error> {
    match decoder.map()? {
        Some(length) => (0..length).try_for_each(|_| entry(decoder)),
        None => {
            while decoder.datatype()? != Type::Break {
                entry(decoder)?;
            }
            decoder.skip()
        }
    }
}

/// Bytes or null.
fn optional(decoder: &mut Decoder<'_>, found: &mut Option<Vec<u8>>) -> Result<(), Error> {
    match decoder.datatype()? {
        Type::Null => decoder.skip(),
        _ => {
            *found = Some(decoder.bytes()?.to_vec());
            Ok(())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use cofferdam_attestation::{Expected, Root, verify, verify_at_own_time};
    use cofferdam_simulated_nsm::{DocumentSigner, simulator_root_der};
    use minicbor::Encoder;

    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;

    /// A document as the emulated device makes it, without the claim of this name.
    fn unsigned(without: &str) -> Vec<u8> {
        let mut claims = Encoder::new(Vec::new());
        let names = [
            "module_id",
            "digest",
            "timestamp",
            "pcrs",
            "certificate",
            "cabundle",
            "public_key",
            "user_data",
            "nonce",
        ];
        let kept = names.into_iter().filter(|name| *name != without);
        claims.map(kept.clone().count() as u64).unwrap();
        for name in kept {
            let out = claims.str(name).unwrap();
            match name {
                "module_id" => out.str("i-1-enc2").unwrap(),
                "digest" => out.str("SHA384").unwrap(),
                "timestamp" => out.u64(NOW_MS).unwrap(),
                "pcrs" => {
                    out.map(32).unwrap();
                    for index in 0..32 {
                        out.u8(index).unwrap().bytes(&[index + 1; 48]).unwrap();
                    }
                    out
                }
                "cabundle" => out.array(1).unwrap().bytes(&[0; 64]).unwrap(),
                "public_key" => out.null().unwrap(),
                _ => out.bytes(name.as_bytes()).unwrap(),
            };
        }
        let mut document = Encoder::new(Vec::new());
        document.array(4).unwrap().bytes(&[0xa1, 1, 0x20]).unwrap();
        document
            .map(0)
            .unwrap()
            .bytes(&claims.into_writer())
            .unwrap();
        document.bytes(&[0; 64]).unwrap();
        document.into_writer()
    }

    #[test]
    fn what_the_device_says_verifies_once_it_is_signed_under_the_simulators_root_and_not_before() {
        let root = Root::from_der(simulator_root_der()).unwrap();
        let document = unsigned("");
        assert!(verify_at_own_time(&document, &root, &Expected::default()).is_err());
        let claims = DeviceClaims::read(&document).unwrap();
        assert_eq!(claims.module_id, "i-1-enc2");
        let signer = DocumentSigner::boot(&claims.module_id).unwrap();
        let signed = signer.document(&claims.to_sign()).unwrap();
        let evidence = verify(&signed, &root, NOW_MS / 1000, &Expected::default()).unwrap();
        assert_eq!(evidence.module_id(), "i-1-enc2");
        assert_eq!(evidence.nonce(), Some(&b"nonce"[..]));
        assert_eq!(evidence.user_data(), Some(&b"user_data"[..]));
        assert_eq!(evidence.public_key(), None);
        assert!((0..32).all(|index| evidence.pcr(index) == Some(&[index + 1; 48])));
        assert_eq!(DeviceClaims::read(&signed).unwrap(), claims);
    }

    #[test]
    fn a_document_that_lacks_what_counts_is_refused() {
        for needed in ["module_id", "timestamp", "pcrs"] {
            let read = DeviceClaims::read(&unsigned(needed));
            assert_eq!(read, Err(AttestorError::Unreadable), "{needed}");
        }
        for optional in ["digest", "certificate", "cabundle", "public_key"] {
            assert!(
                DeviceClaims::read(&unsigned(optional)).is_ok(),
                "{optional}"
            );
        }
        let whole = unsigned("");
        for length in 0..whole.len() - 66 {
            assert!(DeviceClaims::read(&whole[..length]).is_err(), "{length}");
        }
    }
}
