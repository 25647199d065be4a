//! Frames: the unit of the link between parent and enclave, and of the stream between app and parent.
//!
//! ```text
//! 0       4      5            13
//! | length | type |  request id  | body ...
//! ```
//!
//! `length` (u32, big endian) counts everything behind itself. The type says what the body is ([`crate::link`]); the id
//! (u64, big endian) is chosen by who asks and comes back in the reply, so frames of many requests interleave.

use crate::limits;

/// Bytes before the body.
pub const HEADER: usize = 13;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What the body is.
    pub kind: u8,
    /// Chosen by who asks; repeated in the reply.
    pub id: u64,
    /// At most [`limits::FRAME_BODY`] bytes.
    pub body: Vec<u8>,
}

/// The peer broke the framing; the connection must be closed, since there is no next frame to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is below the header's or above the limit.
    #[error("a frame of {0} bytes is outside of what the protocol allows")]
    Length(usize),
}

impl Frame {
    /// Appends the encoded frame. The body must be within [`limits::FRAME_BODY`].
    pub fn write_to(&self, out: &mut Vec<u8>) {
        debug_assert!(
            self.body.len() <= limits::FRAME_BODY,
            "bodies are bounded where they are made"
        );
        let length = (HEADER - 4 + self.body.len()) as u32;
        out.extend_from_slice(&length.to_be_bytes());
        out.push(self.kind);
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(&self.body);
    }
}

/// Cuts a byte stream into frames. Holds at most one frame and one read.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: Vec<u8>,
    start: usize,
}

impl FrameReader {
    /// Takes bytes that have come; whoever calls drains [`FrameReader::next_frame`] before feeding more.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if there is one. A length out of bounds is an error before its body is waited for.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let rest = &self.buffer[self.start..];
        let Some((prefix, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*prefix) as usize;
        if !(HEADER - 4..=limits::FRAME - 4).contains(&length) {
            return Err(FrameError::Length(length));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let (head, body) = rest[..length].split_at(HEADER - 4);
        let id = u64::from_be_bytes(
            head[1..]
                .try_into()
                .expect("the header is 9 bytes behind its length"),
        );
        let frame = Frame {
            kind: head[0],
            id,
            body: body.to_vec(),
        };
        self.start += 4 + length;
        Ok(Some(frame))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_however_the_stream_is_cut() {
        let frames = [
            Frame {
                kind: 1,
                id: 7,
                body: vec![1; 10],
            },
            Frame {
                kind: 0x40,
                id: u64::MAX,
                body: Vec::new(),
            },
            Frame {
                kind: 5,
                id: 9,
                body: vec![2; limits::FRAME_BODY],
            },
        ];
        let mut stream = Vec::new();
        frames.iter().for_each(|frame| frame.write_to(&mut stream));
        for step in [1, 3, 13, 1000, stream.len()] {
            let mut reader = FrameReader::default();
            let mut read = Vec::new();
            for piece in stream.chunks(step) {
                reader.feed(piece);
                while let Some(frame) = reader.next_frame().unwrap() {
                    read.push(frame);
                }
            }
            assert_eq!(read, frames);
        }
    }

    #[test]
    fn t27_a_length_out_of_bounds_is_refused_before_the_body_comes() {
        for length in [0, 8, limits::FRAME as u32 - 3, u32::MAX] {
            let mut reader = FrameReader::default();
            reader.feed(&length.to_be_bytes());
            assert_eq!(
                reader.next_frame(),
                Err(FrameError::Length(length as usize))
            );
        }
    }
}
