//! Where the enclave runs: in a process of this program, or in a virtual machine that QEMU boots from an EIF.
//!
//! The house asks this one type what differs: what the image measures, how the enclave is started, where the parent finds
//! it, how long things take. Either way one supervised process is the enclave; if it is killed, the enclave is gone.
//!
//! What an EIF measures is said by a file beside it, which whoever built the image wrote. It is the reference value that
//! vendor statement, customer and revocation service are given, and an image that measures anything else is refused by
//! each of them. The proof is the Evidence of the running enclave, never this file.

mod heartbeat;
mod machine;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use cofferdam_parent_proxy::link::EnclaveAddress;
use cofferdam_wire::binding::Measurement;

use crate::image::measure_running;
use crate::layout::Layout;
use crate::setup::NamedImage;

pub(crate) use machine::{Boot, run as run_machine};

/// The port that the shell listens on inside an image.
const PORT: u32 = 5000;

/// Where the enclave runs.
#[derive(Debug, Clone)]
pub struct EnclaveHost(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Process,
    Machine(MachineFiles),
}

/// What a virtual machine is made from.
#[derive(Debug, Clone)]
pub struct MachineFiles {
    /// The image.
    pub eif: PathBuf,
    /// What it measures: JSON with `pcr0`, `pcr1` and `pcr2` in hexadecimal.
    pub measurements: PathBuf,
    /// A QEMU that has the machine type `nitro-enclave`.
    pub qemu: PathBuf,
    /// The program that plays the machine's vsock device.
    pub vhost_device_vsock: PathBuf,
    /// Where QEMU finds firmware, if not in its own places.
    pub firmware: Vec<PathBuf>,
}

impl EnclaveHost {
    /// A process of this program, which measures itself.
    pub fn process() -> Self {
        Self(Kind::Process)
    }

    /// A virtual machine.
    ///
    /// # Errors
    /// A file that is not there.
    pub fn machine(mut files: MachineFiles) -> anyhow::Result<Self> {
        for file in [
            &mut files.eif,
            &mut files.measurements,
            &mut files.qemu,
            &mut files.vhost_device_vsock,
        ] {
            ensure!(file.is_file(), "{} is not a file", file.display());
            // A program without a slash in its name would be looked for elsewhere.
            *file = std::path::absolute(&*file)?;
        }
        for directory in &files.firmware {
            ensure!(
                directory.is_dir(),
                "{} is not a directory",
                directory.display()
            );
        }
        Ok(Self(Kind::Machine(files)))
    }

    /// Whether it is a virtual machine.
    pub(crate) fn is_machine(&self) -> bool {
        matches!(self.0, Kind::Machine(_))
    }

    /// For people, in the middle of a sentence.
    pub(crate) fn image_name(&self) -> String {
        match &self.0 {
            Kind::Process => "this very program".into(),
            Kind::Machine(files) => {
                let name = files.eif.file_name().unwrap_or(files.eif.as_os_str());
                format!("the image {}", name.display())
            }
        }
    }

    /// What the enclave measures.
    pub(crate) fn measure(&self) -> anyhow::Result<Measurement> {
        match &self.0 {
            Kind::Process => measure_running().context("the running program cannot be measured"),
            Kind::Machine(files) => stated(&files.measurements),
        }
    }

    /// The Unix socket on which streams to the enclave begin.
    pub(crate) fn socket(&self, layout: &Layout) -> PathBuf {
        match &self.0 {
            Kind::Process => layout.enclave_socket(),
            Kind::Machine(_) => layout.machine_vsock(),
        }
    }

    /// What the parent is told, if its streams begin on this Unix socket.
    pub(crate) fn address(&self, socket: PathBuf) -> EnclaveAddress {
        match &self.0 {
            Kind::Process => EnclaveAddress::Unix(socket),
            Kind::Machine(_) => EnclaveAddress::VsockUnix {
                path: socket,
                port: PORT,
            },
        }
    }

    /// The role, with its arguments, of the process that is the enclave.
    pub(crate) fn role(&self, layout: &Layout) -> Vec<OsString> {
        match &self.0 {
            Kind::Process => vec![
                "enclave".into(),
                "--socket".into(),
                layout.enclave_socket().into(),
            ],
            Kind::Machine(files) => machine::role(files, layout),
        }
    }

