//! What the path validation of rustls-webpki leaves to its caller: names, validity, key usage.
//!
//! Reads a certificate (RFC 5280, section 4.1) as far as these fields and judges nothing.

use std::ops::Range;

use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

/// id-ce-keyUsage, 2.5.29.15.
const KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x0f];
/// id-ce-basicConstraints, 2.5.29.19.
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];
const DIGITAL_SIGNATURE: u8 = 0x80;
const KEY_CERT_SIGN: u8 = 0x04;

/// The fields that our rules are about.
pub(crate) struct Facts<'c> {
    pub(crate) issuer: AnyRef<'c>,
    pub(crate) subject: AnyRef<'c>,
    /// Seconds since 1970 from which to the one before which it is valid.
    pub(crate) validity: Range<u64>,
    /// The first octet of the key usage; nothing is allowed where the extension is missing.
    key_usage: u8,
    pub(crate) is_ca: bool,
}

impl<'c> Facts<'c> {
    pub(crate) fn read(certificate: &'c [u8]) -> Result<Facts<'c>, der::Error> {
        AnyRef::from_der(certificate)?.sequence(|outer| {
            let tbs = AnyRef::decode(outer)?;
            let _algorithm = AnyRef::decode(outer)?;
            let _signature = AnyRef::decode(outer)?;
            tbs.sequence(to_be_signed)
        })
    }

    pub(crate) fn may_sign_data(&self) -> bool {
        self.key_usage & DIGITAL_SIGNATURE != 0
    }

    pub(crate) fn may_sign_certificates(&self) -> bool {
        self.key_usage & KEY_CERT_SIGN != 0
    }
}

fn to_be_signed<'c>(reader: &mut SliceReader<'c>) -> Result<Facts<'c>, der::Error> {
    let _version = AnyRef::decode(reader)?;
    let _serial = AnyRef::decode(reader)?;
    let _algorithm = AnyRef::decode(reader)?;
    let issuer = AnyRef::decode(reader)?;
    let validity = AnyRef::decode(reader)?.sequence(|times| {
        let not_before_s = time(AnyRef::decode(times)?)?;
        Ok::<_, der::Error>(not_before_s..time(AnyRef::decode(times)?)?)
    })?;
    let subject = AnyRef::decode(reader)?;
    let _public_key = AnyRef::decode(reader)?;
    let mut facts = Facts {
        issuer,
        subject,
        validity,
        key_usage: 0,
        is_ca: false,
    };
    let wrapper = Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(3),
    };
    while !reader.is_finished() {
        let field = AnyRef::decode(reader)?;
        if field.tag() == wrapper {
            AnyRef::from_der(field.value())?.sequence(|extensions| {
                while !extensions.is_finished() {
                    AnyRef::decode(extensions)?.sequence(|one| extension(one, &mut facts))?;
                }
                Ok::<_, der::Error>(())
            })?;
        }
    }
    Ok(facts)
}

fn extension(reader: &mut SliceReader<'_>, facts: &mut Facts<'_>) -> Result<(), der::Error> {
    let id = AnyRef::decode(reader)?;
    let mut value = AnyRef::decode(reader)?;
    if value.tag() == Tag::Boolean {
        // Whether it is critical: rustls-webpki asks, and refuses what it does not know.
        value = AnyRef::decode(reader)?;
    }
    value.tag().assert_eq(Tag::OctetString)?;
    if id.value() == KEY_USAGE {
        let bits = AnyRef::from_der(value.value())?;
        bits.tag().assert_eq(Tag::BitString)?;
        // The first octet counts the unused bits of the last.
        facts.key_usage = bits.value().get(1).copied().unwrap_or(0);
    }
    if id.value() == BASIC_CONSTRAINTS {
        let constraints = AnyRef::from_der(value.value())?;
        constraints.tag().assert_eq(Tag::Sequence)?;
        facts.is_ca = constraints.value().starts_with(&[0x01, 0x01, 0xff]);
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
