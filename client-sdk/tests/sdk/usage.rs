//! Wrong usage of `coffer`: exit status 2, a sentence, and nothing done, for every argument that has a form.

use crate::commands::{coffer, customer, stderr, stdout};
use crate::operations::files_of;
use crate::server::Server;

const ID: &str = "1f3a";
const IMPORT: &str =
    "key import --in f --kind ed25519 --use sign --partition p --revocation https://s";
const GRANT: &str = "grant create --keys 1f3a --ops sign --app a.pem --out g";
const REGISTER: &str = "revocation register --release-file f";

/// Arguments that are wrong in themselves, and a part of the sentence that says so.
fn mistakes() -> Vec<(String, &'static str)> {
    let (hash, handle) = ("8d".repeat(32), "5c".repeat(16));
    let sign = |more: &str| format!("sign --key {ID} {more}");
    let import = |more: &str| format!("{IMPORT} {more}");
    let grant = |more: &str| format!("{GRANT} {more}");
    let register = |handle: &str, token: &str, group: &str| {
        format!("{REGISTER} --handle {handle} --token-hash {token} --group {group}")
    };
    vec![
        // global
        ("--url http://x trust verify".into(), "https://HOST[:PORT]"),
        (
            "--url https://x/path trust verify".into(),
            "https://HOST[:PORT]",
        ),
        // key ids
        ("key show zz".into(), "not a key id"),
        ("key show 1f3".into(), "not a key id"),
        ("key public not-hex".into(), "not a key id"),
        (format!("key destroy {}", "a".repeat(65)), "not a key id"),
        ("key resume xyz".into(), "not a key id"),
        ("sign --key zz --alg ed25519".into(), "not a key id"),
        ("revocation revoke zz".into(), "neither a key id"),
        (
            "revocation status 1f3a --service ftp://s".into(),
            "https://HOST[:PORT]",
        ),
        ("revocation grant-epoch 1f3a".into(), "--set"),
        ("revocation grant-epoch 1f3a --set=-1".into(), "--set"),
        (
            "revocation grant-epoch 1f3a --set 9223372036854775808".into(),
            "--set",
        ),
        ("revocation list --service s".into(), "https://HOST[:PORT]"),
        // registering by hand
        (
            register("5c", &hash, &hash),
            "a handle has 32 hexadecimal digits",
        ),
        (register(&handle, "8d", &hash), "a hash has 64"),
        (register(&handle, &hash, "zz"), "a group id has 64"),
        // import
        (
            "key import --in f --kind rsa-1024 --use sign --partition p --revocation https://s"
                .into(),
            "possible values",
        ),
        (
            "key import --in f --kind ed25519 --use peel --partition p --revocation https://s"
                .into(),
            "possible values",
        ),
        (
            "key import --in f --kind rsa-3072 --use mac --partition p --revocation https://s"
                .into(),
            "it can be for: sign, decrypt",
        ),
        (import("--algorithms rsa-pss-sha256"), "it has: ed25519"),
        (import("--algorithms md5"), "possible values"),
        (import("--format raw"), "comes as pem"),
        (import("--interval 4"), "4 is not in 5..=604800"),
        (import("--interval 604801"), "604801 is not in"),
        (import("--interval soon"), "--interval"),
        (import("--grace 3601"), "3601 is not in"),
        (
            import("--interval 60 --grace 61"),
            "grace is at most the interval",
        ),
        (import("--skew 0"), "0 is not in 1..=60"),
        (import("--suite 3"), "possible values: 1, 2"),
        (import("--hard-end 2030-01-31"), "RFC 3339"),
        (
            import("--hard-end 2020-01-31T00:00:00Z"),
            "not in the future",
        ),
        (
            "key import --in f --kind ed25519 --use sign --partition p --no-revocation \
             --hard-end 2099-01-31T00:00:00Z"
                .into(),
            "more than 397 days away",
        ),
        (
            format!("{IMPORT} --revocation https://s/"),
            "is given twice",
        ),
        (
            format!(
                "{IMPORT} --revocation https://a --revocation https://b --revocation https://c"
            ),
            "at most 3 revocation services",
        ),
        (
            import(&format!("--label {}", "l".repeat(129))),
            "0 to 128 bytes",
        ),
        (
            format!(
                "key import --in f --kind ed25519 --use sign --revocation https://s --partition {}",
                "p".repeat(65)
            ),
            "1 to 64 bytes",
        ),
        (
            "key import --in f --kind ed25519 --use sign --partition p --revocation s".into(),
            "https://HOST[:PORT]",
        ),
        (
            "key import --in f --kind ed25519 --use sign --partition p".into(),
            "--no-revocation",
        ),
        (
            "key import --in f --kind ed25519 --use sign --partition p --no-revocation".into(),
            "--hard-end",
        ),
        // grants
        (grant(""), "--expires"),
        (grant("--expires tomorrow"), "RFC 3339"),
        (grant("--expires 2020-01-31T00:00:00Z"), "not in the future"),
        (
            grant("--expires 2099-01-01T00:00:00Z --provider"),
            "cannot be used with",
        ),
        (
            grant("--expires 2099-01-01T00:00:00Z --not-before 2099-01-01T00:00:00Z"),
            "not after --not-before",
        ),
        (
            grant("--expires 2099-01-01T00:00:00Z --epoch=-1"),
            "--epoch",
        ),
        (
            "grant create --keys zz --ops sign --app a --expires 2099-01-01T00:00:00Z --out g"
                .into(),
            "not a key id",
        ),
        (
            "grant create --keys 1f3a --ops export --app a --expires 2099-01-01T00:00:00Z --out g"
                .into(),
            "possible values",
        ),
        (
            "grant create --ops sign --app a --expires 2099-01-01T00:00:00Z --out g".into(),
            "needs a key",
        ),
        // operations
        (sign(""), "--alg"),
        (sign("--alg md5"), "possible values"),
        (sign("--alg hmac-sha256"), "possible values"),
        (sign("--alg ed25519 --ecdsa raw"), "--ecdsa is for ecdsa"),
        (sign("--alg ecdsa-sha256 --ecdsa pem"), "possible values"),
        (sign("--alg ed25519 --app-key app.pem"), "--grant"),
        (
            sign("--alg ed25519 --grant g --partition p"),
            "cannot be used with",
        ),
        (sign("--alg ed25519 --wait 116"), "116 is not in 1..=115"),
        (sign("--alg ed25519 --aad f"), "unexpected argument"),
        (sign("--alg ed25519 --signature f"), "unexpected argument"),
        (
            format!("verify --key {ID} --alg ed25519 --in f"),
            "--signature",
        ),
        (
            format!("verify --key {ID} --alg ed25519 --signature -"),
            "cannot both be standard input",
        ),
        (
            format!("verify --key {ID} --alg ed25519 --signature f --aad f"),
            "unexpected argument",
        ),
        (
            format!("encrypt --key {ID} --alg rsa-pss-sha256 --in f"),
            "possible values",
        ),
        (
            format!("encrypt --key {ID} --alg aes-gcm --aad -"),
            "cannot both be standard input",
        ),
        (
            format!("encrypt --key {ID} --alg aes-gcm --ecdsa raw"),
            "unexpected argument",
        ),
        (
            format!("decrypt --key {ID} --alg aes-gcm --signature f"),
            "unexpected argument",
        ),
        (format!("mac --key {ID} --alg sha-256"), "possible values"),
        (
            format!("mac --key {ID} --alg hmac-sha256 --aad f"),
            "unexpected argument",
        ),
        ("hash --alg md5".into(), "possible values"),
        ("hash --key 1f3a".into(), "unexpected argument"),
        ("random".into(), "--bytes"),
        ("random --bytes 0".into(), "0 is not in 1..=4096"),
        ("random --bytes 4097".into(), "4097 is not in"),
        // the rest
        ("evidence verify f --at yesterday".into(), "RFC 3339"),
        ("completions tcsh".into(), "possible values"),
        ("key".into(), "Usage"),
        ("nonsense".into(), "unrecognized subcommand"),
    ]
}

