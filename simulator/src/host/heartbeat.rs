//! The parent's side of the heartbeat: an image's init says one byte when it is up, and wants to hear it back.
//!
//! The vsock device of the machine connects here when the guest connects to port 9000 of its host. Whoever says anything
//! else, or nothing, is left alone: the byte carries no trust.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// What is said and heard.
const HEARTBEAT: u8 = 0xb7;
/// Longest wait for it, so that nobody keeps the next one waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// Listens from now on, and answers in a thread of its own until the process ends.
pub(super) fn listen(socket: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    std::thread::Builder::new()
        .name("heartbeat".into())
        .spawn(move || {
            for guest in listener.incoming().flatten() {
                match answer(guest) {
                    Ok(()) => eprintln!("machine: its init is up"),
                    Err(error) => eprintln!("machine: no heartbeat: {error}"),
                }
            }
        })?;
    Ok(())
}

fn answer(mut guest: UnixStream) -> io::Result<()> {
    guest.set_read_timeout(Some(PATIENCE))?;
    let mut byte = [0];
    guest.read_exact(&mut byte)?;
    if byte != [HEARTBEAT] {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{:#04x} came instead", byte[0]),
        ));
    }
    guest.write_all(&byte)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// What a guest hears that says this and then waits.
    fn heard(socket: &Path, said: &[u8]) -> Vec<u8> {
        let mut guest = UnixStream::connect(socket).unwrap();
        guest.write_all(said).unwrap();
        let mut heard = Vec::new();
        guest.read_to_end(&mut heard).unwrap();
        heard
    }

    #[test]
    fn the_byte_comes_back_and_another_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("heartbeat");
        listen(&socket).unwrap();
        assert_eq!(heard(&socket, &[HEARTBEAT]), [HEARTBEAT]);
        assert!(heard(&socket, &[0xb8]).is_empty());
        assert_eq!(heard(&socket, &[HEARTBEAT]), [HEARTBEAT]);
    }
}
