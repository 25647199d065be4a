//! A QEMU that has the machine type `nitro-enclave`, and the program that plays its vsock device.
//!
//! QEMU is built small: one processor, one machine, no device that the machine has not. Its firmware is Debian's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::cache::Cache;
use super::debian;
use crate::program;

/// Counts the ways in which it was built; another one gets another folder of the cache.
const RECIPE: u32 = 1;
/// The first that QEMU's sources accept is newer than Debian's.
const MESON: &str = "meson==1.8.5";
const MESON_SHA256: &str = "15ab2cca08271bc055bc33a4929b7c58f15ad67df4c1fa65dc223e822b882bef";
const VSOCK_DEVICE: &str = "0.3.0";

const DEVICES: &str = "CONFIG_MICROVM=y\nCONFIG_NITRO_ENCLAVE=y\n";
const CONFIGURE: &[&str] = &[
    "--target-list=x86_64-softmmu",
    "--without-default-features",
    "--without-default-devices",
    "--with-devices-x86_64=nitro",
    "--enable-system",
    "--enable-tcg",
    "--enable-vhost-user",
    "--enable-libcbor",
    "--enable-gnutls",
    "--enable-fdt=system",
    "--disable-debug-info",
    "--disable-docs",
    "--disable-download",
    "--disable-install-blobs",
];
const FIRMWARE: &[&str] = &["qboot.rom", "linuxboot_dma.bin"];

/// What boots an image.
pub(super) struct Emulator {
    pub(super) qemu: PathBuf,
    pub(super) firmware: PathBuf,
    pub(super) vsock_device: PathBuf,
}

/// From the cache, or built into it.
pub(super) fn emulator(cache: &Cache) -> anyhow::Result<Emulator> {
    let qemu = cache.once(&format!("qemu-{RECIPE}"), build)?;
    let device = cache.once(&format!("vhost-device-vsock-{VSOCK_DEVICE}"), install)?;
    Ok(Emulator {
        firmware: qemu.join("firmware"),
        qemu: qemu.join("qemu-system-x86_64"),
        vsock_device: device.join("bin/vhost-device-vsock"),
    })
}

fn build(part: &Path) -> anyhow::Result<()> {
    let work = part.join("work");
    fs::create_dir_all(&work)?;
    let log = part.join("log");
    let source = debian::source("qemu", &work, &log)?;
    let devices = source.join("configs/devices/x86_64-softmmu/nitro.mak");
    fs::write(devices, DEVICES)?;

    let python = work.join("python");
    program::run(
        Command::new("/usr/bin/python3")
            .args(["-m", "venv"])
            .arg(&python),
        &log,
    )?;
    let wanted = work.join("requirements");
    fs::write(&wanted, format!("{MESON} --hash=sha256:{MESON_SHA256}\n"))?;
    let mut pip = Command::new(python.join("bin/pip"));
    pip.args(["install", "--quiet", "--require-hashes", "--no-deps", "-r"]);
    program::run(pip.arg(&wanted), &log)?;

    let path = std::env::var_os("PATH").context("there is no PATH")?;
    let folders = [python.join("bin")]
        .into_iter()
        .chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders)?;
    let build = work.join("build");
    fs::create_dir_all(&build)?;
    let in_build =
        |command: &mut Command| program::run(command.current_dir(&build).env("PATH", &path), &log);
    in_build(Command::new(source.join("configure")).args(CONFIGURE))?;
    in_build(Command::new("ninja").arg("qemu-system-x86_64"))?;
    in_build(Command::new("strip").arg("qemu-system-x86_64"))?;
    fs::copy(
        build.join("qemu-system-x86_64"),
        part.join("qemu-system-x86_64"),
    )?;

    let system = work.join("system");
    debian::unpack(&["qemu-system-data".to_owned()], &system, &log)?;
    let firmware = part.join("firmware");
    fs::create_dir_all(&firmware)?;
    for name in FIRMWARE {
        fs::copy(
            system.join("usr/share/qemu").join(name),
            firmware.join(name),
        )
        .with_context(|| (*name).to_owned())?;
    }
    fs::remove_dir_all(&work)?;
    Ok(())
}

fn install(part: &Path) -> anyhow::Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "install",
        "vhost-device-vsock",
        "--version",
        VSOCK_DEVICE,
        "--locked",
        "--root",
    ]);
    cargo.arg(part).env("CARGO_TARGET_DIR", part.join("target"));
    program::run(cargo.current_dir(part), &part.join("log"))?;
    fs::remove_dir_all(part.join("target"))?;
    Ok(())
}
