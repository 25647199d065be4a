//! A strict reader of the small part of CBOR that Nitro documents use.
//!
//! minicbor decodes; this adds what it leaves open: every head must be in its shortest form, and
//! strings are of definite length. Containers may be of either kind, because the NSM has written
//! both. Nothing is allocated and nothing recurses.

use minicbor::Decoder;
use minicbor::data::Type;

/// The bytes are not what was asked for.
#[derive(Debug)]
pub(crate) struct Malformed;

impl From<minicbor::decode::Error> for Malformed {
    fn from(_: minicbor::decode::Error) -> Malformed {
        Malformed
    }
}

/// How many entries of a container are still to come.
pub(crate) enum Remaining {
    Exactly(u64),
    UntilBreak,
}

/// Reads items from a byte slice, front to back.
pub(crate) struct Reader<'d> {
    decoder: Decoder<'d>,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(bytes: &'d [u8]) -> Reader<'d> {
        Reader {
            decoder: Decoder::new(bytes),
        }
    }

    /// Whether every byte was read.
    pub(crate) fn at_end(&self) -> bool {
        self.decoder.position() == self.decoder.input().len()
    }

    pub(crate) fn uint(&mut self) -> Result<u64, Malformed> {
        let start = self.decoder.position();
        let value = self.decoder.u64()?;
        self.shortest(start, value, 0)?;
        Ok(value)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'d [u8], Malformed> {
        let start = self.decoder.position();
        let value = self.decoder.bytes()?;
        self.shortest(start, value.len() as u64, value.len())?;
        Ok(value)
    }

    pub(crate) fn text(&mut self) -> Result<&'d str, Malformed> {
        let start = self.decoder.position();
        let value = self.decoder.str()?;
        self.shortest(start, value.len() as u64, value.len())?;
        Ok(value)
    }

    /// A byte string, or null for none.
    pub(crate) fn bytes_or_null(&mut self) -> Result<Option<&'d [u8]>, Malformed> {
        if self.decoder.datatype()? == Type::Null {
            self.decoder.null()?;
            return Ok(None);
        }
        self.bytes().map(Some)
    }

    /// The tag in front of the next item, if there is one.
    pub(crate) fn tag(&mut self) -> Result<Option<u64>, Malformed> {
        if self.decoder.datatype()? != Type::Tag {
            return Ok(None);
        }
        let start = self.decoder.position();
        let tag = self.decoder.tag()?.as_u64();
        self.shortest(start, tag, 0)?;
        Ok(Some(tag))
    }

    pub(crate) fn map(&mut self) -> Result<Remaining, Malformed> {
        let start = self.decoder.position();
        let count = self.decoder.map()?;
        self.container(start, count)
    }

    pub(crate) fn array(&mut self) -> Result<Remaining, Malformed> {
        let start = self.decoder.position();
        let count = self.decoder.array()?;
        self.container(start, count)
    }

    /// Whether the container has another entry; reads the break that ends an indefinite one.
    pub(crate) fn has_next(&mut self, remaining: &mut Remaining) -> Result<bool, Malformed> {
        match remaining {
            Remaining::Exactly(0) => Ok(false),
            Remaining::Exactly(count) => {
                *count -= 1;
                Ok(true)
            }
            Remaining::UntilBreak => {
                if self.decoder.datatype()? != Type::Break {
                    return Ok(true);
                }
                self.decoder.set_position(self.decoder.position() + 1);
                Ok(false)
            }
        }
    }

    fn container(&self, start: usize, count: Option<u64>) -> Result<Remaining, Malformed> {
        let Some(count) = count else {
            return Ok(Remaining::UntilBreak);
        };
        self.shortest(start, count, 0)?;
        Ok(Remaining::Exactly(count))
    }

    /// Fails unless what was read since `start` is a head in its shortest form and `body` bytes.
    fn shortest(&self, start: usize, argument: u64, body: usize) -> Result<(), Malformed> {
        let head = match argument {
            0..=23 => 1,
            24..=0xff => 2,
            0x100..=0xffff => 3,
            0x1_0000..=0xffff_ffff => 5,
            _ => 9,
        };
        if self.decoder.position() - start == head + body {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}
