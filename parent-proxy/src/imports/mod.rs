//! An import on the provider's side: admit, take the outer layer off, pass on, keep the record, pass the receipt on.
//!
//! Trust: the request is hostile. What needs no private key comes first, so unsigned imports cost a signature check and
//! no RSA (T-76). A request that is refused has changed nothing, here or in the enclave. The record is on disk before the
//! receipt leaves (T-21).

mod admission;
mod quota;
#[cfg(test)]
mod vectors;

use crate::clients::Permit;
use crate::config::{Admission, Limits};
use crate::link::Link;
use crate::provider_keys::ProviderKeys;
use crate::store::{Fate, NewKey, Room, Store};
use crate::vendor_statement::VendorStatementFile;
use admission::Admitted;
use cofferdam_wire::id::{PartitionId, Thumbprint};
use cofferdam_wire::import::{ImportRequest, Imported, ReceiptBundle};
use cofferdam_wire::link::Message;
use cofferdam_wire::{Code, cbor, limits};
use quota::Quota;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Outer layers opened at once: an RSA-4096 one takes 5 ms of a core.
const PEELING: usize = 8;

/// The way of imports through the parent.
pub struct Imports {
    keys: Arc<dyn ProviderKeys>,
    admission: Admission,
    owners: Quota<Thumbprint>,
    partitions: Quota<PartitionId>,
    room: Room,
    store: Store,
    link: Link,
    statement: Arc<VendorStatementFile>,
    peeling: Arc<Semaphore>,
}

impl Imports {
    pub(crate) fn new(
        keys: Arc<dyn ProviderKeys>,
        admission: Admission,
        limits: &Limits,
        store: Store,
        link: Link,
        statement: Arc<VendorStatementFile>,
    ) -> Self {
        Self {
            keys,
            admission,
            owners: Quota::new(limits.imports_per_minute_per_owner),
            partitions: Quota::new(limits.imports_per_minute),
            room: Room {
                per_owner: limits.keys_per_owner,
                per_partition: limits.keys_per_partition,
            },
            store,
            link,
            statement,
            peeling: Arc::new(Semaphore::new(PEELING)),
        }
    }

    /// Runs one import; gives the encoded [`ReceiptBundle`].
    pub(crate) async fn import(&self, request: &[u8], permit: Permit) -> Result<Vec<u8>, Code> {
        let admitted = Admitted::check(request, &self.admission, self.keys.as_ref())?;
        self.owners.take(&admitted.owner)?;
        self.partitions.take(&admitted.partition)?;
        match self.store.fate(&admitted.key).await? {
            Fate::Gone => return Err(Code::Revoked),
            Fate::Unknown => self.has_room(&admitted).await?,
            // A repeated import is no further key.
            Fate::Kept => (),
        }
        // Without a statement there would be no bundle to return; better to know before the enclave has worked.
        let vendor_statement = self.statement.current().map_err(|error| {
            tracing::error!(%error, "no vendor statement to staple");
            Code::Internal
        })?;

        let (key, owner, partition) = (admitted.key, admitted.owner, admitted.partition);
        let inner = self.peel(admitted).await?;
        let reply = self
            .link
            .call_for(
                Message::Import,
                cbor::encode(&inner),
                Some(permit.into_units()),
            )
            .await?;
        let imported: Imported =
            cbor::decode(&reply, limits::FRAME_BODY).map_err(|_| Code::Internal)?;
        let bundle = ReceiptBundle {
            receipt: imported.receipt,
            binding: imported.binding,
            evidence: imported.evidence,
            vendor_statement: vendor_statement.signed.to_vec(),
        };
        let bundle = cbor::encode(&bundle);
        let new = NewKey {
            key,
            owner,
            partition,
            record: &imported.record,
            bundle: &bundle,
        };
        self.store.put(new, self.room).await?;
        metrics::counter!("cofferdam_imports").increment(1);
        tracing::info!(%key, %owner, %partition, "import stored");
        Ok(bundle)
    }

    /// Whether the owner and its partition may keep one more key (T-38), as far as one knows before the enclave works:
    /// imports under way are not counted, and the store has the last word.
    async fn has_room(&self, admitted: &Admitted) -> Result<(), Code> {
        let of_owner = self.store.count_of_owner(&admitted.owner).await?;
        let of_partition = self.store.count(&admitted.partition).await?;
        if of_owner >= self.room.per_owner || of_partition >= self.room.per_partition {
            return Err(Code::Busy);
        }
        Ok(())
    }

    async fn peel(&self, admitted: Admitted) -> Result<ImportRequest, Code> {
        let _turn = self.peeling.acquire().await.map_err(|_| Code::Internal)?;
        let keys = self.keys.clone();
        let peeled = tokio::task::spawn_blocking(move || admitted.peel(keys.as_ref())).await;
        peeled.map_err(|_| Code::Internal)?
    }
}
