//! Reading what a service says: certificates, sealed answers, pushes.
//!
//! Nothing here believes the courier. An answer opens only with this instance's setup key, for the one query it names;
//! its signer is certified, for now, by the status root that the key's owner put into R.

use crate::crypto::secret::Secret32;
use crate::crypto::signature::{verify, verify_sign1};
use crate::crypto::{hpke, xwing};
use crate::lease::Answered;
use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::id::{Digest, Nonce};
use cofferdam_wire::layer::unpad;
use cofferdam_wire::status::{
    AnswerItem, AnswerPlain, SealedAnswer, SignedPush, Status, StatusAnswer, StatusCertificate,
    StatusPurpose, StatusPush,
};
use cofferdam_wire::{cbor, context, limits};
use zeroize::Zeroizing;

/// The answer's plaintext is padded to multiples of this.
pub(super) const ANSWER_STEP: usize = 512;
/// A signed push.
const PUSH: usize = 256;
/// A certificate may begin this much later than the enclave's clock says; its end is exact.
const BEGIN_SKEW_S: u64 = limits::SKEW_MAX_S as u64;

/// What an answer has to fit.
pub(super) struct Asked {
    pub(super) query: Digest,
    pub(super) info: Vec<u8>,
    pub(super) nonce: Nonce,
    pub(super) items: usize,
}

/// Why something was refused, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("not the expected structure")]
    Malformed,
    #[error("the certificate is not one by the status root for this purpose and time")]
    Certificate,
    #[error("not sealed to this instance for this query")]
    Sealed,
    #[error("the signature does not verify")]
    Signature,
    #[error("the answer to another query")]
    Query,
    #[error("{actual} items where {expected} were asked about")]
    Items { expected: usize, actual: usize },
}

/// Verifies a certificate by a status root.
pub(super) fn certified(
    root: &PublicKey,
    bytes: &[u8],
    purpose: StatusPurpose,
    attested_ms: u64,
) -> Result<StatusCertificate, Refused> {
    let signed =
        CoseSign1::from_bytes(bytes, limits::STATUS_CERTIFICATE).map_err(|_| Refused::Malformed)?;
    // STA-1
    if !verify_sign1(root, context::STATUS_CERTIFICATE, &signed) {
        return Err(Refused::Certificate);
    }
    let certificate: StatusCertificate = cbor::decode(&signed.payload, limits::STATUS_CERTIFICATE)
        .map_err(|_| Refused::Malformed)?;
    if certificate.purpose != purpose {
        return Err(Refused::Certificate);
    }
    // STA-2: a stolen status key is of use for a week at most (T-51).
    let StatusCertificate {
        not_before_s,
        not_after_s,
        ..
    } = certificate;
    let lifetime_s = not_after_s
        .checked_sub(not_before_s)
        .ok_or(Refused::Certificate)?;
    let now_s = attested_ms / 1000;
    let has_begun = not_before_s <= now_s.saturating_add(BEGIN_SKEW_S);
    if lifetime_s > limits::STATUS_CERTIFICATE_LIFETIME_S || !has_begun || now_s >= not_after_s {
        return Err(Refused::Certificate);
    }
    Ok(certificate)
}

/// The key that a certificate allows to sign answers.
fn signer(root: &PublicKey, certificate: &[u8], attested_ms: u64) -> Result<PublicKey, Refused> {
    let certificate = certified(root, certificate, StatusPurpose::Answers, attested_ms)?;
    PublicKey::from_cose(&certificate.key).map_err(|_| Refused::Malformed)
}

