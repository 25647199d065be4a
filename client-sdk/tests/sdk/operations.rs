//! `coffer` at work: where results go and in which form, whose key and which algorithm, what is done twice.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json as value;

use crate::commands::{KEYS, coffer, customer, failure, files_below, import, json, stderr, stdout};
use crate::server::Server;

/// Imports a symmetric key of 32 bytes; gives its id.
async fn import_raw(server: &Server, directory: &Path, kind: &str, class: &str) -> String {
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
pub(crate) fn files_of(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = files_below(directory)
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn json_never_holds_raw_bytes() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let signer = import(&server, directory).await["key"].clone();
    let signer = signer.as_str().unwrap();
    let aes = import_raw(&server, directory, "aes-256", "encrypt").await;
    let hmac = import_raw(&server, directory, "hmac", "mac").await;
    std::fs::write(directory.join("message"), [0xff, 0x00]).unwrap();
    std::fs::write(directory.join("sealed"), b"|plain").unwrap();
    let cases = [
        (
            signer,
            "sign",
            "ed25519",
            "message",
            "signature",
            "c2lnbmVkIP8A",
        ),
        (
            aes.as_str(),
            "encrypt",
            "xaes-256-gcm",
            "message",
            "ciphertext",
            "fP8A",
        ),
        (
            aes.as_str(),
            "decrypt",
            "xaes-256-gcm",
            "sealed",
            "plaintext",
            "cGxhaW4=",
        ),
        (
            hmac.as_str(),
            "mac",
            "hmac-sha256",
            "message",
            "mac",
            "bWFjIG9mIP8A",
        ),
    ];
    for (key, command, algorithm, input, name, base64) in cases {
        let arguments = format!("{command} --key {key} --alg {algorithm} --in {input}");
        let expected = value!({ "key": key, "algorithm": algorithm, name: base64 });
        assert_eq!(json(directory, &arguments).await, expected);
        assert_eq!(
            json(directory, &format!("{arguments} --out -")).await,
            expected
        );
        let summary = json(directory, &format!("{arguments} --out result")).await;
        let written = std::fs::read(directory.join("result")).unwrap();
        assert_eq!(
            summary,
            value!({ "key": key, "algorithm": algorithm, "out": "result", "bytes": written.len() })
        );
        // Without --json the bytes themselves, and nothing around them.
        let plain = coffer(directory, &arguments).await;
        assert_eq!(plain.stdout, written);
        assert!(plain.stderr.is_empty(), "{}", stderr(&plain));
    }
}

#[tokio::test]
async fn what_is_decrypted_or_drawn_into_a_new_file_is_for_its_user_only() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let aes = import_raw(&server, directory, "aes-256", "encrypt").await;
    std::fs::write(directory.join("sealed"), b"|plain").unwrap();
    json(
        directory,
        &format!("decrypt --key {aes} --alg xaes-256-gcm --in sealed --out plain"),
    )
    .await;
    json(directory, "random --bytes 9 --out drawn").await;
    for name in ["plain", "drawn"] {
        let mode = std::fs::metadata(directory.join(name)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o077, 0, "{name}");
    }
    assert_eq!(std::fs::read(directory.join("drawn")).unwrap(), [7; 9]);
}

#[tokio::test]
async fn hashes_and_random_bytes_need_no_key_and_are_shown_in_hexadecimal() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    std::fs::write(directory.join("message"), "ab").unwrap();
    assert_eq!(
        json(directory, "hash --in message").await,
        value!({ "algorithm": "sha-256", "hash": "6162" })
    );
    let random = coffer(directory, "random --bytes 2").await;
    assert_eq!(stdout(&random), "0707\n");
    assert_eq!(
        json(directory, "random --bytes 2").await,
        value!({ "random": "0707" })
    );
    let grant = "grant create --ops hash --app .coffer/app-public.pem --partition p \
                 --expires 2099-01-01T00:00:00Z --out g";
    json(directory, grant).await;
    json(directory, "hash --alg sha-512 --in message --grant g").await;
    let (code, sentence) = failure(directory, "random --bytes 2 --grant g").await;
    assert_eq!(code, "not-permitted");
    assert!(sentence.contains("allows hash, not random"), "{sentence}");
}

