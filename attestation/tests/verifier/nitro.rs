//! Real documents of AWS Nitro Enclaves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cofferdam_attestation::{
    Debugging, EvidenceError, Expected, MAX_AHEAD_S, aws_nitro_root, unverified_timestamp_ms,
    verify, verify_at_own_time,
};
use serde::Deserialize;

use crate::forge::Forge;

/// One entry of `index.json`: what is known about a document without this crate.
#[derive(Deserialize)]
pub(crate) struct Entry {
    file: String,
    module_id: String,
    timestamp_ms: u64,
    leaf_not_before_s: u64,
    leaf_not_after_s: u64,
    pcrs: BTreeMap<u8, String>,
    public_key_len: Option<usize>,
    user_data_len: Option<usize>,
    nonce_len: Option<usize>,
    debug: bool,
    foreign_root: bool,
}

impl Entry {
    pub(crate) fn document(&self) -> Vec<u8> {
        std::fs::read(folder().join(&self.file)).unwrap()
    }

    fn time_s(&self) -> u64 {
        self.timestamp_ms / 1000
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors/attestation/nitro")
}

fn index() -> Vec<Entry> {
    serde_json::from_slice(&std::fs::read(folder().join("index.json")).unwrap()).unwrap()
}

/// The documents under Amazon's root.
pub(crate) fn genuine() -> Vec<Entry> {
    let mut entries = index();
    entries.retain(|entry| !entry.foreign_root);
    assert_eq!(entries.len(), 7);
    entries
}

fn any() -> Expected<'static> {
    Expected {
        debugging: Debugging::Allow,
        ..Expected::default()
    }
}

#[test]
fn real_documents_verify_at_their_time() {
    for entry in genuine() {
        let document = entry.document();
        let evidence = verify(&document, &aws_nitro_root(), entry.time_s(), &any()).unwrap();
        assert_eq!(
            evidence,
            verify_at_own_time(&document, &aws_nitro_root(), &any()).unwrap()
        );
        assert_eq!(evidence.module_id(), entry.module_id);
        assert_eq!(evidence.timestamp_ms(), entry.timestamp_ms);
        assert_eq!(evidence.leaf_not_before_s(), entry.leaf_not_before_s);
        assert_eq!(evidence.leaf_not_after_s(), entry.leaf_not_after_s);
        assert_eq!(evidence.debug(), entry.debug);
        assert_eq!(evidence.public_key().map(<[u8]>::len), entry.public_key_len);
        assert_eq!(evidence.user_data().map(<[u8]>::len), entry.user_data_len);
        assert_eq!(evidence.nonce().map(<[u8]>::len), entry.nonce_len);
        assert_eq!(evidence.certificate_sha256s().len(), 5);
        assert_eq!(evidence.certificates().count(), 5);
        assert_eq!(evidence.certificates().next(), Some(aws_nitro_root().der()));
        for index in 0..16 {
            let value = hex::encode(evidence.pcr(index).unwrap());
            let zero = "00".repeat(48);
            assert_eq!(&value, entry.pcrs.get(&index).unwrap_or(&zero));
        }
        assert_eq!(evidence.pcr(16), None);
    }
}

#[test]
fn real_documents_under_tag_18() {
    for entry in genuine() {
        let document = [vec![0xd2], entry.document()].concat();
        assert!(verify_at_own_time(&document, &aws_nitro_root(), &any()).is_ok());
    }
}

#[test]
fn t03_t07_real_documents_end_with_their_leaf() {
    let root = aws_nitro_root();
    for entry in genuine() {
        let document = entry.document();
        let end_s = entry.leaf_not_after_s;
        assert!(verify(&document, &root, end_s - 1, &any()).is_ok());
        let hours = [0, 1, 4, 24, 24 * 365, 24 * 365 * 30];
        for later_s in hours.map(|hours| end_s + hours * 3600) {
            let judged = verify(&document, &root, later_s, &any());
            assert_eq!(judged.unwrap_err(), EvidenceError::Ended, "{later_s}");
        }
    }
}

