//! A validator's answer about a provider key: by the pinned key, to this question, and "current" (PRF-25).

use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::id::{Nonce, RecipientId};
use cofferdam_wire::validator::{KeyStatus, ValidatorAnswer};
use cofferdam_wire::{cbor, context, limits};

use crate::crypto::signing::verify_sign1;
use crate::transport::CallError;

/// Why a validator's answer does not confirm a key. Silence is one of the reasons.
#[derive(Debug, thiserror::Error)]
pub enum ValidatorError {
    /// Nobody asked it: the proof was verified without the way to ask.
    #[error("it was not asked")]
    NotAsked,
    /// No answer.
    #[error("{0}")]
    Call(#[from] CallError),
    /// Not an answer.
    #[error("its answer is not well formed")]
    Malformed,
    /// Not signed by the key in the trust file.
    #[error("its answer is not signed by the key that the trust file pins")]
    Signature,
    /// An answer to another question.
    #[error("its answer is to another question")]
    Question,
    /// Not from now, or valid for too long.
    #[error("its answer is not of now")]
    Time,
    /// It knows better.
    #[error("it says that this key is {0}")]
    Status(KeyStatus),
}

/// Verifies an answer to the question (`nonce`, `key`) as of `now_s`.
pub(super) fn verify_answer(
    answer: &[u8],
    validator: &PublicKey,
    nonce: &Nonce,
    key: &RecipientId,
    now_s: u64,
) -> Result<(), ValidatorError> {
    let malformed = |_| ValidatorError::Malformed;
    let signed = CoseSign1::from_bytes(answer, limits::VALIDATOR_ANSWER).map_err(malformed)?;
    let payload = verify_sign1(validator, context::VALIDATOR_ANSWER, &signed)
        .map_err(|_| ValidatorError::Signature)?;
    let answer: ValidatorAnswer =
        cbor::decode(payload, limits::VALIDATOR_ANSWER).map_err(malformed)?;
    if answer.version != 1 {
        return Err(ValidatorError::Malformed);
    }
    if answer.nonce != *nonce || answer.key != *key {
        return Err(ValidatorError::Question);
    }
    let is_of_now = answer.issued_s.abs_diff(now_s) <= limits::CREATED_SKEW_S
        && answer.valid_for_s <= limits::VALIDATOR_ANSWER_LIFETIME_S
        && now_s < answer.issued_s.saturating_add(answer.valid_for_s);
    if !is_of_now {
        return Err(ValidatorError::Time);
    }
    match answer.status {
        KeyStatus::Current => Ok(()),
        status => Err(ValidatorError::Status(status)),
    }
}
