//! ATT-18 to ATT-27: from the pinned root to the leaf.

use cofferdam_attestation::EvidenceError::{self, *};
use cofferdam_attestation::{Root, Which, verify};
use rcgen::{
    BasicConstraints, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair,
    KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, SanType,
};
use time::Duration;

use crate::forge::{Forge, NOW_S, Plan, at, bytes, expected, named};

const ROOT: usize = 0;
const REGION: usize = 1;
const INSTANCE: usize = 2;
const LEAF: usize = 3;

/// The standard document after a change of one planned certificate.
fn with(place: usize, change: impl FnOnce(&mut Plan)) -> Result<(), EvidenceError> {
    let mut forge = Forge::new();
    change(&mut forge.plans[place]);
    forge.judge().map(drop)
}

/// The standard document after a change to the certificates as issued.
fn after_issue(change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Result<(), EvidenceError> {
    let mut forge = Forge::new();
    let mut certificates = forge.issue();
    let root = Root::from_der(&certificates[0]).unwrap();
    change(&mut certificates);
    forge.certificates = Some(certificates);
    verify(&forge.document().0, &root, NOW_S, &expected()).map(drop)
}

#[test]
fn att_18_malformed_certificates() {
    assert_eq!(after_issue(|_| {}), Ok(()));
    for place in [REGION, INSTANCE, LEAF] {
        let truncated = after_issue(|c| c[place].truncate(200));
        assert_eq!(truncated, Err(CertificateMalformed), "{place}");
        let longer = after_issue(|c| c[place].push(0));
        assert_eq!(longer, Err(CertificateMalformed), "{place}");
        let garbage = after_issue(|c| c[place] = vec![0x30; 300]);
        assert_eq!(garbage, Err(CertificateMalformed), "{place}");
        let text = after_issue(|c| c[place] = b"-----BEGIN CERTIFICATE-----".to_vec());
        assert_eq!(text, Err(CertificateMalformed), "{place}");
    }
}

#[test]
fn att_18_version_1() {
    // [0] { INTEGER 2 } says version 3; 0 says version 1.
    let version = |c: &mut Vec<u8>| {
        let place = c.windows(5).position(|w| w == [0xa0, 3, 2, 1, 2]).unwrap();
        c[place + 4] = 0;
    };
    for place in [REGION, INSTANCE, LEAF] {
        let judged = after_issue(|c| version(&mut c[place]));
        assert_eq!(judged, Err(CertificateMalformed), "{place}");
    }
}

#[test]
fn t04_own_root_in_the_bundle() {
    let pinned = Forge::new().document().1;
    let (document, own) = Forge::new().document();
    assert!(verify(&document, &own, NOW_S, &expected()).is_ok());
    let judged = verify(&document, &pinned, NOW_S, &expected());
    assert_eq!(judged.unwrap_err(), UntrustedRoot, "of the same name, too");
    let mut other = Forge::new();
    other.plans[ROOT].params.distinguished_name = named("another root");
    let judged = verify(&other.document().0, &pinned, NOW_S, &expected());
    assert_eq!(judged.unwrap_err(), UntrustedRoot);
}

#[test]
fn t04_pinned_root_shown_over_a_chain_of_its_own() {
    let pinned = Forge::new().issue().swap_remove(ROOT);
    let judged = |name: &str, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut forge = Forge::new();
        forge.plans[ROOT].params.distinguished_name = named(name);
        let mut certificates = forge.issue();
        change(&mut certificates);
        forge.certificates = Some(certificates);
        let root = Root::from_der(&pinned).unwrap();
        verify(&forge.document().0, &root, NOW_S, &expected()).unwrap_err()
    };
    assert_eq!(judged("root", &|c| c[ROOT] = pinned.clone()), UntrustedRoot);
    let above = |c: &mut Vec<Vec<u8>>| c.insert(ROOT, pinned.clone());
    assert_eq!(judged("another root", &above), UntrustedRoot);
    assert_eq!(judged("root", &above), BundleOrder, "two of one name");
}

#[test]
fn t04_the_bundles_root_is_not_looked_at() {
    assert_eq!(after_issue(|c| c[ROOT] = b"anything".to_vec()), Ok(()));
}

#[test]
fn att_19_changed_certificates() {
    for place in [REGION, INSTANCE, LEAF] {
        let signature = after_issue(|c| *c[place].last_mut().unwrap() ^= 1);
        assert_eq!(signature, Err(UntrustedRoot), "{place}");
        let content = after_issue(|c| {
            let bytes = &mut c[place];
            // The serial number starts after two heads of 4 bytes and the version of 5.
            bytes[18] ^= 1;
        });
        assert_eq!(content, Err(UntrustedRoot), "{place}");
    }
}

#[test]
fn att_19_leaf_of_another_chain() {
    let foreign = Forge::new().issue().swap_remove(LEAF);
    let judged = after_issue(|c| c[LEAF] = foreign);
    assert_eq!(judged, Err(UntrustedRoot));
}

