//! Possession: both keys that a wrap will use are live in somebody's hands (PRF-18, PRF-19).
//!
//! A challenge seals 32 random bytes and T to a key, under a context of its own; the reply is an HMAC under these bytes,
//! never the opened bytes, so nobody can have an import opened as a challenge (T-65). Provider and enclave are asked
//! separately, and T in both ties them to the one proof.

use cofferdam_wire::binding::TeeKey;
use cofferdam_wire::id::RecipientId;
use cofferdam_wire::kind::Suite;
use cofferdam_wire::transcript::{ChallengePlain, ProviderKey, challenge_reply_input};
use cofferdam_wire::{cbor, context};
use zeroize::Zeroizing;

use super::Proven;
use crate::crypto::kdf;
use crate::crypto::secret::Secret32;
use crate::layer::{self, SealError};
use crate::transport::{CallError, Parent};

/// The suites of the two layers. The customer chooses; nothing that a provider says changes it (T-35).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suites {
    /// Of the inner layer, to the TEE key.
    pub vendor: Suite,
    /// Of the outer layer, to the provider key.
    pub provider: Suite,
}

impl Suites {
    /// The same suite for both layers.
    pub fn both(suite: Suite) -> Self {
        Self {
            vendor: suite,
            provider: suite,
        }
    }
}

impl Default for Suites {
    fn default() -> Self {
        Self::both(Suite::XWing)
    }
}

/// Why possession was not proven.
#[derive(Debug, thiserror::Error)]
pub enum PossessionError {
    /// The trust file's floor excludes the suite.
    #[error(
        "suite {0} is below the floor that `suites` in the trust file sets; nothing was sealed"
    )]
    BelowFloor(Suite),
    /// No key of the suite is offered (any more). Another suite is not tried.
    #[error(
        "{side} offers no current key of suite {suite}; ask for another suite only if you accept its terms"
    )]
    NotOffered {
        /// Who should have offered one.
        side: &'static str,
        /// The suite asked for.
        suite: Suite,
    },
    /// The key that was offered cannot be sealed to.
    #[error("the key that {side} offers cannot be sealed to: {reason}")]
    Key {
        /// Whose key.
        side: &'static str,
        /// What is wrong with it.
        reason: SealError,
    },
    /// The challenge was not answered.
    #[error("{side} did not answer the challenge: {reason}")]
    Call {
        /// Who was asked.
        side: &'static str,
        /// What happened.
        reason: CallError,
    },
    /// PRF-18 or PRF-19: the answer is wrong.
    #[error("{check}: {side} does not hold the private key that it offers")]
    WrongReply {
        /// PRF-18 for the provider key, PRF-19 for the TEE key.
        check: &'static str,
        /// Whose key.
        side: &'static str,
    },
}

/// The proof, and the two keys whose possession was proven. [`crate::wrap::wrap`] takes nothing else.
pub struct ProvenKeys {
    proven: Proven,
    vendor: TeeKey,
    provider: ProviderKey,
}

const PROVIDER: &str = "the provider";
const ENCLAVE: &str = "the enclave";

impl Proven {
    /// Challenges the provider key and the TEE key of these suites.
    pub async fn prove_possession(
        self,
        suites: Suites,
        parent: &impl Parent,
    ) -> Result<ProvenKeys, PossessionError> {
        for suite in [suites.vendor, suites.provider] {
            if !self.suites.contains(&suite) {
                return Err(PossessionError::BelowFloor(suite));
            }
        }
        let provider = self
            .provider_keys
            .iter()
            .find(|key| key.suite == suites.provider)
            .cloned();
        let provider = provider.ok_or(PossessionError::NotOffered {
            side: PROVIDER,
            suite: suites.provider,
        })?;
        let current =
            |key: &&TeeKey| key.suite == suites.vendor && key.not_after_s > self.verified_s;
        let vendor = self
            .binding()
            .tee
            .iter()
            .filter(current)
            .max_by_key(|key| key.not_after_s)
            .cloned();
        let vendor = vendor.ok_or(PossessionError::NotOffered {
            side: ENCLAVE,
            suite: suites.vendor,
        })?;

        let provider_challenge = Challenge {
            check: "PRF-18",
            side: PROVIDER,
            suite: provider.suite,
            public: &provider.public,
        };
        provider_challenge
            .pass(&self, &provider.id(), parent)
            .await?;
        let vendor_challenge = Challenge {
            check: "PRF-19",
            side: ENCLAVE,
            suite: vendor.suite,
            public: &vendor.public,
        };
        vendor_challenge.pass(&self, &vendor.id(), parent).await?;
        Ok(ProvenKeys {
            proven: self,
            vendor,
            provider,
        })
    }
}

impl ProvenKeys {
    /// The proof that the keys belong to.
    pub fn proven(&self) -> &Proven {
        &self.proven
    }

    /// The TEE key.
    pub fn vendor(&self) -> &TeeKey {
        &self.vendor
    }

    /// The provider key.
    pub fn provider(&self) -> &ProviderKey {
        &self.provider
    }
}

struct Challenge<'a> {
    check: &'static str,
    side: &'static str,
    suite: Suite,
    public: &'a [u8],
}

impl Challenge<'_> {
    async fn pass(
        &self,
        proven: &Proven,
        id: &RecipientId,
        parent: &impl Parent,
    ) -> Result<(), PossessionError> {
        let side = self.side;
        let transcript = &proven.transcript().0;
        let secret = Secret32::random();
        let plain = Zeroizing::new(cbor::encode(&ChallengePlain {
            secret: secret.expose(),
            transcript,
        }));
        let challenge = layer::danger_seal(
            self.suite,
            self.public,
            context::CHALLENGE,
            &id.0,
            b"",
            &plain,
        )
        .map_err(|reason| PossessionError::Key { side, reason })?;
        let challenge = cbor::encode(&challenge);
        let expected = challenge_reply_input(transcript, id, &challenge);
        let reply = parent
            .challenge(challenge)
            .await
            .map_err(|reason| PossessionError::Call { side, reason })?;
        if kdf::hmac_sha256_matches(secret.expose(), &[&expected], &reply) {
            Ok(())
        } else {
            Err(PossessionError::WrongReply {
                check: self.check,
                side,
            })
        }
    }
}
