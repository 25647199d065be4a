//! A vsock port of a virtual machine that is reached through a Unix socket on its host.
//!
//! Where the host's kernel has no vsock, the program that plays the machine's device (vhost-device-vsock beside QEMU, for
//! one) listens on a Unix socket. It takes one line, `CONNECT 5000`, and when the guest has accepted on that port it gives
//! one line back, `OK 1073741824`, its own port; from then on the socket is the stream.
//!
//! Who answers is a program of the same machine, so it is trusted for nothing but carrying bytes. What is refused: any
//! other line, a line that does not end within [`LINE`] bytes, and an end before it. The line is read byte by byte, since
//! the first frame of the enclave may come right behind it and belongs to the frames.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// `OK 4294967295` and the end of the line have 14 bytes.
const LINE: usize = 14;

/// Why there is no stream to the port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum HybridError {
    #[error("the socket was closed instead of \"OK\"; nobody listens on this port in the machine")]
    Closed,
    #[error("the answer to CONNECT is not a line of at most {LINE} bytes")]
    Endless,
    #[error("the answer to CONNECT is not \"OK\" and a port")]
    NotOk,
}

impl From<HybridError> for io::Error {
    fn from(error: HybridError) -> Self {
        let kind = match error {
            HybridError::Closed => io::ErrorKind::ConnectionRefused,
            HybridError::Endless | HybridError::NotOk => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

/// Asks for a port. When this has succeeded, the stream's next byte is the guest's first.
pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    port: u32,
) -> io::Result<()> {
    // In one piece: the other side reads it at once or not at all.
    stream
        .write_all(format!("CONNECT {port}\n").as_bytes())
        .await?;
    stream.flush().await?;
    let mut line = Vec::with_capacity(LINE);
    while line.last() != Some(&b'\n') {
        if line.len() == LINE {
            return Err(HybridError::Endless.into());
        }
        match stream.read_u8().await {
            Ok(byte) => line.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(HybridError::Closed.into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(accepted(&line).ok_or(HybridError::NotOk)?)
}

/// Whether the line says `OK` and a port.
fn accepted(line: &[u8]) -> Option<()> {
    let port = line.strip_prefix(b"OK ")?.strip_suffix(b"\n")?;
    if !port.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(port)
        .ok()?
        .parse::<u32>()
        .ok()
        .map(drop)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Asks a peer that answers with these bytes and then closes; gives the outcome and what the stream still has.
    async fn asked(answer: &[u8]) -> (io::Result<()>, Vec<u8>) {
        let (mut near, mut far) = tokio::io::duplex(4096);
        far.write_all(answer).await.unwrap();
        let peer = tokio::spawn(async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\n") {
                request.push(far.read_u8().await.unwrap());
            }
            far.shutdown().await.unwrap();
            (request, far)
        });
        let outcome = ask(&mut near, 5000).await;
        let (request, _far) = peer.await.unwrap();
        assert_eq!(request, b"CONNECT 5000\n");
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        (outcome, rest)
    }

    async fn refused(answer: &[u8]) -> HybridError {
        let error = asked(answer).await.0.unwrap_err();
        let inner = error.into_inner().unwrap();
        inner.downcast_ref::<HybridError>().unwrap().clone()
    }

    #[tokio::test]
    async fn ok_and_a_port_open_the_stream() {
        for line in [&b"OK 1073741824\n"[..], b"OK 0\n", b"OK 4294967295\n"] {
            let (outcome, rest) = asked(line).await;
            outcome.unwrap();
            assert_eq!(rest, b"");
        }
    }

    #[tokio::test]
    async fn what_follows_the_line_belongs_to_the_frames() {
        let (outcome, rest) = asked(b"OK 7\n\0\0\0\x05frame\n").await;
        outcome.unwrap();
        assert_eq!(rest, b"\0\0\0\x05frame\n");
    }

    #[tokio::test]
    async fn another_word_opens_nothing() {
        for line in [
            &b"NO 7\n"[..],
            b"OK\n",
            b"OK \n",
            b"OK seven\n",
            b"OK +7\n",
            b"OK 7\r\n",
            b"OK 4294967296\n",
            b"ok 7\n",
            b" OK 7\n",
            b"OK 7 8\n",
            b"\n",
            b"OK \xff\n",
        ] {
            assert_eq!(
                refused(line).await,
                HybridError::NotOk,
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[tokio::test]
    async fn t27_a_line_without_end_is_left_after_a_few_bytes() {
        let (outcome, rest) = asked(&b"OK 7".repeat(100)).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(rest.len(), 400 - LINE);
        assert_eq!(refused(b"OK 00000000007\n").await, HybridError::Endless);
    }

    #[tokio::test]
    async fn a_socket_that_closes_before_the_end_of_the_line_is_no_stream() {
        for line in [&b""[..], b"OK", b"OK 7"] {
            assert_eq!(refused(line).await, HybridError::Closed);
        }
        assert_eq!(
            io::Error::from(HybridError::Closed).kind(),
            io::ErrorKind::ConnectionRefused
        );
    }
}
