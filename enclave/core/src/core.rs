//! The owner: one value that holds every decision's state, and takes one input at a time.

use crate::challenge::ChallengeTask;
use crate::checks::Checks;
use crate::crypto::Failed;
use crate::envelope::ReplyTo;
use crate::evidence::OwnEvidence;
use crate::genesis::Founded;
use crate::group::Membership;
use crate::identity::Identity;
use crate::import::{ImportTask, Received};
use crate::io::{Entropy, Input, Now, Output, Trust};
use crate::keys::Keys;
use crate::lease::Clock;
use crate::record::RecordNonces;
use crate::recover::Recovering;
use crate::session::OpenTask;
use crate::ticket::Tickets;
use crate::vendor::Anchors;
use crate::work::{Done, Finished, Job, Task};
use cofferdam_wire::binding::{Measurement, user_data};
use cofferdam_wire::frame::Frame;
use cofferdam_wire::id::Nonce;
use cofferdam_wire::link::{Health, Message, Reply};
use cofferdam_wire::transcript::EnclaveProof;
use cofferdam_wire::{Code, cbor, limits};
use std::collections::HashMap;
use std::sync::Arc;

/// NSM requests under way; the parent cannot pile up more.
const ATTESTING: usize = 256;

/// What an instance starts with.
pub struct Boot {
    /// Image of this instance, out of its NSM.
    pub measurement: Measurement,
    /// The clocks at start, with a reading of the attested one.
    pub started: Now,
}

/// Why an instance cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The attestation root in the binary is not a certificate.
    #[error("the attestation root of this binary is not a certificate")]
    Root,
    /// No reading of the attested clock.
    #[error("the attested clock could not be read")]
    Clock,
    /// The keys of the instance could not be made.
    #[error("the keys of the instance could not be made")]
    Keys,
}

/// The trusted core.
pub struct Core {
    pub(crate) anchors: Anchors,
    pub(crate) entropy: Box<dyn Entropy>,
    pub(crate) identity: Identity,
    pub(crate) membership: Membership,
    pub(crate) own: OwnEvidence,
    pub(crate) clock: Clock,
    /// Results that left since the attested clock was read.
    pub(crate) released: u32,
    pub(crate) keys: Keys,
    pub(crate) checks: Checks,
    pub(crate) tickets: Tickets,
    attesting: HashMap<u64, Attesting>,
    next_id: u64,
    pub(crate) fetching: HashMap<u64, cofferdam_wire::id::KeyId>,
}

/// Why the NSM was asked.
enum Attesting {
    Proof { to: ReplyTo, binding: Arc<Vec<u8>> },
    Own { user_data: [u8; 48] },
    Genesis { to: ReplyTo, founded: Box<Founded> },
}

impl Core {
    /// Starts an instance; about a second of work. The anchors come by type and cannot be changed afterwards.
    pub fn new<T: Trust>(boot: Boot, entropy: Box<dyn Entropy>) -> Result<Self, BootError> {
        let anchors = Anchors::of::<T>().ok_or(BootError::Root)?;
        let attested_ms = boot.started.attested_ms.ok_or(BootError::Clock)?;
        let identity = Identity::generate(boot.measurement, attested_ms / 1000)
            .map_err(|Failed| BootError::Keys)?;
        Ok(Self {
            anchors,
            entropy,
            identity,
            membership: Membership::Alone,
            own: OwnEvidence::default(),
            clock: Clock {
                monotonic_ms: boot.started.monotonic_ms,
                attested_ms,
            },
            released: 0,
            keys: Keys::default(),
            checks: Checks::default(),
            tickets: Tickets::default(),
            attesting: HashMap::new(),
            next_id: 0,
            fetching: HashMap::new(),
        })
    }

