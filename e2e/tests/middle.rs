//! Somebody between an app and the enclave (T-08): the SDK's own verifier and session opening against the real core, with
//! a parent in the middle that shows its own keys or another instance's, and carries openings where it likes.

#![allow(clippy::unwrap_used, reason = "tests")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cofferdam::crypto::hpke::PrivateKey;
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::known::Known;
use cofferdam::session::{Opened, Opening, SessionError};
use cofferdam::trust::TrustFile;
use cofferdam::verify::{Consulted, FreshNonce, ProofError, Proven, Verifier};
use cofferdam_e2e::Customer;
use cofferdam_e2e::scene::{Scene, new_scene};
use cofferdam_e2e::world::{GOOD_IMAGE, vendor_key};
use cofferdam_simulated_nsm::simulator_root_der;
use cofferdam_wire::binding::Binding;
use cofferdam_wire::kind::{Action, Suite};
use cofferdam_wire::link::Message;
use cofferdam_wire::session::SignedGrant;
use cofferdam_wire::transcript::{EnclaveProof, Proof, ProviderKey};
use cofferdam_wire::vendor::{Image, Provider, VendorStatement};
use cofferdam_wire::{Code, cbor, context, limits};

/// An app before its session: whom it trusts, its key, its grant.
struct App {
    verifier: Verifier,
    key: SigningKey,
    grant: SignedGrant,
    provider: ProviderKey,
}

impl App {
    fn of(scene: &Scene) -> App {
        let trust = TrustFile {
            version: 1,
            name: "test".into(),
            attestation_root: BASE64.encode(simulator_root_der()),
            vendor_key: hex::encode(vendor_key().public().to_cose()),
            provider: None,
            provider_ca: None,
            group: None,
            vendor_statement_max_age_s: None,
            vendor_url: None,
            vendor_url_required: false,
            vendor_ca: None,
            validators: vec![],
            suites: None,
            measurements: None,
        };
        let key = SigningKey::generate(SignatureKind::Ed25519);
        let audience = Customer::audience(&key);
        let customer = &scene.customer;
        let grant = customer.grant(&scene.world, &[scene.key], &[Action::Sign], audience);
        App {
            verifier: Verifier::new(trust.check().unwrap(), Known::in_memory()),
            grant: customer.sign(&grant),
            key,
            provider: ProviderKey {
                suite: Suite::XWing,
                public: PrivateKey::generate().public().to_vec(),
            },
        }
    }

    /// What the SDK says to an enclave's proof, as the one in the middle passes it on.
    fn prove(
        &self,
        scene: &mut Scene,
        pass: impl FnOnce(&mut Scene, EnclaveProof, &FreshNonce) -> EnclaveProof,
    ) -> Result<Proven, ProofError> {
        let nonce = FreshNonce::draw();
        let honest = scene.world.prove(*nonce.as_nonce());
        let enclave = pass(scene, honest, &nonce);
        let now_s = scene.world.now_s();
        let statement = VendorStatement {
            version: 1,
            sequence: 1,
            issued_s: now_s - 60,
            not_after_s: now_s + 86_400,
            images: vec![Image {
                measurement: GOOD_IMAGE,
                until_s: None,
                pcr8: None,
                epoch: 1,
            }],
            providers: vec![Provider {
                name: "acme".into(),
                keys: vec![self.provider.id()],
                pcr3: vec![],
            }],
        };
        let vendor_statement = vendor_key()
            .sign1(context::VENDOR_STATEMENT, cbor::encode(&statement))
            .to_bytes();
        let proof = Proof {
            enclave,
            provider_keys: vec![self.provider.clone()],
            vendor_statement,
        };
        let nobody = Consulted::default();
        self.verifier
            .verify(&cbor::encode(&proof), nonce, nobody, now_s)
    }

    fn opening(&self, proven: &Proven) -> Opening {
        Opening::new(proven, std::slice::from_ref(&self.grant), &self.key).unwrap()
    }

    /// A session with nobody in the middle.
    fn open(&self, scene: &mut Scene) -> Result<Opened, SessionError> {
        let proven = self.prove(scene, |_, proof, _| proof).unwrap();
        let opening = self.opening(&proven);
        let sealed = carry(scene, opening.body()).unwrap();
        opening.accept(&sealed)
    }
}

