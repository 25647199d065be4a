//! `coffer evidence verify` over the real and the forged documents in vectors/attestation.

use std::path::Path;

use cofferdam_wire::binding::Measurement;
use rcgen::DnType;
use serde_json::Value;

use crate::commands::{coffer, failure, json, stderr, stdout};
use crate::nsm::{Nsm, Says};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/attestation");
const PRODUCTION: &str = "nitro/nitro-20250916T212401Z-ce1e1c6e.cbor";
const DEBUG: &str = "nitro/nitro-20221012T135006Z-46591b92.cbor";
const FOREIGN: &str = "nitro/nitro-20241213T090545Z-d8032479.cbor";

fn verify(file: &str, rest: &str) -> String {
    format!("evidence verify {VECTORS}/{file} {rest}")
}

/// The error object of a refused document.
async fn refusal(file: &str, rest: &str) -> Value {
    let output = coffer(Path::new("."), &format!("--json {}", verify(file, rest))).await;
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(output.stdout.is_empty());
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["verdict"], "refused");
    for member in ["sentence", "meaning", "action"] {
        assert!(error["error"][member].as_str().unwrap().len() > 20);
    }
    error["error"].clone()
}

#[tokio::test]
async fn real_documents_are_shown_with_who_what_and_when() {
    let index = std::fs::read(format!("{VECTORS}/nitro/index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    for entry in index.as_array().unwrap() {
        if entry["foreign_root"] == true {
            continue;
        }
        let file = format!("nitro/{}", entry["file"].as_str().unwrap());
        let time_s = entry["timestamp_ms"].as_u64().unwrap() / 1000;
        let time = time::OffsetDateTime::from_unix_timestamp(time_s as i64).unwrap();
        let at = time
            .format(&time::format_description::well_known::Rfc3339)
            .unwrap();
        let debug = entry["debug"] == true;
        let allow = if debug { "--allow-debug" } else { "" };
        let shown = json(
            Path::new("."),
            &verify(&file, &format!("--at {at} {allow}")),
        )
        .await;
        assert_eq!(shown["verdict"], "accepted");
        assert_eq!(shown["at"], at);
        assert_eq!(shown["debug"], debug);
        assert_eq!(shown["module_id"], entry["module_id"]);
        assert_eq!(shown["timestamp"], at);
        assert_eq!(shown["timestamp_ms"], entry["timestamp_ms"]);
        for name in ["public_key", "user_data", "nonce"] {
            let length = entry[format!("{name}_len")].as_u64();
            assert_eq!(shown[name]["length"].as_u64(), length, "{name}");
            let hex = shown[name]["hex"].as_str().map(|hex| hex.len() as u64 / 2);
            assert_eq!(hex, length);
        }
        assert_eq!(shown["pcrs"].as_object().unwrap().len(), 16);
        for (number, value) in entry["pcrs"].as_object().unwrap() {
            assert_eq!(&shown["pcrs"][number], value);
        }
        let path = shown["path"].as_array().unwrap();
        assert_eq!(path.len(), 5);
        assert_eq!(
            path[0]["subject"],
            "C=US, O=Amazon, OU=AWS, CN=aws.nitro-enclaves"
        );
        assert_eq!(path[0]["not_after"], "2049-10-28T14:28:05Z");
        let leaf = path[4]["subject"].as_str().unwrap();
        assert!(leaf.contains("CN=i-"), "{leaf}");
    }
}

#[tokio::test]
async fn people_read_the_same_in_lines() {
    let good = verify(PRODUCTION, "--at 2025-09-16T21:30:00Z");
    let output = coffer(Path::new("."), &good).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for line in [
        "verdict     accepted as of 2025-09-16T21:30:00Z\n",
        "mode        production\n",
        "made        2025-09-16T21:24:01Z\n",
        "pcr          0 ",
        "path        C=US, O=Amazon, OU=AWS, CN=aws.nitro-enclaves (until 2049-10-28T14:28:05Z)\n",
        "            SHA-256 641a0321a3e244ef",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let late = verify(PRODUCTION, "--at 2026-01-01T00:00:00Z");
    let output = coffer(Path::new("."), &late).await;
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    for line in [
        "is refused: a certificate has ended [ATT-21]\n",
        "Ask the enclave for a new one.",
        "What it was when it was made, under the same root:\n",
        "made        2025-09-16T21:24:01Z\n",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[tokio::test]
async fn t07_a_refusal_for_the_time_shows_what_it_was() {
    for (at, rule) in [
        ("2026-01-01T00:00:00Z", "ATT-21"),
        ("2025-09-16T20:00:00Z", "ATT-20"),
    ] {
        let error = refusal(PRODUCTION, &format!("--at {at}")).await;
        assert_eq!(error["code"], rule);
        assert_eq!(error["at"], at);
        assert_eq!(error["document"]["timestamp"], "2025-09-16T21:24:01Z");
    }
    // Without --at it is judged as of now.
    assert_eq!(refusal(PRODUCTION, "").await["code"], "ATT-21");
}

#[tokio::test]
async fn t06_debug_mode_is_refused_unless_it_is_allowed() {
    let at = "--at 2022-10-12T13:50:06Z";
    let error = refusal(DEBUG, at).await;
    assert_eq!(error["code"], "ATT-32");
    assert_eq!(error["document"]["debug"], true);
    let zero = format!("--expect-pcr 0={}", "00".repeat(48));
    assert_eq!(
        refusal(DEBUG, &format!("{at} {zero}")).await["code"],
        "ATT-32"
    );
    let allowed = format!("{at} {zero} --allow-debug");
    let shown = json(Path::new("."), &verify(DEBUG, &allowed)).await;
    assert_eq!(shown["debug"], true);
    let text = stdout(&coffer(Path::new("."), &verify(DEBUG, &allowed)).await);
    assert!(text.contains("mode        DEBUG"), "{text}");
}

#[tokio::test]
async fn t05_expected_pcrs_are_walked() {
    let at = "--at 2025-09-16T21:30:00Z";
    let shown = json(Path::new("."), &verify(PRODUCTION, at)).await;
    let pcr = |index: &str| shown["pcrs"][index].as_str().unwrap().to_owned();
    let both = format!(
        "{at} --expect-pcr 0={} --expect-pcr 3={}",
        pcr("0"),
        pcr("3").to_uppercase()
    );
    let accepted = json(Path::new("."), &verify(PRODUCTION, &both)).await;
    assert_eq!(accepted["compared_pcrs"], serde_json::json!([0, 3]));

    let other = "11".repeat(48);
    let error = refusal(PRODUCTION, &format!("{at} --expect-pcr 0={other}")).await;
    assert_eq!(error["code"], "ATT-34");
    assert_eq!(error["pcr"]["index"], 0);
    assert_eq!(error["pcr"]["expected"], other);
    assert_eq!(error["pcr"]["stated"], pcr("0"));
    let error = refusal(PRODUCTION, &format!("{at} --expect-pcr 16={other}")).await;
    assert_eq!(error["code"], "ATT-33");
    // Two values for one PCR cannot both be right.
    let twice = format!("{at} --expect-pcr 0={} --expect-pcr 0={other}", pcr("0"));
    let error = refusal(PRODUCTION, &twice).await;
    assert_eq!(error["pcr"]["expected"], other);
}

#[tokio::test]
async fn t04_only_the_pinned_root_counts() {
    let at = "--at 2024-12-13T09:05:45Z --allow-debug";
    let error = refusal(FOREIGN, at).await;
    assert_eq!(error["code"], "ATT-19");
    assert_eq!(error["document"], Value::Null, "nothing unproven is shown");
    let forged = "negative/valid-definite.cbor";
    let at = "--at 2027-01-15T08:00:00Z";
    assert_eq!(refusal(forged, at).await["code"], "ATT-19");
    let root = format!("--root {VECTORS}/negative/root.der");
    let shown = json(Path::new("."), &verify(forged, &format!("{at} {root}"))).await;
    assert_eq!(shown["path"][0]["subject"], "CN=root");
    assert_eq!(shown["path"][3]["subject"], "CN=enclave");
    let error = refusal(PRODUCTION, &format!("--at 2025-09-16T21:30:00Z {root}")).await;
    assert_eq!(error["code"], "ATT-19");
}

/// The Verifier compares names as bytes, so a document verifies whatever the subject of its leaf is. This one has an
/// attribute with an OID of 45 bytes.
#[tokio::test]
async fn a_subject_that_does_not_parse_is_shown_in_hexadecimal() {
    const AT_S: u64 = 1_800_000_000;
    let long = [&[1, 3, 6, 1, 4, 1][..], &[u64::from(u32::MAX); 8]].concat();
    let nsm = Nsm::with_leaf(AT_S, DnType::CustomDnType(long));
    let document = nsm.attest(&Says {
        at_s: AT_S,
        measurement: Measurement {
            pcr0: [1; 48],
            pcr1: [2; 48],
            pcr2: [3; 48],
        },
        further: &[],
        nonce: None,
        user_data: None,
        public_key: None,
    });
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("root.der"), nsm.root_der()).unwrap();
    std::fs::write(directory.path().join("odd.cbor"), document).unwrap();
    let command = "evidence verify odd.cbor --root root.der --at 2027-01-15T08:00:00Z";
    let shown = json(directory.path(), command).await;
    assert_eq!(shown["verdict"], "accepted");
    let subject = shown["path"][1]["subject"].as_str().unwrap();
    assert!(subject.starts_with("#30"), "{subject}");
    let output = coffer(directory.path(), command).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(subject));
    // A refusal shows it too.
    let refused = format!("{command} --expect-pcr 0={}", "00".repeat(48));
    let output = coffer(directory.path(), &refused).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(subject), "{}", stderr(&output));
}

#[tokio::test]
async fn a_root_in_pem_is_the_same_root() {
    let directory = tempfile::tempdir().unwrap();
    let der = std::fs::read(format!("{VECTORS}/negative/root.der")).unwrap();
    let pem = der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, &der).unwrap();
    std::fs::write(directory.path().join("root.pem"), pem).unwrap();
    let forged = verify(
        "negative/valid-indefinite.cbor",
        "--at 2027-01-15T08:00:00Z --root root.pem",
    );
    assert_eq!(json(directory.path(), &forged).await["verdict"], "accepted");
    std::fs::write(directory.path().join("root.pem"), "no root").unwrap();
    assert_eq!(failure(directory.path(), &forged).await.0, "root");
}

