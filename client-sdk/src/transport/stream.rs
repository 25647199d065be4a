//! A stream: one upgraded connection, the link's own frames, many requests in flight.
//!
//! A frame's body is what a POST's body would be. Replies come in any order and find their caller by the frame's id. When
//! the connection ends, every caller that waits is told so; nothing is sent twice by itself, since only the caller knows
//! whether that is wanted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cofferdam_wire::frame::{Frame, FrameReader};
use cofferdam_wire::id::Nonce;
use cofferdam_wire::link::{Message, Reply};
use cofferdam_wire::{Code, cbor, limits};
use reqwest::StatusCode;
use reqwest::header::{CONNECTION, UPGRADE};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf,
};
use tokio::sync::{mpsc, oneshot};

use super::{CallError, Client, Parent};

/// Frames that wait to be written; who comes then waits for room.
const QUEUE: usize = 1024;
/// An operation may wait to its deadline for a lease, and a little for the way.
const PATIENCE: Duration = Duration::from_millis(limits::DEADLINE_MAX_MS + 30_000);

/// The parent answers an upgrade at once.
const UPGRADE_WITHIN: Duration = Duration::from_secs(30);

/// One upgraded connection.
pub struct Stream {
    outgoing: mpsc::Sender<Frame>,
    waiting: Arc<Waiting>,
    next_id: AtomicU64,
    url: String,
    reader: tokio::task::JoinHandle<()>,
}

/// Who waits for which reply; closed for ever when the connection has ended.
struct Waiting(Mutex<Option<HashMap<u64, oneshot::Sender<Reply>>>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Reply>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a caller off the list however it leaves, so an abandoned call holds nothing.
struct Place<'a>(&'a Waiting, u64);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(callers) = self.0.lock().as_mut() {
            callers.remove(&self.1);
        }
    }
}

impl Stream {
    /// Upgrades a connection to the parent.
    pub async fn connect(client: &Client) -> Result<Self, CallError> {
        let url = client.origin();
        let unusable = |reason: String| CallError::Unreachable {
            url: client.origin(),
            reason,
        };
        let endpoint = client
            .upgradable()
            .map_err(|error| unusable(error.to_string()))?;
        let request = endpoint
            .get("/v1/stream")
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "cofferdam/1");
        let response = tokio::time::timeout(UPGRADE_WITHIN, request.send()).await;
        let response = response.map_err(|_| unusable("no answer in time".to_owned()))?;
        let response = response.map_err(|error| endpoint.unreachable(&error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let what = format!(
                "with HTTP status {} where a stream was asked for",
                response.status().as_u16()
            );
            return Err(CallError::Answer { url, what });
        }
        let upgraded = response
            .upgrade()
            .await
            .map_err(|error| endpoint.unreachable(&error))?;
        Ok(Self::over(upgraded, url))
    }

    /// Speaks frames over a connection that is already there. `url` is for messages only.
    pub fn over<C>(connection: C, url: String) -> Self
    where
        C: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (read_half, write_half) = tokio::io::split(connection);
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Waiting(Mutex::new(Some(HashMap::new()))));
        tokio::spawn(write(write_half, queue, Arc::clone(&waiting)));
        let reader = tokio::spawn(read(read_half, Arc::clone(&waiting)));
        Self {
            outgoing,
            waiting,
            next_id: AtomicU64::new(1),
            url,
            reader,
        }
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.waiting.lock().is_none()
    }

    /// Sends one encoded [`cofferdam_wire::session::SealedRequest`] and waits for its reply.
    pub async fn call(&self, body: Vec<u8>) -> Result<Vec<u8>, CallError> {
        if body.len() > limits::SEALED_REQUEST {
            return Err(CallError::refused(Code::TooLarge));
        }
        let ended = |reason: &str| CallError::Unreachable {
            url: self.url.clone(),
            reason: reason.to_owned(),
        };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        match self.waiting.lock().as_mut() {
            Some(callers) => callers.insert(id, sender),
            None => return Err(ended("the stream has ended")),
        };
        let _place = Place(&self.waiting, id);
        let frame = Frame {
            kind: Message::Sealed.number(),
            id,
            body,
        };
        self.outgoing
            .send(frame)
            .await
            .map_err(|_| ended("the stream has ended"))?;
        match tokio::time::timeout(PATIENCE, reply).await {
            Ok(Ok(Reply::Done(body))) => Ok(body),
            Ok(Ok(Reply::Refused(code))) => Err(CallError::refused(code)),
            Ok(Err(_)) => Err(ended("the stream ended before the answer")),
            Err(_) => Err(ended("no answer in time")),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The writer ends with its queue; the reader would wait for the other side.
        self.reader.abort();
    }
}

/// Writes what is queued, as much at once as one piece takes, and closes the connection when nobody can queue any more.
async fn write<C: AsyncWrite>(
    mut half: WriteHalf<C>,
    mut queue: mpsc::Receiver<Frame>,
    waiting: Arc<Waiting>,
) {
    let mut buffer = Vec::with_capacity(limits::FRAME);
    while let Some(frame) = queue.recv().await {
        buffer.clear();
        frame.write_to(&mut buffer);
        while buffer.len() < limits::WRITE_PIECE {
            match queue.try_recv() {
                Ok(frame) => frame.write_to(&mut buffer),
                Err(_) => break,
            }
        }
        let mut written = Ok(());
        for piece in buffer.chunks(limits::WRITE_PIECE) {
            written = half.write_all(piece).await;
            if written.is_err() {
                break;
            }
        }
        if written.is_err() || half.flush().await.is_err() {
            break;
        }
    }
    let _ = half.shutdown().await;
    waiting.lock().take();
}

