//! Every field is understood or named, and a misspelt restriction is no missing one.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use cofferdam_wire::vendor::Image;

fn valid() -> TrustFile {
    TrustFile {
        version: 1,
        name: "acme".into(),
        attestation_root: AWS_NITRO.into(),
        vendor_key: hex::encode(PublicKey::Ed25519([1; 32]).to_cose()),
        provider: Some("Example Cloud".into()),
        provider_ca: None,
        group: Some("ab".repeat(32)),
        vendor_statement_max_age_s: None,
        suites: Some(vec![1]),
        vendor_url: Some("https://vendor.example/statement.cbor".into()),
        vendor_url_required: true,
        vendor_ca: None,
        validators: vec![TrustedValidator {
            url: "https://validator.example:8443".into(),
            key: hex::encode(PublicKey::Ed25519([2; 32]).to_cose()),
            ca: None,
        }],
        measurements: Some(vec![TrustedImage {
            pcr0: "01".repeat(48),
            pcr1: "02".repeat(48),
            pcr2: "03".repeat(48),
            until_s: None,
        }]),
    }
}

fn refused(change: impl FnOnce(&mut TrustFile)) -> String {
    let mut file = valid();
    change(&mut file);
    file.check()
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default()
}

#[test]
fn a_trust_file_reads_back() {
    assert_eq!(TrustFile::from_toml(&valid().to_toml()).unwrap(), valid());
    let trust = valid().check().unwrap();
    assert_eq!(trust.group(), Some(GroupId([0xab; 32])));
    assert!(trust.admits(Suite::XWing) && !trust.admits(Suite::RsaOaep));
    assert_eq!(trust.vendor_statement_max_age_s(), 7 * 24 * 3600);
}

#[test]
fn every_field_is_understood_or_named() {
    assert_eq!(refused(|_| ()), "");
    assert!(refused(|file| file.version = 2).contains("version 2"));
    assert!(refused(|file| file.name.clear()).contains("name"));
    assert!(refused(|file| file.attestation_root = "AAAA".into()).contains("attestation_root"));
    assert!(refused(|file| file.attestation_root = "?".into()).contains("attestation_root"));
    assert!(refused(|file| file.vendor_key = "00".into()).contains("vendor_key"));
    assert!(refused(|file| file.group = Some("ab".into())).contains("group"));
    for name in [String::new(), "x".repeat(65)] {
        assert!(refused(|file| file.provider = Some(name)).contains("field provider"));
    }
    assert!(refused(|file| file.suites = Some(vec![])).contains("suites"));
    assert!(refused(|file| file.suites = Some(vec![3])).contains("suites"));
    assert!(refused(|file| file.vendor_statement_max_age_s = Some(0)).contains("max_age"));
    for url in [
        "http://vendor.example/s",
        "https://",
        "https://a@b/",
        "https://a//b/c",
        "x",
    ] {
        assert!(refused(|file| file.vendor_url = Some(url.into())).contains("vendor_url"));
    }
    assert!(refused(|file| file.vendor_url = None).contains("vendor_url_required"));
    for url in [
        "https://validator.example/path",
        "https://validator.example?x",
        "validator",
    ] {
        assert!(refused(|file| file.validators[0].url = url.into()).contains("validator.url"));
    }
    assert!(refused(|file| file.validators[0].key = "00".into()).contains("validator.key"));
    assert!(
        refused(|file| file.measurements.as_mut().unwrap()[0].pcr1 = "02".into())
            .contains("measurements")
    );
}

#[test]
fn a_misspelt_restriction_is_no_missing_one() {
    let text = valid().to_toml().replace("group =", "gruop =");
    assert!(matches!(
        TrustFile::from_toml(&text),
        Err(TrustError::Form(_))
    ));
}

#[test]
fn t53_the_vendor_and_the_own_list_must_both_name_an_image() {
    let named = Measurement {
        pcr0: [1; 48],
        pcr1: [2; 48],
        pcr2: [3; 48],
    };
    let other = Measurement {
        pcr2: [4; 48],
        ..named
    };
    let image = |measurement| Image {
        measurement,
        until_s: None,
        pcr8: None,
        epoch: 1,
    };
    let statement = |images| VendorStatement {
        version: 1,
        sequence: 1,
        issued_s: 0,
        not_after_s: 1,
        images,
        providers: vec![],
    };
    let both = statement(vec![image(named), image(other)]);
    let trust = valid().check().unwrap();
    assert!(trust.accepts(&both, &named, 100));
    assert!(!trust.accepts(&both, &other, 100));
    assert!(!trust.accepts(&statement(vec![image(other)]), &named, 100));
    let mut file = valid();
    file.measurements = None;
    assert!(file.check().unwrap().accepts(&both, &other, 100));
    let mut file = valid();
    file.measurements.as_mut().unwrap()[0].until_s = Some(100);
    let trust = file.check().unwrap();
    assert!(trust.accepts(&both, &named, 99) && !trust.accepts(&both, &named, 100));
}
