//! The Verifier of the customer: the one way to a [`Proven`], and through it to [`ProvenKeys`] (P2).
//!
//! ```text
//! FreshNonce -> GET /v1/evidence -> Verifier::verify -> Proven -> sessions
//!                                                         \-> prove_possession -> ProvenKeys -> wrap
//! ```
//!
//! Whom it trusts: the [`Trust`] that the customer wrote, the own clock, the own memory. Everything in the proof is the
//! provider's word until a check has spoken for it; the checks PRF-1 to PRF-17 and PRF-20 to PRF-26 stand in
//! `docs/protocol/proof.md` and run in the order that decides cheap things first. A failed proof changes nothing, but that the vendor's statement was seen
//! (PRF-10): what it withdraws stays withdrawn.
//!
//! There is no way to the keys but through a verified proof: its fields are private and it has no constructor.
//!
//! ```compile_fail,E0451
//! fn forge(group: cofferdam::verify::Genesis, proven: cofferdam::verify::Proven) -> cofferdam::verify::Proven {
//!     cofferdam::verify::Proven { genesis: group, ..proven }
//! }
//! ```
//!
//! ```compile_fail,E0451
//! fn forge(keys: cofferdam::verify::ProvenKeys, tee: cofferdam_wire::binding::TeeKey) -> cofferdam::verify::ProvenKeys {
//!     cofferdam::verify::ProvenKeys { vendor: tee, ..keys }
//! }
//! ```
//!
//! Keys whose possession was proven can be wrapped to; a verified proof alone is not enough, the live possession of both
//! keys comes first.
//!
//! ```
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
//! ```compile_fail,E0308
//! fn wrap_without_challenge(
//!     proven: cofferdam::verify::Proven,
//!     material: &cofferdam::keyfile::Material,
//!     order: &cofferdam::wrap::KeyOrder,
//!     owner: &cofferdam::crypto::signing::SigningKey,
//! ) {
//!     let _ = cofferdam::wrap::wrap(proven, material, order, owner, 0);
//! }
//! ```

mod consult;
mod error;
mod genesis;
mod instance;
mod possession;
mod statement;
mod validator;

use cofferdam_wire::binding::Binding;
use cofferdam_wire::id::{Digest, GroupId, Nonce};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::transcript::{Proof, ProviderKey};
use cofferdam_wire::vendor::VendorStatement;
use cofferdam_wire::{cbor, limits};

pub use consult::Consulted;
pub use error::ProofError;
pub use genesis::Genesis;
pub use instance::{Instance, Moment};
pub use possession::{PossessionError, ProvenKeys, Suites};
pub use statement::verify_statement;
pub use validator::ValidatorError;

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

/// A proof that passed PRF-1 to PRF-17 and PRF-20 to PRF-26. Enough to open a session; to wrap, see [`Proven::prove_possession`].
pub struct Proven {
    instance: Instance,
    genesis: Genesis,
    provider: String,
    provider_keys: Vec<ProviderKey>,
    transcript: Digest,
    vendor_sequence: u64,
    vendor_statement: Vec<u8>,
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

    /// Asks those whom the trust file names beside the provider about a proof: the vendor at its own address, validators.
    pub async fn consult(&self, proof: &[u8]) -> Consulted {
        Consulted::about(&self.trust, proof).await
    }

    /// Verifies the body of `GET /v1/evidence` and what [`Verifier::consult`] heard about it, which is used up: answers
    /// about one proof are none about the next. `now_s` is the customer's clock, Unix seconds.
    pub fn verify(
        &self,
        proof: &[u8],
        nonce: FreshNonce,
        consulted: Consulted,
        now_s: u64,
    ) -> Result<Proven, ProofError> {
        let trust = &self.trust;
        let mut proof: Proof =
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
        let (statement, counted) =
            statement::choose(&proof.vendor_statement, &consulted, trust, now_s)?;
        self.note_statement(statement.sequence)?;
        // T speaks of what was verified.
        proof.vendor_statement = counted.to_vec();
        self.judge_images(&instance, &statement)?;
        let genesis = self.judge_genesis(&proof.enclave.genesis, &instance, &statement)?;
        let provider = judge_provider(&proof.provider_keys, &instance, &statement, trust)?;
        self.hear_validators(&proof.provider_keys, &consulted, now_s)?;
        self.note_group(genesis.group())?;
        Ok(Proven {
            transcript: proof.transcript(&nonce.0, None),
            instance,
            genesis,
            provider,
            provider_keys: proof.provider_keys,
            vendor_sequence: statement.sequence,
            vendor_statement: proof.vendor_statement,
            verified_s: now_s,
            suites: Suite::ALL
                .iter()
                .copied()
                .filter(|suite| trust.admits(*suite))
                .collect(),
        })
    }

    /// PRF-11 and PRF-20: every image that may hold the group's keys, and the one that answered.
    fn judge_images(
        &self,
        instance: &Instance,
        statement: &VendorStatement,
    ) -> Result<(), ProofError> {
        let mut admitted = instance.binding().measurements.iter();
        let evidence_s = instance.evidence_s();
        let refused = admitted.find(|image| !self.trust.accepts(statement, image, evidence_s));
        if let Some(refused) = refused {
            return Err(ProofError::MeasurementRefused(Box::new(*refused)));
        }
        if statement.signer_fits(&instance.shown()) {
            Ok(())
        } else {
            let evidence = "evidence";
            Err(ProofError::Signer { evidence })
        }
    }

