//! A revocation service as the core sees it: it answers whatever the test set.

use cofferdam::crypto::hpke::{self, PrivateKey};
use cofferdam::crypto::signing::{SignatureKind, SigningKey, verify_sign1};
use cofferdam_wire::binding::Binding;
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::id::{Handle, RecipientId, Token};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::{pad, recipient_id, unpad};
use cofferdam_wire::status::{
    AnswerItem, AnswerPlain, SealedAnswer, SealedQuery, SignedPush, Status, StatusAnswer,
    StatusCertificate, StatusKeys, StatusPurpose, StatusPush, StatusQuery, answer_info, query_info,
};
use cofferdam_wire::{cbor, context, limits};
use std::collections::BTreeMap;

/// What the service says of one key.
#[derive(Clone)]
pub struct Registered {
    /// Status.
    pub status: Status,
    /// Sequence of that status.
    pub sequence: u64,
    /// Lowest grant epoch.
    pub grant_epoch: u64,
    /// Release secret.
    pub release: Vec<u8>,
}

/// The service.
pub struct Service {
    /// Certifies the two keys.
    pub root: SigningKey,
    status: SigningKey,
    queries: PrivateKey,
    /// By token.
    pub keys: BTreeMap<Token, Registered>,
    /// Caps interval and grace.
    pub valid_for_s: u32,
    /// Added to its clock.
    pub skew_ms: i64,
    /// Queries answered.
    pub answered: usize,
    /// The last query, opened.
    pub last: Option<StatusQuery>,
}

impl Service {
    /// A fresh one.
    pub fn new() -> Self {
        Self {
            root: SigningKey::generate(SignatureKind::Ed25519),
            status: SigningKey::generate(SignatureKind::Ed25519),
            queries: PrivateKey::generate(),
            keys: BTreeMap::new(),
            valid_for_s: u32::MAX,
            skew_ms: 0,
            answered: 0,
            last: None,
        }
    }

    /// Changes a key's status, as the service's own command would.
    pub fn set(&mut self, token: &Token, status: Status) {
        let key = self.keys.get_mut(token).unwrap();
        key.status = status;
        key.sequence += 1;
    }

    fn certificate(&self, purpose: StatusPurpose, key: Vec<u8>, now_s: u64) -> Vec<u8> {
        let not_after_s = now_s + limits::STATUS_CERTIFICATE_LIFETIME_S - 600;
        let certificate = StatusCertificate {
            purpose,
            key,
            not_before_s: now_s - 300,
            not_after_s,
        };
        self.root
            .sign1(context::STATUS_CERTIFICATE, cbor::encode(&certificate))
            .to_bytes()
    }

    /// Answer to `GET /v1/status-keys`.
    pub fn status_keys(&self, now_s: u64) -> Vec<u8> {
        cbor::encode(&StatusKeys {
            answers: self.certificate(
                StatusPurpose::Answers,
                self.status.public().to_cose(),
                now_s,
            ),
            queries: self.certificate(
                StatusPurpose::Queries,
                self.queries.public().to_vec(),
                now_s,
            ),
        })
    }

    /// Id of the key that queries are sealed to.
    pub fn query_key(&self) -> RecipientId {
        recipient_id(Suite::XWing, &self.queries.public())
    }

    /// Opens a query.
    pub fn open(&self, sealed: &[u8]) -> StatusQuery {
        let query: SealedQuery = cbor::decode(sealed, limits::STATUS_QUERY).unwrap();
        assert_eq!(query.service_key, self.query_key());
        let receiver =
            hpke::setup_receiver(&self.queries, &query.enc, &query_info(&query.service_key))
                .unwrap();
        let padded = receiver.open(&[], &query.ciphertext).unwrap();
        assert_eq!(padded.len() % limits::STATUS_QUERY_STEP, 0);
        let signed = CoseSign1::from_bytes(
            unpad(&padded, limits::STATUS_QUERY_STEP).unwrap(),
            limits::STATUS_QUERY_PLAIN,
        )
        .unwrap();
        let opened: StatusQuery =
            cbor::decode(&signed.payload, limits::STATUS_QUERY_PLAIN).unwrap();
        let binding: Binding = cbor::decode(&opened.binding, limits::BINDING).unwrap();
        verify_sign1(&binding.instance, context::STATUS_QUERY, &signed).unwrap();
        assert_eq!(opened.enc, query.enc);
        assert_eq!(opened.service_key, query.service_key);
        opened
    }

    /// Answer to `POST /v1/status`.
    pub fn answer(&mut self, sealed: &[u8], now_ms: u64) -> Vec<u8> {
        let query = self.open(sealed);
        let binding: Binding = cbor::decode(&query.binding, limits::BINDING).unwrap();
        let items = query
            .items
            .iter()
            .map(|item| match self.keys.get(&item.token) {
                None => AnswerItem {
                    status: Status::None,
                    sequence: 0,
                    release: None,
                    grant_epoch: 0,
                },
                Some(key) => AnswerItem {
                    status: key.status,
                    sequence: key.sequence,
                    release: (item.wants_release && key.status == Status::Good)
                        .then_some(key.release.as_slice().into()),
                    grant_epoch: key.grant_epoch,
                },
            })
            .collect();
        let answer = self.sealed_answer(&query, sealed, items, now_ms, &binding.setup);
        self.answered += 1;
        self.last = Some(query);
        answer
    }

    /// Signs and seals an answer with these items to this setup key.
    pub fn sealed_answer(
        &self,
        query: &StatusQuery,
        sealed: &[u8],
        items: Vec<AnswerItem<'_>>,
        now_ms: u64,
        setup: &[u8],
    ) -> Vec<u8> {
        let now_ms = now_ms.saturating_add_signed(self.skew_ms);
        let answer = StatusAnswer {
            query: cofferdam_wire::id::sha256(sealed),
            nonce: query.nonce,
            issued_at_ms: now_ms,
            valid_for_s: self.valid_for_s,
            items,
        };
        let signed = self
            .status
            .sign1(context::STATUS_ANSWER, cbor::encode(&answer))
            .to_bytes();
        let certificate = self.certificate(
            StatusPurpose::Answers,
            self.status.public().to_cose(),
            now_ms / 1000,
        );
        let plain = cbor::encode(&AnswerPlain {
            certificate: &certificate,
            answer: &signed,
        });
        let (enc, sender) = hpke::setup_sender(setup, &answer_info(sealed)).unwrap();
        let ciphertext = sender.seal(&[], &pad(plain, 512)).unwrap();
        cbor::encode(&SealedAnswer { enc, ciphertext })
    }

    /// A push about a key, by its present state.
    pub fn push(&self, token: &Token, now_s: u64) -> Vec<u8> {
        let key = &self.keys[token];
        let push = StatusPush {
            handle: Handle::of(token),
            status: key.status,
            sequence: key.sequence,
            grant_epoch: key.grant_epoch,
        };
        cbor::encode(&SignedPush {
            certificate: self.certificate(
                StatusPurpose::Answers,
                self.status.public().to_cose(),
                now_s,
            ),
            push: self
                .status
                .sign1(context::STATUS_PUSH, cbor::encode(&push))
                .to_bytes(),
        })
    }
}

impl Default for Service {
    fn default() -> Self {
        Self::new()
    }
}
