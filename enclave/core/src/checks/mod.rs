//! Everything between keys and their revocation services: who is asked when, queries, answers, pushes.
//!
//! Holds the lease of every loaded key and feeds it with what was verified. Trusts a service's word for the keys that
//! name its status root in R, and for nothing else; trusts the parent, which carries every message, for nothing at all.
//! Refuses answers that are not, whole, the reply to one query of this instance. Sans-IO: the core sends each [`Ask`]
//! to the parent and gives the reply back. Normative: `docs/protocol/status.md`, rules STA-n.
//!
//! How the core uses it, with the clock of the batch, whose attested part must come from a fresh reading:
//! - [`Checks::track`] at every load; [`Checks::forget`] whenever it drops a key or its material for reasons of its own
//!   (a record that did not open, eviction, destroy). Forgetting ends a load: the next one starts Unverified.
//! - [`Checks::want_now`] when an operation waits; [`Checks::permits`] before it starts and again when its result
//!   leaves. The events of [`Checks::told`], [`Checks::pushed`] and [`Checks::expire`] are carried out in their order
//!   and at once.
//! - after every batch [`Checks::expire`], then [`Checks::due`] as long as the instance has Evidence.

mod answer;
mod asking;
mod hearing;
mod query;
mod schedule;
mod services;
#[cfg(test)]
mod tests;
mod timing;
mod tracked;

use crate::crypto::secret::Secret32;
use crate::crypto::signature::InstanceKey;
use crate::crypto::xwing;
use crate::lease::{Clock, Lease, Turn};
use answer::Asked;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{GroupId, Handle, KeyId};
use cofferdam_wire::link::Message;
use cofferdam_wire::operation::LeaseState;
use cofferdam_wire::revocation::Revocation;
use schedule::{Lane, Member, Schedule};
use services::Services;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tracked::{Item, Tracked};

/// Revoked keys remembered beyond their load. One that is not remembered is asked about again and hears the same.
const REVOKED: usize = 65_536;

/// What every query of this instance carries, and what opens its answers.
pub(crate) struct Identity<'a> {
    /// The group.
    pub(crate) group: GroupId,
    /// Encoded Binding.
    pub(crate) binding: &'a [u8],
    /// Evidence over it, at most an hour old.
    pub(crate) evidence: &'a [u8],
    /// Encoded genesis record.
    pub(crate) genesis: &'a [u8],
    /// Signs queries.
    pub(crate) instance: &'a InstanceKey,
    /// Opens answers; the Binding names its public half.
    pub(crate) setup: &'a xwing::PrivateKey,
}

/// A message for the parent to carry. The reply goes to [`Checks::told`] with the same id.
pub(crate) struct Ask {
    /// Unique among asks; not a frame's id.
    pub(crate) id: u64,
    /// [`Message::FetchStatusKeys`] or [`Message::AskStatus`].
    pub(crate) message: Message,
    /// Body of the frame.
    pub(crate) body: Vec<u8>,
}

/// What the core has to do about a key.
pub(crate) enum Event {
    /// Confirmed. Open the material if releases came, then let waiting operations try.
    Good {
        /// The key.
        key: KeyId,
        /// In R's order, one for each service; empty if the material is open already.
        releases: Vec<Secret32>,
    },
    /// Erase the material. If suspended, waiting operations may be refused.
    Closed {
        /// The key.
        key: KeyId,
        /// Expired, Unverified or Suspended.
        state: LeaseState,
    },
    /// Erase the material for ever, refuse waiting operations, leave a note.
    Revoked {
        /// The key.
        key: KeyId,
    },
}

/// The leases of all loaded keys, and the queries that keep them.
#[derive(Default)]
pub(crate) struct Checks {
    keys: BTreeMap<KeyId, Tracked>,
    handles: BTreeSet<(Handle, Member)>,
    revoked: BTreeSet<KeyId>,
    ends_monotonic: BTreeSet<(u64, KeyId)>,
    ends_attested: BTreeSet<(u64, KeyId)>,
    schedule: Schedule,
    services: Services,
    under_way: BTreeMap<u64, UnderWay>,
    losses: BTreeSet<(u64, u64)>,
    last_id: u64,
    last_turn: Turn,
}

/// An ask under way.
struct UnderWay {
    lane: Arc<Lane>,
    root: PublicKey,
    lost_at_ms: u64,
    what: What,
}

enum What {
    Certificates,
    /// The members by position.
    Status {
        asked: Asked,
        members: Vec<Member>,
    },
}

impl Checks {
    /// A key was loaded: its lease starts Unverified, or Revoked if that was heard before in this process.
    pub(crate) fn track(&mut self, key: KeyId, owner: &PublicKey, revocation: &Revocation) {
        self.forget(key);
        let mut lease = Lease::new(revocation.terms(), revocation.services().len());
        let is_over = self.revoked.contains(&key);
        if is_over {
            lease.revoke();
        }
        let owner = owner.thumbprint();
        let mut items = Vec::new();
        for (service, named) in revocation.services().iter().enumerate() {
            let root = named.status_root;
            // STA-3: keys of one owner, host and root share queries, and no others (T-68).
            let lane = Lane {
                host: named.host.clone(),
                root: root.thumbprint(),
                owner,
            };
            let handle = Handle::of(&named.token);
            self.handles.insert((handle, Member { key, service }));
            items.push(Item {
                token: named.token,
                handle,
                root,
                lane: self.schedule.join(lane, &root),
                release: None,
                slot: None,
                asked: None,
                is_wanted_again: false,
                failures: 0,
                not_before_ms: 0,
            });
        }
        self.keys.insert(
            key,
            Tracked {
                lease,
                items,
                is_open: false,
                is_over,
                ends: None,
            },
        );
    }

    /// Ends the load of a key. Answers that are still under way mean nothing for the next load.
    pub(crate) fn forget(&mut self, key: KeyId) {
        let Some(tracked) = self.keys.remove(&key) else {
            return;
        };
        self.unindex(key, tracked.ends);
        for (service, item) in tracked.items.into_iter().enumerate() {
            self.handles.remove(&(item.handle, Member { key, service }));
            if !self.schedule.leave(&item.lane, item.slot) {
                self.services.forget(&item.lane);
            }
        }
    }

    /// Whether the operation with this turn ([`Turn::NONE`] if it did not wait) may start, or its result leave.
    pub(crate) fn permits(&self, key: KeyId, turn: Turn, now: Clock) -> bool {
        self.keys
            .get(&key)
            .is_some_and(|tracked| tracked.is_open && tracked.lease.permits(turn, now))
    }

    /// State of a key's lease; `None` if the key is not loaded.
    pub(crate) fn state(&self, key: KeyId, now: Clock) -> Option<LeaseState> {
        self.keys.get(&key).map(|tracked| tracked.lease.state(now))
    }

    /// Lowest grant epoch that the key's services still accept.
    pub(crate) fn grant_epoch(&self, key: KeyId) -> u64 {
        self.keys
            .get(&key)
            .map_or(0, |tracked| tracked.lease.grant_epoch())
    }

    /// When [`Checks::expire`] or [`Checks::due`] has something to do, in monotonic milliseconds.
    pub(crate) fn next_timeout_ms(&self) -> Option<u64> {
        let end = self.ends_monotonic.first().map(|(at, _)| *at);
        let loss = self.losses.first().map(|(at, _)| *at);
        [self.schedule.next_ms(), end, loss]
            .into_iter()
            .flatten()
            .min()
    }
}
