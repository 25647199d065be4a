//! The link to the enclave: one or more byte streams with multiplexed, pipelined frames in both directions.
//!
//! Trust: none either way. What the enclave replies is passed on and never interpreted beyond "done" or "refused"; what
//! it asks for is looked up or carried by [`crate::asks::Asks`]. A lost stream ends every request on it with one code and
//! is opened again with growing pauses; a request is never sent twice by this side, since repeating is the asker's to
//! decide.
//!
//! Work under way is bounded by weight: a request takes one unit, and one more for each 4 KiB beyond the first. The
//! weight is given back when the enclave has answered, not when the asker has lost patience, so asking and hanging up
//! in a loop gains nothing (T-28).

mod address;
mod connection;
mod hybrid;

pub use address::{AddressError, EnclaveAddress};

use crate::asks::Asks;
use crate::config::LinkConfig;
use cofferdam_wire::Code;
use cofferdam_wire::cbor;
use cofferdam_wire::frame::Frame;
use cofferdam_wire::limits;
use cofferdam_wire::link::{Message, Reply};
use connection::Connection;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;

/// Longer than the longest deadline of a request (120 s): the enclave answers before.
const CALL_TIMEOUT: Duration = Duration::from_secs(130);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Units that a request of this many bytes takes.
pub fn weight(bytes: usize) -> u32 {
    1 + (bytes / 4096) as u32
}

/// The way to the enclave. Cheap to clone; the streams end when the last clone is dropped or [`Link::close`] is called.
#[derive(Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

struct Shared {
    /// A slot for each stream; empty while it is down.
    streams: RwLock<Vec<Option<Arc<Connection>>>>,
    next: AtomicUsize,
    units: Arc<Semaphore>,
    tasks: RwLock<Vec<AbortHandle>>,
}

/// Where a reply goes.
pub(crate) enum Deliver {
    /// To one waiting call: the encoded [`Reply`].
    Call {
        reply: oneshot::Sender<Vec<u8>>,
        caller: Option<OwnedSemaphorePermit>,
    },
    /// Back to an app's stream, under the app's own id.
    Stream {
        id: u64,
        held: Held,
        replies: mpsc::UnboundedSender<StreamReply>,
    },
}

/// What a request of a stream keeps reserved until its reply has been written to the app.
pub(crate) struct Held {
    pub(crate) _stream: OwnedSemaphorePermit,
    pub(crate) _caller: OwnedSemaphorePermit,
}

/// A reply on its way to an app's stream.
pub(crate) struct StreamReply {
    pub(crate) id: u64,
    /// Encoded [`Reply`].
    pub(crate) body: Vec<u8>,
    pub(crate) held: Held,
}

impl Deliver {
    /// Hands over the encoded reply; an asker who has gone is no error.
    fn deliver(self, body: Vec<u8>) {
        match self {
            Deliver::Call { reply, caller } => {
                drop(caller);
                let _ = reply.send(body);
            }
            Deliver::Stream { id, held, replies } => {
                let _ = replies.send(StreamReply { id, body, held });
            }
        }
    }

    pub(crate) fn refuse(self, code: Code) {
        self.deliver(cbor::encode(&Reply::Refused(code)));
    }
}

impl Link {
    /// Starts to keep `config.streams` streams to the enclave open.
    pub(crate) fn start(address: EnclaveAddress, config: &LinkConfig, asks: Arc<Asks>) -> Link {
        let shared = Arc::new(Shared {
            streams: RwLock::new(vec![None; config.streams]),
            next: AtomicUsize::new(0),
            units: Arc::new(Semaphore::new(config.in_flight as usize)),
            tasks: RwLock::default(),
        });
        for slot in 0..config.streams {
            let task = tokio::spawn(keep_open(
                Arc::downgrade(&shared),
                slot,
                address.clone(),
                asks.clone(),
            ));
            shared
                .tasks
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .push(task.abort_handle());
        }
        Link { shared }
    }

    /// Whether at least one stream is up.
    pub fn is_up(&self) -> bool {
        self.shared.pick().is_some()
    }

    /// Asks the enclave and waits for its reply. Errors are the enclave's refusals, and `TooLarge`, `Unreachable`,
    /// `Busy` and `Malformed` (the reply) of this side.
    pub async fn call(&self, message: Message, body: Vec<u8>) -> Result<Vec<u8>, Code> {
        self.call_for(message, body, None).await
    }

