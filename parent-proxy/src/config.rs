//! The configuration file: TOML, every key known, every value checked before anything starts.
//!
//! It is the operator's word and trusted; a typing error in it is refused with the key's name. It holds no secret:
//! provider keys and the operator's token are files in `state_dir`, tokens of the provider plane stand here as hashes.

use crate::link::EnclaveAddress;
use cofferdam_wire::id::{Digest, Thumbprint};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What `cofferdam-parent-proxy --config` reads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of the HTTPS listener; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Address of the operator's plain HTTP listener; a loopback address.
    #[serde(default = "default_operator_listen")]
    pub operator_listen: SocketAddr,
    /// Directory for everything that this process keeps; made with mode 0700.
    pub state_dir: PathBuf,
    /// Where the enclave listens: `unix:/path`, `vsock:CID:PORT` or `vsock-unix:/path:PORT`.
    pub enclave: EnclaveAddress,
    /// File with the current vendor statement (COSE_Sign1); read again when it changes.
    pub vendor_statement: PathBuf,
    /// Where records are kept; `{ sqlite = "/path" }`, by default `records.sqlite` in `state_dir`.
    #[serde(default)]
    pub store: Option<StoreConfig>,
    /// Directory of the provider keys, by default `provider-keys` in `state_dir`.
    #[serde(default)]
    pub provider_keys: Option<PathBuf>,
    /// Owners who may import: `"all"` or a list of thumbprints (64 hexadecimal digits each).
    pub admit: Admission,
    /// Logs as one JSON object a line.
    #[serde(default)]
    pub log_json: bool,
    /// Certificate of the HTTPS listener; without it a CA of its own is made in `state_dir`.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// Names and addresses in the self-made certificate.
    #[serde(default = "default_tls_names")]
    pub tls_names: Vec<String>,
    /// Callers of the provider plane.
    #[serde(default)]
    pub provider_plane: Vec<PlaneCaller>,
    /// The link to the enclave.
    #[serde(default)]
    pub link: LinkConfig,
    /// Whom the courier may dial for the enclave.
    #[serde(default)]
    pub courier: CourierConfig,
    /// How much one caller, one partition and all together may use.
    #[serde(default)]
    pub limits: Limits,
}

/// Which store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreConfig {
    /// One SQLite file.
    Sqlite(PathBuf),
}

/// A certificate chain and its key, PEM.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Certificate chain, the server's own first.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// Who may use the provider plane.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaneCaller {
    /// For the log.
    pub name: String,
    /// SHA-256 of the bearer token, 64 hexadecimal digits.
    #[serde(serialize_with = "display", deserialize_with = "hex_digest")]
    pub token_sha256: Digest,
}

/// The link to the enclave.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkConfig {
    /// Parallel streams, 1 to 8.
    pub streams: usize,
    /// Requests under way at once, over all callers. A request of more than 4 KiB counts once for each 4 KiB.
    pub in_flight: u32,
}

/// Whom the courier may dial.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CourierConfig {
    /// Also private, loopback and other non-public addresses. For services inside the provider's network only.
    pub allow_private: bool,
    /// PEM files with CAs that are accepted beside the system's.
    pub extra_ca: Vec<PathBuf>,
    /// Ports that may be dialled; an empty list allows every port.
    pub allowed_ports: Vec<u16>,
}

/// Caps. A caller is an IPv4 address or an IPv6 /64.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections, all callers together.
    pub connections: usize,
    /// Open connections of one caller.
    pub connections_per_caller: usize,
    /// Requests under way of one caller, counted as in `link.in_flight`.
    pub in_flight_per_caller: u32,
    /// Keys kept for one partition.
    pub keys_per_partition: u64,
    /// Imports for one partition in a minute.
    pub imports_per_minute: u32,
    /// Seconds that a stream may be silent.
    pub stream_idle_s: u64,
    /// Seconds that requests under way get after SIGTERM.
    pub shutdown_grace_s: u64,
}

/// Who may import.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Every owner.
    All,
    /// These owners.
    Owners(Vec<Thumbprint>),
}

impl Admission {
    /// Whether this owner may import.
    pub fn admits(&self, owner: &Thumbprint) -> bool {
        match self {
            Admission::All => true,
            Admission::Owners(owners) => owners.contains(owner),
        }
    }
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            streams: 1,
            in_flight: 4096,
        }
    }
}

