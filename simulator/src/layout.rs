//! Where everything lies below the simulator's directory. One table, so that no two parts disagree.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Longest path of a Unix socket on Linux.
const SOCKET_PATH: usize = 107;

/// The directory and the names in it.
#[derive(Debug, Clone)]
pub struct Layout(PathBuf);

impl Layout {
    /// Makes the directory with mode 0700, and what is in it from the start.
    ///
    /// # Errors
    /// It cannot be made, or its path is too long for a socket in it.
    pub fn create(directory: &Path) -> anyhow::Result<Self> {
        make_directory(directory)
            .with_context(|| format!("{} cannot be made", directory.display()))?;
        let path = fs::canonicalize(directory)?;
        let layout = Self(path);
        // The longest of all.
        let socket = layout.machine_heartbeat();
        if socket.as_os_str().len() > SOCKET_PATH {
            bail!(
                "{} is too long a path for a Unix socket (at most {SOCKET_PATH} bytes); use a directory higher up",
                socket.display()
            );
        }
        for below in [
            layout.logs(),
            layout.officers(),
            layout.customer(),
            layout.grants(),
        ] {
            make_directory(&below)?;
        }
        Ok(layout)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where other programs read that all is ready, and where everything is.
    pub fn ready(&self) -> PathBuf {
        self.0.join("ready.json")
    }

    /// Held while a simulator uses the directory.
    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// Logs of the processes.
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// Where the enclave listens.
    pub fn enclave_socket(&self) -> PathBuf {
        self.0.join("enclave.sock")
    }

    /// Where streams to an enclave in a virtual machine begin.
    pub(crate) fn machine_vsock(&self) -> PathBuf {
        self.0.join("vm").join("vm.vsock")
    }

    /// Between QEMU and the machine's vsock device.
    pub(crate) fn machine_control(&self) -> PathBuf {
        self.0.join("vm").join("vh.sock")
    }

    /// Where the vsock device takes what the guest sends to port 9000; it makes the name so.
    pub(crate) fn machine_heartbeat(&self) -> PathBuf {
        self.0.join("vm").join("vm.vsock_9000")
    }

    /// The log of the machine's serial console.
    pub(crate) fn console(&self) -> PathBuf {
        self.logs().join("console.log")
    }

    /// Where a recorder between parent and enclave listens.
    pub(crate) fn recorder_socket(&self) -> PathBuf {
        self.0.join("record.sock")
    }

    /// Everything that the provider's parent keeps.
    pub fn parent_state(&self) -> PathBuf {
        self.0.join("parent")
    }

    pub(crate) fn parent_config(&self) -> PathBuf {
        self.0.join("parent.toml")
    }

    /// Everything that the revocation service keeps.
    pub fn revocation_state(&self) -> PathBuf {
        self.0.join("revocation")
    }

    pub(crate) fn revocation_config(&self) -> PathBuf {
        self.0.join("revocation.toml")
    }

    pub(crate) fn revocation_log(&self) -> PathBuf {
        self.0.join("revocation-log").join("audit.log")
    }

    /// Measurements of every program that has run as the enclave here.
    pub(crate) fn images(&self) -> PathBuf {
        self.0.join("images.json")
    }

    /// The ports of the last start.
    pub(crate) fn ports(&self) -> PathBuf {
        self.0.join("ports.json")
    }

    pub(crate) fn vendor_statement(&self) -> PathBuf {
        self.0.join("vendor-statement.cbor")
    }

    /// Key files and shares of the provider's officers.
    pub fn officers(&self) -> PathBuf {
        self.0.join("officers")
    }

    fn customer(&self) -> PathBuf {
        self.0.join("customer")
    }

    /// The customer's trust file.
    pub fn trust_file(&self) -> PathBuf {
        self.customer().join("trust.toml")
    }

    /// The customer's owner key.
    pub fn owner_key(&self) -> PathBuf {
        self.customer().join("owner.pem")
    }

    /// The app's key.
    pub fn app_key(&self) -> PathBuf {
        self.customer().join("app.pem")
    }

    /// Where `coffer` keeps its imports.
    pub(crate) fn coffer_state(&self) -> PathBuf {
        self.customer().join("state")
    }

    /// The configuration for `coffer --config`.
    pub fn coffer_config(&self) -> PathBuf {
        self.0.join("coffer.toml")
    }

    pub(crate) fn grants(&self) -> PathBuf {
        self.0.join("grants")
    }
}

/// Makes a directory and those above it, for the user only.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Replaces a file as a whole, mode 0600: a reader sees the old one or the new one.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let written = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    written().with_context(|| format!("{} cannot be written", path.display()))
}
