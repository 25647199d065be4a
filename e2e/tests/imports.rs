//! What the enclave checks at an import: the same valid draft with exactly one defect each (docs/protocol/import.md).
//! A refused import changes nothing, so one enclave serves every test here.

#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam_e2e::customer::{aes_material, p256_material};
use cofferdam_e2e::{App, Customer, Draft, World};
use cofferdam_wire::kind::{Action, Algorithm, KeyKind, UsageClass, WrapMode};
use cofferdam_wire::link::Message;
use cofferdam_wire::revocation::Revocation;
use cofferdam_wire::{Code, limits};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| Mutex::new(World::with_group()));

fn world() -> MutexGuard<'static, World> {
    WORLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Imports a valid draft with one defect; asserts that the same draft without it is accepted.
fn refused(defect: impl FnOnce(&mut Draft)) -> Code {
    let mut world = world();
    let customer = Customer::new();
    let valid = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    customer.import(&mut world, &valid).unwrap();
    let mut draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    defect(&mut draft);
    let before = world.health().keys;
    let code = customer.import(&mut world, &draft).unwrap_err();
    assert_eq!(
        world.health().keys,
        before,
        "a refused import changes nothing"
    );
    code
}

fn refused_bytes(change: impl FnOnce(&mut Vec<u8>)) -> Code {
    let mut world = world();
    let customer = Customer::new();
    let draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let mut request = draft.seal(&customer.owner).request;
    change(&mut request);
    world.call(Message::Import, request).unwrap_err()
}

#[test]
fn imp_1_truncated_trailing_and_oversized_requests_are_refused() {
    assert_eq!(
        refused_bytes(|request| request.truncate(request.len() - 1)),
        Code::Malformed
    );
    assert_eq!(refused_bytes(|request| request.push(0)), Code::Malformed);
    assert_eq!(
        refused_bytes(|request| request.resize(limits::IMPORT + 1, 0)),
        Code::TooLarge
    );
    assert_eq!(refused_bytes(Vec::clear), Code::Malformed);
}

#[test]
fn imp_2_another_version_or_mode_is_refused() {
    assert_eq!(
        refused(|draft| draft.header.version = 2),
        Code::UnsupportedVersion
    );
    assert_eq!(
        refused(|draft| draft.header.mode = WrapMode::Channel),
        Code::UnsupportedVersion
    );
}

#[test]
fn t73_imp_3_a_header_made_for_another_group_is_refused() {
    assert_eq!(
        refused(|draft| draft.header.group.0[0] ^= 1),
        Code::WrongGroup
    );
}

#[test]
fn imp_4_a_header_out_of_its_time_is_refused() {
    assert_eq!(
        refused(|draft| draft.header.created_s += 301),
        Code::HeaderExpired
    );
    assert_eq!(
        refused(|draft| draft.header.not_after_s = draft.header.created_s - 1),
        Code::HeaderExpired
    );
    assert_eq!(
        refused(|draft| {
            draft.header.created_s -= 7_200;
            draft.header.not_after_s = draft.header.created_s + 7_199;
        }),
        Code::HeaderExpired
    );
    assert_eq!(
        refused(|draft| draft.header.not_after_s =
            draft.header.created_s + limits::HEADER_LIFETIME_S + 1),
        Code::HeaderExpired
    );
}

#[test]
fn imp_5_a_partition_without_a_name_or_with_65_bytes_is_refused() {
    assert_eq!(
        refused(|draft| draft.header.partition = String::new()),
        Code::OutOfRange
    );
    assert_eq!(
        refused(|draft| draft.header.partition = "p".repeat(65)),
        Code::OutOfRange
    );
}

#[test]
fn imp_6_kind_and_class_that_do_not_go_together_are_refused() {
    assert_eq!(
        refused(|draft| draft.header.class = UsageClass::Mac),
        Code::UsageRefused
    );
}