#[tokio::test]
async fn every_usage_mistake_is_status_2_with_a_sentence_and_changes_nothing() {
    let server = Server::start().await;
    let customer = customer(&server).await;
    let directory = customer.path();
    let before = files_of(directory);
    let mut wrong = Vec::new();
    for (arguments, part) in mistakes() {
        let output = coffer(directory, &arguments).await;
        let said = stderr(&output);
        let is_told = said.contains(part) && output.stdout.is_empty();
        if output.status.code() != Some(2) || !is_told {
            wrong.push(format!("{arguments}: {said}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert_eq!(files_of(directory), before);
    assert_eq!(*server.provider.played.openings.lock().unwrap(), 0);
    assert!(server.provider.registrations.lock().unwrap().is_empty());
}

#[tokio::test]
async fn with_json_a_usage_mistake_is_json_too() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [
        "--json sign --key zz --alg ed25519",
        "key show zz --json",
        "--json key import --in f --kind rsa-3072 --use mac --partition p --revocation https://s",
    ] {
        let output = coffer(directory.path(), arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["code"], "usage");
        let sentence = error["error"]["sentence"].as_str().unwrap();
        assert!(
            sentence.len() > 20 && !sentence.contains('\n'),
            "{sentence}"
        );
    }
}

#[tokio::test]
async fn help_teaches_by_examples() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(coffer(directory.path(), "").await.status.code(), Some(2));
    for (arguments, part) in [
        ("--help", "coffer key import"),
        ("sign --help", "\"signature\": base64"),
        ("key destroy --help", "destroyed already"),
        ("grant create --help", "keyless.grant"),
        ("revocation grant-epoch --help", "--set 4"),
        ("random --help", "readable by you only"),
    ] {
        let help = coffer(directory.path(), arguments).await;
        assert_eq!(help.status.code(), Some(0));
        let text = stdout(&help);
        assert!(text.contains("Examples:") && text.contains(part), "{text}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&coffer(directory.path(), &format!("completions {shell}")).await);
        assert!(script.contains("grant-epoch"), "{shell}");
    }
}
