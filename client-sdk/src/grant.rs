//! Grants: what the owner of keys lets somebody do with them, for how long, in which group (P4).
//!
//! A grant is short-lived by habit and names everything: group (T-73), partition, keys, actions, audience. The enclave
//! checks it in every session; here it is made, and read by people and programs that were handed one.

use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::id::{GroupId, KeyId};
use cofferdam_wire::kind::Action;
use cofferdam_wire::session::{Audience, Grant, SignedGrant};
use cofferdam_wire::{cbor, context, limits};

use crate::crypto::signing::{SigningKey, verify_sign1};

/// What the owner grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantOrder {
    /// In which group.
    pub group: GroupId,
    /// Partition name.
    pub partition: String,
    /// Which keys; may be empty for hash and random.
    pub keys: Vec<KeyId>,
    /// What may be done; in any order.
    pub actions: Vec<Action>,
    /// Who may do it.
    pub audience: Audience,
    /// From when, Unix seconds.
    pub not_before_s: u64,
    /// Until when, Unix seconds.
    pub not_after_s: u64,
    /// The owner can have all lower epochs refused.
    pub epoch: u64,
}

/// Why there is no grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The partition's name.
    #[error("a partition name has 1 to 64 bytes")]
    Partition,
    /// No action.
    #[error("a grant must name at least one operation")]
    NoAction,
    /// An action that needs a key, and none is named.
    #[error("the operation {0} needs a key, and the grant names none")]
    NoKey(Action),
    /// Too many keys.
    #[error("a grant names at most {limit} keys, and this one names {actual}; make several")]
    TooManyKeys {
        /// The most.
        limit: usize,
        /// How many came.
        actual: usize,
    },
    /// It ends before it begins.
    #[error("the grant ends before it begins")]
    Times,
    /// Longer than the protocol allows.
    #[error("the grant has {actual} bytes and may have {limit}; name fewer keys")]
    TooLarge {
        /// The most.
        limit: usize,
        /// How many came.
        actual: usize,
    },
    /// Bytes that are no grant.
    #[error("these bytes are not a grant")]
    Malformed,
    /// Not signed by the owner that it names.
    #[error("the grant is not signed by the owner that it names")]
    Signature,
}

/// A grant that its owner signed. [`OwnedGrant::sign`] and [`OwnedGrant::read`] are the only ways to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedGrant {
    grant: Grant,
    signed: SignedGrant,
}

impl OwnedGrant {
    /// Signs what is ordered.
    pub fn sign(order: &GrantOrder, owner: &SigningKey) -> Result<Self, GrantError> {
        let sorted = |mut actions: Vec<Action>| {
            actions.sort();
            actions.dedup();
            actions
        };
        let mut keys = order.keys.clone();
        keys.sort();
        keys.dedup();
        let grant = Grant {
            version: 1,
            group: order.group,
            owner: owner.public(),
            partition: order.partition.clone(),
            keys,
            actions: sorted(order.actions.clone()),
            audience: order.audience,
            not_before_s: order.not_before_s,
            not_after_s: order.not_after_s,
            epoch: order.epoch,
        };
        check(&grant)?;
        let signed = owner.sign1(context::GRANT, cbor::encode(&grant)).to_bytes();
        if signed.len() > limits::GRANT {
            return Err(GrantError::TooLarge {
                limit: limits::GRANT,
                actual: signed.len(),
            });
        }
        Ok(Self {
            grant,
            signed: SignedGrant(signed),
        })
    }

    /// Reads a grant that somebody was handed, and verifies that the owner it names has signed it. Whether this owner has
    /// anything to grant is for the enclave to know.
    pub fn read(bytes: &[u8]) -> Result<Self, GrantError> {
        let signed =
            CoseSign1::from_bytes(bytes, limits::GRANT).map_err(|_| GrantError::Malformed)?;
        let grant: Grant =
            cbor::decode(&signed.payload, limits::GRANT).map_err(|_| GrantError::Malformed)?;
        verify_sign1(&grant.owner, context::GRANT, &signed).map_err(|_| GrantError::Signature)?;
        if grant.version != 1 {
            return Err(GrantError::Malformed);
        }
        check(&grant)?;
        Ok(Self {
            grant,
            signed: SignedGrant(bytes.to_vec()),
        })
    }

