//! The group key arrives by genesis or by recovery, and in no other way (T-63).

#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam_e2e::world::{GOOD_IMAGE, OTHER_IMAGE, vendor_key};
use cofferdam_e2e::{Customer, World};
use cofferdam_wire::group::{
    GenesisBody, GenesisRecord, GenesisRequest, RecoverRequest, genesis_user_data,
};
use cofferdam_wire::id::GroupId;
use cofferdam_wire::kind::EscrowMode;
use cofferdam_wire::link::Message;
use cofferdam_wire::vendor::VendorStatement;
use cofferdam_wire::{Code, cbor, context, limits};

fn genesis(change: impl FnOnce(&mut GenesisRequest)) -> Result<Vec<u8>, Code> {
    let mut world = World::alone(GOOD_IMAGE);
    let mut request = world.officers.request();
    change(&mut request);
    world.call(Message::Genesis, cbor::encode(&request))
}

#[test]
fn grp_1_officers_and_threshold_out_of_range_are_refused() {
    assert!(genesis(|_| ()).is_ok());
    assert_eq!(
        genesis(|request| request.threshold = 1),
        Err(Code::OutOfRange)
    );
    assert_eq!(
        genesis(|request| request.threshold = 3),
        Err(Code::OutOfRange)
    );
    assert_eq!(
        genesis(|request| request.officers.truncate(2)),
        Err(Code::OutOfRange)
    );
    assert_eq!(
        genesis(|request| request.officers[1] = request.officers[0].clone()),
        Err(Code::OutOfRange)
    );
    assert_eq!(
        genesis(|request| request.officers[1].sealing.truncate(100)),
        Err(Code::OutOfRange)
    );
    assert_eq!(
        genesis(|request| request.escrow = EscrowMode::None),
        Err(Code::UnsupportedVersion)
    );
}

#[test]
fn a_group_is_made_once() {
    let mut world = World::with_group();
    let request = cbor::encode(&world.officers.request());
    assert_eq!(world.call(Message::Genesis, request), Err(Code::Conflict));
}

/// Recovery of a restarted enclave with one defect; without it the enclave serves again.
fn recovery(
    statement: impl FnOnce(&World) -> Vec<u8>,
    change: impl FnOnce(&mut World, &mut GenesisRecord),
) -> Result<Vec<u8>, Code> {
    let mut world = World::with_group();
    world.restart();
    let vendor_statement = statement(&world);
    let mut record: GenesisRecord = cbor::decode(&world.genesis, limits::GENESIS_RECORD).unwrap();
    change(&mut world, &mut record);
    let genesis = cbor::encode(&record);
    world.call(
        Message::Recover,
        cbor::encode(&RecoverRequest {
            genesis,
            vendor_statement,
        }),
    )
}

fn good(world: &World) -> Vec<u8> {
    world.vendor_statement(&[GOOD_IMAGE])
}

#[test]
fn grp_2_a_vendor_statement_that_is_forged_old_or_does_not_name_this_image_is_refused() {
    assert!(recovery(good, |_, _| ()).is_ok());
    let unnamed = recovery(|world| world.vendor_statement(&[OTHER_IMAGE]), |_, _| ());
    assert_eq!(unnamed, Err(Code::EvidenceRefused));
    let statement = |world: &World, change: &dyn Fn(&mut VendorStatement), signer: &SigningKey| {
        let signed =
            cofferdam_wire::cose::CoseSign1::from_bytes(&good(world), limits::VENDOR_STATEMENT)
                .unwrap();
        let mut statement: VendorStatement =
            cbor::decode(&signed.payload, limits::VENDOR_STATEMENT).unwrap();
        change(&mut statement);
        signer
            .sign1(context::VENDOR_STATEMENT, cbor::encode(&statement))
            .to_bytes()
    };
    let stranger = SigningKey::generate(SignatureKind::Ed25519);
    let forged = recovery(|world| statement(world, &|_| (), &stranger), |_, _| ());
    assert_eq!(forged, Err(Code::BadSignature));
    type Change = fn(&mut VendorStatement);
    let defects: [Change; 4] = [
        |statement| statement.not_after_s = statement.issued_s,
        |statement| statement.issued_s += 3_600,
        |statement| statement.not_after_s += 90 * 24 * 3_600,
        |statement| statement.version = 2,
    ];
    for defect in defects {
        let refused = recovery(|world| statement(world, &defect, &vendor_key()), |_, _| ());
        assert_eq!(refused, Err(Code::EvidenceRefused));
    }
}

#[test]
fn t63_grp_3_a_genesis_of_the_providers_own_making_is_refused() {
    // It has a body with a group key that it knows, and every document that it could ever get: Evidence of a genuine
    // enclave with its own nonce (by proof), but never with the genesis user_data.
    let swapped = recovery(good, |_, record| {
        let mut body: GenesisBody = cbor::decode(&record.body, limits::GENESIS_BODY).unwrap();
        body.group_key = cofferdam_wire::group::group_key_commitment(&[7; 32]);
        record.body = cbor::encode(&body);
    });
    assert_eq!(swapped, Err(Code::EvidenceRefused));
    let proof_evidence = recovery(good, |world, record| {
        world.recover().unwrap();
        let nonce = cofferdam_wire::id::Nonce(GroupId::of(&record.body).0);
        record.evidence = world.prove(nonce).evidence;
        world.restart();
    });
    assert_eq!(proof_evidence, Err(Code::EvidenceRefused));
    let flipped = recovery(good, |_, record| {
        let end = record.evidence.len();
        record.evidence[end - 1] ^= 1;
    });
    assert_eq!(flipped, Err(Code::EvidenceRefused));
}

