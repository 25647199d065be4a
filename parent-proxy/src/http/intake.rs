//! Takes requests in: who calls, and a body that is never larger than its kind allows.

use super::problem::Problem;
use crate::clients::{Client, Permit};
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use cofferdam_wire::Code;
use cofferdam_wire::id::{Digest, sha256};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(15);

/// A body of at most `MOST` bytes, with the caller's share that it takes. The share is taken before a byte is read.
pub(super) struct Intake<const MOST: usize> {
    pub(super) body: Vec<u8>,
    pub(super) permit: Permit,
}

/// The caller's connection.
pub(super) struct Caller(pub(super) Arc<Client>);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // The listener puts it there; without it nothing would be counted.
        parts
            .extensions
            .get::<Arc<Client>>()
            .cloned()
            .map(Caller)
            .ok_or_else(|| Code::Internal.into())
    }
}

impl<S: Send + Sync, const MOST: usize> FromRequest<S> for Intake<MOST> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Caller(client) = Caller::from_request_parts(&mut parts, state).await?;
        let hint = body.size_hint();
        if hint.lower() > MOST as u64 {
            return Err(Code::TooLarge.into());
        }
        // A length that is not declared counts as the longest.
        let announced = hint.upper().map_or(MOST, |upper| MOST.min(upper as usize));
        let permit = client.admit(announced).await?;
        let body = tokio::time::timeout(PATIENCE, read(body, MOST))
            .await
            .map_err(|_| Code::Busy)??;
        Ok(Self { body, permit })
    }
}

async fn read(mut body: Body, most: usize) -> Result<Vec<u8>, Code> {
    let mut bytes = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
    {
        let Ok(data) = frame.map_err(|_| Code::Malformed)?.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > most {
            return Err(Code::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// SHA-256 of the bearer token, to compare with the hash of a right one: comparing hashes tells nothing of the token.
pub(super) fn bearer_hash(headers: &HeaderMap) -> Option<Digest> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| sha256(token.trim().as_bytes()))
}
