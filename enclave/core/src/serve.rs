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
use crate::operate::{OperateTask, Operated, Usable, is_within_limits};
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
                .map(|grant| (request, grant))
        });
        match result {
            Ok((request, grant)) => self.perform(envelope, request, grant, out),
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
        let grant = self.admit(&request, std::slice::from_ref(&grant))?;
        self.perform(Envelope::plain(to), request, grant, out);
        Ok(None)
    }

    /// Deadline, size and grant.
    fn admit(&self, request: &Request, grants: &[Grant]) -> Result<Grant, Code> {
        let now_ms = self.clock.attested_ms;
        // REQ-3
        if now_ms > request.deadline_ms || request.deadline_ms - now_ms > limits::DEADLINE_MAX_MS {
            return Err(Code::RequestExpired);
        }
        if !is_within_limits(&request.operation) {
            return Err(Code::TooLarge);
        }
        authorise::granted(grants, &request.operation, now_ms / 1000).cloned()
    }

    fn perform(
        &mut self,
        envelope: Envelope,
        request: Request,
        grant: Grant,
        out: &mut Vec<Output>,
    ) {
        let Some(key) = request.operation.key() else {
            return self.run(envelope, request.operation, None, out);
        };
        let left_ms = request.deadline_ms.saturating_sub(self.clock.attested_ms);
        let waiting = Waiting {
            envelope,
            operation: request.operation,
            grant,
            deadline_ms: request.deadline_ms,
            wake_ms: self.clock.monotonic_ms + left_ms,
            turn: Turn::NONE,
        };
        self.proceed(key, waiting, out);
    }

    /// Takes an operation as far as it can go now.
    pub(crate) fn proceed(&mut self, key: KeyId, mut waiting: Waiting, out: &mut Vec<Output>) {
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
        authorise::fits(&waiting.grant, &waiting.operation, &terms, now_s)
            .map_err(Ready::Refused)?;
        match waiting.operation {
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
        let (load, turn) = (loaded.load, waiting.turn);
        let open = loaded.open.clone().map(|open| Usable {
            id: key,
            load,
            turn,
            key: open,
        });
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
            key,
            answer,
        } = operated;
        match key.map_or(Ok(()), |(key, load, turn)| self.may_leave(key, load, turn)) {
            Ok(()) => {
                self.released += 1;
                reply(envelope.to, answer, out);
            }
            Err(code) => self.refuse(&envelope, code, out),
        }
    }

    /// REQ-11: the lease still runs, and it is the same load of the key. At most 64 results leave on one reading of the
    /// attested clock, whatever the monotonic one says (T-15).
    fn may_leave(&mut self, key: KeyId, load: u64, turn: Turn) -> Result<(), Code> {
        let state = self.state(key);
        let now_s = self.clock.attested_ms / 1000;
        let Some(loaded) = self.keys.loaded(&key) else {
            return Err(Code::NotFound);
        };
        if loaded.load != load {
            return Err(Code::LeaseUnavailable);
        }
        if self.released >= limits::OPERATIONS_PER_READING {
            return Err(Code::Busy);
        }
        if loaded
            .record
            .control
            .hard_end_s
            .is_some_and(|end_s| now_s >= end_s)
        {
            return Err(Code::Revoked);
        }
        let has_revocation = loaded.record.control.revocation.is_some();
        match state {
            LeaseState::Active if !has_revocation || self.checks.permits(key, turn, self.clock) => {
                Ok(())
            }
            LeaseState::Active => Err(Code::LeaseUnavailable),
            LeaseState::Suspended => Err(Code::Suspended),
            LeaseState::Revoked => Err(Code::Revoked),
            LeaseState::Unverified | LeaseState::Expired => Err(Code::LeaseUnavailable),
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
