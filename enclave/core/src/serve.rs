//! Serving operations: from a sealed or plain request to a job, and from its result to a frame that leaves.
//!
//! The order is fixed: seal, deadline, grant, record, partition and policy, lease, job, and the lease once more before
//! the result leaves (T-61). Whatever is missing on the way makes the operation wait, never pass.

use crate::authorise::{self, KeyTerms};
use crate::checks::{Ask, Event, Identity as Asker};
use crate::core::{Core, reply};
use crate::crypto::keys::CustomerKey;
use crate::crypto::secret::Secret32;
use crate::crypto::xaes;
use crate::envelope::{Envelope, ReplyTo};
use crate::io::Output;
use crate::keys::{Entry, Waiting};
use crate::lease::Turn;
use crate::operate::{OperateTask, Operated, Usable, is_within_limits};
use crate::session::verify_grant;
use crate::work::{Job, Task};
use cofferdam_wire::frame::Frame;
use cofferdam_wire::id::KeyId;
use cofferdam_wire::import::Material;
use cofferdam_wire::link::{Message, Note, Reply};
use cofferdam_wire::operation::{Description, LeaseState, Operation, Outcome};
use cofferdam_wire::session::{
    Answer, Audience, Grant, ProviderRequest, Request, SealedRequest, request_aad,
};
use cofferdam_wire::{Code, cbor, limits};
use std::sync::Arc;

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
    fn proceed(&mut self, key: KeyId, mut waiting: Waiting, out: &mut Vec<Output>) {
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

    /// The parent answered something that the core asked.
    pub(crate) fn told(&mut self, frame: Frame, out: &mut Vec<Output>) {
        let told = match cbor::decode::<Reply>(&frame.body, limits::FRAME_BODY) {
            Ok(Reply::Done(body)) => Ok(body),
            Ok(Reply::Refused(code)) => Err(code),
            Err(_) => Err(Code::Malformed),
        };
        if let Some(key) = self.fetching.remove(&frame.id) {
            return self.fetched(key, told, out);
        }
        let events = {
            let Some(asker) = asker(&self.membership, &self.own, &self.identity) else {
                return;
            };
            self.checks.told(
                frame.id >> 1,
                told.as_deref().map_err(|code| *code),
                self.clock,
                &asker,
                self.entropy.as_mut(),
            )
        };
        self.happened(events, out);
        self.ask_services(out);
    }

    /// A record came, or the parent has none.
    fn fetched(&mut self, key: KeyId, told: Result<Vec<u8>, Code>, out: &mut Vec<Output>) {
        if !matches!(self.keys.entry(&key), Some(Entry::Fetching)) {
            return;
        }
        let loaded = told.and_then(|record| {
            let member = self.membership.member()?;
            crate::record::load(&member.group.id, &member.key, &key, &record)
        });
        let waiting = self.keys.take_waiting(&key);
        match loaded {
            Ok(record) => {
                if let Some(revocation) = &record.control.revocation {
                    self.checks.track(key, &record.header.owner, revocation);
                }
                let has_revocation = record.control.revocation.is_some();
                self.keys.load(key, record);
                if !has_revocation && !self.open(key, &[]) {
                    self.drop_record(key);
                    return self.refuse_all(waiting, Code::RecordRefused, out);
                }
                for waiting in waiting {
                    self.proceed(key, waiting, out);
                }
            }
            Err(code) => {
                self.keys.forget(&key);
                self.refuse_all(waiting, code, out);
            }
        }
    }

    /// Opens the material of a loaded key; false if it is not what the owner signed.
    fn open(&mut self, key: KeyId, releases: &[Secret32]) -> bool {
        let Ok(member) = self.membership.member() else {
            return false;
        };
        let Some(loaded) = self.keys.loaded(&key) else {
            return false;
        };
        loaded.open = loaded
            .record
            .open_material(&member.key, releases)
            .ok()
            .and_then(|material| {
                let material: Material<'_> =
                    cbor::decode(material.expose(), limits::MATERIAL).ok()?;
                let kind = loaded.record.control.policy.kind;
                CustomerKey::load(kind, material.cose_key)
                    .ok()
                    .map(Arc::new)
            });
        loaded.open.is_some()
    }

    /// Ends the load of a record that turned out not to be the owner's.
    fn drop_record(&mut self, key: KeyId) {
        self.keys.forget(&key);
        self.checks.forget(key);
    }

    /// What the services said, or their silence.
    fn happened(&mut self, events: Vec<Event>, out: &mut Vec<Output>) {
        for event in events {
            match event {
                Event::Good { key, releases } => {
                    if !releases.is_empty() && !self.open(key, &releases) {
                        self.drop_record(key);
                        self.refuse_waiting(key, Code::RecordRefused, out);
                        continue;
                    }
                    for waiting in self.keys.take_waiting(&key) {
                        self.proceed(key, waiting, out);
                    }
                }
                Event::Closed { key, state } => {
                    self.keys.close(&key);
                    if state == LeaseState::Suspended {
                        self.refuse_waiting(key, Code::Suspended, out);
                    }
                }
                Event::Revoked { key } => {
                    self.keys.close(&key);
                    self.refuse_waiting(key, Code::Revoked, out);
                    note(&Note::Revoked(key), out);
                }
            }
        }
    }

    fn refuse_waiting(&mut self, key: KeyId, code: Code, out: &mut Vec<Output>) {
        let waiting = self.keys.take_waiting(&key);
        self.refuse_all(waiting, code, out);
    }

    fn refuse_all(&mut self, waiting: Vec<Waiting>, code: Code, out: &mut Vec<Output>) {
        for waiting in waiting {
            self.refuse(&waiting.envelope, code, out);
        }
    }

    /// A pushed answer; it may only shorten.
    pub(crate) fn push(&mut self, body: &[u8], out: &mut Vec<Output>) -> Result<Vec<u8>, Code> {
        let push = cbor::decode(body, limits::STATUS_ANSWER)?;
        let events = self.checks.pushed(&push, self.clock)?;
        self.happened(events, out);
        Ok(Vec::new())
    }

    /// Sends the queries that are due.
    pub(crate) fn ask_services(&mut self, out: &mut Vec<Output>) {
        let Some(asker) = asker(&self.membership, &self.own, &self.identity) else {
            return;
        };
        for Ask { id, message, body } in self.checks.due(self.clock, &asker, self.entropy.as_mut())
        {
            ask(message, id << 1 | 1, body, out);
        }
    }

    /// Leases and deadlines that are over.
    pub(crate) fn expire(&mut self, out: &mut Vec<Output>) {
        let events = self.checks.expire(self.clock);
        self.happened(events, out);
        for (key, waiting) in self
            .keys
            .take_late(self.clock.attested_ms, self.clock.monotonic_ms)
        {
            let code = match self.keys.entry(&key) {
                Some(Entry::Loaded(_)) => Code::LeaseUnavailable,
                Some(Entry::Fetching) | None => Code::Unreachable,
            };
            self.refuse(&waiting.envelope, code, out);
            if code == Code::Unreachable && !self.keys.is_awaited(&key) {
                self.keys.forget(&key);
                self.fetching.retain(|_, fetching| *fetching != key);
            }
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

    fn refuse(&mut self, envelope: &Envelope, code: Code, out: &mut Vec<Output>) {
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

/// Who asks the services; `None` before there is Evidence.
fn asker<'a>(
    membership: &'a crate::group::Membership,
    own: &'a crate::evidence::OwnEvidence,
    identity: &'a crate::identity::Identity,
) -> Option<Asker<'a>> {
    let member = membership.member().ok()?;
    let (binding, evidence) = own.pair_ref()?;
    Some(Asker {
        group: member.group.id,
        binding,
        evidence,
        genesis: &member.group.record,
        instance: &identity.instance,
        setup: &identity.setup,
    })
}

fn ask(message: Message, id: u64, body: Vec<u8>, out: &mut Vec<Output>) {
    out.push(Output::Send {
        to: None,
        frame: Frame {
            kind: message.number(),
            id,
            body,
        },
    });
}

fn note(note: &Note, out: &mut Vec<Output>) {
    ask(Message::Note, 0, cbor::encode(note), out);
}
