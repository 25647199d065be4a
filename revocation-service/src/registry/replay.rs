//! The replay: an admin says that the log counts, and every held handle gets a state again.
//!
//! What comes out is never more permissive than what the log says last: a revocation in the log is a revocation again and
//! destroys the release secret that a backup brought back. A key whose release secret is lost, or of which an enclave has
//! heard more than the log knows, comes back suspended; the admin resumes or revokes it with open eyes. Every state gets a
//! new sequence above all that were seen, and an entry of its own, so that enclaves believe it.

use std::sync::Arc;

use cofferdam_wire::id::Handle;

use super::holds::{Hold, HoldReason};
use super::{ChangeError, Registry, Write, holds};
use crate::audit::{Cause, LogError};
use crate::registration::{Registration, State};
use crate::store::StoreError;

/// Why a replay was not, or not wholly, made.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log is broken or cannot be read; it must be restored first.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Writing a state failed; what was replayed before it stays.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// What the replay did for one handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The handle.
    pub handle: Handle,
    /// Why it was held.
    pub reason: HoldReason,
    /// Its state now.
    pub state: State,
    /// Its sequence now.
    pub sequence: u64,
}

impl Registry {
    /// Reads the log again, and gives every handle on which log and database disagree a state.
    pub async fn replay(self: &Arc<Self>) -> Result<Vec<Replayed>, ReplayError> {
        let registry = Arc::clone(self);
        let task = tokio::spawn(async move { registry.replay_now().await });
        task.await.map_err(|_| ChangeError::Interrupted)?
    }

    async fn replay_now(&self) -> Result<Vec<Replayed>, ReplayError> {
        let mut ledger = self.locked().await?;
        let scan = ledger.log.rescan()?;
        if let Some(problem) = ledger.log.broken() {
            return Err(LogError::Broken(problem.to_owned()).into());
        }
        let rows = self.store.list().await?;
        let mut held: Vec<(Handle, Hold)> =
            holds::compare(&rows, &scan.last, &self.store.reported().await?)
                .into_iter()
                .collect();
        held.sort_by_key(|(handle, _)| *handle);
        ledger.holds = held.iter().copied().collect();
        drop(ledger);

        let mut done = Vec::with_capacity(held.len());
        for (handle, hold) in held {
            let row = rows.iter().find(|row| row.handle == handle);
            let logged = scan.last.get(&handle);
            let Some(target) = target(row, logged, hold, self.clock.now_ms()) else {
                // An enclave reported a handle that neither knows any more: nothing to give a state to.
                continue;
            };
            let write = if row.is_some() {
                Write::Update
            } else {
                Write::Restore
            };
            let ledger = self.locked().await?;
            // A revoke may have come in between; then there is nothing left to do.
            if !ledger.holds.contains_key(&handle) {
                continue;
            }
            let row = self.commit(ledger, Cause::Replay, target, write).await?;
            tracing::warn!(%handle, reason = hold.reason.slug(), state = row.state.slug(), "replayed");
            done.push(Replayed {
                handle,
                reason: hold.reason,
                state: row.state,
                sequence: row.sequence,
            });
        }
        Ok(done)
    }
}

/// The state that a held handle gets.
fn target(
    row: Option<&Registration>,
    logged: Option<&Registration>,
    hold: Hold,
    now_ms: u64,
) -> Option<Registration> {
    let (base, state) = match (row, logged) {
        // The log is ahead: it counts.
        (Some(row), Some(logged)) if logged.sequence > row.sequence => (logged, logged.state),
        // The database is ahead of a log that was cut: the changes that it has were signed once.
        (Some(row), Some(logged)) if row.sequence > logged.sequence => (row, row.state),
        (Some(row), Some(logged)) => (logged, worse(row.state, logged.state)),
        (Some(row), None) => (row, row.state),
        // The release secret is lost with the row: nothing can be opened, whatever the log says.
        (None, Some(logged)) => (logged, worse(State::Suspended, logged.state)),
        (None, None) => return None,
    };
    // Of such a key something is known outside that nobody here knows.
    let state = if hold.reason == HoldReason::Reported {
        worse(State::Suspended, state)
    } else {
        state
    };
    // Ends that were reached stay reached.
    let ended = [row, logged]
        .into_iter()
        .flatten()
        .any(|known| known.state == State::Revoked);
    let state = if ended { State::Revoked } else { state };
    let grant_epoch = [row, logged]
        .into_iter()
        .flatten()
        .map(|known| known.grant_epoch)
        .max()
        .unwrap_or(0);
    let sequence = hold.sequence.checked_add(1)?;
    Some(Registration {
        state,
        sequence,
        grant_epoch,
        changed_ms: now_ms,
        ..base.clone()
    })
}

