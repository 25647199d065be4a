//! Where the enclave listens: a Unix socket on one machine, or a vsock address.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio_vsock::{VsockAddr, VsockStream};

/// `unix:/path` or `vsock:CID:PORT`.
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
}

/// Not an address of an enclave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected unix:/path or vsock:CID:PORT")]
pub struct AddressError;

/// Both directions of an open stream.
pub(super) struct Transport {
    pub(super) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(super) writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl EnclaveAddress {
    pub(super) async fn connect(&self) -> io::Result<Transport> {
        match self {
            EnclaveAddress::Unix(path) => {
                let (reader, writer) = UnixStream::connect(path).await?.into_split();
                Ok(Transport {
                    reader: Box::new(reader),
                    writer: Box::new(writer),
                })
            }
            EnclaveAddress::Vsock { cid, port } => {
                let (reader, writer) = VsockStream::connect(VsockAddr::new(*cid, *port))
                    .await?
                    .into_split();
                Ok(Transport {
                    reader: Box::new(reader),
                    writer: Box::new(writer),
                })
            }
        }
    }
}

impl FromStr for EnclaveAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(EnclaveAddress::Unix(path.into())),
            Some(("vsock", rest)) => {
                let (cid, port) = rest.split_once(':').ok_or(AddressError)?;
                let number = |text: &str| text.parse::<u32>().map_err(|_| AddressError);
                Ok(EnclaveAddress::Vsock {
                    cid: number(cid)?,
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
