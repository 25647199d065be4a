//! Another image of the same measurement, which has to refuse to start (T-54).
//!
//! PCR0 and PCR1 are over kernel, command line and ramdisk without their lengths. Here the first words of the command
//! line, by which a kernel in doubt ends, stand behind the kernel, where no loader looks. The console's word stays, so that
//! the program can be heard.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

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
/// What the simulator says of a machine that ended.
const ENDED: &str = "the virtual machine ended";

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
    let output = Command::new(env!("CARGO"))
        .args(simulator(command, &image, emulator)?)
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let console = fs::read(folder.join("logs/console.log"))
        .with_context(|| format!("it was not booted: {said}"))?;
    let console = String::from_utf8_lossy(&console);
    let refusal = judged(output.status.success(), &said, &console)?;
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

/// The line by which it refused.
fn judged<'a>(succeeded: bool, said: &str, console: &'a str) -> anyhow::Result<&'a str> {
    ensure!(!succeeded && !console.contains(UP), "it started");
    let refusal = console.lines().find(|line| line.contains(REFUSAL));
    let refusal = refusal
        .with_context(|| format!("it did not say why it ended: {said}\nconsole:\n{console}"))?;
    ensure!(said.contains(ENDED), "its machine did not end: {said}");
    Ok(refusal.trim())
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
    fn only_a_refusal_and_an_end_count() {
        let refusal = "cofferdam-enclave: the kernel's command line is \"console=ttyS0\", which";
        let console = format!("first\n{refusal}\r\nreboot: Restarting system\n");
        let ended = "the enclave process ended: the virtual machine ended";
        assert_eq!(judged(false, ended, &console).unwrap(), refusal);
        assert!(judged(true, ended, &console).is_err());
        assert!(judged(false, "too late", &console).is_err());
        assert!(judged(false, ended, "first\n").is_err());
        let up = format!("{console}cofferdam-enclave: ready\n");
        assert!(judged(false, ended, &up).is_err());
    }
}