    /// PRF-12 to PRF-15, PRF-20 and PRF-21: how the group was made, and by what.
    fn judge_genesis(
        &self,
        record: &[u8],
        instance: &Instance,
        statement: &VendorStatement,
    ) -> Result<Genesis, ProofError> {
        let (trust, binding) = (&self.trust, instance.binding());
        let genesis = Genesis::verify(trust.root(), record)?;
        if genesis.group() != binding.group {
            return Err(ProofError::GenesisGroup {
                made: genesis.group(),
                said: binding.group,
            });
        }
        let maker = genesis.measurement();
        if !trust.accepts(statement, maker, genesis.evidence_s()) {
            return Err(ProofError::GenesisMeasurement(Box::new(*maker)));
        }
        if !statement.signer_fits(&genesis.shown()) {
            let evidence = "genesis evidence";
            return Err(ProofError::Signer { evidence });
        }
        // An older image does not ask this itself, so whoever lets it in has to: officers verify with this code too.
        let mut admitted = binding.measurements.iter();
        if let Some(older) = admitted.find(|image| !statement.may_follow(image, maker)) {
            return Err(ProofError::OlderImage(Box::new(*older)));
        }
        if genesis.body().escrow != binding.escrow {
            return Err(ProofError::GenesisBody(
                "it names another escrow mode than the binding",
            ));
        }
        Ok(genesis)
    }

    /// PRF-25: each validator of the trust file says "current" of each key offered; silence is a no.
    fn hear_validators(
        &self,
        keys: &[ProviderKey],
        consulted: &Consulted,
        now_s: u64,
    ) -> Result<(), ProofError> {
        for (place, validator) in self.trust.validators().iter().enumerate() {
            for key in keys.iter().map(ProviderKey::id) {
                let mut answers = consulted.answers.iter();
                let heard = answers.find(|heard| heard.validator == place && heard.key == key);
                let confirmed = match heard {
                    None => Err(ValidatorError::NotAsked),
                    Some(heard) => match &heard.answer {
                        Err(error) => Err(error.clone().into()),
                        Ok(answer) => validator::verify_answer(
                            answer,
                            &validator.key,
                            &heard.nonce,
                            &key,
                            now_s,
                        ),
                    },
                };
                confirmed.map_err(|reason| ProofError::Validator {
                    url: validator.url.to_string(),
                    key,
                    reason: Box::new(reason),
                })?;
            }
        }
        Ok(())
    }

    /// PRF-10, noted before anything is judged by the statement: one that withdraws an image refuses this proof, and must
    /// still be remembered when an older one comes next (T-66). The vendor signed it and it is current, so noting it can
    /// only raise what is wanted later.
    fn note_statement(&self, sequence: u64) -> Result<(), ProofError> {
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
            glance.note_vendor_sequence(&vendor, sequence);
            Ok(())
        })
    }

    /// PRF-16, and a group that passed is noted. An explicit pin in the trust file decides over the memory.
    fn note_group(&self, group: GroupId) -> Result<(), ProofError> {
        self.known.consult(|glance| {
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
            glance.note_group(self.trust.name(), group);
            Ok(())
        })
    }
}

/// PRF-17, PRF-22, PRF-23 and PRF-26: the keys offered are those of one provider, the pinned one if one is pinned, on a
/// machine of which the enclave runs. Its name.
fn judge_provider(
    keys: &[ProviderKey],
    instance: &Instance,
    statement: &VendorStatement,
    trust: &Trust,
) -> Result<String, ProofError> {
    let keys_fit = keys
        .iter()
        .all(|key| instance::is_of_suite(key.suite, &key.public));
    if !(1..=2 * Suite::ALL.len()).contains(&keys.len()) || !keys_fit {
        return Err(ProofError::ProviderKeys);
    }
    let ids: Vec<_> = keys.iter().map(ProviderKey::id).collect();
    if let Some(unnamed) = ids.iter().find(|id| !statement.names_provider_key(id)) {
        return Err(ProofError::ProviderKey(*unnamed));
    }
    let provider = statement
        .provider_of(&ids)
        .ok_or(ProofError::SeveralProviders)?;
    if !provider.runs(instance.pcr3()) {
        let provider = provider.name.clone();
        return Err(ProofError::Machine { provider });
    }
    if let Some(expected) = trust.provider()
        && expected != provider.name
    {
        return Err(ProofError::OtherProvider {
            got: provider.name.clone(),
            expected: expected.to_owned(),
        });
    }
    Ok(provider.name.clone())
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

    /// The provider's name in the vendor's table.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The provider's keys, each of them in that entry of the table.
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

    /// The vendor statement that counted, signed.
    pub fn vendor_statement(&self) -> &[u8] {
        &self.vendor_statement
    }

    /// The customer's clock at the verification, Unix seconds.
    pub fn verified_s(&self) -> u64 {
        self.verified_s
    }
}