#[test]
fn imp_7_a_statement_signed_by_another_key_is_refused() {
    let mut world = world();
    let customer = Customer::new();
    let draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let forged = draft
        .seal(&SigningKey::generate(SignatureKind::Ed25519))
        .request;
    assert_eq!(world.call(Message::Import, forged), Err(Code::BadSignature));
    let valid = draft.seal(&customer.owner).request;
    assert!(world.call(Message::Import, valid).is_ok());
}

#[test]
fn t76_imp_7_the_owner_is_asked_before_any_private_key() {
    // The layer is garbage in every part, and the signature is wrong: only the signature is talked about.
    let mut world = world();
    let customer = Customer::new();
    let mut draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    draft.spoil_layer = Some(Box::new(|layer| {
        let end = layer.len();
        layer[end - 40] ^= 1;
    }));
    let unsigned = draft
        .seal(&SigningKey::generate(SignatureKind::Ed25519))
        .request;
    assert_eq!(
        world.call(Message::Import, unsigned),
        Err(Code::BadSignature)
    );
    let signed = draft.seal(&customer.owner).request;
    assert_eq!(world.call(Message::Import, signed), Err(Code::UnwrapFailed));
}

#[test]
fn imp_8_a_layer_that_is_no_layer_is_refused() {
    assert_eq!(
        refused(|draft| draft.spoil_layer = Some(Box::new(|layer| layer.push(0)))),
        Code::Malformed
    );
}

#[test]
fn t35_imp_9_a_suite_that_the_owner_did_not_sign_is_refused() {
    assert_eq!(
        refused(|draft| {
            draft.spoil_layer = Some(Box::new(|layer| layer[1] = 2)); // says suite 2, sealed by suite 1
        }),
        Code::UnsupportedSuite
    );
}

#[test]
fn imp_10_a_layer_other_than_the_signed_one_is_refused() {
    let flip = |layer: &mut Vec<u8>| {
        let end = layer.len();
        layer[end - 1] ^= 1;
    };
    assert_eq!(
        refused(|draft| draft.spoil_sent = Some(Box::new(flip))),
        Code::UnwrapFailed
    );
    assert_eq!(
        refused(|draft| draft.spoil_layer = Some(Box::new(|layer| layer[5] ^= 1))),
        Code::UnwrapFailed
    );
}

#[test]
fn imp_10_a_key_that_is_not_held_is_named_as_such() {
    assert_eq!(
        refused(|draft| draft.header.tee_key.0[0] ^= 1),
        Code::UnknownRecipient
    );
}

#[test]
fn imp_11_padding_of_another_step_is_refused() {
    assert_eq!(refused(|draft| draft.pad_to = 500), Code::Malformed);
}

#[test]
fn imp_12_control_other_than_stated_is_refused() {
    assert_eq!(
        refused(
            |draft| draft.spoil_statement = Some(Box::new(|statement| statement.control.0[0] ^= 1))
        ),
        Code::BadSignature
    );
}

#[test]
fn imp_13_a_payload_that_names_another_owner_or_partition_is_refused() {
    let other = SigningKey::generate(SignatureKind::Ed25519).public();
    assert_eq!(
        refused(|draft| draft.control.owner = other),
        Code::UnwrapFailed
    );
    assert_eq!(
        refused(|draft| draft.control.partition = "other".into()),
        Code::UnwrapFailed
    );
}

#[test]
fn imp_14_a_policy_other_than_the_headers_is_refused() {
    assert_eq!(
        refused(|draft| draft.control.policy.kind = KeyKind::EcP384),
        Code::UsageRefused
    );
    assert_eq!(
        refused(|draft| draft.control.policy.algorithms.clear()),
        Code::UsageRefused
    );
    assert_eq!(
        refused(|draft| draft.control.policy.algorithms = vec![Algorithm::EcdsaSha384]),
        Code::UsageRefused
    );
    assert_eq!(
        refused(|draft| draft.control.policy.algorithms = vec![Algorithm::EcdsaSha256; 2]),
        Code::UsageRefused
    );
}

