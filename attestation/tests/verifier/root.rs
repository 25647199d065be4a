//! What may be pinned.

use cofferdam_attestation::{AWS_NITRO_ROOT_SHA256, Root, RootError, aws_nitro_root};
use rcgen::{IsCa, KeyUsagePurpose};

use crate::forge::Forge;

#[test]
fn the_embedded_root_is_amazons() {
    assert_eq!(aws_nitro_root().sha256(), AWS_NITRO_ROOT_SHA256);
}

#[test]
fn a_root_must_be_a_ca() {
    let mut forge = Forge::new();
    assert!(Root::from_der(&forge.issue()[0]).is_ok());
    let leaf = forge.issue().swap_remove(3);
    assert_eq!(Root::from_der(&leaf).unwrap_err(), RootError::NotCa);
    forge.plans[0].params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let without_usage = forge.issue().swap_remove(0);
    assert_eq!(
        Root::from_der(&without_usage).unwrap_err(),
        RootError::NotCa
    );
    forge.plans[0].params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    forge.plans[0].params.is_ca = IsCa::ExplicitNoCa;
    let without_flag = forge.issue().swap_remove(0);
    assert_eq!(Root::from_der(&without_flag).unwrap_err(), RootError::NotCa);
}

#[test]
fn a_root_must_be_one_certificate() {
    let mut root = Forge::new().issue().swap_remove(0);
    root.push(0);
    assert_eq!(Root::from_der(&root).unwrap_err(), RootError::Malformed);
    assert_eq!(Root::from_der(b"").unwrap_err(), RootError::Malformed);
    let long = RootError::TooLong { got: 1025 };
    assert_eq!(Root::from_der(&[0x30; 1025]).unwrap_err(), long);
}

#[test]
fn a_root_shows_its_digest() {
    let shown = format!("{:?}", aws_nitro_root());
    assert!(shown.starts_with("Root(641a0321a3e244ef"), "{shown}");
}
