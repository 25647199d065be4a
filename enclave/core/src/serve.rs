//! Serving operations: from a sealed or plain request to a job, and from its result to a frame that leaves.
//!
//! The order is fixed: seal, deadline, grant, record, partition and policy, lease, job, and the lease once more before
//! the result leaves (T-61). Whatever is missing on the way makes the operation wait, never pass.

use crate::authorise::{self, KeyTerms};
use crate::core::{Core, reply};
use crate::crypto::xaes;
use crate::envelope::{Envelope, ReplyTo};
use crate::io::Output;
use crate::keys::{Entry, Waiting};
use crate::lease::Turn;
use crate::operate::{Claim, OperateTask, Operated, Usable, is_within_limits};
use crate::session::verify_grant;
use crate::told::{ask, note};
use crate::work::{Job, Task};
use cofferdam_wire::id::KeyId;
use cofferdam_wire::link::{Message, Note};
use cofferdam_wire::operation::{Description, LeaseState, Operation, Outcome};
use cofferdam_wire::session::{
    Answer, Audience, Grant, ProviderRequest, Request, SealedRequest, request_aad,
};
use cofferdam_wire::{Code, cbor, limits};

impl Core {
    /// An app's sealed request.
    pub(crate) fn sealed(
        &mut self,
        to: ReplyTo,
        body: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<Option<Vec<u8>>, Code> {
        let group = self.membership.member()?.group.id;
        let now_s = self.clock.attested_ms / 1000;
        // REQ-1
        let request: SealedRequest = cbor::decode(body, limits::SEALED_REQUEST)?;
        let ticket = self
            .tickets
            .open(self.identity.sessions(), &group, &request.ticket, now_s)?;
        // REQ-2
        let opened = ticket
            .request
            .open_with_nonce(&request_aad(&group, &ticket.hash), &request.sealed)
            .map_err(|_| Code::UnwrapFailed)?;
        let envelope = Envelope::sealed(to, ticket.clone(), &group, body);
        let request = cbor::decode::<Request>(opened.expose(), limits::SEALED_REQUEST);
        let result = request.map_err(Code::from).and_then(|request| {
            self.admit(&request, &ticket.grants)
                .map(|grants| (request, grants))
        });
        match result {
            Ok((request, grants)) => self.perform(envelope, request, grants, out),
            Err(code) => self.refuse(&envelope, code, out),
        }
        Ok(None)
    }

    /// A plain request of the provider plane, for owners who granted it.
    pub(crate) fn plain(
        &mut self,
        to: ReplyTo,
        body: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<Option<Vec<u8>>, Code> {
        let group = self.membership.member()?.group.id;
        let ProviderRequest { grant, request } = cbor::decode(body, limits::SEALED_REQUEST)?;
        let now_s = self.clock.attested_ms / 1000;
        let grant = self.tickets.provider_grant(&grant.0, |signed| {
            verify_grant(signed, &group, &Audience::Provider, now_s)
        })?;
        let grants = self.admit(&request, std::slice::from_ref(&grant))?;
        self.perform(Envelope::plain(to), request, grants, out);
        Ok(None)
    }

    /// Deadline, size and grant.
    fn admit(&self, request: &Request, grants: &[Grant]) -> Result<Vec<Grant>, Code> {
        let now_ms = self.clock.attested_ms;
        // REQ-3
        if now_ms > request.deadline_ms || request.deadline_ms - now_ms > limits::DEADLINE_MAX_MS {
            return Err(Code::RequestExpired);
        }
        if !is_within_limits(&request.operation) {
            return Err(Code::TooLarge);
        }
        authorise::granted(grants, &request.operation, now_ms / 1000)
    }

    fn perform(
        &mut self,
        envelope: Envelope,
        request: Request,
        grants: Vec<Grant>,
        out: &mut Vec<Output>,
    ) {
        let Some(key) = request.operation.key() else {
            return self.run(envelope, request.operation, None, out);
        };
        let left_ms = request.deadline_ms.saturating_sub(self.clock.attested_ms);
        let waiting = Waiting {
            envelope,
            operation: request.operation,
            grants,
            deadline_ms: request.deadline_ms,
            wake_ms: self.clock.monotonic_ms + left_ms,
            turn: Turn::NONE,
        };
        self.proceed(key, waiting, out);
    }

    /// Takes an operation as far as it can go now.
    pub(crate) fn proceed(&mut self, key: KeyId, mut waiting: Waiting, out: &mut Vec<Output>) {
        // REQ-3 again: whoever withholds a record or an answer cannot stretch a deadline.
        if self.clock.attested_ms > waiting.deadline_ms {
            return self.refuse(&waiting.envelope, Code::RequestExpired, out);
        }
        match self.keys.entry(&key) {
            None => {
                if !self.keys.fetching(key) {
                    return self.refuse(&waiting.envelope, Code::Busy, out);
                }
                let id = self.draw_id() << 1;
                self.fetching.insert(id, key);
                ask(Message::FetchRecord, id, cbor::encode(&key), out);
                self.wait(key, waiting, out);
            }
            Some(Entry::Fetching) => self.wait(key, waiting, out),
            Some(Entry::Loaded(_)) => match self.use_loaded(key, &waiting, out) {
                Ok(Some(usable)) => {
                    self.run(waiting.envelope, waiting.operation, Some(usable), out)
                }
                Ok(None) => {
                    waiting.turn = self.checks.want_now(key, waiting.turn, self.clock);
                    self.wait(key, waiting, out);
                    self.ask_services(out);
                }
                Err(Ready::Refused(code)) => self.refuse(&waiting.envelope, code, out),
                Err(Ready::Answered(outcome)) => self.answer(&waiting.envelope, outcome, out),
            },
        }
    }

    /// A usable key, `None` if its lease has to be asked for, or what there is to say without the key.
    fn use_loaded(
        &mut self,
        key: KeyId,
        waiting: &Waiting,
        out: &mut Vec<Output>,
    ) -> Result<Option<Usable>, Ready> {
        let now_s = self.clock.attested_ms / 1000;
        let state = self.state(key);
        let grant_epoch = self.checks.grant_epoch(key);
        let Some(loaded) = self.keys.loaded(&key) else {
            return Err(Ready::Refused(Code::NotFound));
        };
        let control = &loaded.record.control;
        let terms = KeyTerms {
            partition: &loaded.record.partition,
            policy: &control.policy,
            hard_end_s: control.hard_end_s,
            has_revocation: control.revocation.is_some(),
            grant_epoch,
        };
        let grant = authorise::fitting(&waiting.grants, &waiting.operation, &terms, now_s)
            .map_err(Ready::Refused)?;
        // REQ-12: which grants a service still accepts is known only when it was heard in this load.
        let is_heard = control.revocation.is_none() || state != LeaseState::Unverified;
        match waiting.operation {
            Operation::Describe { .. } | Operation::Destroy { .. } if !is_heard => return Ok(None),
            Operation::Describe { .. } => {
                let description = Description {
                    policy: control.policy.clone(),
                    state,
                    lease: control
                        .revocation
                        .as_ref()
                        .map(|revocation| revocation.terms()),
                    hard_end_s: control.hard_end_s,
                    label: control.label.clone(),
                };
                return Err(Ready::Answered(Outcome::Description(description)));
            }
            Operation::Destroy { .. } => {
                let is_final = state == LeaseState::Revoked;
                self.destroy(key, out);
                return Err(Ready::Answered(Outcome::Destroyed(is_final)));
            }
            _ => (),
        }
        if state == LeaseState::Revoked {
            return Err(Ready::Refused(Code::Revoked));
        }
        let turn = waiting.turn;
        let claim = Claim {
            key,
            load: loaded.load,
            turn,
            deadline_ms: waiting.deadline_ms,
            grant_end_s: grant.not_after_s,
            grant_epoch: grant.epoch,
        };
        let open = loaded.open.clone().map(|key| Usable { claim, key });
        let has_revocation = control.revocation.is_some();
        Ok(open.filter(|_| !has_revocation || self.checks.permits(key, turn, self.clock)))
    }

    /// State of the lease; a key without R is always Active until its hard end.
    fn state(&mut self, key: KeyId) -> LeaseState {
        match self.keys.loaded(&key) {
            Some(loaded) if loaded.record.control.revocation.is_none() => LeaseState::Active,
            _ => self
                .checks
                .state(key, self.clock)
                .unwrap_or(LeaseState::Unverified),
        }
    }

    fn destroy(&mut self, key: KeyId, out: &mut Vec<Output>) {
        self.drop_record(key);
        self.refuse_waiting(key, Code::NotFound, out);
        note(&Note::Destroyed(key), out);
    }

    fn run(
        &mut self,
        envelope: Envelope,
        operation: Operation,
        usable: Option<Usable>,
        out: &mut Vec<Output>,
    ) {
        let nonce = self.draw_nonce();
        let task = OperateTask {
            envelope,
            operation,
            usable,
            nonce,
        };
        out.push(Output::Work(Job(Task::Operate(Box::new(task)))));
    }

    /// A result is there: does it leave?
    pub(crate) fn operated(&mut self, operated: Operated, out: &mut Vec<Output>) {
        let Operated {
            envelope,
            claim,
            answer,
        } = operated;
        match claim.map_or(Ok(()), |claim| self.may_leave(&claim)) {
            Ok(()) => {
                self.released += 1;
                reply(envelope.to, answer, out);
            }
            Err(code) => self.refuse(&envelope, code, out),
        }
    }

    /// REQ-11: what allowed the operation still does, and it is the same load of the key. At most 64 results leave on one
    /// reading of the attested clock, whatever the monotonic one says (T-15).
    fn may_leave(&mut self, claim: &Claim) -> Result<(), Code> {
        let key = claim.key;
        let state = self.state(key);
        let (now_ms, grant_epoch) = (self.clock.attested_ms, self.checks.grant_epoch(key));
        let Some(loaded) = self.keys.loaded(&key) else {
            return Err(Code::NotFound);
        };
        if loaded.load != claim.load {
            return Err(Code::LeaseUnavailable);
        }
        if self.released >= limits::OPERATIONS_PER_READING {
            return Err(Code::Busy);
        }
        if now_ms > claim.deadline_ms {
            return Err(Code::RequestExpired);
        }
        if now_ms / 1000 > claim.grant_end_s || claim.grant_epoch < grant_epoch {
            return Err(Code::GrantExpired);
        }
        let control = &loaded.record.control;
        if control
            .hard_end_s
            .is_some_and(|end_s| now_ms / 1000 >= end_s)
        {
            return Err(Code::Revoked);
        }
        let permits =
            control.revocation.is_none() || self.checks.permits(key, claim.turn, self.clock);
        match state {
            LeaseState::Active if permits => Ok(()),
            LeaseState::Suspended => Err(Code::Suspended),
            LeaseState::Revoked => Err(Code::Revoked),
            LeaseState::Active | LeaseState::Unverified | LeaseState::Expired => {
                Err(Code::LeaseUnavailable)
            }
        }
    }

    fn wait(&mut self, key: KeyId, waiting: Waiting, out: &mut Vec<Output>) {
        if let Err(waiting) = self.keys.wait(key, waiting) {
            self.refuse(&waiting.envelope, Code::Busy, out);
        }
    }

    fn answer(&mut self, envelope: &Envelope, outcome: Outcome, out: &mut Vec<Output>) {
        let nonce = self.draw_nonce();
        reply(
            envelope.to,
            envelope.close(Answer::Done(outcome), &nonce),
            out,
        );
    }

    pub(crate) fn refuse(&mut self, envelope: &Envelope, code: Code, out: &mut Vec<Output>) {
        let nonce = self.draw_nonce();
        reply(
            envelope.to,
            envelope.close(Answer::Refused(code), &nonce),
            out,
        );
    }

    fn draw_nonce(&mut self) -> [u8; xaes::NONCE] {
        let mut nonce = [0; xaes::NONCE];
        self.entropy.fill(&mut nonce);
        nonce
    }
}

/// Why there is no job for an operation.
enum Ready {
    Refused(Code),
    Answered(Outcome),
}
