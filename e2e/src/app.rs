//! An app with a session, built from the SDK's primitives, so that a test can spoil any byte.

use crate::customer::Customer;
use crate::world::World;
use cofferdam::crypto::secret::Secret32;
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::crypto::{hpke, xaes};
use cofferdam_wire::binding::Binding;
use cofferdam_wire::id::{GroupId, KeyId, RequestId, Thumbprint};
use cofferdam_wire::kind::{Action, Algorithm};
use cofferdam_wire::link::Message;
use cofferdam_wire::operation::{Input, Operation, Outcome};
use cofferdam_wire::session::{
    Answer, Request, SealedRequest, SessionAccepted, SessionInfo, SessionOpen, SessionPlain,
    SignedGrant, accept_aad, answer_aad, answer_key_exporter, grant_id, opening_signed,
    request_aad, request_key_exporter, ticket_hash,
};
use cofferdam_wire::{Code, cbor, context, limits};

/// An app in a session.
pub struct App {
    /// Group of the session.
    pub group: GroupId,
    /// Shown with every request.
    pub ticket: Vec<u8>,
    request_key: Secret32,
    answer_key: Secret32,
}

/// An opening under way.
pub struct Opening {
    /// Encoded [`SessionOpen`].
    pub encoded: Vec<u8>,
    request_key: Secret32,
    answer_key: Secret32,
    group: GroupId,
}

impl Opening {
    /// Prepares an opening of `app`, signed by `signer` (the same, unless a test says otherwise).
    pub fn new(
        world: &mut World,
        app: &SigningKey,
        signer: &SigningKey,
        grants: Vec<SignedGrant>,
    ) -> Self {
        Self::to(&world.binding(), app, signer, grants)
    }

    /// The same without a [`World`]: for whoever has a Binding.
    pub fn to(
        binding: &Binding,
        app: &SigningKey,
        signer: &SigningKey,
        grants: Vec<SignedGrant>,
    ) -> Self {
        let info = SessionInfo {
            group: binding.group,
            session_key: binding.session.id(),
            app: Thumbprint::of(&app.public().to_cose()),
            grants: grants.iter().map(|grant| grant_id(&grant.0)).collect(),
        };
        let hpke_info = info.hpke_info();
        let (enc, sender) = hpke::setup_sender(&binding.session.public, &hpke_info).unwrap();
        let request_key = sender.export(&request_key_exporter());
        let answer_key = sender.export(&answer_key_exporter());
        let signature = signer
            .sign1(context::SESSION_OPEN, opening_signed(&hpke_info, &enc))
            .to_bytes();
        let plain = cbor::encode(&SessionPlain {
            app: app.public(),
            grants,
            signature,
        });
        let ciphertext = sender.seal(&[], &plain).unwrap();
        let encoded = cbor::encode(&SessionOpen {
            info,
            enc,
            ciphertext,
        });
        Self {
            encoded,
            request_key,
            answer_key,
            group: binding.group,
        }
    }

    /// Sends it and reads the acceptance.
    pub fn send(self, world: &mut World) -> Result<App, Code> {
        let sealed = world.call(Message::OpenSession, self.encoded.clone())?;
        Ok(self.accepted(&sealed))
    }

    /// Reads the acceptance.
    pub fn accepted(self, sealed: &[u8]) -> App {
        let aad = accept_aad(&self.group, &self.encoded);
        let accepted = xaes::open_with_leading_nonce(&self.answer_key, &aad, sealed).unwrap();
        let accepted: SessionAccepted = cbor::decode(&accepted, limits::SESSION_OPEN).unwrap();
        App {
            group: self.group,
            ticket: accepted.ticket,
            request_key: self.request_key,
            answer_key: self.answer_key,
        }
    }
}

impl App {
    /// An app of its own with a grant from `customer` on these keys.
    pub fn with_grant(
        world: &mut World,
        customer: &Customer,
        keys: &[KeyId],
        actions: &[Action],
    ) -> Result<Self, Code> {
        let app = SigningKey::generate(SignatureKind::Ed25519);
        let grant = customer.grant(world, keys, actions, Customer::audience(&app));
        let grant = customer.sign(&grant);
        Opening::new(world, &app, &app, vec![grant]).send(world)
    }

    /// Seals a request with a deadline in `ms` from now.
    pub fn seal(&self, world: &World, operation: Operation, ms: u64) -> Vec<u8> {
        self.seal_until(world.nsm.now_ms() + ms, operation)
    }

    /// Seals a request with a deadline in attested milliseconds.
    pub fn seal_until(&self, deadline_ms: u64, operation: Operation) -> Vec<u8> {
        let id = RequestId(Secret32::random().expose()[..16].try_into().unwrap());
        let plain = cbor::encode(&Request {
            id,
            deadline_ms,
            operation,
        });
        let aad = request_aad(&self.group, &ticket_hash(&self.ticket));
        let sealed = xaes::seal_with_random_nonce(&self.request_key, &aad, &plain).unwrap();
        cbor::encode(&SealedRequest {
            ticket: self.ticket.clone(),
            sealed,
        })
    }

    /// Opens the answer to a request.
    pub fn open(&self, request: &[u8], answer: &[u8]) -> Option<Answer> {
        let aad = answer_aad(&self.group, &ticket_hash(&self.ticket), request);
        let opened = xaes::open_with_leading_nonce(&self.answer_key, &aad, answer).ok()?;
        Some(cbor::decode(&opened, limits::SEALED_REQUEST).unwrap())
    }

    /// Sends an operation and waits; `Err` is a refusal, sealed or not.
    pub fn ask(&self, world: &mut World, operation: Operation) -> Result<Outcome, Code> {
        let request = self.seal(world, operation, 30_000);
        let id = world.send(Message::Sealed, request.clone());
        let mut waited_ms = 0;
        let answer = loop {
            if let Some(reply) = world.reply(id) {
                break reply?;
            }
            assert!(
                waited_ms <= 40_000,
                "no answer and no refusal after the deadline"
            );
            world.pass_ms(250);
            waited_ms += 250;
        };
        match self
            .open(&request, &answer)
            .expect("the answer is to this request")
        {
            Answer::Done(outcome) => Ok(outcome),
            Answer::Refused(code) => Err(code),
        }
    }

    /// Signs a message.
    pub fn sign(
        &self,
        world: &mut World,
        key: KeyId,
        algorithm: Algorithm,
    ) -> Result<Vec<u8>, Code> {
        let input = Input::Message(b"message".to_vec());
        match self.ask(
            world,
            Operation::Sign {
                key,
                algorithm,
                input,
            },
        )? {
            Outcome::Bytes(signature) => Ok(signature),
            other => panic!("a signature is bytes, not {other:?}"),
        }
    }
}
