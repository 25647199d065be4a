//! Kernel modules, in the order of a list that is measured with the ramdisk.
//!
//! `/modules.list` has a line for each: the name of a file in `/modules`, and behind it, for the one module that
//! registers the hypervisor's devices, the word `virtio_mmio.device`. That module gets the values of all such words of
//! the kernel's command line as its parameter `device`, with commas between them. Those words come from the hypervisor and
//! say where its devices are; nothing else of the command line is looked at. An image whose kernel needs no module has
//! no list.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use thiserror::Error;

use super::command_line;

/// The word of the command line, and of the list.
const DEVICE: &str = "virtio_mmio.device";

/// Far more than any image needs.
const LIST_BYTES: u64 = 4096;
/// Longest command line of the kernel on x86.
pub(super) const COMMAND_LINE_BYTES: u64 = 2048;
/// Nitro names two.
const DEVICES: usize = 16;

/// Why the modules are not there.
#[derive(Debug, Error)]
pub enum ModulesError {
    /// The list is there and cannot be read.
    #[error("the list of modules cannot be read: {0}")]
    List(#[source] io::Error),
    /// This line of the list is no name of a module.
    #[error("line {0} of the list of modules names no module")]
    Line(usize),
    /// The module of this line cannot be read.
    #[error("the module of line {line} cannot be read: {error}")]
    File {
        /// Counted from 1.
        line: usize,
        /// The system's.
        error: io::Error,
    },
    /// The kernel does not take the module of this line.
    #[error("the kernel does not take the module of line {line}: {error}")]
    Kernel {
        /// Counted from 1.
        line: usize,
        /// The kernel's.
        error: Errno,
    },
    /// The command line cannot be read.
    #[error("the kernel's command line cannot be read: {0}")]
    CommandLine(#[source] io::Error),
    /// What stands behind `virtio_mmio.device=` is no place of a device, or there are too many.
    #[error("the kernel's command line names no place of a device")]
    Device,
}

/// Where everything is.
pub(super) struct Places<'a> {
    pub(super) list: &'a str,
    pub(super) folder: &'a str,
    pub(super) command_line: &'a str,
}

/// In an enclave.
pub(super) const PLACES: Places<'static> = Places {
    list: "/modules.list",
    folder: "/modules",
    command_line: command_line::PLACE,
};

/// Loads every module of the list; tells how many. `insert` gives one to the kernel.
pub(super) fn load(
    places: &Places<'_>,
    mut insert: impl FnMut(&File, &CStr) -> Result<(), Errno>,
) -> Result<usize, ModulesError> {
    let list = match read(places.list, LIST_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        list => list.map_err(ModulesError::List)?,
    };
    let mut loaded = 0;
    for (line, text) in (1..).zip(list.lines()) {
        // INI-1
        let (name, wants_devices) = entry(text).ok_or(ModulesError::Line(line))?;
        let parameters = if wants_devices {
            let words = read(places.command_line, COMMAND_LINE_BYTES);
            device_parameter(&words.map_err(ModulesError::CommandLine)?)?
        } else {
            CString::default()
        };
        let file = File::open(Path::new(places.folder).join(name))
            .map_err(|error| ModulesError::File { line, error })?;
        insert(&file, &parameters).map_err(|error| ModulesError::Kernel { line, error })?;
        loaded += 1;
    }
    Ok(loaded)
}

/// Gives a module to the kernel.
pub(super) fn insert(module: &File, parameters: &CStr) -> Result<(), Errno> {
    finit_module(module, parameters, ModuleInitFlags::empty())
}

/// The name of the file, and whether the module wants to know of the devices.
fn entry(line: &str) -> Option<(&str, bool)> {
    let (name, wants_devices) = match line.split_once(' ') {
        None => (line, false),
        Some((name, DEVICE)) => (name, true),
        Some(_) => return None,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let stem = name.strip_suffix(".ko")?;
    (!stem.is_empty() && stem.chars().all(plain)).then_some((name, wants_devices))
}

/// `device=SIZE@BASE:IRQ,...` out of the words of the command line.
fn device_parameter(command_line: &str) -> Result<CString, ModulesError> {
    let places: Vec<&str> = command_line
        .split_ascii_whitespace()
        .filter_map(|word| word.strip_prefix(DEVICE)?.strip_prefix('='))
        .collect();
    let is_place = |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | ':');
    let sound = |place: &&str| !place.is_empty() && place.chars().all(is_place);
    // INI-2
    if places.len() > DEVICES || !places.iter().all(sound) {
        return Err(ModulesError::Device);
    }
    if places.is_empty() {
        return Ok(CString::default());
    }
    CString::new(format!("device={}", places.join(","))).map_err(|_| ModulesError::Device)
}

