//! A revocation service in small. What it says can be altered at every step.

use super::*;
use crate::crypto::hpke;
use cofferdam_wire::context;
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::id::{Digest, Nonce, sha256};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::{pad, recipient_id, unpad};
use cofferdam_wire::status::{
    AnswerItem, AnswerPlain, SealedAnswer, SealedQuery, SignedPush, StatusAnswer,
    StatusCertificate, StatusKeys, StatusPurpose, StatusPush, StatusQuery, answer_info, query_info,
};
use std::collections::BTreeMap;

pub(super) struct Service {
    pub(super) host: String,
    pub(super) root: InstanceKey,
    pub(super) signer: InstanceKey,
    pub(super) receiver: xwing::PrivateKey,
    /// What it says of a token; "good" with sequence 1 if it is not here.
    pub(super) says: BTreeMap<[u8; 32], (Status, u64, u64)>,
    pub(super) valid_for_s: u32,
}

/// An answer before it is signed and sealed.
pub(super) struct Draft {
    pub(super) certificate: Vec<u8>,
    pub(super) query: Digest,
    pub(super) nonce: Nonce,
    pub(super) issued_at_ms: u64,
    pub(super) valid_for_s: u32,
    pub(super) items: Vec<(Status, u64, Option<Vec<u8>>, u64)>,
    pub(super) info: Vec<u8>,
    pub(super) to: [u8; xwing::PUBLIC],
}

impl Service {
    pub(super) fn new(host: &str) -> Self {
        Service {
            host: host.into(),
            root: InstanceKey::generate().unwrap(),
            signer: InstanceKey::generate().unwrap(),
            receiver: xwing::PrivateKey::generate().unwrap(),
            says: BTreeMap::new(),
            valid_for_s: 100_000,
        }
    }

    pub(super) fn say(&mut self, token: Token, status: Status, sequence: u64) {
        self.says.insert(token.0, (status, sequence, 0));
    }

    pub(super) fn release(token: &Token) -> [u8; 32] {
        sha256(&token.0).0
    }

    pub(super) fn certificate(
        &self,
        purpose: StatusPurpose,
        attested_ms: u64,
        alter: impl FnOnce(&mut StatusCertificate),
    ) -> Vec<u8> {
        let key = match purpose {
            StatusPurpose::Answers => self.signer.public().to_cose(),
            StatusPurpose::Queries => self.receiver.public().to_vec(),
        };
        let now_s = attested_ms / 1000;
        let mut certificate = StatusCertificate {
            purpose,
            key,
            not_before_s: now_s - 3_600,
            not_after_s: now_s + 24 * 3_600,
        };
        alter(&mut certificate);
        self.root
            .sign1(context::STATUS_CERTIFICATE, cbor::encode(&certificate))
            .unwrap()
            .to_bytes()
    }

    pub(super) fn status_keys(&self, attested_ms: u64) -> Vec<u8> {
        cbor::encode(&StatusKeys {
            answers: self.certificate(StatusPurpose::Answers, attested_ms, |_| ()),
            queries: self.certificate(StatusPurpose::Queries, attested_ms, |_| ()),
        })
    }

    /// Opens a query, as a service would before it looks at the signature.
    pub(super) fn open(&self, sealed: &[u8]) -> (SealedQuery, CoseSign1, StatusQuery) {
        let sealed: SealedQuery = cbor::decode(sealed, limits::STATUS_QUERY).unwrap();
        let id = recipient_id(Suite::XWing, self.receiver.public());
        let enc = sealed.enc[..].try_into().unwrap();
        let padded = hpke::setup_receiver(&self.receiver, enc, &query_info(&id))
            .and_then(|receiver| receiver.open(&[], &sealed.ciphertext))
            .unwrap();
        assert!(padded.expose().len() <= limits::STATUS_QUERY_PLAIN);
        let signed = unpad(padded.expose(), limits::STATUS_QUERY_STEP).unwrap();
        let signed = CoseSign1::from_bytes(signed, limits::STATUS_QUERY).unwrap();
        let query = cbor::decode(&signed.payload, limits::STATUS_QUERY).unwrap();
        (sealed, signed, query)
    }

    pub(super) fn draft(&self, sealed: &[u8], attested_ms: u64) -> Draft {
        let (_, _, query) = self.open(sealed);
        let item = |item: &QueryItem| {
            let (status, sequence, epoch) =
                self.says
                    .get(&item.token.0)
                    .copied()
                    .unwrap_or((Status::Good, 1, 0));
            let gives = item.wants_release && status == Status::Good;
            (
                status,
                sequence,
                gives.then(|| Self::release(&item.token).to_vec()),
                epoch,
            )
        };
        Draft {
            certificate: self.certificate(StatusPurpose::Answers, attested_ms, |_| ()),
            query: sha256(sealed),
            nonce: query.nonce,
            issued_at_ms: attested_ms,
            valid_for_s: self.valid_for_s,
            items: query.items.iter().map(item).collect(),
            info: answer_info(sealed),
            // In these tests the Binding is the setup key and nothing else.
            to: query.binding[..].try_into().unwrap(),
        }
    }

    pub(super) fn finish(&self, draft: &Draft) -> Vec<u8> {
        self.finish_signed_by(&self.signer, context::STATUS_ANSWER, draft)
    }

    pub(super) fn finish_signed_by(
        &self,
        signer: &InstanceKey,
        context: &str,
        draft: &Draft,
    ) -> Vec<u8> {
        let items = draft
            .items
            .iter()
            .map(|(status, sequence, release, grant_epoch)| AnswerItem {
                status: *status,
                sequence: *sequence,
                release: release.as_deref().map(Into::into),
                grant_epoch: *grant_epoch,
            });
        let answer = StatusAnswer {
            query: draft.query,
            nonce: draft.nonce,
            issued_at_ms: draft.issued_at_ms,
            valid_for_s: draft.valid_for_s,
            items: items.collect(),
        };
        let signed = signer
            .sign1(context, cbor::encode(&answer))
            .unwrap()
            .to_bytes();
        let plain = cbor::encode(&AnswerPlain {
            certificate: &draft.certificate,
            answer: &signed,
        });
        let (enc, sender) = hpke::setup_sender(&draft.to, &draft.info).unwrap();
        let ciphertext = sender.seal(&[], &pad(plain, answer::ANSWER_STEP)).unwrap();
        cbor::encode(&SealedAnswer {
            enc: enc.to_vec(),
            ciphertext,
        })
    }

    /// An honest answer.
    pub(super) fn answer(&self, sealed: &[u8], attested_ms: u64) -> Vec<u8> {
        self.finish(&self.draft(sealed, attested_ms))
    }

    pub(super) fn push(
        &self,
        token: &Token,
        status: Status,
        sequence: u64,
        attested_ms: u64,
    ) -> SignedPush {
        let push = StatusPush {
            handle: Handle::of(token),
            status,
            sequence,
            grant_epoch: 0,
        };
        SignedPush {
            certificate: self.certificate(StatusPurpose::Answers, attested_ms, |_| ()),
            push: self
                .signer
                .sign1(context::STATUS_PUSH, cbor::encode(&push))
                .unwrap()
                .to_bytes(),
        }
    }
}
