//! What a certificate says of itself, for people: its subject and its validity.
//!
//! Only certificates on a path that the Verifier has accepted come here, and nothing is decided here. The Verifier takes a
//! name as bytes and compares it: whoever signs a certificate chooses what stands in them.

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
    /// As `CN=..., O=...`, in the order of the certificate; a name that does not parse, as `#` and its DER in hexadecimal.
    pub(super) subject: String,
    /// First second, since 1970.
    pub(super) not_before_s: u64,
    /// The second in which it ends, since 1970.
    pub(super) not_after_s: u64,
}

impl Described {
    /// Reads a certificate in DER: no more of it than the Verifier did.
    ///
    /// # Errors
    /// A certificate that the Verifier refuses as well.
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
    let subject = reader.tlv_bytes()?;
    skip_rest(reader)?;
    let name = AnyRef::from_der(subject).and_then(|subject| subject.sequence(name));
    Ok(Described {
        subject: name.unwrap_or_else(|_| in_hexadecimal(subject)),
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
        part.tag().assert_eq(Tag::Set)?;
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
        _ => in_hexadecimal(value),
    }
}

fn in_hexadecimal(bytes: &[u8]) -> String {
    format!("#{}", hex::encode(bytes))
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
    fn a_name_that_does_not_parse_is_shown_as_it_is() {
        let root = hex::encode(include_bytes!(
            "../../../../attestation/roots/aws-nitro.der"
        ));
        // C=US, O=..., of 73 bytes in all; and one INTEGER of 71, which the Verifier takes as well.
        let (name, country) = ("3049310b3009", "310b3009");
        assert_eq!(root.matches(name).count(), 2, "issuer and subject");
        let odd = hex::decode(root.replace(name, &name.replace(country, "02470009"))).unwrap();
        assert!(cofferdam_attestation::Root::from_der(&odd).is_ok());
        let subject = Described::read(&odd).unwrap().subject;
        assert!(subject.starts_with("#304902470009"), "{subject}");
        assert_eq!(subject.len(), 1 + 2 * 75);
    }

    #[test]
    fn control_characters_are_not_shown() {
        assert_eq!(printable(b"i-1.eu"), "i-1.eu");
        assert_eq!(printable(b"\x1b[2J"), "#1b5b324a");
        assert_eq!(printable(&[0xff]), "#ff");
    }
}
