//! Tickets: what an enclave needs to serve an app again, sealed for enclaves of the group and carried by the app.

use crate::crypto::secret::Secret32;
use crate::crypto::{Failed, xaes};
use crate::identity::Session;
use cofferdam_wire::id::{Digest, GroupId, Thumbprint};
use cofferdam_wire::session::{Grant, TicketPlain, grant_id, ticket_aad, ticket_hash};
use cofferdam_wire::{Code, cbor, limits};
use std::collections::HashMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Tickets kept open. They are small; a miss costs one opening more.
const KEPT: usize = 4096;

/// An opened ticket: keys and verified grants.
pub(crate) struct OpenTicket {
    /// Names the ticket in additional data.
    pub(crate) hash: Digest,
    /// Opens requests.
    pub(crate) request: xaes::Key,
    /// Seals answers.
    pub(crate) answer: xaes::Key,
    /// Unix seconds.
    pub(crate) not_after_s: u64,
    /// As their owners signed them.
    pub(crate) grants: Vec<Grant>,
}

/// Seals a ticket.
pub(crate) fn seal(
    session: &Session,
    group: &GroupId,
    app: Thumbprint,
    keys: (&Secret32, &Secret32),
    not_after_s: u64,
    grants: Vec<Grant>,
    nonce: &[u8; xaes::NONCE],
) -> Result<Vec<u8>, Failed> {
    let (request_key, answer_key) = (keys.0.expose(), keys.1.expose());
    let plain = Zeroizing::new(cbor::encode(&TicketPlain {
        app,
        request_key,
        answer_key,
        not_after_s,
        grants,
    }));
    session
        .tickets
        .seal_with_nonce(nonce, &ticket_aad(group), &plain)
}

fn open(session: &Session, group: &GroupId, ticket: &[u8], hash: Digest) -> Option<OpenTicket> {
    let opened = session
        .tickets
        .open_with_nonce(&ticket_aad(group), ticket)
        .ok()?;
    let plain: TicketPlain<'_> = cbor::decode(opened.expose(), limits::TICKET).ok()?;
    let key = |bytes| xaes::Key::new(&Secret32::from_slice(bytes)?).ok();
    Some(OpenTicket {
        hash,
        request: key(plain.request_key)?,
        answer: key(plain.answer_key)?,
        not_after_s: plain.not_after_s,
        grants: plain.grants,
    })
}

/// Opened tickets, so that the next request of a session costs a look-up.
#[derive(Default)]
pub(crate) struct Tickets {
    kept: HashMap<Digest, Arc<OpenTicket>>,
    provider: HashMap<Digest, Grant>,
}

impl Tickets {
    /// Opens a ticket under one of the held keys; one error for forged, foreign and too old.
    pub(crate) fn open(
        &mut self,
        sessions: &[Arc<Session>],
        group: &GroupId,
        ticket: &[u8],
        now_s: u64,
    ) -> Result<Arc<OpenTicket>, Code> {
        if ticket.len() > limits::TICKET {
            return Err(Code::TooLarge);
        }
        let hash = ticket_hash(ticket);
        let open = match self.kept.get(&hash) {
            Some(open) => open.clone(),
            None => {
                let opened = sessions
                    .iter()
                    .find_map(|session| open(session, group, ticket, hash));
                let open = Arc::new(opened.ok_or(Code::SessionRefused)?);
                if self.kept.len() >= KEPT {
                    self.kept.clear();
                }
                self.kept.insert(hash, open.clone());
                open
            }
        };
        if now_s > open.not_after_s {
            self.kept.remove(&hash);
            return Err(Code::SessionRefused);
        }
        Ok(open)
    }

    /// A grant of the provider plane, verified once; its times are looked at again with every request.
    pub(crate) fn provider_grant(
        &mut self,
        signed: &[u8],
        verify: impl FnOnce(&[u8]) -> Result<Grant, Code>,
    ) -> Result<Grant, Code> {
        let id = grant_id(signed);
        if let Some(grant) = self.provider.get(&id) {
            return Ok(grant.clone());
        }
        let grant = verify(signed)?;
        if self.provider.len() >= KEPT {
            self.provider.clear();
        }
        self.provider.insert(id, grant.clone());
        Ok(grant)
    }

    /// The keys that opened these have changed.
    pub(crate) fn forget(&mut self) {
        self.kept.clear();
    }
}