    /// Takes one input and appends what has to be done.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        self.clock.monotonic_ms = self.clock.monotonic_ms.max(now.monotonic_ms);
        if let Some(attested_ms) = now.attested_ms {
            self.clock.attested_ms = self.clock.attested_ms.max(attested_ms);
            self.released = 0;
        }
        match input {
            Input::Frame { from, frame } => {
                let to = ReplyTo {
                    port: from,
                    id: frame.id,
                };
                match Message::from_number(frame.kind) {
                    Some(Message::Told) => self.told(frame, out),
                    Some(message) => self.called(message, to, frame.body, out),
                    None => reply(to, Err(Code::UnsupportedVersion), out),
                }
            }
            Input::Done(Done(Finished::Reply(to, result))) => reply(to, result, out),
            Input::Done(Done(Finished::Operated(operated))) => self.operated(*operated, out),
            Input::Attested { request, document } => self.attested(request, document, out),
            Input::Tick => self.tick(out),
        }
        if now.attested_ms.is_some() {
            self.expire(out);
            self.ask_services(out);
        }
    }

    /// When the core wants the next [`Input::Tick`], in monotonic milliseconds.
    pub fn next_timeout_ms(&self) -> Option<u64> {
        let soon = self.own.binding().map(|_| self.clock.monotonic_ms + 1_000);
        [
            soon,
            self.keys.next_late_ms(),
            self.checks.next_timeout_ms(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn called(&mut self, message: Message, to: ReplyTo, body: Vec<u8>, out: &mut Vec<Output>) {
        let result = match message {
            Message::Sealed => self.sealed(to, &body, out),
            Message::Plain => self.plain(to, &body, out),
            Message::Prove => self.prove(to, &body, out),
            Message::Challenge => self.challenge(to, body, out),
            Message::Import => self.import(to, &body, out),
            Message::OpenSession => self.open_session(to, body, out),
            Message::Push => self.push(&body, out).map(Some),
            Message::Genesis => self.genesis(to, &body, out),
            Message::Recover => self.recover(&body, out).map(Some),
            Message::Share => self.share(&body, out).map(Some),
            Message::Health => Ok(Some(self.health())),
            Message::Reply
            | Message::FetchRecord
            | Message::FetchStatusKeys
            | Message::AskStatus
            | Message::Note
            | Message::Told => Err(Code::UnsupportedVersion),
        };
        match result {
            Ok(None) => (),
            Ok(Some(body)) => reply(to, Ok(body), out),
            Err(code) => reply(to, Err(code), out),
        }
    }

    fn prove(
        &mut self,
        to: ReplyTo,
        body: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<Option<Vec<u8>>, Code> {
        let nonce: Nonce = cbor::decode(body, 64)?;
        let binding = self.own.binding().ok_or(Code::NotReady)?.clone();
        let user_data = user_data(&binding);
        let public_key = Some(self.identity.instance.public_spki().to_vec());
        self.attest(
            Attesting::Proof { to, binding },
            nonce.0,
            user_data,
            public_key,
            out,
        )
    }

    fn challenge(
        &mut self,
        to: ReplyTo,
        body: Vec<u8>,
        out: &mut Vec<Output>,
    ) -> Result<Option<Vec<u8>>, Code> {
        self.membership.member()?;
        let now_s = self.clock.attested_ms / 1000;
        let task =
            ChallengeTask::parse(body, |layer| self.identity.tee_key(&layer.recipient, now_s))?;
        out.push(Output::Work(Job(Task::Challenge(to, Box::new(task)))));
        Ok(None)
    }

    fn import(
        &mut self,
        to: ReplyTo,
        body: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<Option<Vec<u8>>, Code> {
        let member = self.membership.member()?;
        let now_s = self.clock.attested_ms / 1000;
        let received = Received::parse(body, &member.group.id, now_s)?;
        let tee = self
            .identity
            .tee_key(&received.header.tee_key, now_s)
            .ok_or(Code::UnknownRecipient)?;
        let own = self.own.pair().ok_or(Code::Busy)?;
        let task = ImportTask {
            received,
            tee,
            group: member.group.id,
            group_key: member.key.clone(),
            escrow: member.group.body.escrow,
            instance: self.identity.instance.clone(),
            now_s,
            nonces: RecordNonces::draw(self.entropy.as_mut()),
            own,
        };
        out.push(Output::Work(Job(Task::Import(to, Box::new(task)))));
        Ok(None)
    }

    fn open_session(
        &mut self,
        to: ReplyTo,
        body: Vec<u8>,
        out: &mut Vec<Output>,
    ) -> Result<Option<Vec<u8>>, Code> {
        let group = self.membership.member()?.group.id;
        let find = |opening: &cofferdam_wire::session::SessionOpen| {
            self.identity.session_key(&opening.info.session_key)
        };
        let task = OpenTask::parse(
            body,
            &group,
            self.clock.attested_ms,
            self.entropy.as_mut(),
            find,
        )?;
        out.push(Output::Work(Job(Task::OpenSession(to, Box::new(task)))));
        Ok(None)
    }

    fn genesis(
        &mut self,
        to: ReplyTo,
        body: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<Option<Vec<u8>>, Code> {
        let is_founding = self
            .attesting
            .values()
            .any(|asked| matches!(asked, Attesting::Genesis { .. }));
        if !matches!(self.membership, Membership::Alone) || is_founding {
            return Err(Code::Conflict);
        }
        let founded = Box::new(Founded::new(body, self.entropy.as_mut())?);
        let (nonce, user_data) = founded.evidence_fields();
        self.attest(
            Attesting::Genesis { to, founded },
            nonce,
            user_data,
            None,
            out,
        )
    }

    fn recover(&mut self, body: &[u8], out: &mut Vec<Output>) -> Result<Vec<u8>, Code> {
        let now_s = self.clock.attested_ms / 1000;
        let recovering = Recovering::new(body, &self.anchors, &self.identity.measurement, now_s)?;
        match self.membership.group() {
            Some(group) if group.id == recovering.group().id => Ok(Vec::new()),
            Some(_) => Err(Code::WrongGroup),
            None => {
                self.membership = Membership::Recovering(recovering);
                self.rebind(out);
                Ok(Vec::new())
            }
        }
    }

    fn share(&mut self, body: &[u8], out: &mut Vec<Output>) -> Result<Vec<u8>, Code> {
        let Membership::Recovering(recovering) = &mut self.membership else {
            return Err(Code::Conflict);
        };
        let instance = self.identity.instance.public().thumbprint();
        let (progress, member) = recovering.share(body, &self.identity.setup, &instance)?;
        if let Some(member) = member {
            self.membership = Membership::Member(member);
            self.rebind(out);
        }
        Ok(cbor::encode(&progress))
    }

    fn health(&self) -> Vec<u8> {
        let (keys, active) = self.keys.counts();
        let ready = matches!(self.membership, Membership::Member(_));
        cbor::encode(&Health {
            ready,
            keys,
            active,
            attested_ms: self.clock.attested_ms,
        })
    }

    /// The Binding follows keys and group.
    fn rebind(&mut self, out: &mut Vec<Output>) {
        let now_s = self.clock.attested_ms / 1000;
        if let Some(group) = self.membership.group() {
            self.own.rebind(cbor::encode(&self.identity.binding(
                group.id,
                group.body.escrow,
                now_s,
            )));
        }
        self.renew_evidence(out);
    }

    fn renew_evidence(&mut self, out: &mut Vec<Output>) {
        if !self
            .own
            .ask(self.clock.attested_ms, self.clock.monotonic_ms)
        {
            return;
        }
        let Some(user_data) = self.own.user_data() else {
            return;
        };
        let mut nonce = [0; 32];
        self.entropy.fill(&mut nonce);
        let public_key = Some(self.identity.instance.public_spki().to_vec());
        // If too many readings are under way, the next tick asks again.
        let _ = self.attest(
            Attesting::Own { user_data },
            nonce,
            user_data,
            public_key,
            out,
        );
    }

    fn attest(
        &mut self,
        why: Attesting,
        nonce: [u8; 32],
        user_data: [u8; 48],
        public_key: Option<Vec<u8>>,
        out: &mut Vec<Output>,
    ) -> Result<Option<Vec<u8>>, Code> {
        if self.attesting.len() >= ATTESTING {
            return Err(Code::Busy);
        }
        let request = self.draw_id();
        self.attesting.insert(request, why);
        out.push(Output::Attest {
            request,
            nonce,
            user_data,
            public_key,
        });
        Ok(None)
    }

    fn attested(&mut self, request: u64, document: Option<Vec<u8>>, out: &mut Vec<Output>) {
        let Some(why) = self.attesting.remove(&request) else {
            return;
        };
        let document = document.filter(|document| document.len() <= limits::EVIDENCE);
        match (why, document) {
            (Attesting::Own { user_data }, Some(document)) => {
                self.own.made(&user_data, document, self.clock.attested_ms);
                self.ask_services(out);
            }
            (Attesting::Own { .. }, None) => (),
            (Attesting::Proof { to, binding }, Some(evidence)) => {
                let genesis = self
                    .membership
                    .group()
                    .map(|group| group.record.as_ref().clone());
                let proof = genesis.map(|genesis| {
                    cbor::encode(&EnclaveProof {
                        binding: binding.as_ref().clone(),
                        evidence,
                        genesis,
                    })
                });
                reply(to, proof.ok_or(Code::NotReady), out);
            }
            (Attesting::Genesis { to, founded }, Some(evidence)) => {
                if !matches!(self.membership, Membership::Alone) {
                    return reply(to, Err(Code::Conflict), out);
                }
                let (member, genesis) = founded.attested(evidence);
                self.membership = Membership::Member(member);
                self.rebind(out);
                reply(to, Ok(genesis), out);
            }
            (Attesting::Proof { to, .. } | Attesting::Genesis { to, .. }, None) => {
                reply(to, Err(Code::Internal), out);
            }
        }
    }

    fn tick(&mut self, out: &mut Vec<Output>) {
        match self.identity.rotate(self.clock.attested_ms / 1000) {
            Ok(true) => {
                self.tickets.forget();
                self.rebind(out);
            }
            Ok(false) => self.renew_evidence(out),
            // The old keys serve on until their end; the next tick tries again.
            Err(Failed) => (),
        }
        self.expire(out);
        self.ask_services(out);
    }

    pub(crate) fn draw_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// Sends a reply.
pub(crate) fn reply(to: ReplyTo, result: Result<Vec<u8>, Code>, out: &mut Vec<Output>) {
    let body = match result {
        Ok(body) if body.len() + 16 > limits::FRAME_BODY => Reply::Refused(Code::TooLarge),
        Ok(body) => Reply::Done(body),
        Err(code) => Reply::Refused(code),
    };
    let frame = Frame {
        kind: Message::Reply.number(),
        id: to.id,
        body: cbor::encode(&body),
    };
    out.push(Output::Send {
        to: Some(to.port),
        frame,
    });
}
