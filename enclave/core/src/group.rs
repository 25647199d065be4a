//! Membership in a group. A group key gets here by genesis or by recovery, and in no other way (T-63).

use crate::crypto::secret::Secret32;
use crate::recover::Recovering;
use cofferdam_wire::Code;
use cofferdam_wire::group::GenesisBody;
use cofferdam_wire::id::GroupId;
use std::sync::Arc;

/// Where this instance stands. It moves down this list only.
pub(crate) enum Membership {
    /// Fresh: it may make a group, or ask to be let into one.
    Alone,
    /// It knows which group it wants to serve and waits for officers.
    Recovering(Recovering),
    /// It has the group key.
    Member(Member),
}

/// A group and its key.
pub(crate) struct Member {
    /// The group.
    pub(crate) group: Group,
    /// Seals records.
    pub(crate) key: Arc<Secret32>,
}

/// A group by its genesis.
pub(crate) struct Group {
    /// H of the body.
    pub(crate) id: GroupId,
    /// What the group is.
    pub(crate) body: GenesisBody,
    /// Encoded genesis record.
    pub(crate) record: Arc<Vec<u8>>,
}

impl Membership {
    /// The group, once there is one to name in a Binding.
    pub(crate) fn group(&self) -> Option<&Group> {
        match self {
            Membership::Alone => None,
            Membership::Recovering(recovering) => Some(recovering.group()),
            Membership::Member(member) => Some(&member.group),
        }
    }

    /// The group with its key.
    pub(crate) fn member(&self) -> Result<&Member, Code> {
        match self {
            Membership::Member(member) => Ok(member),
            _ => Err(Code::NotReady),
        }
    }
}
