//! What a provider does to the imports of others: takes them over, flips their bits, sends them again (P1, P2).

#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam_e2e::customer::p256_material;
use cofferdam_e2e::{App, Customer, World};
use cofferdam_wire::import::{Imported, Receipt};
use cofferdam_wire::kind::{Action, Algorithm, KeyKind, Suite, UsageClass};
use cofferdam_wire::link::Message;
use cofferdam_wire::status::Status;
use cofferdam_wire::{Code, cbor, limits};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| Mutex::new(World::with_group()));

fn world() -> MutexGuard<'static, World> {
    WORLD.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn t10_imp_11_every_bit_of_the_layer_counts() {
    let mut world = world();
    let customer = Customer::new();
    let draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let len = {
        let request: cofferdam_wire::import::ImportRequest =
            cbor::decode(&draft.seal(&customer.owner).request, limits::IMPORT).unwrap();
        request.layer.len()
    };
    // The owner signs what was flipped, so no hash is in the way: only the seal itself.
    for at in (0..len).step_by(97).chain([len - 1, len - 17]) {
        let mut draft = customer.draft(
            &mut world,
            KeyKind::EcP256,
            UsageClass::Sign,
            &p256_material(),
        );
        draft.spoil_layer = Some(Box::new(move |layer| layer[at] ^= 0x10));
        assert!(customer.import(&mut world, &draft).is_err(), "byte {at}");
    }
}

#[test]
fn t01_a_blob_of_a_customer_imported_into_a_partition_of_the_provider_does_not_open() {
    let mut world = world();
    for suite in [Suite::XWing, Suite::RsaOaep] {
        let customer = Customer::new();
        let mut draft = customer.draft(
            &mut world,
            KeyKind::EcP256,
            UsageClass::Sign,
            &p256_material(),
        );
        let binding = world.binding();
        draft.seal_to(&binding, suite);
        let captured: cofferdam_wire::import::ImportRequest =
            cbor::decode(&draft.seal(&customer.owner).request, limits::IMPORT).unwrap();

        // The provider makes itself the owner, keeps the captured layer, and signs everything anew.
        let provider = Customer::new();
        let mut stolen = provider.draft(
            &mut world,
            KeyKind::EcP256,
            UsageClass::Sign,
            &p256_material(),
        );
        stolen.seal_to(&binding, suite);
        let layer = captured.layer.clone();
        stolen.spoil_layer = Some(Box::new(move |own| own.clone_from(&layer)));
        let before = world.health().keys;
        assert_eq!(
            provider.import(&mut world, &stolen).unwrap_err(),
            Code::UnwrapFailed
        );
        assert_eq!(world.health().keys, before);
    }
}

#[test]
fn t10_the_receipt_states_what_is_in_force() {
    let mut world = world();
    let customer = Customer::new();
    let mut draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    (draft.terms().interval_s, draft.terms().grace_s) = (120, 7);
    let (_, receipt) = customer.import(&mut world, &draft).unwrap();
    let lease = receipt.lease.unwrap();
    assert_eq!(
        (
            lease.interval_s,
            lease.grace_s,
            lease.per_operation,
            lease.skew_s
        ),
        (120, 7, false, 1)
    );
    assert_eq!(receipt.transcript, draft.header.transcript);
}

#[test]
fn t36_an_import_repeated_makes_the_same_key_and_after_its_time_none() {
    let mut world = World::with_group();
    let customer = Customer::new();
    let draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let sealed = draft.seal(&customer.owner);
    let receipt = |imported: Vec<u8>| -> Receipt {
        let imported: Imported = cbor::decode(&imported, limits::FRAME_BODY).unwrap();
        let signed =
            cofferdam_wire::cose::CoseSign1::from_bytes(&imported.receipt, limits::RECEIPT)
                .unwrap();
        cbor::decode(&signed.payload, limits::RECEIPT).unwrap()
    };
    let first = receipt(world.call(Message::Import, sealed.request.clone()).unwrap());
    world.set_status(&draft.token(), Status::Revoked); // destroyed by its owner
    let second = world.call(Message::Import, sealed.request.clone()).unwrap();
    let imported: Imported = cbor::decode(&second, limits::FRAME_BODY).unwrap();
    world.store.insert(sealed.key, imported.record);
    assert_eq!(receipt(second).key, first.key);
    let app = App::with_grant(&mut world, &customer, &[first.key], &[Action::Sign]).unwrap();
    assert_eq!(
        app.sign(&mut world, first.key, Algorithm::EcdsaSha256),
        Err(Code::Revoked)
    );

    world.clock.jump_ms(2 * 3_600_000);
    assert_eq!(
        world.call(Message::Import, sealed.request),
        Err(Code::HeaderExpired)
    );
}

#[test]
fn imp_10_a_tee_key_is_offered_for_30_days_and_erased_a_day_later() {
    const DAY_MS: i64 = 24 * 3_600_000;
    let mut world = World::with_group();
    let customer = Customer::new();
    let first = world.binding();
    let import_to_first = |world: &mut World| {
        let mut draft = customer.draft(world, KeyKind::EcP256, UsageClass::Sign, &p256_material());
        draft.seal_to(&first, Suite::XWing);
        customer.import(world, &draft).map(|_| ())
    };
    let days = |world: &mut World, days: i64| {
        world.clock.jump_ms(days * DAY_MS);
        world.pass_ms(2_000);
        world.binding()
    };
    let overlap = days(&mut world, 29);
    assert_eq!(
        overlap.tee.len(),
        4,
        "the next keys are offered a day ahead"
    );
    assert_eq!(import_to_first(&mut world), Ok(()));
    let next = days(&mut world, 1);
    assert!(next.tee.iter().all(|tee| !first.tee.contains(tee)) && next.tee.len() == 2);
    assert_eq!(
        import_to_first(&mut world),
        Ok(()),
        "what is on its way still opens"
    );
    days(&mut world, 1);
    assert_eq!(import_to_first(&mut world), Err(Code::UnknownRecipient));
    let current = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    customer.import(&mut world, &current).unwrap();
}
