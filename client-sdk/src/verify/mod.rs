//! The Verifier of the customer: the one way to a [`Proven`], and through it to [`ProvenKeys`] (P2).
//!
//! ```text
//! FreshNonce -> GET /v1/evidence -> Verifier::verify -> Proven -> sessions
//!                                                         \-> prove_possession -> ProvenKeys -> wrap
//! ```
//!
//! Whom it trusts: the [`Trust`] that the customer wrote, the own clock, the own memory. Everything in the proof is the
//! provider's word until a check has spoken for it; the checks PRF-1 to PRF-17 stand in `docs/protocol/proof.md` and run
//! in the order that decides cheap things first. A failed proof changes nothing, also not in the memory.
//!
//! ```compile_fail
//! // There is no way to the keys but through a verified proof: its fields are private and it has no constructor.
//! let proven = cofferdam::verify::Proven { };
//! ```
//!
//! ```
//! // Keys whose possession was proven can be wrapped to ...
//! fn wrap_after_challenge(
//!     keys: cofferdam::verify::ProvenKeys,
//!     material: &cofferdam::keyfile::Material,
//!     order: &cofferdam::wrap::KeyOrder,
//!     owner: &cofferdam::crypto::signing::SigningKey,
//! ) {
//!     let _ = cofferdam::wrap::wrap(keys, material, order, owner, 0);
//! }
//! ```
//!
//! ```compile_fail
//! // ... and a verified proof alone is not enough: the live possession of both keys comes first.
//! fn wrap_without_challenge(
//!     proven: cofferdam::verify::Proven,
//!     material: &cofferdam::keyfile::Material,
//!     order: &cofferdam::wrap::KeyOrder,
//!     owner: &cofferdam::crypto::signing::SigningKey,
//! ) {
//!     let _ = cofferdam::wrap::wrap(proven, material, order, owner, 0);
//! }
//! ```

mod error;
mod genesis;
mod instance;
mod possession;
mod statement;

use cofferdam_wire::binding::Binding;
use cofferdam_wire::id::{Digest, GroupId, Nonce};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::transcript::{Proof, ProviderKey};
use cofferdam_wire::{cbor, limits};

pub use error::ProofError;
pub use genesis::Genesis;
pub use instance::{Instance, Moment};
pub use possession::{PossessionError, ProvenKeys, Suites};
pub use statement::verify_statement;

use crate::crypto::random;
use crate::known::Known;
use crate::trust::Trust;

/// A nonce that this process drew and nobody has seen. A verification takes it, so it is used once (T-03).
pub struct FreshNonce(Nonce);

impl FreshNonce {
    /// Draws one.
    pub fn draw() -> Self {
        Self(Nonce(random::array()))
    }

    /// To send with the question.
    pub fn as_nonce(&self) -> &Nonce {
        &self.0
    }
}

/// Verifies proofs for one customer.
pub struct Verifier {
    trust: Trust,
    known: Known,
}

/// A proof that passed PRF-1 to PRF-17. Enough to open a session; to wrap, see [`Proven::prove_possession`].
pub struct Proven {
    instance: Instance,
    genesis: Genesis,
    provider_keys: Vec<ProviderKey>,
    transcript: Digest,
    vendor_sequence: u64,
    verified_s: u64,
    suites: Vec<Suite>,
}

impl Verifier {
    /// A Verifier that believes `trust` and remembers in `known`.
    pub fn new(trust: Trust, known: Known) -> Self {
        Self { trust, known }
    }

