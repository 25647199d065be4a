//! Sizes of the shipped binaries, for the README and the notes of a release.

use std::path::Path;

/// Prints what is there; nothing is built for it.
pub(crate) fn print(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("target/release");
    for name in [
        "cofferdam-enclave",
        "cofferdam-parent-proxy",
        "cofferdam-revocation-service",
        "coffer",
        "cofferdam-sim",
    ] {
        match std::fs::metadata(folder.join(name)) {
            Ok(file) => println!("{:>9} KiB  {name}", file.len().div_ceil(1024)),
            Err(_) => println!(
                "{:>9}      {name} (not built: cargo build --release --workspace)",
                "-"
            ),
        }
    }
    Ok(())
}
