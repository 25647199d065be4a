//! The lease of one key: whether it may be used now, by what its revocation services have said (promise P3).
//!
//! Pure: it takes what was asked, what was answered and the time on both clocks, and says Active or not. Every service
//! of the key gives a lease of its own; the key is Active while all of them run, and any one can revoke. Answers come
//! here only after their signatures were verified (`crate::checks`), so this module trusts what they say and nothing
//! about when they arrive: the parent delays, drops, repeats and reorders them, and slows or stops the monotonic clock.
//! Silence ends a lease, only a signed "revoked" revokes. Rules and formulas: `docs/protocol/lease.md`.

mod clock;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use clock::Clock;

use clock::Lines;
use cofferdam_wire::id::Nonce;
use cofferdam_wire::import::LeaseTerms;
use cofferdam_wire::operation::LeaseState;
use cofferdam_wire::status::{Status, StatusPush};
use service::ServiceLease;

/// An authentic answer of one service about one key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    /// Repeated from the query.
    pub(crate) nonce: Nonce,
    /// What it says.
    pub(crate) status: Status,
    /// Sequence of that status.
    pub(crate) sequence: u64,
    /// Lowest grant epoch still accepted.
    pub(crate) grant_epoch: u64,
    /// The service's clock, Unix milliseconds.
    pub(crate) issued_at_ms: u64,
    /// Caps interval and grace together, seconds.
    pub(crate) valid_for_s: u32,
}

/// Why an authentic answer changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ignored {
    /// Not the nonce of the query under way: repeated, overtaken, or of another load.
    #[error("no query with this nonce is under way")]
    Nonce,
    /// "good" with a lower sequence than was heard before.
    #[error("an older status than one heard before")]
    Sequence,
    /// "good" from before the question or from the future.
    #[error("not issued between question and answer")]
    Time,
}

/// The place of an operation among all that ever waited in this process. In per-operation mode an answer lets those
/// through that had theirs before its query left.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn(u64);

impl Turn {
    /// Of an operation that did not wait.
    pub(crate) const NONE: Turn = Turn(0);

    /// The one after this.
    pub(crate) fn next(self) -> Turn {
        Turn(self.0.saturating_add(1))
    }
}

/// The lease of one key, from one load to the next.
pub(crate) struct Lease {
    terms: LeaseTerms,
    services: Vec<ServiceLease>,
    last_turn: Turn,
    /// Every service's lease ran when last looked at.
    active: bool,
    /// It was Active before.
    was_active: bool,
    lines: Lines,
}

impl Lease {
    /// Unverified: nothing was heard since start, restore, join or reload.
    pub(crate) fn new(terms: LeaseTerms, services: usize) -> Self {
        let services = (0..services).map(|_| ServiceLease::new()).collect();
        let (active, was_active) = (false, false);
        Self {
            terms,
            services,
            last_turn: Turn::NONE,
            active,
            was_active,
            lines: Lines::Both,
        }
    }

    /// An operation with this turn waits for the key.
    pub(crate) fn admit(&mut self, turn: Turn) {
        self.last_turn = self.last_turn.max(turn);
    }

    /// A query with this nonce leaves for a service. The time counts from `at`, not from any later moment.
    pub(crate) fn asked(&mut self, service: usize, nonce: Nonce, at: Clock) {
        if let Some(lease) = self.services.get_mut(service) {
            lease.asked(nonce, at, self.last_turn);
        }
    }

    /// Takes an authentic answer of a service.
    pub(crate) fn answered(
        &mut self,
        service: usize,
        answer: &Answered,
        now: Clock,
    ) -> Result<(), Ignored> {
        self.expire(now);
        let lease = self.services.get_mut(service).ok_or(Ignored::Nonce)?;
        let taken = lease.answered(answer, &self.terms, now, self.lines);
        self.review(now);
        taken
    }

    /// Takes an authentic push of a service. It may only shorten.
    pub(crate) fn pushed(&mut self, service: usize, push: &StatusPush, now: Clock) {
        if let Some(lease) = self.services.get_mut(service) {
            lease.pushed(push);
        }
        self.expire(now);
    }