#[test]
fn t10_imp_15_revocation_out_of_range_is_refused_and_never_clamped() {
    assert_eq!(
        refused(|draft| draft.terms().interval_s = limits::INTERVAL_MIN_S - 1),
        Code::OutOfRange
    );
    assert_eq!(
        refused(|draft| draft.terms().interval_s = limits::INTERVAL_MAX_S + 1),
        Code::OutOfRange
    );
    assert_eq!(
        refused(|draft| draft.terms().grace_s = 61),
        Code::OutOfRange
    );
    assert_eq!(
        refused(|draft| draft.control.label = "l".repeat(limits::LABEL + 1)),
        Code::OutOfRange
    );
}

#[test]
fn t10_imp_15_a_key_without_revocation_needs_a_hard_end() {
    let now_s = world().now_s();
    let strip = |draft: &mut Draft| {
        draft.control.revocation = None;
        draft.release_secrets.clear();
    };
    assert_eq!(refused(strip), Code::OutOfRange);
    let too_late = now_s + limits::HARD_END_MAX_S + 3_600;
    assert_eq!(
        refused(|draft| {
            strip(draft);
            draft.control.hard_end_s = Some(too_late);
        }),
        Code::OutOfRange
    );
    let mut world = world();
    let customer = Customer::new();
    let mut draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    strip(&mut draft);
    draft.control.hard_end_s = Some(now_s + 3_600);
    let (key, receipt) = customer.import(&mut world, &draft).unwrap();
    assert_eq!(
        (receipt.lease, receipt.hard_end_s),
        (None, Some(now_s + 3_600)),
        "the receipt says: not revocable"
    );
    let app = App::with_grant(&mut world, &customer, &[key], &[Action::Sign]).unwrap();
    app.sign(&mut world, key, Algorithm::EcdsaSha256).unwrap();
}

#[test]
fn t10_imp_16_revocation_or_release_other_than_stated_is_refused() {
    let weaker = |draft: &mut Draft| {
        let stated = draft.control.revocation.clone();
        draft.spoil_statement = Some(Box::new(move |statement| {
            let Some(Revocation::Services {
                services,
                mut terms,
            }) = stated.clone()
            else {
                unreachable!()
            };
            terms.interval_s = 600;
            let weaker = Revocation::Services { services, terms };
            statement.revocation = cofferdam_wire::import::revocation_hash(Some(&weaker), &[0; 32]);
        }));
    };
    assert_eq!(refused(weaker), Code::BadSignature);
    assert_eq!(
        refused(|draft| draft.release_secrets.push(0)),
        Code::BadSignature
    );
    assert_eq!(
        refused(|draft| draft.release_secrets.clear()),
        Code::BadSignature
    );
}

#[test]
fn imp_17_material_other_than_stated_is_refused() {
    assert_eq!(
        refused(|draft| draft.spoil_statement =
            Some(Box::new(|statement| statement.material.0[0] ^= 1))),
        Code::BadSignature
    );
}

#[test]
fn imp_18_weak_and_malformed_material_is_refused_by_name() {
    let zeros = [&[0xa2, 0x01, 0x04, 0x20, 0x58, 0x20][..], &[0; 32]].concat();
    let aes = |draft: &mut Draft, material: Vec<u8>| {
        (draft.header.kind, draft.header.class) = (KeyKind::Aes256, UsageClass::Encrypt);
        draft.control.policy.kind = KeyKind::Aes256;
        draft.control.policy.class = UsageClass::Encrypt;
        draft.control.policy.algorithms = vec![Algorithm::Xaes256Gcm];
        draft.cose_key = material;
    };
    assert_eq!(refused(|draft| aes(draft, zeros)), Code::WeakKey);
    assert_eq!(
        refused(|draft| aes(draft, aes_material()[..37].to_vec())),
        Code::Malformed
    );
    assert_eq!(
        refused(|draft| draft.cose_key = aes_material()),
        Code::Malformed
    );
}
