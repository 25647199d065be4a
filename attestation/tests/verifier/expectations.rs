//! ATT-29 to ATT-37: the document's time, and what the caller expects of it.

use cofferdam_attestation::EvidenceError::*;
use cofferdam_attestation::{
    Debugging, EvidenceError, Expected, MAX_AHEAD_S, Measurement, unverified_timestamp_ms, verify,
    verify_at_own_time,
};

use crate::forge::{
    Forge, NONCE, NOW_S, PUBLIC_KEY, USER_DATA, at, expected, pcrs, standard_pcrs, uint,
};

/// The standard document against other expectations.
fn expecting(expected: Expected<'_>) -> Result<(), EvidenceError> {
    let (document, root) = Forge::new().document();
    verify(&document, &root, NOW_S, &expected).map(drop)
}

/// The standard document with other PCRs, expecting nothing but to allow debug mode or not.
fn with_pcrs(values: &[(u64, Vec<u8>)], debugging: Debugging) -> Result<bool, EvidenceError> {
    let mut forge = Forge::new();
    let (document, root) = forge.set("pcrs", pcrs(values)).document();
    let expected = Expected {
        debugging,
        ..Expected::default()
    };
    verify(&document, &root, NOW_S, &expected).map(|evidence| evidence.debug())
}

#[test]
fn att_29_time_within_the_leafs() {
    let judged = |timestamp_ms: u64| {
        let mut forge = Forge::new();
        forge.plans[3].params.not_after = at(NOW_S as i64 + 30);
        forge.set("timestamp", uint(timestamp_ms)).judge().map(drop)
    };
    let start_ms = (NOW_S - 60) * 1000;
    let end_ms = (NOW_S + 30) * 1000;
    assert_eq!(judged(start_ms), Ok(()));
    assert_eq!(judged(start_ms - 1), Err(TimeOutsideLeaf));
    assert_eq!(judged(end_ms - 1), Ok(()));
    assert_eq!(judged(end_ms), Err(TimeOutsideLeaf));
    assert_eq!(judged(1), Err(TimeOutsideLeaf));
    assert_eq!(judged(u64::MAX), Err(TimeOutsideLeaf));
}

#[test]
fn att_30_time_ahead_of_the_clock() {
    let latest_ms = (NOW_S + MAX_AHEAD_S) * 1000;
    let mut forge = Forge::new();
    assert!(forge.set("timestamp", uint(latest_ms)).judge().is_ok());
    assert_eq!(
        forge.set("timestamp", uint(latest_ms + 1)).refused(),
        TimeAhead
    );
    let later = forge
        .set("timestamp", uint(latest_ms + 1))
        .judge_at(NOW_S + 1);
    assert!(later.is_ok());
}

#[test]
fn at_own_time_is_the_documents_time() {
    let mut forge = Forge::new();
    let then_s = NOW_S + 2 * 3600;
    let (document, root) = forge.set("timestamp", uint(then_s * 1000 + 999)).document();
    let evidence = verify_at_own_time(&document, &root, &expected()).unwrap();
    assert_eq!(evidence.timestamp_ms(), then_s * 1000 + 999);
    let judged = verify(&document, &root, NOW_S, &expected());
    assert_eq!(judged.unwrap_err(), TimeAhead);
}

#[test]
fn at_own_time_the_chain_must_have_been_valid() {
    let mut forge = Forge::new();
    for (time_s, wanted) in [(NOW_S - 61, NotYetValid), (NOW_S + 3 * 3600 - 60, Ended)] {
        let (document, root) = forge.set("timestamp", uint(time_s * 1000)).document();
        let judged = verify_at_own_time(&document, &root, &expected());
        assert_eq!(judged.unwrap_err(), wanted);
    }
}

#[test]
fn at_own_time_nothing_else_is_relaxed() {
    let forge = Forge::new();
    let (payload, root) = forge.payload();
    let document = forge.enveloped(&payload, &[1; 96]);
    let judged = verify_at_own_time(&document, &root, &expected());
    assert_eq!(judged.unwrap_err(), Signature);
    let other = Forge::new().document().1;
    let judged = verify_at_own_time(&forge.signed(&payload), &other, &expected());
    assert_eq!(judged.unwrap_err(), UntrustedRoot);
    let expected = Expected {
        nonce: Some(b"another"),
        ..expected()
    };
    let judged = verify_at_own_time(&forge.signed(&payload), &root, &expected);
    assert_eq!(judged.unwrap_err(), Nonce);
}

#[test]
fn unverified_time_needs_the_form_only() {
    let forge = Forge::new();
    let (payload, _) = forge.payload();
    let unsigned = forge.enveloped(&payload, &[]);
    assert_eq!(unverified_timestamp_ms(&unsigned), Ok(NOW_S * 1000 + 250));
    assert_eq!(unverified_timestamp_ms(b"\x84"), Err(Envelope));
    assert_eq!(unverified_timestamp_ms(b""), Err(Size { got: 0 }));
}

#[test]
fn att_31_t05_no_measurement() {
    for index in 0..3 {
        let mut values = standard_pcrs();
        values.remove(index);
        for debugging in [Debugging::Refuse, Debugging::Allow] {
            assert_eq!(with_pcrs(&values, debugging), Err(MeasurementMissing));
        }
    }
    assert_eq!(
        with_pcrs(&standard_pcrs()[..3], Debugging::Refuse),
        Ok(false)
    );
}

