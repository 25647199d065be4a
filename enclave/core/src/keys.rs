//! The keys that this instance knows: none at start, each loaded from the parent's store when it is first asked for.
//!
//! A loaded key is closed until its services have answered; leaving Active closes it again.

use crate::crypto::keys::CustomerKey;
use crate::envelope::Envelope;
use crate::lease::Turn;
use crate::operate::data_len;
use crate::record::LoadedRecord;
use cofferdam_wire::id::KeyId;
use cofferdam_wire::operation::Operation;
use cofferdam_wire::session::Grant;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Keys known at once, over all partitions.
const KEYS: usize = 65_536;
/// Operations that may wait for one key.
const WAITING_PER_KEY: usize = 256;
/// Operations that may wait in all.
const WAITING: usize = 8_192;
/// Bytes that waiting operations may hold in all.
const WAITING_BYTES: usize = 16 * 1024 * 1024;

/// An authorised operation that waits for a record or for a lease.
pub(crate) struct Waiting {
    /// Where the answer goes.
    pub(crate) envelope: Envelope,
    /// What to do.
    pub(crate) operation: Operation,
    /// The grants that name key and action.
    pub(crate) grants: Vec<Grant>,
    /// Attested Unix milliseconds.
    pub(crate) deadline_ms: u64,
    /// The same, on the monotonic clock: when to look again.
    pub(crate) wake_ms: u64,
    /// Its place among those that waited for the lease.
    pub(crate) turn: Turn,
}

impl Waiting {
    /// About what it holds in memory.
    fn size(&self) -> usize {
        data_len(&self.operation) + 1_024 * (1 + self.grants.len())
    }
}

/// One key.
pub(crate) enum Entry {
    /// The parent was asked for its record.
    Fetching,
    /// Its record was checked.
    Loaded(Box<LoadedKey>),
}

/// A key whose record was checked.
pub(crate) struct LoadedKey {
    /// The record.
    pub(crate) record: LoadedRecord,
    /// The parsed key, while the lease is Active.
    pub(crate) open: Option<Arc<CustomerKey>>,
    /// Grows with every load of any key.
    pub(crate) load: u64,
}

/// The table.
#[derive(Default)]
pub(crate) struct Keys {
    entries: HashMap<KeyId, Entry>,
    waiting: HashMap<KeyId, Vec<Waiting>>,
    waiting_count: usize,
    /// Bytes that the waiting operations hold.
    waiting_bytes: usize,
    /// Hard ends of loaded keys, Unix seconds.
    hard_ends: BTreeSet<(u64, KeyId)>,
    /// No waiting operation is late before this, monotonic milliseconds.
    next_late_ms: Option<u64>,
    loads: u64,
}

impl Keys {
    /// The entry of a key.
    pub(crate) fn entry(&self, key: &KeyId) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// A loaded key.
    pub(crate) fn loaded(&mut self, key: &KeyId) -> Option<&mut LoadedKey> {
        match self.entries.get_mut(key) {
            Some(Entry::Loaded(loaded)) => Some(loaded),
            _ => None,
        }
    }

    /// Notes that the record was asked for; false if the table is full.
    pub(crate) fn fetching(&mut self, key: KeyId) -> bool {
        if self.entries.len() >= KEYS {
            return false;
        }
        self.entries.insert(key, Entry::Fetching);
        true
    }

    /// The record came and was checked.
    pub(crate) fn load(&mut self, key: KeyId, record: LoadedRecord) {
        self.loads += 1;
        if let Some(end_s) = record.control.hard_end_s {
            self.hard_ends.insert((end_s, key));
        }
        let loaded = LoadedKey {
            record,
            open: None,
            load: self.loads,
        };
        self.entries.insert(key, Entry::Loaded(Box::new(loaded)));
    }

    /// Erases a key here.
    pub(crate) fn forget(&mut self, key: &KeyId) {
        self.entries.remove(key);
    }

    /// Closes a key: the parsed material goes when the last job with it ends.
    pub(crate) fn close(&mut self, key: &KeyId) {
        if let Some(loaded) = self.loaded(key) {
            loaded.open = None;
        }
    }

    /// Keys whose hard end is over; each comes once a load.
    pub(crate) fn take_ended(&mut self, now_s: u64) -> Vec<KeyId> {
        let over = self.hard_ends.range(..=(now_s, KeyId([0xff; 32])));
        let over: Vec<_> = over.copied().collect();
        for ended in &over {
            self.hard_ends.remove(ended);
        }
        over.into_iter().map(|(_, key)| key).collect()
    }

    /// Lets an operation wait; gives it back if there is no room.
    pub(crate) fn wait(&mut self, key: KeyId, waiting: Waiting) -> Result<(), Box<Waiting>> {
        let queue = self.waiting.entry(key).or_default();
        let size = waiting.size();
        if queue.len() >= WAITING_PER_KEY
            || self.waiting_count >= WAITING
            || self.waiting_bytes + size > WAITING_BYTES
        {
            return Err(Box::new(waiting));
        }
        self.next_late_ms = Some(
            self.next_late_ms
                .map_or(waiting.wake_ms, |next| next.min(waiting.wake_ms)),
        );
        queue.push(waiting);
        self.waiting_count += 1;
        self.waiting_bytes += size;
        Ok(())
    }

    /// Whether anything waits for a key.
    pub(crate) fn is_awaited(&self, key: &KeyId) -> bool {
        self.waiting.get(key).is_some_and(|queue| !queue.is_empty())
    }

    /// Everything that waits for a key, in the order in which it came.
    pub(crate) fn take_waiting(&mut self, key: &KeyId) -> Vec<Waiting> {
        let queue = self.waiting.remove(key).unwrap_or_default();
        self.waiting_count -= queue.len();
        self.waiting_bytes -= queue.iter().map(Waiting::size).sum::<usize>();
        queue
    }

    /// Everything whose deadline is over on either clock, with its key.
    pub(crate) fn take_late(
        &mut self,
        attested_ms: u64,
        monotonic_ms: u64,
    ) -> Vec<(KeyId, Waiting)> {
        let mut late = Vec::new();
        if self.waiting_count == 0 {
            return late;
        }
        for (key, queue) in &mut self.waiting {
            let is_late = |waiting: &mut Waiting| {
                attested_ms > waiting.deadline_ms || monotonic_ms >= waiting.wake_ms
            };
            late.extend(queue.extract_if(.., is_late).map(|waiting| (*key, waiting)));
        }
        self.waiting.retain(|_, queue| !queue.is_empty());
        self.waiting_count -= late.len();
        self.waiting_bytes -= late
            .iter()
            .map(|(_, waiting)| waiting.size())
            .sum::<usize>();
        self.next_late_ms = self
            .waiting
            .values()
            .flatten()
            .map(|waiting| waiting.wake_ms)
            .min();
        late
    }

    /// When the next waiting operation is late, monotonic milliseconds.
    pub(crate) fn next_late_ms(&self) -> Option<u64> {
        self.next_late_ms
    }

    /// Keys known, and keys open.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let open = |entry: &&Entry| matches!(entry, Entry::Loaded(loaded) if loaded.open.is_some());
        (
            self.entries.len() as u64,
            self.entries.values().filter(open).count() as u64,
        )
    }
}
