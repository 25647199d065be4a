//! `coffer` as people and scripts run it: the built binary against the played provider.

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
    assert!(key["imported"].is_string());
    assert_eq!(list[0]["imported"], key["imported"]);
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

    for (arguments, state) in [
        (format!("revocation suspend {}", &id[..6]), "suspended"),
        (format!("revocation resume {handle}"), "active"),
    ] {
        let row = &json(directory, &arguments).await[0];
        assert_eq!((&row["state"], &row["key"]), (&state.into(), &key["key"]));
    }
    assert_eq!(json(directory, "revocation list").await[0]["key"], id);
    let revoked = json(directory, &format!("revocation revoke {id}")).await;
    assert_eq!(revoked[0]["key"], id);
    let list = json(directory, "key list").await;
    assert_eq!(list[0]["state"], "revoked");
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
    let shown = json(directory, &format!("key show {id}")).await;
    assert_eq!(shown["imported"], key["imported"]);
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

/// Whatever the enclave answers to an import, the command ends with that code, and no key is active.
#[tokio::test]
async fn an_import_that_is_refused_has_its_code_and_leaves_no_key() {
    use cofferdam_wire::Code;
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let arguments = format!(
        "key import --in {KEYS}/ed25519.pem --kind ed25519 --use sign --partition p --revocation {}",
        server.url
    );
    for code in [
        Code::Malformed,
        Code::TooLarge,
        Code::UnsupportedSuite,
        Code::UnknownRecipient,
        Code::UnwrapFailed,
        Code::HeaderExpired,
        Code::WrongGroup,
        Code::BadSignature,
        Code::UsageRefused,
        Code::WeakKey,
        Code::OutOfRange,
    ] {
        server.provider.played.faults.lock().unwrap().refuse_imports = vec![code];
        let (found, sentence) = failure(directory, &arguments).await;
        assert_eq!(found, code.slug());
        let expected = format!("for good: {}", code.sentence());
        assert!(sentence.contains(&expected), "{sentence}");
        assert_eq!(
            json(directory, "key list --local").await,
            serde_json::json!([])
        );
    }
    let registrations = server.provider.registrations.lock().unwrap();
    assert!(registrations.values().all(|state| *state == "pending"));
}

#[tokio::test]
async fn without_its_revocation_service_a_key_stays_at_home() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let config = directory.join(".coffer/coffer.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replace(
            &format!("[[revocation]]\nurl = \"{}\"", server.url),
            "[[revocation]]\nurl = \"https://127.0.0.1:1\"",
        ),
    )
    .unwrap();
    let arguments = format!(
        "key import --in {KEYS}/ed25519.pem --kind ed25519 --use sign --partition p \
         --revocation https://127.0.0.1:1"
    );
    let (code, sentence) = failure(directory, &arguments).await;
    assert_eq!(code, "unreachable");
    assert!(sentence.contains("nothing was sent"), "{sentence}");
    assert!(server.provider.played.imports.lock().unwrap().is_empty());
    let listed = json(directory, "key list --local").await;
    assert_eq!(listed, serde_json::json!([]));
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
            key(&format!(
                "--in {KEYS}/ed25519.pem --revocation https://other"
            )),
            "config",
            "https://other is not",
        ),
        ("key public 0000".into(), "key-id", "coffer key list"),
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
