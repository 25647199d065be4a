//! Who is asked when: keys that may share a query, and the turns of owners and hosts.
//!
//! A *lane* is (host, status root, owner). Only keys of one lane share a query, so no service sees a token of another
//! service or of another owner (T-68). A host has a small budget of queries under way, its owners take turns, and the
//! hosts take turns, so nobody's keys crowd out anybody else's (T-42).

use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{KeyId, Thumbprint};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Queries under way at one host.
pub(super) const PER_HOST: usize = 4;
/// Keys looked at to fill one query; more than fit, since some may not be asked about yet.
const LOOKED_AT: usize = 2048;

/// Keys that may share a query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    pub(super) host: String,
    pub(super) root: Thumbprint,
    pub(super) owner: Thumbprint,
}

/// One service of one key, by its place in R.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    pub(super) key: KeyId,
    pub(super) service: usize,
}

/// When a member is asked about: at `due_ms`, or from `from_ms` on if others of its lane are asked about anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    pub(super) due_ms: u64,
    pub(super) from_ms: u64,
    pub(super) member: Member,
}

impl Slot {
    /// At that time and not before.
    pub(super) fn at(due_ms: u64, member: Member) -> Self {
        let from_ms = due_ms;
        Slot {
            due_ms,
            from_ms,
            member,
        }
    }
}

struct Queue {
    root: PublicKey,
    members: usize,
    due: BTreeSet<Slot>,
    /// Nothing is asked before, whatever is due.
    held_until_ms: u64,
    /// Where it stands in `wake`.
    wake_ms: Option<u64>,
    /// It stands in its site's line instead.
    in_line: bool,
}

/// A host, whatever way its name is written.
#[derive(Default)]
struct Site {
    under_way: usize,
    lines: BTreeMap<Thumbprint, VecDeque<Arc<Lane>>>,
    owners: VecDeque<Thumbprint>,
    /// It stands in `Schedule::turns`.
    in_turn: bool,
}

/// All lanes and hosts. Its size is bounded by the number of keys tracked.
#[derive(Default)]
pub(super) struct Schedule {
    queues: BTreeMap<Arc<Lane>, Queue>,
    wake: BTreeSet<(u64, Arc<Lane>)>,
    sites: BTreeMap<String, Site>,
    /// Sites with lanes in line and room for a query.
    turns: VecDeque<String>,
}

impl Lane {
    fn site(&self) -> String {
        let host = self.host.to_ascii_lowercase();
        let host = host.strip_suffix(":443").unwrap_or(&host);
        host.strip_suffix('.').unwrap_or(host).to_owned()
    }
}

impl Site {
    fn push(&mut self, lane: Arc<Lane>) {
        let line = self.lines.entry(lane.owner).or_default();
        if line.is_empty() {
            self.owners.push_back(lane.owner);
        }
        line.push_back(lane);
    }

    fn pop(&mut self) -> Option<Arc<Lane>> {
        let owner = self.owners.pop_front()?;
        let line = self.lines.get_mut(&owner)?;
        let lane = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&owner);
        } else {
            self.owners.push_back(owner);
        }
        lane
    }

    fn wants_turn(&self) -> bool {
        !self.in_turn && self.under_way < PER_HOST && !self.owners.is_empty()
    }
}

impl Schedule {
    /// One more member.
    pub(super) fn join(&mut self, lane: Lane, root: &PublicKey) -> Arc<Lane> {
        let shared = self
            .queues
            .get_key_value(&lane)
            .map(|(lane, _)| lane.clone());
        let lane = shared.unwrap_or_else(|| Arc::new(lane));
        let queue = self.queues.entry(lane.clone()).or_insert_with(|| Queue {
            root: *root,
            members: 0,
            due: BTreeSet::new(),
            held_until_ms: 0,
            wake_ms: None,
            in_line: false,
        });
        queue.members += 1;
        lane
    }

    /// One member less. False if the service of this lane has no member left.
    pub(super) fn leave(&mut self, lane: &Arc<Lane>, slot: Option<Slot>) -> bool {
        self.put(lane, slot, None);
        if let Some(queue) = self.queues.get_mut(lane) {
            queue.members -= 1;
            if queue.members == 0 {
                self.queues.remove(lane);
            }
        }
        self.of_service(lane).next().is_some()
    }

    /// Moves a member from one slot to another.
    pub(super) fn put(&mut self, lane: &Arc<Lane>, from: Option<Slot>, to: Option<Slot>) {
        if let Some(queue) = self.queues.get_mut(lane) {
            from.map(|slot| queue.due.remove(&slot));
            queue.due.extend(to);
            self.rewake(lane);
        }
    }

