//! The configuration of `coffer`: where things are. It holds paths, never secrets.
//!
//! Unknown fields are refused; relative paths are relative to the file, so a directory with everything in it can move.

use std::path::{Path, PathBuf};

use cofferdam_wire::cose::PublicKey;
use serde::{Deserialize, Serialize};

use crate::files::{self, FileError};

const LIMIT: usize = 64 * 1024;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{0}; make a configuration with: coffer init, or name another one with --config FILE")]
    File(#[from] FileError),
    /// Not TOML, or an unknown or missing field.
    #[error("the configuration {path} is not well formed: {reason}")]
    Form {
        /// Path of the file.
        path: String,
        /// What the parser says.
        reason: String,
    },
    /// A field with a wrong content.
    #[error("the field {field} of the configuration {path} must be {expected}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// Path of the file.
        path: String,
        /// What it must be.
        expected: &'static str,
    },
}

/// The file as it is written (TOML).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `https://HOST[:PORT]` of the parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The trust file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<PathBuf>,
    /// The owner's private key, PKCS#8 in PEM. The machine of an app has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_key: Option<PathBuf>,
    /// The app's private key, PKCS#8 in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_key: Option<PathBuf>,
    /// Where imports, receipts and what was seen of a provider are kept.
    pub state_dir: PathBuf,
    /// The customer's revocation services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocation: Vec<ServiceConfig>,
}

/// One revocation service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// `https://HOST[:PORT]`.
    pub url: String,
    /// COSE_Key in hex; pinned in every key that names the service.
    pub status_root: String,
    /// A TLS root beside those of the system, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Token that registers and activates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registrar_token_file: Option<PathBuf>,
    /// Token that suspends, resumes and revokes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_token_file: Option<PathBuf>,
}

impl Config {
    /// Reads a configuration and makes its paths absolute to the file's directory.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let form = |reason: String| ConfigError::Form {
            path: shown.clone(),
            reason,
        };
        let text =
            String::from_utf8(files::read(path, LIMIT)?).map_err(|_| form("not UTF-8".into()))?;
        let mut config: Config = toml::from_str(&text).map_err(|error| form(error.to_string()))?;
        let base = path.parent().unwrap_or(Path::new(""));
        let anchor = |path: &mut PathBuf| *path = base.join(&*path);
        anchor(&mut config.state_dir);
        [
            &mut config.trust,
            &mut config.owner_key,
            &mut config.app_key,
        ]
        .into_iter()
        .flatten()
        .for_each(anchor);
        for service in &mut config.revocation {
            service.ca.iter_mut().for_each(anchor);
            service.registrar_token_file.iter_mut().for_each(anchor);
            service.admin_token_file.iter_mut().for_each(anchor);
            if service.root().is_none() {
                let expected = "a COSE_Key in hexadecimal (Ed25519 or P-256)";
                return Err(ConfigError::Field {
                    field: "revocation.status_root",
                    path: shown,
                    expected,
                });
            }
        }
        Ok(config)
    }

    /// The file's text.
    pub fn to_toml(&self) -> String {
        toml::to_string(self)
            .expect("invariant: tables come last, so every configuration has a TOML form")
    }
}

impl ServiceConfig {
    /// The status root, if the field holds one.
    pub fn root(&self) -> Option<PublicKey> {
        PublicKey::from_hex(&self.status_root)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            url: Some("https://parent.example".into()),
            trust: Some("trust.toml".into()),
            owner_key: Some("owner.pem".into()),
            app_key: Some("/keys/app.pem".into()),
            state_dir: "state".into(),
            revocation: vec![ServiceConfig {
                url: "https://status.example".into(),
                status_root: hex::encode(PublicKey::Ed25519([1; 32]).to_cose()),
                ca: Some("ca.pem".into()),
                registrar_token_file: Some("registrar".into()),
                admin_token_file: None,
            }],
        }
    }

    fn read(text: &str) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("coffer.toml");
        std::fs::write(&path, text).unwrap();
        let read = Config::read(&path);
        let local = |path: &Path| {
            path.strip_prefix(directory.path())
                .map_or(path.into(), Path::to_path_buf)
        };
        read.map(|config| Config {
            trust: config.trust.as_deref().map(local),
            owner_key: config.owner_key.as_deref().map(local),
            app_key: config.app_key.as_deref().map(local),
            state_dir: local(&config.state_dir),
            revocation: config
                .revocation
                .into_iter()
                .map(|service| ServiceConfig {
                    ca: service.ca.as_deref().map(local),
                    registrar_token_file: service.registrar_token_file.as_deref().map(local),
                    ..service
                })
                .collect(),
            ..config
        })
    }

    #[test]
    fn a_configuration_reads_back_with_its_own_directory_as_base() {
        assert_eq!(read(&config().to_toml()).unwrap(), config());
    }

    #[test]
    fn an_apps_machine_names_no_owner_key_and_an_owners_no_app_key() {
        let app = Config {
            owner_key: None,
            ..config()
        };
        assert_eq!(read(&app.to_toml()).unwrap(), app);
        let state_only = read("state_dir = \"state\"\n").unwrap();
        assert_eq!((state_only.owner_key, state_only.app_key), (None, None));
    }

    #[test]
    fn unknown_fields_and_bad_roots_are_named() {
        let unknown = read(&format!("interval = 5\n{}", config().to_toml())).unwrap_err();
        assert!(unknown.to_string().contains("interval"), "{unknown}");
        let mut bad = config();
        bad.revocation[0].status_root = "00".into();
        assert!(
            read(&bad.to_toml())
                .unwrap_err()
                .to_string()
                .contains("status_root")
        );
        let absent = Config::read(Path::new("/nonexistent/coffer.toml")).unwrap_err();
        assert!(absent.to_string().contains("coffer init"), "{absent}");
    }
}