#[test]
fn att_20_not_yet_valid() {
    for place in [ROOT, REGION, INSTANCE, LEAF] {
        let from = |s: i64| move |p: &mut Plan| p.params.not_before = at(NOW_S as i64 + s);
        // The document's own time must not be before the leaf's either: both are "now" here.
        assert_eq!(with(place, from(0)), Ok(()), "{place}");
        assert_eq!(with(place, from(1)), Err(NotYetValid), "{place}");
    }
}

#[test]
fn att_21_t07_ended() {
    for place in [ROOT, REGION, INSTANCE, LEAF] {
        let until = |s: i64| move |p: &mut Plan| p.params.not_after = at(NOW_S as i64 + s);
        assert_eq!(with(place, until(1)), Ok(()), "{place}");
        assert_eq!(with(place, until(0)), Err(Ended), "{place}");
        assert_eq!(with(place, until(-1)), Err(Ended), "{place}");
    }
}

#[test]
fn att_21_t07_the_last_second_of_a_document() {
    let forge = Forge::new();
    let end_s = NOW_S + 3 * 3600 - 60;
    assert!(forge.judge_at(end_s - 1).is_ok());
    assert_eq!(forge.judge_at(end_s).unwrap_err(), Ended);
    assert_eq!(forge.judge_at(u64::MAX).unwrap_err(), Ended);
    assert_eq!(forge.judge_at(0).unwrap_err(), NotYetValid);
}

#[test]
fn att_21_validity_that_ends_before_it_starts() {
    let backwards = |p: &mut Plan| {
        p.params.not_before = at(NOW_S as i64 + 10);
        p.params.not_after = at(NOW_S as i64 - 10);
    };
    assert_eq!(with(INSTANCE, backwards), Err(CertificateMalformed));
}

#[test]
fn att_21_dates_after_2050() {
    let long = |p: &mut Plan| p.params.not_after += Duration::days(50 * 365);
    assert_eq!(with(INSTANCE, long), Ok(()));
}

#[test]
fn att_22_issuers_under_another_algorithm() {
    for place in [REGION, INSTANCE] {
        let other = |p: &mut Plan| p.key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        assert_eq!(with(place, other), Err(CertificateAlgorithm), "{place}");
    }
}

#[test]
fn att_22_leaf_for_another_curve() {
    let mut forge = Forge::new();
    let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let usual = std::mem::replace(&mut forge.plans[LEAF].key, other);
    let certificates = forge.issue();
    let root = Root::from_der(&certificates[ROOT]).unwrap();
    forge.certificates = Some(certificates);
    forge.plans[LEAF].key = usual;
    let judged = verify(&forge.document().0, &root, NOW_S, &expected());
    assert_eq!(judged.unwrap_err(), CertificateAlgorithm);
}

#[test]
fn att_23_t07_issuer_that_is_no_ca() {
    for place in [REGION, INSTANCE] {
        for not_a_ca in [IsCa::NoCa, IsCa::ExplicitNoCa] {
            let judged = with(place, |p| p.params.is_ca = not_a_ca);
            assert_eq!(judged, Err(EvidenceError::BasicConstraints), "{place}");
        }
    }
}

#[test]
fn att_23_leaf_that_is_a_ca() {
    let ca = |p: &mut Plan| p.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(with(LEAF, ca), Err(EvidenceError::BasicConstraints));
}

#[test]
fn att_24_t07_path_length() {
    let limited =
        |n| move |p: &mut Plan| p.params.is_ca = IsCa::Ca(BasicConstraints::Constrained(n));
    assert_eq!(with(REGION, limited(1)), Ok(()));
    assert_eq!(with(REGION, limited(0)), Err(PathLength));
    assert_eq!(with(INSTANCE, limited(0)), Ok(()));
}

#[test]
fn att_24_longest_path() {
    let mut forge = Forge::new();
    for name in ["one", "two", "three", "four"] {
        forge.plans.insert(REGION, Plan::authority(name));
    }
    let evidence = forge.judge().unwrap();
    assert_eq!(evidence.certificate_sha256s().len(), 8);
    forge.plans.insert(REGION, Plan::authority("five"));
    assert_eq!(forge.refused(), BundleCount);
}

#[test]
fn att_24_shortest_path() {
    let mut forge = Forge::new();
    forge.plans.drain(REGION..LEAF);
    assert_eq!(forge.judge().unwrap().certificate_sha256s().len(), 2);
}

#[test]
fn att_25_t07_issuer_that_may_not_sign_certificates() {
    for (place, bundle) in [(REGION, 1), (INSTANCE, 2)] {
        let which = Which::Bundle(bundle);
        for usages in [
            vec![],
            vec![KeyUsagePurpose::DigitalSignature],
            vec![KeyUsagePurpose::CrlSign],
        ] {
            let judged = with(place, |p| p.params.key_usages = usages);
            assert_eq!(judged, Err(KeyUsage { which }));
        }
    }
}

