//! Settings, read from one TOML file. An unknown field is an error: a misspelt limit must not be a missing limit.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_attestation::{Root, aws_nitro_root};
use cofferdam_wire::binding::Measurement;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{GroupId, Pcr};
use cofferdam_wire::limits;
use serde::{Deserialize, Serialize};

use crate::appraisal::Accepted;

/// Most bytes of a configuration file.
const MAX_FILE: u64 = 256 * 1024;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration {path} cannot be read: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, a field is missing, or one is unknown.
    #[error("the configuration is not valid: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A value cannot be used.
    #[error("the configuration's {field} {problem}")]
    Value {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// The service's settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and port to listen on; port 0 takes a free one, which `ready.json` names.
    pub listen: SocketAddr,
    /// Database, keys and tokens. Its backups hold release secrets and must age out.
    pub state_dir: PathBuf,
    /// The signed log. Not below `state_dir`: whoever restores one must not restore the other with it (T-75).
    pub audit_log: PathBuf,
    /// Host name or address in the service's own TLS certificate and in `ready.json`.
    #[serde(default = "default_public_name")]
    pub public_name: String,
    /// Caps interval and grace together, seconds: an answer lets a key be used for no longer.
    #[serde(default = "default_valid_for_s")]
    pub valid_for_s: u32,
    /// Life of the certificates of the status key and the HPKE key, seconds; at most 7 days.
    #[serde(default = "default_certificate_lifetime_s")]
    pub certificate_lifetime_s: u64,
    /// The status root's public half (COSE_Key in hex), when its private half is kept elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_root: Option<String>,
    /// The registrar's token; made in `state_dir` if not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registrar_token_file: Option<PathBuf>,
    /// The admin's token; made in `state_dir` if not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_token_file: Option<PathBuf>,
    /// If any are named (hex), only these groups are registered and answered.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Status queries that one address may send, a second, sustained; ten times as many in a burst.
    #[serde(default = "default_queries_per_second")]
    pub queries_per_second: u32,
    /// The service's TLS certificate; without it the service makes itself a CA and a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
    /// Which enclaves the customer consents to.
    pub verifier: Verifier,
}

/// TLS files, PEM.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// The leaf's private key.
    pub key: PathBuf,
    /// What clients should trust, if it is not a public authority; only named in `ready.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// The service's own reference values.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verifier {
    /// Root certificate of Evidence, DER in base64. Without it, the root of AWS Nitro Enclaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation_root: Option<String>,
    /// The images that the customer consents to.
    pub measurements: Vec<AcceptedImage>,
}

/// One image that the customer consents to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptedImage {
    /// 48 bytes in hex.
    pub pcr0: String,
    /// 48 bytes in hex.
    pub pcr1: String,
    /// 48 bytes in hex.
    pub pcr2: String,
    /// Only Evidence made before this counts, Unix seconds; 0 also condemns every group that the image made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_s: Option<u64>,
}

fn default_public_name() -> String {
    "localhost".into()
}

fn default_valid_for_s() -> u32 {
    limits::INTERVAL_MAX_S + limits::GRACE_MAX_S
}

fn default_certificate_lifetime_s() -> u64 {
    limits::STATUS_CERTIFICATE_LIFETIME_S
}

fn default_queries_per_second() -> u32 {
    50
}

