//! A customer: an owner key, and imports that a test can spoil in one place.

use crate::world::World;
use cofferdam::crypto::secret::Secret32;
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::layer;
use cofferdam_wire::binding::Binding;
use cofferdam_wire::id::{Digest, GroupId, KeyId, RecipientId, Thumbprint, Token};
use cofferdam_wire::import::{
    Control, ImportHeader, ImportRequest, Imported, LeaseTerms, Material, Payload, Receipt,
    Statement, UsagePolicy, control_hash, header_hash, material_hash, revocation_hash,
    vendor_layer_hash,
};
use cofferdam_wire::kind::{Action, KeyKind, Suite, UsageClass, WrapMode};
use cofferdam_wire::layer::pad;
use cofferdam_wire::link::Message;
use cofferdam_wire::revocation::{Revocation, Service};
use cofferdam_wire::session::{Audience, Grant, SignedGrant};
use cofferdam_wire::status::Status;
use cofferdam_wire::{Code, cbor, context, limits};

/// A customer with one partition.
pub struct Customer {
    /// Signs imports and grants.
    pub owner: SigningKey,
    /// Partition name.
    pub partition: String,
}

/// An import before it is sealed. Every field may be spoiled.
pub struct Draft {
    /// The clear header.
    pub header: ImportHeader,
    /// What governs the key.
    pub control: Control,
    /// Private or symmetric COSE_Key.
    pub cose_key: Vec<u8>,
    /// One for each service.
    pub release_secrets: Vec<u8>,
    /// Public half of the TEE key to seal to.
    pub tee_public: Vec<u8>,
    /// Spoils the statement after its hashes were computed.
    pub spoil_statement: Option<Box<dyn Fn(&mut Statement)>>,
    /// Spoils the encoded vendor layer before it is hashed and signed.
    pub spoil_layer: Option<Box<dyn Fn(&mut Vec<u8>)>>,
    /// Spoils the vendor layer on its way.
    pub spoil_sent: Option<Box<dyn Fn(&mut Vec<u8>)>>,
    /// Step of the padding.
    pub pad_to: usize,
}

/// An import as it is sent, and what identifies it.
pub struct Sealed {
    /// Encoded [`ImportRequest`] with the vendor layer.
    pub request: Vec<u8>,
    /// Key id.
    pub key: KeyId,
}

impl Customer {
    /// A fresh one.
    pub fn new() -> Self {
        Self {
            owner: SigningKey::generate(SignatureKind::Ed25519),
            partition: "payments".into(),
        }
    }

    /// An import of `cose_key`, with a registration at the one service, already active.
    pub fn draft(
        &self,
        world: &mut World,
        kind: KeyKind,
        class: UsageClass,
        cose_key: &[u8],
    ) -> Draft {
        let binding = world.binding();
        let now_s = world.now_s();
        self.draft_for(&binding, world.service(), now_s, (kind, class), cose_key)
    }

    /// The same without a [`World`]: for whoever has a Binding and a service.
    pub fn draft_for(
        &self,
        binding: &Binding,
        service: &mut crate::Service,
        now_s: u64,
        (kind, class): (KeyKind, UsageClass),
        cose_key: &[u8],
    ) -> Draft {
        let token = Token(*Secret32::random().expose());
        let release = Secret32::random().expose().to_vec();
        let status_root = service.root.public();
        service.keys.insert(
            token,
            crate::service::Registered {
                status: Status::Good,
                sequence: 1,
                grant_epoch: 0,
                release: release.clone(),
            },
        );
        let terms = LeaseTerms {
            interval_s: 60,
            grace_s: 0,
            per_operation: false,
            skew_s: 1,
        };
        let services = vec![Service {
            host: "status.example".into(),
            status_root,
            token,
        }];
        let header = ImportHeader {
            version: 1,
            vendor_suite: Suite::XWing,
            provider_suite: Suite::XWing,
            mode: WrapMode::Parent,
            group: binding.group,
            owner: self.owner.public(),
            partition: self.partition.clone(),
            kind,
            class,
            tee_key: RecipientId([0; 32]),
            provider_key: RecipientId([7; 32]),
            transcript: Digest([8; 32]),
            created_s: now_s,
            not_after_s: now_s + 3600,
        };
        let control = Control {
            salt: Digest([1; 32]),
            owner: self.owner.public(),
            partition: self.partition.clone(),
            policy: UsagePolicy {
                kind,
                class,
                algorithms: class.default_algorithms(kind),
            },
            revocation: Some(Revocation::Services { services, terms }),
            hard_end_s: None,
            label: "test".into(),
        };
        let mut draft = Draft {
            header,
            control,
            cose_key: cose_key.to_vec(),
            release_secrets: release,
            tee_public: Vec::new(),
            spoil_statement: None,
            spoil_layer: None,
            spoil_sent: None,
            pad_to: limits::PAYLOAD_STEP,
        };
        draft.seal_to(binding, Suite::XWing);
        draft
    }

    /// Signs a grant for `keys` to an app, valid for an hour.
    pub fn grant(
        &self,
        world: &World,
        keys: &[KeyId],
        actions: &[Action],
        audience: Audience,
    ) -> Grant {
        let group = GroupId::of(&world_genesis_body(world));
        self.grant_for(group, world.now_s(), keys, actions, audience)
    }

