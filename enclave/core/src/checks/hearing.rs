//! The hearing half: replies, pushes, ends, and what follows from them for a key's material.

use super::answer::{Pushed, open};
use super::schedule::Slot;
use super::tracked::part;
use super::{Checks, Event, Identity, Member, REVOKED, UnderWay, What, timing};
use crate::crypto::secret::Secret32;
use crate::io::Entropy;
use crate::lease::{Answered, Clock};
use cofferdam_wire::Code;
use cofferdam_wire::id::KeyId;
use cofferdam_wire::operation::LeaseState;
use cofferdam_wire::status::{SignedPush, Status};
use std::collections::{BTreeMap, BTreeSet};

impl Checks {
    /// The parent's reply to an ask.
    pub(crate) fn told(
        &mut self,
        id: u64,
        reply: Result<&[u8], Code>,
        now: Clock,
        identity: &Identity<'_>,
        entropy: &mut dyn Entropy,
    ) -> Vec<Event> {
        self.lose(now, entropy);
        // What is over is over before the answer is looked at, for the answer may bring no release.
        let mut events = self.expire(now);
        // STA-14: a reply to nothing that is under way is nothing.
        let Some(UnderWay {
            lane, root, what, ..
        }) = self.end(id)
        else {
            return events;
        };
        let (asked, members) = match what {
            What::Certificates => {
                self.certificates(&lane, &root, reply.ok(), now, entropy);
                return events;
            }
            What::Status { asked, members } => (asked, members),
        };
        let opened = reply.map(|reply| open(reply, &asked, &root, identity.setup, now.attested_ms));
        match opened {
            Ok(Ok(said)) => {
                for (member, (answered, release)) in members.into_iter().zip(said) {
                    self.hear(id, member, &answered, release, now, entropy);
                    self.settle(member.key, Some(answered.status), now, &mut events);
                }
            }
            Ok(Err(_)) | Err(Code::UnknownRecipient | Code::UnwrapFailed) => {
                // The service may have other keys by now.
                self.services.doubt(&lane);
                self.silent(id, &members, now, entropy);
            }
            Err(_) => self.silent(id, &members, now, entropy),
        }
        events
    }

    /// What a service says of one key.
    fn hear(
        &mut self,
        id: u64,
        member: Member,
        answered: &Answered,
        release: Option<Secret32>,
        now: Clock,
        entropy: &mut dyn Entropy,
    ) {
        let Some((lease, item, is_open)) = part(&mut self.keys, &member) else {
            return;
        };
        // Asked in another load, or lost meanwhile.
        let Some(pending) = item.asked.take_if(|pending| pending.id == id) else {
            return;
        };

        let (status, terms) = (answered.status, *lease.terms());
        // STA-10: a "good" that does not open the closed material is no use, so it is none.
        let brings_nothing = status == Status::Good && !is_open && release.is_none();
        let is_taken = !brings_nothing && lease.answered(member.service, answered, now).is_ok();
        let mut next_check = || {
            let (valid_for_s, now_ms) = (answered.valid_for_s, now.monotonic_ms);
            timing::next_check(
                member,
                &terms,
                valid_for_s,
                pending.sent_ms,
                now_ms,
                entropy,
            )
        };
        let slot = match status {
            Status::Revoked if is_taken => None,
            Status::Good if is_taken && lease.is_confirmed(member.service, now) => {
                (item.failures, item.not_before_ms) = (0, 0);
                item.release = release.filter(|_| !is_open);
                match (terms.per_operation, item.is_wanted_again) {
                    (true, true) => Some(Slot::at(now.monotonic_ms, member)),
                    (true, false) => None,
                    (false, _) => Some(next_check()),
                }
            }
            Status::Suspended if is_taken => {
                item.failures = 0;
                item.not_before_ms = now.monotonic_ms + timing::PAUSE_MS;
                (!terms.per_operation).then(next_check)
            }
            // It was asked for while the material was open, and that was closed meanwhile: ask for the release too.
            Status::Good if brings_nothing && !pending.wants_release => {
                Some(Slot::at(now.monotonic_ms, member))
            }
            _ => Some(item.pause(member, &terms, now, entropy)),
        };
        item.put(slot, &mut self.schedule);
    }

