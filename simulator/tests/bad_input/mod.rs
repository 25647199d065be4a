//! What bad input gets at `coffer`, against real processes: exit status 1, a closed code, a sentence, and nothing changed.

use std::path::Path;

use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::grant::{GrantOrder, OwnedGrant};
use cofferdam_wire::id::{GroupId, KeyId};
use cofferdam_wire::kind::Action;
use cofferdam_wire::session::Audience;
use serde_json::Value;

use crate::customer::Customer;

/// Everything at once, with a key that is active.
pub(crate) fn is_refused(customer: &Customer, key: &str) {
    let registered = customer.done(&["revocation", "list"]);
    let listed = customer.done(&["key", "list"]);
    key_files(customer);
    keys_and_addresses(customer, key);
    grants(customer, key);
    foreign_owner(customer, key);
    data_files(customer, key);
    assert_eq!(customer.done(&["revocation", "list"]), registered);
    assert_eq!(customer.done(&["key", "list"]), listed);
    a_repeated_import_makes_the_same_key(customer, key);
    assert_eq!(customer.done(&["revocation", "list"]), registered);
    // The second receipt is of a later time.
    let listed_again = customer.done(&["key", "list"]);
    assert_eq!(without_time(listed_again), without_time(listed));
    // The key was there all the time.
    customer.done(&customer.operation("sign", key, "--out", &[]));
}

fn without_time(mut listed: Value) -> Value {
    for key in listed.as_array_mut().unwrap() {
        let time = key.as_object_mut().unwrap().remove("imported");
        assert!(time.is_some_and(|time| time.is_string()));
    }
    listed
}

fn key_files(customer: &Customer) {
    let whole = std::fs::read_to_string(customer.file("rsa.pem")).unwrap();
    let certificate = whole.replace("PRIVATE KEY", "CERTIFICATE");
    let public = std::fs::read_to_string(customer.file("rsa.pub.pem")).unwrap();
    let cases = [
        (
            "-----BEGIN PRIVATE KEY-----\nnot base64\n-----END PRIVATE KEY-----\n",
            "damaged",
        ),
        (&whole[..whole.len() / 2], "END line is missing"),
        ("no key at all", "no PEM block"),
        (&whole.repeat(2), "2 PEM blocks"),
        (&certificate, "holds a certificate"),
        (&public, "holds a public key"),
        (&"x".repeat(20_000), "more than 16384"),
    ];
    for (content, part) in cases {
        let file = customer.file("bad.pem");
        std::fs::write(&file, content).unwrap();
        let ran = customer.coffer(&customer.import(&file, "rsa-3072", "sign"));
        assert_eq!(ran.status, Some(1), "{part}");
        assert!(
            ["key-file", "file"].contains(&ran.code.as_str()),
            "{}",
            ran.code
        );
        assert!(ran.sentence.contains(part), "{}", ran.sentence);
    }
    for unreadable in [customer.file("absent.pem"), customer.files.clone()] {
        let import = customer.import(&unreadable, "rsa-3072", "sign");
        let sentence = customer.refused(&import, "file");
        assert!(sentence.contains("cannot be read"), "{sentence}");
    }
    let other_kind = customer.import(&customer.file("rsa.pem"), "ec-p256", "sign");
    customer.refused(&other_kind, "key-file");
    let other_use = customer.import(&customer.file("rsa.pem"), "rsa-3072", "mac");
    assert_eq!(customer.coffer(&other_use).status, Some(2));
}

fn keys_and_addresses(customer: &Customer, key: &str) {
    let mut elsewhere = customer.operation("sign", key, "--out", &[]);
    elsewhere.extend(["--url".to_owned(), "https://127.0.0.1:1".to_owned()]);
    customer.refused(&elsewhere, "unreachable");
    // Wrong usage class: told here, since this machine imported the key.
    let message = customer.file("message").display().to_string();
    let decrypt = [
        "decrypt",
        "--key",
        key,
        "--alg",
        "rsa-oaep-sha256",
        "--in",
        &message,
    ];
    let sentence = customer.refused(&decrypt, "usage-refused");
    assert!(sentence.contains("--use decrypt"), "{sentence}");
    let (unknown, partition) = ("ab".repeat(32), &customer.ready.partition);
    let absent = customer.operation("sign", &unknown, "--out", &["--partition", partition]);
    customer.refused(&absent, "not-found");
    // A suite below the customer's own floor.
    let trust = std::fs::read_to_string(&customer.ready.trust_file).unwrap();
    let strict = customer.file("strict.toml");
    std::fs::write(
        &strict,
        trust.replacen("version = 1\n", "version = 1\nsuites = [1]\n", 1),
    )
    .unwrap();
    let mut weaker = customer.import(&customer.file("rsa.pem"), "rsa-3072", "sign");
    let floor = ["--suite", "2", "--trust", &strict.display().to_string()].map(str::to_owned);
    weaker.extend(floor);
    let sentence = customer.refused(&weaker, "possession");
    assert!(sentence.contains("below the floor"), "{sentence}");
}

