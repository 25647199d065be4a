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

use std::collections::HashMap;
use std::sync::Arc;

use cofferdam::crypto::secret::Secret32;
use cofferdam_wire::Code;
use cofferdam_wire::id::{GroupId, Handle};
use cofferdam_wire::status::{QueryItem, Status};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, RwLockReadGuard};

use crate::appraisal::Consent;
use crate::audit::{AuditLog, Cause, LogError, Scan};
use crate::clock::Clock;
use crate::registration::{self, Change, NewRegistration, PENDING_MS, Refusal, Registration, State};
use crate::store::{Store, StoreError};

pub use holds::{Hold, HoldReason};
pub use replay::{ReplayError, Replayed};

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
    /// The task making the change ended early.
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
            ChangeError::Sequence | ChangeError::Log(_) | ChangeError::Store(_) | ChangeError::Interrupted => {
                Code::Internal
            }
        }
    }
}

/// What the lock protects beside the database.
struct Ledger {
    log: AuditLog,
    holds: HashMap<Handle, Hold>,
}

/// The registrations.
pub struct Registry {
    store: Store,
    clock: Clock,
    ledger: Arc<RwLock<Ledger>>,
}

/// What the service says of one key.
pub struct Statement {
    /// Status.
    pub status: Status,
    /// Sequence of that status.
    pub sequence: u64,
    /// Lowest grant epoch still accepted.
    pub grant_epoch: u64,
    /// The release secret, when asked for and the status is good.
    pub release: Option<Secret32>,
}

/// Statements for one answer. While this value lives no registration can change, so the answer is signed and sealed
/// before it is dropped.
pub struct Statements<'a> {
    _unchanged: RwLockReadGuard<'a, Ledger>,
    /// When they are made, Unix milliseconds.
    pub issued_at_ms: u64,
    /// By position.
    pub items: Vec<Statement>,
    /// Handles that the enclave has heard higher sequences of.
    pub reported: Vec<(Handle, u64)>,
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
    pub async fn open(store: Store, log: AuditLog, scan: &Scan, clock: Clock) -> Result<Arc<Self>, StoreError> {
        let holds = holds::compare(&store.list().await?, &scan.last, &store.reported().await?);
        if let Some(problem) = log.broken() {
            tracing::error!(problem, "RSV-30: the audit log is broken; every key is answered \"suspended\"");
        }
        for (handle, hold) in &holds {
            tracing::error!(%handle, reason = hold.reason.slug(), "RSV-29: answered \"suspended\" until a replay");
        }
        let ledger = Arc::new(RwLock::new(Ledger { log, holds }));
        Ok(Arc::new(Self { store, clock, ledger }))
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
    pub async fn change(self: &Arc<Self>, handle: Handle, change: Change) -> Result<Registration, ChangeError> {
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
        Ok(rows.into_iter().map(|row| self.shown(&ledger, row)).collect())
    }

    /// Handles that are answered "suspended" until a replay, and why.
    pub async fn holds(&self) -> Vec<(Handle, Hold)> {
        let ledger = self.ledger.read().await;
        let mut holds: Vec<_> = ledger.holds.iter().map(|(handle, hold)| (*handle, *hold)).collect();
        holds.sort_by_key(|(handle, _)| *handle);
        holds
    }

    /// What is wrong with the log, if anything is; then every key is answered "suspended".
    pub async fn broken_log(&self) -> Option<String> {
        self.ledger.read().await.log.broken().map(str::to_owned)
    }

    /// Statements on the keys that a proven instance of `group` asks about.
    pub async fn statements(
        &self,
        group: &GroupId,
        items: &[QueryItem],
        consent: Consent,
    ) -> Result<Statements<'_>, StoreError> {
        let ledger = self.ledger.read().await;
        let issued_at_ms = self.clock.now_ms();
        let handles: Vec<Handle> = items.iter().map(|item| Handle::of(&item.token)).collect();
        let rows: HashMap<Handle, Registration> =
            self.store.find_all(&handles).await?.into_iter().map(|row| (row.handle, row)).collect();
        let mut reported = Vec::new();
        let mut statements = Vec::with_capacity(items.len());
        for (item, handle) in items.iter().zip(&handles) {
            // RSV-19: a handle alone asks nothing; the token must be the one registered, and so must the group.
            let row = rows.get(handle).filter(|row| {
                bool::from(row.token_hash.0.ct_eq(&item.token.hash().0)) && row.group == *group
            });
            let statement = state(&ledger, handle, row, item, consent, issued_at_ms);
            if row.is_some_and(|row| item.last_sequence > row.sequence) {
                reported.push((*handle, item.last_sequence));
            }
            statements.push(statement);
        }
        self.add_releases(items, &handles, &mut statements).await?;
        Ok(Statements { _unchanged: ledger, issued_at_ms, items: statements, reported })
    }

    async fn add_releases(
        &self,
        items: &[QueryItem],
        handles: &[Handle],
        statements: &mut [Statement],
    ) -> Result<(), StoreError> {
        // RSV-23
        let wanting: Vec<usize> = (0..items.len())
            .filter(|at| items[*at].wants_release && statements[*at].status == Status::Good)
            .collect();
        if wanting.is_empty() {
            return Ok(());
        }
        let wanted: Vec<Handle> = wanting.iter().map(|at| handles[*at]).collect();
        let secrets: HashMap<Handle, Secret32> = self.store.releases(&wanted).await?.into_iter().collect();
        for at in wanting {
            // The same key twice in one query gets it twice.
            let copy = secrets.get(&handles[at]).and_then(|secret| Secret32::from_slice(secret.expose()));
            // "Good" without what opens the material would promise what cannot be kept.
            if copy.is_none() {
                statements[at].status = Status::Suspended;
            }
            statements[at].release = copy;
        }
        Ok(())
    }

    /// Holds handles whose sequence an enclave has heard higher than it is here (RSV-21).
    pub async fn hold_reported(&self, reported: &[(Handle, u64)]) -> Result<(), StoreError> {
        if reported.is_empty() {
            return Ok(());
        }
        let mut ledger = self.ledger.write().await;
        for (handle, sequence) in reported {
            tracing::error!(%handle, sequence, "RSV-21: an enclave has heard a higher sequence than this database holds");
            let hold = ledger.holds.entry(*handle).or_insert(Hold { reason: HoldReason::Reported, sequence: 0 });
            hold.sequence = hold.sequence.max(*sequence);
            self.store.note_reported(handle, (*sequence).min(i64::MAX as u64)).await?;
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

    async fn register_now(&self, new: NewRegistration) -> Result<(Registered, Registration), ChangeError> {
        let ledger = Arc::clone(&self.ledger).write_owned().await;
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
        let row = self.commit(ledger, Cause::Register, row, Write::Insert(new.release)).await?;
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
        let same_release = releases.first().is_some_and(|(_, secret)| secret.ct_eq(new.release.expose()));
        let same = row.token_hash == new.token_hash && row.group == new.group && row.owner == new.owner;
        if same && same_release { Ok((Registered::Identical, row)) } else { Err(ChangeError::Taken) }
    }

    async fn change_now(&self, handle: Handle, change: Change) -> Result<Registration, ChangeError> {
        let ledger = Arc::clone(&self.ledger).write_owned().await;
        let hold = ledger.holds.get(&handle).copied();
        let Some(row) = self.store.find(&handle).await? else {
            return Err(if hold.is_some() { ChangeError::Held } else { ChangeError::NotFound });
        };
        // A held key may be revoked at once; everything else waits until it is known what is true.
        if hold.is_some() && change != Change::Revoke {
            return Err(ChangeError::Held);
        }
        let now_ms = self.clock.now_ms();
        // The service's own note of an expiry starts from what is stored.
        let state = if change == Change::Expire { row.state } else { row.state_at(now_ms) };
        let Some((state, grant_epoch)) = registration::next(state, row.grant_epoch, change)? else {
            return Ok(self.shown(&ledger, row));
        };
        let highest = row.sequence.max(hold.map_or(0, |hold| hold.sequence));
        let sequence = highest.checked_add(1).ok_or(ChangeError::Sequence)?;
        let changed = Registration { state, sequence, grant_epoch, changed_ms: now_ms, ..row };
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
        let (mut ledger, row, logged) = append(ledger, cause, row).await?;
        let hold = Hold { reason: HoldReason::Unfinished, sequence: row.sequence };
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
            tracing::warn!("the database's write-ahead log could not be emptied yet; it will be within a minute");
        }
        Ok(row)
    }
}