    /// It was revoked in an earlier load in this process (LEA-11).
    pub(crate) fn revoke(&mut self) {
        self.services.iter_mut().for_each(ServiceLease::revoke);
        self.active = false;
    }

    /// Ends what is over.
    pub(crate) fn expire(&mut self, now: Clock) {
        for service in &mut self.services {
            service.expire(now, self.lines);
        }
        if self.active && !self.all_run(now) {
            // LEA-10: leaving Active closes the material, and what opens it again comes with a fresh "good" from each
            // service; a confirmation from before would open nothing.
            self.active = false;
            self.services.iter_mut().for_each(ServiceLease::lapse);
        }
    }

    fn review(&mut self, now: Clock) {
        self.expire(now);
        self.active = self.all_run(now);
        self.was_active |= self.active;
    }

    fn all_run(&self, now: Clock) -> bool {
        // LEA-9: a key without services has no lease, and never one that runs.
        !self.services.is_empty()
            && self
                .services
                .iter()
                .all(|lease| lease.runs(now, self.lines))
    }

    /// The state at `now`.
    pub(crate) fn state(&self, now: Clock) -> LeaseState {
        if self.is_revoked() {
            LeaseState::Revoked
        } else if self.services.iter().any(ServiceLease::is_suspended) {
            LeaseState::Suspended
        } else if self.is_active(now) {
            LeaseState::Active
        } else if self.was_active {
            LeaseState::Expired
        } else {
            LeaseState::Unverified
        }
    }

    /// Whether the operation with this turn may start, or its result leave, at `now`.
    pub(crate) fn permits(&self, turn: Turn, now: Clock) -> bool {
        // LEA-15
        let is_covered = || self.services.iter().all(|lease| lease.covers(turn));
        self.is_active(now) && (!self.terms.per_operation || is_covered())
    }

    /// Whether every service's lease runs on both lines.
    pub(crate) fn is_active(&self, now: Clock) -> bool {
        self.active && self.all_run(now)
    }

    /// Whether this service has said what the operation with this turn needs of it.
    pub(crate) fn is_enough_for(&self, service: usize, turn: Turn, now: Clock) -> bool {
        let covers = |lease: &ServiceLease| !self.terms.per_operation || lease.covers(turn);
        self.is_confirmed(service, now) && self.services.get(service).is_some_and(covers)
    }

    /// Whether the query under way at this service left after the operation began to wait.
    pub(crate) fn is_asked_for(&self, service: usize, turn: Turn) -> bool {
        self.services
            .get(service)
            .is_some_and(|lease| lease.is_asked_for(turn))
    }

    /// Whether this service's lease runs.
    pub(crate) fn is_confirmed(&self, service: usize, now: Clock) -> bool {
        self.services
            .get(service)
            .is_some_and(|lease| lease.runs(now, self.lines))
    }

    /// Whether any service revoked the key.
    pub(crate) fn is_revoked(&self) -> bool {
        self.services.iter().any(ServiceLease::is_revoked)
    }

    /// The earliest end on each line, of the services whose lease runs.
    pub(crate) fn ends(&self) -> Option<Clock> {
        let earlier = |a: Clock, b: Clock| Clock {
            monotonic_ms: a.monotonic_ms.min(b.monotonic_ms),
            attested_ms: a.attested_ms.min(b.attested_ms),
        };
        self.services
            .iter()
            .filter_map(ServiceLease::ends)
            .reduce(earlier)
    }

    /// Lowest grant epoch that all services accept.
    pub(crate) fn grant_epoch(&self) -> u64 {
        // LEA-14
        self.services
            .iter()
            .map(ServiceLease::grant_epoch)
            .max()
            .unwrap_or(0)
    }

    /// Highest sequence heard from a service.
    pub(crate) fn last_sequence(&self, service: usize) -> u64 {
        self.services.get(service).map_or(0, ServiceLease::sequence)
    }

    /// Interval, grace, mode and skew.
    pub(crate) fn terms(&self) -> &LeaseTerms {
        &self.terms
    }
}

#[cfg(test)]
impl Lease {
    /// Leaves one line out.
    fn with_lines(mut self, lines: Lines) -> Self {
        self.lines = lines;
        self
    }
}
