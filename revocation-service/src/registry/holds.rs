//! Where database and log disagree: those handles are held, and answered "suspended" until a replay (T-75).

use std::collections::{HashMap, HashSet};

use cofferdam_wire::id::Handle;

use crate::registration::Registration;

/// Why a handle is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldReason {
    /// The log has later changes: the database was restored from a backup, or a crash came between log and database.
    LogAhead,
    /// The database has changes that the log has not: the log was lost or cut.
    LogBehind,
    /// Both have the same number of changes, and do not say the same.
    Differs,
    /// An enclave has heard a higher sequence: both were restored, or lost.
    Reported,
    /// A change was logged, and then failed.
    Unfinished,
}

impl HoldReason {
    /// The name in JSON.
    pub fn slug(self) -> &'static str {
        match self {
            HoldReason::LogAhead => "log-ahead",
            HoldReason::LogBehind => "log-behind",
            HoldReason::Differs => "differs",
            HoldReason::Reported => "reported",
            HoldReason::Unfinished => "unfinished",
        }
    }
}

/// A hold on one handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub reason: HoldReason,
    /// The highest sequence that anybody has seen; the next one is above it.
    pub sequence: u64,
}

/// Compares every registration with the last word of the log on it (RSV-29).
pub(super) fn compare(
    rows: &[Registration],
    logged: &HashMap<Handle, Registration>,
    reported: &[(Handle, u64)],
) -> HashMap<Handle, Hold> {
    // RSV-29
    let mut holds = HashMap::new();
    for row in rows {
        let last = logged.get(&row.handle);
        let reason = match last {
            Some(last) if last == row => continue,
            Some(last) if last.sequence > row.sequence => HoldReason::LogAhead,
            Some(last) if last.sequence == row.sequence => HoldReason::Differs,
            _ => HoldReason::LogBehind,
        };
        let sequence = row.sequence.max(last.map_or(0, |last| last.sequence));
        holds.insert(row.handle, Hold { reason, sequence });
    }
    let known: HashSet<Handle> = rows.iter().map(|row| row.handle).collect();
    for last in logged.values().filter(|last| !known.contains(&last.handle)) {
        holds.insert(
            last.handle,
            Hold {
                reason: HoldReason::LogAhead,
                sequence: last.sequence,
            },
        );
    }
    for (handle, sequence) in reported {
        let hold = holds.entry(*handle).or_insert(Hold {
            reason: HoldReason::Reported,
            sequence: 0,
        });
        hold.sequence = hold.sequence.max(*sequence);
    }
    holds
}
