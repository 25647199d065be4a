//! One stream to the enclave: a task that writes what waits, a task that reads and hands out.

use super::Deliver;
use super::address::Transport;
use crate::asks::Asks;
use crate::framing::{FrameSink, FrameSource, FramingError};
use cofferdam_wire::Code;
use cofferdam_wire::cbor;
use cofferdam_wire::frame::Frame;
use cofferdam_wire::link::{Message, Reply};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncRead;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Frames that wait for the writer before askers wait too.
const QUEUE: usize = 512;
/// Frames gathered into one write.
const BATCH: usize = 64;
/// Asks of the enclave that are looked up or carried at once; a status query has at most 60 KiB.
const ASKS: usize = 512;

pub(super) struct Connection {
    queue: mpsc::Sender<Frame>,
    waiting: Mutex<Waiting>,
}

/// Requests without a reply yet. `None` once the stream has ended: nothing may be added any more.
struct Waiting {
    next_id: u64,
    requests: Option<HashMap<u64, (Deliver, OwnedSemaphorePermit)>>,
}

impl Connection {
    /// The connection, and the future that runs it and returns why it ended.
    pub(super) fn open(
        transport: Transport,
        asks: Arc<Asks>,
    ) -> (Arc<Connection>, impl Future<Output = FramingError> + Send) {
        let (queue, frames) = mpsc::channel(QUEUE);
        let waiting = Mutex::new(Waiting {
            next_id: 1,
            requests: Some(HashMap::new()),
        });
        let connection = Arc::new(Connection { queue, waiting });
        let running = Running(connection.clone());
        let run = async move {
            let connection = running.0.clone();
            let end = tokio::select! {
                end = write(transport.writer, frames) => end,
                end = read(transport.reader, &connection, asks) => end,
            };
            drop(running);
            end
        };
        (connection, run)
    }

    /// Sends a request under an id of its own; `deliver` gets the reply, or a refusal when the stream ends.
    pub(super) async fn ask(
        &self,
        mut frame: Frame,
        deliver: Deliver,
        units: OwnedSemaphorePermit,
    ) {
        // The place in the queue comes first: an id never waits for a frame that is not going to be written.
        let Ok(place) = self.queue.reserve().await else {
            return deliver.refuse(Code::Unreachable);
        };
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            frame.id = waiting.next_id;
            waiting.next_id += 1;
            match &mut waiting.requests {
                Some(requests) => requests.insert(frame.id, (deliver, units)),
                None => {
                    drop(waiting);
                    return deliver.refuse(Code::Unreachable);
                }
            };
        }
        place.send(frame);
    }

    fn reply(&self, id: u64, body: Vec<u8>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let found = waiting
            .requests
            .as_mut()
            .and_then(|requests| requests.remove(&id));
        drop(waiting);
        if let Some((deliver, units)) = found {
            drop(units);
            deliver.deliver(body);
        }
    }
}

/// Ends what is still waiting, also when the task that runs the connection is aborted.
struct Running(Arc<Connection>);

impl Drop for Running {
    fn drop(&mut self) {
        let requests = self
            .0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .requests
            .take();
        for (deliver, _) in requests.into_iter().flatten().map(|(_, request)| request) {
            deliver.refuse(Code::Unreachable);
        }
    }
}

async fn write(
    writer: impl tokio::io::AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<Frame>,
) -> FramingError {
    let mut sink = FrameSink::new(writer);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        if queue.recv_many(&mut batch, BATCH).await == 0 {
            return FramingError::Io(std::io::ErrorKind::NotConnected.into());
        }
        if let Err(error) = sink.write(batch.drain(..)).await {
            return error.into();
        }
    }
}

async fn read(
    reader: impl AsyncRead + Unpin,
    connection: &Arc<Connection>,
    asks: Arc<Asks>,
) -> FramingError {
    let mut source = FrameSource::new(reader);
    let slots = Arc::new(Semaphore::new(ASKS));
    loop {
        let frame = match source.next().await {
            Ok(Some(frame)) => frame,
            Ok(None) => return FramingError::Io(std::io::ErrorKind::UnexpectedEof.into()),
            Err(error) => return error,
        };
        match Message::from_number(frame.kind) {
            Some(Message::Reply) => connection.reply(frame.id, frame.body),
            Some(
                message @ (Message::FetchRecord | Message::FetchStatusKeys | Message::AskStatus),
            ) => {
                let (connection, asks) = (connection.clone(), asks.clone());
                let slot = slots.clone().try_acquire_owned();
                tokio::spawn(async move {
                    let answer = match slot {
                        Ok(_slot) => asks.answer(message, &frame.body).await,
                        Err(_) => Err(Code::Busy),
                    };
                    let told = answer.map_or_else(Reply::Refused, Reply::Done);
                    let told = Frame {
                        kind: Message::Told.number(),
                        id: frame.id,
                        body: cbor::encode(&told),
                    };
                    // The stream may have ended meanwhile; then nobody is there to be told.
                    let _ = connection.queue.send(told).await;
                });
            }
            Some(Message::Note) => {
                let asks = asks.clone();
                tokio::spawn(async move { asks.note(&frame.body).await });
            }
            _ => return FramingError::Unexpected(frame.kind),
        }
    }
}