#[tokio::test]
async fn what_is_no_document_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let document = std::fs::read(format!("{VECTORS}/{PRODUCTION}")).unwrap();
    let files: [(&str, Vec<u8>, &str); 3] = [
        ("empty", Vec::new(), "ATT-01"),
        ("hexadecimal", hex::encode(&document).into_bytes(), "ATT-02"),
        ("cut", document[..4000].to_vec(), "ATT-02"),
    ];
    for (name, bytes, rule) in files {
        std::fs::write(directory.path().join(name), bytes).unwrap();
        let (code, _) = failure(directory.path(), &format!("evidence verify {name}")).await;
        assert_eq!(code, rule, "{name}");
    }
    let (code, sentence) = failure(directory.path(), "evidence verify missing").await;
    assert_eq!(code, "file", "{sentence}");
}

#[tokio::test]
async fn wrong_usage_is_status_2() {
    for rest in [
        "--at yesterday",
        "--expect-pcr 0",
        "--expect-pcr 32=00",
        "--expect-pcr 0=abcd",
        "--expect-pcr x=00",
    ] {
        let output = coffer(Path::new("."), &verify(PRODUCTION, rest)).await;
        assert_eq!(output.status.code(), Some(2), "{rest}");
    }
    let too_high = format!("--expect-pcr 32={}", "00".repeat(48));
    let output = coffer(Path::new("."), &verify(PRODUCTION, &too_high)).await;
    assert_eq!(output.status.code(), Some(2));
}