/// Hands replies to their callers until the connection ends or the other side breaks the framing.
async fn read<C: AsyncRead>(mut half: ReadHalf<C>, waiting: Arc<Waiting>) {
    let mut frames = FrameReader::default();
    let mut buffer = vec![0; limits::FRAME];
    'connection: loop {
        match half.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(length) => frames.feed(&buffer[..length]),
        }
        loop {
            match frames.next_frame() {
                Ok(Some(frame)) => {
                    let reply = cbor::decode::<Reply>(&frame.body, limits::FRAME_BODY);
                    let (true, Ok(reply)) = (frame.kind == Message::Reply.number(), reply) else {
                        break 'connection;
                    };
                    let caller = waiting
                        .lock()
                        .as_mut()
                        .and_then(|callers| callers.remove(&frame.id));
                    // Nobody waits any more, or nobody asked: either way there is nothing to do with it.
                    caller.map(|caller| caller.send(reply));
                }
                Ok(None) => break,
                Err(_) => break 'connection,
            }
        }
    }
    waiting.lock().take();
}

/// A parent whose calls go over a stream, connected when first needed and again after it ended. Everything else is HTTPS.
pub struct Streamed {
    client: Client,
    stream: tokio::sync::Mutex<Option<Arc<Stream>>>,
}

impl Streamed {
    /// Streams to the same parent as `client`.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            stream: tokio::sync::Mutex::new(None),
        }
    }

    async fn stream(&self) -> Result<Arc<Stream>, CallError> {
        let mut current = self.stream.lock().await;
        if let Some(stream) = current.as_ref().filter(|stream| !stream.is_closed()) {
            return Ok(Arc::clone(stream));
        }
        let stream = Arc::new(Stream::connect(&self.client).await?);
        *current = Some(Arc::clone(&stream));
        Ok(stream)
    }
}

impl Parent for Streamed {
    async fn evidence(&self, nonce: &Nonce) -> Result<Vec<u8>, CallError> {
        self.client.evidence(nonce).await
    }

    async fn challenge(&self, challenge: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.client.challenge(challenge).await
    }

    async fn import(&self, import: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.client.import(import).await
    }

    async fn open_session(&self, opening: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.client.open_session(opening).await
    }

    async fn call(&self, request: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.stream().await?.call(request).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use tokio::io::DuplexStream;

    /// Reads `count` frames, then answers them as `answer` says, last come first.
    async fn parent(
        mut end: DuplexStream,
        count: usize,
        answer: impl Fn(Frame) -> Frame,
    ) -> DuplexStream {
        let mut frames = FrameReader::default();
        let mut asked = Vec::new();
        let mut buffer = vec![0; 4096];
        while asked.len() < count {
            let length = end.read(&mut buffer).await.unwrap();
            frames.feed(&buffer[..length]);
            while let Some(frame) = frames.next_frame().unwrap() {
                asked.push(frame);
            }
        }
        for frame in asked.into_iter().rev() {
            let mut bytes = Vec::new();
            answer(frame).write_to(&mut bytes);
            end.write_all(&bytes).await.unwrap();
        }
        end
    }

    fn done(frame: Frame) -> Frame {
        assert_eq!(frame.kind, Message::Sealed.number());
        Frame {
            kind: Message::Reply.number(),
            id: frame.id,
            body: cbor::encode(&Reply::Done(frame.body)),
        }
    }

    #[tokio::test]
    async fn many_calls_in_flight_find_their_replies() {
        let (here, there) = tokio::io::duplex(100_000);
        let server = tokio::spawn(parent(there, 200, done));
        let stream = Arc::new(Stream::over(here, "https://parent".into()));
        let calls: Vec<_> = (0..200u16)
            .map(|number| {
                let stream = Arc::clone(&stream);
                let body = [
                    number.to_be_bytes().to_vec(),
                    vec![7; usize::from(number) * 30],
                ]
                .concat();
                tokio::spawn(async move { (stream.call(body.clone()).await, body) })
            })
            .collect();
        for call in calls {
            let (reply, body) = call.await.unwrap();
            assert_eq!(reply.unwrap(), body);
        }
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_refusal_is_its_code() {
        let (here, there) = tokio::io::duplex(4096);
        tokio::spawn(parent(there, 1, |frame| Frame {
            kind: Message::Reply.number(),
            id: frame.id,
            body: cbor::encode(&Reply::Refused(Code::SessionRefused)),
        }));
        let stream = Stream::over(here, "https://parent".into());
        assert_eq!(
            stream.call(vec![1]).await,
            Err(CallError::refused(Code::SessionRefused))
        );
    }

    #[tokio::test]
    async fn when_the_connection_ends_every_caller_is_told() {
        let (here, there) = tokio::io::duplex(4096);
        tokio::spawn(async move {
            drop(
                parent(there, 1, |_| Frame {
                    kind: 0x7f,
                    id: 0,
                    body: vec![],
                })
                .await,
            )
        });
        let stream = Stream::over(here, "https://parent".into());
        assert!(matches!(
            stream.call(vec![1]).await,
            Err(CallError::Unreachable { .. })
        ));
        assert!(stream.is_closed());
        assert!(matches!(
            stream.call(vec![2]).await,
            Err(CallError::Unreachable { .. })
        ));
    }

    #[tokio::test]
    async fn t27_an_oversized_request_is_refused_here() {
        let (here, _there) = tokio::io::duplex(4096);
        let stream = Stream::over(here, "https://parent".into());
        let refused = stream.call(vec![0; limits::SEALED_REQUEST + 1]).await;
        assert_eq!(refused, Err(CallError::refused(Code::TooLarge)));
    }
}
