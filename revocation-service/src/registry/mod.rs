//! The registry: registrations in the database, every change in the log, and statements about them, under one lock.
//!
//! Answers are made under the read lock and changes under the write lock, and an answer holds the lock until it is signed
//! and sealed. So once a revoke has returned, every answer still to be made sees it (P3). Changes run in tasks of their
//! own: a caller who hangs up cannot leave one half done.
//!
//! Order of a change: log entry, synced; database, synced; then the call returns (RSV-28). If the second step fails, or
//! the process dies between, the log is ahead and the key is *held*: answered "suspended" until a replay (RSV-29).

mod holds;
mod replay;
mod statements;

use std::collections::HashMap;
use std::sync::Arc;

use cofferdam::crypto::secret::Secret32;
use cofferdam_wire::Code;
use cofferdam_wire::id::Handle;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

use crate::audit::{AuditLog, Cause, LogError, Scan};
use crate::clock::Clock;
use crate::registration::{
    self, Change, NewRegistration, PENDING_MS, Refusal, Registration, State,
};
use crate::store::{Store, StoreError};

pub use holds::{Hold, HoldReason};
pub use replay::{ReplayError, Replayed};
pub use statements::{Statement, Statements};

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is no such registration.
    #[error("there is no such registration")]
    NotFound,
    /// RSV-24: the handle is taken by other content.
    #[error("RSV-24: the handle is registered with other content")]
    Taken,
    /// The state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The key is answered "suspended" until the log is replayed, and only a revoke is possible.
    #[error("RSV-29: database and log disagree about this handle; replay the log first")]
    Held,
    /// The sequence cannot grow.
    #[error("the sequence is at its end")]
    Sequence,
    /// The log failed; nothing was changed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The database failed; the key is held.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The service is stopping, or the task making the change ended early.
    #[error("the change ended early")]
    Interrupted,
}

impl ChangeError {
    /// What the caller is told.
    pub fn code(&self) -> Code {
        match self {
            ChangeError::NotFound => Code::NotFound,
            ChangeError::Refused(Refusal::Revoked) => Code::Revoked,
            ChangeError::Refused(Refusal::Epoch { .. }) => Code::OutOfRange,
            ChangeError::Taken | ChangeError::Refused(_) | ChangeError::Held => Code::Conflict,
            ChangeError::Sequence
            | ChangeError::Log(_)
            | ChangeError::Store(_)
            | ChangeError::Interrupted => Code::Internal,
        }
    }
}

/// What the lock protects beside the database.
struct Ledger {
    log: AuditLog,
    holds: HashMap<Handle, Hold>,
    closed: bool,
}

/// The registrations.
pub struct Registry {
    store: Store,
    clock: Clock,
    ledger: Arc<RwLock<Ledger>>,
}

/// How a registration went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It is new.
    Created,
    /// The same was there before.
    Identical,
}

/// How the database takes a change.
enum Write {
    Insert(Secret32),
    Update,
    Restore,
}

impl Registry {
    /// Compares the database with the log and opens the registry.
    pub async fn open(
        store: Store,
        log: AuditLog,
        scan: &Scan,
        clock: Clock,
    ) -> Result<Arc<Self>, StoreError> {
        let holds = holds::compare(&store.list().await?, &scan.last, &store.reported().await?);
        if let Some(problem) = log.broken() {
            tracing::error!(
                problem,
                "RSV-30: the audit log is broken; every key is answered \"suspended\""
            );
        }
        for (handle, hold) in &holds {
            tracing::error!(%handle, reason = hold.reason.slug(), "RSV-29: answered \"suspended\" until a replay");
        }
        let ledger = Arc::new(RwLock::new(Ledger {
            log,
            holds,
            closed: false,
        }));
        Ok(Arc::new(Self {
            store,
            clock,
            ledger,
        }))
    }

    /// Registers; only ever adds (RSV-24).
    pub async fn register(
        self: &Arc<Self>,
        new: NewRegistration,
    ) -> Result<(Registered, Registration), ChangeError> {
        let registry = Arc::clone(self);
        let task = tokio::spawn(async move { registry.register_now(new).await });
        task.await.map_err(|_| ChangeError::Interrupted)?
    }

    /// Changes the state of a registration.
    pub async fn change(
        self: &Arc<Self>,
        handle: Handle,
        change: Change,
    ) -> Result<Registration, ChangeError> {
        let registry = Arc::clone(self);
        let task = tokio::spawn(async move { registry.change_now(handle, change).await });
        task.await.map_err(|_| ChangeError::Interrupted)?
    }

