//! The kernel's command line, which has to begin with all of the image's own.
//!
//! A measurement is one hash over kernel, command line and first ramdisk, one behind the other without their lengths. Whoever
//! starts an image can move the border between two of them and the measurement stays: words that a kernel in doubt ends by
//! would go to the end of the kernel, which ignores them, and the first bytes of the ramdisk to the last word (T-54). So the
//! program, whose own ramdisk is measured alone, knows the line.
//!
//! Behind it, and behind a space, stand the machine's words: the hypervisor's places of devices, and what an emulation needs.
//! No border that is moved can put a space there, since a ramdisk begins with a digit. The machine is trusted, so nothing is
//! asked of these words here; what is taken from them is in `modules`.

use std::io;

use thiserror::Error;

use super::modules::{COMMAND_LINE_BYTES, read};

/// The image's own, as `cargo xtask eif` puts it in.
const OURS: &str = include_str!("../../../kernel/command-line").trim_ascii_end();

/// In an enclave.
pub(super) const PLACE: &str = "/proc/cmdline";

/// The kernel was started with other words than those of the image.
#[derive(Debug, Error)]
pub enum CommandLineError {
    /// It cannot be read.
    #[error("the kernel's command line cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It does not begin with the image's (T-54).
    #[error("the kernel's command line is {got:?}, which does not begin with the image's own")]
    Other {
        /// What the kernel was started with.
        got: String,
    },
}

/// Compares the line in this file with the image's.
pub(super) fn expect(place: &str) -> Result<(), CommandLineError> {
    let text = read(place, COMMAND_LINE_BYTES)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    match is_ours(line) {
        true => Ok(()),
        false => Err(CommandLineError::Other {
            got: line.to_owned(),
        }),
    }
}

fn is_ours(line: &str) -> bool {
    // INI-9
    line.strip_prefix(OURS)
        .is_some_and(|behind| behind.is_empty() || behind.starts_with(' '))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use super::*;

    /// Looks at a kernel that says this.
    fn found(line: &str) -> Result<(), CommandLineError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cmdline");
        fs::write(&file, line).unwrap();
        expect(file.to_str().unwrap())
    }

    #[test]
    fn ini_9_t54_the_image_s_own_words_with_the_machine_s_behind_them() {
        let devices = "virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=4K@0xd0001000:6";
        for line in [
            OURS.to_owned(),
            format!("{OURS}\n"),
            format!("{OURS} {devices}\n"),
            format!("{OURS} tsc=reliable tsc_early_khz=2600000 {devices}\n"),
        ] {
            found(&line).unwrap();
        }
    }

    #[test]
    fn ini_9_t54_a_border_that_was_moved_is_seen() {
        let (first, rest) = OURS.split_once(' ').unwrap();
        let (before, last) = OURS.rsplit_once(' ').unwrap();
        for line in [
            // To the end of the kernel: words, a part of one, all.
            rest.to_owned(),
            OURS[1..].to_owned(),
            String::new(),
            "virtio_mmio.device=4K@0xd0000000:5".to_owned(),
            // From there.
            format!(" {OURS}"),
            format!("quiet {OURS}"),
            // To the begin of the ramdisk.
            before.to_owned(),
            format!("{before} "),
            OURS[..OURS.len() - 1].to_owned(),
            // From there, before the machine's words.
            format!("{OURS}0707010000 virtio_mmio.device=4K@0xd0000000:5"),
            format!("{OURS}0"),
            // Others, or in another order.
            format!("{rest} {first}"),
            format!("{before} {last}n"),
            OURS.replacen(' ', "  ", 1),
            OURS.to_uppercase(),
            format!("{OURS}\n\n"),
            format!("{OURS}\u{a0}quiet"),
        ] {
            let got = line.clone();
            assert!(
                matches!(found(&line), Err(CommandLineError::Other { got: said }) if said == got.strip_suffix('\n').unwrap_or(&got)),
                "{line:?}"
            );
        }
    }

    #[test]
    fn ini_9_without_a_line_that_can_be_read_nothing_starts() {
        assert!(matches!(
            expect("/no/such/file"),
            Err(CommandLineError::Read(_))
        ));
        let endless = format!("{OURS} {}", "x".repeat(4096));
        assert!(matches!(found(&endless), Err(CommandLineError::Read(_))));
    }
}