impl Default for CourierConfig {
    fn default() -> Self {
        Self {
            allow_private: false,
            extra_ca: Vec::new(),
            allowed_ports: vec![443],
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2048,
            connections_per_caller: 256,
            in_flight_per_caller: 1024,
            keys_per_partition: 100_000,
            imports_per_minute: 6_000,
            stream_idle_s: 600,
            shutdown_grace_s: 20,
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("{}: {error}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        error: Box<toml::de::Error>,
    },
    /// A value that would not be safe or cannot work.
    #[error("{key}: {reason}")]
    Value {
        /// Which key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Config {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read {
            path: path.into(),
            error,
        })?;
        let parsed: Config = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.into(),
            error: Box::new(error),
        })?;
        parsed.check()?;
        Ok(parsed)
    }

    /// Checks values that depend on each other or on the world.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, reason: &str| {
            Err(ConfigError::Value {
                key,
                reason: reason.into(),
            })
        };
        if !self.operator_listen.ip().is_loopback() {
            // The operator's requests and token are not encrypted on this listener.
            return refuse("operator_listen", "must be a loopback address");
        }
        if !(1..=8).contains(&self.link.streams) {
            return refuse("link.streams", "must be 1 to 8");
        }
        if self.link.in_flight < 32 || self.limits.in_flight_per_caller < 32 {
            return refuse(
                "in_flight",
                "must be at least 32, so that one full frame fits",
            );
        }
        if self.limits.connections == 0 || self.limits.connections_per_caller == 0 {
            return refuse("limits.connections", "must be at least 1");
        }
        if self.tls.is_none() && self.tls_names.is_empty() {
            return refuse("tls_names", "the self-made certificate needs a name");
        }
        if self
            .provider_plane
            .iter()
            .any(|caller| caller.name.is_empty())
        {
            return refuse("provider_plane.name", "must not be empty");
        }
        Ok(())
    }

    /// Opens every file that the configuration names, and changes nothing.
    pub fn check_files(&self) -> Result<(), ConfigError> {
        let refuse = |key| move |error: String| ConfigError::Value { key, reason: error };
        if let Some(tls) = &self.tls {
            crate::tls::from_files(tls).map_err(|error| refuse("tls")(error.to_string()))?;
        }
        crate::vendor_statement::VendorStatementFile::new(self.vendor_statement.clone())
            .current()
            .map_err(|error| refuse("vendor_statement")(error.to_string()))?;
        crate::courier::Courier::new(&self.courier)
            .map_err(|error| refuse("courier")(error.to_string()))?;
        let keys = self.provider_keys_dir();
        if keys.exists() {
            crate::provider_keys::FileKeys::open(&keys)
                .map_err(|error| refuse("provider_keys")(error.to_string()))?;
        }
        Ok(())
    }

    /// Directory of the provider keys.
    pub fn provider_keys_dir(&self) -> PathBuf {
        self.provider_keys
            .clone()
            .unwrap_or_else(|| self.state_dir.join("provider-keys"))
    }

    /// The SQLite file.
    pub fn sqlite_path(&self) -> PathBuf {
        match &self.store {
            Some(StoreConfig::Sqlite(path)) => path.clone(),
            None => self.state_dir.join("records.sqlite"),
        }
    }
}

fn default_operator_listen() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8444)
}

fn default_tls_names() -> Vec<String> {
    ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec()
}

fn display<S: Serializer>(value: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn hex_digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(deserializer)?;
    Digest::from_hex(&text).ok_or_else(|| de::Error::custom("expected 64 hexadecimal digits"))
}

impl Serialize for Admission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Admission::All => serializer.serialize_str("all"),
            Admission::Owners(owners) => {
                serializer.collect_seq(owners.iter().map(ToString::to_string))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Admission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Word(String),
            List(Vec<String>),
        }
        let refused = || {
            de::Error::custom("expected \"all\" or a list of thumbprints of 64 hexadecimal digits")
        };
        match Form::deserialize(deserializer)? {
            Form::Word(word) if word == "all" => Ok(Admission::All),
            Form::Word(_) => Err(refused()),
            Form::List(list) => {
                let owners: Option<_> =
                    list.iter().map(|text| Thumbprint::from_hex(text)).collect();
                owners.map(Admission::Owners).ok_or_else(refused)
            }
        }
    }
}

#[cfg(test)]
mod tests;
