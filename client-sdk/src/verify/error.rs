//! Why a proof was refused: one variant a check, with the check's id of `docs/protocol/proof.md`.

use cofferdam_attestation::EvidenceError;
use cofferdam_wire::binding::Measurement;
use cofferdam_wire::id::{GroupId, RecipientId};

use super::validator::ValidatorError;
use crate::known::KnownError;

/// Why a proof was refused.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// PRF-1: a part is not what it must be, byte for byte.
    #[error("PRF-1: the {0} of the proof is not well formed; compare the versions of both sides")]
    Malformed(&'static str),
    /// PRF-2: the Evidence is refused.
    #[error(
        "PRF-2: the evidence is refused ({0}); whoever answered is not an enclave under the trusted root, or this machine's clock is wrong"
    )]
    Evidence(EvidenceError),
    /// PRF-3: the Evidence was made for somebody else's question (T-03).
    #[error("PRF-3: the evidence does not carry the nonce of this request; it is a replay")]
    Nonce,
    /// PRF-3: Evidence without a nonce of ours is too old or from the future.
    #[error("PRF-3: the evidence was made at {made_s}, too far from {expected_s} (Unix seconds)")]
    Age {
        /// When it was made.
        made_s: u64,
        /// About when it should have been made.
        expected_s: u64,
    },
    /// PRF-4: the Evidence vouches for another Binding (T-08).
    #[error(
        "PRF-4: the evidence does not vouch for these keys; somebody stands between here and the enclave"
    )]
    UserData,
    /// PRF-5: the Evidence vouches for another instance key.
    #[error("PRF-5: the evidence does not vouch for the instance key, or that key is not Ed25519")]
    InstanceKey,
    /// PRF-6: the Binding says something that no image says.
    #[error("PRF-6: the binding is not sound: {0}")]
    Binding(&'static str),
    /// PRF-7: an image that its own group does not admit.
    #[error("PRF-7: the enclave's measurement ({}) is not among those that its binding admits", short(.0))]
    NotAdmitted(Box<Measurement>),
    /// PRF-8: the vendor statement is not the pinned vendor's.
    #[error("PRF-8: the vendor statement is not signed by the trusted vendor")]
    VendorSignature,
    /// PRF-9: the vendor statement is over, too old, from the future or valid for too long.
    #[error("PRF-9: the vendor statement is not current: {0}")]
    VendorStale(&'static str),
    /// PRF-10: an older statement than one seen before (T-66).
    #[error(
        "PRF-10: the vendor statement has sequence {got}, and {highest} was seen before; an older statement is not accepted again"
    )]
    VendorSequence {
        /// The sequence that came.
        got: u64,
        /// The highest seen.
        highest: u64,
    },
    /// PRF-11: an admitted image that vendor or customer does not accept (T-53).
    #[error("PRF-11: the group admits an image ({}) that the vendor's statement or your own list does not accept", short(.0))]
    MeasurementRefused(Box<Measurement>),
    /// PRF-12: the genesis record makes another group.
    #[error("PRF-12: the genesis record is that of group {made}, and the enclave says {said}")]
    GenesisGroup {
        /// Hash of the record's body.
        made: GroupId,
        /// What the Binding says.
        said: GroupId,
    },
    /// PRF-13: the genesis Evidence is refused, at its own time.
    #[error("PRF-13: the genesis evidence is refused ({0})")]
    GenesisEvidence(EvidenceError),
    /// PRF-13: the genesis Evidence carries a key, so it was made for something else.
    #[error("PRF-13: the genesis evidence carries a public key, so it is not genesis evidence")]
    GenesisPublicKey,
    /// PRF-14: the group was made by an image that is not acceptable.
    #[error("PRF-14: the group was made by an image ({}) that the vendor's statement or your own list does not accept for that time", short(.0))]
    GenesisMeasurement(Box<Measurement>),
    /// PRF-15: genesis body and Binding disagree, or the body breaks its own rules.
    #[error("PRF-15: the genesis record is not sound: {0}")]
    GenesisBody(&'static str),
    /// PRF-16: another group than the pinned or remembered one (T-20).
    #[error(
        "PRF-16: this is group {got}, and the trusted one is {expected}; if the provider really began anew, set `group` in the trust file"
    )]
    Group {
        /// The group that answered.
        got: GroupId,
        /// The pinned or remembered one.
        expected: GroupId,
    },
    /// PRF-17: no provider key, or one that is malformed or not in the vendor's table.
    #[error("PRF-17: the provider key {0} is not in the vendor's table of providers")]
    ProviderKey(RecipientId),
    /// PRF-17: no provider key, or one that is malformed.
    #[error("PRF-17: the provider offers no key, or one that is not well formed")]
    ProviderKeys,
    /// PRF-20: Evidence shows another signer of the image than the vendor names (T-53).
    #[error(
        "PRF-20: the {evidence} shows another signer of the image (PCR8) than the vendor's statement names for it"
    )]
    Signer {
        /// Whose Evidence.
        evidence: &'static str,
    },
    /// PRF-21: an image of an older epoch than the one that made the group (T-32).
    #[error("PRF-21: the group admits an image ({}) of an older epoch than the one that made it; what a newer image held does not go to an older one", short(.0))]
    OlderImage(Box<Measurement>),
    /// PRF-22: the keys offered are not of one provider.
    #[error(
        "PRF-22: the provider keys offered are not those of one provider in the vendor's table"
    )]
    SeveralProviders,
    /// PRF-23: a genuine image on somebody else's machine.
    #[error(
        "PRF-23: the enclave does not run on a machine of {provider:?}: its evidence shows none of the roles (PCR3) that the vendor's table names; somebody else runs this image"
    )]
    Machine {
        /// The provider's name in the table.
        provider: String,
    },
    /// PRF-24: the vendor's own address gave no statement that counts, and the trust file requires one.
    #[error(
        "PRF-24: {url} gave no vendor statement that counts ({reason}), and the trust file says vendor_url_required"
    )]
    VendorUrl {
        /// Where it was asked for.
        url: String,
        /// What happened.
        reason: String,
    },
    /// PRF-25: a validator does not say that a provider key is in use.
    #[error("PRF-25: the validator {url} does not confirm the provider key {key}: {reason}")]
    Validator {
        /// Who was asked.
        url: String,
        /// About which key.
        key: RecipientId,
        /// What it said, or what happened.
        reason: Box<ValidatorError>,
    },
    /// PRF-26: another provider of the vendor's table than the pinned one (T-02).
    #[error(
        "PRF-26: these are the keys of the provider {got:?}, and the trusted one is {expected:?}; whoever answered is somebody else"
    )]
    OtherProvider {
        /// The provider whose keys were offered.
        got: String,
        /// The pinned one.
        expected: String,
    },
    /// The memory of this machine cannot be asked, so PRF-10 and PRF-16 cannot be decided.
    #[error("PRF-10: {0}")]
    Known(#[from] KnownError),
}

