//! What a certificate says of itself, for people: its subject and its validity.
//!
//! Only certificates on a path that the Verifier has accepted come here, and nothing is decided here.

use std::fmt::Write as _;

use der::asn1::{AnyRef, GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{Decode, Reader, SliceReader, Tag, Tagged};

/// Attributes that have a short name.
const SHORT_NAMES: &[(ObjectIdentifier, &str)] = &[
    (ObjectIdentifier::new_unwrap("2.5.4.3"), "CN"),
    (ObjectIdentifier::new_unwrap("2.5.4.5"), "serialNumber"),
    (ObjectIdentifier::new_unwrap("2.5.4.6"), "C"),
    (ObjectIdentifier::new_unwrap("2.5.4.7"), "L"),
    (ObjectIdentifier::new_unwrap("2.5.4.8"), "ST"),
    (ObjectIdentifier::new_unwrap("2.5.4.10"), "O"),
    (ObjectIdentifier::new_unwrap("2.5.4.11"), "OU"),
];

/// Subject and validity.
pub(super) struct Described {
    /// As `CN=..., O=...`, in the order of the certificate.
    pub(super) subject: String,
    /// First second, since 1970.
    pub(super) not_before_s: u64,
    /// The second in which it ends, since 1970.
    pub(super) not_after_s: u64,
}

impl Described {
    /// Reads a certificate in DER.
    pub(super) fn read(certificate: &[u8]) -> Result<Described, der::Error> {
        AnyRef::from_der(certificate)?.sequence(|outer| {
            let described = AnyRef::decode(outer)?.sequence(to_be_signed)?;
            skip_rest(outer)?;
            Ok(described)
        })
    }
}

fn to_be_signed(reader: &mut SliceReader<'_>) -> Result<Described, der::Error> {
    let _version = AnyRef::decode(reader)?;
    let _serial = AnyRef::decode(reader)?;
    let _algorithm = AnyRef::decode(reader)?;
    let _issuer = AnyRef::decode(reader)?;
    let (not_before_s, not_after_s) = AnyRef::decode(reader)?.sequence(|times| {
        let from_s = time(AnyRef::decode(times)?)?;
        Ok::<_, der::Error>((from_s, time(AnyRef::decode(times)?)?))
    })?;
    let subject = AnyRef::decode(reader)?.sequence(name)?;
    skip_rest(reader)?;
    Ok(Described {
        subject,
        not_before_s,
        not_after_s,
    })
}

fn skip_rest(reader: &mut SliceReader<'_>) -> Result<(), der::Error> {
    while !reader.is_finished() {
        AnyRef::decode(reader)?;
    }
    Ok(())
}

fn time(value: AnyRef<'_>) -> Result<u64, der::Error> {
    let since_1970 = match value.tag() {
        Tag::GeneralizedTime => value.decode_as::<GeneralizedTime>()?.to_unix_duration(),
        _ => value.decode_as::<UtcTime>()?.to_unix_duration(),
    };
    Ok(since_1970.as_secs())
}

fn name(parts: &mut SliceReader<'_>) -> Result<String, der::Error> {
    let mut name = String::new();
    while !parts.is_finished() {
        let part = AnyRef::decode(parts)?;
        let mut attributes = SliceReader::new(part.value())?;
        while !attributes.is_finished() {
            let (id, value) = AnyRef::decode(&mut attributes)?.sequence(|attribute| {
                let id = ObjectIdentifier::decode(attribute)?;
                Ok::<_, der::Error>((id, AnyRef::decode(attribute)?))
            })?;
            if !name.is_empty() {
                name.push_str(", ");
            }
            match SHORT_NAMES.iter().find(|(known, _)| *known == id) {
                Some((_, short)) => name.push_str(short),
                None => {
                    let _ = write!(name, "{id}");
                }
            }
            name.push('=');
            name.push_str(&printable(value.value()));
        }
    }
    Ok(name)
}

/// Text that cannot move the cursor of a terminal; what is no text, in hexadecimal.
pub(in crate::cli) fn printable(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => format!("#{}", hex::encode(value)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn amazons_root_is_described() {
        let root = include_bytes!("../../../../attestation/roots/aws-nitro.der");
        let described = Described::read(root).unwrap();
        assert_eq!(
            described.subject,
            "C=US, O=Amazon, OU=AWS, CN=aws.nitro-enclaves"
        );
        assert_eq!(described.not_before_s, 1_572_269_285);
        assert_eq!(described.not_after_s, 2_519_044_085);
        for length in 0..root.len() {
            assert!(Described::read(&root[..length]).is_err());
        }
    }

    #[test]
    fn control_characters_are_not_shown() {
        assert_eq!(printable(b"i-1.eu"), "i-1.eu");
        assert_eq!(printable(b"\x1b[2J"), "#1b5b324a");
        assert_eq!(printable(&[0xff]), "#ff");
    }
}
