//! The sign of life that whoever started the enclave waits for: one byte to a port of the parent, and back.
//!
//! It carries nothing and proves nothing. The parent of an enclave on Nitro has context 3; a host that emulates one has
//! context 2. Both are tried at once, since one that is not there answers late or never.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use vsock::VsockStream;

use crate::process;

/// Where the parent waits for it.
const PORT: u32 = 9000;
/// The byte.
const BEAT: u8 = 0xb7;
/// Contexts that the parent may have.
const PARENTS: [u32; 2] = [3, 2];

/// The device of the connection may still be on its way, and the parent may come late.
const PATIENCE: Duration = Duration::from_secs(10);
/// For the byte to come back.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Sends it, and tells which context took it; `None` if nobody did in time.
pub(super) fn send() -> Option<u32> {
    let start = Instant::now();
    let over = Arc::new(AtomicBool::new(false));
    let (taken, took) = mpsc::channel();
    for parent in PARENTS {
        let (over, taken) = (Arc::clone(&over), taken.clone());
        let tries = move || {
            while !over.load(Ordering::Relaxed) && start.elapsed() < PATIENCE {
                if offer(parent).is_ok() {
                    // Nobody listens if the other one was faster.
                    let _ = taken.send(parent);
                    return;
                }
                thread::sleep(PAUSE);
            }
        };
        // Without a thread there is no heartbeat; serving needs threads too, and says so.
        let _ = process::spawn("heartbeat", tries);
    }
    drop(taken);
    let parent = took.recv_timeout(PATIENCE).ok();
    over.store(true, Ordering::Relaxed);
    parent
}

fn offer(parent: u32) -> io::Result<()> {
    let mut stream = VsockStream::connect_with_cid_port(parent, PORT)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    exchange(&mut stream)
}

/// The byte there and back.
fn exchange(stream: &mut (impl Read + Write)) -> io::Result<()> {
    stream.write_all(&[BEAT])?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    match answer {
        [BEAT] => Ok(()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_byte_has_to_come_back() {
        for (answer, taken) in [(&[0xb7][..], true), (&[0xb6], false), (&[], false)] {
            let (mut ours, mut theirs) = UnixStream::pair().unwrap();
            let parent = thread::spawn(move || {
                let mut beat = [0];
                theirs.read_exact(&mut beat).unwrap();
                theirs.write_all(answer).unwrap();
                beat
            });
            assert_eq!(exchange(&mut ours).is_ok(), taken, "{answer:?}");
            assert_eq!(parent.join().unwrap(), [0xb7]);
        }
    }
}