    /// Whom it believes.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Verifies the body of `GET /v1/evidence`. `now_s` is the customer's clock, Unix seconds.
    pub fn verify(
        &self,
        proof: &[u8],
        nonce: FreshNonce,
        now_s: u64,
    ) -> Result<Proven, ProofError> {
        let trust = &self.trust;
        let proof: Proof =
            cbor::decode(proof, limits::PROOF).map_err(|_| ProofError::Malformed("bundle"))?;
        let moment = Moment::Fresh {
            nonce: &nonce.0,
            now_s,
        };
        let instance = Instance::verify(
            trust.root(),
            &proof.enclave.binding,
            &proof.enclave.evidence,
            moment,
        )?;
        let binding = instance.binding();

        let max_age_s = trust.vendor_statement_max_age_s();
        let statement =
            verify_statement(&proof.vendor_statement, trust.vendor(), now_s, max_age_s)?;
        let evidence_s = instance.evidence_s();
        if let Some(refused) = binding
            .measurements
            .iter()
            .find(|measurement| !trust.accepts(&statement, measurement, evidence_s))
        {
            return Err(ProofError::MeasurementRefused(Box::new(*refused)));
        }

        let genesis = Genesis::verify(trust.root(), &proof.enclave.genesis)?;
        if genesis.group() != binding.group {
            return Err(ProofError::GenesisGroup {
                made: genesis.group(),
                said: binding.group,
            });
        }
        if !trust.accepts(&statement, genesis.measurement(), genesis.evidence_s()) {
            return Err(ProofError::GenesisMeasurement(Box::new(
                *genesis.measurement(),
            )));
        }
        if genesis.body().escrow != binding.escrow {
            return Err(ProofError::GenesisBody(
                "it names another escrow mode than the binding",
            ));
        }

        let keys_fit = proof
            .provider_keys
            .iter()
            .all(|key| instance::is_of_suite(key.suite, &key.public));
        if !(1..=2 * Suite::ALL.len()).contains(&proof.provider_keys.len()) || !keys_fit {
            return Err(ProofError::ProviderKeys);
        }
        for key in &proof.provider_keys {
            if !statement.names_provider_key(&key.id()) {
                return Err(ProofError::ProviderKey(key.id()));
            }
        }

        self.remember(genesis.group(), statement.sequence)?;
        Ok(Proven {
            transcript: proof.transcript(&nonce.0, None),
            instance,
            genesis,
            provider_keys: proof.provider_keys,
            vendor_sequence: statement.sequence,
            verified_s: now_s,
            suites: Suite::ALL
                .iter()
                .copied()
                .filter(|suite| trust.admits(*suite))
                .collect(),
        })
    }

    /// PRF-10 and PRF-16, and what passed is noted. An explicit pin in the trust file decides over the memory.
    fn remember(&self, group: GroupId, sequence: u64) -> Result<(), ProofError> {
        let vendor = self.trust.vendor().thumbprint();
        self.known.consult(|glance| {
            if let Some(highest) = glance.vendor_sequence(&vendor)
                && sequence < highest
            {
                return Err(ProofError::VendorSequence {
                    got: sequence,
                    highest,
                });
            }
            let expected = self
                .trust
                .group()
                .or_else(|| glance.group(self.trust.name()));
            if let Some(expected) = expected
                && expected != group
            {
                return Err(ProofError::Group {
                    got: group,
                    expected,
                });
            }
            glance.note_vendor_sequence(&vendor, sequence);
            glance.note_group(self.trust.name(), group);
            Ok(())
        })
    }
}

impl Proven {
    /// What the Evidence vouches for.
    pub fn binding(&self) -> &Binding {
        self.instance.binding()
    }

    /// The instance that answered.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// The group, and how it was made.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The group's id.
    pub fn group(&self) -> GroupId {
        self.genesis.group()
    }

    /// The provider's keys, each of them in the vendor's table.
    pub fn provider_keys(&self) -> &[ProviderKey] {
        &self.provider_keys
    }

    /// T: the hash of all that was verified.
    pub fn transcript(&self) -> &Digest {
        &self.transcript
    }

    /// Sequence of the vendor statement.
    pub fn vendor_sequence(&self) -> u64 {
        self.vendor_sequence
    }

    /// The customer's clock at the verification, Unix seconds.
    pub fn verified_s(&self) -> u64 {
        self.verified_s
    }
}
