//! The real thing: images that boot in a Nitro enclave, and the same images booted without Nitro.
//!
//! `cargo xtask eif` builds an image. `cargo xtask nitro-qemu` boots both under QEMU's emulation of a Nitro enclave, with
//! the kernel's own drivers and vsock, and takes a key all the way on the simulator's. What that cannot show is AWS's
//! signature under the Evidence: the emulation signs nothing, and everybody has to refuse it.

mod cache;
mod cpio;
mod debian;
mod eif;
mod emulator;
mod image;
mod kernel;
mod moved;
mod reproducible;
mod run;

use std::path::{Path, PathBuf};

pub(crate) use run::{QemuOptions, qemu, step};

use anyhow::bail;
use cache::Cache;
use image::{Image, Which};
use kernel::Module;

/// Which image, and where to.
#[derive(clap::Args)]
pub struct EifOptions {
    /// The program in it.
    #[arg(long, value_enum, default_value = "production")]
    image: Which,
    /// Folder for NAME.eif and NAME.json.
    #[arg(long, value_name = "DIR", default_value = "target/eif")]
    out: PathBuf,
    /// The kernel, as uname -r says it, while Debian still has it; else the one in the cache, or today's.
    #[arg(long, value_name = "RELEASE")]
    kernel: Option<String>,
    /// Builds from two copies of the source in two folders instead; they have to be equal.
    #[arg(long)]
    check_reproducible: bool,
}

/// Builds an image.
pub(crate) fn eif(root: &Path, options: &EifOptions) -> anyhow::Result<()> {
    if let Some(obstacle) = debian::obstacle(&[debian::IMAGES]) {
        bail!("images are built on Debian: {obstacle}");
    }
    let cache = Cache::open()?;
    let out = root.join(&options.out);
    let release = options.kernel.as_deref();
    let image = match options.check_reproducible {
        true => reproducible::check(&cache, root, options.image, &out, release)?,
        false => image::build(&cache, root, options.image, &out, release, Module::Cached)?,
    };
    show(&image)
}

fn show(image: &Image) -> anyhow::Result<()> {
    print!("{}", crate::tree::read(&image.measurements)?);
    println!(
        "{}: {} KiB, of which the program {} KiB",
        image.eif.display(),
        image.bytes.div_ceil(1024),
        image.program_bytes.div_ceil(1024)
    );
    Ok(())
}
