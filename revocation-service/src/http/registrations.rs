//! What customers' tools ask for: registering, activating, stopping, listing.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam::crypto::secret::Secret32;
use cofferdam_wire::Code;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{Digest, GroupId, Handle};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use super::status::refused_body;
use super::{Front, Problem, Role};
use crate::registration::{Change, NewRegistration, Registration};
use crate::registry::Registered;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterBody<'a> {
    handle: Cow<'a, str>,
    token_hash: Cow<'a, str>,
    #[serde(borrow)]
    release_secret: Cow<'a, str>,
    group: Cow<'a, str>,
    owner: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EpochBody {
    epoch: u64,
}

/// A registration as callers see it. There is no release secret in it.
#[derive(Serialize)]
pub(super) struct Shown {
    handle: String,
    state: &'static str,
    sequence: u64,
    grant_epoch: u64,
    group: String,
    owner_thumbprint: String,
    created: String,
    changed: String,
}

#[derive(Serialize)]
pub(super) struct HoldShown {
    handle: String,
    reason: &'static str,
    sequence: u64,
}

#[derive(Serialize)]
pub(super) struct HoldsShown {
    broken_log: Option<String>,
    holds: Vec<HoldShown>,
}

#[derive(Serialize)]
pub(super) struct ReplayedShown {
    handle: String,
    reason: &'static str,
    state: &'static str,
    sequence: u64,
}

impl From<Registration> for Shown {
    fn from(row: Registration) -> Self {
        Self {
            handle: row.handle.to_string(),
            state: row.state.slug(),
            sequence: row.sequence,
            grant_epoch: row.grant_epoch,
            group: row.group.to_string(),
            owner_thumbprint: row.owner.thumbprint().to_string(),
            created: rfc3339(row.created_ms),
            changed: rfc3339(row.changed_ms),
        }
    }
}

fn rfc3339(unix_ms: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000);
    time.ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

fn malformed(what: &'static str) -> Problem {
    Problem::from(Code::Malformed).with(StatusCode::BAD_REQUEST, what)
}

fn parse_handle(text: &str) -> Result<Handle, Problem> {
    Handle::from_hex(text).ok_or_else(|| malformed("The handle is not 16 bytes in hex."))
}

fn parse_registration(body: &[u8]) -> Result<NewRegistration, Problem> {
    let body: RegisterBody<'_> = serde_json::from_slice(body)
        .map_err(|_| malformed("The body is not a registration in JSON."))?;
    let hash = |text: &str| {
        Digest::from_hex(text).ok_or_else(|| malformed("token_hash is not 32 bytes in hex."))
    };
    let group = |text: &str| {
        GroupId::from_hex(text).ok_or_else(|| malformed("group is not 32 bytes in hex."))
    };
    let secret = STANDARD
        .decode(body.release_secret.as_bytes())
        .map(Zeroizing::new)
        .ok();
    let release = secret.and_then(|bytes| Secret32::from_slice(&bytes));
    let owner = hex::decode(body.owner.as_bytes())
        .ok()
        .and_then(|bytes| PublicKey::from_cose(&bytes).ok());
    Ok(NewRegistration {
        handle: parse_handle(&body.handle)?,
        token_hash: hash(&body.token_hash)?,
        release: release.ok_or_else(|| malformed("release_secret is not 32 bytes in base64."))?,
        group: group(&body.group)?,
        owner: owner.ok_or_else(|| malformed("owner is not a COSE_Key in hex."))?,
    })
}

/// `POST /v1/registrations`
pub(super) async fn register(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Shown>), Problem> {
    front.credentials.require(&headers, Role::Registrar)?;
    let body = body.map_err(|rejection| refused_body(rejection.status()))?;
    let new = parse_registration(&body)?;
    // RSV-12
    if !front.service.serves(&new.group) {
        return Err(Code::WrongGroup.into());
    }
    let (how, row) = front.service.register(new).await?;
    let status = match how {
        Registered::Created => StatusCode::CREATED,
        Registered::Identical => StatusCode::OK,
    };
    tracing::info!(handle = %row.handle, status = status.as_u16(), "registered");
    Ok((status, Json(row.into())))
}

