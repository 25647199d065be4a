//! What the enclave may ask of the parent: a stored record, a service's certificates, a query carried to a service.
//!
//! The enclave verifies all that it is given, so a wrong answer here costs availability and nothing else.

use crate::courier::Courier;
use crate::store::{Gone, Store, StoreError};
use crate::vendor_statement::{StatementError, VendorStatementFile};
use cofferdam_wire::group::RecoverRequest;
use cofferdam_wire::id::KeyId;
use cofferdam_wire::link::{self, Host, Message, Note};
use cofferdam_wire::{Code, cbor, limits};
use std::sync::Arc;

/// Most bytes of an encoded key id or note.
const SHORT: usize = 64;

/// Store and courier, as the enclave reaches them.
pub(crate) struct Asks {
    pub(crate) store: Store,
    pub(crate) courier: Courier,
    pub(crate) statement: Arc<VendorStatementFile>,
}

/// Why the enclave cannot be brought back into its group from here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoverError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl Asks {
    pub(crate) async fn answer(&self, message: Message, body: &[u8]) -> Result<Vec<u8>, Code> {
        match message {
            Message::FetchRecord => {
                let key: KeyId = cbor::decode(body, SHORT)?;
                self.store.record(&key).await?.ok_or(Code::NotFound)
            }
            Message::FetchStatusKeys => {
                let Host { host } = cbor::decode(body, limits::HOST + 8)?;
                Ok(self.courier.status_keys(&host).await?)
            }
            Message::AskStatus => {
                let link::Courier { host, query } =
                    cbor::decode(body, limits::STATUS_QUERY + limits::HOST + 16)?;
                Ok(self.courier.ask(&host, query).await?)
            }
            _ => Err(Code::UnsupportedVersion),
        }
    }

    pub(crate) async fn note(&self, body: &[u8]) {
        let done = match cbor::decode::<Note>(body, SHORT) {
            Ok(Note::Revoked(key)) => self.store.retire(&key, Gone::Revoked).await,
            Ok(Note::Destroyed(key)) => self.store.retire(&key, Gone::Destroyed).await,
            Err(error) => {
                return tracing::warn!(%error, "the enclave left a note that cannot be read");
            }
        };
        if let Err(error) = done {
            tracing::error!(%error, "a note of the enclave was not stored");
        }
    }

    /// What brings a restarted enclave back into its group; `None` before genesis.
    pub(crate) async fn recover_request(&self) -> Result<Option<RecoverRequest>, RecoverError> {
        let Some(genesis) = self.store.genesis().await? else {
            return Ok(None);
        };
        let vendor_statement = self.statement.current()?.signed.to_vec();
        Ok(Some(RecoverRequest {
            genesis,
            vendor_statement,
        }))
    }
}
