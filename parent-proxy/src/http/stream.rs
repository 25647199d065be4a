//! The stream of an app: an upgraded connection that carries the link's frames, pipelined.
//!
//! Frames go to the enclave as they come and back as they are answered, matched by the app's own ids. An app has a
//! budget under way; a request keeps its part until the reply has been *written*, so an app that sends and never reads
//! stops being read, and costs this process about 1 MiB at most (T-27, T-28). Anything that is not a sealed request ends
//! the stream.

use super::intake::Caller;
use super::problem::Problem;
use crate::clients::Client;
use crate::framing::{FrameSink, FrameSource};
use crate::lifecycle::Stopping;
use crate::link::{Deliver, Held, Link, StreamReply, weight};
use crate::parent::Parent;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use cofferdam_wire::Code;
use cofferdam_wire::frame::Frame;
use cofferdam_wire::limits;
use cofferdam_wire::link::Message;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc};

const PROTOCOL: &str = "cofferdam/1";
/// Requests of up to 4 KiB under way on one stream; larger ones take several places.
const PLACES: usize = 256;
/// How long an app may leave a full buffer unread.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// Replies gathered into one write.
const BATCH: usize = 64;

pub(super) async fn upgrade(
    State(parent): State<Arc<Parent>>,
    Caller(client): Caller,
    mut request: Request,
) -> Result<Response, Problem> {
    if request.version() != Version::HTTP_11 || !asks_for_upgrade(request.headers()) {
        let mut response =
            Problem::with_status(StatusCode::UPGRADE_REQUIRED, Code::UnsupportedVersion)
                .into_response();
        response
            .headers_mut()
            .insert(header::UPGRADE, HeaderValue::from_static(PROTOCOL));
        return Ok(response);
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let (link, idle, stopping) = (
        parent.link.clone(),
        parent.stream_idle,
        parent.stopping.clone(),
    );
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                metrics::gauge!("cofferdam_streams").increment(1.0);
                serve(TokioIo::new(upgraded), link, client, idle, stopping).await;
                metrics::gauge!("cofferdam_streams").decrement(1.0);
            }
            Err(error) => tracing::debug!(%error, "stream not upgraded"),
        }
    });
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, PROTOCOL)];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    let lists = |name: header::HeaderName, token: &str| {
        let values = headers
            .get_all(name)
            .into_iter()
            .filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    };
    lists(header::CONNECTION, "upgrade") && lists(header::UPGRADE, PROTOCOL)
}

async fn serve<S>(stream: S, link: Link, client: Arc<Client>, idle: Duration, stopping: Stopping)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    // Held to the end: replies are still being written after the reader has stopped.
    let _here = stopping.clone();
    let (reader, writer) = tokio::io::split(stream);
    let (replies, answered) = mpsc::unbounded_channel();
    let mut writing = std::pin::pin!(write(FrameSink::new(writer), answered));
    let reading = read(
        FrameSource::new(reader),
        replies,
        &link,
        &client,
        idle,
        stopping,
    );
    tokio::select! {
        biased;
        // An app that does not take its replies is not read any further.
        () = &mut writing => (),
        // The reader has dropped its end; the writer ends when the last request under way is answered.
        () = reading => writing.await,
    }
}

async fn read<R: AsyncRead + Unpin>(
    mut source: FrameSource<R>,
    replies: mpsc::UnboundedSender<StreamReply>,
    link: &Link,
    client: &Client,
    idle: Duration,
    mut stopping: Stopping,
) {
    let places = Arc::new(Semaphore::new(PLACES));
    loop {
        let next = tokio::select! {
            next = tokio::time::timeout(idle, source.next()) => next,
            () = stopping.requested() => return,
        };
        let frame = match next {
            Ok(Ok(Some(frame))) => frame,
            Ok(Ok(None)) | Err(_) => return,
            Ok(Err(error)) => return tracing::debug!(%error, "stream ended"),
        };
        if frame.kind != Message::Sealed.number() || frame.body.len() > limits::SEALED_REQUEST {
            return tracing::debug!(kind = frame.kind, "stream ended: not a sealed request");
        }
        let place = places
            .clone()
            .acquire_many_owned(weight(frame.body.len()))
            .await;
        let place = place.expect("the semaphore is never closed");
        let share = client.wait_for(frame.body.len()).await.into_units();
        let held = Held {
            _stream: place,
            _caller: share,
        };
        link.submit(
            Message::Sealed,
            frame.body,
            Deliver::Stream {
                id: frame.id,
                held,
                replies: replies.clone(),
            },
        )
        .await;
    }
}

async fn write<W: AsyncWrite + Unpin>(
    mut sink: FrameSink<W>,
    mut answered: mpsc::UnboundedReceiver<StreamReply>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while answered.recv_many(&mut batch, BATCH).await > 0 {
        let mut held = Vec::with_capacity(batch.len());
        let frames = batch.drain(..).map(|reply: StreamReply| {
            held.push(reply.held);
            Frame {
                kind: Message::Reply.number(),
                id: reply.id,
                body: reply.body,
            }
        });
        if !matches!(
            tokio::time::timeout(WRITE_PATIENCE, sink.write(frames)).await,
            Ok(Ok(()))
        ) {
            return;
        }
    }
    // The app may have closed first.
    let _ = tokio::time::timeout(WRITE_PATIENCE, sink.finish()).await;
}
