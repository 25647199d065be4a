//! Opening a session (docs/protocol/session.md): an app proves itself and its grants, and gets a ticket.

use crate::crypto::signature::verify_sign1;
use crate::crypto::{hpke, xaes};
use crate::identity::Session;
use crate::io::Entropy;
use crate::ticket;
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::id::GroupId;
use cofferdam_wire::session::{
    Audience, Grant, SessionAccepted, SessionOpen, SessionPlain, accept_aad, answer_key_exporter,
    grant_id, opening_signed, request_key_exporter,
};
use cofferdam_wire::{Code, cbor, context, limits};
use std::sync::Arc;
use zeroize::Zeroizing;

/// An opening for the pool.
pub(crate) struct OpenTask {
    opening: SessionOpen,
    encoded: Vec<u8>,
    session: Arc<Session>,
    group: GroupId,
    now_ms: u64,
    ticket_nonce: [u8; xaes::NONCE],
    accept_nonce: [u8; xaes::NONCE],
}

impl OpenTask {
    /// Shapes and names, before any cryptography; `find` gives the session key.
    pub(crate) fn parse(
        body: Vec<u8>,
        group: &GroupId,
        now_ms: u64,
        entropy: &mut dyn Entropy,
        find: impl FnOnce(&SessionOpen) -> Option<Arc<Session>>,
    ) -> Result<Self, Code> {
        // OPN-1
        let opening: SessionOpen = cbor::decode(&body, limits::SESSION_OPEN)?;
        // OPN-2
        if opening.info.group != *group {
            return Err(Code::WrongGroup);
        }
        // OPN-3
        let session = find(&opening).ok_or(Code::UnknownRecipient)?;
        let (mut ticket_nonce, mut accept_nonce) = ([0; xaes::NONCE], [0; xaes::NONCE]);
        entropy.fill(&mut ticket_nonce);
        entropy.fill(&mut accept_nonce);
        Ok(Self {
            opening,
            encoded: body,
            session,
            group: *group,
            now_ms,
            ticket_nonce,
            accept_nonce,
        })
    }

    /// Opens, verifies and accepts.
    pub(crate) fn run(self) -> Result<Vec<u8>, Code> {
        let SessionOpen {
            info,
            enc,
            ciphertext,
        } = &self.opening;
        let hpke_info = info.hpke_info();
        // OPN-4
        let encapsulated = enc.as_slice().try_into().map_err(|_| Code::UnwrapFailed)?;
        let receiver = hpke::setup_receiver(&self.session.private, encapsulated, &hpke_info)
            .map_err(|_| Code::UnwrapFailed)?;
        let keys = (
            receiver.export(&request_key_exporter()),
            receiver.export(&answer_key_exporter()),
        );
        let opened = receiver
            .open(&[], ciphertext)
            .map_err(|_| Code::UnwrapFailed)?;
        let plain: SessionPlain = cbor::decode(opened.expose(), limits::SESSION_OPEN)?;
        // OPN-5
        if plain.app.thumbprint() != info.app {
            return Err(Code::SessionRefused);
        }
        // OPN-6
        let signature = CoseSign1::from_bytes(&plain.signature, limits::SESSION_OPEN)?;
        if signature.payload != opening_signed(&hpke_info, enc)
            || !verify_sign1(&plain.app, context::SESSION_OPEN, &signature)
        {
            return Err(Code::SessionRefused);
        }
        // OPN-7
        let named = plain.grants.iter().map(|grant| grant_id(&grant.0));
        if !(1..=limits::GRANTS_PER_SESSION).contains(&plain.grants.len())
            || !named.eq(info.grants.iter().copied())
        {
            return Err(Code::SessionRefused);
        }
        let now_s = self.now_ms / 1000;
        let audience = Audience::App(info.app);
        let grants = plain
            .grants
            .iter()
            .map(|grant| verify_grant(&grant.0, &self.group, &audience, now_s))
            .collect::<Result<Vec<Grant>, Code>>()?;
        let first_end_s = grants
            .iter()
            .map(|grant| grant.not_after_s)
            .min()
            .unwrap_or(now_s);
        let not_after_s = first_end_s.min(now_s + limits::TICKET_LIFETIME_S);
        let ticket = ticket::seal(
            &self.session,
            &self.group,
            info.app,
            (&keys.0, &keys.1),
            not_after_s,
            grants,
            &self.ticket_nonce,
        )
        .map_err(|_| Code::Internal)?;
        if ticket.len() > limits::TICKET {
            return Err(Code::TooLarge);
        }
        let accepted = Zeroizing::new(cbor::encode(&SessionAccepted {
            now_ms: self.now_ms,
            ticket,
            not_after_s,
        }));
        let answer_key = xaes::Key::new(&keys.1).map_err(|_| Code::Internal)?;
        answer_key
            .seal_with_nonce(
                &self.accept_nonce,
                &accept_aad(&self.group, &self.encoded),
                &accepted,
            )
            .map_err(|_| Code::Internal)
    }
}

/// Verifies a grant for use in this group, by this audience, at this time.
pub(crate) fn verify_grant(
    signed: &[u8],
    group: &GroupId,
    audience: &Audience,
    now_s: u64,
) -> Result<Grant, Code> {
    // OPN-8
    let signed = CoseSign1::from_bytes(signed, limits::GRANT)?;
    let grant: Grant = cbor::decode(&signed.payload, limits::GRANT)?;
    // OPN-9
    if !verify_sign1(&grant.owner, context::GRANT, &signed) {
        return Err(Code::BadSignature);
    }
    // OPN-10
    if grant.group != *group {
        return Err(Code::WrongGroup);
    }
    // OPN-11
    if grant.audience != *audience {
        return Err(Code::SessionRefused);
    }
    // OPN-12
    if now_s < grant.not_before_s || now_s > grant.not_after_s {
        return Err(Code::GrantExpired);
    }
    // OPN-13
    let ascending = grant.actions.is_sorted_by(|a, b| a < b);
    if grant.version != 1
        || !ascending
        || grant.keys.len() > limits::KEYS_PER_GRANT
        || !(1..=limits::PARTITION_NAME).contains(&grant.partition.len())
    {
        return Err(Code::Malformed);
    }
    Ok(grant)
}
