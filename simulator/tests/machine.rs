//! The enclave as a virtual machine: what is asked for together, and that machine and vsock device end with their role.
//! Two scripts stand in for QEMU and vhost-device-vsock; `cargo xtask nitro-qemu` runs the demo with the real ones.
#![allow(clippy::unwrap_used, reason = "tests")]

mod running;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use nix::sys::signal::Signal;
use running::{is_alive, program, signal, wait};

/// The role, and what it started.
struct Machine {
    role: Child,
    device: u32,
    qemu: u32,
    directory: tempfile::TempDir,
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/machine-scripts")
        .join(name)
}

impl Machine {
    fn boot() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("image.eif"), "").unwrap();
        let role = program()
            .args(["role", "machine", "--eif"])
            .arg(at("image.eif"))
            .arg("--qemu")
            .arg(script("qemu"))
            .arg("--vhost-device-vsock")
            .arg(script("device"))
            .arg("--firmware")
            .arg(directory.path())
            .arg("--vsock")
            .arg(at("vm.vsock"))
            .arg("--control")
            .arg(at("vh,sock"))
            .arg("--heartbeat")
            .arg(at("vm.vsock_9000"))
            .arg("--console")
            .arg(at("console.log"))
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = |name: &str| {
            let file = at(name);
            wait(name, || {
                let text = std::fs::read_to_string(&file).ok()?;
                text.trim().parse().ok()
            })
        };
        let (device, qemu) = (pid("device.pid"), pid("qemu.pid"));
        Self {
            role,
            device,
            qemu,
            directory,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn said(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.at(name)).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn is_gone(&mut self) {
        wait("machine and device are gone", || {
            (!is_alive(self.device) && !is_alive(self.qemu)).then_some(())
        });
        self.role.wait().unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The other two end with it, as the tests show.
        let _ = self.role.kill();
        let _ = self.role.wait();
    }
}

#[test]
fn machine_and_device_are_started_as_documented_and_the_heartbeat_is_answered() {
    let machine = Machine::boot();
    let path = |name: &str| machine.at(name).display().to_string();
    assert_eq!(
        machine.said("device-said"),
        [
            "--guest-cid",
            "4",
            "--socket",
            &path("vh,sock"),
            "--uds-path",
            &path("vm.vsock")
        ]
    );
    let qemu = machine.said("qemu-said");
    let follows = |first: &str, second: &str| {
        assert!(
            qemu.windows(2).any(|pair| pair == [first, second]),
            "{first} {second} in {qemu:?}"
        );
    };
    follows("-M", "nitro-enclave,vsock=vsock,id=cofferdam");
    follows("-accel", "tcg");
    follows("-kernel", &path("image.eif"));
    follows("-L", &machine.directory.path().display().to_string());
    let control = path("vh,sock").replace(',', ",,");
    follows("-chardev", &format!("socket,id=vsock,path={control}"));
    assert!(qemu.contains(&"-no-reboot".into()));

    let mut guest = UnixStream::connect(machine.at("vm.vsock_9000")).unwrap();
    guest.write_all(&[0xb7]).unwrap();
    let mut heard = Vec::new();
    guest.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, [0xb7]);
}

#[test]
fn a_killed_role_takes_machine_and_device_with_it() {
    let mut machine = Machine::boot();
    signal(machine.role.id(), Signal::SIGKILL);
    machine.is_gone();
}

#[test]
fn a_simulator_that_is_gone_takes_machine_and_device_with_it() {
    let mut machine = Machine::boot();
    drop(machine.role.stdin.take());
    machine.is_gone();
}

#[test]
fn a_machine_or_device_that_ends_ends_the_role_with_a_sentence() {
    for (ends, sentence) in [
        ("qemu", "the virtual machine ended"),
        ("device", "the vsock device of the virtual machine ended"),
    ] {
        let mut machine = Machine::boot();
        std::fs::write(machine.at("console.log"), "booting\nno such module\n\n").unwrap();
        let pid = if ends == "qemu" {
            machine.qemu
        } else {
            machine.device
        };
        signal(pid, Signal::SIGKILL);
        machine.is_gone();
        let mut told = String::new();
        let mut stderr = machine.role.stderr.take().unwrap();
        stderr.read_to_string(&mut told).unwrap();
        assert!(told.contains(sentence), "{told}");
        assert_eq!(told.contains("no such module"), ends == "qemu", "{told}");
        assert_eq!(machine.role.wait().unwrap().code(), Some(1));
    }
}

#[test]
fn the_files_of_a_machine_are_asked_for_together() {
    let directory = tempfile::tempdir().unwrap();
    let there = directory.path().join("there");
    std::fs::write(&there, "").unwrap();
    let with = |options: &[&str]| {
        let mut command = program();
        command.arg("demo");
        for option in options {
            command.arg(option).arg(&there);
        }
        command.output().unwrap().status.code()
    };
    let all = ["--eif", "--measurements", "--qemu", "--vhost-device-vsock"];
    for missing in all {
        let others: Vec<_> = all
            .into_iter()
            .filter(|option| *option != missing)
            .collect();
        assert_eq!(with(&others), Some(2), "without {missing}");
    }
    assert_eq!(with(&["--firmware"]), Some(2));
}

#[test]
fn a_file_of_a_machine_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let absent = directory.path().join("absent");
    let output = program()
        .arg("up")
        .arg("--dir")
        .arg(directory.path().join("house"))
        .arg("--eif")
        .arg(&absent)
        .args(["--measurements", "/dev/null", "--qemu", "/dev/null"])
        .args(["--vhost-device-vsock", "/dev/null"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains(&format!("{} is not a file", absent.display())),
        "{told}"
    );
    assert!(!directory.path().join("house").exists());
}
