//! A customer with the built `coffer`, a directory, and a server in front of it.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::server::{ADMIN, REGISTRAR, Server};

pub(crate) const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");

/// Runs `coffer` in a directory, without the caller's environment or terminal.
pub(crate) async fn coffer(directory: &Path, arguments: &str) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_coffer"))
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) async fn json(directory: &Path, arguments: &str) -> Value {
    let output = coffer(directory, &format!("--json {arguments}")).await;
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments}: {}",
        stderr(&output)
    );
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// Runs a command that must fail with status 1; the error's code and sentence.
pub(crate) async fn failure(directory: &Path, arguments: &str) -> (String, String) {
    let output = coffer(directory, &format!("--json {arguments}")).await;
    assert_eq!(
        output.status.code(),
        Some(1),
        "{arguments}: {}",
        stdout(&output)
    );
    assert!(output.stdout.is_empty());
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    let text = |name: &str| error["error"][name].as_str().unwrap().to_owned();
    (text("code"), text("sentence"))
}

/// A customer's directory in front of a server, as `coffer init` makes it, with the service in its configuration.
pub(crate) async fn customer(server: &Server) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let mut trust = server.world().trust_file();
    trust.provider_ca = Some(server.ca_pem.clone());
    std::fs::write(at("trust.toml"), trust.to_toml()).unwrap();
    json(
        directory.path(),
        &format!("init --url {} --trust trust.toml", server.url),
    )
    .await;
    let config = at(".coffer/coffer.toml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    text.push_str(&format!(
        "[[revocation]]\nurl = \"{}\"\nstatus_root = \"{}\"\nca = \"../ca.pem\"\n\
         registrar_token_file = \"../registrar\"\nadmin_token_file = \"../admin\"\n",
        server.url,
        hex::encode(server.world().vendor.public().to_cose()),
    ));
    std::fs::write(config, text).unwrap();
    std::fs::write(at("ca.pem"), &server.ca_pem).unwrap();
    std::fs::write(at("registrar"), format!("{REGISTRAR}\n")).unwrap();
    std::fs::write(at("admin"), format!("{ADMIN}\n")).unwrap();
    directory
}

pub(crate) async fn import(server: &Server, directory: &Path) -> Value {
    let arguments = format!(
        "key import --in {KEYS}/ed25519.pem --kind ed25519 --use sign --partition payments --label first \
         --revocation {} --interval 60",
        server.url
    );
    json(directory, &arguments).await
}

/// Imports a symmetric key of 32 bytes; gives its id.
pub(crate) async fn import_raw(
    server: &Server,
    directory: &Path,
    kind: &str,
    class: &str,
) -> String {
    let bytes: Vec<u8> = (0..32).collect();
    std::fs::write(directory.join("raw.key"), bytes).unwrap();
    let arguments = format!(
        "key import --in raw.key --kind {kind} --use {class} --partition payments --revocation {}",
        server.url
    );
    let imported = json(directory, &arguments).await;
    imported["key"].as_str().unwrap().to_owned()
}

/// The names and contents of all files of a customer, to see that nothing has changed.
pub(crate) fn files_of(directory: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = files_below(directory)
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

pub(crate) fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
