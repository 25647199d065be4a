//! vectors/lists.json: every list `[context, item...]` that is hashed, signed over, or given as info, label, exporter
//! context or additional data, with the function of the wire crate that makes it.

use cofferdam_wire::cbor::{Item, context_list};
use cofferdam_wire::context as c;
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::id::{Digest, GroupId, KeyId, RecipientId, Thumbprint, Token, sha256};
use cofferdam_wire::record::Part;
use cofferdam_wire::{group, layer, record, session, status, transcript};
use serde_json::{Value, json};

use super::hashes;

pub(super) const GROUP: GroupId = GroupId([0x11; 32]);
const KEY: KeyId = KeyId([0x22; 32]);
const RECIPIENT: RecipientId = RecipientId([0x33; 32]);
const THUMBPRINT: Thumbprint = Thumbprint([0x44; 32]);
pub(super) const TOKEN: Token = Token([0x55; 32]);
const DIGEST: Digest = Digest([0x66; 32]);
pub(super) const DATA: &[u8] = b"an encoded structure";
pub(super) const OTHER: &[u8] = b"another one";

/// What is done with the list.
pub(super) enum Use {
    Sha256,
    Sha384,
    Plain,
}

/// One list and the function that makes it.
pub(super) struct Entry {
    function: &'static str,
    context: &'static str,
    items: Vec<Value>,
    list: Vec<u8>,
    output: Vec<u8>,
    used: Use,
}

/// The file.
pub(super) fn all() -> Value {
    let mut entries = hashes::identifiers();
    entries.extend(hashes::hashes());
    entries.extend(infos());
    let lists: Vec<_> = entries.into_iter().map(Entry::checked).collect();
    json!({ "lists": lists, "to_be_signed": to_be_signed() })
}

