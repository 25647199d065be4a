//! Possession challenges: what the enclave proves with them, and what nobody learns by them (T-65).

#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam::crypto::kdf;
use cofferdam::layer;
use cofferdam_e2e::customer::p256_material;
use cofferdam_e2e::{Customer, World};
use cofferdam_wire::import::ImportRequest;
use cofferdam_wire::kind::{KeyKind, Suite, UsageClass};
use cofferdam_wire::layer::Layer;
use cofferdam_wire::link::Message;
use cofferdam_wire::transcript::{ChallengePlain, challenge_reply_input};
use cofferdam_wire::{Code, cbor, context, limits};

const SECRET: [u8; 32] = [0x5e; 32];
const TRANSCRIPT: [u8; 32] = [0x7a; 32];

/// A challenge to the TEE key of a suite.
fn challenge(world: &mut World, suite: Suite, change: impl FnOnce(&mut Layer)) -> Vec<u8> {
    let tee = world
        .binding()
        .tee
        .into_iter()
        .find(|tee| tee.suite == suite)
        .unwrap();
    let plain = cbor::encode(&ChallengePlain {
        secret: &SECRET,
        transcript: &TRANSCRIPT,
    });
    let mut sealed = layer::danger_seal(
        suite,
        &tee.public,
        context::CHALLENGE,
        &tee.id().0,
        &[],
        &plain,
    )
    .unwrap();
    change(&mut sealed);
    cbor::encode(&sealed)
}

#[test]
fn t65_the_reply_is_a_mac_that_only_the_challenger_can_check_and_never_what_was_opened() {
    let mut world = World::with_group();
    for suite in [Suite::XWing, Suite::RsaOaep] {
        let sent = challenge(&mut world, suite, |_| ());
        let reply = world.call(Message::Challenge, sent.clone()).unwrap();
        let recipient = cbor::decode::<Layer>(&sent, limits::LAYER)
            .unwrap()
            .recipient;
        let input = challenge_reply_input(&TRANSCRIPT, &recipient, &sent);
        assert_eq!(reply, kdf::hmac_sha256(&SECRET, &[&input]));
        assert_ne!(reply, SECRET);
    }
}

#[test]
fn t65_a_challenge_altered_in_any_part_gets_the_one_error() {
    let mut world = World::with_group();
    let changes: [fn(&mut Layer); 5] = [
        |layer| layer.enc[7] ^= 1,
        |layer| layer.commitment.0[7] ^= 1,
        |layer| layer.ciphertext[7] ^= 1,
        |layer| layer.enc.truncate(9),
        |layer| layer.ciphertext.clear(),
    ];
    for suite in [Suite::XWing, Suite::RsaOaep] {
        for change in changes {
            let sent = challenge(&mut world, suite, change);
            assert_eq!(
                world.call(Message::Challenge, sent),
                Err(Code::UnwrapFailed)
            );
        }
    }
    let sent = challenge(&mut world, Suite::XWing, |layer| layer.recipient.0[0] ^= 1);
    assert_eq!(
        world.call(Message::Challenge, sent),
        Err(Code::UnknownRecipient)
    );
}

#[test]
fn t65_a_captured_import_sent_as_a_challenge_does_not_open() {
    let mut world = World::with_group();
    let customer = Customer::new();
    for suite in [Suite::XWing, Suite::RsaOaep] {
        let binding = world.binding();
        let mut draft = customer.draft(
            &mut world,
            KeyKind::EcP256,
            UsageClass::Sign,
            &p256_material(),
        );
        draft.seal_to(&binding, suite);
        let captured: ImportRequest =
            cbor::decode(&draft.seal(&customer.owner).request, limits::IMPORT).unwrap();
        assert_eq!(
            world.call(Message::Challenge, captured.layer.clone()),
            Err(Code::UnwrapFailed)
        );
        // Only `enc` is taken over; the rest is a challenge of the attacker's own.
        let enc = cbor::decode::<Layer>(&captured.layer, limits::LAYER)
            .unwrap()
            .enc;
        let mixed = challenge(&mut world, suite, |layer| layer.enc = enc);
        assert_eq!(
            world.call(Message::Challenge, mixed),
            Err(Code::UnwrapFailed)
        );
    }
}
