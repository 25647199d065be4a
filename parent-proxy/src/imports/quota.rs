//! How fast an owner and a partition may import. It protects them from each other, and the store from filling in an hour.
//!
//! A partition's name is its owner's choice, so a count of partitions alone would bound nobody: the owner is counted first.

use cofferdam_wire::Code;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Ids remembered at once. Beyond it those that have their whole allowance back are forgotten.
const REMEMBERED: usize = 10_000;

/// Allowances of one kind of id.
pub(super) struct Quota<Id> {
    per_minute: f64,
    buckets: Mutex<HashMap<Id, Bucket>>,
}

struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn left_at(&self, now: Instant, per_minute: f64) -> f64 {
        (self.left + now.duration_since(self.at).as_secs_f64() * per_minute / 60.0).min(per_minute)
    }
}

impl<Id: Copy + Eq + Hash> Quota<Id> {
    pub(super) fn new(per_minute: u32) -> Self {
        Self {
            per_minute: per_minute.max(1).into(),
            buckets: Mutex::default(),
        }
    }

    /// Takes one import from this one's allowance, or refuses with `Busy`.
    pub(super) fn take(&self, id: &Id) -> Result<(), Code> {
        self.take_at(id, Instant::now())
    }

    fn take_at(&self, id: &Id, now: Instant) -> Result<(), Code> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED && !buckets.contains_key(id) {
            buckets.retain(|_, bucket| bucket.left_at(now, self.per_minute) < self.per_minute);
            if buckets.len() >= REMEMBERED {
                return Err(Code::Busy);
            }
        }
        let bucket = buckets.entry(*id).or_insert(Bucket {
            left: self.per_minute,
            at: now,
        });
        let left = bucket.left_at(now, self.per_minute);
        *bucket = Bucket {
            left: if left < 1.0 { left } else { left - 1.0 },
            at: now,
        };
        if left < 1.0 { Err(Code::Busy) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_wire::id::PartitionId;
    use std::time::Duration;

    #[test]
    fn the_allowance_of_one_partition_runs_out_and_comes_back() {
        let quota = Quota::new(60);
        let start = Instant::now();
        let (one, other) = (PartitionId([1; 32]), PartitionId([2; 32]));
        assert!((0..60).all(|_| quota.take_at(&one, start).is_ok()));
        assert_eq!(quota.take_at(&one, start), Err(Code::Busy));
        assert_eq!(quota.take_at(&other, start), Ok(()));
        assert_eq!(
            quota.take_at(&one, start + Duration::from_millis(1001)),
            Ok(())
        );
        assert_eq!(
            quota.take_at(&one, start + Duration::from_millis(1002)),
            Err(Code::Busy)
        );
    }
}
