//! The role that is the enclave when it is a virtual machine: QEMU's `nitro-enclave` machine, which boots an EIF as a
//! Nitro hypervisor does, and the program that plays its vsock device.
//!
//! The two end when this process ends, however it ends, and this process ends when either of them does: so whoever kills
//! it has killed the enclave, and whoever starts it again has booted another one. They are started through a role of
//! this program ([`crate::roles`]) that asks the kernel for the first half; the thread that starts them lives as long as
//! the process.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;

use super::{MachineFiles, heartbeat};
use crate::image::RUNNING;
use crate::layout::{Layout, make_directory};

/// The context id of the guest; 2 is the host, and 3 would be the parent on Nitro.
const GUEST_CID: u32 = 4;
/// What the guest has. The image is unpacked into it.
const MEMORY: &str = "512M";
/// Longest wait for the vsock device to listen.
const DEVICE_WITHIN: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

/// What is booted, and where its sockets and its console are.
#[derive(Debug, Clone, Args)]
pub(crate) struct Boot {
    /// The image.
    #[arg(long)]
    eif: PathBuf,
    /// QEMU.
    #[arg(long)]
    qemu: PathBuf,
    /// The program that plays the vsock device.
    #[arg(long)]
    vhost_device_vsock: PathBuf,
    /// Where QEMU finds firmware.
    #[arg(long)]
    firmware: Vec<PathBuf>,
    /// Where streams to the guest begin.
    #[arg(long)]
    vsock: PathBuf,
    /// Between QEMU and the vsock device.
    #[arg(long)]
    control: PathBuf,
    /// Where the guest's init says that it is up.
    #[arg(long)]
    heartbeat: PathBuf,
    /// The log of the guest's serial console.
    #[arg(long)]
    console: PathBuf,
}

/// The role's arguments, as [`Boot`] reads them.
pub(super) fn role(files: &MachineFiles, layout: &Layout) -> Vec<OsString> {
    let mut role: Vec<OsString> = vec!["machine".into()];
    let mut add = |name: &str, path: PathBuf| role.extend([name.into(), path.into_os_string()]);
    add("--eif", files.eif.clone());
    add("--qemu", files.qemu.clone());
    add("--vhost-device-vsock", files.vhost_device_vsock.clone());
    for directory in &files.firmware {
        add("--firmware", directory.clone());
    }
    add("--vsock", layout.machine_vsock());
    add("--control", layout.machine_control());
    add("--heartbeat", layout.machine_heartbeat());
    add("--console", layout.console());
    role
}

/// Boots the image and stays until the machine or its vsock device ends.
pub(crate) fn run(boot: &Boot) -> anyhow::Result<Infallible> {
    for socket in [&boot.vsock, &boot.control, &boot.heartbeat] {
        make_directory(socket.parent().context("a socket lies in a directory")?)?;
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| socket.display().to_string());
            }
            _ => (),
        }
    }
    heartbeat::listen(&boot.heartbeat).context("the socket for the heartbeat")?;
    let mut device = started(&boot.vhost_device_vsock, &boot.device())?;
    until_listening(&mut device, &boot.control)?;
    let mut machine = started(&boot.qemu, &boot.machine())?;
    loop {
        if let Some(status) = machine.try_wait()? {
            bail!("the virtual machine ended ({status}){}", boot.last_words());
        }
        if let Some(status) = device.try_wait()? {
            bail!(device_ended(status));
        }
        std::thread::sleep(LOOK);
    }
}

impl Boot {
    fn device(&self) -> Vec<OsString> {
        vec![
            "--guest-cid".into(),
            GUEST_CID.to_string().into(),
            "--socket".into(),
            self.control.clone().into(),
            "--uds-path".into(),
            self.vsock.clone().into(),
        ]
    }

    fn machine(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        for directory in &self.firmware {
            arguments.extend(["-L".into(), directory.clone().into()]);
        }
        let words = [
            "-M",
            "nitro-enclave,vsock=vsock,id=cofferdam",
            "-accel",
            "tcg",
            "-cpu",
            "max",
            "-smp",
            "2,sockets=1,cores=2",
            "-m",
            MEMORY,
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
        ];
        arguments.extend(words.map(OsString::from));
        if let Some(khz) = processor_khz() {
            // An emulated processor's time-stamp counter is this processor's, and nothing tells the guest how fast it runs;
            // without this it would have no clock source that the enclave takes (T-16). What is appended is not measured.
            let words = format!("tsc=reliable tsc_early_khz={khz}");
            arguments.extend(["-append".into(), words.into()]);
        }
        arguments.extend([
            "-chardev".into(),
            with_path("socket,id=vsock,path=", &self.control, ""),
            "-chardev".into(),
            with_path("file,id=console,path=", &self.console, ",append=on"),
            "-serial".into(),
            "chardev:console".into(),
            "-kernel".into(),
            self.eif.clone().into(),
        ]);
        arguments
    }