/// Opens and verifies an answer, whole or not at all: what it says of each item by position, with a release only ever
/// beside "good".
pub(super) fn open(
    reply: &[u8],
    asked: &Asked,
    root: &PublicKey,
    setup: &xwing::PrivateKey,
    attested_ms: u64,
) -> Result<Vec<(Answered, Option<Secret32>)>, Refused> {
    let sealed: SealedAnswer =
        cbor::decode(reply, limits::STATUS_ANSWER).map_err(|_| Refused::Malformed)?;
    let enc: &[u8; xwing::ENC] = sealed.enc[..].try_into().map_err(|_| Refused::Malformed)?;
    // STA-6: only this instance can read it, and only as the reply to this sealed query (T-78).
    let plaintext = hpke::setup_receiver(setup, enc, &asked.info)
        .and_then(|receiver| receiver.open(&[], &sealed.ciphertext))
        .map_err(|_| Refused::Sealed)?;
    let plain = unpad(plaintext.expose(), ANSWER_STEP).ok_or(Refused::Malformed)?;
    let plain: AnswerPlain<'_> =
        cbor::decode(plain, limits::STATUS_ANSWER).map_err(|_| Refused::Malformed)?;

    // STA-7: the signer counts for this root, which is that of every key in the query (T-68).
    let signer = signer(root, plain.certificate, attested_ms)?;
    let signed = CoseSign1::from_bytes(plain.answer, limits::STATUS_ANSWER)
        .map_err(|_| Refused::Malformed)?;
    let CoseSign1 {
        algorithm,
        payload,
        signature,
    } = signed;
    // The payload holds release secrets, so neither it nor the copy that is verified outlives this function.
    let payload = Zeroizing::new(payload);
    let to_be_signed = Zeroizing::new(CoseSign1::to_be_signed(
        algorithm,
        context::STATUS_ANSWER,
        &payload,
    ));
    if algorithm != signer.algorithm() || !verify(&signer, &to_be_signed, &signature) {
        return Err(Refused::Signature);
    }
    let answer: StatusAnswer<'_> =
        cbor::decode(&payload, limits::STATUS_ANSWER).map_err(|_| Refused::Malformed)?;
    // STA-8
    if answer.query != asked.query || answer.nonce != asked.nonce {
        return Err(Refused::Query);
    }
    // STA-9
    if answer.items.len() != asked.items {
        return Err(Refused::Items {
            expected: asked.items,
            actual: answer.items.len(),
        });
    }
    let answered = |item: &AnswerItem<'_>| Answered {
        nonce: answer.nonce,
        status: item.status,
        sequence: item.sequence,
        grant_epoch: item.grant_epoch,
        issued_at_ms: answer.issued_at_ms,
        valid_for_s: answer.valid_for_s,
    };
    let release = |item: &AnswerItem<'_>| {
        // STA-10: a secret of another length is none, and nothing but "good" opens anything.
        let release = item.release.filter(|_| item.status == Status::Good)?;
        Secret32::from_slice(release)
    };
    Ok(answer
        .items
        .iter()
        .map(|item| (answered(item), release(item)))
        .collect())
}

/// A push whose signature was not looked at yet.
pub(super) struct Pushed<'a> {
    pushed: &'a SignedPush,
    signed: CoseSign1,
    unverified: StatusPush,
}

impl<'a> Pushed<'a> {
    pub(super) fn parse(pushed: &'a SignedPush) -> Result<Self, Refused> {
        let signed = CoseSign1::from_bytes(&pushed.push, PUSH).map_err(|_| Refused::Malformed)?;
        let unverified = cbor::decode(&signed.payload, PUSH).map_err(|_| Refused::Malformed)?;
        Ok(Self {
            pushed,
            signed,
            unverified,
        })
    }

    /// Whom it says it is about.
    pub(super) fn handle(&self) -> cofferdam_wire::id::Handle {
        self.unverified.handle
    }

    /// What it says, if a signer under this root says it.
    pub(super) fn verify(
        &self,
        root: &PublicKey,
        attested_ms: u64,
    ) -> Result<&StatusPush, Refused> {
        // STA-12
        let signer = signer(root, &self.pushed.certificate, attested_ms)?;
        if !verify_sign1(&signer, context::STATUS_PUSH, &self.signed) {
            return Err(Refused::Signature);
        }
        Ok(&self.unverified)
    }
}