    /// One registration, as it is answered.
    pub async fn find(&self, handle: &Handle) -> Result<Option<Registration>, StoreError> {
        let ledger = self.ledger.read().await;
        let row = self.store.find(handle).await?;
        Ok(row.map(|row| self.shown(&ledger, row)))
    }

    /// Every registration, as it is answered.
    pub async fn list(&self) -> Result<Vec<Registration>, StoreError> {
        let ledger = self.ledger.read().await;
        let rows = self.store.list().await?;
        Ok(rows
            .into_iter()
            .map(|row| self.shown(&ledger, row))
            .collect())
    }

    /// Handles that are answered "suspended" until a replay, and why.
    pub async fn holds(&self) -> Vec<(Handle, Hold)> {
        let ledger = self.ledger.read().await;
        let mut holds: Vec<_> = ledger
            .holds
            .iter()
            .map(|(handle, hold)| (*handle, *hold))
            .collect();
        holds.sort_by_key(|(handle, _)| *handle);
        holds
    }

    /// What is wrong with the log, if anything is; then every key is answered "suspended".
    pub async fn broken_log(&self) -> Option<String> {
        self.ledger.read().await.log.broken().map(str::to_owned)
    }

    /// Holds handles whose sequence an enclave has heard higher than it is here (RSV-21).
    pub async fn hold_reported(&self, reported: &[(Handle, u64)]) -> Result<(), StoreError> {
        if reported.is_empty() {
            return Ok(());
        }
        let mut ledger = self.ledger.write().await;
        for (handle, sequence) in reported {
            tracing::error!(%handle, sequence, "RSV-21: an enclave has heard a higher sequence than this database holds");
            let hold = ledger.holds.entry(*handle).or_insert(Hold {
                reason: HoldReason::Reported,
                sequence: 0,
            });
            hold.sequence = hold.sequence.max(*sequence);
            self.store
                .note_reported(handle, (*sequence).min(i64::MAX as u64))
                .await?;
        }
        Ok(())
    }