#[test]
fn att_25_t07_leaf_that_may_not_sign() {
    let which = Which::Leaf;
    for usages in [
        vec![],
        vec![KeyUsagePurpose::KeyAgreement],
        vec![KeyUsagePurpose::KeyCertSign],
    ] {
        let judged = with(LEAF, |p| p.params.key_usages = usages);
        assert_eq!(judged, Err(KeyUsage { which }));
    }
}

#[test]
fn att_26_critical_extension_that_is_unknown() {
    for critical in [false, true] {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 9900, 1], vec![5, 0]);
        extension.set_criticality(critical);
        for place in [REGION, INSTANCE, LEAF] {
            let judged = with(place, |p| {
                p.params.custom_extensions.push(extension.clone())
            });
            let wanted = if critical {
                Err(CertificateExtension)
            } else {
                Ok(())
            };
            assert_eq!(judged, wanted, "{place}");
        }
    }
}

#[test]
fn att_26_extended_usage_without_client_authentication() {
    let server = ExtendedKeyUsagePurpose::ServerAuth;
    let client = ExtendedKeyUsagePurpose::ClientAuth;
    for place in [INSTANCE, LEAF] {
        let judged = with(place, |p| {
            p.params.extended_key_usages = vec![server.clone()]
        });
        assert_eq!(judged, Err(CertificateExtension));
        let judged = with(place, |p| {
            p.params.extended_key_usages = vec![server.clone(), client.clone()];
        });
        assert_eq!(judged, Ok(()));
    }
}

#[test]
fn att_26_name_outside_a_constraint() {
    let judged = |name: &str| {
        let mut forge = Forge::new();
        forge.plans[REGION].params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".into())],
            excluded_subtrees: vec![],
        });
        let name = SanType::DnsName(name.try_into().unwrap());
        forge.plans[LEAF].params.subject_alt_names.push(name);
        forge.judge().map(drop)
    };
    assert_eq!(judged("enclave.example.com"), Ok(()));
    assert_eq!(judged("enclave.example.org"), Err(CertificateExtension));
}

#[test]
fn att_27_bundle_out_of_order() {
    assert_eq!(after_issue(|c| c.swap(REGION, INSTANCE)), Err(BundleOrder));
    assert_eq!(after_issue(|c| c.swap(ROOT, INSTANCE)), Err(BundleOrder));
}

#[test]
fn att_27_bundle_with_a_gap() {
    assert_eq!(after_issue(|c| drop(c.remove(INSTANCE))), Err(BundleOrder));
    // Without the region the instance's issuer is not the root; without the root, the same.
    assert_eq!(after_issue(|c| drop(c.remove(REGION))), Err(UntrustedRoot));
    assert_eq!(after_issue(|c| drop(c.remove(ROOT))), Err(UntrustedRoot));
}

#[test]
fn att_27_bundle_with_a_stranger() {
    let stranger = || Forge::new().issue().swap_remove(LEAF);
    for place in [REGION, INSTANCE, LEAF] {
        let judged = after_issue(|c| c.insert(place, stranger()));
        assert_eq!(judged, Err(BundleOrder), "{place}");
    }
    let twice = after_issue(|c| c.insert(REGION, c[REGION].clone()));
    assert_eq!(twice, Err(BundleOrder));
    let leaf = after_issue(|c| c.insert(LEAF, c[LEAF].clone()));
    assert_eq!(leaf, Err(BundleOrder));
}

#[test]
fn att_27_bundle_longer_than_the_path() {
    // The root once more: its names fit, but the path does not lead through it.
    let judged = after_issue(|c| c.insert(REGION, c[ROOT].clone()));
    assert_eq!(judged, Err(BundleOrder));
}

#[test]
fn att_27_a_name_twice() {
    let root = |p: &mut Plan| p.params.distinguished_name = named("root");
    let region = |p: &mut Plan| p.params.distinguished_name = named("region");
    assert_eq!(with(REGION, root), Err(BundleOrder));
    assert_eq!(with(INSTANCE, root), Err(BundleOrder));
    assert_eq!(with(INSTANCE, region), Err(BundleOrder));
    assert_eq!(with(LEAF, region), Err(BundleOrder));
}

#[test]
fn the_leafs_bytes_are_what_the_digests_name() {
    let mut forge = Forge::new();
    let issued = forge.issue();
    forge.set("certificate", bytes(&issued[LEAF]));
    forge.certificates = Some(issued.clone());
    let root = Root::from_der(&issued[ROOT]).unwrap();
    let evidence = verify(&forge.document().0, &root, NOW_S, &expected()).unwrap();
    let digests = issued.iter().map(|der| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        digest.as_ref().to_vec()
    });
    assert!(digests.eq(evidence.certificate_sha256s().iter().map(|d| d.to_vec())));
}