fn grants(customer: &Customer, key: &str) {
    let other = customer.file("other.pem");
    let another_app = SigningKey::generate(SignatureKind::Ed25519);
    std::fs::write(&other, another_app.to_pkcs8_pem().as_bytes()).unwrap();
    let other = other.display().to_string();
    let grant = customer.grant(key, "sign");
    let under = |more: &[&str]| {
        let with: Vec<_> = ["--grant", &grant].iter().chain(more).copied().collect();
        customer.operation("sign", key, "--out", &with)
    };
    customer.done(&under(&[]));
    customer.refused(&under(&["--app-key", &other]), "app-key");
    customer.grant(key, "verify");
    customer.refused(&under(&[]), "not-permitted");
    customer.grant_with(
        key,
        "sign",
        &[
            "--not-before",
            "2020-01-01T00:00:00Z",
            "--expires",
            "2021-01-01T00:00:00Z",
        ],
    );
    let sentence = customer.refused(&under(&[]), "grant-expired");
    assert!(sentence.contains("until 2021-01-01"), "{sentence}");
    std::fs::write(&grant, for_another_group(customer, key)).unwrap();
    let sentence = customer.refused(&under(&[]), "wrong-group");
    assert!(sentence.contains(&"09".repeat(32)), "{sentence}");

    customer.grant(key, "sign");
    let good = std::fs::read(&grant).unwrap();
    for (what, bytes) in not_a_grant(&good) {
        std::fs::write(&grant, bytes).unwrap();
        let sentence = customer.refused(&under(&[]), "grant");
        assert!(sentence.contains("not a grant"), "{what}: {sentence}");
    }
    std::fs::write(&grant, good).unwrap();
    customer.done(&under(&[]));
}

/// A grant with exactly one defect of form.
fn not_a_grant(good: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    // COSE_Sign1 is an array of four whose first item is the byte string a1 01 27: a map with the one label alg.
    let header = [0x43, 0xa1, 0x01, 0x27];
    let at = good.windows(4).position(|window| window == header).unwrap();
    assert_eq!(good[at - 1], 0x84);
    let duplicate = [0x45, 0xa2, 0x01, 0x27, 0x01, 0x27];
    [
        ("truncated", good[..good.len() - 1].to_vec()),
        ("trailing", [good, &[0]].concat()),
        (
            "duplicate label",
            [&good[..at], &duplicate, &good[at + 4..]].concat(),
        ),
        // The same length of the array in two bytes where one does.
        (
            "not canonical",
            [&good[..at - 1], &[0x98, 0x04], &good[at..]].concat(),
        ),
    ]
}

fn for_another_group(customer: &Customer, key: &str) -> Vec<u8> {
    let read = |path: &Path| SigningKey::from_pem(&std::fs::read(path).unwrap()).unwrap();
    let (owner, app) = (
        read(&customer.ready.owner_key),
        read(&customer.ready.app_key),
    );
    let order = GrantOrder {
        group: GroupId([9; 32]),
        partition: customer.ready.partition.clone(),
        keys: vec![KeyId::from_hex(key).unwrap()],
        actions: vec![Action::Sign],
        audience: Audience::App(app.public().thumbprint()),
        not_before_s: 0,
        not_after_s: u64::from(u32::MAX),
        epoch: 0,
    };
    OwnedGrant::sign(&order, &owner).unwrap().signed().0.clone()
}

/// Another customer of the same provider learns of a foreign key what it learns of an absent one (T-37).
fn foreign_owner(customer: &Customer, key: &str) {
    let directory = customer.file("stranger");
    let (url, trust) = (&customer.ready.parent_url, &customer.ready.trust_file);
    let (here, trust) = (directory.display().to_string(), trust.display().to_string());
    customer.done(&["--url", url, "--trust", &trust, "init", "--dir", &here]);
    let config = directory.join("coffer.toml");
    let sentences = [key, &"ab".repeat(32)].map(|id| {
        let sign = customer.operation(
            "sign",
            id,
            "--out",
            &["--partition", &customer.ready.partition],
        );
        let ran = customer.coffer_with(&config, &sign);
        assert_eq!((ran.status, ran.code.as_str()), (Some(1), "not-found"));
        ran.sentence
    });
    assert_eq!(sentences[0], sentences[1]);
}

fn data_files(customer: &Customer, key: &str) {
    let large = customer.file("large");
    std::fs::write(&large, vec![7; 48 * 1024 + 1]).unwrap();
    let large = large.display().to_string();
    // A long file is signed by its digest; a hash in the enclave takes one request.
    customer.done(&[
        "sign",
        "--key",
        key,
        "--alg",
        "rsa-pss-sha256",
        "--in",
        &large,
    ]);
    let sentence = customer.refused(&["hash", "--in", &large], "too-large");
    assert!(sentence.contains("49152"), "{sentence}");
    let [absent, nowhere] = ["absent", "absent/signature"].map(|name| customer.file(name));
    let (absent, nowhere) = (absent.display().to_string(), nowhere.display().to_string());
    let sign = ["sign", "--key", key, "--alg", "rsa-pss-sha256", "--in"];
    let sentence = customer.refused(&[&sign[..], &[&absent]].concat(), "file");
    assert!(sentence.contains("cannot be read"), "{sentence}");
    let to_nowhere = [&sign[..], &[&large, "--out", &nowhere]].concat();
    let sentence = customer.refused(&to_nowhere, "file");
    assert!(sentence.contains("cannot be written"), "{sentence}");
}

/// What is on disk of a finished import is taken back to "saved", as if the answer had been lost: the same bytes go again.
fn a_repeated_import_makes_the_same_key(customer: &Customer, key: &str) {
    let state = customer
        .ready
        .coffer_config
        .parent()
        .unwrap()
        .join("customer/state");
    let import = state.join("imports").join(key);
    std::fs::remove_file(import.join("receipt.cbor")).unwrap();
    std::fs::remove_file(import.join("active")).unwrap();
    let resumed = customer.done(&["key", "resume"]);
    assert_eq!(resumed.as_array().unwrap().len(), 1);
    assert_eq!(resumed[0]["key"], key);
    assert_eq!(resumed[0]["state"], "imported");
}
