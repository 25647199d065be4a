//! Streams: pipelining, matching by id, backpressure in both directions, and what ends a stream.

use crate::parent::Parent;
use cofferdam_wire::Code;
use cofferdam_wire::cbor;
use cofferdam_wire::frame::{Frame, FrameReader};
use cofferdam_wire::limits;
use cofferdam_wire::link::{Message, Reply};
use std::collections::HashMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

pub(crate) struct Stream {
    tls: TlsStream<TcpStream>,
    frames: FrameReader,
}

impl Stream {
    pub(crate) async fn open(parent: &Parent) -> Self {
        let mut tls = parent.connect().await.unwrap();
        let head = "GET /v1/stream HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, Upgrade\r\nupgrade: cofferdam/1\r\n\r\n";
        tls.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(tls.read_u8().await.unwrap());
        }
        assert!(
            answer.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
        Self {
            tls,
            frames: FrameReader::default(),
        }
    }

    pub(crate) async fn send(&mut self, frames: impl IntoIterator<Item = Frame>) {
        let mut bytes = Vec::new();
        frames
            .into_iter()
            .for_each(|frame| frame.write_to(&mut bytes));
        self.tls.write_all(&bytes).await.unwrap();
        self.tls.flush().await.unwrap();
    }

    /// The next reply; `None` when the parent has ended the stream.
    pub(crate) async fn next(&mut self) -> Option<(u64, Reply)> {
        loop {
            if let Some(frame) = self.frames.next_frame().unwrap() {
                assert_eq!(frame.kind, Message::Reply.number());
                return Some((
                    frame.id,
                    cbor::decode(&frame.body, limits::FRAME_BODY).unwrap(),
                ));
            }
            let mut buffer = [0; 16 * 1024];
            let read = tokio::time::timeout(Duration::from_secs(20), self.tls.read(&mut buffer))
                .await
                .unwrap();
            match read {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.frames.feed(&buffer[..length]),
            }
        }
    }
}

pub(crate) fn sealed(id: u64, body: Vec<u8>) -> Frame {
    Frame {
        kind: Message::Sealed.number(),
        id,
        body,
    }
}

