//! `coffer vendor` and `coffer trust init` as people and scripts run them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::commands::{coffer, failure, json, stderr, stdout};

const PROVIDER_KEY: &str = "1111111111111111111111111111111111111111111111111111111111111111";

fn description(sequence: u64, further: &str) -> String {
    let pcr = |digit: &str| digit.repeat(96);
    format!(
        "version = 1\nsequence = {sequence}\nvalid_days = 30\n\
         [[image]]\nepoch = 2\npcr0 = \"{}\"\npcr1 = \"{}\"\npcr2 = \"{}\"\n{further}\n\
         [[provider]]\nname = \"Example Cloud\"\nkeys = [\"{PROVIDER_KEY}\"]\npcr3 = [\"{}\"]\n",
        pcr("a"),
        pcr("b"),
        pcr("c"),
        pcr("e"),
    )
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).unwrap();
}

/// A directory with a vendor's key, and its public half.
async fn vendor() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let made = json(directory.path(), "vendor init --out vendor.pem").await;
    let key = made["vendor_key"].as_str().unwrap().to_owned();
    (directory, key)
}

#[tokio::test]
async fn a_vendors_key_is_made_once_and_is_private() {
    let (directory, key) = vendor().await;
    let at = directory.path();
    let mode = std::fs::metadata(at.join("vendor.pem"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(key.starts_with("a3010120062158"), "{key}");
    let before = std::fs::read(at.join("vendor.pem")).unwrap();
    let (code, sentence) = failure(at, "vendor init --out vendor.pem").await;
    assert_eq!(code, "exists");
    assert!(sentence.contains("nothing is overwritten"), "{sentence}");
    assert_eq!(std::fs::read(at.join("vendor.pem")).unwrap(), before);
    // A link is not followed, wherever it leads.
    std::os::unix::fs::symlink(at.join("nowhere"), at.join("link.pem")).unwrap();
    assert_eq!(failure(at, "vendor init --out link.pem").await.0, "exists");
    assert!(!at.join("nowhere").exists());

    let p256 = json(at, "vendor init --kind p256 --out other.pem").await;
    assert!(
        p256["vendor_key"]
            .as_str()
            .unwrap()
            .starts_with("a401022001215820")
    );
    let constant = p256["rust_constant"].as_str().unwrap();
    assert!(constant.starts_with("const VENDOR: PublicKey = PublicKey::P256 { x: [0x"));
    let text = stdout(&coffer(at, "vendor init --out third.pem").await);
    assert!(
        text.contains("rust constant") && !text.contains("PRIVATE"),
        "{text}"
    );
}

#[tokio::test]
async fn statements_follow_one_another_and_say_what_they_change() {
    let (directory, key) = vendor().await;
    let at = directory.path();
    write(at, "one.toml", &description(1, ""));
    write(at, "two.toml", &description(2, "condemned = true"));
    let first = json(
        at,
        "vendor statement --key vendor.pem --in one.toml --first --out 1.cbor",
    )
    .await;
    assert_eq!(first["sequence"], 1);
    assert_eq!(first["changes"].as_array().unwrap().len(), 2);
    let second = "vendor statement --key vendor.pem --in two.toml --after 1.cbor --out 2.cbor";
    let second = stdout(&coffer(at, second).await);
    assert!(
        second.contains("statement 2 ") && second.contains("condemned"),
        "{second}"
    );

    let shown = json(at, &format!("vendor show 2.cbor --vendor {key}")).await;
    assert_eq!(shown["sequence"], 2);
    assert_eq!(shown["images"][0]["until"], "condemned");
    assert_eq!(shown["images"][0]["pcr8"], Value::Null);
    assert_eq!(shown["providers"][0]["keys"][0], PROVIDER_KEY);
    assert_eq!(shown["providers"][0]["pcr3"][0], "e".repeat(96));
    let text = stdout(&coffer(at, &format!("vendor show 1.cbor --vendor {key}")).await);
    for expected in [
        "signed by this vendor, and current",
        "Example Cloud",
        &"a".repeat(96),
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn t32_an_older_image_without_until_is_warned_of() {
    let (directory, _) = vendor().await;
    let at = directory.path();
    let older = |further: &str| {
        let image = description(1, further).replace("epoch = 2", "epoch = 1");
        let image = image.split("[[image]]").nth(1).unwrap();
        let image = image.split("[[provider]]").next().unwrap();
        let both = format!("[[image]]{}\n[[provider]]", image.replace('a', "d"));
        description(1, "").replace("[[provider]]", &both)
    };
    write(at, "open.toml", &older(""));
    write(
        at,
        "closed.toml",
        &older("until = \"2026-01-01T00:00:00Z\""),
    );
    let statement = |name: &str, out: &str| {
        format!("vendor statement --key vendor.pem --in {name} --first --out {out}")
    };
    for out in ["1.cbor", "-"] {
        let told = stderr(&coffer(at, &statement("open.toml", out)).await);
        assert!(
            told.contains("warning") && told.contains("epoch 1"),
            "{told}"
        );
    }
    let told = json(at, &statement("open.toml", "2.cbor")).await;
    assert_eq!(told["warnings"].as_array().unwrap().len(), 1);
    let told = json(at, &statement("closed.toml", "3.cbor")).await;
    assert_eq!(told["warnings"].as_array().unwrap().len(), 0, "{told}");
}

#[tokio::test]
async fn t66_a_statement_that_does_not_follow_is_refused() {
    let (directory, _) = vendor().await;
    let at = directory.path();
    write(at, "five.toml", &description(5, ""));
    json(
        at,
        "vendor statement --key vendor.pem --in five.toml --first --out 5.cbor",
    )
    .await;
    let again = "vendor statement --key vendor.pem --in five.toml --after 5.cbor --out again.cbor";
    let (code, sentence) = failure(at, again).await;
    assert_eq!(code, "description");
    assert!(sentence.contains("higher than 5"), "{sentence}");
    assert!(!at.join("again.cbor").exists());

    // The previous statement has to be this vendor's own.
    json(at, "vendor init --out other.pem").await;
    write(at, "six.toml", &description(6, ""));
    let foreign = "vendor statement --key other.pem --in six.toml --after 5.cbor --out 6.cbor";
    let (code, sentence) = failure(at, foreign).await;
    assert_eq!(code, "statement");
    assert!(
        sentence.contains("5.cbor: it is not signed with this vendor key"),
        "{sentence}"
    );
    let torn = "vendor statement --key vendor.pem --in six.toml --after six.toml --out 6.cbor";
    assert!(
        failure(at, torn)
            .await
            .1
            .contains("not a signed vendor statement")
    );
    // Saying nothing of the previous one is wrong usage.
    let silent = coffer(
        at,
        "vendor statement --key vendor.pem --in six.toml --out 6.cbor",
    )
    .await;
    assert_eq!(silent.status.code(), Some(2), "{}", stderr(&silent));
    assert!(!at.join("6.cbor").exists());
    json(
        at,
        "vendor statement --key vendor.pem --in six.toml --after 5.cbor --out 6.cbor",
    )
    .await;
}

#[tokio::test]
async fn a_refused_description_writes_nothing_and_says_where() {
    let (directory, _) = vendor().await;
    let at = directory.path();
    let statement = "vendor statement --key vendor.pem --in bad.toml --first --out bad.cbor";
    let cases = [
        (description(1, "until = \"soon\""), "until of image 1"),
        (
            description(1, "").replace(&"b".repeat(96), &"0".repeat(96)),
            "pcr1 of image 1",
        ),
        (description(1, "").replace("30", "91"), "valid_days"),
        (
            description(1, "").replace("[[image]]", "[[images]]"),
            "images",
        ),
        (
            description(1, "").replace(PROVIDER_KEY, "11"),
            "keys of provider 1",
        ),
    ];
    for (text, expected) in cases {
        write(at, "bad.toml", &text);
        let (code, sentence) = failure(at, statement).await;
        assert_eq!(code, "description");
        assert!(sentence.contains(expected), "{sentence}");
        assert!(!at.join("bad.cbor").exists());
    }
    std::fs::remove_file(at.join("bad.toml")).unwrap();
    assert!(failure(at, statement).await.1.contains("cannot be read"));
    write(at, "bad.toml", &description(1, ""));
    let no_key = "vendor statement --key gone.pem --in bad.toml --first --out bad.cbor";
    assert!(
        failure(at, no_key)
            .await
            .1
            .contains("gone.pem cannot be read")
    );
}

#[tokio::test]
async fn show_verifies_signature_and_time() {
    let (directory, key) = vendor().await;
    let at = directory.path();
    write(at, "one.toml", &description(1, ""));
    json(
        at,
        "vendor statement --key vendor.pem --in one.toml --first --out 1.cbor",
    )
    .await;
    let other = json(at, "vendor init --out other.pem").await;
    let other = other["vendor_key"].as_str().unwrap();
    assert_eq!(
        failure(at, &format!("vendor show 1.cbor --vendor {other}"))
            .await
            .0,
        "PRF-8"
    );
    let late = format!("vendor show 1.cbor --vendor {key} --at 2099-01-01T00:00:00Z");
    assert_eq!(failure(at, &late).await.0, "PRF-9");
    let early = format!("vendor show 1.cbor --vendor {key} --at 2020-01-01T00:00:00Z");
    assert_eq!(failure(at, &early).await.0, "PRF-9");
    write(at, "torn.cbor", "x");
    assert_eq!(
        failure(at, &format!("vendor show torn.cbor --vendor {key}"))
            .await
            .0,
        "PRF-1"
    );
    let (code, sentence) = failure(at, "vendor show 1.cbor --vendor one.toml").await;
    assert_eq!(code, "vendor-key");
    assert!(sentence.contains("one.toml"), "{sentence}");
    // The key may come from a file as well.
    write(at, "vendor.hex", &format!("{key}\n"));
    assert!(json(at, "vendor show 1.cbor --vendor vendor.hex").await["verdict"].is_string());
}

#[tokio::test]
async fn a_providers_name_does_not_move_the_cursor() {
    let (directory, key) = vendor().await;
    let at = directory.path();
    let named = description(1, "").replace("Example Cloud", "a\\u001b[2Jb");
    write(at, "one.toml", &named);
    let make = "vendor statement --key vendor.pem --in one.toml --first --out 1.cbor";
    for command in [make, &format!("vendor show 1.cbor --vendor {key}")] {
        let text = stdout(&coffer(at, command).await);
        assert!(text.contains("rovider"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}

#[tokio::test]
async fn t81_trust_init_writes_a_file_that_pins_amazons_root() {
    let (directory, key) = vendor().await;
    let at = directory.path();
    let group = "ab".repeat(32);
    let ca = rcgen::generate_simple_self_signed(vec!["parent".to_owned()])
        .unwrap()
        .cert
        .pem();
    write(at, "ca.pem", &ca);
    let init = format!(
        "trust init aws-nitro --vendor {key} --name acme --provider Example --group {group} --provider-ca ca.pem --out trust.toml"
    );
    let made = json(at, &init).await;
    assert_eq!(
        made["attestation_root_sha256"],
        hex::encode(cofferdam_attestation::AWS_NITRO_ROOT_SHA256)
    );
    let shown = json(at, "trust show --trust trust.toml").await;
    for (field, expected) in [
        ("name", "acme"),
        ("provider", "Example"),
        ("group", &group),
        (
            "vendor_thumbprint",
            made["vendor_thumbprint"].as_str().unwrap(),
        ),
        (
            "attestation_root_sha256",
            made["attestation_root_sha256"].as_str().unwrap(),
        ),
    ] {
        assert_eq!(shown[field], expected);
    }
    assert_eq!(shown["extra_tls_root"], true);
    let text = std::fs::read_to_string(at.join("trust.toml")).unwrap();
    assert!(
        text.contains("attestation_root = \"aws-nitro\"")
            && text.starts_with("# Whom you believe.")
    );

    assert_eq!(failure(at, &init).await.0, "exists");
    let bad = |what: &str| format!("trust init aws-nitro --out new.toml {what}");
    assert_eq!(failure(at, &bad("--vendor 00")).await.0, "vendor-key");
    let no_certificate = format!("--vendor {key} --provider-ca vendor.pem");
    assert_eq!(failure(at, &bad(&no_certificate)).await.0, "certificate");
    // There is no other root to ask for, and no way to begin without a vendor.
    for usage in [
        format!("trust init simulator --vendor {key} --out new.toml"),
        bad(""),
        bad(&format!("--vendor {key} --group ab")),
    ] {
        assert_eq!(coffer(at, &usage).await.status.code(), Some(2), "{usage}");
    }
    assert!(!at.join("new.toml").exists());
}
