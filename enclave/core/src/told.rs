//! What the parent brings: records out of its store, and what the revocation services say.
//!
//! A record is checked whole before anything of it counts, and its material stays closed until every service of the key
//! has answered. Silence closes it again.

use crate::checks::{Ask, Event, Identity as Asker};
use crate::core::Core;
use crate::crypto::keys::CustomerKey;
use crate::crypto::secret::Secret32;
use crate::evidence::OwnEvidence;
use crate::group::Membership;
use crate::identity::Identity;
use crate::io::Output;
use crate::keys::{Entry, Waiting};
use cofferdam_wire::frame::Frame;
use cofferdam_wire::id::KeyId;
use cofferdam_wire::import::Material;
use cofferdam_wire::link::{Message, Note, Reply};
use cofferdam_wire::operation::{LeaseState, Operation};
use cofferdam_wire::{Code, cbor, limits};
use std::sync::Arc;

impl Core {
    /// The parent answered something that the core asked.
    pub(crate) fn told(&mut self, frame: Frame, out: &mut Vec<Output>) {
        let told = match cbor::decode::<Reply>(&frame.body, limits::FRAME_BODY) {
            Ok(Reply::Done(body)) => Ok(body),
            Ok(Reply::Refused(code)) => Err(code),
            Err(_) => Err(Code::Malformed),
        };
        if let Some(key) = self.fetching.remove(&frame.id) {
            // The parent's word goes to the app under the enclave's seal: it says "none" or nothing.
            let told = told.map_err(|code| match code {
                Code::NotFound => Code::NotFound,
                _ => Code::Unreachable,
            });
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
    pub(crate) fn drop_record(&mut self, key: KeyId) {
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
                        self.settle_waiting(key, Code::Suspended, out);
                    }
                }
                Event::Revoked { key } => {
                    self.keys.close(&key);
                    self.settle_waiting(key, Code::Revoked, out);
                    note(&Note::Revoked(key), out);
                }
            }
        }
    }

    pub(crate) fn refuse_waiting(&mut self, key: KeyId, code: Code, out: &mut Vec<Output>) {
        let waiting = self.keys.take_waiting(&key);
        self.refuse_all(waiting, code, out);
    }

    /// The services were heard: what needed only that goes on, the rest is refused.
    fn settle_waiting(&mut self, key: KeyId, code: Code, out: &mut Vec<Output>) {
        for waiting in self.keys.take_waiting(&key) {
            match waiting.operation {
                Operation::Describe { .. } | Operation::Destroy { .. } => {
                    self.proceed(key, waiting, out);
                }
                _ => self.refuse(&waiting.envelope, code, out),
            }
        }
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
        for key in self.keys.take_ended(self.clock.attested_ms / 1000) {
            self.keys.close(&key);
            self.checks.forget(key);
        }
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
}

/// Who asks the services; `None` before there is Evidence.
fn asker<'a>(
    membership: &'a Membership,
    own: &'a OwnEvidence,
    identity: &'a Identity,
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

pub(crate) fn ask(message: Message, id: u64, body: Vec<u8>, out: &mut Vec<Output>) {
    out.push(Output::Send {
        to: None,
        frame: Frame {
            kind: message.number(),
            id,
            body,
        },
    });
}

pub(crate) fn note(note: &Note, out: &mut Vec<Output>) {
    ask(Message::Note, 0, cbor::encode(note), out);
}
