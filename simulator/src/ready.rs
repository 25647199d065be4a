//! `ready.json`: what other programs read to find everything. The schema is docs/operating/simulator.md.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::layout::write_private;

/// The file's content. Written when all is ready, again when a process id changes, and removed at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// 1.
    pub version: u32,
    /// `https://HOST:PORT` of the parent.
    pub parent_url: String,
    /// TLS root of the parent, PEM.
    pub provider_ca: PathBuf,
    /// `http://HOST:PORT` of the parent's operator listener.
    pub operator_url: String,
    /// Bearer token of the operator.
    pub operator_token_file: PathBuf,
    /// `https://HOST:PORT` of the revocation service.
    pub revocation_url: String,
    /// TLS root of the revocation service, PEM.
    pub revocation_ca: PathBuf,
    /// Status root of the revocation service, COSE_Key in hex.
    pub revocation_status_root: String,
    /// Bearer token that registers and activates.
    pub revocation_registrar_token_file: PathBuf,
    /// Bearer token that suspends, resumes and revokes.
    pub revocation_admin_token_file: PathBuf,
    /// The customer's trust file.
    pub trust_file: PathBuf,
    /// For `coffer --config`.
    pub coffer_config: PathBuf,
    /// The owner's private key, PKCS#8 in PEM.
    pub owner_key: PathBuf,
    /// The app's private key, PKCS#8 in PEM.
    pub app_key: PathBuf,
    /// Grants of the owner to the app.
    pub grants: Vec<PathBuf>,
    /// Partition that the grants are for.
    pub partition: String,
    /// The group's id, hex.
    pub group: String,
    /// Unix sockets.
    pub sockets: Sockets,
    /// Process ids.
    pub pids: Pids,
}

/// Unix sockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sockets {
    /// Where the enclave listens for its parent.
    pub enclave: PathBuf,
}

/// Process ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pids {
    /// The one to send SIGTERM to.
    pub simulator: u32,
    /// Changes when the enclave is started again.
    pub enclave: u32,
    /// The provider's parent.
    pub parent: u32,
    /// The customer's revocation service.
    pub revocation: u32,
}

impl Ready {
    /// Writes the file, whole.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        write_private(path, &text)
    }
}
