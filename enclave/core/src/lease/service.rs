//! What one service has said of one key.

use super::clock::{Clock, Lines, Span};
use super::{Answered, Ignored, Turn};
use cofferdam_wire::id::Nonce;
use cofferdam_wire::import::LeaseTerms;
use cofferdam_wire::status::{Status, StatusPush};

/// Highest sequence and grant epoch that are taken over: a service that changes a key a thousand times a second gets
/// there in nine thousand years.
const COUNT_MAX: u64 = 1 << 48;

/// The last word of a service that still counts.
#[derive(Debug, Clone, Copy)]
enum Standing {
    /// No statement, or none that still lasts.
    Silent,
    /// "good", for a span, and in per-operation mode for the operations that waited then.
    Good { span: Span, covers: Turn },
    /// "suspended": until a fresh "good".
    Suspended,
    /// "revoked": for ever.
    Revoked,
}

impl Standing {
    /// The whole transition table; what is not in it does not happen.
    fn may_become(&self, next: &Standing) -> bool {
        use Standing::{Good, Revoked, Silent, Suspended};
        match (self, next) {
            (Silent | Good { .. } | Suspended, Good { .. } | Suspended | Revoked) => true,
            (Good { .. }, Silent) => true,
            // LEA-11: nothing leads out of Revoked, and silence does not lift a suspension.
            (Revoked, _) | (Silent | Suspended, Silent) => false,
        }
    }
}

/// A query under way.
struct Query {
    nonce: Nonce,
    sent: Clock,
    covers: Turn,
}

/// The lease that one service gives.
pub(super) struct ServiceLease {
    standing: Standing,
    query: Option<Query>,
    /// Highest sequence heard.
    sequence: u64,
    /// Highest grant epoch heard.
    grant_epoch: u64,
}

impl ServiceLease {
    pub(super) fn new() -> Self {
        Self {
            standing: Standing::Silent,
            query: None,
            sequence: 0,
            grant_epoch: 0,
        }
    }

    /// A query with this nonce leaves. The nonce of an earlier one is void from now on.
    pub(super) fn asked(&mut self, nonce: Nonce, sent: Clock, covers: Turn) {
        // LEA-2
        self.query = (!self.is_revoked()).then_some(Query {
            nonce,
            sent,
            covers,
        });
    }

    /// Takes an authentic answer.
    pub(super) fn answered(
        &mut self,
        answer: &Answered,
        terms: &LeaseTerms,
        now: Clock,
        lines: Lines,
    ) -> Result<(), Ignored> {
        // LEA-1: known to this load, and only once (T-12).
        let query = self
            .query
            .take_if(|query| query.nonce == answer.nonce)
            .ok_or(Ignored::Nonce)?;
        match answer.status {
            // LEA-3
            Status::None => return Ok(()),
            Status::Good => {
                // LEA-4
                if answer.sequence < self.sequence {
                    return Err(Ignored::Sequence);
                }
                // LEA-5: not made before the question, nor in the future (T-44).
                let skew_ms = 1000 * u64::from(terms.skew_s);
                let earliest = query.sent.attested_ms.saturating_sub(skew_ms);
                let latest = now.attested_ms.saturating_add(skew_ms);
                if lines.attested() && !(earliest..=latest).contains(&answer.issued_at_ms) {
                    return Err(Ignored::Time);
                }
                let span = Span::new(terms, query.sent, answer.issued_at_ms, answer.valid_for_s);
                self.become_standing(Standing::Good {
                    span,
                    covers: query.covers,
                });
            }
            // What shortens is taken at any sequence and time: the nonce shows that it is said now.
            // LEA-12
            Status::Suspended => self.become_standing(Standing::Suspended),
            Status::Revoked => self.become_standing(Standing::Revoked),
        }
        self.note(answer.sequence, answer.grant_epoch);
        Ok(())
    }

    /// Takes an authentic pushed answer, which has no nonce and may be old.
    pub(super) fn pushed(&mut self, push: &StatusPush) {
        // LEA-13
        match push.status {
            Status::None => return,
            Status::Good => (),
            // LEA-12: an old suspension that was lifted since has a lower sequence; at an equal one the worse wins.
            Status::Suspended if push.sequence < self.sequence => (),
            Status::Suspended => self.become_standing(Standing::Suspended),
            Status::Revoked => self.become_standing(Standing::Revoked),
        }
        self.note(push.sequence, push.grant_epoch);
    }

    fn note(&mut self, sequence: u64, grant_epoch: u64) {
        // LEA-4, LEA-14: neither falls. Nor can a stolen status key drive them to where the service cannot count on.
        self.sequence = self.sequence.max(sequence.min(COUNT_MAX));
        self.grant_epoch = self.grant_epoch.max(grant_epoch.min(COUNT_MAX));
    }

    fn become_standing(&mut self, next: Standing) {
        if self.standing.may_become(&next) {
            self.standing = next;
        }
        if !matches!(self.standing, Standing::Good { .. }) {
            // LEA-2: a "good" that was asked for before this was heard lifts nothing (T-69).
            self.query = None;
        }
    }

    /// Lets a span that is over end.
    pub(super) fn expire(&mut self, now: Clock, lines: Lines) {
        if matches!(self.standing, Standing::Good { .. }) && !self.runs(now, lines) {
            self.lapse();
        }
    }

    /// Ends a span before its time.
    pub(super) fn lapse(&mut self) {
        if self.standing.may_become(&Standing::Silent) {
            self.standing = Standing::Silent;
        }
    }

    pub(super) fn runs(&self, now: Clock, lines: Lines) -> bool {
        matches!(self.standing, Standing::Good { span, .. } if span.runs(now, lines))
    }

    /// Whether the operation was waiting when the query of the running "good" left.
    pub(super) fn covers(&self, turn: Turn) -> bool {
        // LEA-15
        matches!(self.standing, Standing::Good { covers, .. } if turn != Turn::NONE && turn <= covers)
    }

    pub(super) fn is_asked_for(&self, turn: Turn) -> bool {
        self.query
            .as_ref()
            .is_some_and(|query| turn <= query.covers)
    }

    pub(super) fn ends(&self) -> Option<Clock> {
        match self.standing {
            Standing::Good { span, .. } => Some(span.ends()),
            Standing::Silent | Standing::Suspended | Standing::Revoked => None,
        }
    }

    pub(super) fn is_suspended(&self) -> bool {
        matches!(self.standing, Standing::Suspended)
    }

    pub(super) fn is_revoked(&self) -> bool {
        matches!(self.standing, Standing::Revoked)
    }

    pub(super) fn revoke(&mut self) {
        self.become_standing(Standing::Revoked);
    }

    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) fn grant_epoch(&self) -> u64 {
        self.grant_epoch
    }
}