#[tokio::test]
async fn a_verdict_goes_where_it_was_asked_for() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let key = import_raw(&server, directory, "hmac", "mac").await;
    std::fs::write(directory.join("message"), "m").unwrap();
    std::fs::write(directory.join("mac"), "mac of m").unwrap();
    let verify = format!("verify --key {key} --alg hmac-sha256 --in message --signature");
    let verdict = coffer(directory, &format!("{verify} mac --out verdict")).await;
    assert_eq!(verdict.status.code(), Some(0));
    assert!(verdict.stdout.is_empty());
    let written = || std::fs::read_to_string(directory.join("verdict")).unwrap();
    assert_eq!(written(), "valid\n");
    let (code, _) = failure(directory, &format!("{verify} message --out verdict2")).await;
    assert_eq!(code, "invalid");
    assert!(!directory.join("verdict2").exists());
}

/// What this machine can know is refused without a word to the provider.
#[tokio::test]
async fn a_wrong_algorithm_use_or_app_key_is_told_before_anything_is_sent() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let id = import(&server, directory).await["key"].clone();
    let id = id.as_str().unwrap();
    std::fs::write(directory.join("message"), "m").unwrap();
    json(directory, "init --dir other").await;
    let create = |ops: &str, audience: &str, out: &str| {
        format!(
            "grant create --keys {id} --ops {ops} {audience} --expires 2099-01-01T00:00:00Z --out {out}"
        )
    };
    let app = "--app .coffer/app-public.pem";
    json(directory, &create("sign", app, "mine")).await;
    json(directory, &create("verify", app, "verify-only")).await;
    let other = "--app other/app-public.pem";
    json(directory, &create("sign", other, "theirs")).await;
    json(directory, &create("sign", "--provider", "provider")).await;
    let sign = |more: &str| format!("sign --key {id} --alg ed25519 --in message {more}");
    json(directory, &sign("--grant mine")).await;
    json(directory, &sign("--grant theirs --app-key other/app.pem")).await;

    let openings = *server.provider.played.openings.lock().unwrap();
    let before = files_of(directory);
    let another = "a".repeat(64);
    let cases = [
        (
            format!("sign --key {id} --alg rsa-pss-sha256 --in message"),
            "usage-refused",
            "ed25519 and allows ed25519, not rsa-pss-sha256",
        ),
        (
            format!("mac --key {id} --alg hmac-sha256 --in message"),
            "usage-refused",
            "--use mac",
        ),
        (
            format!("decrypt --key {id} --alg rsa-oaep-sha256 --in message"),
            "usage-refused",
            "cannot decrypt",
        ),
        (sign("--grant theirs"), "app-key", "--app-key FILE"),
        (
            sign("--grant mine --app-key other/app.pem"),
            "app-key",
            "other/app.pem holds",
        ),
        (
            sign("--grant provider"),
            "app-key",
            "provider's own plain API",
        ),
        (
            sign("--grant verify-only"),
            "not-permitted",
            "allows verify, not sign",
        ),
        (
            format!("sign --key {another} --alg ed25519 --in message --grant mine"),
            "not-permitted",
            "does not name the key",
        ),
    ];
    for (arguments, code, part) in cases {
        let (found, sentence) = failure(directory, &arguments).await;
        assert_eq!(found, code, "{arguments}: {sentence}");
        assert!(sentence.contains(part), "{arguments}: {sentence}");
    }
    assert_eq!(*server.provider.played.openings.lock().unwrap(), openings);
    assert_eq!(files_of(directory), before);
}

