//! Proof of possession of a TEE key: a challenge is opened under its own context, and the reply is a MAC, never the
//! opened bytes (T-65).

use crate::crypto::kdf;
use crate::crypto::secret::Secret32;
use crate::identity::Tee;
use cofferdam_wire::layer::{self, Layer};
use cofferdam_wire::transcript::{ChallengePlain, challenge_reply_input};
use cofferdam_wire::{Code, cbor, context, limits};
use std::sync::Arc;

/// A challenge for the pool.
pub(crate) struct ChallengeTask {
    layer: Layer,
    encoded: Vec<u8>,
    tee: Arc<Tee>,
}

impl ChallengeTask {
    /// Reads a challenge; `find` gives the TEE key that it names.
    pub(crate) fn parse(
        body: Vec<u8>,
        find: impl FnOnce(&Layer) -> Option<Arc<Tee>>,
    ) -> Result<Self, Code> {
        let layer: Layer = cbor::decode(&body, limits::LAYER)?;
        let tee = find(&layer).ok_or(Code::UnknownRecipient)?;
        Ok(Self {
            layer,
            encoded: body,
            tee,
        })
    }

    /// Opens it and replies.
    pub(crate) fn run(self) -> Result<Vec<u8>, Code> {
        if self.layer.suite != self.tee.recipient.suite() {
            return Err(Code::UnsupportedSuite);
        }
        let info = layer::info(context::CHALLENGE, &self.tee.id.0);
        let opened = self
            .tee
            .recipient
            .open(&self.layer, &info, &[])
            .map_err(|_| Code::UnwrapFailed)?;
        let plain: ChallengePlain<'_> =
            cbor::decode(opened.expose(), 128).map_err(|_| Code::UnwrapFailed)?;
        let secret = Secret32::from_slice(plain.secret).ok_or(Code::UnwrapFailed)?;
        if plain.transcript.len() != 32 {
            return Err(Code::UnwrapFailed);
        }
        let input = challenge_reply_input(plain.transcript, &self.tee.id, &self.encoded);
        Ok(kdf::mac(&secret, &input).to_vec())
    }
}
