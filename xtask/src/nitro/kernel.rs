//! The kernel of an image, and the modules that it needs in an enclave: Debian's, and one of our own.
//!
//! Debian's kernel has the drivers of the security module and of vsock as modules. What it has not is the reading of the
//! words of the command line that say where the hypervisor put the devices; `enclave/kernel` has a module that does it,
//! built here against the matching headers and stripped of everything that could differ from one place to the next.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::cache::{self, Cache};
use super::debian;
use crate::{program, tree};

/// The kernel for machines without hardware of their own; the first line that has a driver of the security module.
const META: &str = "linux-image-6.12-cloud-amd64";
const FLAVOUR: &str = "-cloud-amd64";

/// Debian's, in the order of loading.
const MODULES: &[&str] = &[
    "net/vmw_vsock/vsock",
    "net/vmw_vsock/vmw_vsock_virtio_transport_common",
    "net/vmw_vsock/vmw_vsock_virtio_transport",
    "drivers/misc/nsm",
    "drivers/virtio/virtio_mmio",
];
/// Ours, loaded last, since the devices appear with it.
const OURS: &str = "virtio_mmio_words";
/// In the list of modules: this module gets the values of these words of the command line.
const WORDS: &str = "virtio_mmio.device";

/// A kernel, ready to go into an image.
pub(super) struct Kernel {
    /// What `uname -r` says.
    pub(super) release: String,
    pub(super) image: Vec<u8>,
    /// Name of the file and content, in the order of loading.
    pub(super) modules: Vec<(String, Vec<u8>)>,
    /// What init reads: a module a line.
    pub(super) list: String,
}

/// Where our module comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Module {
    /// From the cache, or built into it.
    Cached,
    /// Built in the source's own folder, whatever the cache has.
    Anew,
}

/// From the cache, or fetched into it. `release` wants that one and no other, as long as Debian has it.
pub(super) fn kernel(
    cache: &Cache,
    root: &Path,
    release: Option<&str>,
    module: Module,
) -> anyhow::Result<Kernel> {
    let name = match release {
        Some(release) => format!("kernel-{release}"),
        None => "kernel".to_owned(),
    };
    let folder = cache.once(&name, |part| fetch(part, release))?;
    let release = tree::read(&folder.join("release"))?;
    let system = folder.join("system");
    let read =
        |path: PathBuf| fs::read(&path).with_context(|| format!("cannot read {}", path.display()));
    let mut modules = Vec::new();
    let mut list = String::new();
    for module in MODULES {
        let file = format!("{}.ko", module.rsplit('/').next().unwrap_or(module));
        let packed = format!("lib/modules/{release}/kernel/{module}.ko.xz");
        let mut unpack = Command::new("xz");
        unpack
            .args(["--decompress", "--stdout"])
            .arg(system.join(packed));
        list.push_str(&format!("{file}\n"));
        modules.push((file, program::output(&mut unpack)?));
    }
    let file = format!("{OURS}.ko");
    let source = read(root.join(format!("enclave/kernel/{OURS}.c")))?;
    let text = hex::encode(&Sha256::digest(&source)[..8]);
    let name = format!("module-{release}-{text}");
    let ours = made(cache, root, module, &name, |part| {
        ours(part, &system, &release, &source)
    })?;
    list.push_str(&format!("{file} {WORDS}\n"));
    modules.push((file.clone(), read(ours.join(&file))?));
    Ok(Kernel {
        image: read(system.join(format!("boot/vmlinuz-{release}")))?,
        release,
        modules,
        list,
    })
}

fn fetch(part: &Path, release: Option<&str>) -> anyhow::Result<()> {
    let image = match release {
        Some(release) => format!("linux-image-{release}"),
        None => debian::stands_for(META, "linux-image-")?,
    };
    let release = image.trim_start_matches("linux-image-");
    let version = release.trim_end_matches(FLAVOUR);
    let packages = [
        image.clone(),
        format!("linux-headers-{release}"),
        format!("linux-headers-{version}-common"),
        format!("linux-kbuild-{version}"),
    ];
    debian::unpack(&packages, &part.join("system"), &part.join("log"))?;
    Ok(fs::write(part.join("release"), release)?)
}

/// The folder with our module; in the cache once for each text of it and each kernel.
fn made(
    cache: &Cache,
    root: &Path,
    module: Module,
    name: &str,
    make: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    match module {
        Module::Cached => cache.once(name, make),
        Module::Anew => {
            let folder = root.join("target/eif/module");
            cache::empty(&folder)?;
            make(&folder)?;
            Ok(folder)
        }
    }
}

/// Builds our module into `part`.
fn ours(part: &Path, system: &Path, release: &str, source: &[u8]) -> anyhow::Result<()> {
    let work = part.join("work");
    cache::empty(&work)?;
    fs::write(work.join(format!("{OURS}.c")), source)?;
    fs::write(work.join("Kbuild"), format!("obj-m := {OURS}.o\n"))?;
    let headers = |kind: &str| system.join(format!("usr/src/linux-headers-{kind}"));
    let common = format!("{}-common", release.trim_end_matches(FLAVOUR));
    let mut make = Command::new("make");
    make.arg("-C").arg(headers(&common));
    make.arg(format!("O={}", headers(release).display()));
    make.arg(format!("M={}", work.display()));
    // Type information wants a program that is not needed otherwise; debug information holds paths.
    make.args(["CONFIG_DEBUG_INFO_BTF_MODULES=", "KCFLAGS=-g0", "modules"]);
    let log = part.join("log");
    program::run(&mut make, &log)?;
    let mut strip = Command::new("objcopy");
    strip.args(["--strip-debug", "--remove-section=.note.gnu.build-id"]);
    strip
        .arg(work.join(format!("{OURS}.ko")))
        .arg(part.join(format!("{OURS}.ko")));
    program::run(&mut strip, &log)?;
    Ok(fs::remove_dir_all(&work)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn t54_a_second_build_makes_its_own_module() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("cache")).unwrap();
        let source = folder.path().join("source");
        let mut builds = 0;
        for module in [Module::Cached, Module::Cached, Module::Anew, Module::Anew] {
            let make = |part: &Path| {
                builds += 1;
                Ok(fs::write(part.join("a.ko"), "module")?)
            };
            let made = made(&cache, &source, module, "module", make).unwrap();
            assert!(made.join("a.ko").is_file());
            assert_eq!(made.starts_with(&source), module == Module::Anew);
        }
        assert_eq!(builds, 3);
    }
}
