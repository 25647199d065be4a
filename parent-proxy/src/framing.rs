//! Frames on an asynchronous byte stream, for the link to the enclave and for the streams of apps.
//!
//! Reading holds at most one frame and one read, whatever a length field claims (T-27). Writing gathers frames that
//! wait into one buffer and gives it to the transport in pieces that virtio-vsock takes well.

use cofferdam_wire::frame::{Frame, FrameError, FrameReader};
use cofferdam_wire::limits;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const READ: usize = 32 * 1024;
const GATHER: usize = 128 * 1024;

/// Why a stream of frames ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FramingError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the stream ends within a frame")]
    CutOff,
    #[error("a frame of type {0:#04x} does not belong here")]
    Unexpected(u8),
}

pub(crate) struct FrameSource<R> {
    stream: R,
    frames: FrameReader,
    buffer: Vec<u8>,
    within_frame: bool,
}

impl<R: AsyncRead + Unpin> FrameSource<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self {
            stream,
            frames: FrameReader::default(),
            buffer: vec![0; READ],
            within_frame: false,
        }
    }

    /// The next frame; `None` at the orderly end. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, FramingError> {
        loop {
            if let Some(frame) = self.frames.next_frame()? {
                self.within_frame = false;
                return Ok(Some(frame));
            }
            let length = self.stream.read(&mut self.buffer).await?;
            if length == 0 {
                return if self.within_frame {
                    Err(FramingError::CutOff)
                } else {
                    Ok(None)
                };
            }
            self.frames.feed(&self.buffer[..length]);
            self.within_frame = true;
        }
    }
}

pub(crate) struct FrameSink<W> {
    stream: W,
    buffer: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> FrameSink<W> {
    pub(crate) fn new(stream: W) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Writes all frames and flushes.
    pub(crate) async fn write(
        &mut self,
        frames: impl IntoIterator<Item = Frame>,
    ) -> io::Result<()> {
        for frame in frames {
            frame.write_to(&mut self.buffer);
            if self.buffer.len() >= GATHER {
                self.drain().await?;
            }
        }
        self.drain().await?;
        self.stream.flush().await
    }

    async fn drain(&mut self) -> io::Result<()> {
        for piece in self.buffer.chunks(limits::WRITE_PIECE) {
            self.stream.write_all(piece).await?;
        }
        self.buffer.clear();
        Ok(())
    }

    /// Tells the other side that nothing more comes.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_arrive_as_they_were_written() {
        let (near, far) = tokio::io::duplex(1000);
        let frames: Vec<_> = (0..50)
            .map(|id| Frame {
                kind: 5,
                id,
                body: vec![id as u8; 3000 * (id as usize % 21)],
            })
            .collect();
        let sent = frames.clone();
        tokio::spawn(async move {
            let mut sink = FrameSink::new(near);
            sink.write(sent).await.unwrap();
            sink.finish().await.unwrap();
        });
        let mut source = FrameSource::new(far);
        for frame in frames {
            assert_eq!(source.next().await.unwrap(), Some(frame));
        }
        assert_eq!(source.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn t27_a_forged_length_ends_the_stream_before_its_body_comes() {
        let mut source = FrameSource::new(&[0xff, 0xff, 0xff, 0xff, 5][..]);
        assert!(matches!(source.next().await, Err(FramingError::Frame(_))));
        assert_eq!(source.buffer.len(), READ);
    }

    #[tokio::test]
    async fn a_stream_cut_within_a_frame_is_not_an_orderly_end() {
        let mut source = FrameSource::new(&[0, 0, 0, 20, 5, 0][..]);
        assert!(matches!(source.next().await, Err(FramingError::CutOff)));
    }
}