impl ProofError {
    /// The id of the check that refused.
    pub fn check(&self) -> &'static str {
        match self {
            ProofError::Malformed(_) => "PRF-1",
            ProofError::Evidence(_) => "PRF-2",
            ProofError::Nonce | ProofError::Age { .. } => "PRF-3",
            ProofError::UserData => "PRF-4",
            ProofError::InstanceKey => "PRF-5",
            ProofError::Binding(_) => "PRF-6",
            ProofError::NotAdmitted(_) => "PRF-7",
            ProofError::VendorSignature => "PRF-8",
            ProofError::VendorStale(_) => "PRF-9",
            ProofError::VendorSequence { .. } | ProofError::Known(_) => "PRF-10",
            ProofError::MeasurementRefused(_) => "PRF-11",
            ProofError::GenesisGroup { .. } => "PRF-12",
            ProofError::GenesisEvidence(_) | ProofError::GenesisPublicKey => "PRF-13",
            ProofError::GenesisMeasurement(_) => "PRF-14",
            ProofError::GenesisBody(_) => "PRF-15",
            ProofError::Group { .. } => "PRF-16",
            ProofError::ProviderKey(_) | ProofError::ProviderKeys => "PRF-17",
            ProofError::Signer { .. } => "PRF-20",
            ProofError::OlderImage(_) => "PRF-21",
            ProofError::SeveralProviders => "PRF-22",
            ProofError::Machine { .. } => "PRF-23",
            ProofError::VendorUrl { .. } => "PRF-24",
            ProofError::Validator { .. } => "PRF-25",
            ProofError::OtherProvider { .. } => "PRF-26",
        }
    }
}

/// The first bytes of PCR0, enough for a person to recognise an image by.
fn short(measurement: &Measurement) -> String {
    format!("pcr0 {}...", hex::encode(&measurement.pcr0[..8]))
}
