//! A registration: what the service knows of a key, and how its state may change.
//!
//! The service never sees the key or, before the first query, its token: only the token's hash, so a copy of the database
//! cannot ask. The table of changes fails closed: what is not written there is refused. Revoked is the end of it.

use cofferdam::crypto::secret::Secret32;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{Digest, GroupId, Handle};
use cofferdam_wire::limits;
use minicbor::{Decode, Encode};

/// How long a registration may be pending, milliseconds.
pub const PENDING_MS: u64 = limits::PENDING_S * 1000;

/// Where a registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum State {
    /// Registered; no statement is made about it.
    #[n(1)]
    Pending,
    /// May be used.
    #[n(2)]
    Active,
    /// May not be used now.
    #[n(3)]
    Suspended,
    /// May never be used again; its release secret is destroyed.
    #[n(4)]
    Revoked,
    /// Was pending for too long; no statement is made about it, its release secret is destroyed.
    #[n(5)]
    Expired,
}

impl State {
    /// Every state.
    pub const ALL: [State; 5] = [
        State::Pending,
        State::Active,
        State::Suspended,
        State::Revoked,
        State::Expired,
    ];

    /// The number in the database.
    pub fn number(self) -> i64 {
        match self {
            State::Pending => 1,
            State::Active => 2,
            State::Suspended => 3,
            State::Revoked => 4,
            State::Expired => 5,
        }
    }

    /// From the number in the database.
    pub fn from_number(number: i64) -> Option<State> {
        State::ALL
            .into_iter()
            .find(|state| state.number() == number)
    }

    /// The name in JSON.
    pub fn slug(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Active => "active",
            State::Suspended => "suspended",
            State::Revoked => "revoked",
            State::Expired => "expired",
        }
    }

    /// Whether the release secret must be gone in this state.
    pub fn destroys_release(self) -> bool {
        matches!(self, State::Revoked | State::Expired)
    }
}

/// A registration as it is stored and logged. The release secret is beside it in the database, and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Registration {
    /// Names it.
    #[n(0)]
    pub handle: Handle,
    /// Recognises the token.
    #[n(1)]
    pub token_hash: Digest,
    /// The group whose enclaves may ask.
    #[n(2)]
    pub group: GroupId,
    /// Who owns the key.
    #[n(3)]
    pub owner: PublicKey,
    /// Where it stands.
    #[n(4)]
    pub state: State,
    /// Grows with every change.
    #[n(5)]
    pub sequence: u64,
    /// Lowest grant epoch still accepted.
    #[n(6)]
    pub grant_epoch: u64,
    /// Unix milliseconds.
    #[n(7)]
    pub created_ms: u64,
    /// Unix milliseconds of the last change.
    #[n(8)]
    pub changed_ms: u64,
}

impl Registration {
    /// The state at a time: a registration pending for 48 h has expired, whether or not somebody noted it (RSV-26).
    pub fn state_at(&self, now_ms: u64) -> State {
        let over = now_ms >= self.created_ms.saturating_add(PENDING_MS);
        if self.state == State::Pending && over {
            State::Expired
        } else {
            self.state
        }
    }
}

/// What a registrar brings.
pub struct NewRegistration {
    /// Names it.
    pub handle: Handle,
    /// Recognises the token.
    pub token_hash: Digest,
    /// Opens the key's stored material, together with the group key.
    pub release: Secret32,
    /// The group whose enclaves may ask.
    pub group: GroupId,
    /// Who owns the key.
    pub owner: PublicKey,
}

/// A change that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Pending to active, when the import is confirmed.
    Activate,
    /// Active to suspended.
    Suspend,
    /// Suspended to active.
    Resume,
    /// To revoked, from everywhere.
    Revoke,
    /// Grants below this epoch are no longer accepted.
    GrantEpoch(u64),
    /// Pending to expired, after 48 h; only the service itself asks for it.
    Expire,
}

/// Why a change is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The end of all changes.
    #[error("RSV-25: the handle is revoked, for ever")]
    Revoked,
    /// The 48 h are over.
    #[error(
        "RSV-26: the registration was pending for more than 48 hours and has expired; register a new one"
    )]
    Expired,
    /// Not from this state.
    #[error("RSV-27: the registration is {} and cannot change so", .0.slug())]
    State(State),
    /// Grant epochs only grow.
    #[error("RSV-32: the grant epoch is {current} already; it never falls")]
    Epoch {
        /// The epoch in force.
        current: u64,
    },
}

