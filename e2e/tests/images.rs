//! Which image may come back into a group: what the enclave itself refuses at recovery (GRP-2, GRP-4, GRP-7).

#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam_e2e::World;
use cofferdam_e2e::world::{GOOD_IMAGE, OTHER_IMAGE, vendor_key};
use cofferdam_wire::binding::Measurement;
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::group::RecoverRequest;
use cofferdam_wire::id::Pcr;
use cofferdam_wire::link::Message;
use cofferdam_wire::vendor::{Image, VendorStatement};
use cofferdam_wire::{Code, cbor, context, limits};

fn image(measurement: Measurement, epoch: u64) -> Image {
    Image {
        measurement,
        until_s: None,
        pcr8: None,
        epoch,
    }
}

/// A group made by `maker` is recovered by `runner` under a statement that names these images.
fn recovery(maker: Measurement, runner: Measurement, images: Vec<Image>) -> Result<Vec<u8>, Code> {
    let mut world = World::alone(maker);
    world.make_group();
    world.restart_as(runner);
    let request = RecoverRequest {
        genesis: world.genesis.clone(),
        vendor_statement: world.vendor_statement_of(images),
    };
    world.call(Message::Recover, cbor::encode(&request))
}

#[test]
fn t32_grp_7_an_image_of_an_older_epoch_does_not_get_the_group_key() {
    let (older, newer) = (OTHER_IMAGE, GOOD_IMAGE);
    let both = || vec![image(older, 1), image(newer, 2)];
    assert!(recovery(newer, newer, both()).is_ok());
    assert!(recovery(older, newer, both()).is_ok());
    assert!(recovery(older, older, both()).is_ok());
    assert_eq!(recovery(newer, older, both()), Err(Code::EvidenceRefused));
    // Two images of one epoch may stand in for one another; of several entries for one image the worst counts.
    let same = vec![image(older, 2), image(newer, 2)];
    assert!(recovery(newer, older, same).is_ok());
    let twice = vec![image(older, 2), image(older, 1), image(newer, 2)];
    assert_eq!(recovery(newer, older, twice), Err(Code::EvidenceRefused));
}

#[test]
fn t32_grp_2_a_withdrawn_image_does_not_get_the_group_key() {
    let (older, newer) = (OTHER_IMAGE, GOOD_IMAGE);
    let until = |until_s| {
        let old = Image {
            until_s,
            ..image(older, 2)
        };
        recovery(newer, older, vec![old, image(newer, 2)])
    };
    assert!(until(None).is_ok());
    assert!(until(Some(u64::MAX)).is_ok());
    assert_eq!(until(Some(1)), Err(Code::EvidenceRefused));
    assert_eq!(
        recovery(newer, older, vec![image(newer, 2)]),
        Err(Code::EvidenceRefused)
    );
}

#[test]
fn t80_grp_4_until_0_condemns_every_group_that_an_image_made() {
    let (weak, good) = (OTHER_IMAGE, GOOD_IMAGE);
    let until = |until_s| {
        let old = Image {
            until_s,
            ..image(weak, 1)
        };
        recovery(weak, good, vec![old, image(good, 2)])
    };
    assert!(until(None).is_ok());
    // Withdrawn later: what it made before counts.
    assert!(until(Some(u64::MAX)).is_ok());
    assert_eq!(until(Some(0)), Err(Code::EvidenceRefused));
}

#[test]
fn t53_grp_4_the_genesis_shows_the_signer_that_the_statement_names() {
    // The simulated module leaves PCR8 as of an image that nobody signed: zeros.
    let signed_by = |pcr8| {
        let named = Image {
            pcr8,
            ..image(GOOD_IMAGE, 1)
        };
        recovery(GOOD_IMAGE, GOOD_IMAGE, vec![named])
    };
    assert!(signed_by(None).is_ok());
    assert!(signed_by(Some(Pcr([0; 48]))).is_ok());
    assert_eq!(signed_by(Some(Pcr([8; 48]))), Err(Code::EvidenceRefused));
}

#[test]
fn t66_grp_2_a_statement_of_more_than_seven_days_ago_lets_no_image_in() {
    const WEEK_S: u64 = 7 * 24 * 3_600;
    let issued_ago = |age_s| {
        let mut world = World::with_group();
        world.restart();
        let signed = world.vendor_statement_of(vec![image(GOOD_IMAGE, 1)]);
        let signed = CoseSign1::from_bytes(&signed, limits::VENDOR_STATEMENT).unwrap();
        let mut statement: VendorStatement =
            cbor::decode(&signed.payload, limits::VENDOR_STATEMENT).unwrap();
        statement.issued_s = world.now_s() - age_s;
        let signed = vendor_key().sign1(context::VENDOR_STATEMENT, cbor::encode(&statement));
        let request = RecoverRequest {
            genesis: world.genesis.clone(),
            vendor_statement: signed.to_bytes(),
        };
        world.call(Message::Recover, cbor::encode(&request))
    };
    // Ten seconds on either side, since the world's clock goes on.
    assert!(issued_ago(WEEK_S - 10).is_ok());
    assert_eq!(issued_ago(WEEK_S + 10), Err(Code::EvidenceRefused));
}