    /// The last line of the console, which is where an image says why it gave up.
    fn last_words(&self) -> String {
        let console = std::fs::read(&self.console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let last = console.lines().rfind(|line| !line.trim().is_empty());
        last.map_or_else(String::new, |line| format!(": {}", line.trim()))
    }
}

/// How fast this machine's processor counts, if it says so.
fn processor_khz() -> Option<u64> {
    khz(&std::fs::read_to_string("/proc/cpuinfo").ok()?)
}

fn khz(processors: &str) -> Option<u64> {
    let line = processors
        .lines()
        .find(|line| line.starts_with("cpu MHz"))?;
    let mhz: f64 = line.split_once(':')?.1.trim().parse().ok()?;
    (mhz >= 1.0).then_some((mhz * 1000.0).round() as u64)
}

/// In QEMU's lists of properties a comma within a value is written twice.
fn with_path(before: &str, path: &Path, behind: &str) -> OsString {
    let mut word = before.as_bytes().to_vec();
    for byte in path.as_os_str().as_bytes() {
        word.extend(if *byte == b',' {
            &b",,"[..]
        } else {
            std::slice::from_ref(byte)
        });
    }
    word.extend(behind.as_bytes());
    OsString::from_vec(word)
}

/// Starts a foreign program so that it does not outlive this process.
fn started(program: &Path, arguments: &[OsString]) -> anyhow::Result<Child> {
    Command::new(RUNNING)
        .arg0("cofferdam-sim")
        .args(["role", "program", "--parent"])
        .arg(std::process::id().to_string())
        .arg("--")
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("{} cannot be started", program.display()))
}

/// The device listens when its socket is there. Nobody may look by connecting: the first to connect is the machine.
fn until_listening(device: &mut Child, control: &Path) -> anyhow::Result<()> {
    let began = Instant::now();
    while !control.exists() {
        if let Some(status) = device.try_wait()? {
            bail!(device_ended(status));
        }
        if began.elapsed() > DEVICE_WITHIN {
            bail!("the vsock device does not listen");
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn device_ended(status: ExitStatus) -> String {
    format!("the vsock device of the virtual machine ended ({status})")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Alone {
        #[command(flatten)]
        boot: Boot,
    }

    #[test]
    fn the_role_is_read_as_it_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::create(directory.path()).unwrap();
        let files = MachineFiles {
            eif: "/a/image.eif".into(),
            measurements: "/a/image.json".into(),
            qemu: "/b/qemu".into(),
            vhost_device_vsock: "/b/device".into(),
            firmware: vec!["/c".into(), "/d".into()],
        };
        let Alone { boot } = clap::Parser::try_parse_from(role(&files, &layout)).unwrap();
        assert_eq!(
            (&boot.eif, &boot.qemu, &boot.vhost_device_vsock),
            (&files.eif, &files.qemu, &files.vhost_device_vsock)
        );
        assert_eq!(boot.firmware, files.firmware);
        assert_eq!(
            [boot.vsock, boot.control, boot.heartbeat],
            [
                layout.machine_vsock(),
                layout.machine_control(),
                layout.machine_heartbeat()
            ]
        );
        assert_eq!(boot.console, layout.console());
    }

    #[test]
    fn a_comma_in_a_path_stays_in_the_path() {
        assert_eq!(
            with_path("file,path=", Path::new("/a,b/c"), ",append=on"),
            "file,path=/a,,b/c,append=on"
        );
    }

    #[test]
    fn the_first_processor_says_how_fast_it_counts() {
        let processors =
            "processor\t: 0\ncpu MHz\t\t: 2599.998\n\nprocessor\t: 1\ncpu MHz\t\t: 800.000\n";
        assert_eq!(khz(processors), Some(2_599_998));
        for none in [
            "",
            "processor\t: 0\n",
            "cpu MHz\t\t: fast\n",
            "cpu MHz\t\t: 0.000\n",
        ] {
            assert_eq!(khz(none), None, "{none}");
        }
    }

    #[test]
    fn a_device_that_ends_or_never_listens_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let control = directory.path().join("control");
        let mut ended = Command::new("false").spawn().unwrap();
        let told = until_listening(&mut ended, &control).unwrap_err();
        assert!(told.to_string().contains("ended"), "{told}");
        std::fs::write(&control, "").unwrap();
        until_listening(&mut ended, &control).unwrap();
    }
}