/// The less permissive of two states.
fn worse(a: State, b: State) -> State {
    let rank = |state| match state {
        State::Active => 0,
        State::Pending => 1,
        State::Suspended => 2,
        State::Expired => 3,
        State::Revoked => 4,
    };
    if rank(a) >= rank(b) { a } else { b }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use cofferdam_wire::cose::PublicKey;
    use cofferdam_wire::id::{Digest, GroupId};

    fn registration(state: State, sequence: u64) -> Registration {
        Registration {
            handle: Handle([1; 16]),
            token_hash: Digest([1; 32]),
            group: GroupId([1; 32]),
            owner: PublicKey::Ed25519([2; 32]),
            state,
            sequence,
            grant_epoch: sequence,
            created_ms: 1,
            changed_ms: 2,
        }
    }

    fn replayed(
        row: Option<Registration>,
        logged: Option<Registration>,
        reported: &[(Handle, u64)],
    ) -> (State, u64) {
        let rows: Vec<_> = row.into_iter().collect();
        let log = logged
            .into_iter()
            .map(|entry| (entry.handle, entry))
            .collect();
        let holds = holds::compare(&rows, &log, reported);
        let hold = holds[&Handle([1; 16])];
        let target = target(rows.first(), log.get(&Handle([1; 16])), hold, 9).unwrap();
        (target.state, target.sequence)
    }

    #[test]
    fn rsv_29_t75_the_log_counts_and_nothing_comes_back_to_life() {
        let of = |state, sequence| Some(registration(state, sequence));
        assert_eq!(
            replayed(of(State::Active, 1), of(State::Revoked, 2), &[]),
            (State::Revoked, 3)
        );
        assert_eq!(
            replayed(of(State::Active, 3), of(State::Active, 1), &[]),
            (State::Active, 4)
        );
        assert_eq!(
            replayed(of(State::Active, 3), of(State::Revoked, 2), &[]),
            (State::Revoked, 4)
        );
        assert_eq!(
            replayed(of(State::Active, 2), of(State::Suspended, 2), &[]),
            (State::Suspended, 3)
        );
        assert_eq!(
            replayed(None, of(State::Active, 2), &[]),
            (State::Suspended, 3)
        );
        assert_eq!(
            replayed(None, of(State::Revoked, 2), &[]),
            (State::Revoked, 3)
        );
        assert_eq!(
            replayed(of(State::Active, 2), None, &[]),
            (State::Active, 3)
        );
        let heard = [(Handle([1; 16]), 9)];
        assert_eq!(
            replayed(of(State::Active, 2), of(State::Active, 2), &heard),
            (State::Suspended, 10)
        );
    }

    #[test]
    fn rsv_29_equal_content_holds_nothing() {
        let row = registration(State::Active, 2);
        let log = std::collections::HashMap::from([(row.handle, row.clone())]);
        assert!(holds::compare(std::slice::from_ref(&row), &log, &[]).is_empty());
        let moved = Registration {
            group: GroupId([9; 32]),
            ..row
        };
        assert_eq!(
            holds::compare(&[moved], &log, &[])[&Handle([1; 16])].reason,
            HoldReason::Differs
        );
    }
}