/// The machine of an app: no owner key, no imports, a grant from the owner.
#[tokio::test]
async fn an_app_works_without_the_owners_key() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let id = import(&server, directory).await["key"].clone();
    let id = id.as_str().unwrap();
    let machine = tempfile::tempdir().unwrap();
    let app = machine.path();
    std::fs::create_dir(app.join(".coffer")).unwrap();
    let at = |name: &str| app.join(".coffer").join(name);
    let write_config = |more: &str| {
        let text = format!(
            "url = \"{}\"\ntrust = \"trust.toml\"\nstate_dir = \"state\"\n{more}",
            server.url
        );
        std::fs::write(at("coffer.toml"), text).unwrap();
    };
    write_config("app_key = \"app.pem\"\n");
    std::fs::copy(directory.join("trust.toml"), at("trust.toml")).unwrap();
    std::fs::copy(directory.join(".coffer/app.pem"), at("app.pem")).unwrap();
    std::fs::write(app.join("message"), "message").unwrap();
    let out = app.join("g");
    let create = format!(
        "grant create --keys {id} --ops sign --app .coffer/app-public.pem --expires 2099-01-01T00:00:00Z --out {}",
        out.display()
    );
    json(directory, &create).await;
    let sign = |more: &str| format!("sign --key {id} --alg ed25519 --in message {more}");
    json(app, "trust verify").await;
    json(app, &sign("--grant g")).await;

    let no_owner = "this machine has no owner key; name it as owner_key in coffer.toml";
    let grant = format!(
        "grant create --keys {id} --ops sign --provider --expires 2099-01-01T00:00:00Z --out h --partition payments"
    );
    for arguments in [sign("--partition payments"), grant] {
        let (code, sentence) = failure(app, &arguments).await;
        assert_eq!(code, "config", "{arguments}: {sentence}");
        assert!(sentence.contains(no_owner), "{arguments}: {sentence}");
    }
    write_config("");
    json(app, &sign("--grant g --app-key .coffer/app.pem")).await;
    let (code, sentence) = failure(app, &sign("--grant g")).await;
    assert_eq!(code, "config");
    assert!(sentence.contains("--app-key FILE"), "{sentence}");
}

#[tokio::test]
async fn too_much_to_encrypt_is_told_with_what_it_is_and_how_much_would_do() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let write =
        |name: &str, len: usize| std::fs::write(directory.join(name), vec![7; len]).unwrap();
    write("message", 10);
    write("context", 1_024);
    write("long-context", 1_025);
    let aes = import_raw(&server, directory, "aes-256", "encrypt").await;
    let with_aad = |aad: &str| {
        format!("encrypt --key {aes} --alg xaes-256-gcm --in message --out c --aad {aad}")
    };
    json(directory, &with_aad("context")).await;
    let (code, sentence) = failure(directory, &with_aad("long-context")).await;
    assert_eq!(code, "too-large");
    assert!(
        sentence.contains("at most 1024 bytes of additional data"),
        "{sentence}"
    );

    for (kind, most) in [("rsa-2048", 190), ("rsa-3072", 318), ("rsa-4096", 446)] {
        let import = format!(
            "key import --in {KEYS}/{kind}.pem --kind {kind} --use decrypt --partition payments --revocation {}",
            server.url
        );
        let id = json(directory, &import).await["key"].clone();
        let encrypt = format!(
            "encrypt --key {} --alg rsa-oaep-sha256 --in data --out e",
            id.as_str().unwrap()
        );
        write("data", most);
        json(directory, &encrypt).await;
        write("data", most + 1);
        let (code, sentence) = failure(directory, &encrypt).await;
        assert_eq!(code, "out-of-range");
        let expected = format!("takes at most {most} bytes, and the data has {}", most + 1);
        assert!(sentence.contains(&expected), "{sentence}");
    }
}

