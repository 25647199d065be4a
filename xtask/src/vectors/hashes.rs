//! The lists that are hashed: identifiers, and hashes inside other messages.

use cofferdam_wire::cbor::Item;
use cofferdam_wire::context as c;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{GroupId, Handle, KeyId, Nonce, PartitionId, Thumbprint, user_data_hash};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::{binding, group, import, layer, session};

use super::lists::{DATA, Entry, GROUP, OTHER, TOKEN, Use};
use super::messages;

/// Names of things.
pub(super) fn identifiers() -> Vec<Entry> {
    use Item::{Bytes, Text, Uint};
    let hashed = |function, context, items: &[Item<'_>], output: &[u8]| {
        Entry::new(function, context, items, Use::Sha256, output)
    };
    let owner = PublicKey::Ed25519([7; 32]).to_cose();
    vec![
        hashed(
            "GroupId::of",
            c::GROUP_ID,
            &[Bytes(DATA)],
            &GroupId::of(DATA).0,
        ),
        hashed(
            "PartitionId::of",
            c::PARTITION_ID,
            &[Bytes(&GROUP.0), Bytes(&owner), Text("payments")],
            &PartitionId::of(&GROUP, &owner, "payments").0,
        ),
        hashed("KeyId::of", c::KEY_ID, &[Bytes(DATA)], &KeyId::of(DATA).0),
        hashed(
            "Handle::of",
            c::HANDLE,
            &[Bytes(&TOKEN.0)],
            &Handle::of(&TOKEN).0,
        ),
        hashed("Token::hash", c::TOKEN, &[Bytes(&TOKEN.0)], &TOKEN.hash().0),
        hashed(
            "Thumbprint::of",
            c::THUMBPRINT,
            &[Bytes(&owner)],
            &Thumbprint::of(&owner).0,
        ),
        hashed(
            "layer::recipient_id",
            c::RECIPIENT,
            &[Uint(1), Bytes(DATA)],
            &layer::recipient_id(Suite::XWing, DATA).0,
        ),
        hashed(
            "session::grant_id",
            c::GRANT_ID,
            &[Bytes(DATA)],
            &session::grant_id(DATA).0,
        ),
        hashed(
            "session::ticket_hash",
            c::TICKET_ID,
            &[Bytes(DATA)],
            &session::ticket_hash(DATA).0,
        ),
    ]
}

/// Everything else that is hashed.
pub(super) fn hashes() -> Vec<Entry> {
    use Item::{Bytes, Null, Uint};
    let hashed = |function, context, items: &[Item<'_>], output: &[u8]| {
        Entry::new(function, context, items, Use::Sha256, output)
    };
    let revocation = messages::revocation();
    let encoded = cofferdam_wire::cbor::encode(&revocation);
    let proof = messages::proof();
    let keys = cofferdam_wire::cbor::encode(&proof.provider_keys);
    let with_r = import::revocation_hash(Some(&revocation), &[9; 32]);
    let user_data = |function, context, output: [u8; 48]| {
        assert_eq!(user_data_hash(context, DATA), output);
        Entry::new(function, context, &[Bytes(DATA)], Use::Sha384, &output)
    };
    let transcript_items = |tls| {
        [
            Bytes(&[8; 32]),
            Bytes(&proof.enclave.binding),
            Bytes(&proof.enclave.evidence),
            Bytes(&proof.vendor_statement),
            Bytes(&keys),
            tls,
        ]
    };
    let nonce = Nonce([8; 32]);
    vec![
        hashed(
            "import::header_hash",
            c::HEADER,
            &[Bytes(DATA)],
            &import::header_hash(DATA).0,
        ),
        hashed(
            "import::vendor_layer_hash",
            c::VENDOR_LAYER_HASH,
            &[Bytes(DATA)],
            &import::vendor_layer_hash(DATA).0,
        ),
        hashed(
            "import::control_hash",
            c::CONTROL,
            &[Bytes(DATA)],
            &import::control_hash(DATA).0,
        ),
        hashed(
            "import::material_hash",
            c::MATERIAL,
            &[Bytes(DATA)],
            &import::material_hash(DATA).0,
        ),
        hashed(
            "import::revocation_hash",
            c::REVOCATION,
            &[Bytes(&encoded), Bytes(&[9; 32])],
            &with_r.0,
        ),
        hashed(
            "import::revocation_hash",
            c::REVOCATION,
            &[Null, Bytes(&[])],
            &import::revocation_hash(None, &[]).0,
        ),
        hashed(
            "import::check_value",
            c::CHECK_VALUE,
            &[Bytes(DATA), Bytes(OTHER)],
            &import::check_value(DATA, OTHER).0,
        ),
        hashed(
            "Proof::transcript",
            c::TRANSCRIPT,
            &transcript_items(Null),
            &proof.transcript(&nonce, None).0,
        ),
        hashed(
            "Proof::transcript",
            c::TRANSCRIPT,
            &transcript_items(Bytes(OTHER)),
            &proof.transcript(&nonce, Some(OTHER)).0,
        ),
        hashed(
            "binding::empty_chain",
            c::CHAIN,
            &[Bytes(&GROUP.0)],
            &binding::empty_chain(&GROUP).0,
        ),
        hashed(
            "group::group_key_commitment",
            c::GROUP_KEY,
            &[Bytes(&[3; 32])],
            &group::group_key_commitment(&[3; 32]).0,
        ),
        hashed(
            "group::share_commitment",
            c::SHARE,
            &[Uint(2), Bytes(DATA), Bytes(OTHER)],
            &group::share_commitment(2, DATA, OTHER).0,
        ),
        user_data("binding::user_data", c::BINDING, binding::user_data(DATA)),
        user_data(
            "group::genesis_user_data",
            c::GENESIS,
            group::genesis_user_data(DATA),
        ),
    ]
}
