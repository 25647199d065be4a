//! Nonces of queries already answered. A query is answered once (RSV-13): the same bytes sent again are a replay or a
//! repeat by a courier, and the enclave would not take a second answer to that nonce anyway.
//!
//! A nonce is remembered for as long as the Evidence beside it could still be accepted, so memory is bounded by time; the
//! count is bounded too. Only queries of enclaves that passed every check come here, so strangers cannot fill it.

use std::collections::{HashSet, VecDeque};

use cofferdam_attestation::MAX_AHEAD_S;
use cofferdam_wire::id::Nonce;
use cofferdam_wire::limits;

/// Evidence may be dated ahead by a minute and is accepted for an hour after its date.
const REMEMBERED_MS: u64 = (limits::EVIDENCE_MAX_AGE_S + MAX_AHEAD_S + 1) * 1000;

/// Most nonces in memory, some 10 MB: thirty queries a second for an hour.
const CAPACITY: usize = 1 << 17;

/// The nonces of the last hour.
#[derive(Default)]
pub struct Nonces {
    seen: HashSet<Nonce>,
    order: VecDeque<(u64, Nonce)>,
}

impl Nonces {
    /// Uses a nonce; `false` if it was used before.
    pub fn claim(&mut self, nonce: Nonce, now_ms: u64) -> bool {
        while let Some((at_ms, oldest)) = self.order.front() {
            let over = now_ms.saturating_sub(*at_ms) > REMEMBERED_MS;
            if !over && self.order.len() < CAPACITY {
                break;
            }
            self.seen.remove(oldest);
            self.order.pop_front();
        }
        let fresh = self.seen.insert(nonce);
        if fresh {
            self.order.push_back((now_ms, nonce));
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsv_13_a_nonce_is_used_once_and_forgotten_when_no_query_could_carry_it() {
        let mut nonces = Nonces::default();
        assert!(nonces.claim(Nonce([1; 32]), 0));
        assert!(nonces.claim(Nonce([2; 32]), 10));
        assert!(!nonces.claim(Nonce([1; 32]), REMEMBERED_MS));
        assert!(nonces.claim(Nonce([1; 32]), REMEMBERED_MS + 1));
        assert_eq!(nonces.order.len(), 2);
    }
}
