//! Whether two builds give one image (T-54): from two copies of the source, in two folders with names of two lengths,
//! with nothing shared but the compilers, the crates' sources and Debian's packages.
//!
//! The copies stay in the cache, so that the next time only what changed is built again, in both.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::ensure;

use super::cache::Cache;
use super::image::{self, Image, Which};
use super::kernel::Module;
use crate::tree;

const FOLDERS: [&str; 2] = ["one/source", "another/place/with/a/longer/name/source"];
/// The second builds our kernel module as well.
const MODULES: [Module; 2] = [Module::Cached, Module::Anew];

/// The first of the two copies, brought in line with the source in `root`.
pub(super) fn first_copy(cache: &Cache, root: &Path) -> anyhow::Result<PathBuf> {
    let copy = cache.place(FOLDERS[0]);
    tree::copy(root, &copy)?;
    Ok(copy)
}

/// Builds twice, compares, and leaves the image in `out`.
pub(super) fn check(
    cache: &Cache,
    root: &Path,
    which: Which,
    out: &Path,
    release: Option<&str>,
) -> anyhow::Result<Image> {
    let mut images = Vec::new();
    for (folder, module) in FOLDERS.into_iter().zip(MODULES) {
        let copy = cache.place(folder);
        tree::copy(root, &copy)?;
        let image = image::build(
            cache,
            &copy,
            which,
            &copy.join("target/eif"),
            release,
            module,
        )?;
        images.push(image);
    }
    let [one, other] = [&images[0], &images[1]].map(|image| fs::read(&image.eif));
    let (one, other) = (one?, other?);
    let differ = one.iter().zip(&other).position(|(one, other)| one != other);
    ensure!(
        one == other,
        "two builds differ, from byte {} on: {} and {}",
        differ.unwrap_or(one.len().min(other.len())),
        images[0].eif.display(),
        images[1].eif.display()
    );
    println!(
        "two builds in two folders gave the same {} bytes",
        one.len()
    );
    fs::create_dir_all(out)?;
    let place = |file: &Path| out.join(file.file_name().unwrap_or_default());
    let image = Image {
        eif: place(&images[0].eif),
        measurements: place(&images[0].measurements),
        bytes: images[0].bytes,
        program_bytes: images[0].program_bytes,
    };
    fs::copy(&images[0].eif, &image.eif)?;
    fs::copy(&images[0].measurements, &image.measurements)?;
    Ok(image)
}
