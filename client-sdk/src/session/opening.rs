//! The seal of a session, without I/O: opening, acceptance, requests, answers. Formulas: `docs/protocol/session.md`.
//!
//! Both keys of a session come out of the one encapsulation to the session key of a verified Binding, so only the enclave
//! has them. Every message has 24 random bytes for a nonce; there are no counters, so retries and parallel use are free.

use cofferdam_wire::id::{Digest, GroupId, RequestId};
use cofferdam_wire::operation::Operation;
use cofferdam_wire::session::{
    Answer, Request, SealedRequest, SessionAccepted, SessionInfo, SessionOpen, SessionPlain,
    SignedGrant, accept_aad, answer_aad, answer_key_exporter, grant_id, opening_signed,
    request_aad, request_key_exporter, ticket_hash,
};
use cofferdam_wire::{cbor, context, limits};

use super::SessionError;
use crate::crypto::secret::Secret32;
use crate::crypto::signing::SigningKey;
use crate::crypto::{hpke, random, xaes};
use crate::verify::Proven;

/// An opening that was sent and not yet accepted.
pub struct Opening {
    group: GroupId,
    body: Vec<u8>,
    request_key: Secret32,
    answer_key: Secret32,
}

/// An accepted session: the ticket to show, and the keys of both directions.
pub struct Opened {
    group: GroupId,
    ticket: Vec<u8>,
    ticket_hash: Digest,
    request_key: Secret32,
    answer_key: Secret32,
    accepted_ms: u64,
    not_after_s: u64,
}

/// A request on its way; it alone can open its answer (T-26).
pub struct SealedCall<'a> {
    session: &'a Opened,
    body: Vec<u8>,
}

impl Opening {
    /// Opens to the session key that the proof vouches for.
    pub fn new(
        proven: &Proven,
        grants: &[SignedGrant],
        app: &SigningKey,
    ) -> Result<Self, SessionError> {
        if !(1..=limits::GRANTS_PER_SESSION).contains(&grants.len()) {
            return Err(SessionError::Grants(grants.len()));
        }
        let binding = proven.binding();
        let info = SessionInfo {
            group: binding.group,
            session_key: binding.session.id(),
            app: app.public().thumbprint(),
            grants: grants.iter().map(|grant| grant_id(&grant.0)).collect(),
        };
        let hpke_info = info.hpke_info();
        let (enc, sender) = hpke::setup_sender(&binding.session.public, &hpke_info)
            .map_err(SessionError::SessionKey)?;
        let signature = app
            .sign1(context::SESSION_OPEN, opening_signed(&hpke_info, &enc))
            .to_bytes();
        let plain = SessionPlain {
            app: app.public(),
            grants: grants.to_vec(),
            signature,
        };
        let request_key = sender.export(&request_key_exporter());
        let answer_key = sender.export(&answer_key_exporter());
        let ciphertext = sender
            .seal(b"", &cbor::encode(&plain))
            .map_err(SessionError::SessionKey)?;
        let body = cbor::encode(&SessionOpen {
            info,
            enc,
            ciphertext,
        });
        Ok(Self {
            group: binding.group,
            body,
            request_key,
            answer_key,
        })
    }

    /// Body of `POST /v1/sessions`.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// SES-1: takes the sealed acceptance of exactly this opening, and of nothing else.
    pub fn accept(self, sealed: &[u8]) -> Result<Opened, SessionError> {
        let aad = accept_aad(&self.group, &self.body);
        let plain =
            xaes::open_with_leading_nonce(&self.answer_key, &aad, sealed).map_err(|_| {
                SessionError::Foreign {
                    check: "SES-1",
                    what: "acceptance",
                }
            })?;
        let accepted: SessionAccepted =
            cbor::decode(&plain, limits::TICKET + 64).map_err(|_| SessionError::Foreign {
                check: "SES-1",
                what: "acceptance",
            })?;
        if accepted.ticket.len() > limits::TICKET {
            return Err(SessionError::Foreign {
                check: "SES-1",
                what: "acceptance",
            });
        }
        Ok(Opened {
            group: self.group,
            ticket_hash: ticket_hash(&accepted.ticket),
            ticket: accepted.ticket,
            request_key: self.request_key,
            answer_key: self.answer_key,
            accepted_ms: accepted.now_ms,
            not_after_s: accepted.not_after_s,
        })
    }
}

impl Opened {
    /// The enclave's time when it accepted, Unix milliseconds.
    pub fn accepted_ms(&self) -> u64 {
        self.accepted_ms
    }

    /// The ticket ends then, Unix seconds of the enclave's time.
    pub fn not_after_s(&self) -> u64 {
        self.not_after_s
    }

    /// Seals one request under a new id.
    pub fn seal(
        &self,
        operation: &Operation,
        deadline_ms: u64,
    ) -> Result<SealedCall<'_>, SessionError> {
        let request = Request {
            id: RequestId(random::array()),
            deadline_ms,
            operation: operation.clone(),
        };
        let plain = zeroize::Zeroizing::new(cbor::encode(&request));
        let aad = request_aad(&self.group, &self.ticket_hash);
        let sealed =
            xaes::seal_with_random_nonce(&self.request_key, &aad, &plain).map_err(|_| {
                SessionError::TooLarge {
                    what: "data",
                    limit: limits::OPERATION_DATA,
                }
            })?;
        let body = cbor::encode(&SealedRequest {
            ticket: self.ticket.clone(),
            sealed,
        });
        if body.len() > limits::SEALED_REQUEST {
            return Err(SessionError::TooLarge {
                what: "data",
                limit: limits::OPERATION_DATA,
            });
        }
        Ok(SealedCall {
            session: self,
            body,
        })
    }
}

impl SealedCall<'_> {
    /// Body of `POST /v1/requests` or of a stream's frame.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// SES-2: opens the answer to this request, and to no other (T-25, T-26).
    pub fn open(&self, sealed: &[u8]) -> Result<Answer, SessionError> {
        let foreign = || SessionError::Foreign {
            check: "SES-2",
            what: "answer",
        };
        let session = self.session;
        let aad = answer_aad(&session.group, &session.ticket_hash, &self.body);
        let plain = xaes::open_with_leading_nonce(&session.answer_key, &aad, sealed)
            .map_err(|_| foreign())?;
        cbor::decode(&plain, limits::FRAME).map_err(|_| foreign())
    }
}
