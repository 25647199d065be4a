//! The asking half: which certificates and queries leave now, and which are lost.

use super::schedule::{Lane, Slot};
use super::services::{Access, QueryKey};
use super::tracked::{Pending, part};
use super::{Ask, Checks, Identity, Member, UnderWay, What, query, timing};
use crate::io::Entropy;
use crate::lease::{Clock, Turn};
use cofferdam_wire::cbor;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{KeyId, Nonce};
use cofferdam_wire::link::{Courier, Host, Message};
use cofferdam_wire::status::QueryItem;
use std::sync::Arc;

/// Asks made in one call, so that a restart does not hold up everything else.
const ASKS_PER_CALL: usize = 16;

impl Checks {
    /// An operation waits for this key: asks every service whose word is needed as soon as it may be asked. The turn
    /// is for [`Checks::permits`], and for the next call if the same operation goes on waiting.
    pub(crate) fn want_now(&mut self, key: KeyId, turn: Turn, now: Clock) -> Turn {
        let Some(tracked) = self.keys.get_mut(&key) else {
            return turn;
        };
        let turn = if turn == Turn::NONE {
            self.last_turn.next()
        } else {
            turn
        };
        self.last_turn = self.last_turn.max(turn);
        tracked.lease.admit(turn);
        for (service, item) in tracked.items.iter_mut().enumerate() {
            let lease = &tracked.lease;
            if lease.is_revoked() || lease.is_enough_for(service, turn, now) {
                continue;
            }
            if item.asked.is_some() {
                // STA-15: one query under way for a key and service.
                item.is_wanted_again |= !lease.is_asked_for(service, turn);
                continue;
            }
            let due_ms = now.monotonic_ms.max(item.not_before_ms);
            if item.slot.is_none_or(|slot| slot.due_ms > due_ms) {
                item.put(
                    Some(Slot::at(due_ms, Member { key, service })),
                    &mut self.schedule,
                );
            }
        }
        turn
    }

    /// What to ask now. If there was more than fits one call, [`Checks::next_timeout_ms`] says so.
    pub(crate) fn due(
        &mut self,
        now: Clock,
        identity: &Identity<'_>,
        entropy: &mut dyn Entropy,
    ) -> Vec<Ask> {
        self.lose(now, entropy);
        let mut asks = Vec::new();
        while asks.len() < ASKS_PER_CALL {
            let Some((lane, root)) = self.schedule.ready(now.monotonic_ms) else {
                break;
            };
            match self.services.access(&lane, now) {
                Access::Wait(until_ms) => self.schedule.hold(&lane, until_ms),
                Access::Fetch => asks.push(self.fetch(lane, root, now)),
                Access::Key(key) => {
                    asks.extend(self.query(lane, root, &key, now, identity, entropy))
                }
            }
        }
        asks
    }

    fn fetch(&mut self, lane: Arc<Lane>, root: PublicKey, now: Clock) -> Ask {
        let lost_at_ms = now.monotonic_ms + timing::LOST_MS;
        self.services.fetching(&lane, lost_at_ms);
        self.schedule.hold(&lane, lost_at_ms);
        let body = cbor::encode(&Host {
            host: lane.host.clone(),
        });
        let id = self.draw_id();
        self.start(
            id,
            UnderWay {
                lane,
                root,
                lost_at_ms,
                what: What::Certificates,
            },
        );
        Ask {
            id,
            message: Message::FetchStatusKeys,
            body,
        }
    }

    fn query(
        &mut self,
        lane: Arc<Lane>,
        root: PublicKey,
        service_key: &QueryKey,
        now: Clock,
        identity: &Identity<'_>,
        entropy: &mut dyn Entropy,
    ) -> Option<Ask> {
        let room = query::capacity(identity);
        if room == 0 {
            self.schedule
                .hold(&lane, now.monotonic_ms + timing::PAUSE_MAX_MS);
            return None;
        }
        let id = self.draw_id();
        let mut nonce = Nonce([0; 32]);
        entropy.fill(&mut nonce.0);
        let (mut members, mut items, mut patience_ms) = (Vec::new(), Vec::new(), timing::LOST_MS);
        for member in self.schedule.take(&lane, now.monotonic_ms, room) {
            let Some((lease, item, is_open)) = part(&mut self.keys, &member) else {
                continue;
            };
            let (token, last_sequence) = (item.token, lease.last_sequence(member.service));
            items.push(QueryItem {
                token,
                last_sequence,
                wants_release: !is_open,
            });
            item.slot = None;
            item.is_wanted_again = false;
            item.asked = Some(Pending {
                id,
                sent_ms: now.monotonic_ms,
                wants_release: !is_open,
            });
            lease.asked(member.service, nonce, now);
            patience_ms = patience_ms.min(timing::patience_ms(lease.terms()));
            members.push(member);
        }
        if members.is_empty() {
            return None;
        }
        let Ok((sealed, asked)) = query::seal(identity, service_key, nonce, items) else {
            // The root certified bytes that are no key: only its own keys have leases to lose.
            self.services.doubt(&lane);
            self.silent(id, &members, now, entropy);
            return None;
        };
        let body = cbor::encode(&Courier {
            host: lane.host.clone(),
            query: sealed,
        });
        let lost_at_ms = now.monotonic_ms + patience_ms;
        self.start(
            id,
            UnderWay {
                lane,
                root,
                lost_at_ms,
                what: What::Status { asked, members },
            },
        );
        Some(Ask {
            id,
            message: Message::AskStatus,
            body,
        })
    }

    fn draw_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn start(&mut self, id: u64, under_way: UnderWay) {
        self.schedule.started(&under_way.lane);
        self.losses.insert((under_way.lost_at_ms, id));
        self.under_way.insert(id, under_way);
    }

    /// Takes an ask out of those under way; `None` for an id that is unknown, repeated or lost.
    pub(super) fn end(&mut self, id: u64) -> Option<UnderWay> {
        let under_way = self.under_way.remove(&id)?;
        self.losses.remove(&(under_way.lost_at_ms, id));
        self.schedule.finished(&under_way.lane);
        Some(under_way)
    }

    /// Gives up on asks whose reply did not come in time.
    pub(super) fn lose(&mut self, now: Clock, entropy: &mut dyn Entropy) {
        // STA-14
        while let Some(&(lost_at_ms, id)) = self.losses.first() {
            if lost_at_ms > now.monotonic_ms {
                return;
            }
            self.losses.pop_first();
            let Some(lost) = self.end(id) else { continue };
            match lost.what {
                What::Certificates => self.certificates(&lost.lane, &lost.root, None, now, entropy),
                What::Status { members, .. } => self.silent(id, &members, now, entropy),
            }
        }
    }

    /// Certificates came, or did not.
    pub(super) fn certificates(
        &mut self,
        lane: &Lane,
        root: &PublicKey,
        reply: Option<&[u8]>,
        now: Clock,
        entropy: &mut dyn Entropy,
    ) {
        let until_ms = self.services.fetched(lane, root, reply, now, entropy);
        self.schedule.hold_service(lane, until_ms);
    }

    /// A query brought nothing: its keys are asked about again after a pause.
    pub(super) fn silent(
        &mut self,
        id: u64,
        members: &[Member],
        now: Clock,
        entropy: &mut dyn Entropy,
    ) {
        for member in members {
            let Some((lease, item, _)) = part(&mut self.keys, member) else {
                continue;
            };
            if item.asked.take_if(|pending| pending.id == id).is_some() {
                let slot = item.pause(*member, lease.terms(), now, entropy);
                item.put(Some(slot), &mut self.schedule);
            }
        }
    }
}
