//! A simulator that a test started; killed when the test ends, however it ends.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cofferdam_simulator::ready::Ready;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Simulator {
    child: Child,
    pub(crate) directory: PathBuf,
}

/// The program.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cofferdam-sim"))
}

/// Waits until something is so.
pub(crate) fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{what}: not within {} s",
            PATIENCE.as_secs()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process is there and not a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| !rest.trim_start().starts_with('Z'))
    })
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

impl Simulator {
    /// `cofferdam-sim up`, ready.
    pub(crate) fn up(directory: &Path) -> Self {
        let child = program()
            .arg("up")
            .arg("--dir")
            .arg(directory)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut simulator = Self {
            child,
            directory: directory.to_path_buf(),
        };
        wait("ready.json", || {
            assert_eq!(
                simulator.child.try_wait().unwrap(),
                None,
                "the simulator ended"
            );
            simulator
                .directory
                .join("ready.json")
                .exists()
                .then_some(())
        });
        simulator
    }

    pub(crate) fn ready(&self) -> Ready {
        serde_json::from_slice(&std::fs::read(self.directory.join("ready.json")).unwrap()).unwrap()
    }

    /// Sends a signal and waits for the end: its exit code.
    pub(crate) fn end(mut self, with: Signal) -> Option<i32> {
        signal(self.child.id(), with);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // Its processes end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
