//! The documents in vectors/attestation/negative: forged once, correctly signed, and kept, so that every implementation
//! judges the same bytes.
//!
//! `envelopes`, `payloads`, `certificates` and `expectations` are the list of them. ECDSA signatures are random, so the files cannot be compared with
//! fresh ones; what is compared is the index, and every document, stored or fresh, must get the verdict that the index
//! gives it. `cargo xtask vectors --forge` writes folder and index anew, under a new root.

mod certificates;
mod envelopes;
mod expectations;
mod payloads;
mod shop;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cofferdam_attestation::{Debugging, EvidenceError, Expected, Root, verify};
use serde::{Deserialize, Serialize};

use shop::Shop;

/// Set, and not empty: write instead of comparing.
const WRITE: &str = "COFFERDAM_FORGE_VECTORS";

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq)]
struct Index {
    /// The certificate to pin.
    root: String,
    /// The clock, unless an entry has another.
    at_unix_s: u64,
    /// What is expected, unless an entry has something else.
    expected: Values,
    /// Documents that must be accepted.
    valid: Vec<Entry>,
    /// Documents that must be refused.
    refused: Vec<Entry>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
struct Entry {
    file: String,
    /// ATT-19, where the document is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// What is special about it; in a refused one, the only thing that is wrong.
    remark: String,
    /// The valid document that it differs from in this.
    #[serde(skip_serializing_if = "Option::is_none")]
    twin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_unix_s: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    allow_debug: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<Values>,
}

/// In hexadecimal; what is not named is not expected.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
struct Values {
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pcrs: BTreeMap<u8, String>,
}

impl Index {
    fn judge(&self, entry: &Entry, document: &[u8], root: &Root) -> Result<(), EvidenceError> {
        let values = entry.expected.as_ref().unwrap_or(&self.expected);
        let bytes = |hex: &Option<String>| hex.as_ref().map(|hex| hex::decode(hex).unwrap());
        let (nonce, user_data, public_key) = (
            bytes(&values.nonce),
            bytes(&values.user_data),
            bytes(&values.public_key),
        );
        let pcr = |(index, hex): (&u8, &String)| {
            let value = hex::decode(hex).unwrap();
            (*index, <[u8; 48]>::try_from(value).unwrap())
        };
        let pcrs: Vec<_> = values.pcrs.iter().map(pcr).collect();
        let expected = Expected {
            nonce: nonce.as_deref(),
            user_data: user_data.as_deref(),
            public_key: public_key.as_deref(),
            pcrs: &pcrs,
            debugging: match entry.allow_debug {
                true => Debugging::Allow,
                false => Debugging::Refuse,
            },
        };
        let at_unix_s = entry.at_unix_s.unwrap_or(self.at_unix_s);
        verify(document, root, at_unix_s, &expected).map(drop)
    }

    /// Judges every document, and gives what did not get the verdict of the index.
    fn compare(&self, root: &Root, document: impl Fn(&str) -> Vec<u8>) -> Vec<String> {
        let every = self.valid.iter().chain(&self.refused);
        let wrong = every.filter_map(|entry| {
            let judged = self.judge(entry, &document(&entry.file), root);
            let rule = match judged {
                Ok(()) => "valid".to_owned(),
                Err(error) => {
                    let rule = format!("ATT-{:02}", error.rule());
                    assert!(error.to_string().starts_with(&rule), "{error}");
                    rule
                }
            };
            let wanted = entry.rule.as_deref().unwrap_or("valid");
            (rule != wanted).then(|| format!("{}: {rule} instead of {wanted}", entry.file))
        });
        wrong.collect()
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors/attestation/negative")
}

fn read(file: &str) -> Vec<u8> {
    std::fs::read(folder().join(file)).unwrap()
}

fn index() -> Index {
    serde_json::from_slice(&read("index.json")).unwrap()
}

fn every_case() -> Shop {
    let mut shop = Shop::open();
    envelopes::all(&mut shop);
    payloads::all(&mut shop);
    certificates::all(&mut shop);
    expectations::all(&mut shop);
    shop
}

#[test]
fn the_index_is_the_list_and_fresh_documents_get_its_verdicts() {
    let shop = every_case();
    let fresh = shop.index();
    let root = Root::from_der(shop.root()).unwrap();
    let wrong = fresh.compare(&root, |file| shop.document(file).to_vec());
    assert_eq!(wrong, Vec::<String>::new());
    if std::env::var_os(WRITE).is_some_and(|value| !value.is_empty()) {
        shop.write(&folder());
    }
    assert_eq!(fresh, index(), "cargo xtask vectors --forge");
}

#[test]
fn att_1_to_att_37_stored_documents_get_their_verdicts() {
    let index = index();
    let root = Root::from_der(&read(&index.root)).unwrap();
    assert_eq!(index.compare(&root, read), Vec::<String>::new());
}

#[test]
fn every_rule_has_a_stored_document_and_every_document_a_valid_twin() {
    let index = index();
    assert!(index.refused.len() >= 40);
    let valid: BTreeSet<_> = index.valid.iter().map(|entry| &entry.file).collect();
    let mut rules = BTreeSet::new();
    for entry in &index.refused {
        let twin = entry.twin.as_ref().unwrap();
        assert!(valid.contains(twin), "{}: no twin {twin}", entry.file);
        rules.insert(entry.rule.clone().unwrap());
    }
    let head = include_str!("../../../src/lib.rs");
    let listed = head.lines().filter_map(|line| {
        let row = line.strip_prefix("//! | ATT-")?;
        Some(format!("ATT-{}", row.split(' ').next()?))
    });
    assert!(listed.eq(rules));
}

#[test]
fn the_folder_holds_what_the_index_names() {
    let index = index();
    let entries = index.valid.iter().chain(&index.refused);
    let mut named: BTreeSet<String> = entries.map(|entry| entry.file.clone()).collect();
    named.extend([index.root.clone(), "index.json".into(), "README.md".into()]);
    let listed = std::fs::read_dir(folder()).unwrap();
    let there: BTreeSet<String> = listed
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, named);
}
