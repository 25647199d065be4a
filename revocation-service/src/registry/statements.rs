//! What is said of keys in one answer: status, sequence, grant epoch, and the release secret where it is due.
//!
//! "Good" needs everything at once: the right token, the right group, an active registration, no doubt about the
//! database, and consent to the image. Whatever is missing makes it "suspended" or no statement, never an error that
//! would tell a stranger which keys exist.

use std::collections::HashMap;

use cofferdam::crypto::secret::Secret32;
use cofferdam_wire::id::{GroupId, Handle};
use cofferdam_wire::status::{QueryItem, Status};
use subtle::ConstantTimeEq;
use tokio::sync::RwLockReadGuard;

use super::{Ledger, Registry};
use crate::appraisal::Consent;
use crate::registration::{Registration, State};
use crate::store::StoreError;

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

impl Registry {
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
        let rows: HashMap<Handle, Registration> = self
            .store
            .find_all(&handles)
            .await?
            .into_iter()
            .map(|row| (row.handle, row))
            .collect();
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
        Ok(Statements {
            _unchanged: ledger,
            issued_at_ms,
            items: statements,
            reported,
        })
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
        let secrets: HashMap<Handle, Secret32> =
            self.store.releases(&wanted).await?.into_iter().collect();
        for at in wanting {
            // The same key twice in one query gets it twice.
            let copy = secrets
                .get(&handles[at])
                .and_then(|secret| Secret32::from_slice(secret.expose()));
            // "Good" without what opens the material would promise what cannot be kept.
            if copy.is_none() {
                statements[at].status = Status::Suspended;
            }
            statements[at].release = copy;
        }
        Ok(())
    }
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
        sequence: known
            .max(item.last_sequence)
            .max(hold.map_or(0, |hold| hold.sequence)),
        grant_epoch: row.map_or(0, |row| row.grant_epoch),
        release: None,
    };
    let none = Statement {
        status: Status::None,
        sequence: 0,
        grant_epoch: 0,
        release: None,
    };
    // RSV-22, also for a handle that only the log knows: the database may be older than the registration.
    if row.is_none() && (hold.is_some() || item.last_sequence > 0) {
        return suspended(None);
    }
    let Some(row) = row else { return none };
    let status = match row.state_at(now_ms) {
        // RSV-20
        State::Pending | State::Expired if hold.is_none() && item.last_sequence == 0 => {
            return none;
        }
        State::Revoked => Status::Revoked,
        State::Active => Status::Good,
        State::Pending | State::Expired | State::Suspended => Status::Suspended,
    };
    // RSV-21, RSV-22, RSV-30, and consent withheld (RSV-14 to RSV-18): never "good".
    let doubtful =
        hold.is_some() || ledger.log.broken().is_some() || item.last_sequence > row.sequence;
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
