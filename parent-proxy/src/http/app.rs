//! Requests of customers and apps: each is passed to the enclave, or to the one module that knows more.

use super::intake::{Caller, Intake};
use super::problem::Problem;
use super::{cbor_answer, now_s, raw_answer};
use crate::evidence;
use crate::parent::Parent;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use cofferdam_wire::id::{Nonce, RecipientId};
use cofferdam_wire::link::Message;
use cofferdam_wire::{Code, limits};
use serde::Deserialize;
use std::sync::Arc;

/// A push is two signed structures.
const PUSH: usize = 2 * limits::STATUS_CERTIFICATE;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NonceQuery {
    nonce: String,
}

pub(super) async fn evidence(
    State(parent): State<Arc<Parent>>,
    Caller(client): Caller,
    query: Result<Query<NonceQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(NonceQuery { nonce }) = query.map_err(|_| Code::Malformed)?;
    let nonce = Nonce::from_hex(&nonce).ok_or(Code::Malformed)?;
    let permit = client.admit(0).await?;
    Ok(cbor_answer(parent.evidence.proof(nonce, permit).await?))
}

pub(super) async fn validate(
    State(parent): State<Arc<Parent>>,
    Caller(client): Caller,
    Path(id): Path<String>,
    query: Result<Query<NonceQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let key = RecipientId::from_hex(&id).ok_or(Code::Malformed)?;
    let Query(NonceQuery { nonce }) = query.map_err(|_| Code::Malformed)?;
    let nonce = Nonce::from_hex(&nonce).ok_or(Code::Malformed)?;
    let _permit = client.admit(0).await?;
    let answer = parent.validator.answer(key, nonce, now_s()?);
    Ok(cbor_answer(answer))
}

pub(super) async fn challenge(
    State(parent): State<Arc<Parent>>,
    Intake { body, permit }: Intake<{ evidence::CHALLENGE }>,
) -> Result<Response, Problem> {
    Ok(raw_answer(parent.evidence.answer(body, permit).await?))
}

pub(super) async fn import(
    State(parent): State<Arc<Parent>>,
    Intake { body, permit }: Intake<{ limits::IMPORT }>,
) -> Result<Response, Problem> {
    // A customer who hangs up does not stop what has begun: the record is stored, and a retry finds it.
    let imported = tokio::spawn(async move { parent.imports.import(&body, permit).await }).await;
    Ok(cbor_answer(imported.map_err(|_| Code::Internal)??))
}

pub(super) async fn open_session(
    State(parent): State<Arc<Parent>>,
    Intake { body, permit }: Intake<{ limits::SESSION_OPEN }>,
) -> Result<Response, Problem> {
    Ok(raw_answer(
        parent
            .link
            .call_for(Message::OpenSession, body, Some(permit.into_units()))
            .await?,
    ))
}

pub(super) async fn request(
    State(parent): State<Arc<Parent>>,
    Intake { body, permit }: Intake<{ limits::SEALED_REQUEST }>,
) -> Result<Response, Problem> {
    Ok(raw_answer(
        parent
            .link
            .call_for(Message::Sealed, body, Some(permit.into_units()))
            .await?,
    ))
}

pub(super) async fn push(
    State(parent): State<Arc<Parent>>,
    Intake { body, permit }: Intake<PUSH>,
) -> Result<StatusCode, Problem> {
    parent
        .link
        .call_for(Message::Push, body, Some(permit.into_units()))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