#[test]
fn att_32_t06_debug_mode() {
    assert_eq!(with_pcrs(&standard_pcrs(), Debugging::Refuse), Ok(false));
    for zero in [&[0][..], &[1], &[2], &[0, 1, 2]] {
        let mut values = standard_pcrs();
        for index in zero {
            values[*index].1 = vec![0; 48];
        }
        assert_eq!(
            with_pcrs(&values, Debugging::Refuse),
            Err(DebugMode),
            "{zero:?}"
        );
        assert_eq!(with_pcrs(&values, Debugging::Allow), Ok(true), "{zero:?}");
    }
}

#[test]
fn att_32_t06_debug_mode_with_zeros_expected() {
    let mut values = standard_pcrs();
    for value in &mut values[..3] {
        value.1 = vec![0; 48];
    }
    let mut forge = Forge::new();
    let (document, root) = forge.set("pcrs", pcrs(&values)).document();
    let zeros = Measurement {
        pcr0: [0; 48],
        pcr1: [0; 48],
        pcr2: [0; 48],
    };
    let mut expected = expected();
    let pcrs = zeros.pcrs();
    expected.pcrs = &pcrs;
    let judged = verify(&document, &root, NOW_S, &expected);
    assert_eq!(judged.unwrap_err(), DebugMode);
    expected.debugging = Debugging::Allow;
    assert_eq!(
        verify(&document, &root, NOW_S, &expected)
            .unwrap()
            .measurement(),
        zeros
    );
}

#[test]
fn att_33_t05_missing_pcr() {
    let with_3 = [(0, [0xa0; 48]), (3, [0; 48])];
    let with_16 = [(0, [0xa0; 48]), (16, [0; 48])];
    let with_255 = [(255, [0; 48])];
    let expecting_pcrs = |pcrs| {
        expecting(Expected {
            pcrs,
            ..Expected::default()
        })
    };
    assert_eq!(expecting_pcrs(&with_3), Ok(()));
    assert_eq!(expecting_pcrs(&with_16), Err(PcrMissing { index: 16 }));
    assert_eq!(expecting_pcrs(&with_255), Err(PcrMissing { index: 255 }));
}

#[test]
fn att_34_t05_pcr_of_another_value() {
    for index in [0, 1, 2, 3, 15] {
        let mut value = match index {
            0..=2 => [0xa0 + index; 48],
            _ => [0; 48],
        };
        let expecting_pcr = |value| {
            expecting(Expected {
                pcrs: &[(index, value)],
                ..Expected::default()
            })
        };
        assert_eq!(expecting_pcr(value), Ok(()));
        value[47] ^= 1;
        assert_eq!(expecting_pcr(value), Err(PcrMismatch { index }));
    }
    let twice = [(0, [0xa0; 48]), (0, [0xa1; 48])];
    let judged = expecting(Expected {
        pcrs: &twice,
        ..Expected::default()
    });
    assert_eq!(judged, Err(PcrMismatch { index: 0 }));
}

#[test]
fn att_35_t03_nonce() {
    let expecting_nonce = |nonce| {
        expecting(Expected {
            nonce,
            ..Expected::default()
        })
    };
    assert_eq!(expecting_nonce(None), Ok(()));
    assert_eq!(expecting_nonce(Some(NONCE)), Ok(()));
    assert_eq!(expecting_nonce(Some(b"another")), Err(Nonce));
    assert_eq!(expecting_nonce(Some(&NONCE[1..])), Err(Nonce));
    assert_eq!(expecting_nonce(Some(b"")), Err(Nonce));
}

#[test]
fn att_36_user_data() {
    let expecting_data = |user_data| {
        expecting(Expected {
            user_data,
            ..Expected::default()
        })
    };
    assert_eq!(expecting_data(Some(USER_DATA)), Ok(()));
    assert_eq!(expecting_data(Some(PUBLIC_KEY)), Err(UserData));
}

#[test]
fn att_37_public_key() {
    let expecting_key = |public_key| {
        expecting(Expected {
            public_key,
            ..Expected::default()
        })
    };
    assert_eq!(expecting_key(Some(PUBLIC_KEY)), Ok(()));
    assert_eq!(expecting_key(Some(USER_DATA)), Err(PublicKey));
}

#[test]
fn att_35_36_37_absent_is_not_equal() {
    let wanted = [
        ("nonce", Nonce),
        ("user_data", UserData),
        ("public_key", PublicKey),
    ];
    for (key, error) in wanted {
        let mut forge = Forge::new();
        forge.fields.retain(|(name, _)| *name != key);
        assert_eq!(forge.refused(), error);
        // Not even to nothing: an empty expectation is one.
        let (document, root) = forge.document();
        let empty = Some(&b""[..]);
        let mut expected = expected();
        match key {
            "nonce" => expected.nonce = empty,
            "user_data" => expected.user_data = empty,
            _ => expected.public_key = empty,
        }
        assert_eq!(
            verify(&document, &root, NOW_S, &expected).unwrap_err(),
            error
        );
    }
}
