//! One key as the checks see it: its lease, and where each of its services stands.

use super::schedule::{Lane, Member, Schedule, Slot};
use super::timing;
use crate::crypto::secret::Secret32;
use crate::io::Entropy;
use crate::lease::{Clock, Lease};
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{Handle, KeyId, Token};
use cofferdam_wire::import::LeaseTerms;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One key, from one load to the next.
pub(super) struct Tracked {
    pub(super) lease: Lease,
    pub(super) items: Vec<Item>,
    /// The core was given what opens the material, and was not told to close it since.
    pub(super) is_open: bool,
    /// The core was told that the key is revoked.
    pub(super) is_over: bool,
    /// Where it stands in the index of ends.
    pub(super) ends: Option<Clock>,
}

/// One service of the key.
pub(super) struct Item {
    pub(super) token: Token,
    pub(super) handle: Handle,
    pub(super) root: PublicKey,
    pub(super) lane: Arc<Lane>,
    /// Given by this service, while others have not given theirs yet.
    pub(super) release: Option<Secret32>,
    /// When to ask; none while a query is under way, or if there is no reason to ask.
    pub(super) slot: Option<Slot>,
    /// The query under way.
    pub(super) asked: Option<Pending>,
    /// An operation came after it had left.
    pub(super) is_wanted_again: bool,
    pub(super) failures: u32,
    /// Not even a waiting operation makes it ask before.
    pub(super) not_before_ms: u64,
}

/// A query under way that asks about an item.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    /// Of the ask.
    pub(super) id: u64,
    pub(super) sent_ms: u64,
    pub(super) wants_release: bool,
}

impl Tracked {
    /// The releases in R's order, if every service gave its own.
    pub(super) fn take_releases(&mut self) -> Option<Vec<Secret32>> {
        // STA-11
        if self.items.iter().any(|item| item.release.is_none()) {
            return None;
        }
        self.items
            .iter_mut()
            .map(|item| item.release.take())
            .collect()
    }

    /// Forgets what was given by services whose word does not count any more.
    pub(super) fn drop_stale_releases(&mut self, now: Clock) {
        for (service, item) in self.items.iter_mut().enumerate() {
            if self.is_open || !self.lease.is_confirmed(service, now) {
                item.release = None;
            }
        }
    }
}

impl Item {
    /// Sets when to ask.
    pub(super) fn put(&mut self, slot: Option<Slot>, schedule: &mut Schedule) {
        schedule.put(&self.lane, self.slot, slot);
        self.slot = slot;
    }

    /// To be asked again after a pause that grows with every failure, and is shortest if an operation waits.
    pub(super) fn pause(
        &mut self,
        member: Member,
        terms: &LeaseTerms,
        now: Clock,
        entropy: &mut dyn Entropy,
    ) -> Slot {
        // STA-15
        self.failures = self.failures.saturating_add(1);
        let mut pause_ms = timing::PAUSE_MS;
        if !self.is_wanted_again {
            let longest_ms = timing::longest_pause_ms(terms);
            pause_ms = timing::pause_ms(self.failures, longest_ms, entropy);
        }
        let from_ms = now.monotonic_ms + timing::PAUSE_MS;
        self.not_before_ms = from_ms;
        Slot {
            due_ms: now.monotonic_ms + pause_ms,
            from_ms,
            member,
        }
    }
}

/// A member's lease and item, and whether its material is open.
pub(super) fn part<'a>(
    keys: &'a mut BTreeMap<KeyId, Tracked>,
    member: &Member,
) -> Option<(&'a mut Lease, &'a mut Item, bool)> {
    let Tracked {
        lease,
        items,
        is_open,
        ..
    } = keys.get_mut(&member.key)?;
    Some((lease, items.get_mut(member.service)?, *is_open))
}
