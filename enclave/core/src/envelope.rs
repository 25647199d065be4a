//! The way back of an answer: to whom, and under which seal.

use crate::crypto::xaes;
use crate::io::Port;
use crate::ticket::OpenTicket;
use cofferdam_wire::id::GroupId;
use cofferdam_wire::operation::Outcome;
use cofferdam_wire::session::{Answer, answer_aad};
use cofferdam_wire::{Code, cbor};
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// A frame that waits for its reply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplyTo {
    /// Connection.
    pub(crate) port: Port,
    /// Id of the frame.
    pub(crate) id: u64,
}

/// How an answer travels.
pub(crate) struct Envelope {
    /// Where to.
    pub(crate) to: ReplyTo,
    seal: Option<Seal>,
}

struct Seal {
    ticket: Arc<OpenTicket>,
    aad: Vec<u8>,
}

impl Envelope {
    /// For an app's sealed request: the answer names it (T-26).
    pub(crate) fn sealed(
        to: ReplyTo,
        ticket: Arc<OpenTicket>,
        group: &GroupId,
        request: &[u8],
    ) -> Self {
        let aad = answer_aad(group, &ticket.hash, request);
        Self {
            to,
            seal: Some(Seal { ticket, aad }),
        }
    }

    /// For the provider plane: the answer is in clear.
    pub(crate) fn plain(to: ReplyTo) -> Self {
        Self { to, seal: None }
    }

    /// Encodes and seals an answer, and erases what it held.
    pub(crate) fn close(
        &self,
        mut answer: Answer,
        nonce: &[u8; xaes::NONCE],
    ) -> Result<Vec<u8>, Code> {
        let encoded = Zeroizing::new(cbor::encode(&answer));
        if let Answer::Done(Outcome::Bytes(bytes)) = &mut answer {
            bytes.zeroize();
        }
        match &self.seal {
            None => Ok(encoded.to_vec()),
            Some(Seal { ticket, aad }) => ticket
                .answer
                .seal_with_nonce(nonce, aad, &encoded)
                .map_err(|_| Code::Internal),
        }
    }
}
