//! A stand-in for the enclave: speaks frames on a Unix socket, answers by a fixed table, remembers what it was asked.

use cofferdam_wire::Code;
use cofferdam_wire::cbor;
use cofferdam_wire::frame::{Frame, FrameReader};
use cofferdam_wire::group::{Genesis, GenesisRecord, Recovery};
use cofferdam_wire::import::Imported;
use cofferdam_wire::link::{Health, Message, Reply};
use cofferdam_wire::transcript::EnclaveProof;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub(crate) struct Enclave {
    state: Arc<State>,
    path: PathBuf,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

struct State {
    asked: Mutex<Vec<(Message, Vec<u8>)>>,
    /// Sealed requests are answered while this is true.
    open: watch::Sender<bool>,
    refuse: Mutex<HashMap<u8, Code>>,
    writer: Mutex<Option<mpsc::UnboundedSender<Frame>>>,
    told: Mutex<HashMap<u64, oneshot::Sender<Reply>>>,
    next: AtomicU64,
    imports: AtomicU64,
}

impl Enclave {
    pub(crate) fn start(directory: &Path) -> Self {
        let state = Arc::new(State {
            asked: Mutex::default(),
            open: watch::channel(true).0,
            refuse: Mutex::default(),
            writer: Mutex::default(),
            told: Mutex::default(),
            next: AtomicU64::new(1),
            imports: AtomicU64::new(1),
        });
        let enclave = Self {
            state,
            path: directory.join("enclave.sock"),
            accepting: Mutex::default(),
        };
        enclave.restart();
        enclave
    }

    pub(crate) fn address(&self) -> String {
        format!("unix:{}", self.path.display())
    }

    /// Ends every connection and stops listening.
    pub(crate) fn stop(&self) {
        if let Some(task) = self.accepting.lock().unwrap().take() {
            task.abort();
        }
        self.state.writer.lock().unwrap().take();
        let _ = std::fs::remove_file(&self.path);
    }

    pub(crate) fn restart(&self) {
        self.stop();
        let (state, listener) = (self.state.clone(), UnixListener::bind(&self.path).unwrap());
        *self.accepting.lock().unwrap() = Some(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, state.clone()));
            }
        }));
    }

    /// Whether sealed requests are answered; those that wait are answered when the gate opens.
    pub(crate) fn gate(&self, open: bool) {
        self.state.open.send_replace(open);
    }

    pub(crate) fn refuse(&self, message: Message, code: Code) {
        self.state
            .refuse
            .lock()
            .unwrap()
            .insert(message.number(), code);
    }

    pub(crate) fn asked(&self, message: Message) -> Vec<Vec<u8>> {
        let asked = self.state.asked.lock().unwrap();
        asked
            .iter()
            .filter(|(kind, _)| *kind == message)
            .map(|(_, body)| body.clone())
            .collect()
    }

    pub(crate) async fn wait_for(&self, message: Message, count: usize) {
        for _ in 0..1000 {
            if self.asked(message).len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "{message:?} came {} times, not {count}",
            self.asked(message).len()
        );
    }

    /// Asks the parent.
    pub(crate) async fn ask(&self, message: Message, body: Vec<u8>) -> Reply {
        let id = self.state.next.fetch_add(1, Ordering::Relaxed);
        let (told, answer) = oneshot::channel();
        self.state.told.lock().unwrap().insert(id, told);
        self.send(Frame {
            kind: message.number(),
            id,
            body,
        });
        tokio::time::timeout(Duration::from_secs(20), answer)
            .await
            .unwrap()
            .unwrap()
    }

    pub(crate) fn send(&self, frame: Frame) {
        self.state
            .writer
            .lock()
            .unwrap()
            .as_ref()
            .unwrap()
            .send(frame)
            .unwrap();
    }
}

async fn serve(stream: UnixStream, state: Arc<State>) {
    let (mut reader, mut writer) = stream.into_split();
    let (queue, mut frames) = mpsc::unbounded_channel::<Frame>();
    *state.writer.lock().unwrap() = Some(queue.clone());
    let writing = async move {
        while let Some(frame) = frames.recv().await {
            let mut bytes = Vec::new();
            frame.write_to(&mut bytes);
            if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let reading = async move {
        let mut source = FrameReader::default();
        let mut buffer = vec![0; 32 * 1024];
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(length) => source.feed(&buffer[..length]),
            }
            while let Some(frame) = source.next_frame().unwrap() {
                assert!(frame.body.len() <= cofferdam_wire::limits::FRAME_BODY);
                tokio::spawn(take(frame, state.clone(), queue.clone()));
            }
        }
    };
    tokio::select! { () = writing => (), () = reading => () }
}

async fn take(frame: Frame, state: Arc<State>, queue: mpsc::UnboundedSender<Frame>) {
    let message = Message::from_number(frame.kind).unwrap();
    if message == Message::Told {
        let reply = cbor::decode(&frame.body, 65536).unwrap();
        let _ = state
            .told
            .lock()
            .unwrap()
            .remove(&frame.id)
            .unwrap()
            .send(reply);
        return;
    }
    state
        .asked
        .lock()
        .unwrap()
        .push((message, frame.body.clone()));
    if message == Message::Sealed {
        state.open.subscribe().wait_for(|open| *open).await.unwrap();
    }
    let refused = state.refuse.lock().unwrap().get(&frame.kind).copied();
    let reply = match refused {
        Some(code) => Reply::Refused(code),
        None => Reply::Done(answer(message, frame.body, &state)),
    };
    let _ = queue.send(Frame {
        kind: Message::Reply.number(),
        id: frame.id,
        body: cbor::encode(&reply),
    });
}

fn answer(message: Message, body: Vec<u8>, state: &State) -> Vec<u8> {
    match message {
        Message::Prove => cbor::encode(&EnclaveProof {
            binding: body,
            evidence: vec![2],
            genesis: vec![3],
        }),
        Message::Challenge => vec![7; 32],
        Message::Import => {
            // Another record each time, as the enclave's random nonces make it.
            let number = state.imports.fetch_add(1, Ordering::Relaxed) as u8;
            cbor::encode(&Imported {
                record: vec![number; 2000],
                receipt: vec![number; 100],
                binding: vec![5; 10],
                evidence: vec![6; 10],
            })
        }
        Message::Genesis => cbor::encode(&genesis()),
        Message::Share => cbor::encode(&Recovery {
            have: 1,
            need: 2,
            complete: false,
        }),
        Message::Health => cbor::encode(&Health {
            ready: true,
            keys: 3,
            active: 2,
            attested_ms: 1,
        }),
        Message::Sealed | Message::OpenSession | Message::Plain => body,
        Message::Push | Message::Recover => Vec::new(),
        other => panic!("the parent asked {other:?}"),
    }
}

pub(crate) fn genesis() -> Genesis {
    let record = GenesisRecord {
        body: vec![1; 100],
        evidence: vec![2; 100],
    };
    Genesis {
        record: cbor::encode(&record),
        shares: Vec::new(),
    }
}