    /// The same without a [`World`].
    pub fn grant_for(
        &self,
        group: GroupId,
        now_s: u64,
        keys: &[KeyId],
        actions: &[Action],
        audience: Audience,
    ) -> Grant {
        let mut actions = actions.to_vec();
        actions.sort();
        Grant {
            version: 1,
            group,
            owner: self.owner.public(),
            partition: self.partition.clone(),
            keys: keys.to_vec(),
            actions,
            audience,
            not_before_s: now_s - 60,
            not_after_s: now_s + 3600,
            epoch: 0,
        }
    }

    /// Signs a grant.
    pub fn sign(&self, grant: &Grant) -> SignedGrant {
        SignedGrant(
            self.owner
                .sign1(context::GRANT, cbor::encode(grant))
                .to_bytes(),
        )
    }

    /// Imports a draft; the parent keeps the record.
    pub fn import(&self, world: &mut World, draft: &Draft) -> Result<(KeyId, Receipt), Code> {
        let sealed = draft.seal(&self.owner);
        let imported = world.call(Message::Import, sealed.request)?;
        let imported: Imported = cbor::decode(&imported, limits::FRAME_BODY).unwrap();
        world.store.insert(sealed.key, imported.record);
        let binding: Binding = cbor::decode(&imported.binding, limits::BINDING).unwrap();
        let signed =
            cofferdam_wire::cose::CoseSign1::from_bytes(&imported.receipt, limits::RECEIPT)
                .unwrap();
        cofferdam::crypto::signing::verify_sign1(&binding.instance, context::RECEIPT, &signed)
            .unwrap();
        Ok((
            sealed.key,
            cbor::decode(&signed.payload, limits::RECEIPT).unwrap(),
        ))
    }

    /// An audience: the app with this key.
    pub fn audience(app: &SigningKey) -> Audience {
        Audience::App(Thumbprint::of(&app.public().to_cose()))
    }
}

impl Default for Customer {
    fn default() -> Self {
        Self::new()
    }
}

impl Draft {
    /// Seals to the TEE key of a suite.
    pub fn seal_to(&mut self, binding: &Binding, suite: Suite) {
        let tee = binding.tee.iter().find(|tee| tee.suite == suite).unwrap();
        self.header.vendor_suite = suite;
        self.header.tee_key = tee.id();
        self.tee_public = tee.public.clone();
    }

    /// The token at the first service.
    pub fn token(&self) -> Token {
        self.control.revocation.as_ref().unwrap().services()[0].token
    }

    /// The lease's terms, to be changed.
    pub fn terms(&mut self) -> &mut LeaseTerms {
        match self.control.revocation.as_mut().unwrap() {
            Revocation::Services { terms, .. } => terms,
        }
    }

    /// Seals and signs, as the SDK does.
    pub fn seal(&self, owner: &SigningKey) -> Sealed {
        let header = cbor::encode(&self.header);
        let control = cbor::encode(&self.control);
        let material = cbor::encode(&Material {
            salt: &[3; 32],
            cose_key: &self.cose_key,
        });
        let payload = Payload {
            control: &control,
            material: &material,
            release_secrets: &self.release_secrets,
        };
        let payload = pad(cbor::encode(&payload), self.pad_to);
        let bound = header_hash(&header);
        let layer = layer::danger_seal(
            self.header.vendor_suite,
            &self.tee_public,
            context::LAYER_VENDOR,
            &bound.0,
            &header,
            &payload,
        )
        .unwrap();
        let mut layer = cbor::encode(&layer);
        if let Some(spoil) = &self.spoil_layer {
            spoil(&mut layer);
        }
        let mut statement = Statement {
            header,
            vendor_layer: vendor_layer_hash(&layer),
            control: control_hash(&control),
            material: material_hash(&material),
            revocation: revocation_hash(self.control.revocation.as_ref(), &self.release_secrets),
        };
        if let Some(spoil) = &self.spoil_statement {
            spoil(&mut statement);
        }
        if let Some(spoil) = &self.spoil_sent {
            spoil(&mut layer);
        }
        let statement = cbor::encode(&statement);
        let key = KeyId::of(&statement);
        let statement = owner.sign1(context::STATEMENT, statement).to_bytes();
        Sealed {
            request: cbor::encode(&ImportRequest { statement, layer }),
            key,
        }
    }
}

fn world_genesis_body(world: &World) -> Vec<u8> {
    let record: cofferdam_wire::group::GenesisRecord =
        cbor::decode(&world.genesis, limits::GENESIS_RECORD).unwrap();
    record.body
}

/// COSE_Key of a fresh P-256 key.
pub fn p256_material() -> Vec<u8> {
    let pem = SigningKey::generate(SignatureKind::P256).to_pkcs8_pem();
    cofferdam::keyfile::parse(KeyKind::EcP256, pem.as_bytes())
        .unwrap()
        .cose_key()
        .to_vec()
}

/// COSE_Key of a 32-byte AES key.
pub fn aes_material() -> Vec<u8> {
    cofferdam::keyfile::parse(KeyKind::Aes256, Secret32::random().expose())
        .unwrap()
        .cose_key()
        .to_vec()
}