    /// As [`Link::call`], keeping what a caller has reserved until the enclave has answered.
    pub(crate) async fn call_for(
        &self,
        message: Message,
        body: Vec<u8>,
        caller: Option<OwnedSemaphorePermit>,
    ) -> Result<Vec<u8>, Code> {
        let (reply, answer) = oneshot::channel();
        let exchange = async {
            self.submit(message, body, Deliver::Call { reply, caller })
                .await;
            answer.await
        };
        let body = match tokio::time::timeout(CALL_TIMEOUT, exchange).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return Err(Code::Unreachable),
            Err(_) => return Err(Code::Busy),
        };
        match cbor::decode::<Reply>(&body, limits::FRAME_BODY)? {
            Reply::Done(content) => Ok(content),
            Reply::Refused(code) => Err(code),
        }
    }

    /// Sends a request; the reply goes where `deliver` says, also when there is no way to the enclave. Waits while the
    /// link is at its capacity.
    pub(crate) async fn submit(&self, message: Message, body: Vec<u8>, deliver: Deliver) {
        if body.len() > limits::FRAME_BODY {
            return deliver.refuse(Code::TooLarge);
        }
        let units = self
            .shared
            .units
            .clone()
            .acquire_many_owned(weight(body.len()))
            .await;
        let units = units.expect("the semaphore is never closed");
        let Some(connection) = self.shared.pick() else {
            return deliver.refuse(Code::Unreachable);
        };
        connection
            .ask(
                Frame {
                    kind: message.number(),
                    id: 0,
                    body,
                },
                deliver,
                units,
            )
            .await;
    }

    /// Ends all streams. Requests under way are refused with `Unreachable`.
    pub fn close(&self) {
        self.shared
            .tasks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .for_each(AbortHandle::abort);
        self.shared
            .streams
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .iter_mut()
            .for_each(|slot| *slot = None);
    }
}

impl Shared {
    /// A stream that is up, in turn.
    fn pick(&self) -> Option<Arc<Connection>> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        (0..streams.len()).find_map(|step| streams[(first + step) % streams.len()].clone())
    }

    fn put(&self, slot: usize, connection: Option<Arc<Connection>>) {
        self.streams.write().unwrap_or_else(PoisonError::into_inner)[slot] = connection;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tasks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .for_each(AbortHandle::abort);
    }
}

/// Opens one stream again and again, with pauses that grow while the enclave is away.
async fn keep_open(
    shared: std::sync::Weak<Shared>,
    slot: usize,
    address: EnclaveAddress,
    asks: Arc<Asks>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        match address.connect(CONNECT_TIMEOUT).await {
            Ok(transport) => {
                pause = FIRST_PAUSE;
                let (connection, run) = Connection::open(transport, asks.clone());
                let Some(link) = shared.upgrade() else { return };
                link.put(slot, Some(connection.clone()));
                drop(link);
                metrics::gauge!("cofferdam_link_streams").increment(1.0);
                tracing::info!(slot, %address, "link to the enclave is up");
                let greeting = tokio::spawn(greet(connection.clone(), asks.clone()));
                let end = run.await;
                greeting.abort();
                metrics::gauge!("cofferdam_link_streams").decrement(1.0);
                tracing::warn!(slot, error = %end, "link to the enclave is down");
                let Some(link) = shared.upgrade() else { return };
                link.put(slot, None);
            }
            Err(error) => tracing::debug!(slot, %address, %error, "enclave not reached"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Brings the genesis record to an enclave that has just started. An enclave that is in the group already says "done" too.
async fn greet(connection: Arc<Connection>, asks: Arc<Asks>) {
    let request = match asks.recover_request().await {
        Ok(Some(request)) => request,
        Ok(None) => return tracing::info!("no genesis record yet; the operator runs genesis"),
        Err(error) => return tracing::warn!(%error, "no recover request to the enclave"),
    };
    let (reply, answer) = oneshot::channel();
    let slot = Arc::new(Semaphore::new(1))
        .acquire_owned()
        .await
        .expect("a fresh semaphore is open");
    let frame = Frame {
        kind: Message::Recover.number(),
        id: 0,
        body: cbor::encode(&request),
    };
    connection
        .ask(
            frame,
            Deliver::Call {
                reply,
                caller: None,
            },
            slot,
        )
        .await;
    match answer
        .await
        .map(|body| cbor::decode::<Reply>(&body, limits::FRAME_BODY))
    {
        Ok(Ok(Reply::Done(_))) => tracing::info!("the enclave has the genesis record"),
        Ok(Ok(Reply::Refused(code))) => {
            tracing::warn!(code = code.slug(), "the enclave refused the genesis record")
        }
        Ok(Err(_)) | Err(_) => tracing::debug!("the link ended during recover"),
    }
}