/// A text of at most so many bytes.
pub(super) fn read(path: &str, most: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const WORDS: &str = "console=ttyS0 virtio_mmio.device=512@0xfeb00e00:12 quiet virtio_mmio.device=4K@0xd0000000:5\n";

    /// A ramdisk with two modules and this list.
    fn ramdisk(list: Option<&str>, command_line: &str) -> TempDir {
        let disk = tempfile::tempdir().unwrap();
        fs::create_dir(disk.path().join("modules")).unwrap();
        for name in ["vsock.ko", "devices.ko"] {
            fs::write(disk.path().join("modules").join(name), name).unwrap();
        }
        if let Some(list) = list {
            fs::write(disk.path().join("modules.list"), list).unwrap();
        }
        fs::write(disk.path().join("cmdline"), command_line).unwrap();
        disk
    }

    /// What the kernel got: content and parameters of each.
    fn load_from(disk: &TempDir) -> Result<Vec<(String, String)>, ModulesError> {
        let place = |name: &str| disk.path().join(name).to_str().unwrap().to_owned();
        let (list, folder, command_line) =
            (place("modules.list"), place("modules"), place("cmdline"));
        let places = Places {
            list: &list,
            folder: &folder,
            command_line: &command_line,
        };
        let mut got = Vec::new();
        let insert = |mut module: &File, parameters: &CStr| {
            let mut content = String::new();
            module.read_to_string(&mut content).unwrap();
            got.push((content, parameters.to_str().unwrap().to_owned()));
            Ok(())
        };
        assert_eq!(load(&places, insert)?, got.len());
        Ok(got)
    }

    fn refused(list: &str) -> ModulesError {
        load_from(&ramdisk(Some(list), WORDS)).unwrap_err()
    }

    #[test]
    fn ini_1_modules_are_loaded_in_the_order_of_the_list_and_one_of_them_gets_the_devices() {
        let list = "vsock.ko\ndevices.ko virtio_mmio.device\n";
        let got = load_from(&ramdisk(Some(list), WORDS)).unwrap();
        let devices = "device=512@0xfeb00e00:12,4K@0xd0000000:5";
        assert_eq!(
            got,
            [
                ("vsock.ko".to_owned(), String::new()),
                ("devices.ko".to_owned(), devices.to_owned())
            ]
        );
    }

    #[test]
    fn without_a_list_and_without_devices_there_is_nothing_to_give() {
        assert!(load_from(&ramdisk(None, WORDS)).unwrap().is_empty());
        let disk = ramdisk(Some("devices.ko virtio_mmio.device"), "console=ttyS0");
        assert_eq!(
            load_from(&disk).unwrap(),
            [("devices.ko".to_owned(), String::new())]
        );
    }

    #[test]
    fn ini_1_a_line_that_names_no_module_is_refused() {
        for line in [
            "",
            "vsock",
            ".ko",
            "../vsock.ko",
            "/modules/vsock.ko",
            "vsock.ko ",
            "vsock.ko device=1",
            " vsock.ko",
        ] {
            let error = refused(&format!("vsock.ko\n{line}\n"));
            assert!(matches!(error, ModulesError::Line(2)), "{line:?}");
        }
    }

    #[test]
    fn ini_1_a_module_that_is_not_there_or_not_taken_ends_it() {
        let error = refused("vsock.ko\nother.ko\n");
        assert!(matches!(error, ModulesError::File { line: 2, .. }));
        let disk = ramdisk(Some("vsock.ko\n"), WORDS);
        let [list, folder] = ["modules.list", "modules"].map(|name| disk.path().join(name));
        let places = Places {
            list: list.to_str().unwrap(),
            folder: folder.to_str().unwrap(),
            command_line: "",
        };
        let error = load(&places, |_, _| Err(Errno::ENOEXEC)).unwrap_err();
        assert!(matches!(
            error,
            ModulesError::Kernel {
                line: 1,
                error: Errno::ENOEXEC
            }
        ));
    }

    #[test]
    fn ini_2_t81_nothing_but_places_of_devices_gets_from_the_command_line_to_the_kernel() {
        for word in ["", "4K@0xd0000000:5,other", "4K@0xd0000000:5\"", "4K@../x"] {
            let words = format!("{WORDS} virtio_mmio.device={word}");
            let disk = ramdisk(Some("devices.ko virtio_mmio.device"), &words);
            assert!(
                matches!(load_from(&disk), Err(ModulesError::Device)),
                "{word:?}"
            );
        }
        let many = "virtio_mmio.device=1@2:3 ".repeat(DEVICES + 1);
        let disk = ramdisk(Some("devices.ko virtio_mmio.device"), &many);
        assert!(matches!(load_from(&disk), Err(ModulesError::Device)));
    }

    #[test]
    fn texts_without_end_are_refused() {
        let list = "vsock.ko\n".repeat(1000);
        assert!(matches!(refused(&list), ModulesError::List(_)));
        let disk = ramdisk(Some("devices.ko virtio_mmio.device"), &"x".repeat(4096));
        assert!(matches!(
            load_from(&disk),
            Err(ModulesError::CommandLine(_))
        ));
    }
}
