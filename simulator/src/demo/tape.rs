//! A recorder of all that crosses the parent: the link to the enclave, byte for byte, and the bodies of its HTTP.
//!
//! The recorder of the link stands between two Unix sockets, where on a real machine the provider's kernel stands; it
//! passes on what it gets as it is, also the line with which a stream to a virtual machine begins. HTTP is recorded where
//! TLS begins and ends, since what the provider sees is what is inside.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam::transport::{CallError, Parent};
use cofferdam_wire::id::Nonce;
use cofferdam_wire::limits;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// What was recorded. Cheap to clone; all clones are one tape.
#[derive(Clone, Default)]
pub(crate) struct Tape {
    link: Arc<Mutex<Vec<Vec<u8>>>>,
    http: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Tape {
    /// Every direction of every stream to the enclave so far, byte for byte.
    pub(crate) fn link(&self) -> Vec<Vec<u8>> {
        self.link
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Every body so far.
    pub(crate) fn http(&self) -> Vec<Vec<u8>> {
        self.http
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A place of its own for one direction, so that bytes which followed each other stay together.
    fn direction(&self) -> usize {
        let mut directions = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        directions.push(Vec::new());
        directions.len() - 1
    }

    fn append(&self, direction: usize, bytes: &[u8]) {
        let mut directions = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        directions[direction].extend_from_slice(bytes);
    }

    fn note(&self, body: &[u8]) {
        self.http
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(body.to_vec());
    }
}

/// Read at once and passed on in one piece: no more than what the vsock device of a virtual machine takes well.
const PIECE: usize = limits::WRITE_PIECE;

/// Stands between parent and enclave until the task is aborted.
pub(crate) fn record_link(
    socket: &Path,
    enclave: PathBuf,
    tape: Tape,
) -> std::io::Result<tokio::task::JoinHandle<()>> {
    let listener = UnixListener::bind(socket)?;
    Ok(tokio::spawn(async move {
        while let Ok((parent, _)) = listener.accept().await {
            tokio::spawn(record_stream(parent, enclave.clone(), tape.clone()));
        }
    }))
}

/// When either side ends, so does the other: the parent has to see that the enclave is gone.
async fn record_stream(parent: UnixStream, enclave: PathBuf, tape: Tape) {
    let Ok(enclave) = UnixStream::connect(enclave).await else {
        return;
    };
    let (from_parent, to_parent) = parent.into_split();
    let (from_enclave, to_enclave) = enclave.into_split();
    tokio::select! {
        _ = record(from_parent, to_enclave, &tape) => (),
        _ = record(from_enclave, to_parent, &tape) => (),
    }
}

async fn record(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    tape: &Tape,
) -> std::io::Result<()> {
    let direction = tape.direction();
    let mut buffer = vec![0; PIECE];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        tape.append(direction, &buffer[..length]);
        to.write_all(&buffer[..length]).await?;
    }
}

/// A parent whose bodies are recorded, both ways.
#[derive(Clone)]
pub(crate) struct Recorded<P> {
    parent: P,
    tape: Tape,
}

impl<P: Parent> Recorded<P> {
    pub(crate) fn new(parent: P, tape: Tape) -> Self {
        Self { parent, tape }
    }

    async fn exchange<F>(
        &self,
        body: Vec<u8>,
        send: impl FnOnce(Vec<u8>) -> F + Send,
    ) -> Result<Vec<u8>, CallError>
    where
        F: Future<Output = Result<Vec<u8>, CallError>> + Send,
    {
        self.tape.note(&body);
        let answer = send(body).await;
        match &answer {
            Ok(answer) => self.tape.note(answer),
            Err(error) => self.tape.note(error.to_string().as_bytes()),
        }
        answer
    }
}

impl<P: Parent> Parent for Recorded<P> {
    async fn evidence(&self, nonce: &Nonce) -> Result<Vec<u8>, CallError> {
        self.exchange(nonce.0.to_vec(), |_| self.parent.evidence(nonce))
            .await
    }

    async fn challenge(&self, challenge: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.exchange(challenge, |body| self.parent.challenge(body))
            .await
    }

    async fn import(&self, import: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.exchange(import, |body| self.parent.import(body)).await
    }

    async fn open_session(&self, opening: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.exchange(opening, |body| self.parent.open_session(body))
            .await
    }

    async fn call(&self, request: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.exchange(request, |body| self.parent.call(body)).await
    }
}
