//! `cargo xtask eif`: the image that boots in an enclave, and what it measures.
//!
//! The first ramdisk has the kernel's modules, the second the program and nothing else, so that PCR1 changes with Debian's
//! kernel only and PCR2 with our source only. There is no shell in it, no other program and no library.
//!
//! Two builds of one source give the same bytes wherever they are made (T-54): the program is linked statically and
//! stripped, paths are replaced, times and orders are constants. What has to be the same as well is the compiler, the one
//! that `rust-toolchain.toml` names with Debian's gcc, and the version of the kernel, which the metadata name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;

use super::cache::Cache;
use super::cpio::Archive;
use super::eif::Parts;
use super::kernel::{Kernel, Module, kernel};

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Serial console for the last words; a kernel in doubt ends, and the machine with it, at once. The program compares what
/// its kernel was started with (INI-9).
const COMMAND_LINE: &str = include_str!("../../../enclave/kernel/command-line").trim_ascii_end();
/// For tools that want one.
const BUILT: &str = "1970-01-01T00:00:00Z";

/// Which program is in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Which {
    /// The product, under AWS's root.
    Production,
    /// The simulator's, under the simulator's root. For trying and testing; it protects nothing.
    Simulator,
}

impl Which {
    pub(super) fn name(self) -> &'static str {
        match self {
            Which::Production => "production",
            Which::Simulator => "simulator",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Which::Production => "cofferdam-enclave",
            Which::Simulator => "cofferdam-simulator-enclave",
        }
    }
}

/// An image and the file beside it that says what it measures.
pub(super) struct Image {
    pub(super) eif: PathBuf,
    pub(super) measurements: PathBuf,
    pub(super) bytes: usize,
    pub(super) program_bytes: usize,
}

/// Builds the program from the source in `root` and writes `out/NAME.eif` and `out/NAME.json`.
pub(super) fn build(
    cache: &Cache,
    root: &Path,
    which: Which,
    out: &Path,
    release: Option<&str>,
    module: Module,
) -> anyhow::Result<Image> {
    let kernel = kernel(cache, root, release, module)?;
    let program = program(root, which)?;
    let program =
        fs::read(&program).with_context(|| format!("the build left no {}", program.display()))?;
    let program_bytes = program.len();
    let parts = Parts {
        system: system(&kernel)?,
        application: application(program)?,
        command_line: COMMAND_LINE.to_owned(),
        metadata: metadata(which, &kernel.release)?,
        kernel: kernel.image,
    };
    let image = parts.written();
    let [pcr0, pcr1, pcr2] = parts.pcrs().0.map(hex::encode);
    let stated = serde_json::json!({
        "pcr0": pcr0,
        "pcr1": pcr1,
        "pcr2": pcr2,
        // The image is not signed: whoever lists a measurement names the image itself.
        "pcr8": null,
        "bytes": image.len(),
        "kernel": kernel.release,
    });
    fs::create_dir_all(out)?;
    let built = Image {
        eif: out.join(format!("{}.eif", which.name())),
        measurements: out.join(format!("{}.json", which.name())),
        bytes: image.len(),
        program_bytes,
    };
    fs::write(&built.eif, &image)?;
    fs::write(&built.measurements, format!("{stated:#}\n"))?;
    Ok(built)
}

/// The program, linked statically, in a folder of its own so that no other build is disturbed.
fn program(root: &Path, which: Which) -> anyhow::Result<PathBuf> {
    let target = root.join("target/eif");
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        PathBuf::from,
    );
    // Paths end up in messages of panics, and in what the compiler of C makes of __FILE__.
    let places = [(root, "/cofferdam"), (home.as_path(), "/cargo")];
    let mut rust = vec!["-Ctarget-feature=+crt-static".to_owned()];
    let mut c = Vec::new();
    for (place, name) in places {
        rust.push(format!("--remap-path-prefix={}={name}", place.display()));
        c.push(format!("-ffile-prefix-map={}={name}", place.display()));
    }
    let package = which.package();
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--locked",
            "--profile",
            "image",
            "--target",
            TARGET,
        ])
        .args(["--package", package, "--bin", package, "--target-dir"])
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\x1f"))
        .env(format!("CFLAGS_{}", TARGET.replace('-', "_")), c.join(" "))
        .env("CARGO_INCREMENTAL", "0")
        .current_dir(root)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "{package} could not be built");
    Ok(target.join(TARGET).join("image").join(package))
}

fn system(kernel: &Kernel) -> anyhow::Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in ["dev", "modules", "proc", "sys"] {
        archive.folder(folder)?;
    }
    for (name, module) in &kernel.modules {
        archive.file(&format!("modules/{name}"), module.clone())?;
    }
    archive.file("modules.list", kernel.list.clone().into_bytes())?;
    archive.written()
}

fn application(program: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.program("init", program)?;
    archive.written()
}

/// As the tools of AWS show it.
fn metadata(which: Which, release: &str) -> anyhow::Result<String> {
    Ok(serde_json::to_string(&serde_json::json!({
        "ImageName": format!("cofferdam-{}", which.name()),
        "ImageVersion": env!("CARGO_PKG_VERSION"),
        "BuildMetadata": {
            "BuildTime": BUILT,
            "BuildTool": "cargo xtask eif",
            "BuildToolVersion": env!("CARGO_PKG_VERSION"),
            "OperatingSystem": "Linux",
            "KernelVersion": release,
        },
        "DockerInfo": {},
        "CustomMetadata": null,
    }))?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn kernel() -> Kernel {
        Kernel {
            release: "6.12-x".to_owned(),
            image: vec![0],
            modules: vec![("a.ko".to_owned(), vec![1]), ("b.ko".to_owned(), vec![2])],
            list: "a.ko\nb.ko virtio_mmio.device\n".to_owned(),
        }
    }

    #[test]
    fn the_program_is_alone_in_its_ramdisk_and_the_modules_in_theirs() {
        let holds = |archive: &[u8], name: &str| {
            let name = format!("{name}\0");
            archive
                .windows(name.len())
                .any(|window| window == name.as_bytes())
        };
        let (system, application) = (system(&kernel()).unwrap(), application(vec![7]).unwrap());
        for name in [
            "dev",
            "proc",
            "sys",
            "modules/a.ko",
            "modules/b.ko",
            "modules.list",
        ] {
            assert!(holds(&system, name), "{name}");
            assert!(!holds(&application, name), "{name}");
        }
        // INI-9 relies on it that no byte from there is a space behind the command line.
        assert!(system.starts_with(b"07070"));
        assert!(holds(&application, "init"));
        assert!(!holds(&system, "init"));
    }

    #[test]
    fn the_command_line_is_one_line() {
        assert!(COMMAND_LINE.split(' ').all(|word| !word.is_empty()));
        assert!(
            COMMAND_LINE
                .bytes()
                .all(|byte| byte.is_ascii_graphic() || byte == b' ')
        );
    }
}