#[test]
fn t63_grp_4_a_genesis_by_an_image_that_the_vendor_does_not_name_is_refused() {
    let mut weak = World::alone(OTHER_IMAGE);
    weak.make_group();
    weak.restart_as(GOOD_IMAGE);
    assert_eq!(weak.recover(), Err(Code::EvidenceRefused));
}

#[test]
fn t63_evidence_without_a_public_key_is_what_makes_a_genesis() {
    // A body hashed into Evidence that also binds an instance key is no genesis.
    let mut world = World::with_group();
    world.restart();
    let record: GenesisRecord = cbor::decode(&world.genesis, limits::GENESIS_RECORD).unwrap();
    let id = GroupId::of(&record.body);
    let user_data = genesis_user_data(&record.body);
    let evidence = world
        .nsm
        .attest(Some(&id.0), Some(&user_data), Some(&[1; 44]))
        .unwrap();
    world.genesis = cbor::encode(&GenesisRecord {
        body: record.body,
        evidence,
    });
    assert_eq!(world.recover(), Err(Code::EvidenceRefused));
}

#[test]
fn grp_5_a_share_other_than_the_committed_one_is_named() {
    let mut world = World::with_group();
    world.restart();
    world.recover().unwrap();
    let binding = world.binding();
    let good = world.officers.share_to(0, &binding);
    let value = world.officers.shares[1].1.clone();
    world.officers.shares[1].1[5] ^= 1;
    let bad = world.officers.share_to(1, &binding);
    assert_eq!(world.send_share(&bad), Err(Code::BadShare));
    world.officers.shares[1].1 = value;
    let mut misnamed = world.officers.share_to(1, &binding);
    misnamed.officer = 2;
    assert_eq!(world.send_share(&misnamed), Err(Code::UnwrapFailed));
    assert!(!world.send_share(&good).unwrap().complete);
    assert!(
        !world.send_share(&good).unwrap().complete,
        "one officer twice is one officer"
    );
    let second = world.officers.share_to(1, &binding);
    assert!(world.send_share(&second).unwrap().complete);
    assert!(world.health().ready);
}

#[test]
fn t63_no_message_sets_a_group_key() {
    // Every message type with what an attacker may have: an enclave without a group stays without one.
    let mut world = World::with_group();
    let record = world.genesis.clone();
    world.restart();
    for message in Message::ALL {
        if matches!(message, Message::Genesis | Message::Recover) {
            continue;
        }
        for body in [
            Vec::new(),
            vec![0; 32],
            cbor::encode(&cofferdam_wire::id::Nonce([1; 32])),
            record.clone(),
        ] {
            world.send(*message, body);
        }
    }
    assert!(!world.health().ready);
    let customer = Customer::new();
    world.recover().unwrap();
    let draft = customer.draft(
        &mut world,
        cofferdam_wire::kind::KeyKind::EcP256,
        cofferdam_wire::kind::UsageClass::Sign,
        &cofferdam_e2e::customer::p256_material(),
    );
    assert_eq!(
        customer.import(&mut world, &draft).unwrap_err(),
        Code::NotReady
    );
}

#[test]
fn t58_shares_for_one_instance_mean_nothing_to_another() {
    let mut world = World::with_group();
    world.restart();
    world.recover().unwrap();
    let first = world.binding();
    let share = world.officers.share_to(0, &first);
    world.restart();
    world.recover().unwrap();
    assert_eq!(world.send_share(&share), Err(Code::UnwrapFailed));
}

#[test]
fn grp_6_shares_that_match_their_commitments_but_do_not_make_the_key_are_refused() {
    // Only an image that lies at genesis can attest such a body; the vendor named it, and this instance still refuses.
    let mut world = World::with_group();
    let record: GenesisRecord = cbor::decode(&world.genesis, limits::GENESIS_RECORD).unwrap();
    let mut body: GenesisBody = cbor::decode(&record.body, limits::GENESIS_BODY).unwrap();
    body.group_key = cofferdam_wire::group::group_key_commitment(&[7; 32]);
    let body = cbor::encode(&body);
    let evidence = world
        .nsm
        .attest(
            Some(&GroupId::of(&body).0),
            Some(&genesis_user_data(&body)),
            None,
        )
        .unwrap();
    world.genesis = cbor::encode(&GenesisRecord { body, evidence });
    world.restart();
    world.recover().unwrap();
    let binding = world.binding();
    let shares = [0, 1].map(|officer| world.officers.share_to(officer, &binding));
    assert!(!world.send_share(&shares[0]).unwrap().complete);
    assert_eq!(world.send_share(&shares[1]), Err(Code::BadShare));
    assert!(!world.health().ready);
}
