//! One customer with one key in a [`World`]: where most tests of requests begin.

use crate::app::Opening;
use crate::customer::p256_material;
use crate::{App, Customer, World};
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam_wire::Code;
use cofferdam_wire::id::KeyId;
use cofferdam_wire::kind::{Action, Algorithm, KeyKind, UsageClass};
use cofferdam_wire::operation::{Input, Operation, Outcome};
use cofferdam_wire::session::Grant;

/// The scene.
pub struct Scene {
    /// The enclave and its surroundings.
    pub world: World,
    /// Who owns the key.
    pub customer: Customer,
    /// A P-256 key for signatures.
    pub key: KeyId,
}

/// A fresh scene.
pub fn new_scene() -> Scene {
    let mut world = World::with_group();
    let customer = Customer::new();
    let draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let (key, _) = customer.import(&mut world, &draft).unwrap();
    Scene {
        world,
        customer,
        key,
    }
}

impl Scene {
    /// An app with a grant to sign.
    pub fn app(&mut self) -> App {
        App::with_grant(
            &mut self.world,
            &self.customer,
            &[self.key],
            &[Action::Sign],
        )
        .unwrap()
    }

    /// The operation of most tests.
    pub fn sign(&self) -> Operation {
        sign_with(self.key)
    }

    /// Opens a session with a grant that has one defect; asserts that without it the session opens.
    pub fn opening_refused(&mut self, defect: impl Fn(&mut Grant)) -> Code {
        let app = SigningKey::generate(SignatureKind::Ed25519);
        let mut grant = self.customer.grant(
            &self.world,
            &[self.key],
            &[Action::Sign],
            Customer::audience(&app),
        );
        let valid = self.customer.sign(&grant);
        Opening::new(&mut self.world, &app, &app, vec![valid])
            .send(&mut self.world)
            .unwrap();
        defect(&mut grant);
        let spoiled = self.customer.sign(&grant);
        Opening::new(&mut self.world, &app, &app, vec![spoiled])
            .send(&mut self.world)
            .err()
            .unwrap()
    }
}

/// Has an app sign.
pub fn ask_to_sign(app: &App, scene: &mut Scene) -> Result<Outcome, Code> {
    let operation = scene.sign();
    app.ask(&mut scene.world, operation)
}

/// Signing with a key.
pub fn sign_with(key: KeyId) -> Operation {
    Operation::Sign {
        key,
        algorithm: Algorithm::EcdsaSha256,
        input: Input::Message(b"message".to_vec()),
    }
}
