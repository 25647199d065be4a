//! The image: what the simulated enclave measures is the very program that runs.
//!
//! The registers are filled as a Nitro hypervisor fills them, `PCR = SHA-384(48 zero bytes || SHA-384(content))`. PCR0 is
//! over the bytes of the running executable, so another build is another image, and a rebuilt program is refused by
//! whoever pinned the earlier one. There is no kernel and no separate application here: PCR1 and PCR2 are over two names.

use std::fs::File;
use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA384, digest};
use cofferdam_wire::binding::Measurement;

/// The file that this process was started from, even if another one lies at its path by now.
pub const RUNNING: &str = "/proc/self/exe";

/// The measurement of the running program.
///
/// # Errors
/// Its file cannot be read.
pub fn measure_running() -> io::Result<Measurement> {
    let mut file = File::open(RUNNING)?;
    let mut content = Context::new(&SHA384);
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => break,
            length => content.update(&piece[..length]),
        }
    }
    let named = |name: &str| register(digest(&SHA384, name.as_bytes()).as_ref());
    Ok(Measurement {
        pcr0: register(content.finish().as_ref()),
        pcr1: named("cofferdam simulator: no kernel of its own"),
        pcr2: named("cofferdam simulator: no application beside the program"),
    })
}

/// The register after its one extension.
fn register(content: &[u8]) -> [u8; 48] {
    let mut extended = Context::new(&SHA384);
    extended.update(&[0; 48]);
    extended.update(content);
    let value = extended.finish();
    value
        .as_ref()
        .try_into()
        .expect("invariant: SHA-384 gives 48 bytes")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_same_program_measures_the_same_and_no_register_is_empty() {
        let measured = measure_running().unwrap();
        assert_eq!(measured, measure_running().unwrap());
        assert!(![measured.pcr0, measured.pcr1, measured.pcr2].contains(&[0; 48]));
        assert_ne!(measured.pcr1, measured.pcr2);
    }
}