    /// A pushed answer. An error if the key it names is loaded and none of its roots certifies the signer.
    pub(crate) fn pushed(&mut self, push: &SignedPush, now: Clock) -> Result<Vec<Event>, Code> {
        let push = Pushed::parse(push).map_err(|_| Code::Malformed)?;
        let handle = push.handle();
        let first = (
            handle,
            Member {
                key: KeyId([0; 32]),
                service: 0,
            },
        );
        let named = self
            .handles
            .range(first..)
            .take_while(|(named, _)| *named == handle);
        let named: Vec<_> = named.map(|(_, member)| *member).collect();

        // Keys may share a handle. Each believes its own root, and each root is tried once.
        let mut verdicts = BTreeMap::new();
        let mut believed = Vec::new();
        for member in &named {
            let Some(item) = self
                .keys
                .get(&member.key)
                .and_then(|key| key.items.get(member.service))
            else {
                continue;
            };
            let verdict = verdicts.entry(item.lane.root);
            let verdict = verdict.or_insert_with(|| push.verify(&item.root, now.attested_ms).ok());
            believed.extend(verdict.map(|said| (*member, said)));
        }
        if believed.is_empty() && !named.is_empty() {
            return Err(Code::BadSignature);
        }
        let mut events = self.expire(now);
        for (member, said) in believed {
            let Some(tracked) = self.keys.get_mut(&member.key) else {
                continue;
            };
            tracked.lease.pushed(member.service, said, now);
            let heard = Some(said.status).filter(|status| *status == Status::Suspended);
            self.settle(member.key, heard, now, &mut events);
        }
        Ok(events)
    }

    /// Closes every key whose lease is over on either clock.
    pub(crate) fn expire(&mut self, now: Clock) -> Vec<Event> {
        let until = |ends: &BTreeSet<(u64, KeyId)>, now_ms| {
            let over = ends.range(..=(now_ms, KeyId([0xff; 32])));
            over.map(|(_, key)| *key).collect::<BTreeSet<_>>()
        };
        let mut over = until(&self.ends_monotonic, now.monotonic_ms);
        over.append(&mut until(&self.ends_attested, now.attested_ms));
        let mut events = Vec::new();
        for key in over {
            self.settle(key, None, now, &mut events);
        }
        events
    }

    /// Draws the consequences for the core, after anything that may have changed the lease.
    fn settle(&mut self, key: KeyId, heard: Option<Status>, now: Clock, events: &mut Vec<Event>) {
        let Some(tracked) = self.keys.get_mut(&key) else {
            return;
        };
        tracked.lease.expire(now);
        let state = tracked.lease.state(now);
        match state {
            LeaseState::Active if tracked.is_open => {
                if heard == Some(Status::Good) {
                    events.push(Event::Good {
                        key,
                        releases: Vec::new(),
                    });
                }
            }
            LeaseState::Active => {
                if let Some(releases) = tracked.take_releases() {
                    tracked.is_open = true;
                    events.push(Event::Good { key, releases });
                }
            }
            LeaseState::Revoked => {
                // STA-17: never asked about again, and remembered beyond this load.
                for item in &mut tracked.items {
                    item.put(None, &mut self.schedule);
                }
                tracked.is_open = false;
                if !std::mem::replace(&mut tracked.is_over, true) {
                    events.push(Event::Revoked { key });
                }
                if self.revoked.len() < REVOKED {
                    self.revoked.insert(key);
                }
            }
            LeaseState::Unverified | LeaseState::Expired | LeaseState::Suspended => {
                let was_open = std::mem::replace(&mut tracked.is_open, false);
                let is_refused = state == LeaseState::Suspended && heard == Some(Status::Suspended);
                if was_open || is_refused {
                    events.push(Event::Closed { key, state });
                }
            }
        }
        tracked.drop_stale_releases(now);
        self.reindex(key);
    }

    fn reindex(&mut self, key: KeyId) {
        let Some(tracked) = self.keys.get_mut(&key) else {
            return;
        };
        let ends = tracked.lease.ends();
        let before = std::mem::replace(&mut tracked.ends, ends);
        self.unindex(key, before);
        if let Some(ends) = ends {
            self.ends_monotonic.insert((ends.monotonic_ms, key));
            self.ends_attested.insert((ends.attested_ms, key));
        }
    }

    pub(super) fn unindex(&mut self, key: KeyId, ends: Option<Clock>) {
        if let Some(ends) = ends {
            self.ends_monotonic.remove(&(ends.monotonic_ms, key));
            self.ends_attested.remove(&(ends.attested_ms, key));
        }
    }
}
