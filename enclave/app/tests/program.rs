//! The program and its process: nothing sets whom it trusts (T-81), and nothing leaks when it stops (T-29).

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unreachable_pub, dead_code, reason = "a module of tests, used in part")]

#[path = "shell/stage.rs"]
mod stage;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::Ordering;

use cofferdam_attestation::{AWS_NITRO_ROOT_SHA256, Root};
use cofferdam_enclave::harden;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit};

use stage::Stage;

const CHILD: &str = "COFFERDAM_TEST_CHILD";

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cofferdam-enclave"))
}

/// This test again, in a process of its own.
fn child(test: &str) -> Output {
    let arguments = ["--exact", test, "--nocapture", "--test-threads=1"];
    Command::new(env::current_exe().unwrap())
        .args(arguments)
        .env(CHILD, "1")
        .output()
        .unwrap()
}

fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

#[test]
fn t81_outside_of_an_enclave_the_program_ends_with_one_line_whatever_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("root.der"), b"another root").unwrap();
    let plain = program().output().unwrap();
    let given = program()
        .args(["--root", "root.der", "--vendor-key", "00", "--port", "1"])
        .env("ROOT", "root.der")
        .env("COFFERDAM_ATTESTATION_ROOT", "root.der")
        .env("COFFERDAM_VENDOR_KEY", "00")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(!plain.status.success());
    assert_eq!(
        plain.stderr,
        b"cofferdam-enclave: there is no security module\n"
    );
    assert_eq!((plain.status, plain.stderr), (given.status, given.stderr));
    assert!(plain.stdout.is_empty() && given.stdout.is_empty());
}

/// Every file below.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => sources(&path),
            false => vec![path],
        })
        .collect()
}

#[test]
fn t81_no_source_of_the_shell_reads_arguments_or_variables_and_its_main_reads_no_file() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&source);
    assert!(files.contains(&source.join("init/modules.rs")));
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for word in [
            "std::env",
            "env::",
            "args()",
            "args_os",
            "var(",
            "var_os",
            "option_env",
        ] {
            assert!(!text.contains(word), "{word} in {}", path.display());
        }
    }
    let main = fs::read_to_string(source.join("main.rs")).unwrap();
    for word in ["std::fs", "fs::", "File", "Path", "std::net", "std::io"] {
        assert!(!main.contains(word), "{word} in main.rs");
    }
    assert!(main.lines().count() <= 60);
}

#[test]
fn there_is_one_unsafe_block_and_it_is_where_its_adr_says() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let text = |path: &PathBuf| fs::read_to_string(path).unwrap();
    let with_blocks = sources(&source)
        .into_iter()
        .map(|path| (text(&path).matches("unsafe {").count(), path))
        .filter(|(count, _)| *count > 0)
        .collect::<Vec<_>>();
    assert_eq!(with_blocks, [(1, source.join("generator.rs"))]);
}

#[test]
fn t81_the_root_of_the_program_is_amazon_s() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let main = fs::read_to_string(source.join("main.rs")).unwrap();
    let name = main
        .split("include_bytes!(\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let root = Root::from_der(&fs::read(source.join(name)).unwrap()).unwrap();
    assert_eq!(root.sha256(), AWS_NITRO_ROOT_SHA256);
}

#[test]
fn t81_nothing_of_the_simulator_is_in_the_program() {
    let program = fs::read(env!("CARGO_BIN_EXE_cofferdam-enclave")).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // 32 bytes from the middle of a file, where no two certificates or keys are alike.
    let has = |file: &str| {
        let content = fs::read(folder.join(file)).unwrap();
        let middle = content.len() / 2;
        let part = &content[middle - 16..middle + 16];
        program.windows(part.len()).any(|window| window == part)
    };
    assert!(has("attestation/roots/aws-nitro.der"), "the search works");
    for key in ["nsm-root.der", "nsm-root.p8", "vendor.p8"] {
        assert!(!has(&format!("simulator/nsm/keys/{key}")), "{key}");
    }
}

#[test]
fn t29_a_hardened_process_leaves_no_core_and_lets_nobody_attach() {
    if is_child() {
        harden().unwrap();
        let stays =
            getrlimit(Resource::RLIMIT_CORE) == Ok((0, 0)) && prctl::get_dumpable() == Ok(false);
        std::process::exit(if stays { 42 } else { 1 });
    }
    let output = child("t29_a_hardened_process_leaves_no_core_and_lets_nobody_attach");
    assert_eq!(output.status.code(), Some(42));
}

#[test]
fn t29_a_panic_ends_the_hardened_process_and_tells_the_line_only() {
    if is_child() {
        harden().unwrap();
        serve_until_the_module_panics();
    }
    let output = child("t29_a_panic_ends_the_hardened_process_and_tells_the_line_only");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(told.contains("cofferdam-enclave: stopped at ") && told.contains("stage.rs:"));
    assert!(!told.contains("canary"));
}

#[test]
fn a_panic_of_any_thread_of_the_shell_ends_the_process_without_hardening_too() {
    if is_child() {
        serve_until_the_module_panics();
    }
    let output = child("a_panic_of_any_thread_of_the_shell_ends_the_process_without_hardening_too");
    assert_eq!(output.status.code(), None, "ended by a signal");
}

/// Never comes back: the connection stays open after the panic, so only the end of the process ends the wait.
fn serve_until_the_module_panics() {
    let stage = Stage::new();
    let mut peer = stage.connect();
    peer.health();
    stage.module.panics.store(true, Ordering::SeqCst);
    peer.health();
}
