//! The shell and the core in this process, with a security module that is a constant.

use std::io::{ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cofferdam_enclave::{Attestor, AttestorError, ShellError, serve};
use cofferdam_enclave_core::Trust;
use cofferdam_wire::binding::Measurement;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::frame::{Frame, FrameReader};
use cofferdam_wire::link::{Health, Message, Reply};
use cofferdam_wire::{Code, cbor};

/// What the module's clock says.
pub const NOW_MS: u64 = 1_800_000_000_000;

/// A security module that signs nothing.
#[derive(Default)]
pub struct Module {
    pub readings: AtomicU64,
    /// Its clock fails.
    pub stopped: AtomicBool,
    /// Its registers are locked.
    pub locked: AtomicBool,
    /// Its clock panics.
    pub panics: AtomicBool,
}

impl Attestor for Module {
    fn attest(&self, _: &[u8], _: &[u8], _: Option<&[u8]>) -> Result<Vec<u8>, AttestorError> {
        assert!(self.locked.load(Ordering::SeqCst), "a document too early");
        Ok(vec![0; 100])
    }

    fn now_ms(&self) -> Result<u64, AttestorError> {
        assert!(!self.panics.load(Ordering::SeqCst), "canary");
        self.readings.fetch_add(1, Ordering::SeqCst);
        match self.stopped.load(Ordering::SeqCst) {
            true => Err(AttestorError::Refused("stopped")),
            false => Ok(NOW_MS),
        }
    }

    fn measurement(&self) -> Result<Measurement, AttestorError> {
        Ok(Measurement {
            pcr0: [1; 48],
            pcr1: [2; 48],
            pcr2: [3; 48],
        })
    }

    fn lock_registers(&self) -> Result<(), AttestorError> {
        self.locked.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn random(&self, buffer: &mut [u8]) -> Result<(), AttestorError> {
        getrandom::fill(buffer).map_err(|_| AttestorError::Unreadable)
    }
}

/// Anchors that nothing in these tests stands on.
pub struct Anchors;

impl Trust for Anchors {
    const ATTESTATION_ROOT: &'static [u8] =
        include_bytes!("../../../../attestation/roots/aws-nitro.der");
    /// The base point: a valid key.
    const VENDOR: PublicKey = PublicKey::Ed25519([
        0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
        0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
        0x66, 0x66,
    ]);
}

/// A running shell. It lives as long as the process, like the real one.
pub struct Stage {
    pub module: Arc<Module>,
    pub shell: JoinHandle<ShellError>,
    address: SocketAddr,
}

impl Stage {
    pub fn new() -> Stage {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("cofferdam-shell-{}-{count}", std::process::id());
        let address = SocketAddr::from_abstract_name(name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let module = Arc::new(Module::default());
        let (ready, is_ready) = mpsc::channel();
        let shell = thread::spawn({
            let module = Arc::clone(&module);
            move || match serve::<Anchors>(module, listener, move || ready.send(()).unwrap()) {
                Ok(never) => match never {},
                Err(error) => error,
            }
        });
        is_ready.recv().unwrap();
        Stage {
            module,
            shell,
            address,
        }
    }

    pub fn connect(&self) -> Peer {
        let stream = UnixStream::connect_addr(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Peer {
            stream,
            frames: FrameReader::default(),
        }
    }
}

/// The other end of the link.
pub struct Peer {
    pub stream: UnixStream,
    frames: FrameReader,
}

impl Peer {
    /// A second handle, to send on another thread.
    pub fn second(&self) -> Peer {
        Peer {
            stream: self.stream.try_clone().unwrap(),
            frames: FrameReader::default(),
        }
    }

    pub fn send(&mut self, kind: u8, id: u64, body: &[u8]) {
        let mut bytes = Vec::new();
        Frame {
            kind,
            id,
            body: body.to_vec(),
        }
        .write_to(&mut bytes);
        self.stream.write_all(&bytes).unwrap();
    }

    /// The next frame; `None` when the shell has closed the connection.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames.next_frame().unwrap() {
                return Some(frame);
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(length) => self.frames.feed(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub fn reply(&mut self, kind: u8, id: u64, body: &[u8]) -> Result<Vec<u8>, Code> {
        self.send(kind, id, body);
        let frame = self.next_frame().expect("a reply");
        assert_eq!((frame.kind, frame.id), (Message::Reply.number(), id));
        match cbor::decode(&frame.body, 64 * 1024).unwrap() {
            Reply::Done(body) => Ok(body),
            Reply::Refused(code) => Err(code),
        }
    }

    pub fn health(&mut self) -> Health {
        let body = self.reply(Message::Health.number(), 1, &[]).unwrap();
        cbor::decode(&body, 1024).unwrap()
    }

    /// Whether the shell refuses this connection instead of serving it.
    pub fn is_refused(&mut self) -> bool {
        let mut bytes = Vec::new();
        Frame {
            kind: Message::Health.number(),
            id: 1,
            body: Vec::new(),
        }
        .write_to(&mut bytes);
        self.stream.write_all(&bytes).is_err() || self.next_frame().is_none()
    }

    /// Whether the shell has closed the connection; waits for it.
    pub fn is_cut_off(&mut self) -> bool {
        self.next_frame().is_none()
    }
}
