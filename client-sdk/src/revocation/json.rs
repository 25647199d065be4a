//! What a revocation service says of a registration, as JSON.

use serde::{Deserialize, Serialize};

/// State of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationState {
    /// Registered; enclaves hear nothing. For at most 48 hours.
    Pending,
    /// Enclaves hear "good".
    Active,
    /// Enclaves hear "suspended".
    Suspended,
    /// Enclaves hear "revoked", for ever.
    Revoked,
    /// Was never activated in time.
    Expired,
}

impl std::fmt::Display for RegistrationState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RegistrationState::Pending => "pending",
            RegistrationState::Active => "active",
            RegistrationState::Suspended => "suspended",
            RegistrationState::Revoked => "revoked",
            RegistrationState::Expired => "expired",
        })
    }
}

/// One registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// Names it, hex.
    pub handle: String,
    /// Its state.
    pub state: RegistrationState,
    /// Grows with every change.
    pub sequence: u64,
    /// Lowest grant epoch still accepted.
    pub grant_epoch: u64,
    /// The group that may ask, hex.
    pub group: String,
    /// Thumbprint of the owner, hex.
    pub owner_thumbprint: String,
    /// RFC 3339.
    pub created: String,
    /// RFC 3339.
    pub changed: String,
}
