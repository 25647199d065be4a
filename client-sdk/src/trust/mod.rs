//! The trust file: whom this customer believes, in one explicit place.
//!
//! It pins the attestation root, the vendor's key and, where the customer wants, images and group. Nothing in it comes
//! from a provider and nothing has a default that trusts anybody: a trust file for the simulator names the simulator's
//! own root, so no production trust ever contains it. A file with an unknown field is refused, since a misspelt
//! restriction must not become a missing one.

mod file;
mod template;
#[cfg(test)]
mod tests;

use cofferdam_attestation::Root;
use cofferdam_wire::binding::Measurement;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::GroupId;
use cofferdam_wire::kind::Suite;
use cofferdam_wire::vendor::VendorStatement;
use reqwest::Url;

pub use file::{AWS_NITRO, TrustError, TrustFile, TrustedImage, TrustedValidator};
pub use template::Template;

/// A trust file whose every field was understood.
#[derive(Debug, Clone)]
pub struct Trust {
    name: String,
    root: Root,
    vendor: PublicKey,
    provider: Option<String>,
    provider_ca: Option<String>,
    group: Option<GroupId>,
    vendor_statement_max_age_s: u64,
    suites: Vec<Suite>,
    images: Option<Vec<(Measurement, Option<u64>)>>,
    vendor_url: Option<VendorUrl>,
    validators: Vec<Validator>,
}

/// Where the vendor publishes its newest statement.
#[derive(Debug, Clone)]
pub(crate) struct VendorUrl {
    pub(crate) url: Url,
    pub(crate) ca: Option<String>,
    /// Whether a failure to fetch refuses the proof.
    pub(crate) is_required: bool,
}

/// A validator and the key that its answers are signed with.
#[derive(Debug, Clone)]
pub(crate) struct Validator {
    pub(crate) url: Url,
    pub(crate) key: PublicKey,
    pub(crate) ca: Option<String>,
}

impl Trust {
    /// Reads and checks a trust file.
    pub fn read(path: &std::path::Path) -> Result<Self, TrustError> {
        let unreadable = |reason| TrustError::Unreadable {
            path: path.display().to_string(),
            reason,
        };
        TrustFile::from_toml(&std::fs::read_to_string(path).map_err(unreadable)?)?.check()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The one attestation root that counts (T-04).
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The vendor's signing key.
    pub fn vendor(&self) -> &PublicKey {
        &self.vendor
    }

    /// The one provider that is accepted, if the file names it (T-02).
    pub fn provider(&self) -> Option<&str> {
        self.provider.as_deref()
    }

    /// The extra TLS root for the parent, in PEM.
    pub fn provider_ca(&self) -> Option<&str> {
        self.provider_ca.as_deref()
    }

    /// The one group that is accepted, if the file names it (T-20).
    pub fn group(&self) -> Option<GroupId> {
        self.group
    }

    /// Oldest vendor statement accepted, seconds.
    pub fn vendor_statement_max_age_s(&self) -> u64 {
        self.vendor_statement_max_age_s
    }

    /// Whether the floor admits this suite (T-35).
    pub fn admits(&self, suite: Suite) -> bool {
        self.suites.contains(&suite)
    }

    /// Where a fresher statement is fetched from, if anywhere.
    pub(crate) fn vendor_url(&self) -> Option<&VendorUrl> {
        self.vendor_url.as_ref()
    }

    /// Who else is asked about the provider's keys.
    pub(crate) fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// Whether Evidence made at `evidence_s` with `measurement` is that of a good image: the vendor must say so and, where
    /// the customer keeps a list of its own, that list too. Who signed the image is a question of its own (PRF-20).
    pub fn accepts(
        &self,
        statement: &VendorStatement,
        measurement: &Measurement,
        evidence_s: u64,
    ) -> bool {
        let own = match &self.images {
            None => true,
            Some(images) => {
                let mut named = images
                    .iter()
                    .filter(|(image, _)| image == measurement)
                    .peekable();
                named.peek().is_some()
                    && named.all(|(_, until)| until.is_none_or(|until_s| evidence_s < until_s))
            }
        };
        own && statement.names(measurement, evidence_s)
    }
}
