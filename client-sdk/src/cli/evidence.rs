//! `coffer evidence verify`: the Verifier for files, useful without anything else of Cofferdam.
//!
//! Trusts the root that it pins and the time that it is given, and shows nothing of a document that did not verify under
//! them: where it is refused for the time or for an expected value, it is shown as what it was when it was made.
//! `docs/operating/evidence.md` describes the JSON.

mod certificate;
mod meaning;

use std::path::Path;

use cofferdam_attestation::{
    Debugging, Evidence, EvidenceError, Expected, MAX_DOCUMENT, Root, aws_nitro_root, verify,
    verify_at_own_time,
};
use cofferdam_wire::id::Pcr;
use serde_json::{Map, Value, json};

use super::args::EvidenceCommand;
use super::failure::Failure;
use super::output::Shown;
use crate::files;
use crate::session::now_s;
use crate::times::show_time;
use certificate::Described;
pub(super) use certificate::printable;

/// Bytes of a root certificate's file that are read.
const ROOT_FILE: usize = 16 * 1024;

pub(super) fn run(command: &EvidenceCommand) -> Result<Shown, Failure> {
    let EvidenceCommand::Verify {
        file,
        at,
        root,
        allow_debug,
        expect_pcr,
    } = command;
    let root = root
        .as_deref()
        .map_or_else(|| Ok(aws_nitro_root()), read_root)?;
    let debugging = if *allow_debug {
        Debugging::Allow
    } else {
        Debugging::Refuse
    };
    let expected = Expected {
        debugging,
        pcrs: expect_pcr,
        ..Expected::default()
    };
    let at_s = at.map_or_else(now_s, Ok)?;
    // One byte more than allowed, so that the Verifier itself says what is too long.
    let document = files::read(file, MAX_DOCUMENT + 1)?;
    match verify(&document, &root, at_s, &expected) {
        Ok(evidence) => {
            let mut members = Map::new();
            members.insert("verdict".into(), "accepted".into());
            members.insert("at".into(), show_time(at_s).into());
            let compared: Vec<_> = expect_pcr.iter().map(|(index, _)| *index).collect();
            members.insert("compared_pcrs".into(), json!(compared));
            members.extend(facts(&evidence));
            let verdict = format!("accepted as of {}", show_time(at_s));
            let text = lines(&[("verdict", verdict)]) + &describe(&evidence);
            Ok(Shown::new(Value::Object(members), text))
        }
        Err(error) => Err(refusal(file, &document, &root, at_s, expect_pcr, &error)),
    }
}

/// The failure that says why not, what that means, what to do, and what the document was when it was made.
fn refusal(
    file: &Path,
    document: &[u8],
    root: &Root,
    at_s: u64,
    expect_pcr: &[(u8, [u8; 48])],
    error: &EvidenceError,
) -> Failure {
    let rule = format!("ATT-{:02}", error.rule());
    let shown = error.to_string();
    let reason = shown
        .strip_prefix(&format!("{rule}: "))
        .unwrap_or(&shown)
        .to_owned();
    let (meaning, action) = meaning::of(error);
    let mut details = Map::new();
    details.insert("verdict".into(), "refused".into());
    details.insert("at".into(), show_time(at_s).into());
    details.insert("meaning".into(), meaning.into());
    details.insert("action".into(), action.into());
    let mut text = format!("{meaning}\n{action}\n");

    let anything = Expected {
        debugging: Debugging::Allow,
        ..Expected::default()
    };
    let was = verify_at_own_time(document, root, &anything).ok();
    if let (Some(evidence), EvidenceError::PcrMismatch { index }) = (&was, error) {
        let said = evidence.pcr(*index).map(hex::encode);
        let wanted = expect_pcr.iter().find(|(expected, value)| {
            expected == index && evidence.pcr(*index).is_some_and(|said| said != value)
        });
        let wanted = wanted.map(|(_, value)| hex::encode(value));
        text += &lines(&[
            ("expected", wanted.clone().unwrap_or_default()),
            ("stated", said.clone().unwrap_or_default()),
        ]);
        details.insert(
            "pcr".into(),
            json!({ "index": index, "expected": wanted, "stated": said }),
        );
    }
    if let Some(evidence) = &was {
        text += "What it was when it was made, under the same root:\n";
        text += &describe(evidence);
    }
    let facts = was.map(|evidence| Value::Object(facts(&evidence)));
    details.insert("document".into(), facts.unwrap_or(Value::Null));
    Failure::new(&rule, format!("{} is refused: {reason}", file.display())).explained(details, text)
}

