//! The whole import, in the one order that leaves nothing half done (DESIGN: P2, P7).
//!
//! prove -> challenge -> wrap -> register (pending) -> save -> send -> compare the receipt -> activate. Until "save" nothing
//! exists but pending registrations, which the services forget by themselves. From "save" on every step can be repeated:
//! the bytes sent are the same, so the key is the same; and only a receipt that confirms every field activates the key, so
//! a provider that lies or stops anywhere leaves a key that no revocation service speaks for.

mod store;

use cofferdam_wire::id::KeyId;
use cofferdam_wire::import::ReceiptBundle;
use cofferdam_wire::{Code, cbor, limits};

pub use store::{ImportStore, Stage, StoreError, StoredImport};

use crate::crypto::signing::SigningKey;
use crate::keyfile::Material;
use crate::receipt::{Confirmed, ReceiptError, VerifiedReceipt};
use crate::revocation::Registrar;
use crate::session::{SessionError, now_s, prove};
use crate::transport::{CallError, Parent};
use crate::verify::{PossessionError, Suites, Verifier};
use crate::wrap::{KeyOrder, WrapError, wrap};

/// Where an import is, for people who wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Fetching and verifying the proof.
    Proving,
    /// Challenging both keys.
    Challenging,
    /// Sealing.
    Wrapping,
    /// Registering at a service.
    Registering(String),
    /// The sealed import is on disk; from here on it can be resumed under this id.
    Saved(KeyId),
    /// Sending.
    Sending,
    /// Comparing the receipt.
    Comparing,
    /// Activating at a service.
    Activating(String),
}

/// Why an import did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The proof was refused, or could not be fetched.
    #[error(transparent)]
    Proof(#[from] SessionError),
    /// A key's possession was not proven.
    #[error(transparent)]
    Possession(#[from] PossessionError),
    /// The order is refused.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The key names a service that this machine has no credential for.
    #[error(
        "the key is to be revoked at {0}, and no such revocation service with a registrar token is configured"
    )]
    NoRegistrar(String),
    /// Registering failed; nothing was saved or sent.
    #[error("the key could not be registered at {host}, so nothing was sent: {reason}")]
    Register {
        /// The service.
        host: String,
        /// What happened.
        reason: CallError,
    },
    /// The state directory failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sending failed in a way that can be tried again with the same bytes.
    #[error(
        "the sealed import {key} was not confirmed: {reason}; try again with: coffer key resume {key}"
    )]
    Send {
        /// The key.
        key: KeyId,
        /// What happened.
        reason: CallError,
    },
    /// The enclave refuses these bytes for good; they were deleted here and the registrations end by themselves.
    #[error("the import was refused for good: {} ({}, code {})", .0.sentence(), .0.slug(), .0.number())]
    Refused(Code),
    /// The receipt does not confirm the import; the key stays inactive.
    #[error("{reason}; the key {key} was not activated")]
    Receipt {
        /// The key.
        key: KeyId,
        /// Which field or signature.
        reason: ReceiptError,
    },
    /// Activating failed; it can be tried again.
    #[error(
        "the key {key} is stored and confirmed, but {host} did not activate it: {reason}; try again with: coffer key resume {key}"
    )]
    Activate {
        /// The key.
        key: KeyId,
        /// The service.
        host: String,
        /// What happened.
        reason: CallError,
    },
}

/// Imports keys of one customer into one group.
pub struct Importer<'a, P, R> {
    /// The provider's parent.
    pub parent: &'a P,
    /// Whom the customer believes.
    pub verifier: &'a Verifier,
    /// Where sealed imports are saved.
    pub store: &'a ImportStore,
    /// The revocation services that this machine may register at.
    pub registrars: &'a [R],
    /// Is told each step.
    pub progress: &'a (dyn Fn(Step) + Send + Sync),
}

