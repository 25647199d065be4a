//! What enclaves' couriers ask for, without a credential: certificates and answers.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use cofferdam_wire::{Code, cbor};

use super::{Front, Problem};

const CBOR: [(header::HeaderName, &str); 2] = [
    (header::CONTENT_TYPE, "application/cbor"),
    (header::CACHE_CONTROL, "no-store"),
];

/// `GET /v1/status-keys`
pub(super) async fn keys(State(front): State<Arc<Front>>) -> Result<impl IntoResponse, Problem> {
    let keys = front.service.status_keys()?;
    Ok((CBOR, cbor::encode(&keys)))
}

/// `POST /v1/status`
pub(super) async fn answer(
    State(front): State<Arc<Front>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    body: Result<Bytes, BytesRejection>,
) -> Result<impl IntoResponse, Problem> {
    front.rates.admit(peer.ip())?;
    let body = body.map_err(|rejection| refused_body(rejection.status()))?;
    let _turn = front.queries.try_acquire().map_err(|_| Code::Busy)?;
    let answer = front.service.answer(body.to_vec()).await?;
    Ok((CBOR, answer))
}

pub(super) fn refused_body(status: StatusCode) -> Problem {
    let code = if status == StatusCode::PAYLOAD_TOO_LARGE {
        Code::TooLarge
    } else {
        Code::Malformed
    };
    code.into()
}
