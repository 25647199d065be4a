//! The instance's own Evidence: made at most an hour ago, over the Binding as it is now.

use cofferdam_wire::binding;
use std::sync::Arc;

/// Made again after this, so that what is sent along is never an hour old.
const RENEW_AFTER_MS: u64 = 45 * 60 * 1000;
/// Asked again after this if the NSM did not answer.
const RETRY_AFTER_MS: u64 = 5_000;

/// A Binding and the Evidence over it, to be passed on.
#[derive(Clone)]
pub(crate) struct BoundEvidence {
    /// Encoded Binding.
    pub(crate) binding: Arc<Vec<u8>>,
    /// Attestation document.
    pub(crate) evidence: Arc<Vec<u8>>,
}

/// What there is of both.
#[derive(Default)]
pub(crate) struct OwnEvidence {
    binding: Option<Arc<Vec<u8>>>,
    document: Option<(Arc<Vec<u8>>, u64)>,
    asked_ms: Option<u64>,
}

impl OwnEvidence {
    /// The Binding changed: the Evidence over the old one is void.
    pub(crate) fn rebind(&mut self, binding: Vec<u8>) {
        *self = Self {
            binding: Some(Arc::new(binding)),
            document: None,
            asked_ms: None,
        };
    }

    /// The current Binding.
    pub(crate) fn binding(&self) -> Option<&Arc<Vec<u8>>> {
        self.binding.as_ref()
    }

    /// user_data of the current Binding.
    pub(crate) fn user_data(&self) -> Option<[u8; 48]> {
        self.binding.as_ref().map(|bytes| binding::user_data(bytes))
    }

    /// Whether the NSM should be asked now; notes that it is.
    pub(crate) fn ask(&mut self, attested_ms: u64, monotonic_ms: u64) -> bool {
        let is_fresh = self
            .document
            .as_ref()
            .is_some_and(|(_, made_ms)| attested_ms < made_ms + RENEW_AFTER_MS);
        let is_asked = self
            .asked_ms
            .is_some_and(|asked_ms| monotonic_ms < asked_ms + RETRY_AFTER_MS);
        let ask = self.binding.is_some() && !is_fresh && !is_asked;
        if ask {
            self.asked_ms = Some(monotonic_ms);
        }
        ask
    }

    /// The NSM answered for the Binding with this user_data.
    pub(crate) fn made(&mut self, user_data: &[u8; 48], document: Vec<u8>, attested_ms: u64) {
        if self.user_data().as_ref() == Some(user_data) {
            self.document = Some((Arc::new(document), attested_ms));
            self.asked_ms = None;
        }
    }

    /// Binding and Evidence, once there are both.
    pub(crate) fn pair(&self) -> Option<BoundEvidence> {
        Some(BoundEvidence {
            binding: self.binding.clone()?,
            evidence: self.document.as_ref()?.0.clone(),
        })
    }

    /// The same, borrowed.
    pub(crate) fn pair_ref(&self) -> Option<(&[u8], &[u8])> {
        Some((
            self.binding.as_ref()?.as_slice(),
            self.document.as_ref()?.0.as_slice(),
        ))
    }
}