fn invalid(field: &'static str, problem: &'static str) -> ConfigError {
    ConfigError::Value { field, problem }
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read {
            path: path.into(),
            source,
        };
        let not_there = || read(std::io::ErrorKind::NotFound.into());
        let bytes = cofferdam::private_file::read(path, MAX_FILE)
            .map_err(read)?
            .ok_or_else(not_there)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| invalid("text", "is not UTF-8"))?;
        let config: Config = toml::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    /// Checks every value, and that each parses.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.audit_log.starts_with(&self.state_dir) {
            return Err(invalid(
                "audit_log",
                "lies in state_dir; put it on another path, best on another disk",
            ));
        }
        if self.valid_for_s < limits::INTERVAL_MIN_S {
            return Err(invalid(
                "valid_for_s",
                "is shorter than the shortest interval, 5 s",
            ));
        }
        if !(3600..=limits::STATUS_CERTIFICATE_LIFETIME_S).contains(&self.certificate_lifetime_s) {
            return Err(invalid(
                "certificate_lifetime_s",
                "is not between an hour and 7 days",
            ));
        }
        if self.queries_per_second == 0 {
            return Err(invalid(
                "queries_per_second",
                "is 0, so no query would be answered",
            ));
        }
        if self.verifier.measurements.is_empty() {
            return Err(invalid(
                "verifier.measurements",
                "is empty, so no enclave would be accepted",
            ));
        }
        self.attestation_root()?;
        self.accepted()?;
        self.pinned_groups()?;
        self.status_root()?;
        Ok(())
    }

    /// The root of Evidence.
    pub fn attestation_root(&self) -> Result<Root, ConfigError> {
        let Some(text) = &self.verifier.attestation_root else {
            return Ok(aws_nitro_root());
        };
        let field = "verifier.attestation_root";
        let der = STANDARD
            .decode(text)
            .map_err(|_| invalid(field, "is not base64"))?;
        Root::from_der(&der).map_err(|_| invalid(field, "is not a CA certificate in DER"))
    }

    /// The images consented to.
    pub fn accepted(&self) -> Result<Vec<Accepted>, ConfigError> {
        self.verifier
            .measurements
            .iter()
            .map(AcceptedImage::parse)
            .collect()
    }

    /// The groups named, if any.
    pub fn pinned_groups(&self) -> Result<Vec<GroupId>, ConfigError> {
        let parse = |text: &String| {
            GroupId::from_hex(text).ok_or(invalid(
                "groups",
                "has an entry that is not 32 bytes in hex",
            ))
        };
        self.groups.iter().map(parse).collect()
    }

    /// The status root's public half, if it is named.
    pub fn status_root(&self) -> Result<Option<PublicKey>, ConfigError> {
        let parse = |text: &String| {
            let bytes = hex::decode(text).map_err(|_| invalid("status_root", "is not hex"))?;
            PublicKey::from_cose(&bytes)
                .map_err(|_| invalid("status_root", "is not a COSE_Key of Ed25519 or P-256"))
        };
        self.status_root.as_ref().map(parse).transpose()
    }

    /// Where the registrar's token is.
    pub fn registrar_token_file(&self) -> PathBuf {
        self.registrar_token_file
            .clone()
            .unwrap_or_else(|| self.state_dir.join("registrar.token"))
    }

    /// Where the admin's token is.
    pub fn admin_token_file(&self) -> PathBuf {
        self.admin_token_file
            .clone()
            .unwrap_or_else(|| self.state_dir.join("admin.token"))
    }
}

impl AcceptedImage {
    fn parse(&self) -> Result<Accepted, ConfigError> {
        let pcr = |text: &str| {
            Pcr::from_hex(text).map(|pcr| pcr.0).ok_or_else(|| {
                invalid(
                    "verifier.measurements",
                    "has a PCR that is not 48 bytes in hex",
                )
            })
        };
        let measurement = Measurement {
            pcr0: pcr(&self.pcr0)?,
            pcr1: pcr(&self.pcr1)?,
            pcr2: pcr(&self.pcr2)?,
        };
        // Zeros are what debug mode shows; the parent reads the memory of such an enclave.
        if [measurement.pcr0, measurement.pcr1, measurement.pcr2].contains(&[0; 48]) {
            return Err(invalid(
                "verifier.measurements",
                "has a PCR of zeros: debug mode is never accepted",
            ));
        }
        Ok(Accepted {
            measurement,
            until_s: self.until_s,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn text() -> String {
        let pcr = |byte: &str| byte.repeat(48);
        format!(
            "listen = '127.0.0.1:0'\nstate_dir = '/s'\naudit_log = '/a/log'\n[verifier]\n\
             measurements = [{{ pcr0 = '{}', pcr1 = '{}', pcr2 = '{}' }}]\n",
            pcr("a0"),
            pcr("a1"),
            pcr("a2")
        )
    }

    fn refused(old: &str, new: &str) -> bool {
        assert!(text().contains(old));
        let config: Result<Config, _> = toml::from_str(&text().replace(old, new));
        config.map_or(true, |config| config.check().is_err())
    }

    #[test]
    fn defaults_fill_what_is_not_said_and_it_reads_back() {
        let config: Config = toml::from_str(&text()).unwrap();
        config.check().unwrap();
        assert_eq!(config.valid_for_s, 7 * 24 * 3600 + 3600);
        assert_eq!(
            config.registrar_token_file(),
            PathBuf::from("/s/registrar.token")
        );
        let again: Config = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
        assert_eq!(again.accepted().unwrap(), config.accepted().unwrap());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert!(!refused("'/s'", "'/s2'"));
        assert!(refused("state_dir", "state_directory"));
        assert!(refused("'/a/log'", "'/s/log'"));
        assert!(refused("[verifier]", "valid_for_s = 4\n[verifier]"));
        assert!(refused(
            "[verifier]",
            "certificate_lifetime_s = 604801\n[verifier]"
        ));
        assert!(refused("[verifier]", "groups = ['00']\n[verifier]"));
        assert!(refused("[verifier]", "status_root = '00'\n[verifier]"));
        assert!(refused(
            "[verifier]",
            "[verifier]\nattestation_root = 'AAAA'"
        ));
        assert!(refused(&"a0".repeat(48), &"00".repeat(48)));
        assert!(refused(&"a0".repeat(48), &"a0".repeat(47)));
    }
}
