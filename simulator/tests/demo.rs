//! `cofferdam-sim demo`: it holds, says so, and leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "tests")]

mod running;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::Signal;
use running::{program, signal};
use serde_json::Value;

const STEPS: &[&str] = &[
    "start",
    "proof",
    "import",
    "import",
    "sign",
    "verify",
    "canary",
    "search",
    "revoke",
    "restart",
    "old disk",
    "group key",
    "rewrite",
    "search again",
    "end",
];

#[test]
fn t17_t64_t77_the_demo_holds_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let output = program()
        .args(["demo", "--json"])
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let lines: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let steps: Vec<&str> = lines
        .iter()
        .map(|line| line["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, STEPS);
    assert!(lines.iter().all(|line| line["ok"] == true));
    let step = |name: &str| &lines.iter().find(|line| line["step"] == name).unwrap()["details"];
    assert!(
        step("revoke")["refused_after_s"].as_f64().unwrap()
            <= step("revoke")["bound_s"].as_f64().unwrap()
    );
    assert!(
        step("search again")["crossed_bytes"].as_u64() > step("search")["crossed_bytes"].as_u64()
    );
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn an_interrupted_demo_says_so_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let mut demo = program()
        .args(["demo", "--json"])
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(demo.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&told.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["step"], "start");
    signal(demo.id(), Signal::SIGTERM);
    let last: Value = serde_json::from_str(&told.last().unwrap().unwrap()).unwrap();
    assert_eq!(
        (&last["step"], &last["ok"]),
        (&"failed".into(), &false.into())
    );
    assert_eq!(demo.wait().unwrap().code(), Some(1));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn the_directory_to_keep_must_be_empty() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine"), "").unwrap();
    let output = program()
        .arg("demo")
        .arg("--keep")
        .arg(directory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("is not empty")
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}
