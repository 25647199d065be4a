//! A status query: signed by the instance, sealed to the service. Formulas: `docs/protocol/status.md`.

use super::Identity;
use super::answer::Asked;
use super::services::QueryKey;
use crate::crypto::{Failed, hpke};
use cofferdam_wire::id::{Nonce, sha256};
use cofferdam_wire::layer::pad;
use cofferdam_wire::status::{QueryItem, SealedQuery, StatusQuery, answer_info, query_info};
use cofferdam_wire::{cbor, context, limits};
use zeroize::Zeroizing;

/// Most bytes of one item: list, token, sequence, flag.
const ITEM: usize = 1 + 34 + 9 + 1;
/// Everything in a query but Binding, Evidence, genesis, `enc` and items: ids, lengths, signature, padding.
const REST: usize = 512;

/// How many items fit beside what every query of this instance carries.
pub(super) fn capacity(identity: &Identity<'_>) -> usize {
    // STA-4
    let carried = identity.binding.len() + identity.evidence.len() + identity.genesis.len();
    let room = limits::STATUS_QUERY_PLAIN.saturating_sub(carried + limits::XWING_ENC + REST);
    limits::STATUS_ITEMS.min(room / ITEM)
}

/// Signs and seals a query. Gives its bytes, and what its answer has to fit.
pub(super) fn seal(
    identity: &Identity<'_>,
    service: &QueryKey,
    nonce: Nonce,
    items: Vec<QueryItem>,
) -> Result<(Vec<u8>, Asked), Failed> {
    let (enc, sender) = hpke::setup_sender(&service.public, &query_info(&service.id))?;
    let items_asked = items.len();
    // STA-5: the signature covers the recipient and this one encapsulation, so the signed query is of no use when
    // sealed to anybody else (T-78).
    let query = StatusQuery {
        version: 1,
        group: identity.group,
        binding: identity.binding.to_vec(),
        evidence: identity.evidence.to_vec(),
        genesis: identity.genesis.to_vec(),
        nonce,
        service_key: service.id,
        enc: enc.to_vec(),
        items,
    };
    let signed = identity
        .instance
        .sign1(context::STATUS_QUERY, cbor::encode(&query))?
        .to_bytes();
    // STA-4: the size tells the provider the number of keys by steps only.
    let padded = Zeroizing::new(pad(signed, limits::STATUS_QUERY_STEP));
    if padded.len() > limits::STATUS_QUERY_PLAIN {
        return Err(Failed);
    }
    let ciphertext = sender.seal(&[], &padded)?;
    let sealed = cbor::encode(&SealedQuery {
        service_key: service.id,
        enc: query.enc,
        ciphertext,
    });
    let asked = Asked {
        query: sha256(&sealed),
        info: answer_info(&sealed),
        nonce,
        items: items_asked,
    };
    Ok((sealed, asked))
}
