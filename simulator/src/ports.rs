//! Ports on loopback: those asked for, those of the last start in this directory, or free ones.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::layout::{Layout, write_private};
use crate::setup::{ParentReady, RevocationReady};

/// Ports on loopback; 0 takes the one of the last start, or a free one.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Ports {
    /// The parent's HTTPS.
    pub parent: u16,
    /// The parent's operator listener.
    pub operator: u16,
    /// The revocation service.
    pub revocation: u16,
}

impl Ports {
    /// Keys name their revocation service by host and port, so a directory keeps its ports.
    pub(crate) fn or_those_of_before(self, layout: &Layout) -> anyhow::Result<Self> {
        let path = layout.ports();
        let before: Ports = match fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).with_context(|| path.display().to_string())?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let or = |asked: u16, before: u16| if asked == 0 { before } else { asked };
        Ok(Self {
            parent: or(self.parent, before.parent),
            operator: or(self.operator, before.operator),
            revocation: or(self.revocation, before.revocation),
        })
    }

    /// Notes the ports in use now.
    pub(crate) fn note(
        layout: &Layout,
        parent: &ParentReady,
        revocation: &RevocationReady,
    ) -> anyhow::Result<()> {
        let port = |url: &str| -> anyhow::Result<u16> {
            let (_, port) = url.rsplit_once(':').context("a URL without a port")?;
            Ok(port.parse()?)
        };
        let ports = Self {
            parent: port(&parent.url)?,
            operator: port(&parent.operator_url)?,
            revocation: port(&revocation.url)?,
        };
        write_private(&layout.ports(), &serde_json::to_vec_pretty(&ports)?)
    }

    /// Said here in one sentence, before anything starts.
    pub(crate) fn are_free(self) -> anyhow::Result<()> {
        let wanted = [
            (self.parent, "--port-parent"),
            (self.operator, "--port-operator"),
            (self.revocation, "--port-revocation"),
        ];
        for (place, (port, option)) in wanted.iter().enumerate() {
            if *port == 0 {
                continue;
            }
            if wanted[..place].iter().any(|(other, _)| other == port) {
                bail!("port {port} is asked for twice; give each option a port of its own");
            }
            match TcpListener::bind((Ipv4Addr::LOCALHOST, *port)) {
                Ok(_) => (),
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
                    "port {port} ({option}) is already in use on 127.0.0.1; choose another one with that option, or use a \
                     new directory to take a free port"
                ),
                Err(error) => bail!("port {port} ({option}) cannot be used on 127.0.0.1: {error}"),
            }
        }
        Ok(())
    }
}
