//! `coffer` as people and scripts run it: the built binary against the played provider.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::server::{ADMIN, REGISTRAR, Server};

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");
const NITRO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/attestation/nitro");

/// Runs `coffer` in a directory, without the caller's environment or terminal.
async fn coffer(directory: &Path, arguments: &str) -> Output {
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

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn json(directory: &Path, arguments: &str) -> Value {
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
async fn failure(directory: &Path, arguments: &str) -> (String, String) {
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
async fn customer(server: &Server) -> tempfile::TempDir {
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

async fn import(server: &Server, directory: &Path) -> Value {
    let arguments = format!(
        "key import --in {KEYS}/ed25519.pem --kind ed25519 --use sign --partition payments --label first \
         --revocation {} --interval 60",
        server.url
    );
    json(directory, &arguments).await
}

#[tokio::test]
async fn a_key_is_imported_listed_used_and_destroyed() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let verdict = json(directory, "trust verify").await;
    assert_eq!(verdict["group"], server.world().group().to_string());

    let key = import(&server, directory).await;
    let id = key["key"].as_str().unwrap().to_owned();
    assert_eq!(
        (key["revocable"].as_bool(), key["interval_s"].as_u64()),
        (Some(true), Some(60))
    );
    let handle = key["services"][0]["handle"].as_str().unwrap().to_owned();
    assert_eq!(
        server.provider.registrations.lock().unwrap()[&handle],
        "active"
    );

    let list = json(directory, "key list").await;
    assert_eq!(list[0]["provider"], "confirmed");
    assert_eq!(list[0]["state"], "imported");
    let table = stdout(&coffer(directory, "key list --local").await);
    assert!(
        table.contains("LABEL") && table.contains("payments") && table.contains(&id),
        "{table}"
    );
    let public = stdout(&coffer(directory, &format!("key public {}", &id[..8])).await);
    let expected = std::fs::read_to_string(format!("{KEYS}/ed25519-public.pem")).unwrap();
    assert_eq!(public.trim(), expected.trim());

    std::fs::write(directory.join("message"), "message").unwrap();
    json(
        directory,
        &format!("sign --key {id} --alg ed25519 --in message --out signature"),
    )
    .await;
    assert_eq!(
        std::fs::read(directory.join("signature")).unwrap(),
        b"signed message"
    );
    let valid = json(
        directory,
        &format!("verify --key {id} --alg ed25519 --in message --signature signature"),
    )
    .await;
    assert_eq!(valid["valid"], true);
    let (code, _) = failure(
        directory,
        &format!("verify --key {id} --alg ed25519 --in message --signature message"),
    )
    .await;
    assert_eq!(code, "invalid");

    assert_eq!(
        json(directory, &format!("revocation suspend {}", &id[..6])).await[0]["state"],
        "suspended"
    );
    assert_eq!(
        json(directory, &format!("revocation resume {handle}")).await[0]["state"],
        "active"
    );
    assert_eq!(json(directory, "revocation list").await[0]["key"], id);
    let destroyed = json(directory, &format!("key destroy {id} --yes")).await;
    assert_eq!(destroyed["final"], true);
    assert_eq!(
        server.provider.registrations.lock().unwrap()[&handle],
        "revoked"
    );
    assert_eq!(
        json(directory, "key list --local").await[0]["state"],
        "destroyed"
    );
}

#[tokio::test]
async fn an_interrupted_import_is_resumed() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    server.provider.played.faults.lock().unwrap().refuse_imports = vec![cofferdam_wire::Code::Busy];
    let arguments = format!(
        "key import --in {KEYS}/ed25519.pem --kind ed25519 --use sign --partition p --revocation {}",
        server.url
    );
    let (code, sentence) = failure(directory, &arguments).await;
    assert_eq!(code, "busy");
    assert!(sentence.contains("coffer key resume"), "{sentence}");
    assert_eq!(
        json(directory, "key list --local").await[0]["state"],
        "unfinished (not confirmed)"
    );
    assert_eq!(json(directory, "key resume").await[0]["state"], "imported");
    let sent = server.provider.played.imports.lock().unwrap();
    assert_eq!((sent.len(), &sent[0]), (2, &sent[1]));
}

#[tokio::test]
async fn imp_10_an_import_to_an_erased_key_is_told_what_to_do_and_another_one_works() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    server.provider.played.faults.lock().unwrap().refuse_imports = vec![
        cofferdam_wire::Code::UnknownRecipient,
        cofferdam_wire::Code::Unreachable,
    ];
    let arguments = format!(
        "key import --in {KEYS}/ed25519.pem --kind ed25519 --use sign --partition p --revocation {}",
        server.url
    );
    assert_eq!(failure(directory, &arguments).await.0, "unreachable");
    let (code, sentence) = failure(directory, "key resume").await;
    assert_eq!(code, "unknown-recipient");
    assert!(sentence.contains("fetch the current key"), "{sentence}");
    assert_eq!(
        json(directory, "key list --local").await,
        serde_json::json!([])
    );
    json(directory, &arguments).await;
}

#[tokio::test]
async fn grants_are_made_and_shown() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let id = import(&server, directory).await["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let app = ".coffer/app-public.pem";
    let create = format!(
        "grant create --keys {id} --ops verify,sign --app {app} --expires 2099-01-01T00:00:00Z --out g"
    );
    json(directory, &create).await;
    let shown = json(directory, "grant show g").await;
    assert_eq!(shown["operations"], serde_json::json!(["sign", "verify"]));
    assert_eq!(shown["partition"], "payments");
    assert_eq!(shown["expires"], "2099-01-01T00:00:00Z");
    std::fs::write(directory.join("message"), "m").unwrap();
    json(
        directory,
        &format!("sign --key {id} --alg ed25519 --in message --out s --grant g"),
    )
    .await;
    let both = coffer(directory, &format!("{create} --provider")).await;
    assert_eq!(both.status.code(), Some(2));
    let mut bytes = std::fs::read(directory.join("g")).unwrap();
    bytes[30] ^= 1;
    std::fs::write(directory.join("g"), bytes).unwrap();
    assert_eq!(failure(directory, "grant show g").await.0, "grant");
}

#[tokio::test]
async fn evidence_of_the_real_nitro_verifies_at_its_time_only() {
    let directory = tempfile::tempdir().unwrap();
    let file = format!("{NITRO}/nitro-20250916T212401Z-ce1e1c6e.cbor");
    let good = json(
        directory.path(),
        &format!("evidence verify {file} --at 2025-09-16T21:30:00Z"),
    )
    .await;
    assert_eq!(good["verdict"], "valid");
    assert_eq!(good["pcr0"].as_str().unwrap().len(), 96);
    let (code, sentence) = failure(
        directory.path(),
        &format!("evidence verify {file} --at 2026-01-01T00:00:00Z"),
    )
    .await;
    assert_eq!(code, "evidence-refused");
    assert!(sentence.contains("ATT-21"), "{sentence}");
}

#[tokio::test]
async fn init_overwrites_nothing_and_keeps_keys_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let made = json(directory.path(), "init --dir here").await;
    assert_eq!(made["owner_thumbprint"].as_str().unwrap().len(), 64);
    let mode = std::fs::metadata(directory.path().join("here/owner.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = std::fs::read(directory.path().join("here/owner.pem")).unwrap();
    let (code, sentence) = failure(directory.path(), "init --dir here").await;
    assert_eq!(code, "exists");
    assert!(sentence.contains("owner.pem"), "{sentence}");
    assert_eq!(
        std::fs::read(directory.path().join("here/owner.pem")).unwrap(),
        before
    );
    let (code, sentence) =
        failure(directory.path(), "--config here/coffer.toml trust verify").await;
    assert_eq!(code, "config");
    assert!(sentence.contains("--url URL"), "{sentence}");
}

#[tokio::test]
async fn every_mistake_has_a_sentence_that_helps() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let key = |more: &str| {
        format!(
            "key import --kind ed25519 --use sign --partition p --revocation {} {more}",
            server.url
        )
    };
    let cases = [
        (
            key("--in nowhere.pem"),
            "file",
            "nowhere.pem cannot be read",
        ),
        (
            key(&format!("--in {KEYS}/ec-p256.pem")),
            "key-file",
            "--kind ec-p256",
        ),
        (
            key(&format!("--in {KEYS}/bad-encrypted-pkcs8.pem")),
            "key-file",
            "openssl pkey",
        ),
        (
            key(&format!("--in {KEYS}/ed25519.pem --format raw")),
            "key-file",
            "comes as pem",
        ),
        (
            key(&format!("--in {KEYS}/ed25519.pem --interval 4")),
            "order",
            "WRP-8",
        ),
        (
            key(&format!(
                "--in {KEYS}/ed25519.pem --revocation https://other"
            )),
            "config",
            "https://other is not",
        ),
        ("key show zz".into(), "key-id", "not a key id"),
        ("key public 0000".into(), "key-id", "coffer key list"),
        (
            "--url http://x trust verify".into(),
            "address",
            "https://HOST[:PORT]",
        ),
        (
            "--url https://127.0.0.1:1 trust verify".into(),
            "unreachable",
            "cannot be reached",
        ),
        (
            "--trust none.toml trust show".into(),
            "file",
            "none.toml cannot be read",
        ),
        (
            "--config none.toml key list".into(),
            "config",
            "coffer init",
        ),
        (
            format!("sign --key {} --alg ed25519 --in ca.pem", "0".repeat(64)),
            "partition",
            "--partition P",
        ),
    ];
    for (arguments, code, part) in cases {
        let (found, sentence) = failure(directory, &arguments).await;
        assert_eq!(found, code, "{arguments}: {sentence}");
        assert!(sentence.contains(part), "{arguments}: {sentence}");
    }
}

#[tokio::test]
async fn wrong_usage_is_status_2_and_help_teaches() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [
        "",
        "key",
        "key import",
        "sign --key x",
        "key import --in f --kind rsa-1024 --use sign",
        "nonsense",
    ] {
        assert_eq!(
            coffer(directory.path(), arguments).await.status.code(),
            Some(2),
            "{arguments}"
        );
    }
    let neither = coffer(
        directory.path(),
        "key import --in f --kind ed25519 --use sign --partition p",
    )
    .await;
    assert_eq!(neither.status.code(), Some(2));
    assert!(
        stderr(&neither).contains("--no-revocation"),
        "{}",
        stderr(&neither)
    );
    let endless = "key import --in f --kind ed25519 --use sign --partition p --no-revocation";
    assert!(stderr(&coffer(directory.path(), endless).await).contains("--hard-end"));
    let help = coffer(directory.path(), "--help").await;
    assert_eq!(help.status.code(), Some(0));
    assert!(stdout(&help).contains("Examples:") && stdout(&help).contains("coffer key import"));
    let completions = stdout(&coffer(directory.path(), "completions bash").await);
    assert!(completions.contains("coffer"));
}

#[tokio::test]
async fn t59_no_secret_is_in_any_output() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let arguments = format!(
        "key import --in {KEYS}/ed25519.pem --kind ed25519 --use sign --partition p --revocation {}",
        server.url
    );
    let output = coffer(directory, &arguments).await;
    let printed = stdout(&output) + &stderr(&output);
    let pem = std::fs::read_to_string(format!("{KEYS}/ed25519.pem")).unwrap();
    let body = pem.lines().nth(1).unwrap();
    assert!(!printed.contains(body) && !printed.contains(REGISTRAR) && !printed.contains(ADMIN));
    // Nor does the state directory hold the token or the release secret: both left with the registration.
    let opened = server
        .world()
        .open_import(&server.provider.played.imports.lock().unwrap()[0])
        .unwrap();
    let token = opened.control.revocation.as_ref().unwrap().services()[0].token;
    for file in files_below(&directory.join(".coffer/state")) {
        let content = std::fs::read(&file).unwrap();
        for secret in [&opened.release_secrets[..], &token.0, &opened.cose_key] {
            assert!(
                !content.windows(secret.len()).any(|window| window == secret),
                "{}",
                file.display()
            );
        }
    }
}

fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
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
