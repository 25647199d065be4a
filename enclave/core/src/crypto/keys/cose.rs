//! Reads key material: one COSE_Key, in the only encoding we accept.
//!
//! Exactly the named labels, in their order, every number and length in its shortest form, nothing behind the end. The
//! reader lends slices of the input, so a secret is not copied on the way to the library that parses it.

use super::KeyError;

/// Reads the entries of a map in their order.
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    /// Opens a map of exactly `entries` entries that starts with `{1: key_type`.
    pub(super) fn new(bytes: &'b [u8], entries: u8, key_type: u8) -> Result<Self, KeyError> {
        let mut reader = Self(bytes);
        reader.expect(0xa0 | entries)?;
        reader.number(1, key_type)?;
        Ok(reader)
    }

    /// An entry whose value is the number `expected`, below 24.
    pub(super) fn number(&mut self, label: i8, expected: u8) -> Result<(), KeyError> {
        self.label(label)?;
        self.expect(expected)
    }

    /// An entry whose value is a byte string.
    pub(super) fn bytes(&mut self, label: i8) -> Result<&'b [u8], KeyError> {
        self.label(label)?;
        let length = match self.next()? {
            head @ 0x40..=0x57 => usize::from(head - 0x40),
            0x58 => shortest(usize::from(self.next()?), 24)?,
            0x59 => shortest(
                usize::from(u16::from_be_bytes([self.next()?, self.next()?])),
                256,
            )?,
            _ => return Err(KeyError::Malformed),
        };
        let (value, rest) = self.0.split_at_checked(length).ok_or(KeyError::Malformed)?;
        self.0 = rest;
        Ok(value)
    }

    /// An entry whose value is a byte string of `N` bytes.
    pub(super) fn fixed<const N: usize>(&mut self, label: i8) -> Result<&'b [u8; N], KeyError> {
        self.bytes(label)?
            .try_into()
            .map_err(|_| KeyError::Malformed)
    }

    /// An entry whose value is a positive integer, big endian, without leading zeros (RFC 8230).
    pub(super) fn integer(&mut self, label: i8) -> Result<&'b [u8], KeyError> {
        let value = self.bytes(label)?;
        if value.first().is_none_or(|first| *first == 0) {
            Err(KeyError::Malformed)
        } else {
            Ok(value)
        }
    }

    /// Nothing may follow.
    pub(super) fn end(self) -> Result<(), KeyError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(KeyError::Malformed)
        }
    }

    fn label(&mut self, label: i8) -> Result<(), KeyError> {
        self.expect(if label < 0 {
            0x20 | (-1 - label) as u8
        } else {
            label as u8
        })
    }

    fn expect(&mut self, byte: u8) -> Result<(), KeyError> {
        if self.next()? == byte {
            Ok(())
        } else {
            Err(KeyError::Malformed)
        }
    }

    fn next(&mut self) -> Result<u8, KeyError> {
        let (first, rest) = self.0.split_first().ok_or(KeyError::Malformed)?;
        self.0 = rest;
        Ok(*first)
    }
}

/// Refuses a length that a shorter form could say.
fn shortest(length: usize, minimum: usize) -> Result<usize, KeyError> {
    if length < minimum {
        Err(KeyError::Malformed)
    } else {
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<&[u8], KeyError> {
        let mut reader = Reader::new(bytes, 2, 4)?;
        let key = reader.bytes(-1)?;
        reader.end()?;
        Ok(key)
    }

    #[test]
    fn imp_a_canonical_key_is_read() {
        assert_eq!(read(&[0xa2, 1, 4, 0x20, 0x42, 7, 8]), Ok(&[7, 8][..]));
        let long = [&[0xa2, 1, 4, 0x20, 0x58, 24][..], &[7; 24]].concat();
        assert_eq!(read(&long), Ok(&[7; 24][..]));
        let longer = [&[0xa2, 1, 4, 0x20, 0x59, 1, 0][..], &[7; 256]].concat();
        assert_eq!(read(&longer), Ok(&[7; 256][..]));
    }

    #[test]
    fn t60_any_other_form_is_malformed() {
        for other in [
            &[0xa2, 1, 4, 0x20, 0x42, 7, 8, 0][..],      // trailing byte
            &[0xa2, 1, 4, 0x20, 0x42, 7],                // cut short
            &[0xa2, 1, 4, 0x20, 0x58, 2, 7, 8],          // a long form of 2
            &[0xa2, 1, 4, 0x20, 0x59, 0, 2, 7, 8],       // a longer form of 2
            &[0xa2, 1, 4, 0x20, 0x5a, 0, 0, 0, 2, 7, 8], // the longest form of 2
            &[0xa2, 0x18, 1, 4, 0x20, 0x42, 7, 8],       // a long form of a label
            &[0xa2, 1, 4, 0x38, 0, 0x42, 7, 8],          // a long form of -1
            &[0xb8, 2, 1, 4, 0x20, 0x42, 7, 8],          // a long form of the count
            &[0xbf, 1, 4, 0x20, 0x42, 7, 8, 0xff],       // an indefinite map
            &[0xa2, 1, 4, 0x20, 0x5f, 0x42, 7, 8, 0xff], // an indefinite string
            &[0xa2, 0x20, 0x42, 7, 8, 1, 4],             // another order
            &[0xa3, 1, 4, 1, 4, 0x20, 0x42, 7, 8],       // a duplicate label
            &[0xa3, 1, 4, 0x20, 0x42, 7, 8, 0x21, 0x41, 0], // a surplus label
            &[0xa1, 1, 4],                               // a missing label
            &[0xa2, 1, 2, 0x20, 0x42, 7, 8],             // another key type
            &[0xa2, 1, 4, 0x20, 0x62, 7, 8],             // a text string
            &[],
        ] {
            assert_eq!(read(other), Err(KeyError::Malformed), "{other:02x?}");
        }
    }

    #[test]
    fn an_integer_has_no_leading_zero() {
        let integer = |bytes: &'static [u8]| Reader(bytes).integer(-1);
        assert_eq!(integer(&[0x20, 0x42, 1, 0]), Ok(&[1, 0][..]));
        assert_eq!(integer(&[0x20, 0x42, 0, 1]), Err(KeyError::Malformed));
        assert_eq!(integer(&[0x20, 0x40]), Err(KeyError::Malformed));
    }
}
