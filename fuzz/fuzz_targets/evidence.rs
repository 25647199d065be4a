//! Attestation documents, which anybody can send. No input panics; and where the verifier takes a document, or only its
//! form, a second CBOR decoder that knows nothing of our rules must read the same (T-05, T-60).
//! What verifies is also shown, and so is each certificate that could be pinned: nobody here can sign what is mutated.
#![no_main]

use std::sync::LazyLock;

use ciborium::Value;
use cofferdam::cli::{describe, describe_subject};
use cofferdam_attestation::{
    Debugging, Evidence, Expected, Root, aws_nitro_root, unverified_timestamp_ms, verify,
    verify_at_own_time,
};
use libfuzzer_sys::fuzz_target;

/// Amazon's root, and the one of the forged documents.
static ROOTS: LazyLock<[Root; 2]> = LazyLock::new(|| {
    let forged = include_bytes!("../../vectors/attestation/negative/root.der");
    [aws_nitro_root(), Root::from_der(forged).expect("a root")]
});

const ANY: Expected<'static> = Expected {
    nonce: None,
    user_data: None,
    public_key: None,
    pcrs: &[],
    debugging: Debugging::Allow,
};

fuzz_target!(|document: &[u8]| {
    let Ok(timestamp_ms) = unverified_timestamp_ms(document) else {
        for root in ROOTS.iter() {
            assert!(verify_at_own_time(document, root, &ANY).is_err());
        }
        return;
    };
    let claims = Claims::read(document);
    assert_eq!(claims.uint("timestamp"), timestamp_ms);
    for certificate in claims.certificates() {
        let subject = describe_subject(certificate);
        assert!(subject.is_some() || Root::from_der(certificate).is_err());
    }
    for root in ROOTS.iter() {
        let at_own_time = verify_at_own_time(document, root, &ANY);
        if let Ok(evidence) = &at_own_time {
            claims.compare(evidence);
            assert!(!describe(evidence).is_empty());
        }
        // The same verdict by the other entrance.
        let at_the_time = verify(document, root, timestamp_ms / 1000, &ANY);
        assert_eq!(at_own_time, at_the_time);
    }
});

/// What the second decoder reads.
struct Claims(Vec<(Value, Value)>);

impl Claims {
    fn read(document: &[u8]) -> Claims {
        let envelope = whole(document);
        let envelope = match envelope {
            Value::Tag(18, inner) => *inner,
            untagged => untagged,
        };
        let parts = envelope.into_array().expect("an array");
        assert_eq!(parts.len(), 4);
        assert_eq!(parts[0], Value::Bytes(vec![0xa1, 0x01, 0x38, 0x22]));
        assert_eq!(parts[1], Value::Map(Vec::new()));
        let payload = parts[2].as_bytes().expect("the payload is bytes");
        assert!(parts[3].is_bytes());
        let entries = whole(payload).into_map().expect("a map");
        for (place, (key, _)) in entries.iter().enumerate() {
            assert!(entries[..place].iter().all(|(other, _)| other != key));
        }
        Claims(entries)
    }

    fn field(&self, name: &str) -> Option<&Value> {
        let entry = self.0.iter().find(|(key, _)| key.as_text() == Some(name));
        entry.map(|(_, value)| value)
    }

    fn uint(&self, name: &str) -> u64 {
        let value = self.field(name).and_then(Value::as_integer);
        value
            .and_then(|value| value.try_into().ok())
            .expect("a number")
    }

    fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.field(name)
            .and_then(Value::as_bytes)
            .map(Vec::as_slice)
    }

    fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        let bundle = self.field("cabundle").and_then(Value::as_array);
        let bundle = bundle.into_iter().flatten().filter_map(Value::as_bytes);
        bundle.map(Vec::as_slice).chain(self.bytes("certificate"))
    }

    fn compare(&self, evidence: &Evidence) {
        let module_id = self.field("module_id").and_then(Value::as_text);
        assert_eq!(module_id, Some(evidence.module_id()));
        assert_eq!(self.uint("timestamp"), evidence.timestamp_ms());
        assert_eq!(self.bytes("nonce"), evidence.nonce());
        assert_eq!(self.bytes("user_data"), evidence.user_data());
        assert_eq!(self.bytes("public_key"), evidence.public_key());
        let pcrs = self.field("pcrs").and_then(Value::as_map).expect("a map");
        for index in 0..=u8::MAX {
            let said = pcrs.iter().find(|(key, _)| *key == Value::from(index));
            let said = said.and_then(|(_, value)| value.as_bytes());
            assert_eq!(
                said.map(Vec::as_slice),
                evidence.pcr(index).map(|pcr| &pcr[..])
            );
        }
        let bundle = self.field("cabundle").and_then(Value::as_array);
        let path = evidence.certificate_sha256s().len();
        assert_eq!(bundle.map(Vec::len), Some(path - 1));
    }
}

/// One item that takes all bytes.
fn whole(mut bytes: &[u8]) -> Value {
    let value = ciborium::from_reader(&mut bytes).expect("what we read, others read");
    assert!(bytes.is_empty());
    value
}
