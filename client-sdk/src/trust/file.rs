//! The trust file as it is written, and how each field is understood or named in a refusal.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cofferdam_attestation::{Root, RootError};
use cofferdam_wire::binding::Measurement;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{GroupId, Pcr};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::limits;
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::{Trust, Validator, VendorUrl};

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
    /// The only provider that is accepted, by its name in the vendor's table (PRF-26).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
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
    /// `https://HOST[:PORT]/PATH` of the vendor's newest statement. It is fetched beside the one that the provider staples,
    /// and the higher sequence counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_url: Option<String>,
    /// Whether a statement that cannot be fetched is a refusal (PRF-24). If not, the stapled one has to do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vendor_url_required: bool,
    /// An extra TLS root for `vendor_url`, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_ca: Option<String>,
    /// The customer's own list of images. With it, an image must be on it *and* in the vendor's statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurements: Option<Vec<TrustedImage>>,
    /// Validators. Each of them must say "current" of each key that a provider offers (PRF-25).
    #[serde(default, rename = "validator", skip_serializing_if = "Vec::is_empty")]
    pub validators: Vec<TrustedValidator>,
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

/// One validator: the provider's own, or anybody's that answers the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedValidator {
    /// `https://HOST[:PORT]`.
    pub url: String,
    /// COSE_Key in hex: Ed25519 or P-256.
    pub key: String,
    /// An extra TLS root for it, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
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
        if self
            .provider
            .as_ref()
            .is_some_and(|name| !(1..=64).contains(&name.len()))
        {
            return Err(field(
                "provider",
                "1 to 64 bytes long, as in the vendor's table",
            ));
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
        let vendor = PublicKey::from_hex(&self.vendor_key).ok_or(field(
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
        let vendor_url = match &self.vendor_url {
            None if self.vendor_url_required || self.vendor_ca.is_some() => {
                return Err(field(
                    "vendor_url",
                    "set where vendor_url_required or vendor_ca is",
                ));
            }
            None => None,
            Some(url) => Some(VendorUrl {
                url: read_url(url)
                    .ok_or(field("vendor_url", "of the form https://HOST[:PORT]/PATH"))?,
                ca: self.vendor_ca.clone(),
                is_required: self.vendor_url_required,
            }),
        };
        let validators = self.validators.iter().map(TrustedValidator::check);
        Ok(Trust {
            vendor_url,
            validators: validators.collect::<Result<_, _>>()?,
            name: self.name.clone(),
            root,
            vendor,
            provider: self.provider.clone(),
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
    let pcr = |text: &str| Pcr::from_hex(text).map(|pcr| pcr.0);
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

impl TrustedValidator {
    fn check(&self) -> Result<Validator, TrustError> {
        let field = |field, expected| TrustError::Field { field, expected };
        let url = read_url(&self.url).filter(|url| url.path() == "/" && url.query().is_none());
        Ok(Validator {
            url: url.ok_or(field("validator.url", "of the form https://HOST[:PORT]"))?,
            key: PublicKey::from_hex(&self.key).ok_or(field(
                "validator.key",
                "a COSE_Key in hexadecimal (Ed25519 or P-256)",
            ))?,
            ca: self.ca.clone(),
        })
    }
}

/// An https address with a host, and no credentials in it. A path that begins with two slashes would name another host.
fn read_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.scheme() == "https"
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && !url.path().starts_with("//");
    is_plain.then_some(url)
}
