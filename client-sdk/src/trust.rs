//! The trust file: whom this customer believes, in one explicit place.
//!
//! It pins the attestation root, the vendor's key and, where the customer wants, images and group. Nothing in it comes
//! from a provider and nothing has a default that trusts anybody: a trust file for the simulator names the simulator's
//! own root, so no production trust ever contains it. A file with an unknown field is refused, since a misspelt
//! restriction must not become a missing one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cofferdam_attestation::{Root, RootError};
use cofferdam_wire::binding::Measurement;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::GroupId;
use cofferdam_wire::kind::Suite;
use cofferdam_wire::limits;
use cofferdam_wire::vendor::VendorStatement;
use serde::{Deserialize, Serialize};

/// What stands in `attestation_root` for the root that Amazon publishes.
pub const AWS_NITRO: &str = "aws-nitro";

/// Why a trust file was refused.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file cannot be read.
    #[error("the trust file {path} cannot be read: {reason}")]
    Unreadable {
        /// Path of the file.
        path: String,
        /// What the system says.
        reason: std::io::Error,
    },
    /// Not TOML, or a field is missing, unknown or of another type.
    #[error("the trust file is not well formed: {0}")]
    Form(#[from] toml::de::Error),
    /// A version that this SDK does not know.
    #[error("the trust file has version {0}; this SDK reads version 1")]
    Version(u32),
    /// A field whose content is not what it must be.
    #[error("the field {field} of the trust file must be {expected}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The attestation root is no CA certificate.
    #[error("the field attestation_root of the trust file is refused: {0}")]
    Root(#[from] RootError),
}

/// The file as it is written (TOML). Its fields are text; [`TrustFile::check`] makes a [`Trust`] of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustFile {
    /// 1.
    pub version: u32,
    /// For people, and what this machine remembers the group under.
    pub name: String,
    /// Base64 of the DER certificate, or `aws-nitro`.
    pub attestation_root: String,
    /// COSE_Key in hex: Ed25519 or P-256.
    pub vendor_key: String,
    /// An extra TLS root for the parent, one PEM certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_ca: Option<String>,
    /// The only group that is accepted, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Oldest vendor statement accepted, in seconds; seven days if it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_statement_max_age_s: Option<u64>,
    /// The floor: suites (1, 2) that may be used at all. Without it a suite is used when it is asked for by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suites: Option<Vec<u8>>,
    /// The customer's own list of images. With it, an image must be on it *and* in the vendor's statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurements: Option<Vec<TrustedImage>>,
}

/// One image of the customer's own list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedImage {
    /// PCR0 in hex, 48 bytes.
    pub pcr0: String,
    /// PCR1 in hex.
    pub pcr1: String,
    /// PCR2 in hex.
    pub pcr2: String,
    /// Only Evidence older than this counts (Unix seconds); 0 condemns the image and every group that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_s: Option<u64>,
}

/// A trust file whose every field was understood.
#[derive(Debug, Clone)]
pub struct Trust {
    name: String,
    root: Root,
    vendor: PublicKey,
    provider_ca: Option<String>,
    group: Option<GroupId>,
    vendor_statement_max_age_s: u64,
    suites: Vec<Suite>,
    images: Option<Vec<(Measurement, Option<u64>)>>,
}

impl TrustFile {
    /// Understands every field, or says which one is wrong.
    pub fn check(&self) -> Result<Trust, TrustError> {
        if self.version != 1 {
            return Err(TrustError::Version(self.version));
        }
        let field = |field, expected| TrustError::Field { field, expected };
        if self.name.is_empty() || self.name.len() > 64 {
            return Err(field("name", "1 to 64 bytes long"));
        }
        let root = if self.attestation_root == AWS_NITRO {
            cofferdam_attestation::aws_nitro_root()
        } else {
            let der = BASE64.decode(&self.attestation_root).map_err(|_| {
                field(
                    "attestation_root",
                    "the base64 of a DER certificate, or \"aws-nitro\"",
                )
            })?;
            Root::from_der(&der)?
        };
        let vendor = hex::decode(&self.vendor_key)
            .ok()
            .and_then(|bytes| PublicKey::from_cose(&bytes).ok())
            .ok_or(field(
                "vendor_key",
                "a COSE_Key in hexadecimal (Ed25519 or P-256)",
            ))?;
        let group = match &self.group {
            None => None,
            Some(text) => {
                Some(GroupId::from_hex(text).ok_or(field("group", "64 hexadecimal digits"))?)
            }
        };
        let suites = match &self.suites {
            None => Suite::ALL.to_vec(),
            Some(numbers) => read_suites(numbers)
                .ok_or(field("suites", "a list of suite numbers, each 1 or 2"))?,
        };
        let images = match &self.measurements {
            None => None,
            Some(list) => Some(read_images(list).ok_or(field(
                "measurements",
                "a list with pcr0, pcr1 and pcr2 of 96 hexadecimal digits each",
            ))?),
        };
        let max_age_s = self
            .vendor_statement_max_age_s
            .unwrap_or(limits::VENDOR_STATEMENT_MAX_AGE_S);
        if !(1..=limits::VENDOR_STATEMENT_LIFETIME_S).contains(&max_age_s) {
            return Err(field(
                "vendor_statement_max_age_s",
                "between 1 second and 90 days",
            ));
        }
        Ok(Trust {
            name: self.name.clone(),
            root,
            vendor,
            provider_ca: self.provider_ca.clone(),
            group,
            vendor_statement_max_age_s: max_age_s,
            suites,
            images,
        })
    }

