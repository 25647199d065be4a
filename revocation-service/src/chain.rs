//! The rule of the command chain: an instance that has missed a command of its group is not told "good" for long.
//!
//! A command drops a measurement or an officer, or begins an epoch. An instance that the provider keeps away from it
//! would go on under the old rules, so once this service has seen a longer chain, the shorter one has ten minutes
//! (RSV-17, T-70). Two different chains of one length are a fork: somebody signed two truths, and neither is believed
//! (RSV-18). Only heads from instances whose Evidence was accepted are ever noted, so a stranger cannot accuse a group.

use cofferdam_wire::id::Digest;

/// How long an instance may be behind the longest chain seen, milliseconds.
pub const CATCH_UP_MS: u64 = 10 * 60 * 1000;

/// A head of a group's command chain, as an accepted instance reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// Length of the chain.
    pub sequence: u64,
    /// Its head.
    pub head: Digest,
    /// When an instance first reported it, Unix milliseconds.
    pub first_seen_ms: u64,
}

/// Whether an instance at `sequence` may hear "good", given every head seen of its group, its own among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainVerdict {
    /// It may.
    Current,
    /// A longer chain was first seen more than ten minutes ago.
    Behind,
    /// Two heads share its sequence.
    Forked,
}

/// Applies the rule.
pub fn judge(seen: &[ChainHead], sequence: u64, now_ms: u64) -> ChainVerdict {
    // RSV-18
    if seen.iter().filter(|head| head.sequence == sequence).count() > 1 {
        return ChainVerdict::Forked;
    }
    // RSV-17
    let longer = seen.iter().filter(|head| head.sequence > sequence);
    if longer
        .map(|head| now_ms.saturating_sub(head.first_seen_ms))
        .any(|age| age > CATCH_UP_MS)
    {
        return ChainVerdict::Behind;
    }
    ChainVerdict::Current
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(sequence: u64, byte: u8, first_seen_ms: u64) -> ChainHead {
        ChainHead {
            sequence,
            head: Digest([byte; 32]),
            first_seen_ms,
        }
    }

    #[test]
    fn rsv_17_t70_an_old_chain_has_ten_minutes() {
        let seen = [head(1, 1, 0), head(2, 2, 1000)];
        assert_eq!(judge(&seen, 2, u64::MAX), ChainVerdict::Current);
        assert_eq!(judge(&seen, 1, 1000 + CATCH_UP_MS), ChainVerdict::Current);
        assert_eq!(judge(&seen, 1, 1001 + CATCH_UP_MS), ChainVerdict::Behind);
    }

    #[test]
    fn rsv_18_t70_two_heads_of_one_length_are_both_refused() {
        let seen = [head(1, 1, 0), head(2, 2, 0), head(2, 3, 0)];
        assert_eq!(judge(&seen, 2, 0), ChainVerdict::Forked);
        assert_eq!(judge(&seen, 1, 0), ChainVerdict::Current);
        assert_eq!(judge(&seen, 3, 0), ChainVerdict::Current);
    }
}
