//! `cargo xtask nitro-qemu`: both images, booted and put to work.
//!
//! The production image has to come out of two builds as the same bytes, to boot, to measure what was printed, and to be
//! refused by everybody for its unsigned document; with a border in it moved it has to refuse to start (T-54). The simulator's has to go through the whole demo: import, signatures,
//! revocation, a reboot of the machine and recovery by officers, over the kernel's own vsock.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::cache::Cache;
use super::debian::Needs;
use super::emulator::{Emulator, emulator};
use super::image::{self, Image, Which};
use super::kernel::Module;
use super::{debian, moved, reproducible, show};
use crate::ci;

/// Images are built here, and booted.
const NEEDS: &[Needs] = &[debian::IMAGES, debian::EMULATOR];

/// How much of it.
#[derive(clap::Args, Default)]
pub struct QemuOptions {
    /// Prints the packages of Debian that are missing for it, and does nothing.
    #[arg(long)]
    missing_packages: bool,
    /// Writes what the production image said under QEMU to this file.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

/// Runs it; what is missing is an error.
pub(crate) fn qemu(root: &Path, options: &QemuOptions) -> anyhow::Result<()> {
    if options.missing_packages {
        println!("{}", debian::missing(NEEDS).join(" "));
        return Ok(());
    }
    if let Some(obstacle) = debian::obstacle(NEEDS) {
        bail!("this is done on Debian: {obstacle}");
    }
    let cache = Cache::open()?;
    let emulator = emulator(&cache)?;
    let out = root.join("target/eif");
    let production = reproducible::check(&cache, root, Which::Production, &out, None)?;
    show(&production)?;
    let copy = reproducible::first_copy(&cache, root)?;
    let simulator = image::build(&cache, &copy, Which::Simulator, &out, None, Module::Cached)?;
    show(&simulator)?;

    let keep = options.keep.as_ref().map(|file| file.display().to_string());
    let mut inspect = vec!["inspect".to_owned()];
    if let Some(file) = &keep {
        inspect.extend(["--keep".to_owned(), file.clone()]);
    }
    simulate(root, inspect, &production, &emulator).context("the production image")?;
    moved::must_not_start(root, &production, &emulator)
        .context("the production image with a border moved")?;
    simulate(root, vec!["demo".to_owned()], &simulator, &emulator).context("the demo")
}

/// The step of CI. A developer's machine may be of another kind; CI's may not.
pub(crate) fn step(root: &Path) -> anyhow::Result<()> {
    if let Some(obstacle) = debian::obstacle(NEEDS)
        && std::env::var_os("CI").is_none_or(|ci| ci != "true")
    {
        println!("!!! SKIPPED: nothing was booted, since {obstacle}");
        return Ok(());
    }
    qemu(root, &QemuOptions::default())
}

/// Runs the simulator on an image.
fn simulate(
    root: &Path,
    command: Vec<String>,
    image: &Image,
    emulator: &Emulator,
) -> anyhow::Result<()> {
    let words = simulator(command, image, emulator)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    ci::cargo(root, &words)
}

/// What cargo is called with to do so.
pub(super) fn simulator(
    command: Vec<String>,
    image: &Image,
    emulator: &Emulator,
) -> anyhow::Result<Vec<String>> {
    let mut words: Vec<String> = ["run", "--release", "--locked", "--quiet", "-p"]
        .map(str::to_owned)
        .into();
    words.extend(["cofferdam-simulator".to_owned(), "--".to_owned()]);
    words.extend(command);
    for (name, path) in [
        ("--eif", &image.eif),
        ("--measurements", &image.measurements),
        ("--qemu", &emulator.qemu),
        ("--vhost-device-vsock", &emulator.vsock_device),
        ("--firmware", &emulator.firmware),
    ] {
        let path = path
            .to_str()
            .with_context(|| format!("{} is no text", path.display()))?;
        words.extend([name.to_owned(), path.to_owned()]);
    }
    Ok(words)
}
