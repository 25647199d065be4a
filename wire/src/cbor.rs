//! One codec: deterministic CBOR (RFC 8949 section 4.2), decoded strictly.
//!
//! Strict means: not longer than the limit, nothing behind the end, and bit for bit what encoding the decoded value
//! gives again. That one comparison refuses duplicate keys, long forms of short numbers, indefinite lengths, omitted or
//! surplus fields and unsorted maps, without a rule for each (T-60). It is done against the input as it streams, so a
//! secret is not copied for the sake of the check.

use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};

/// Why bytes were refused. The person at the other end gets one code for all but `TooLarge`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input is longer than this type may ever be.
    #[error("{actual} bytes where at most {limit} are allowed")]
    TooLarge {
        /// Most bytes this type may have.
        limit: usize,
        /// Bytes that came.
        actual: usize,
    },
    /// Not CBOR, cut short, or of another shape.
    #[error("not the expected structure")]
    Malformed,
    /// A second item, or any byte, follows the value.
    #[error("bytes after the end of the value")]
    TrailingBytes,
    /// The same value has another, deterministic encoding.
    #[error("not the deterministic encoding of its content")]
    NotCanonical,
}

/// Encodes a value deterministically.
///
/// The buffer is made as large as it has to be before the first byte is written: a value with a secret leaves no outgrown
/// copies behind, so whoever erases the result has erased all of it.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut length = Length(0);
    let counted = minicbor::encode(value, &mut length);
    debug_assert!(counted.is_ok(), "counting cannot fail");
    let mut bytes = Vec::with_capacity(length.0);
    let written = minicbor::encode(value, &mut bytes);
    debug_assert!(written.is_ok(), "writing into memory cannot fail");
    bytes
}

/// Decodes a value of at most `limit` bytes, strictly.
pub fn decode<'b, T>(bytes: &'b [u8], limit: usize) -> Result<T, DecodeError>
where
    T: Decode<'b, ()> + Encode<()>,
{
    // CBOR-2: before anything is decoded (T-27).
    if bytes.len() > limit {
        return Err(DecodeError::TooLarge {
            limit,
            actual: bytes.len(),
        });
    }
    // CBOR-3, CBOR-6: minicbor reserves nothing for a claimed length.
    let mut decoder = Decoder::new(bytes);
    let value: T = decoder.decode().map_err(|_| DecodeError::Malformed)?;
    // CBOR-4
    if decoder.position() != bytes.len() {
        return Err(DecodeError::TrailingBytes);
    }
    // CBOR-1, CBOR-5
    let mut expected = Comparison { rest: bytes };
    match minicbor::encode(&value, &mut expected) {
        Ok(()) if expected.rest.is_empty() => Ok(value),
        _ => Err(DecodeError::NotCanonical),
    }
}

/// One element of a hash or context list.
#[derive(Clone, Copy)]
pub enum Item<'a> {
    /// A byte string.
    Bytes(&'a [u8]),
    /// A text string.
    Text(&'a str),
    /// An unsigned integer.
    Uint(u64),
    /// true or false.
    Bool(bool),
    /// null.
    Null,
}

/// Encodes `[context, item...]`: what is hashed, signed over, or given as info, label and additional data.
pub fn context_list(context: &str, items: &[Item<'_>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 + 36 * items.len());
    let mut encoder = Encoder::new(&mut bytes);
    let written = write_list(&mut encoder, context, items);
    debug_assert!(written.is_ok(), "writing into memory cannot fail");
    bytes
}

/// Writes `[context, item...]`, also to where nothing is stored.
pub(crate) fn write_list<W: Write>(
    encoder: &mut Encoder<W>,
    context: &str,
    items: &[Item<'_>],
) -> Result<(), minicbor::encode::Error<W::Error>> {
    encoder.array(items.len() as u64 + 1)?.str(context)?;
    for item in items {
        match *item {
            Item::Bytes(bytes) => encoder.bytes(bytes)?,
            Item::Text(text) => encoder.str(text)?,
            Item::Uint(number) => encoder.u64(number)?,
            Item::Bool(flag) => encoder.bool(flag)?,
            Item::Null => encoder.null()?,
        };
    }
    Ok(())
}

/// Counts what is written instead of storing it.
struct Length(usize);

impl Write for Length {
    type Error = core::convert::Infallible;

    fn write_all(&mut self, written: &[u8]) -> Result<(), Self::Error> {
        self.0 += written.len();
        Ok(())
    }
}

/// Compares what is written with the input instead of storing it.
struct Comparison<'a> {
    rest: &'a [u8],
}

/// The written bytes differ from the input.
struct Differs;

impl Write for Comparison<'_> {
    type Error = Differs;

    fn write_all(&mut self, written: &[u8]) -> Result<(), Differs> {
        self.rest = self.rest.strip_prefix(written).ok_or(Differs)?;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    struct Pair {
        #[n(0)]
        number: u64,
        #[cbor(n(1), with = "minicbor::bytes")]
        bytes: Vec<u8>,
    }

    fn valid() -> Vec<u8> {
        encode(&Pair {
            number: 7,
            bytes: vec![1, 2],
        })
    }

    #[test]
    fn cbor_1_the_deterministic_encoding_is_accepted() {
        assert_eq!(hex(&valid()), "8207420102");
        assert_eq!(
            decode::<Pair>(&valid(), 5).unwrap(),
            Pair {
                number: 7,
                bytes: vec![1, 2]
            }
        );
    }

    #[test]
    fn cbor_2_longer_than_the_limit_is_refused() {
        assert_eq!(
            decode::<Pair>(&valid(), 4),
            Err(DecodeError::TooLarge {
                limit: 4,
                actual: 5
            })
        );
    }

    #[test]
    fn cbor_3_truncated_is_refused_at_every_length() {
        for end in 0..valid().len() {
            assert_eq!(
                decode::<Pair>(&valid()[..end], 64),
                Err(DecodeError::Malformed)
            );
        }
    }

    #[test]
    fn cbor_4_trailing_bytes_are_refused() {
        let mut bytes = valid();
        bytes.push(0);
        assert_eq!(decode::<Pair>(&bytes, 64), Err(DecodeError::TrailingBytes));
    }

    #[test]
    fn cbor_5_other_encodings_of_the_same_value_are_refused() {
        for other in [
            &[0x82, 0x18, 0x07, 0x42, 1, 2][..],       // 7 in two bytes
            &[0x82, 0x07, 0x58, 0x02, 1, 2][..],       // a length in two bytes
            &[0x9f, 0x07, 0x42, 1, 2, 0xff][..],       // an indefinite array
            &[0x83, 0x07, 0x42, 1, 2, 0x00][..],       // a surplus field
            &[0x82, 0x07, 0x5f, 0x42, 1, 2, 0xff][..], // an indefinite byte string
        ] {
            assert!(decode::<Pair>(other, 64).is_err(), "{}", hex(other));
        }
    }

    #[test]
    fn cbor_6_a_claimed_length_allocates_nothing() {
        #[derive(Debug, PartialEq, Encode, Decode)]
        struct List(#[n(0)] Vec<u64>);
        let claims_4_gigabytes = [0x81, 0x9a, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(
            decode::<List>(&claims_4_gigabytes, 64),
            Err(DecodeError::Malformed)
        );
    }

    #[test]
    fn a_context_list_is_an_array_led_by_its_context() {
        let list = context_list("c", &[Item::Bytes(&[1]), Item::Uint(24), Item::Null]);
        assert_eq!(hex(&list), "8461634101181 8f6".replace(' ', ""));
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
