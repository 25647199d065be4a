//! The provider plane: plain requests of the provider's own services, for owners who granted it.
//!
//! The token admits to this process; whether the owner granted the operation is the enclave's to decide.

use super::cbor_answer;
use super::intake::{Intake, bearer_hash};
use super::problem::Problem;
use crate::parent::Parent;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use cofferdam_wire::link::Message;
use cofferdam_wire::{Code, limits};
use std::sync::Arc;

/// A grant and an operation: the same room as a sealed request.
const REQUEST: usize = limits::SEALED_REQUEST;

pub(super) async fn operation(
    State(parent): State<Arc<Parent>>,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    // The token comes before the body.
    let shown = bearer_hash(&headers).ok_or(Code::Unauthorized)?;
    let caller = parent
        .plane
        .iter()
        .find(|caller| caller.token_sha256 == shown)
        .ok_or(Code::Unauthorized)?;
    let Intake::<REQUEST> { body, permit } = axum::RequestExt::extract(request).await?;
    metrics::counter!("cofferdam_provider_plane", "caller" => caller.name.clone()).increment(1);
    Ok(cbor_answer(
        parent
            .link
            .call_for(Message::Plain, body, Some(permit.into_units()))
            .await?,
    ))
}