impl Entry {
    /// A function whose output must be the list of these items, hashed or not.
    pub(super) fn new(
        function: &'static str,
        context: &'static str,
        items: &[Item<'_>],
        used: Use,
        output: &[u8],
    ) -> Self {
        let list = context_list(context, items);
        let items = items.iter().map(shown).collect();
        Entry {
            function,
            context,
            items,
            list,
            output: output.to_vec(),
            used,
        }
    }

    /// What the function gave is what the page says: the list itself, or its hash.
    fn checked(self) -> Value {
        let (expected, used) = match self.used {
            Use::Sha256 => (sha256(&self.list).0.to_vec(), "sha-256"),
            Use::Sha384 => (Vec::new(), "sha-384"),
            Use::Plain => (self.list.clone(), "as it is"),
        };
        let is_prefix = expected.starts_with(&self.output);
        assert!(
            is_prefix || used == "sha-384",
            "{} does not give the list of its items",
            self.function
        );
        json!({
            "function": self.function,
            "context": self.context,
            "items": self.items,
            "list": hex::encode(self.list),
            "used": used,
            "output": hex::encode(self.output),
        })
    }
}

fn shown(item: &Item<'_>) -> Value {
    match item {
        Item::Bytes(bytes) => json!({ "bytes": hex::encode(bytes) }),
        Item::Text(text) => json!({ "text": text }),
        Item::Uint(number) => json!({ "uint": number }),
        Item::Bool(flag) => json!({ "bool": flag }),
        Item::Null => Value::Null,
    }
}

fn infos() -> Vec<Entry> {
    use Item::{Bool, Bytes, Text, Uint};
    let plain = |function, context, items: &[Item<'_>], output: &[u8]| {
        Entry::new(function, context, items, Use::Plain, output)
    };
    let enc_hash = sha256(OTHER).0;
    let part = |part, name, with_release| {
        plain(
            "record::part_info",
            c::RECORD,
            &[
                Text(name),
                Bytes(&GROUP.0),
                Bytes(&KEY.0),
                Bool(with_release),
            ],
            &record::part_info(part, &GROUP, &KEY, with_release),
        )
    };
    let info = session::SessionInfo {
        group: GROUP,
        session_key: RECIPIENT,
        app: THUMBPRINT,
        grants: vec![DIGEST],
    };
    let encoded = cofferdam_wire::cbor::encode(&info);
    let layer_info = |context| {
        plain(
            "layer::info",
            context,
            &[Bytes(&DIGEST.0)],
            &layer::info(context, &DIGEST.0),
        )
    };
    let derived = [Bytes(DATA), Bytes(&enc_hash)];
    let reply = [Bytes(&DIGEST.0), Bytes(&RECIPIENT.0), Bytes(&enc_hash)];
    let answer = [Bytes(&DIGEST.0), Bytes(&GROUP.0), Bytes(&enc_hash)];
    vec![
        layer_info(c::LAYER_VENDOR),
        layer_info(c::LAYER_PROVIDER),
        layer_info(c::CHALLENGE),
        plain(
            "layer::commitment_exporter",
            c::LAYER_COMMITMENT,
            &[Bytes(DATA)],
            &layer::commitment_exporter(DATA),
        ),
        plain(
            "layer::commitment_info",
            c::LAYER_COMMITMENT,
            &derived,
            &layer::commitment_info(DATA, OTHER),
        ),
        plain(
            "layer::key_info",
            c::LAYER_KEY,
            &derived,
            &layer::key_info(DATA, OTHER),
        ),
        plain(
            "transcript::challenge_reply_input",
            c::CHALLENGE_REPLY,
            &reply,
            &transcript::challenge_reply_input(&DIGEST.0, &RECIPIENT, OTHER),
        ),
        part(Part::Control, "control", true),
        part(Part::Control, "control", false),
        part(Part::Material, "material", true),
        part(Part::Material, "material", false),
        plain(
            "SessionInfo::hpke_info",
            c::SESSION,
            &[Bytes(&encoded)],
            &info.hpke_info(),
        ),
        plain(
            "session::opening_signed",
            c::SESSION_OPEN,
            &[Bytes(DATA), Bytes(OTHER)],
            &session::opening_signed(DATA, OTHER),
        ),
        plain(
            "session::request_key_exporter",
            c::SESSION_REQUEST_KEY,
            &[],
            &session::request_key_exporter(),
        ),
        plain(
            "session::answer_key_exporter",
            c::SESSION_ANSWER_KEY,
            &[],
            &session::answer_key_exporter(),
        ),
        plain(
            "session::accept_aad",
            c::SESSION_ACCEPT,
            &[Bytes(&GROUP.0), Bytes(&enc_hash)],
            &session::accept_aad(&GROUP, OTHER),
        ),
        plain(
            "session::ticket_aad",
            c::TICKET,
            &[Bytes(&GROUP.0)],
            &session::ticket_aad(&GROUP),
        ),
        plain(
            "session::request_aad",
            c::REQUEST,
            &[Bytes(&DIGEST.0), Bytes(&GROUP.0)],
            &session::request_aad(&GROUP, &DIGEST),
        ),
        plain(
            "session::answer_aad",
            c::ANSWER,
            &answer,
            &session::answer_aad(&GROUP, &DIGEST, OTHER),
        ),
        plain(
            "status::query_info",
            c::QUERY_SEAL,
            &[Bytes(&RECIPIENT.0)],
            &status::query_info(&RECIPIENT),
        ),
        plain(
            "status::answer_info",
            c::ANSWER_SEAL,
            &[Bytes(&enc_hash)],
            &status::answer_info(OTHER),
        ),
        plain(
            "group::share_to_officer_info",
            c::SHARE_TO_OFFICER,
            &[Bytes(&GROUP.0), Uint(2)],
            &group::share_to_officer_info(&GROUP, 2),
        ),
        plain(
            "group::share_to_enclave_info",
            c::SHARE_TO_ENCLAVE,
            &[Bytes(&GROUP.0), Uint(2), Bytes(&THUMBPRINT.0)],
            &group::share_to_enclave_info(&GROUP, 2, &THUMBPRINT),
        ),
    ]
}

/// The Sig_structure of RFC 9052 section 4.4 for both algorithms.
fn to_be_signed() -> Vec<Value> {
    let entry = |algorithm: i8, context: &str| {
        json!({
            "algorithm": algorithm,
            "context": context,
            "payload": hex::encode(DATA),
            "bytes": hex::encode(CoseSign1::to_be_signed(algorithm, context, DATA)),
        })
    };
    vec![
        entry(-8, c::STATEMENT),
        entry(-7, c::STATEMENT),
        entry(-8, c::RECEIPT),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_wire::id::hash;

    #[test]
    fn the_general_hash_is_the_hash_of_the_list() {
        let items = [Item::Bytes(DATA)];
        assert_eq!(
            hash(c::KEY_ID, &items),
            sha256(&context_list(c::KEY_ID, &items))
        );
    }
}