fn carry(scene: &mut Scene, opening: &[u8]) -> Result<Vec<u8>, Code> {
    scene.world.call(Message::OpenSession, opening.to_vec())
}

/// The proof with another Binding.
fn rebound(mut proof: EnclaveProof, change: impl FnOnce(&mut Binding)) -> EnclaveProof {
    let mut binding: Binding = cbor::decode(&proof.binding, limits::BINDING).unwrap();
    change(&mut binding);
    proof.binding = cbor::encode(&binding);
    proof
}

#[test]
fn t08_keys_of_the_one_in_the_middle_are_refused() {
    let mut scene = new_scene();
    let app = App::of(&scene);
    assert!(app.open(&mut scene).is_ok(), "with nobody in the middle");
    let own = PrivateKey::generate().public().to_vec();
    let refused = app.prove(&mut scene, |_, proof, _| {
        rebound(proof, |binding| binding.session.public = own)
    });
    assert!(matches!(refused.err(), Some(ProofError::UserData)));
    // A signature key of its own would let it speak as the instance.
    let own = SigningKey::generate(SignatureKind::Ed25519).public();
    let refused = app.prove(&mut scene, |_, proof, _| {
        rebound(proof, |binding| binding.instance = own)
    });
    assert!(matches!(refused.err(), Some(ProofError::UserData)));
}

#[test]
fn t08_evidence_of_another_instance_is_refused() {
    let mut scene = new_scene();
    let mut other = new_scene();
    let app = App::of(&scene);
    // The other enclave is as genuine, and attests for the app's own nonce; its Evidence fits its own Binding alone.
    let refused = app.prove(&mut scene, |_, proof, nonce| EnclaveProof {
        evidence: other.world.prove(*nonce.as_nonce()).evidence,
        ..proof
    });
    assert!(matches!(refused.err(), Some(ProofError::UserData)));
    let refused = app.prove(&mut scene, |_, proof, nonce| {
        let relayed = other.world.prove(*nonce.as_nonce());
        EnclaveProof {
            genesis: proof.genesis,
            ..relayed
        }
    });
    assert!(matches!(
        refused.err(),
        Some(ProofError::GenesisGroup { .. })
    ));
}

#[test]
fn t08_evidence_made_for_another_question_is_refused() {
    let mut scene = new_scene();
    let app = App::of(&scene);
    let refused = app.prove(&mut scene, |scene, _, _| {
        let asked = FreshNonce::draw();
        scene.world.prove(*asked.as_nonce())
    });
    assert!(matches!(refused.err(), Some(ProofError::Nonce)));
}

#[test]
fn t08_an_opening_carried_to_another_instance_is_refused_there() {
    let mut scene = new_scene();
    let mut other = new_scene();
    let app = App::of(&scene);
    let proven = app.prove(&mut scene, |_, proof, _| proof).unwrap();
    let opening = app.opening(&proven);
    assert_eq!(carry(&mut other, opening.body()), Err(Code::WrongGroup));
    let sealed = carry(&mut scene, opening.body()).unwrap();
    assert!(opening.accept(&sealed).is_ok());
    // Nor by an instance of the same group that has other keys.
    let opening = app.opening(&proven);
    scene.world.restart_and_recover();
    let refused = carry(&mut scene, opening.body());
    assert_eq!(refused, Err(Code::UnknownRecipient));
}

#[test]
fn t08_an_acceptance_that_the_one_in_the_middle_got_is_refused_by_the_app() {
    let mut scene = new_scene();
    let app = App::of(&scene);
    let proven = app.prove(&mut scene, |_, proof, _| proof).unwrap();
    // It may have a grant of its own, and open a session like anybody.
    let middle = App::of(&scene);
    let own = middle.opening(&proven);
    let sealed = carry(&mut scene, own.body()).unwrap();
    let opening = app.opening(&proven);
    assert!(carry(&mut scene, opening.body()).is_ok());
    let refused = opening.accept(&sealed).err().unwrap();
    assert!(
        matches!(refused, SessionError::Foreign { check: "SES-1", .. }),
        "{refused}"
    );
}