#[test]
fn t07_real_documents_are_not_for_earlier_clocks() {
    let root = aws_nitro_root();
    for entry in genuine() {
        let document = entry.document();
        let start_s = entry.leaf_not_before_s;
        let first_s = start_s.max(entry.timestamp_ms.div_ceil(1000) - MAX_AHEAD_S);
        assert!(verify(&document, &root, first_s, &any()).is_ok());
        if first_s > start_s {
            let judged = verify(&document, &root, first_s - 1, &any());
            assert_eq!(judged.unwrap_err(), EvidenceError::TimeAhead);
        }
        let hours = [1, 24, 24 * 365];
        let earlier = hours.map(|hours| start_s - hours * 3600);
        for earlier_s in [start_s - 1].into_iter().chain(earlier) {
            let judged = verify(&document, &root, earlier_s, &any());
            assert_eq!(judged.unwrap_err(), EvidenceError::NotYetValid);
        }
        let judged = verify(&document, &root, 0, &any());
        assert_eq!(judged.unwrap_err(), EvidenceError::NotYetValid);
    }
}

/// Both ways of writing maps are among them.
#[test]
fn real_documents_come_in_both_encodings() {
    let head = |entry: &Entry| {
        let document = entry.document();
        let place = document.windows(10).position(|w| w == b"\x69module_id");
        document[place.unwrap() - 1]
    };
    let heads: std::collections::BTreeSet<u8> = genuine().iter().map(head).collect();
    assert_eq!(heads, [0xa9, 0xbf].into());
}

#[test]
fn att_32_t06_real_documents_in_debug_mode() {
    let root = aws_nitro_root();
    let mut debug = genuine();
    debug.retain(|entry| entry.debug);
    assert_eq!(debug.len(), 2);
    for entry in debug {
        let judged = verify_at_own_time(&entry.document(), &root, &Expected::default());
        assert_eq!(judged.unwrap_err(), EvidenceError::DebugMode);
    }
}

#[test]
fn t04_real_documents_need_amazons_root() {
    let own = Forge::new().document().1;
    for entry in genuine() {
        let judged = verify_at_own_time(&entry.document(), &own, &any());
        assert_eq!(judged.unwrap_err(), EvidenceError::UntrustedRoot);
    }
}

#[test]
fn t04_document_under_a_foreign_root() {
    let mut foreign = index();
    foreign.retain(|entry| entry.foreign_root);
    assert_eq!(foreign.len(), 1);
    let document = foreign[0].document();
    let judged = verify_at_own_time(&document, &aws_nitro_root(), &any());
    assert_eq!(judged.unwrap_err(), EvidenceError::UntrustedRoot);
}

#[test]
fn t04_document_under_a_foreign_root_has_no_other_fault() {
    // Its root is the first of its bundle, found here by its two heads.
    let mut foreign = index();
    foreign.retain(|entry| entry.foreign_root);
    let document = foreign[0].document();
    let key = b"cabundle";
    let place = document.windows(8).position(|w| w == key).unwrap() + 8;
    assert_eq!(document[place..place + 2], [0x81, 0x59]);
    let length = usize::from(document[place + 2]) << 8 | usize::from(document[place + 3]);
    let root = &document[place + 4..place + 4 + length];
    let root = cofferdam_attestation::Root::from_der(root).unwrap();
    assert!(
        verify_at_own_time(&document, &root, &any())
            .unwrap()
            .debug()
    );
}

#[test]
fn real_documents_bind_their_fields() {
    let root = aws_nitro_root();
    for entry in genuine() {
        let document = entry.document();
        let evidence = verify_at_own_time(&document, &root, &any()).unwrap();
        let pcrs = evidence.measurement().pcrs();
        let mut expected = Expected {
            nonce: evidence.nonce(),
            user_data: evidence.user_data(),
            public_key: evidence.public_key(),
            pcrs: &pcrs,
            ..any()
        };
        assert!(verify_at_own_time(&document, &root, &expected).is_ok());
        expected.nonce = Some(b"the caller's");
        let judged = verify_at_own_time(&document, &root, &expected);
        assert_eq!(judged.unwrap_err(), EvidenceError::Nonce);
    }
}

#[test]
fn real_documents_tell_their_time_unverified() {
    for entry in index() {
        assert_eq!(
            unverified_timestamp_ms(&entry.document()),
            Ok(entry.timestamp_ms)
        );
    }
}