async fn settled(parent: &Parent) -> usize {
    let mut before = usize::MAX;
    loop {
        let now = parent.enclave.asked(Message::Sealed).len();
        if now == before {
            return now;
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_stream_are_pipelined_and_matched_by_id() {
    let parent = Parent::start().await;
    parent.enclave.gate(false);
    let mut stream = Stream::open(&parent).await;
    let ids: Vec<u64> = (0..200).map(|number| u64::MAX - number * 7).collect();
    stream
        .send(ids.iter().map(|id| sealed(*id, id.to_be_bytes().to_vec())))
        .await;
    parent.enclave.wait_for(Message::Sealed, 200).await;
    parent.enclave.gate(true);
    let mut answers = HashMap::new();
    while answers.len() < 200 {
        let (id, reply) = stream.next().await.unwrap();
        assert!(answers.insert(id, reply).is_none());
    }
    assert!(
        ids.iter()
            .all(|id| answers[id] == Reply::Done(id.to_be_bytes().to_vec()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn t28_a_stream_has_a_bounded_number_of_requests_under_way() {
    let parent = Parent::start().await;
    parent.enclave.gate(false);
    let mut stream = Stream::open(&parent).await;
    stream
        .send((0..1000).map(|id| sealed(id, vec![1; 10])))
        .await;
    parent.enclave.wait_for(Message::Sealed, 256).await;
    assert_eq!(settled(&parent).await, 256);
    // Another app is served meanwhile, up to the share that both have by their common address.
    let mut other = Stream::open(&parent).await;
    other.send([sealed(5, vec![2])]).await;
    parent.enclave.wait_for(Message::Sealed, 257).await;
    parent.enclave.gate(true);
    assert_eq!(other.next().await.unwrap(), (5, Reply::Done(vec![2])));
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 1000 {
        seen.insert(stream.next().await.unwrap().0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t27_large_requests_take_more_of_the_budget() {
    let parent = Parent::start().await;
    parent.enclave.gate(false);
    let mut stream = Stream::open(&parent).await;
    stream
        .send((0..30).map(|id| sealed(id, vec![1; 60_000])))
        .await;
    parent.enclave.wait_for(Message::Sealed, 17).await;
    assert_eq!(settled(&parent).await, 17, "15 units each of 256");
    parent.enclave.gate(true);
    for _ in 0..30 {
        stream.next().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t28_an_app_that_never_reads_is_not_read_either() {
    let parent = Parent::start().await;
    let Stream { tls, .. } = Stream::open(&parent).await;
    let (_reader, mut writer) = tokio::io::split(tls);
    let pushing = tokio::spawn(async move {
        for id in 0..3000 {
            let mut bytes = Vec::new();
            sealed(id, vec![1; 60_000]).write_to(&mut bytes);
            if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    parent.enclave.wait_for(Message::Sealed, 20).await;
    let taken = settled(&parent).await;
    assert!(
        taken < 1000,
        "{taken} requests of 60 KB were taken from an app that reads nothing"
    );
    assert!(!pushing.is_finished());
    assert_eq!(parent.post("/v1/requests", vec![2]).await.unwrap(), vec![2]);
    pushing.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn t27_what_is_not_a_sealed_request_ends_the_stream() {
    let parent = Parent::start().await;
    let cases: Vec<Vec<u8>> = vec![
        vec![0xff, 0xff, 0xff, 0xff],
        vec![0, 0, 0, 0],
        frame_bytes(Frame {
            kind: Message::Health.number(),
            id: 1,
            body: vec![],
        }),
        frame_bytes(Frame {
            kind: Message::Genesis.number(),
            id: 1,
            body: vec![],
        }),
        frame_bytes(Frame {
            kind: Message::Told.number(),
            id: 1,
            body: vec![],
        }),
        frame_bytes(Frame {
            kind: 0xee,
            id: 1,
            body: vec![],
        }),
        frame_bytes(sealed(1, vec![0; limits::SEALED_REQUEST + 1])),
    ];
    for bytes in cases {
        let mut stream = Stream::open(&parent).await;
        let before = parent.enclave.asked(Message::Sealed).len();
        stream.send([sealed(7, vec![7])]).await;
        assert_eq!(stream.next().await.unwrap().0, 7);
        stream.tls.write_all(&bytes).await.unwrap();
        assert_eq!(stream.next().await, None);
        assert_eq!(parent.enclave.asked(Message::Sealed).len(), before + 1);
    }
    assert!(parent.enclave.asked(Message::Genesis).is_empty());
}

fn frame_bytes(frame: Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.write_to(&mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_outlives_the_link() {
    let parent = Parent::start().await;
    parent.enclave.gate(false);
    let mut stream = Stream::open(&parent).await;
    stream.send((0..3).map(|id| sealed(id, vec![1]))).await;
    parent.enclave.wait_for(Message::Sealed, 3).await;
    parent.enclave.stop();
    for _ in 0..3 {
        assert_eq!(
            stream.next().await.unwrap().1,
            Reply::Refused(Code::Unreachable)
        );
    }
    parent.enclave.gate(true);
    parent.enclave.restart();
    parent.until_ready().await;
    stream.send([sealed(9, vec![9])]).await;
    assert_eq!(stream.next().await.unwrap(), (9, Reply::Done(vec![9])));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_upgrade_there_is_no_stream() {
    let parent = Parent::start().await;
    let url = format!("{}/v1/stream", parent.url);
    let over_http2 = parent.http.get(&url).send().await.unwrap();
    assert_eq!(over_http2.version(), reqwest::Version::HTTP_2);
    assert_eq!(over_http2.status(), 426);
    let mut tls = parent.connect().await.unwrap();
    let head =
        "GET /v1/stream HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    tls.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = tls.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(
        answer.starts_with("HTTP/1.1 426") && answer.contains("upgrade: cofferdam/1"),
        "{answer}"
    );
}
