//! Where the enclave listens: a Unix socket on one machine, a vsock address, or a vsock port behind a Unix socket.
//!
//! It is the operator's setting. The streams carry the same frames, so nothing above knows which it is.

use super::hybrid;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio_vsock::{VsockAddr, VsockStream};

/// `unix:/path`, `vsock:CID:PORT` or `vsock-unix:/path:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnclaveAddress {
    /// A Unix socket.
    Unix(PathBuf),
    /// A vsock address.
    Vsock {
        /// Context id of the enclave.
        cid: u32,
        /// Port.
        port: u32,
    },
    /// A vsock port of a virtual machine whose device listens on a Unix socket of this machine.
    VsockUnix {
        /// The Unix socket.
        path: PathBuf,
        /// Port in the machine.
        port: u32,
    },
}

/// Not an address of an enclave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected unix:/path, vsock:CID:PORT or vsock-unix:/path:PORT")]
pub struct AddressError;

/// Both directions of an open stream.
pub(super) struct Transport {
    pub(super) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(super) writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Transport {
    fn of(
        (reader, writer): (
            impl AsyncRead + Send + Unpin + 'static,
            impl AsyncWrite + Send + Unpin + 'static,
        ),
    ) -> Self {
        Self {
            reader: Box::new(reader),
            writer: Box::new(writer),
        }
    }
}

impl EnclaveAddress {
    /// A stream to the enclave. Whoever has not accepted within `longest` is given up with `TimedOut`.
    pub(super) async fn connect(&self, longest: Duration) -> io::Result<Transport> {
        tokio::time::timeout(longest, self.open())
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn open(&self) -> io::Result<Transport> {
        match self {
            EnclaveAddress::Unix(path) => {
                Ok(Transport::of(UnixStream::connect(path).await?.into_split()))
            }
            EnclaveAddress::Vsock { cid, port } => {
                let stream = VsockStream::connect(VsockAddr::new(*cid, *port)).await?;
                Ok(Transport::of(stream.into_split()))
            }
            EnclaveAddress::VsockUnix { path, port } => {
                let mut stream = UnixStream::connect(path).await?;
                hybrid::ask(&mut stream, *port).await?;
                Ok(Transport::of(stream.into_split()))
            }
        }
    }
}

impl FromStr for EnclaveAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let number = |text: &str| text.parse::<u32>().map_err(|_| AddressError);
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(EnclaveAddress::Unix(path.into())),
            Some(("vsock", rest)) => {
                let (cid, port) = rest.split_once(':').ok_or(AddressError)?;
                Ok(EnclaveAddress::Vsock {
                    cid: number(cid)?,
                    port: number(port)?,
                })
            }
            Some(("vsock-unix", rest)) => {
                // The port is behind the last colon, so the path may have some of its own.
                let (path, port) = rest.rsplit_once(':').ok_or(AddressError)?;
                if path.is_empty() {
                    return Err(AddressError);
                }
                Ok(EnclaveAddress::VsockUnix {
                    path: path.into(),
                    port: number(port)?,
                })
            }
            _ => Err(AddressError),
        }
    }
}

impl fmt::Display for EnclaveAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnclaveAddress::Unix(path) => write!(f, "unix:{}", path.display()),
            EnclaveAddress::Vsock { cid, port } => write!(f, "vsock:{cid}:{port}"),
            EnclaveAddress::VsockUnix { path, port } => {
                write!(f, "vsock-unix:{}:{port}", path.display())
            }
        }
    }
}

impl Serialize for EnclaveAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EnclaveAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    /// Far longer than a machine under load takes for what is here.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn every_form_is_read_as_it_is_written() {
        for text in [
            "unix:/run/enclave.sock",
            "vsock:16:5000",
            "vsock-unix:/run/vm.vsock:5000",
            "vsock-unix:/run/a:b/vm.vsock:5000",
        ] {
            assert_eq!(text.parse::<EnclaveAddress>().unwrap().to_string(), text);
        }
        assert_eq!(
            "vsock-unix:/run/a:b/vm.vsock:5000".parse(),
            Ok(EnclaveAddress::VsockUnix {
                path: "/run/a:b/vm.vsock".into(),
                port: 5000
            })
        );
    }

    #[tokio::test]
    async fn a_port_behind_a_unix_socket_is_a_stream_like_any_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vm.vsock");
        let listener = UnixListener::bind(&path).unwrap();
        let machine = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut line = [0; 13];
            stream.read_exact(&mut line).await.unwrap();
            stream.write_all(b"OK 1\nguest").await.unwrap();
            let mut said = [0; 6];
            stream.read_exact(&mut said).await.unwrap();
            (line, said)
        });
        let address = EnclaveAddress::VsockUnix { path, port: 5000 };
        let mut transport = address.connect(LONG).await.unwrap();
        let mut said = [0; 5];
        transport.reader.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"guest");
        transport.writer.write_all(b"parent").await.unwrap();
        assert_eq!(machine.await.unwrap(), (*b"CONNECT 5000\n", *b"parent"));
    }

    #[tokio::test]
    async fn a_device_that_does_not_answer_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vm.vsock");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The beginning of a right answer, and then nothing.
            stream.write_all(b"OK 10").await.unwrap();
            std::future::pending::<()>().await;
        });
        let address = EnclaveAddress::VsockUnix { path, port: 5000 };
        let given_up = address.connect(Duration::from_millis(100)).await;
        assert_eq!(given_up.err().unwrap().kind(), io::ErrorKind::TimedOut);
    }
}