    /// Asks nothing of this lane before a time.
    pub(super) fn hold(&mut self, lane: &Arc<Lane>, until_ms: u64) {
        if let Some(queue) = self.queues.get_mut(lane) {
            queue.held_until_ms = until_ms;
            self.rewake(lane);
        }
    }

    /// The same for all lanes of the same service.
    pub(super) fn hold_service(&mut self, lane: &Lane, until_ms: u64) {
        let lanes: Vec<_> = self.of_service(lane).cloned().collect();
        lanes.iter().for_each(|lane| self.hold(lane, until_ms));
    }

    fn of_service<'a>(&'a self, lane: &'a Lane) -> impl Iterator<Item = &'a Arc<Lane>> {
        let first = Arc::new(Lane {
            owner: Thumbprint([0; 32]),
            ..lane.clone()
        });
        let lanes = self.queues.range(first..).map(|(lane, _)| lane);
        lanes.take_while(move |other| other.host == lane.host && other.root == lane.root)
    }

    /// The next lane that may be asked now. The caller then takes its members or holds it.
    pub(super) fn ready(&mut self, now_ms: u64) -> Option<(Arc<Lane>, PublicKey)> {
        while self.wake.first().is_some_and(|(at, _)| *at <= now_ms) {
            let Some((_, lane)) = self.wake.pop_first() else {
                break;
            };
            if let Some(queue) = self.queues.get_mut(&lane) {
                queue.wake_ms = None;
                queue.in_line = true;
                let name = lane.site();
                self.sites.entry(name.clone()).or_default().push(lane);
                self.offer_turn(name);
            }
        }
        // STA-13
        while let Some(name) = self.turns.pop_front() {
            let Some(site) = self.sites.get_mut(&name) else {
                continue;
            };
            site.in_turn = false;
            let lane = if site.under_way < PER_HOST {
                site.pop()
            } else {
                None
            };
            self.offer_turn(name);
            if let Some(lane) = lane
                && let Some(queue) = self.queues.get_mut(&lane)
            {
                queue.in_line = false;
                return Some((lane, queue.root));
            }
        }
        None
    }

    fn offer_turn(&mut self, name: String) {
        let Some(site) = self.sites.get_mut(&name) else {
            return;
        };
        if site.wants_turn() {
            site.in_turn = true;
            self.turns.push_back(name);
        } else if site.under_way == 0 && site.owners.is_empty() {
            self.sites.remove(&name);
        }
    }

    /// Takes the members of a lane that can be asked about now, the most urgent first.
    pub(super) fn take(&mut self, lane: &Arc<Lane>, now_ms: u64, limit: usize) -> Vec<Member> {
        let Some(queue) = self.queues.get_mut(lane) else {
            return Vec::new();
        };
        let may_go = |slot: &&Slot| slot.from_ms <= now_ms;
        let slots: Vec<_> = queue
            .due
            .iter()
            .take(LOOKED_AT)
            .filter(may_go)
            .take(limit)
            .copied()
            .collect();
        for slot in &slots {
            queue.due.remove(slot);
        }
        self.rewake(lane);
        slots.into_iter().map(|slot| slot.member).collect()
    }

    /// A query leaves for the lane's host.
    pub(super) fn started(&mut self, lane: &Lane) {
        self.sites.entry(lane.site()).or_default().under_way += 1;
    }

    /// It came back, or is lost.
    pub(super) fn finished(&mut self, lane: &Lane) {
        let name = lane.site();
        if let Some(site) = self.sites.get_mut(&name) {
            site.under_way = site.under_way.saturating_sub(1);
        }
        self.offer_turn(name);
    }

    /// When something can be asked; 0 if at once.
    pub(super) fn next_ms(&self) -> Option<u64> {
        if self.turns.is_empty() {
            self.wake.first().map(|(at, _)| *at)
        } else {
            Some(0)
        }
    }

    fn rewake(&mut self, lane: &Arc<Lane>) {
        let Some(queue) = self.queues.get_mut(lane) else {
            return;
        };
        let first = queue.due.first().filter(|_| !queue.in_line);
        let wake_ms = first.map(|slot| slot.due_ms.max(queue.held_until_ms));
        if queue.wake_ms != wake_ms {
            if let Some(before) = std::mem::replace(&mut queue.wake_ms, wake_ms) {
                self.wake.remove(&(before, lane.clone()));
            }
            self.wake.extend(wake_ms.map(|at| (at, lane.clone())));
        }
    }
}

#[cfg(test)]
impl Schedule {
    /// Nothing is left behind.
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
            && self.wake.is_empty()
            && self.sites.is_empty()
            && self.turns.is_empty()
    }
}