/// Appends to the log on a thread that may block.
async fn append(
    mut ledger: OwnedRwLockWriteGuard<Ledger>,
    cause: Cause,
    row: Registration,
) -> Result<(OwnedRwLockWriteGuard<Ledger>, Registration, Result<(), LogError>), ChangeError> {
    let task = tokio::task::spawn_blocking(move || {
        let logged = ledger.log.append(cause, &row);
        (ledger, row, logged)
    });
    task.await.map_err(|_| ChangeError::Interrupted)
}

/// What is said of one key, before its release secret.
fn state(
    ledger: &Ledger,
    handle: &Handle,
    row: Option<&Registration>,
    item: &QueryItem,
    consent: Consent,
    now_ms: u64,
) -> Statement {
    let known = row.map_or(0, |row| row.sequence);
    let hold = ledger.holds.get(handle);
    // An enclave refuses a sequence lower than one it has heard.
    let suspended = |row: Option<&Registration>| Statement {
        status: Status::Suspended,
        sequence: known.max(item.last_sequence).max(hold.map_or(0, |hold| hold.sequence)),
        grant_epoch: row.map_or(0, |row| row.grant_epoch),
        release: None,
    };
    let none = Statement { status: Status::None, sequence: 0, grant_epoch: 0, release: None };
    // RSV-22, also for a handle that only the log knows: the database may be older than the registration.
    if row.is_none() && (hold.is_some() || item.last_sequence > 0) {
        return suspended(None);
    }
    let Some(row) = row else { return none };
    let status = match row.state_at(now_ms) {
        // RSV-20
        State::Pending | State::Expired if hold.is_none() && item.last_sequence == 0 => return none,
        State::Revoked => Status::Revoked,
        State::Active => Status::Good,
        State::Pending | State::Expired | State::Suspended => Status::Suspended,
    };
    // RSV-21, RSV-22, RSV-30, and consent withheld (RSV-14 to RSV-18): never "good".
    let doubtful = hold.is_some() || ledger.log.broken().is_some() || item.last_sequence > row.sequence;
    if status != Status::Revoked && (doubtful || consent != Consent::Given) {
        return suspended(Some(row));
    }
    Statement {
        status,
        sequence: row.sequence.max(item.last_sequence),
        grant_epoch: row.grant_epoch,
        release: None,
    }
}
