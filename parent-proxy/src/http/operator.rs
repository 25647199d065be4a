//! The operator's own listener: genesis, recovery, shares, health. Loopback and a token, since it is not encrypted.
//!
//! The operator is trusted for availability only; what it brings (statement, shares, officers) the enclave checks.

use super::cbor_answer;
use super::intake::{Intake, bearer_hash};
use super::problem::Problem;
use crate::parent::Parent;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use cofferdam::private_file;
use cofferdam_wire::group::{Genesis, GenesisRecord, RecoverRequest, SealedShare};
use cofferdam_wire::id::{Digest, sha256};
use cofferdam_wire::link::Message;
use cofferdam_wire::{Code, cbor, limits};
use serde_json::{Value, json};
use std::io;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A share is an X-Wing encapsulation and some 100 bytes.
const SHARE: usize = 4 * 1024;

/// What the operator's token hashes to.
#[derive(Clone, Copy)]
pub(crate) struct OperatorToken(Digest);

impl OperatorToken {
    pub(super) fn admits(&self, request: &Request) -> bool {
        bearer_hash(request.headers()) == Some(self.0)
    }
}

/// Reads the token's file, or makes it: 32 random bytes in hexadecimal, mode 0600.
pub(crate) fn operator_token(path: &Path) -> io::Result<OperatorToken> {
    if !path.exists() {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(io::Error::other)?;
        private_file::write(path, Zeroizing::new(hex::encode(*bytes)).as_bytes())?;
    }
    let token = Zeroizing::new(std::fs::read_to_string(path)?);
    if token.trim().len() < 32 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the token has less than 32 characters",
        ));
    }
    Ok(OperatorToken(sha256(token.trim().as_bytes())))
}

pub(super) async fn genesis(
    State(parent): State<Arc<Parent>>,
    Intake { body, permit }: Intake<{ limits::GENESIS_BODY }>,
) -> Result<Response, Problem> {
    // Runs to its end also when the operator hangs up: the enclave makes its group once.
    let done = tokio::spawn(async move {
        let _one = parent.genesis.lock().await;
        if parent.store.genesis().await?.is_some() {
            return Err(Code::Conflict);
        }
        let reply = parent
            .link
            .call_for(Message::Genesis, body, Some(permit.into_units()))
            .await?;
        let genesis: Genesis =
            cbor::decode(&reply, limits::FRAME_BODY).map_err(|_| Code::Internal)?;
        cbor::decode::<GenesisRecord>(&genesis.record, limits::GENESIS_RECORD)
            .map_err(|_| Code::Internal)?;
        // On disk before the shares leave: without the record they would open nothing.
        if !parent.store.put_genesis(&genesis.record).await? {
            return Err(Code::Conflict);
        }
        tracing::info!("genesis record stored");
        Ok(reply)
    });
    Ok(cbor_answer(done.await.map_err(|_| Code::Internal)??))
}

pub(super) async fn recover(State(parent): State<Arc<Parent>>) -> Result<StatusCode, Problem> {
    let genesis = parent
        .store
        .genesis()
        .await
        .map_err(Code::from)?
        .ok_or(Code::NotFound)?;
    let statement = parent.statement.current().map_err(|error| {
        tracing::error!(%error, "no vendor statement for recovery");
        Code::Internal
    })?;
    let request = RecoverRequest {
        genesis,
        vendor_statement: statement.signed.to_vec(),
    };
    parent
        .link
        .call(Message::Recover, cbor::encode(&request))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn share(
    State(parent): State<Arc<Parent>>,
    Intake { body, permit }: Intake<SHARE>,
) -> Result<Response, Problem> {
    cbor::decode::<SealedShare>(&body, SHARE).map_err(Code::from)?;
    Ok(cbor_answer(
        parent
            .link
            .call_for(Message::Share, body, Some(permit.into_units()))
            .await?,
    ))
}

pub(super) async fn health(State(parent): State<Arc<Parent>>) -> Result<Json<Value>, Problem> {
    let health = parent.health().await?;
    Ok(Json(json!({
        "ready": health.ready,
        "keys": health.keys,
        "active": health.active,
        "attested_ms": health.attested_ms,
    })))
}