/// What a document that verified says, for programs.
fn facts(evidence: &Evidence) -> Map<String, Value> {
    let pcrs = (0..32).filter_map(|index| {
        let value = evidence.pcr(index)?;
        Some((index.to_string(), hex::encode(value).into()))
    });
    let field = |bytes: Option<&[u8]>| {
        bytes.map(|bytes| json!({ "length": bytes.len(), "hex": hex::encode(bytes) }))
    };
    let path: Vec<_> = path(evidence)
        .map(|(sha256, described)| {
            json!({
                "subject": described.subject,
                "not_before": show_time(described.not_before_s),
                "not_after": show_time(described.not_after_s),
                "sha256": hex::encode(sha256),
            })
        })
        .collect();
    let mut facts = Map::new();
    facts.insert("module_id".into(), evidence.module_id().into());
    facts.insert("debug".into(), evidence.debug().into());
    facts.insert(
        "timestamp".into(),
        show_time(evidence.timestamp_ms() / 1000).into(),
    );
    facts.insert("timestamp_ms".into(), evidence.timestamp_ms().into());
    facts.insert("pcrs".into(), Value::Object(pcrs.collect()));
    facts.insert("public_key".into(), json!(field(evidence.public_key())));
    facts.insert("user_data".into(), json!(field(evidence.user_data())));
    facts.insert("nonce".into(), json!(field(evidence.nonce())));
    facts.insert("path".into(), Value::Array(path));
    facts
}

/// The same for people. PCRs that are zero are named together: most of them are.
pub fn describe(evidence: &Evidence) -> String {
    let mode = if evidence.debug() {
        "DEBUG: it measures nothing, and its parent reads all that it says"
    } else {
        "production"
    };
    let mut shown = vec![
        ("module", evidence.module_id().to_owned()),
        ("mode", mode.to_owned()),
        ("made", show_time(evidence.timestamp_ms() / 1000)),
        (
            "leaf",
            format!(
                "valid from {} until {}",
                show_time(evidence.leaf_not_before_s()),
                show_time(evidence.leaf_not_after_s())
            ),
        ),
    ];
    let mut zero = Vec::new();
    for index in 0..32 {
        match evidence.pcr(index) {
            Some(value) if *value == [0; 48] => zero.push(index.to_string()),
            Some(value) => shown.push(("pcr", format!("{index:>2} {}", hex::encode(value)))),
            None => {}
        }
    }
    if !zero.is_empty() {
        shown.push(("zero pcrs", zero.join(", ")));
    }
    for (name, bytes) in [
        ("public key", evidence.public_key()),
        ("user data", evidence.user_data()),
        ("nonce", evidence.nonce()),
    ] {
        let value = bytes.map_or_else(
            || "none".to_owned(),
            |bytes| format!("{} bytes {}", bytes.len(), hex::encode(bytes)),
        );
        shown.push((name, value.trim_end().to_owned()));
    }
    for (sha256, described) in path(evidence) {
        let until = show_time(described.not_after_s);
        let value = format!("{} (until {until})", described.subject);
        shown.push(("path", value));
        shown.push(("", format!("SHA-256 {}", hex::encode(sha256))));
    }
    lines(&shown)
}

/// The certificates from the pinned root to the leaf.
fn path(evidence: &Evidence) -> impl Iterator<Item = ([u8; 32], Described)> {
    let certificates = evidence.certificates();
    let digests = evidence.certificate_sha256s();
    digests
        .into_iter()
        .zip(certificates)
        .map(|(sha256, certificate)| {
            let described = Described::read(certificate)
                .expect("invariant: the Verifier has read as much of this certificate");
            (sha256, described)
        })
}

/// The subject of a certificate as it is shown. `None` for what the Verifier does not read either.
pub fn describe_subject(certificate: &[u8]) -> Option<String> {
    let described = Described::read(certificate).ok()?;
    Some(described.subject)
}

fn lines(named: &[(&str, String)]) -> String {
    named
        .iter()
        .map(|(name, value)| format!("{name:<12}{value}\n"))
        .collect()
}

/// `N=HEX`: a PCR's index and its 48 bytes.
pub(super) fn parse_pcr(text: &str) -> Result<(u8, [u8; 48]), String> {
    let refused = || {
        format!("\"{text}\" is not N=HEX with N from 0 to 31 and HEX of 96 hexadecimal characters")
    };
    let (index, value) = text.split_once('=').ok_or_else(refused)?;
    let index: u8 = index.parse().map_err(|_| refused())?;
    match Pcr::from_hex(value) {
        Some(value) if index < 32 => Ok((index, value.0)),
        _ => Err(refused()),
    }
}

/// A root certificate in PEM or DER.
fn read_root(path: &Path) -> Result<Root, Failure> {
    let file = files::read(path, ROOT_FILE)?;
    let refused = |reason: String| Failure::new("root", format!("{}: {reason}", path.display()));
    let der = if file.starts_with(b"-----BEGIN") {
        match der::pem::decode_vec(&file) {
            Ok(("CERTIFICATE", der)) => der,
            _ => return Err(refused("not one PEM certificate".into())),
        }
    } else {
        file
    };
    Root::from_der(&der).map_err(|error| refused(error.to_string()))
}