    /// Longest wait for any one thing. Software emulation makes cryptography ten to twenty times slower, and an RSA-4096
    /// key takes as long as luck wants it.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(match self.0 {
            Kind::Process => 60,
            Kind::Machine(_) => 600,
        })
    }

    /// An enclave that ends sooner than this after its start did not really start.
    pub(crate) fn start_takes(&self) -> Duration {
        Duration::from_secs(match self.0 {
            Kind::Process => 2,
            Kind::Machine(_) => 10,
        })
    }

    /// Sockets that an enclave leaves behind.
    pub(crate) fn sockets(&self, layout: &Layout) -> Vec<PathBuf> {
        match &self.0 {
            Kind::Process => vec![layout.enclave_socket()],
            Kind::Machine(_) => vec![
                layout.machine_vsock(),
                layout.machine_control(),
                layout.machine_heartbeat(),
            ],
        }
    }
}

/// The measurement beside an EIF. Other fields of the file are for people.
fn stated(file: &Path) -> anyhow::Result<Measurement> {
    let text = std::fs::read(file).with_context(|| file.display().to_string())?;
    let read = || -> anyhow::Result<Measurement> {
        let stated: NamedImage = serde_json::from_slice(&text)?;
        let measurement = stated.measurement()?;
        // What a debug enclave reports; nobody would accept it.
        let pcrs = [measurement.pcr0, measurement.pcr1, measurement.pcr2];
        ensure!(!pcrs.contains(&[0; 48]), "an image does not measure zeros");
        Ok(measurement)
    };
    read().with_context(|| format!("{} does not say what the image measures", file.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn measured(text: &str) -> anyhow::Result<Measurement> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("image.json");
        std::fs::write(&file, text)?;
        stated(&file)
    }

    fn text(pcr0: &str, others: &str) -> String {
        let (pcr1, pcr2) = ("bb".repeat(48), "cc".repeat(48));
        format!(r#"{{"pcr0": "{pcr0}", "pcr1": "{pcr1}", "pcr2": "{pcr2}"{others}}}"#)
    }

    #[test]
    fn what_the_file_beside_an_image_says_is_what_it_measures() {
        let valid = text(&"aa".repeat(48), r#", "pcr8": null, "bytes": 7"#);
        let measurement = measured(&valid).unwrap();
        assert_eq!(measurement.pcr0, [0xaa; 48]);
        assert_eq!(measurement.pcr1, [0xbb; 48]);
        assert_eq!(measurement.pcr2, [0xcc; 48]);
        for (defect, content) in [
            ("short", text(&"aa".repeat(47), "")),
            ("long", text(&"aa".repeat(49), "")),
            ("no hexadecimal", text(&"xx".repeat(48), "")),
            ("zeros", text(&"00".repeat(48), "")),
            ("cut off", valid[..valid.len() - 1].to_owned()),
            ("no PCR0", valid.replace("pcr0", "pcr9")),
        ] {
            let refused = format!("{:#}", measured(&content).unwrap_err());
            assert!(
                refused.contains("does not say what the image measures"),
                "{defect}: {refused}"
            );
        }
    }

    #[test]
    fn a_machine_needs_each_of_its_files() {
        let directory = tempfile::tempdir().unwrap();
        let files: Vec<_> = ["eif", "measurements", "qemu", "vsock"]
            .map(|name| directory.path().join(name))
            .into();
        let host = || {
            EnclaveHost::machine(MachineFiles {
                eif: files[0].clone(),
                measurements: files[1].clone(),
                qemu: files[2].clone(),
                vhost_device_vsock: files[3].clone(),
                firmware: vec![directory.path().join("firmware")],
            })
        };
        std::fs::create_dir(directory.path().join("firmware")).unwrap();
        files
            .iter()
            .for_each(|file| std::fs::write(file, "").unwrap());
        assert!(host().unwrap().is_machine());
        for file in &files {
            std::fs::remove_file(file).unwrap();
            let refused = host().unwrap_err().to_string();
            assert_eq!(refused, format!("{} is not a file", file.display()));
            std::fs::write(file, "").unwrap();
        }
        std::fs::remove_dir(directory.path().join("firmware")).unwrap();
        assert!(
            host()
                .unwrap_err()
                .to_string()
                .ends_with("is not a directory")
        );
    }
}
