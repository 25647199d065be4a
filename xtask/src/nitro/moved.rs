//! Another image of the same measurement, which has to refuse to start (T-54).
//!
//! PCR0 and PCR1 are over kernel, command line and ramdisk without their lengths. Here the first words of the command
//! line, by which a kernel in doubt ends, stand behind the kernel, where no loader looks. The console's word stays, so that
//! the program can be heard.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::cache;
use super::eif::Parts;
use super::emulator::Emulator;
use super::image::Image;
use super::run::simulator;

/// The first word that stays.
const STAYS: &str = "console=";
/// What the program says (INI-9), and what it must not come to.
const REFUSAL: &str = "cofferdam-enclave: the kernel's command line is";
const UP: &str = "cofferdam-enclave: ready";
/// For two boots, on a busy machine and an emulated processor.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(200);

/// Boots it beside the image it is made from.
pub(super) fn must_not_start(
    root: &Path,
    image: &Image,
    emulator: &Emulator,
) -> anyhow::Result<()> {
    let built = Parts::read(&fs::read(&image.eif)?).context("the image is none of ours")?;
    let moved = moved(built).context("there are no words to move")?;
    let eif = image.eif.with_file_name("moved.eif");
    fs::write(&eif, moved.written())?;
    let image = Image {
        eif,
        measurements: image.measurements.clone(),
        ..*image
    };
    let folder = image.eif.with_extension("run");
    cache::empty(&folder)?;
    let place = folder.display().to_string();
    let command = ["demo", "--keep", &place].map(str::to_owned).to_vec();
    // Cargo puts the program in its own place, so the child is the simulator.
    let child = Command::new(env!("CARGO"))
        .args(simulator(command, &image, emulator)?)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("cannot run cargo")?;
    let mut running = Running(child);
    let begun = Instant::now();
    let refusal = loop {
        let console = fs::read(folder.join("logs/console.log")).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        if let Some(refusal) = judged(&console)? {
            break refusal.to_owned();
        }
        ensure!(begun.elapsed() < PATIENCE, "it did not refuse:\n{console}");
        if let Some(status) = running.0.try_wait()? {
            bail!("the simulator ended ({status}) before it did:\n{console}");
        }
        sleep(LOOK);
    };
    drop(running);
    println!("the production image with a border moved measures the same and does not start:");
    println!("  {refusal}");
    fs::remove_dir_all(&folder)?;
    Ok(fs::remove_file(&image.eif)?)
}

/// The same bytes for a hash over both, and other words for the kernel.
fn moved(mut parts: Parts) -> Option<Parts> {
    let registers = parts.pcrs();
    let at = parts.command_line.find(STAYS).filter(|at| *at > 0)?;
    let stays = parts.command_line.split_off(at);
    parts.kernel.extend(parts.command_line.as_bytes());
    parts.command_line = stays;
    (parts.pcrs() == registers).then_some(parts)
}

/// The line by which it refused. The simulator boots a machine again when it has ended, and only then: the second
/// refusal says that the first was the end.
fn judged(console: &str) -> anyhow::Result<Option<&str>> {
    ensure!(!console.contains(UP), "it started:\n{console}");
    let mut refusals = console.lines().filter(|line| line.contains(REFUSAL));
    Ok(refusals.nth(1).map(str::trim))
}

/// A running simulator; killed when dropped, and its processes end with it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn parts(line: &str) -> Parts {
        Parts {
            kernel: b"kernel".to_vec(),
            command_line: line.to_owned(),
            metadata: "{}".to_owned(),
            system: b"modules".to_vec(),
            application: b"program".to_vec(),
        }
    }

    #[test]
    fn t54_words_can_be_moved_behind_the_kernel_and_the_registers_stay() {
        let before = parts("oops=panic panic=1 console=ttyS0 pci=off");
        let registers = before.pcrs();
        let after = moved(before).unwrap();
        assert_eq!(after.pcrs(), registers);
        assert_eq!(after.kernel, b"kerneloops=panic panic=1 ");
        assert_eq!(after.command_line, "console=ttyS0 pci=off");
        assert!(moved(parts("console=ttyS0 panic=1")).is_none());
        assert!(moved(parts("panic=1")).is_none());
    }

    #[test]
    fn two_refusals_and_no_start_count() {
        let refusal = "cofferdam-enclave: the kernel's command line is \"console=ttyS0\", which";
        let boot = format!("first\n{refusal}\r\nreboot: Restarting system\n");
        assert_eq!(judged("").unwrap(), None);
        assert_eq!(judged(&boot).unwrap(), None);
        assert_eq!(judged(&boot.repeat(2)).unwrap(), Some(refusal));
        let up = format!("{}cofferdam-enclave: ready\n", boot.repeat(2));
        assert!(judged(&up).is_err());
    }
}