    /// What it says.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// As it was signed.
    pub fn signed(&self) -> &SignedGrant {
        &self.signed
    }
}

fn check(grant: &Grant) -> Result<(), GrantError> {
    if !(1..=limits::PARTITION_NAME).contains(&grant.partition.len()) {
        return Err(GrantError::Partition);
    }
    if grant.keys.len() > limits::KEYS_PER_GRANT {
        return Err(GrantError::TooManyKeys {
            limit: limits::KEYS_PER_GRANT,
            actual: grant.keys.len(),
        });
    }
    if grant.actions.is_empty() {
        return Err(GrantError::NoAction);
    }
    let needs_key = |action: &&Action| !matches!(action, Action::Hash | Action::Random);
    if grant.keys.is_empty()
        && let Some(action) = grant.actions.iter().find(needs_key)
    {
        return Err(GrantError::NoKey(*action));
    }
    if grant.not_after_s <= grant.not_before_s {
        return Err(GrantError::Times);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::signing::SignatureKind;

    fn order() -> GrantOrder {
        GrantOrder {
            group: GroupId([1; 32]),
            partition: "payments".into(),
            keys: vec![KeyId([3; 32]), KeyId([2; 32]), KeyId([3; 32])],
            actions: vec![Action::Verify, Action::Sign, Action::Verify],
            audience: Audience::Provider,
            not_before_s: 1_000,
            not_after_s: 2_000,
            epoch: 0,
        }
    }

    #[test]
    fn a_grant_reads_back_sorted_and_signed() {
        for kind in [SignatureKind::Ed25519, SignatureKind::P256] {
            let owner = SigningKey::generate(kind);
            let grant = OwnedGrant::sign(&order(), &owner).unwrap();
            assert_eq!(OwnedGrant::read(&grant.signed().0).unwrap(), grant);
            assert_eq!(grant.grant().actions, [Action::Sign, Action::Verify]);
            assert_eq!(grant.grant().keys, [KeyId([2; 32]), KeyId([3; 32])]);
        }
    }

    #[test]
    fn t73_no_bit_of_a_grant_can_be_changed() {
        let owner = SigningKey::generate(SignatureKind::Ed25519);
        let bytes = OwnedGrant::sign(&order(), &owner)
            .unwrap()
            .signed()
            .0
            .clone();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(OwnedGrant::read(&changed).is_err());
        }
    }

    #[test]
    fn orders_that_mean_nothing_are_refused() {
        let owner = SigningKey::generate(SignatureKind::Ed25519);
        let refused = |change: fn(&mut GrantOrder)| {
            let mut order = order();
            change(&mut order);
            OwnedGrant::sign(&order, &owner).err()
        };
        assert_eq!(refused(|_| ()), None);
        assert_eq!(
            refused(|order| order.partition.clear()),
            Some(GrantError::Partition)
        );
        assert_eq!(
            refused(|order| order.actions.clear()),
            Some(GrantError::NoAction)
        );
        assert_eq!(
            refused(|order| order.keys.clear()),
            Some(GrantError::NoKey(Action::Sign))
        );
        assert_eq!(
            refused(|order| order.not_after_s = 1_000),
            Some(GrantError::Times)
        );
        let too_many = Some(GrantError::TooManyKeys {
            limit: 32,
            actual: 33,
        });
        assert_eq!(
            refused(|order| order.keys = (0..33).map(|n| KeyId([n; 32])).collect()),
            too_many
        );
        let keyless =
            |order: &mut GrantOrder| (order.keys, order.actions) = (vec![], vec![Action::Random]);
        assert_eq!(refused(keyless), None);
    }

    #[test]
    fn the_largest_grant_fits() {
        let owner = SigningKey::generate(SignatureKind::P256);
        let order = GrantOrder {
            partition: "p".repeat(64),
            keys: (0..32).map(|n| KeyId([n; 32])).collect(),
            actions: Action::ALL.to_vec(),
            audience: Audience::App(cofferdam_wire::id::Thumbprint([9; 32])),
            not_after_s: u64::MAX,
            epoch: u64::MAX,
            ..order()
        };
        assert!(OwnedGrant::sign(&order, &owner).is_ok());
    }
}
