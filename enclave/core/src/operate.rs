//! One operation with an open key, and the seal around its answer.

use crate::crypto::keys::{CustomerKey, Input as KeyInput, OperationError};
use crate::crypto::xaes;
use crate::envelope::Envelope;
use crate::lease::Turn;
use cofferdam_wire::id::KeyId;
use cofferdam_wire::kind::HashAlgorithm;
use cofferdam_wire::operation::{Input, Operation, Outcome};
use cofferdam_wire::session::Answer;
use cofferdam_wire::{Code, limits};
use std::sync::Arc;
use zeroize::Zeroize;

/// What allowed an operation, to be looked at again when its result leaves.
#[derive(Clone, Copy)]
pub(crate) struct Claim {
    /// The key.
    pub(crate) key: KeyId,
    /// Which load of it; a result of an earlier load does not leave.
    pub(crate) load: u64,
    /// Which operations of a key in per-operation mode this one belongs to.
    pub(crate) turn: Turn,
    /// Attested Unix milliseconds.
    pub(crate) deadline_ms: u64,
    /// End of the grant, Unix seconds.
    pub(crate) grant_end_s: u64,
    /// Epoch of the grant.
    pub(crate) grant_epoch: u64,
}

/// The key that an operation may use. Only [`crate::serve`] makes one, after grant, policy and lease were checked.
pub(crate) struct Usable {
    /// What allows it.
    pub(crate) claim: Claim,
    /// The key.
    pub(crate) key: Arc<CustomerKey>,
}

/// An operation for the pool.
pub(crate) struct OperateTask {
    /// Where the answer goes.
    pub(crate) envelope: Envelope,
    /// What to do.
    pub(crate) operation: Operation,
    /// With which key; `None` for keyless operations.
    pub(crate) usable: Option<Usable>,
    /// Seals the answer.
    pub(crate) nonce: [u8; xaes::NONCE],
}

/// A computed answer that has not left.
pub(crate) struct Operated {
    /// Where it goes.
    pub(crate) envelope: Envelope,
    /// What allowed it; `None` for keyless operations.
    pub(crate) claim: Option<Claim>,
    /// Sealed answer.
    pub(crate) answer: Result<Vec<u8>, Code>,
}

impl OperateTask {
    /// Computes and seals.
    pub(crate) fn run(self) -> Operated {
        let OperateTask {
            envelope,
            mut operation,
            usable,
            nonce,
        } = self;
        let outcome = match &usable {
            Some(usable) => with_key(&usable.key, &operation),
            None => without_key(&operation),
        };
        if let Operation::Encrypt { data, .. } = &mut operation {
            data.zeroize();
        }
        let answer = envelope.close(outcome.map_or_else(Answer::Refused, Answer::Done), &nonce);
        Operated {
            envelope,
            claim: usable.map(|usable| usable.claim),
            answer,
        }
    }
}

fn with_key(key: &CustomerKey, operation: &Operation) -> Result<Outcome, Code> {
    match operation {
        Operation::Sign {
            algorithm, input, ..
        } => key
            .sign(*algorithm, key_input(input))
            .map(Outcome::Bytes)
            .map_err(code),
        Operation::Verify {
            algorithm,
            input,
            signature,
            ..
        } => key
            .verify(*algorithm, key_input(input), signature)
            .map(Outcome::Verdict)
            .map_err(code),
        Operation::Encrypt {
            algorithm,
            aad,
            data,
            ..
        } => key
            .encrypt(*algorithm, aad, data)
            .map(Outcome::Bytes)
            .map_err(code),
        Operation::Decrypt {
            algorithm,
            aad,
            data,
            ..
        } => key
            .decrypt(*algorithm, aad, data)
            .map(|plain| Outcome::Bytes(plain.expose().to_vec()))
            .map_err(code),
        Operation::Mac {
            algorithm, data, ..
        } => key.mac(*algorithm, data).map(Outcome::Bytes).map_err(code),
        Operation::VerifyMac {
            algorithm,
            data,
            tag,
            ..
        } => key
            .verify(*algorithm, KeyInput::Message(data), tag)
            .map(Outcome::Verdict)
            .map_err(code),
        Operation::PublicKey { .. } => key
            .public_cose()
            .map(Outcome::Bytes)
            .ok_or(Code::UsageRefused),
        Operation::Describe { .. }
        | Operation::Destroy { .. }
        | Operation::Hash { .. }
        | Operation::Random { .. } => Err(Code::Internal),
    }
}

fn without_key(operation: &Operation) -> Result<Outcome, Code> {
    match operation {
        Operation::Hash { algorithm, data } => {
            let algorithm = match algorithm {
                HashAlgorithm::Sha256 => &aws_lc_rs::digest::SHA256,
                HashAlgorithm::Sha384 => &aws_lc_rs::digest::SHA384,
                HashAlgorithm::Sha512 => &aws_lc_rs::digest::SHA512,
            };
            Ok(Outcome::Bytes(
                aws_lc_rs::digest::digest(algorithm, data).as_ref().to_vec(),
            ))
        }
        Operation::Random { count } => {
            let count = usize::from(*count);
            if !(1..=limits::RANDOM).contains(&count) {
                return Err(Code::OutOfRange);
            }
            let mut bytes = vec![0; count];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Code::Internal)?;
            Ok(Outcome::Bytes(bytes))
        }
        _ => Err(Code::Internal),
    }
}

fn key_input(input: &Input) -> KeyInput<'_> {
    match input {
        Input::Message(message) => KeyInput::Message(message),
        Input::Digest(digest) => KeyInput::Digest(digest),
    }
}

fn code(error: OperationError) -> Code {
    match error {
        OperationError::Unsuitable => Code::UsageRefused,
        OperationError::InputLength => Code::OutOfRange,
        OperationError::Failed(_) => Code::OperationFailed,
    }
}

/// Bytes of data that an operation carries.
pub(crate) fn data_len(operation: &Operation) -> usize {
    match operation {
        Operation::Sign { input, .. } | Operation::Verify { input, .. } => match input {
            Input::Message(bytes) | Input::Digest(bytes) => bytes.len(),
        },
        Operation::Encrypt { data, .. }
        | Operation::Decrypt { data, .. }
        | Operation::Mac { data, .. }
        | Operation::VerifyMac { data, .. }
        | Operation::Hash { data, .. } => data.len(),
        _ => 0,
    }
}

/// Whether the data of an operation is within what one operation may carry.
pub(crate) fn is_within_limits(operation: &Operation) -> bool {
    let aad = match operation {
        Operation::Encrypt { aad, .. } | Operation::Decrypt { aad, .. } => aad.len(),
        _ => 0,
    };
    // A ciphertext is longer than its plaintext by nonce and tag.
    data_len(operation) <= limits::OPERATION_DATA + 64 && aad <= limits::ADDITIONAL_DATA
}
