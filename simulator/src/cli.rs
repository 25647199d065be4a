//! The command line. Exit codes: 0 done, 1 refused or failed (with a sentence on stderr), 2 usage.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::host::{EnclaveHost, MachineFiles};
use crate::ports::Ports;
use crate::roles::{self, Role};

/// All of Cofferdam on this machine, with a simulated security module. For trying and testing; it protects nothing.
#[derive(Debug, Parser)]
#[command(name = "cofferdam-sim", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take two keys all the way, try to break what is promised, and say what was seen. Takes less than a minute.
    Demo {
        /// One JSON object a line instead of sentences.
        #[arg(long)]
        json: bool,
        /// Work in this directory (new or empty) and leave everything there, instead of in a temporary one.
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
        #[command(flatten)]
        machine: MachineArgs,
    },
    /// Start everything and stay until SIGTERM. DIR/ready.json says where everything is.
    Up {
        /// Directory for everything; an earlier one is taken up again.
        #[arg(long)]
        dir: PathBuf,
        /// Port of the parent's HTTPS; that of the last start, or a free one, if not given.
        #[arg(
            long,
            value_name = "PORT",
            default_value_t = 0,
            hide_default_value = true
        )]
        port_parent: u16,
        /// Port of the parent's operator listener; that of the last start, or a free one, if not given.
        #[arg(
            long,
            value_name = "PORT",
            default_value_t = 0,
            hide_default_value = true
        )]
        port_operator: u16,
        /// Port of the revocation service; that of the last start, or a free one, if not given.
        #[arg(
            long,
            value_name = "PORT",
            default_value_t = 0,
            hide_default_value = true
        )]
        port_revocation: u16,
        #[command(flatten)]
        machine: MachineArgs,
    },
    /// Boot an image whose security module signs nothing, and see that everybody refuses what it says.
    #[command(mut_arg("eif", |eif| eif.required(true)))]
    Inspect {
        /// Write what the enclave said to this file.
        #[arg(long, value_name = "FILE")]
        keep: Option<PathBuf>,
        #[command(flatten)]
        machine: MachineArgs,
    },
    /// Play one part. Started by the other commands.
    #[command(hide = true, subcommand)]
    Role(Role),
}

/// The enclave as a virtual machine: all of these together, or none.
#[derive(Debug, Args)]
#[command(next_help_heading = "The enclave as a virtual machine")]
struct MachineArgs {
    /// Boot this image in QEMU instead of starting the enclave as a process.
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["measurements", "qemu", "vhost_device_vsock"]
    )]
    eif: Option<PathBuf>,
    /// What the image measures: JSON with pcr0, pcr1 and pcr2, as it is written beside an image.
    #[arg(long, value_name = "FILE", requires = "eif")]
    measurements: Option<PathBuf>,
    /// A QEMU that has the machine type nitro-enclave.
    #[arg(long, value_name = "PATH", requires = "eif")]
    qemu: Option<PathBuf>,
    /// The program that plays the vsock device.
    #[arg(long, value_name = "PATH", requires = "eif")]
    vhost_device_vsock: Option<PathBuf>,
    /// Where QEMU finds firmware, if not in its own places. May be given several times.
    #[arg(long, value_name = "DIR", requires = "eif")]
    firmware: Vec<PathBuf>,
}

impl MachineArgs {
    fn host(self) -> anyhow::Result<EnclaveHost> {
        let MachineArgs {
            eif: Some(eif),
            measurements: Some(measurements),
            qemu: Some(qemu),
            vhost_device_vsock: Some(vhost_device_vsock),
            firmware,
        } = self
        else {
            return Ok(EnclaveHost::process());
        };
        EnclaveHost::machine(MachineFiles {
            eif,
            measurements,
            qemu,
            vhost_device_vsock,
            firmware,
        })
    }
}

/// Does what was asked.
pub fn execute(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Role(role) => return roles::play(role),
        Command::Demo {
            json,
            keep,
            machine,
        } => {
            let told = machine
                .host()
                .and_then(|host| in_runtime(crate::demo::demo(json, keep.as_deref(), host)));
            match told {
                Ok(false) => return ExitCode::FAILURE,
                told => told.map(drop),
            }
        }
        Command::Inspect { keep, machine } => machine
            .host()
            .and_then(|host| in_runtime(crate::inspect::inspect(host, keep.as_deref()))),
        Command::Up {
            dir,
            port_parent,
            port_operator,
            port_revocation,
            machine,
        } => {
            let ports = Ports {
                parent: port_parent,
                operator: port_operator,
                revocation: port_revocation,
            };
            machine
                .host()
                .and_then(|host| in_runtime(crate::up::up(&dir, ports, host)))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn in_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    // Where a TLS library is set already, that one stays.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn an_image_is_inspected_and_never_a_process() {
        let refused = Cli::try_parse_from(["cofferdam-sim", "inspect"]).unwrap_err();
        assert_eq!(
            refused.kind(),
            clap::error::ErrorKind::MissingRequiredArgument
        );
        let mut words = vec!["cofferdam-sim", "inspect", "--eif", "a", "--qemu", "b"];
        words.extend(["--measurements", "c", "--vhost-device-vsock", "d"]);
        Cli::try_parse_from(words).unwrap();
        Cli::try_parse_from(["cofferdam-sim", "demo"]).unwrap();
    }
}