impl<P: Parent, R: Registrar> Importer<'_, P, R> {
    /// Imports a new key.
    pub async fn import(
        &self,
        material: &Material,
        order: &KeyOrder,
        suites: Suites,
        owner: &SigningKey,
    ) -> Result<Confirmed, ImportError> {
        let services = order
            .revocation
            .iter()
            .flat_map(|revocation| &revocation.services);
        for service in services {
            self.registrar(&service.host)?;
        }
        (self.progress)(Step::Proving);
        let proven = prove(self.parent, self.verifier).await?;
        (self.progress)(Step::Challenging);
        let keys = proven.prove_possession(suites, self.parent).await?;
        (self.progress)(Step::Wrapping);
        let wrapped = wrap(keys, material, order, owner, now_s()?)?;
        for registration in &wrapped.registrations {
            let host = registration.host.clone();
            (self.progress)(Step::Registering(host.clone()));
            let registered = self.registrar(&host)?.register(registration).await;
            registered.map_err(|reason| ImportError::Register { host, reason })?;
        }
        let key = wrapped.import.key();
        self.store.save(&wrapped.import)?;
        (self.progress)(Step::Saved(key));
        self.finish(key).await
    }

    /// Goes on with a saved import, from wherever it was left. A finished one is confirmed again and changes nothing.
    pub async fn finish(&self, key: KeyId) -> Result<Confirmed, ImportError> {
        let stored = self.store.load(&key)?;
        let bundle = match stored.receipt {
            Some(bundle) => bundle,
            None => {
                (self.progress)(Step::Sending);
                self.send(key, stored.sealed.request()).await?
            }
        };
        (self.progress)(Step::Comparing);
        let expected = stored.sealed.expected();
        let counted = |_: &KeyId| Some(&expected.vendor_statement[..]);
        let confirmed = VerifiedReceipt::verify(self.verifier.trust(), &bundle, counted)
            .and_then(|receipt| receipt.confirm(expected))
            .map_err(|reason| ImportError::Receipt { key, reason })?;
        self.store.note_receipt(&key, &bundle)?;
        if stored.stage < Stage::Active {
            for service in stored.sealed.services() {
                let host = service.host.clone();
                (self.progress)(Step::Activating(host.clone()));
                let activated = self.registrar(&host)?.activate(&service.handle).await;
                activated.map_err(|reason| ImportError::Activate { key, host, reason })?;
            }
            self.store.note_active(&key)?;
        }
        Ok(confirmed)
    }

    async fn send(&self, key: KeyId, request: &[u8]) -> Result<ReceiptBundle, ImportError> {
        let reply = match self.parent.import(request.to_vec()).await {
            Ok(reply) => reply,
            Err(reason) => {
                if let CallError::Refused { code, .. } = reason
                    && is_for_good(code)
                {
                    self.store.forget(&key)?;
                    return Err(ImportError::Refused(code));
                }
                return Err(ImportError::Send { key, reason });
            }
        };
        let limit =
            limits::RECEIPT + limits::BINDING + limits::EVIDENCE + limits::VENDOR_STATEMENT + 64;
        cbor::decode(&reply, limit).map_err(|_| ImportError::Receipt {
            key,
            reason: ReceiptError::Malformed("receipt bundle"),
        })
    }

    fn registrar(&self, host: &str) -> Result<&R, ImportError> {
        let found = self
            .registrars
            .iter()
            .find(|registrar| registrar.host() == host);
        found.ok_or_else(|| ImportError::NoRegistrar(host.to_owned()))
    }
}

/// Whether the same bytes can never be accepted later. A provider that says so wrongly gains a key without activation.
fn is_for_good(code: Code) -> bool {
    matches!(
        code,
        Code::Malformed
            | Code::TooLarge
            | Code::UnsupportedVersion
            | Code::UnsupportedSuite
            | Code::UnknownRecipient
            | Code::UnwrapFailed
            | Code::HeaderExpired
            | Code::WrongGroup
            | Code::BadSignature
            | Code::UsageRefused
            | Code::WeakKey
            | Code::OutOfRange
    )
}
