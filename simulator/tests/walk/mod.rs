//! The walk-through of docs/operating/simulator.md, as a newcomer pastes it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../../../docs/operating/simulator.md");
/// Stands on the lines that must be refused.
const REFUSED: &str = "# refused: ";

/// Pastes every line into a shell, in a new directory, and compares what each says of itself with what it did.
pub(crate) fn every_line_of_the_page_is_true() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("SKIPPED: the walk-through needs the openssl command");
        return;
    }
    let lines = lines();
    assert!(lines.len() > 25, "the page has a walk-through");
    assert!(lines.iter().any(|line| line.contains(REFUSED)));
    let directory = tempfile::tempdir().unwrap();
    let programs = directory.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    let sim = Path::new(env!("CARGO_BIN_EXE_cofferdam-sim"));
    std::os::unix::fs::symlink(sim, programs.join("cofferdam-sim")).unwrap();
    let coffer = programs.join("coffer");
    let myself = std::env::current_exe().unwrap();
    let script = format!("#!/bin/sh\nexec \"{}\" coffer \"$@\"\n", myself.display());
    std::fs::write(&coffer, script).unwrap();
    std::fs::set_permissions(&coffer, PermissionsExt::from_mode(0o755)).unwrap();

    let mut script = String::new();
    for (number, line) in lines.iter().enumerate() {
        script.push_str(&format!("{line}\necho \"line {number} gave $?\"\n"));
    }
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("sh")
        .arg("-c")
        .arg(&script)
        .current_dir(directory.path())
        .env("PATH", format!("{}:{path}", programs.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    for (number, line) in lines.iter().enumerate() {
        let gave = format!("line {number} gave ");
        let status = said.lines().find_map(|said| said.strip_prefix(&gave));
        let expected = if line.contains(REFUSED) { "1" } else { "0" };
        assert_eq!(
            status,
            Some(expected),
            "{line}\n--- stdout\n{said}\n--- stderr\n{errors}"
        );
    }
    assert!(said.contains("Verified OK"), "{said}");
    println!("the walk-through of the page: ok");
}

/// The lines of the one block that is marked as a script.
fn lines() -> Vec<&'static str> {
    let block = PAGE.split("```sh\n").nth(1).unwrap();
    let block = block.split("```").next().unwrap();
    block
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}