#[tokio::test]
async fn destroying_again_is_told_as_done_already() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let id = import(&server, directory).await["key"].clone();
    let id = id.as_str().unwrap();
    let destroy = format!("key destroy {id} --yes");
    let first = json(directory, &destroy).await;
    assert_eq!(
        (&first["already"], &first["final"]),
        (&value!(false), &value!(true))
    );
    let openings = *server.provider.played.openings.lock().unwrap();
    let again = json(directory, &destroy).await;
    assert_eq!(again["already"], true);
    assert!(
        again["note"]
            .as_str()
            .unwrap()
            .contains("destroyed already")
    );
    // Nothing is asked of anybody, not of a person either.
    let text = coffer(directory, &format!("key destroy {id}")).await;
    assert!(
        stdout(&text).contains("destroyed already"),
        "{}",
        stderr(&text)
    );
    assert_eq!(*server.provider.played.openings.lock().unwrap(), openings);

    assert_eq!(
        json(directory, &format!("key show {id}")).await["state"],
        "destroyed"
    );
    std::fs::write(directory.join("message"), "m").unwrap();
    let sign = format!("sign --key {id} --alg ed25519 --in message");
    let (code, sentence) = failure(directory, &sign).await;
    assert_eq!(code, "destroyed");
    assert!(sentence.contains("import another"), "{sentence}");
}

#[tokio::test]
async fn a_destroy_that_was_cut_off_is_given_again() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let id = import(&server, directory).await["key"].clone();
    let id = id.as_str().unwrap();
    // The enclave has erased it, and this machine did not live to hear of it.
    let key = cofferdam_wire::id::KeyId::from_hex(id).unwrap();
    server.provider.played.destroyed.lock().unwrap().push(key);
    let done = json(directory, &format!("key destroy {id} --yes")).await;
    assert_eq!(
        (&done["already"], &done["final"]),
        (&value!(false), &value!(false))
    );
    assert!(
        done["note"]
            .as_str()
            .unwrap()
            .contains("no record of it any more")
    );
    assert_eq!(
        json(directory, "key list --local").await[0]["state"],
        "destroyed"
    );
}

/// Without a revocation service the enclave is asked again, and only its own word counts.
#[tokio::test]
async fn a_key_without_revocation_is_destroyed_twice() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let tomorrow = time::OffsetDateTime::now_utc() + time::Duration::DAY;
    let tomorrow = tomorrow
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap();
    let imported = json(
        directory,
        &format!(
            "key import --in {KEYS}/ed25519.pem --kind ed25519 --use sign --partition p \
             --no-revocation --hard-end {tomorrow}"
        ),
    )
    .await;
    let id = imported["key"].as_str().unwrap();
    let destroy = format!("key destroy {id} --yes");
    assert_eq!(json(directory, &destroy).await["already"], false);
    assert_eq!(json(directory, &destroy).await["already"], true);
    // A key of which this machine knows nothing can be absent for several reasons.
    let foreign = format!("key destroy {} --yes --partition p", "c".repeat(64));
    json(directory, &foreign).await;
    let (code, sentence) = failure(directory, &foreign).await;
    assert_eq!(code, "not-found");
    assert!(sentence.contains("destroyed already, or"), "{sentence}");
}

#[tokio::test]
async fn the_grant_epoch_of_a_key_is_raised_at_its_services() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let key = import(&server, directory).await;
    let id = key["key"].as_str().unwrap();
    let shown = json(
        directory,
        &format!("revocation grant-epoch {} --set 4", &id[..6]),
    )
    .await;
    assert_eq!(shown[0]["grant_epoch"], 4);
    assert_eq!(*server.provider.epochs.lock().unwrap(), [4]);
}

#[tokio::test]
async fn init_looks_at_the_trust_file_before_it_makes_anything() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("bad.toml"), "version = 1\nname = \"x\"\nroot = \"y\"\n").unwrap();
    for (trust, code) in [("none.toml", "trust-file"), ("bad.toml", "trust-file")] {
        let (found, sentence) = failure(
            directory.path(),
            &format!("--trust {trust} --url https://p init --dir here"),
        )
        .await;
        assert_eq!(found, code, "{sentence}");
        assert!(!at("here").exists());
    }
}
