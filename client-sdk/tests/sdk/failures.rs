//! A command that fails, as a person reads it: one line with a sentence, and the code in it once.

use std::process::{Command, Stdio};

use std::path::Path;

use crate::commands::{KEYS, coffer, customer, import, json, stderr, stdout};
use crate::server::Server;

/// The line on stderr of a command that must fail with status 1 and name its code like this.
async fn line(directory: &Path, arguments: &str, name: &str) -> String {
    let output = coffer(directory, arguments).await;
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments}: {said}");
    assert_eq!(stdout(&output), "", "{arguments}");
    let mut lines = said.lines();
    let line = lines.rfind(|line| line.contains(name)).unwrap_or_default();
    assert!(line.starts_with("coffer: "), "{arguments}: {said}");
    assert_eq!(said.matches(name).count(), 1, "{arguments}: {said}");
    line.to_owned()
}

#[tokio::test]
async fn every_failure_has_its_code_in_the_text_once() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let key = import(&server, directory).await;
    let id = key["key"].as_str().unwrap();
    std::fs::write(directory.join("large"), vec![7; 48 * 1024 + 1]).unwrap();
    std::fs::write(directory.join("small"), "message").unwrap();
    let import = |url: &str| {
        format!(
            "key import --in {KEYS}/ed25519.pem --kind ed25519 --use sign --partition p --revocation {url}"
        )
    };

    // Sentences of this machine about a code of the protocol.
    let unreachable = "(unreachable, code 29)";
    let said = line(
        directory,
        "--url https://127.0.0.1:1 trust verify",
        unreachable,
    )
    .await;
    assert!(said.contains("https://127.0.0.1:1 cannot be"), "{said}");
    let large = "hash --in large";
    let said = line(directory, large, "(too-large, code 2)").await;
    assert!(said.contains("takes at most 49152 bytes"), "{said}");

    // Sentences that name it already, here of this machine and of the enclave.
    let large = format!("sign --key {id} --alg ed25519 --in large");
    line(directory, &large, "(too-large, code 2)").await;
    let wrong = format!("mac --key {id} --alg hmac-sha256 --in small");
    line(directory, &wrong, "(usage-refused, code 13)").await;
    server.provider.played.faults.lock().unwrap().refuse_imports = vec![cofferdam_wire::Code::Busy];
    let said = line(directory, &import(&server.url), "(busy, code 21)").await;
    assert!(said.contains("coffer key resume"), "{said}");
    json(directory, "key resume").await;

    // Codes of this machine alone, and ids of checks.
    line(directory, "--trust none.toml trust show", "[file]").await;
    line(directory, "key public 0000", "[key-id]").await;
    line(directory, "evidence verify small", "[ATT-").await;
    let vendor = hex::encode(server.world().vendor.public().to_cose());
    let torn = format!("vendor show small --vendor {vendor}");
    line(directory, &torn, "PRF-1").await;
}

/// Runs `coffer completions bash` with this stdout; status and what it says on stderr.
fn told_to(stdout: impl Into<Stdio>) -> (Option<i32>, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_coffer"))
        .args(["completions", "bash"])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure_and_a_reader_that_went_away_is_none() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let (status, sentence) = told_to(full);
    assert_eq!(status, Some(1));
    assert!(
        sentence.contains("standard output cannot be written") && sentence.contains("[file]"),
        "{sentence}"
    );
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(told_to(writer), (Some(0), String::new()));
}
