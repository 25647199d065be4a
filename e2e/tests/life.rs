//! The life of a key: in, used, lost with the process, back, revoked.

#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam_e2e::customer::{aes_material, p256_material};
use cofferdam_e2e::{App, Customer, World};
use cofferdam_wire::Code;
use cofferdam_wire::kind::{Action, Algorithm, KeyKind, Suite, UsageClass};
use cofferdam_wire::operation::{LeaseState, Operation, Outcome};
use cofferdam_wire::status::Status;

#[test]
fn a_key_signs_survives_a_restart_and_ends_with_its_revocation() {
    let mut world = World::with_group();
    let customer = Customer::new();
    let draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let token = draft.token();
    let (key, receipt) = customer.import(&mut world, &draft).unwrap();
    assert_eq!(receipt.lease.unwrap().interval_s, 60);

    let actions = [Action::Sign, Action::Describe];
    let app = App::with_grant(&mut world, &customer, &[key], &actions).unwrap();
    let signature = app.sign(&mut world, key, Algorithm::EcdsaSha256).unwrap();
    let public =
        cofferdam::crypto::public_key::PublicKey::from_cose(&receipt.public_key.unwrap()).unwrap();
    public
        .verify(Algorithm::EcdsaSha256, b"message", &signature)
        .unwrap();

    world.restart_and_recover();
    let app = App::with_grant(&mut world, &customer, &[key], &actions).unwrap();
    app.sign(&mut world, key, Algorithm::EcdsaSha256).unwrap();

    world.set_status(&token, Status::Revoked);
    world.pass_ms(62_000);
    assert_eq!(
        app.sign(&mut world, key, Algorithm::EcdsaSha256),
        Err(Code::Revoked)
    );
    let Ok(Outcome::Description(description)) = app.ask(&mut world, Operation::Describe { key })
    else {
        panic!()
    };
    assert_eq!(description.state, LeaseState::Revoked);
    assert_eq!(world.notes, [cofferdam_wire::link::Note::Revoked(key)]);
}

#[test]
fn suite_2_brings_the_same_key_in() {
    let mut world = World::with_group();
    let customer = Customer::new();
    let mut draft = customer.draft(
        &mut world,
        KeyKind::Aes256,
        UsageClass::Encrypt,
        &aes_material(),
    );
    let binding = world.binding();
    draft.seal_to(&binding, Suite::RsaOaep);
    let (key, receipt) = customer.import(&mut world, &draft).unwrap();
    assert!(receipt.check_value.is_some() && receipt.public_key.is_none());

    let app = App::with_grant(
        &mut world,
        &customer,
        &[key],
        &[Action::Encrypt, Action::Decrypt],
    )
    .unwrap();
    let algorithm = Algorithm::Xaes256Gcm;
    let encrypt = Operation::Encrypt {
        key,
        algorithm,
        aad: b"aad".to_vec(),
        data: b"data".to_vec(),
    };
    let Ok(Outcome::Bytes(data)) = app.ask(&mut world, encrypt) else {
        panic!()
    };
    let decrypt = Operation::Decrypt {
        key,
        algorithm,
        aad: b"aad".to_vec(),
        data: data.clone(),
    };
    assert_eq!(
        app.ask(&mut world, decrypt),
        Ok(Outcome::Bytes(b"data".to_vec()))
    );
    let other_aad = Operation::Decrypt {
        key,
        algorithm,
        aad: b"AAD".to_vec(),
        data,
    };
    assert_eq!(app.ask(&mut world, other_aad), Err(Code::OperationFailed));
}

#[test]
fn a_suspended_key_returns_and_a_silent_service_is_unavailable() {
    let mut world = World::with_group();
    let customer = Customer::new();
    let draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let (key, _) = customer.import(&mut world, &draft).unwrap();
    let app = App::with_grant(&mut world, &customer, &[key], &[Action::Sign]).unwrap();
    app.sign(&mut world, key, Algorithm::EcdsaSha256).unwrap();

    world.set_status(&draft.token(), Status::Suspended);
    world.pass_ms(62_000);
    assert_eq!(
        app.sign(&mut world, key, Algorithm::EcdsaSha256),
        Err(Code::Suspended)
    );
    world.set_status(&draft.token(), Status::Good);
    app.sign(&mut world, key, Algorithm::EcdsaSha256).unwrap();

    world.carry = cofferdam_e2e::world::Carry::Drop;
    world.pass_ms(62_000);
    assert_eq!(
        app.sign(&mut world, key, Algorithm::EcdsaSha256),
        Err(Code::LeaseUnavailable)
    );
}