    /// Notes what time has changed: pending registrations that have expired. Empties the database's write-ahead log.
    pub async fn tend(self: &Arc<Self>) -> Result<(), ChangeError> {
        let now_ms = self.clock.now_ms();
        if let Some(before) = now_ms.checked_sub(PENDING_MS) {
            for handle in self.store.pending_before(before).await? {
                match self.change(handle, Change::Expire).await {
                    // Somebody else was faster, or it waits for a replay.
                    Ok(_) | Err(ChangeError::Held | ChangeError::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let _unchanged = self.ledger.write().await;
        self.store.forget_deleted().await?;
        Ok(())
    }

    /// Lets the change in flight end, takes no other, and closes the database.
    pub async fn close(&self) {
        self.ledger.write().await.closed = true;
        self.store.close().await;
    }

    async fn locked(&self) -> Result<OwnedRwLockWriteGuard<Ledger>, ChangeError> {
        let ledger = Arc::clone(&self.ledger).write_owned().await;
        if ledger.closed {
            Err(ChangeError::Interrupted)
        } else {
            Ok(ledger)
        }
    }

    /// The store, for the chain heads.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    fn shown(&self, ledger: &Ledger, mut row: Registration) -> Registration {
        row.state = row.state_at(self.clock.now_ms());
        let held = ledger.log.broken().is_some() || ledger.holds.contains_key(&row.handle);
        if held && row.state == State::Active {
            row.state = State::Suspended;
        }
        row
    }

    async fn register_now(
        &self,
        new: NewRegistration,
    ) -> Result<(Registered, Registration), ChangeError> {
        let ledger = self.locked().await?;
        if ledger.holds.contains_key(&new.handle) {
            return Err(ChangeError::Held);
        }
        let now_ms = self.clock.now_ms();
        if let Some(row) = self.store.find(&new.handle).await? {
            return self.register_again(&new, row, now_ms).await;
        }
        let row = Registration {
            handle: new.handle,
            token_hash: new.token_hash,
            group: new.group,
            owner: new.owner,
            state: State::Pending,
            sequence: 0,
            grant_epoch: 0,
            created_ms: now_ms,
            changed_ms: now_ms,
        };
        let row = self
            .commit(ledger, Cause::Register, row, Write::Insert(new.release))
            .await?;
        Ok((Registered::Created, row))
    }

    /// RSV-24, RSV-25: nothing is ever replaced, and what is over is not begun again.
    async fn register_again(
        &self,
        new: &NewRegistration,
        mut row: Registration,
        now_ms: u64,
    ) -> Result<(Registered, Registration), ChangeError> {
        row.state = row.state_at(now_ms);
        match row.state {
            State::Revoked => return Err(Refusal::Revoked.into()),
            State::Expired => return Err(Refusal::Expired.into()),
            State::Pending | State::Active | State::Suspended => {}
        }
        let releases = self.store.releases(&[new.handle]).await?;
        let same_release = releases
            .first()
            .is_some_and(|(_, secret)| secret.ct_eq(new.release.expose()));
        let same =
            row.token_hash == new.token_hash && row.group == new.group && row.owner == new.owner;
        // RSV-24
        if same && same_release {
            Ok((Registered::Identical, row))
        } else {
            Err(ChangeError::Taken)
        }
    }

    async fn change_now(
        &self,
        handle: Handle,
        change: Change,
    ) -> Result<Registration, ChangeError> {
        let ledger = self.locked().await?;
        let hold = ledger.holds.get(&handle).copied();
        let Some(row) = self.store.find(&handle).await? else {
            return Err(if hold.is_some() {
                ChangeError::Held
            } else {
                ChangeError::NotFound
            });
        };
        // A held key may be revoked at once; everything else waits until it is known what is true.
        if hold.is_some() && change != Change::Revoke {
            return Err(ChangeError::Held);
        }
        let now_ms = self.clock.now_ms();
        // The service's own note of an expiry starts from what is stored.
        let state = if change == Change::Expire {
            row.state
        } else {
            row.state_at(now_ms)
        };
        let Some((state, grant_epoch)) = registration::next(state, row.grant_epoch, change)? else {
            return Ok(self.shown(&ledger, row));
        };
        let highest = row.sequence.max(hold.map_or(0, |hold| hold.sequence));
        let sequence = highest.checked_add(1).ok_or(ChangeError::Sequence)?;
        let changed = Registration {
            state,
            sequence,
            grant_epoch,
            changed_ms: now_ms,
            ..row
        };
        let cause = match change {
            Change::Activate => Cause::Activate,
            Change::Suspend => Cause::Suspend,
            Change::Resume => Cause::Resume,
            Change::Revoke => Cause::Revoke,
            Change::GrantEpoch(_) => Cause::GrantEpoch,
            Change::Expire => Cause::Expire,
        };
        self.commit(ledger, cause, changed, Write::Update).await
    }

    /// Log first, then the database, both synced. Where a step fails, the key is held: nobody hears "good" of it.
    async fn commit(
        &self,
        ledger: OwnedRwLockWriteGuard<Ledger>,
        cause: Cause,
        row: Registration,
        write: Write,
    ) -> Result<Registration, ChangeError> {
        // RSV-28
        let (mut ledger, row, logged) = append(ledger, cause, row).await?;
        let hold = Hold {
            reason: HoldReason::Unfinished,
            sequence: row.sequence,
        };
        if let Err(error) = logged {
            // Whoever wants a key stopped gets that much, although the call fails and says so.
            if matches!(row.state, State::Suspended | State::Revoked) {
                ledger.holds.insert(row.handle, hold);
            }
            return Err(error.into());
        }
        let written = match &write {
            Write::Insert(release) => self.store.insert(&row, release).await,
            Write::Update => self.store.update(&row).await,
            Write::Restore => self.store.insert_without_release(&row).await,
        };
        if let Err(error) = written {
            ledger.holds.insert(row.handle, hold);
            return Err(error.into());
        }
        if ledger.holds.remove(&row.handle).is_some() {
            self.store.forget_reported(&row.handle).await?;
        }
        if row.state.destroys_release() && !self.store.forget_deleted().await? {
            tracing::warn!(
                "the database's write-ahead log could not be emptied yet; it will be within a minute"
            );
        }
        Ok(row)
    }
}

/// Appends to the log on a thread that may block.
async fn append(
    mut ledger: OwnedRwLockWriteGuard<Ledger>,
    cause: Cause,
    row: Registration,
) -> Result<
    (
        OwnedRwLockWriteGuard<Ledger>,
        Registration,
        Result<(), LogError>,
    ),
    ChangeError,
> {
    let task = tokio::task::spawn_blocking(move || {
        let logged = ledger.log.append(cause, &row);
        (ledger, row, logged)
    });
    task.await.map_err(|_| ChangeError::Interrupted)
}
