//! The simulated NSM against the verifier that judges the real one.
#![allow(clippy::unwrap_used, reason = "tests")]

use aws_lc_rs::digest::{SHA384, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use cofferdam_attestation::{
    Debugging, Evidence, EvidenceError, Expected, Measurement, Root, aws_nitro_root,
    unverified_timestamp_ms, verify, verify_at_own_time,
};

use super::*;

const IMAGE: Measurement = Measurement {
    pcr0: [0x10; 48],
    pcr1: [0x11; 48],
    pcr2: [0x12; 48],
};
const HOUR_MS: i64 = 3_600_000;

fn nsm() -> SimulatedNsm {
    SimulatedNsm::boot(IMAGE, SimClock::new())
}

fn root() -> Root {
    Root::from_der(simulator_root_der()).unwrap()
}

/// The document's Evidence at the NSM's own time.
fn evidence(nsm: &SimulatedNsm) -> Evidence {
    let document = nsm.attest(None, None, None).unwrap();
    let now_s = nsm.now_ms() / 1000;
    verify(&document, &root(), now_s, &Expected::default()).unwrap()
}

#[test]
fn documents_verify_under_the_simulators_root() {
    let nsm = nsm();
    let document = nsm.attest(Some(b"n"), Some(b"u"), Some(b"k")).unwrap();
    let expected = Expected {
        nonce: Some(b"n"),
        user_data: Some(b"u"),
        public_key: Some(b"k"),
        pcrs: &IMAGE.pcrs(),
        debugging: Debugging::Refuse,
    };
    let evidence = verify(&document, &root(), nsm.now_ms() / 1000, &expected).unwrap();
    assert_eq!(evidence.measurement(), IMAGE);
    assert_eq!(evidence.module_id(), nsm.describe().module_id);
    assert_eq!(evidence.pcr(15), Some(&[0; 48]));
    assert_eq!(evidence.pcr(16), None);
    assert_eq!(evidence.certificate_sha256s().len(), 4);
    assert_eq!(
        evidence.leaf_not_after_s() - evidence.leaf_not_before_s(),
        3 * 3600 + 3
    );
}

#[test]
fn documents_without_fields_verify() {
    let evidence = evidence(&nsm());
    assert_eq!(evidence.nonce(), None);
    assert_eq!(evidence.user_data(), None);
    assert_eq!(evidence.public_key(), None);
}

#[test]
fn t04_documents_do_not_verify_under_amazons_root() {
    let document = nsm().attest(None, None, None).unwrap();
    let judged = verify_at_own_time(&document, &aws_nitro_root(), &Expected::default());
    assert_eq!(judged.unwrap_err(), EvidenceError::UntrustedRoot);
}

#[test]
fn an_image_of_zeros_is_debug_mode() {
    let zeros = Measurement {
        pcr0: [0; 48],
        pcr1: [0; 48],
        pcr2: [0; 48],
    };
    let nsm = SimulatedNsm::boot(zeros, SimClock::new());
    let document = nsm.attest(None, None, None).unwrap();
    let judged = verify_at_own_time(&document, &root(), &Expected::default());
    assert_eq!(judged.unwrap_err(), EvidenceError::DebugMode);
}

#[test]
fn every_boot_has_its_own_keys_and_name() {
    let (one, other) = (evidence(&nsm()), evidence(&nsm()));
    assert_ne!(one.module_id(), other.module_id());
    assert_ne!(one.certificate_sha256s()[1], other.certificate_sha256s()[1]);
    assert_ne!(one.pcr(4), other.pcr(4));
}

#[test]
fn limits_on_an_attestation() {
    let nsm = nsm();
    let most = [7; MAX_PUBLIC_KEY + 1];
    let attest = |nonce: usize, user_data: usize, public_key: usize| {
        let fields = (&most[..nonce], &most[..user_data], &most[..public_key]);
        nsm.attest(Some(fields.0), Some(fields.1), Some(fields.2))
    };
    let too_large = |what, got, max| NsmError::InputTooLarge { what, got, max };
    let document = attest(512, 512, 1024).unwrap();
    assert!(verify_at_own_time(&document, &root(), &Expected::default()).is_ok());
    assert_eq!(attest(513, 0, 0).unwrap_err(), too_large("nonce", 513, 512));
    assert_eq!(
        attest(0, 513, 0).unwrap_err(),
        too_large("user_data", 513, 512)
    );
    assert_eq!(
        attest(0, 0, 1025).unwrap_err(),
        too_large("public_key", 1025, 1024)
    );
    let huge = [0; 4097];
    let refused = nsm.attest(Some(&huge), None, None).unwrap_err();
    assert_eq!(refused, too_large("request", 4097, 4096));
}

#[test]
fn limits_on_random_bytes() {
    let nsm = nsm();
    let (mut one, mut other) = ([0; 256], [0; 256]);
    nsm.random(&mut one).unwrap();
    nsm.random(&mut other).unwrap();
    assert_ne!(one, other);
    let refused = nsm.random(&mut [0; 257]).unwrap_err();
    assert_eq!(refused, NsmError::BufferTooSmall { got: 257, max: 256 });
}

#[test]
fn the_platforms_pcrs_are_locked_at_boot() {
    let nsm = nsm();
    assert_eq!(nsm.describe().locked_pcrs, (0..16).collect::<Vec<u8>>());
    assert_eq!(nsm.describe().max_pcrs, 32);
    for index in 0..16 {
        let refused = NsmError::ReadOnlyIndex { index };
        assert_eq!(nsm.extend_pcr(index, b"x").unwrap_err(), refused);
        assert_eq!(nsm.lock_pcr(index).unwrap_err(), refused);
    }
}

#[test]
fn extending_hashes_the_old_value_and_the_data() {
    let nsm = nsm();
    let mut value = [0; 48];
    for data in [&b"one"[..], b"two", b""] {
        let wanted = digest(&SHA384, &[&value, data].concat());
        value = nsm.extend_pcr(16, data).unwrap();
        assert_eq!(value, wanted.as_ref());
        let described = nsm.describe_pcr(16).unwrap();
        assert_eq!((described.value, described.locked), (value, false));
    }
}

#[test]
fn documents_state_locked_pcrs_only() {
    let nsm = nsm();
    let value = nsm.extend_pcr(20, b"data").unwrap();
    assert_eq!(evidence(&nsm).pcr(20), None);
    nsm.lock_pcr(20).unwrap();
    assert_eq!(evidence(&nsm).pcr(20), Some(&value));
    let refused = nsm.extend_pcr(20, b"more").unwrap_err();
    assert_eq!(refused, NsmError::ReadOnlyIndex { index: 20 });
    assert_eq!(evidence(&nsm).pcr(20), Some(&value));
}

#[test]
fn locking_a_range() {
    let nsm = nsm();
    nsm.lock_pcrs(18).unwrap();
    assert!(nsm.describe_pcr(17).unwrap().locked);
    assert!(!nsm.describe_pcr(18).unwrap().locked);
    nsm.lock_pcrs(32).unwrap();
    assert!((0..32).all(|index| evidence(&nsm).pcr(index).is_some()));
    let refused = nsm.lock_pcrs(33).unwrap_err();
    assert_eq!(refused, NsmError::InvalidIndex { index: 33 });
}

#[test]
fn there_are_32_pcrs() {
    let nsm = nsm();
    let refused = NsmError::InvalidIndex { index: 32 };
    assert!(nsm.describe_pcr(31).is_ok());
    assert_eq!(nsm.describe_pcr(32).unwrap_err(), refused);
    assert_eq!(nsm.extend_pcr(32, b"").unwrap_err(), refused);
    assert_eq!(nsm.lock_pcr(32).unwrap_err(), refused);
    let too_large = NsmError::InputTooLarge {
        what: "request",
        got: 4097,
        max: 4096,
    };
    assert_eq!(nsm.extend_pcr(31, &[0; 4097]).unwrap_err(), too_large);
}

#[test]
fn the_clock_is_shared_and_jumps() {
    let clock = SimClock::new();
    let nsm = SimulatedNsm::boot(IMAGE, clock.clone());
    let before_ms = nsm.now_ms();
    clock.jump_ms(10 * HOUR_MS);
    assert!(nsm.now_ms() >= before_ms + 10 * HOUR_MS as u64);
    let document = nsm.attest(None, None, None).unwrap();
    assert!(unverified_timestamp_ms(&document).unwrap() >= before_ms + 10 * HOUR_MS as u64);
    nsm.clock().set_offset_ms(-HOUR_MS);
    assert_eq!(clock.offset_ms(), -HOUR_MS);
    assert!(nsm.now_ms() < before_ms);
}

#[test]
fn the_leaf_is_renewed_in_its_last_hour() {
    let nsm = nsm();
    let first = evidence(&nsm);
    nsm.clock().jump_ms(2 * HOUR_MS - 60_000);
    let same = evidence(&nsm);
    assert_eq!(same.certificate_sha256s(), first.certificate_sha256s());
    nsm.clock().jump_ms(60_000);
    let renewed = evidence(&nsm);
    assert_ne!(renewed.certificate_sha256s(), first.certificate_sha256s());
    assert_eq!(
        renewed.certificate_sha256s()[0],
        first.certificate_sha256s()[0]
    );
    assert!(renewed.leaf_not_after_s() >= first.leaf_not_after_s() + 2 * 3600 - 60);
}

#[test]
fn documents_verify_wherever_the_clock_jumps() {
    let nsm = nsm();
    for hours in [5, -30, 24 * 365, -24 * 365 * 3, 24 * 365 * 40] {
        nsm.clock().jump_ms(hours * HOUR_MS);
        evidence(&nsm);
    }
}

#[test]
fn t03_old_documents_end() {
    let nsm = nsm();
    let document = nsm.attest(None, None, None).unwrap();
    nsm.clock().jump_ms(3 * HOUR_MS);
    let judged = verify(
        &document,
        &root(),
        nsm.now_ms() / 1000,
        &Expected::default(),
    );
    assert_eq!(judged.unwrap_err(), EvidenceError::Ended);
    assert!(verify_at_own_time(&document, &root(), &Expected::default()).is_ok());
}

#[test]
fn threads_share_one_nsm() {
    let nsm = nsm();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|_| drop(evidence(&nsm))));
        }
    });
}

#[test]
fn a_device_that_does_not_sign_can_be_helped() {
    let signer = DocumentSigner::boot("i-1-enc2").unwrap();
    let claims = Claims {
        timestamp_ms: SimClock::new().now_ms(),
        pcrs: &IMAGE.pcrs(),
        public_key: None,
        user_data: Some(b"bound"),
        nonce: None,
    };
    let document = signer.document(&claims).unwrap();
    let evidence = verify_at_own_time(&document, &root(), &Expected::default()).unwrap();
    assert_eq!(evidence.module_id(), "i-1-enc2");
    assert_eq!(evidence.user_data(), Some(&b"bound"[..]));
}

#[test]
fn the_vendor_key_is_a_pair() {
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(vendor_key_pkcs8()).unwrap();
    let signature = key.sign(b"statement");
    let public = UnparsedPublicKey::new(&ED25519, vendor_public());
    assert!(public.verify(b"statement", signature.as_ref()).is_ok());
}
