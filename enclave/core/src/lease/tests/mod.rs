//! Every rule of `docs/protocol/lease.md` with one valid case and the same with one defect; then event lists, and a
//! simulation with a hostile parent.
#![allow(clippy::unwrap_used, reason = "tests")]

mod events;
mod rules;
mod simulation;
mod states;

use super::clock::Lines;
use super::{Answered, Clock, Ignored, Lease, Turn};
use cofferdam_wire::id::{Handle, Nonce};
use cofferdam_wire::import::LeaseTerms;
use cofferdam_wire::operation::LeaseState;
use cofferdam_wire::status::{Status, StatusPush};

/// 300 s, no grace, skew 1 s.
const TERMS: LeaseTerms = LeaseTerms {
    interval_s: 300,
    grace_s: 0,
    per_operation: false,
    skew_s: 1,
};

/// Somewhere in 2026, Unix milliseconds.
const EPOCH_MS: u64 = 1_790_000_000_000;

/// Both clocks this many milliseconds after the start.
fn at(ms: u64) -> Clock {
    Clock {
        monotonic_ms: 5_000 + ms,
        attested_ms: EPOCH_MS + ms,
    }
}

/// The clocks apart.
fn clocks(monotonic: u64, attested: u64) -> Clock {
    Clock {
        monotonic_ms: at(monotonic).monotonic_ms,
        attested_ms: at(attested).attested_ms,
    }
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Nonce(bytes)
}

/// "good" to the query with this nonce, issued this many milliseconds after the start, valid for long.
fn good(number: u64, issued: u64) -> Answered {
    said(number, Status::Good, issued)
}

fn said(number: u64, status: Status, issued: u64) -> Answered {
    Answered {
        nonce: nonce(number),
        status,
        sequence: 1,
        grant_epoch: 0,
        issued_at_ms: EPOCH_MS + issued,
        valid_for_s: 100_000,
    }
}

fn push(status: Status, sequence: u64) -> StatusPush {
    StatusPush {
        handle: Handle([0; 16]),
        status,
        sequence,
        grant_epoch: 0,
    }
}