/// `POST /v1/registrations/{handle}/{activate|suspend|resume|revoke}`
pub(super) async fn change(
    State(front): State<Arc<Front>>,
    Path((handle, change)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Shown>, Problem> {
    let (role, change) = match change.as_str() {
        "activate" => (Role::Registrar, Change::Activate),
        "suspend" => (Role::Admin, Change::Suspend),
        "resume" => (Role::Admin, Change::Resume),
        "revoke" => (Role::Admin, Change::Revoke),
        _ => return Err(Code::NotFound.into()),
    };
    front.credentials.require(&headers, role)?;
    make(&front, parse_handle(&handle)?, change).await
}

/// `POST /v1/registrations/{handle}/grant-epoch`
pub(super) async fn grant_epoch(
    State(front): State<Arc<Front>>,
    Path(handle): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Shown>, Problem> {
    front.credentials.require(&headers, Role::Admin)?;
    let body = body.map_err(|rejection| refused_body(rejection.status()))?;
    let EpochBody { epoch } = serde_json::from_slice(&body)
        .map_err(|_| malformed("The body is not {\"epoch\": number}."))?;
    // The database counts in 63 bits.
    if i64::try_from(epoch).is_err() {
        return Err(Code::OutOfRange.into());
    }
    make(&front, parse_handle(&handle)?, Change::GrantEpoch(epoch)).await
}

async fn make(front: &Front, handle: Handle, change: Change) -> Result<Json<Shown>, Problem> {
    let row = front.service.registry().change(handle, change).await?;
    tracing::info!(%handle, state = row.state.slug(), sequence = row.sequence, "changed");
    Ok(Json(row.into()))
}

/// `GET /v1/registrations/{handle}`
pub(super) async fn find(
    State(front): State<Arc<Front>>,
    Path(handle): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Shown>, Problem> {
    front.credentials.role(&headers)?;
    let row = front
        .service
        .registry()
        .find(&parse_handle(&handle)?)
        .await?;
    Ok(Json(row.ok_or(Code::NotFound)?.into()))
}

/// `GET /v1/registrations`
pub(super) async fn list(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
) -> Result<Json<Vec<Shown>>, Problem> {
    front.credentials.role(&headers)?;
    let rows = front.service.registry().list().await?;
    Ok(Json(rows.into_iter().map(Shown::from).collect()))
}

/// `GET /v1/registrations/{handle}/push`
pub(super) async fn push(
    State(front): State<Arc<Front>>,
    Path(handle): Path<String>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    front.credentials.role(&headers)?;
    let push = front.service.push(&parse_handle(&handle)?).await?;
    Ok(([(header::CONTENT_TYPE, "application/cbor")], push))
}

/// `GET /v1/holds`
pub(super) async fn holds(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
) -> Result<Json<HoldsShown>, Problem> {
    front.credentials.require(&headers, Role::Admin)?;
    let shown = |(handle, hold): (Handle, crate::registry::Hold)| HoldShown {
        handle: handle.to_string(),
        reason: hold.reason.slug(),
        sequence: hold.sequence,
    };
    let holds = front
        .service
        .registry()
        .holds()
        .await
        .into_iter()
        .map(shown)
        .collect();
    Ok(Json(HoldsShown {
        broken_log: front.service.registry().broken_log().await,
        holds,
    }))
}

/// `POST /v1/replay`
pub(super) async fn replay(
    State(front): State<Arc<Front>>,
    headers: HeaderMap,
) -> Result<Json<Vec<ReplayedShown>>, Problem> {
    front.credentials.require(&headers, Role::Admin)?;
    let done = front.service.registry().replay().await?;
    let shown = done.into_iter().map(|one| ReplayedShown {
        handle: one.handle.to_string(),
        reason: one.reason.slug(),
        state: one.state.slug(),
        sequence: one.sequence,
    });
    Ok(Json(shown.collect()))
}