/// What a change makes of a state; `None` if there is nothing to do.
pub fn next(state: State, epoch: u64, change: Change) -> Result<Option<(State, u64)>, Refusal> {
    match (state, change) {
        (State::Revoked, Change::Revoke) => Ok(None),
        // RSV-25, RSV-27
        (State::Revoked, _) => Err(Refusal::Revoked),
        (_, Change::Revoke) => Ok(Some((State::Revoked, epoch))),
        (State::Expired, Change::Expire) => Ok(None),
        // RSV-26
        (State::Expired, _) => Err(Refusal::Expired),
        (State::Pending, Change::Activate) => Ok(Some((State::Active, epoch))),
        (State::Active, Change::Activate | Change::Resume)
        | (State::Suspended, Change::Suspend) => Ok(None),
        (State::Active, Change::Suspend) => Ok(Some((State::Suspended, epoch))),
        (State::Suspended, Change::Resume) => Ok(Some((State::Active, epoch))),
        (State::Pending, Change::Expire) => Ok(Some((State::Expired, epoch))),
        // RSV-32
        (_, Change::GrantEpoch(wanted)) if wanted < epoch => Err(Refusal::Epoch { current: epoch }),
        (_, Change::GrantEpoch(wanted)) => Ok((wanted > epoch).then_some((state, wanted))),
        (state, Change::Activate | Change::Suspend | Change::Resume | Change::Expire) => {
            Err(Refusal::State(state))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGES: [Change; 6] = [
        Change::Activate,
        Change::Suspend,
        Change::Resume,
        Change::Revoke,
        Change::GrantEpoch(9),
        Change::Expire,
    ];

    #[test]
    fn rsv_27_t79_nothing_leads_out_of_revoked() {
        for change in CHANGES {
            let result = next(State::Revoked, 0, change);
            assert_eq!(
                result,
                if change == Change::Revoke {
                    Ok(None)
                } else {
                    Err(Refusal::Revoked)
                }
            );
        }
    }

    #[test]
    fn rsv_27_revoke_is_possible_from_every_state() {
        for state in [
            State::Pending,
            State::Active,
            State::Suspended,
            State::Expired,
        ] {
            assert_eq!(
                next(state, 3, Change::Revoke),
                Ok(Some((State::Revoked, 3)))
            );
        }
    }

    #[test]
    fn rsv_26_t79_only_pending_becomes_active_by_activation() {
        assert_eq!(
            next(State::Pending, 0, Change::Activate),
            Ok(Some((State::Active, 0)))
        );
        assert_eq!(next(State::Active, 0, Change::Activate), Ok(None));
        assert_eq!(next(State::Active, 0, Change::Resume), Ok(None));
        assert_eq!(
            next(State::Suspended, 0, Change::Activate),
            Err(Refusal::State(State::Suspended))
        );
        assert_eq!(
            next(State::Expired, 0, Change::Activate),
            Err(Refusal::Expired)
        );
        assert_eq!(
            next(State::Pending, 0, Change::Resume),
            Err(Refusal::State(State::Pending))
        );
        assert_eq!(
            next(State::Pending, 0, Change::Suspend),
            Err(Refusal::State(State::Pending))
        );
        assert_eq!(
            next(State::Active, 0, Change::Expire),
            Err(Refusal::State(State::Active))
        );
    }

    #[test]
    fn rsv_32_the_grant_epoch_never_falls() {
        assert_eq!(
            next(State::Active, 4, Change::GrantEpoch(5)),
            Ok(Some((State::Active, 5)))
        );
        assert_eq!(next(State::Active, 4, Change::GrantEpoch(4)), Ok(None));
        assert_eq!(
            next(State::Active, 4, Change::GrantEpoch(3)),
            Err(Refusal::Epoch { current: 4 })
        );
    }

    #[test]
    fn states_read_back_from_their_numbers() {
        assert!(
            State::ALL
                .into_iter()
                .all(|state| State::from_number(state.number()) == Some(state))
        );
        assert_eq!(State::from_number(0), None);
    }
}
