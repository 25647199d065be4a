//! `GET /v1/evidence` and the possession challenges: what a customer verifies before it wraps anything.

use crate::clients::Permit;
use crate::link::Link;
use crate::provider_keys::ProviderKeys;
use crate::vendor_statement::VendorStatementFile;
use cofferdam::crypto::kdf;
use cofferdam_wire::id::Nonce;
use cofferdam_wire::layer::Layer;
use cofferdam_wire::link::Message;
use cofferdam_wire::transcript::{ChallengePlain, EnclaveProof, Proof, challenge_reply_input};
use cofferdam_wire::{Code, cbor, context, limits};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Documents asked for at once: each costs the security module milliseconds.
const PROVING: usize = 16;
/// Challenges to provider keys opened at once.
const OPENING: usize = 4;
/// A challenge is a layer around 70 bytes.
pub(crate) const CHALLENGE: usize = 4 * 1024;

pub(crate) struct Evidence {
    keys: Arc<dyn ProviderKeys>,
    link: Link,
    statement: Arc<VendorStatementFile>,
    proving: Semaphore,
    opening: Semaphore,
}

impl Evidence {
    pub(crate) fn new(
        keys: Arc<dyn ProviderKeys>,
        link: Link,
        statement: Arc<VendorStatementFile>,
    ) -> Self {
        Self {
            keys,
            link,
            statement,
            proving: Semaphore::new(PROVING),
            opening: Semaphore::new(OPENING),
        }
    }

    /// The encoded [`Proof`] for a nonce.
    pub(crate) async fn proof(&self, nonce: Nonce, permit: Permit) -> Result<Vec<u8>, Code> {
        let _turn = self.proving.acquire().await.map_err(|_| Code::Internal)?;
        let statement = self.statement.current().map_err(|error| {
            tracing::error!(%error, "no vendor statement to staple");
            Code::Internal
        })?;
        let reply = self
            .link
            .call_for(
                Message::Prove,
                cbor::encode(&nonce),
                Some(permit.into_units()),
            )
            .await?;
        let enclave: EnclaveProof =
            cbor::decode(&reply, limits::FRAME_BODY).map_err(|_| Code::Internal)?;
        let proof = Proof {
            enclave,
            provider_keys: self.keys.public().to_vec(),
            vendor_statement: statement.signed.to_vec(),
        };
        Ok(cbor::encode(&proof))
    }

    /// The 32 bytes that answer a challenge: by this process for a provider key, by the enclave for any other.
    pub(crate) async fn answer(&self, challenge: Vec<u8>, permit: Permit) -> Result<Vec<u8>, Code> {
        let layer: Layer = cbor::decode(&challenge, CHALLENGE)?;
        if !self.keys.holds(&layer.recipient) {
            return self
                .link
                .call_for(Message::Challenge, challenge, Some(permit.into_units()))
                .await;
        }
        let _turn = self.opening.acquire().await.map_err(|_| Code::Internal)?;
        let keys = self.keys.clone();
        let answered = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            answer_own(keys.as_ref(), &layer, &challenge)
        });
        answered.await.map_err(|_| Code::Internal)?
    }
}

/// The reply is a MAC under the opened secret, never the opened bytes: this is not an opening service (T-65).
fn answer_own(keys: &dyn ProviderKeys, layer: &Layer, challenge: &[u8]) -> Result<Vec<u8>, Code> {
    let opened = keys.open(context::CHALLENGE, &layer.recipient.0, b"", layer)?;
    let plain: ChallengePlain<'_> = cbor::decode(&opened, 128).map_err(|_| Code::UnwrapFailed)?;
    if plain.secret.len() != 32 || plain.transcript.len() != 32 {
        return Err(Code::UnwrapFailed);
    }
    let input = challenge_reply_input(plain.transcript, &layer.recipient, challenge);
    Ok(kdf::hmac_sha256(plain.secret, &[&input]).to_vec())
}