    /// The file's text.
    pub fn to_toml(&self) -> String {
        toml::to_string(self)
            .expect("invariant: tables come last, so every trust file has a TOML form")
    }

    /// Reads the file's text.
    pub fn from_toml(text: &str) -> Result<Self, TrustError> {
        Ok(toml::from_str(text)?)
    }
}

fn read_suites(numbers: &[u8]) -> Option<Vec<Suite>> {
    let known = |number: &u8| {
        Suite::ALL
            .iter()
            .copied()
            .find(|suite| suite.number() == u64::from(*number))
    };
    let suites: Option<Vec<_>> = numbers.iter().map(known).collect();
    suites.filter(|list| !list.is_empty())
}

fn read_images(list: &[TrustedImage]) -> Option<Vec<(Measurement, Option<u64>)>> {
    let pcr = |text: &str| <[u8; 48]>::try_from(hex::decode(text).ok()?).ok();
    let image = |image: &TrustedImage| {
        let measurement = Measurement {
            pcr0: pcr(&image.pcr0)?,
            pcr1: pcr(&image.pcr1)?,
            pcr2: pcr(&image.pcr2)?,
        };
        Some((measurement, image.until_s))
    };
    list.iter().map(image).collect()
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

    /// Whether Evidence made at `evidence_s` with `measurement` is that of a good image: the vendor must say so and, where
    /// the customer keeps a list of its own, that list too.
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
        own && statement.accepts(measurement, evidence_s)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use cofferdam_wire::vendor::Image;

    fn valid() -> TrustFile {
        TrustFile {
            version: 1,
            name: "acme".into(),
            attestation_root: AWS_NITRO.into(),
            vendor_key: hex::encode(PublicKey::Ed25519([1; 32]).to_cose()),
            provider_ca: None,
            group: Some("ab".repeat(32)),
            vendor_statement_max_age_s: None,
            suites: Some(vec![1]),
            measurements: Some(vec![TrustedImage {
                pcr0: "01".repeat(48),
                pcr1: "02".repeat(48),
                pcr2: "03".repeat(48),
                until_s: None,
            }]),
        }
    }

    fn refused(change: impl FnOnce(&mut TrustFile)) -> String {
        let mut file = valid();
        change(&mut file);
        file.check()
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn a_trust_file_reads_back() {
        assert_eq!(TrustFile::from_toml(&valid().to_toml()).unwrap(), valid());
        let trust = valid().check().unwrap();
        assert_eq!(trust.group(), Some(GroupId([0xab; 32])));
        assert!(trust.admits(Suite::XWing) && !trust.admits(Suite::RsaOaep));
        assert_eq!(trust.vendor_statement_max_age_s(), 7 * 24 * 3600);
    }

    #[test]
    fn every_field_is_understood_or_named() {
        assert_eq!(refused(|_| ()), "");
        assert!(refused(|file| file.version = 2).contains("version 2"));
        assert!(refused(|file| file.name.clear()).contains("name"));
        assert!(refused(|file| file.attestation_root = "AAAA".into()).contains("attestation_root"));
        assert!(refused(|file| file.attestation_root = "?".into()).contains("attestation_root"));
        assert!(refused(|file| file.vendor_key = "00".into()).contains("vendor_key"));
        assert!(refused(|file| file.group = Some("ab".into())).contains("group"));
        assert!(refused(|file| file.suites = Some(vec![])).contains("suites"));
        assert!(refused(|file| file.suites = Some(vec![3])).contains("suites"));
        assert!(refused(|file| file.vendor_statement_max_age_s = Some(0)).contains("max_age"));
        assert!(
            refused(|file| file.measurements.as_mut().unwrap()[0].pcr1 = "02".into())
                .contains("measurements")
        );
    }

    #[test]
    fn a_misspelt_restriction_is_no_missing_one() {
        let text = valid().to_toml().replace("group =", "gruop =");
        assert!(matches!(
            TrustFile::from_toml(&text),
            Err(TrustError::Form(_))
        ));
    }

    #[test]
    fn t53_the_vendor_and_the_own_list_must_both_name_an_image() {
        let named = Measurement {
            pcr0: [1; 48],
            pcr1: [2; 48],
            pcr2: [3; 48],
        };
        let other = Measurement {
            pcr2: [4; 48],
            ..named
        };
        let image = |measurement| Image {
            measurement,
            until_s: None,
            epoch: 1,
        };
        let statement = |images| VendorStatement {
            version: 1,
            sequence: 1,
            issued_s: 0,
            not_after_s: 1,
            images,
            providers: vec![],
        };
        let both = statement(vec![image(named), image(other)]);
        let trust = valid().check().unwrap();
        assert!(trust.accepts(&both, &named, 100));
        assert!(!trust.accepts(&both, &other, 100));
        assert!(!trust.accepts(&statement(vec![image(other)]), &named, 100));
        let mut file = valid();
        file.measurements = None;
        assert!(file.check().unwrap().accepts(&both, &other, 100));
        let mut file = valid();
        file.measurements.as_mut().unwrap()[0].until_s = Some(100);
        let trust = file.check().unwrap();
        assert!(trust.accepts(&both, &named, 99) && !trust.accepts(&both, &named, 100));
    }
}
