//! Where the parent connects: a vsock port in an enclave, a Unix socket everywhere else.
//!
//! Who connects makes no difference, so nobody is asked: every byte of every connection is hostile.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use vsock::{VMADDR_CID_ANY, VsockListener, VsockStream};

/// Takes connections.
pub trait Listener: Send + 'static {
    /// What it takes.
    type Connection: Connection;

    /// The next connection; blocks.
    ///
    /// # Errors
    /// The system's.
    fn accept(&self) -> io::Result<Self::Connection>;
}

/// A byte stream whose two directions are served by two threads.
pub trait Connection: Read + Write + Send + Sized + 'static {
    /// Another handle of the same stream.
    ///
    /// # Errors
    /// The system's.
    fn second_handle(&self) -> io::Result<Self>;

    /// Makes a write fail that cannot go on for so long.
    ///
    /// # Errors
    /// The system's.
    fn limit_write_time(&self, longest: Duration) -> io::Result<()>;

    /// Ends both directions, and with them whatever a thread waits for on any handle.
    fn end(&self);
}

impl Listener for UnixListener {
    type Connection = UnixStream;

    fn accept(&self) -> io::Result<UnixStream> {
        UnixListener::accept(self).map(|(stream, _)| stream)
    }
}

impl Connection for UnixStream {
    fn second_handle(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn limit_write_time(&self, longest: Duration) -> io::Result<()> {
        self.set_write_timeout(Some(longest))
    }

    fn end(&self) {
        // It fails when the peer was faster: then the stream has ended already.
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Listener for VsockListener {
    type Connection = VsockStream;

    fn accept(&self) -> io::Result<VsockStream> {
        VsockListener::accept(self).map(|(stream, _)| stream)
    }
}

impl Connection for VsockStream {
    fn second_handle(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn limit_write_time(&self, longest: Duration) -> io::Result<()> {
        self.set_write_timeout(Some(longest))
    }

    fn end(&self) {
        // As above.
        let _ = self.shutdown(Shutdown::Both);
    }
}

/// Listens on a vsock port.
///
/// # Errors
/// The system's.
pub fn vsock_listener(port: u32) -> io::Result<VsockListener> {
    VsockListener::bind_with_cid_port(VMADDR_CID_ANY, port)
}

/// Listens on a Unix socket; a socket that an earlier process left there is replaced.
///
/// # Errors
/// The system's.
pub fn unix_listener(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(path),
    }
}
