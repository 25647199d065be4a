//! One import from fixed secrets, with places where a defect can be put in.

use cofferdam_wire::id::{Digest, GroupId, KeyId, Token};
use cofferdam_wire::import::{
    Control, ImportHeader, ImportRequest, LeaseTerms, Material, Payload, Receipt, Statement,
    UsagePolicy, check_value, control_hash, header_hash, material_hash, revocation_hash,
    vendor_layer_hash,
};
use cofferdam_wire::kind::{Algorithm, EscrowMode, KeyKind, UsageClass, WrapMode};
use cofferdam_wire::layer::{Layer, pad};
use cofferdam_wire::revocation::{Revocation, Service};
use cofferdam_wire::{cbor, context, limits};

use super::keys::{Signer, fixed, fixed_64, p256_private, symmetric};
use super::seal::{Randomness, Recipient, seal};

/// The customer's clock.
const CREATED_S: u64 = 1_800_000_000;
/// The attested clock when the import arrives.
pub(super) const NOW_S: u64 = CREATED_S + 10;

/// Everything an import is made of. Each field may be spoiled.
pub(super) struct Draft {
    /// Names the randomness, so that no two cases share any.
    pub(super) name: String,
    pub(super) owner: Signer,
    pub(super) instance: Signer,
    pub(super) tee: Recipient,
    pub(super) provider: Recipient,
    pub(super) header: ImportHeader,
    pub(super) control: Control,
    pub(super) material_salt: Vec<u8>,
    pub(super) cose_key: Vec<u8>,
    pub(super) release_secrets: Vec<u8>,
    /// Who signs, if not the owner.
    pub(super) signer: Option<Signer>,
    /// Under what the statement is signed.
    pub(super) signed_under: &'static str,
    pub(super) spoil: Spoil,
}

/// Changes on the way, each at its place.
pub(super) struct Spoil {
    /// Before the payload is sealed.
    pub(super) padded: fn(&mut Vec<u8>),
    /// The header that the vendor layer is sealed under.
    pub(super) sealed_header: fn(&mut ImportHeader),
    /// After sealing, before the owner signs its hash.
    pub(super) vendor_layer: fn(&mut Layer),
    /// The same on its encoding.
    pub(super) vendor_bytes: fn(&mut Vec<u8>),
    /// Before the owner signs.
    pub(super) statement: fn(&mut Statement),
    pub(super) provider_layer: fn(&mut Layer),
    pub(super) import: fn(&mut Vec<u8>),
}

impl Spoil {
    fn nothing() -> Self {
        Self {
            padded: |_| (),
            sealed_header: |_| (),
            vendor_layer: |_| (),
            vendor_bytes: |_| (),
            statement: |_| (),
            provider_layer: |_| (),
            import: |_| (),
        }
    }
}

/// A finished import and everything between.
pub(super) struct Made {
    pub(super) header: Vec<u8>,
    pub(super) control: Vec<u8>,
    pub(super) material: Vec<u8>,
    pub(super) payload: Vec<u8>,
    pub(super) vendor: Vec<u8>,
    pub(super) provider: Vec<u8>,
    pub(super) statement: Vec<u8>,
    pub(super) signed_statement: Vec<u8>,
    /// What is posted.
    pub(super) import: Vec<u8>,
}

impl Draft {
    /// A P-256 key in suite 1, with one service.
    pub(super) fn suite_1(name: &str) -> anyhow::Result<Self> {
        let key = Signer::p256("suite 1, customer key")?;
        let cofferdam_wire::cose::PublicKey::P256 { x, y } = key.public() else {
            anyhow::bail!("not a P-256 key");
        };
        let services = vec![service("status.example:8443", "suite 1, first service")];
        let terms = LeaseTerms {
            interval_s: 300,
            grace_s: 0,
            per_operation: false,
            skew_s: 1,
        };
        Self::new(
            name,
            Signer::ed25519("suite 1, owner"),
            Recipient::x_wing(fixed("suite 1, TEE key"))?,
            Recipient::x_wing(fixed("suite 1, provider key"))?,
            p256_private(&x, &y, &key.secret()),
            UsagePolicy {
                kind: KeyKind::EcP256,
                class: UsageClass::Sign,
                algorithms: vec![Algorithm::EcdsaSha256],
            },
            Revocation::Services { services, terms },
        )
    }

    /// An AES-256 key in suite 2, with two services and an owner with a P-256 key.
    pub(super) fn suite_2(name: &str) -> anyhow::Result<Self> {
        let services = vec![
            service("status.example", "suite 2, first service"),
            service("status.example.org:8443", "suite 2, second service"),
        ];
        let terms = LeaseTerms {
            interval_s: 3600,
            grace_s: 60,
            per_operation: false,
            skew_s: 5,
        };
        let mut draft = Self::new(
            name,
            Signer::p256("suite 2, owner")?,
            Recipient::rsa(include_str!(
                "../../../../client-sdk/tests/keys/rsa-4096.pem"
            ))?,
            Recipient::rsa(include_str!(
                "../../../../client-sdk/tests/keys/rsa-3072.pem"
            ))?,
            symmetric(&fixed("suite 2, customer key")),
            UsagePolicy {
                kind: KeyKind::Aes256,
                class: UsageClass::Encrypt,
                algorithms: vec![Algorithm::Xaes256Gcm, Algorithm::AesGcm],
            },
            Revocation::Services { services, terms },
        )?;
        draft.control.hard_end_s = Some(CREATED_S + 90 * 86_400);
        Ok(draft)
    }

    fn new(
        name: &str,
        owner: Signer,
        tee: Recipient,
        provider: Recipient,
        cose_key: Vec<u8>,
        policy: UsagePolicy,
        revocation: Revocation,
    ) -> anyhow::Result<Self> {
        let header = ImportHeader {
            version: 1,
            vendor_suite: tee.suite,
            provider_suite: provider.suite,
            mode: WrapMode::Parent,
            group: GroupId(fixed("group")),
            owner: owner.public(),
            partition: "payments".into(),
            kind: policy.kind,
            class: policy.class,
            tee_key: tee.id(),
            provider_key: provider.id(),
            transcript: Digest(fixed("transcript")),
            created_s: CREATED_S,
            not_after_s: CREATED_S + limits::HEADER_LIFETIME_S,
        };
        let services = revocation.services().len();
        let control = Control {
            salt: Digest(fixed(&format!("{name}, control salt"))),
            owner: owner.public(),
            partition: header.partition.clone(),
            policy,
            revocation: Some(revocation),
            hard_end_s: None,
            label: "an example".into(),
        };
        let secret = |service| fixed(&format!("{name}, release secret {service}"));
        Ok(Self {
            name: name.into(),
            owner,
            instance: Signer::ed25519("instance"),
            tee,
            provider,
            header,
            control,
            material_salt: fixed(&format!("{name}, material salt")).to_vec(),
            cose_key,
            release_secrets: (1..=services).flat_map(secret).collect(),
            signer: None,
            signed_under: context::STATEMENT,
            spoil: Spoil::nothing(),
        })
    }

    /// Changes R.
    pub(super) fn change_r(&mut self, change: fn(&mut Vec<Service>, &mut LeaseTerms)) {
        if let Some(Revocation::Services { services, terms }) = &mut self.control.revocation {
            change(services, terms);
        }
    }

    /// Seals and signs.
    pub(super) fn make(&self) -> anyhow::Result<Made> {
        let header = cbor::encode(&self.header);
        let control = cbor::encode(&self.control);
        let material = cbor::encode(&Material {
            salt: &self.material_salt,
            cose_key: &self.cose_key,
        });
        let payload = cbor::encode(&Payload {
            control: &control,
            material: &material,
            release_secrets: &self.release_secrets,
        });
        let mut padded = pad(payload.clone(), limits::PAYLOAD_STEP);
        (self.spoil.padded)(&mut padded);

        let mut sealed_header = self.header.clone();
        (self.spoil.sealed_header)(&mut sealed_header);
        let sealed_header = cbor::encode(&sealed_header);
        let mut vendor = seal(
            &self.tee,
            context::LAYER_VENDOR,
            &header_hash(&sealed_header).0,
            &sealed_header,
            &padded,
            &self.randomness("vendor layer"),
        )?;
        (self.spoil.vendor_layer)(&mut vendor);
        let mut vendor = cbor::encode(&vendor);
        (self.spoil.vendor_bytes)(&mut vendor);

        let mut statement = Statement {
            header: header.clone(),
            vendor_layer: vendor_layer_hash(&vendor),
            control: control_hash(&control),
            material: material_hash(&material),
            revocation: revocation_hash(self.control.revocation.as_ref(), &self.release_secrets),
        };
        (self.spoil.statement)(&mut statement);
        let statement = cbor::encode(&statement);
        let signer = self.signer.as_ref().unwrap_or(&self.owner);
        let signed_statement = signer.sign1(self.signed_under, &statement).to_bytes();

        let mut provider = seal(
            &self.provider,
            context::LAYER_PROVIDER,
            &header_hash(&header).0,
            &header,
            &vendor,
            &self.randomness("provider layer"),
        )?;
        (self.spoil.provider_layer)(&mut provider);
        let provider = cbor::encode(&provider);
        let mut import = cbor::encode(&ImportRequest {
            statement: signed_statement.clone(),
            layer: provider.clone(),
        });
        (self.spoil.import)(&mut import);
        Ok(Made {
            import,
            header,
            control,
            material,
            payload,
            vendor,
            provider,
            statement,
            signed_statement,
        })
    }

    pub(super) fn randomness(&self, layer: &str) -> Randomness {
        Randomness(fixed_64(&format!("{}, {layer}", self.name)))
    }

    /// What the enclave confirms. `public_key` and `secret` are the two forms of the customer key that a receipt speaks of.
    pub(super) fn receipt(
        &self,
        made: &Made,
        public_key: Option<Vec<u8>>,
        secret: Option<&[u8]>,
    ) -> Receipt {
        Receipt {
            version: 1,
            key: KeyId::of(&made.statement),
            group: self.header.group,
            partition: self.header.partition_id(),
            transcript: self.header.transcript,
            policy: self.control.policy.clone(),
            public_key,
            check_value: secret.map(|secret| check_value(&self.material_salt, secret)),
            lease: self.control.revocation.as_ref().map(Revocation::terms),
            hard_end_s: self.control.hard_end_s,
            escrow: EscrowMode::Officers,
            epoch: 0,
            imported_s: NOW_S,
            instance: self.instance.public().thumbprint(),
        }
    }
}

fn service(host: &str, name: &str) -> Service {
    Service {
        host: host.into(),
        status_root: Signer::ed25519(&format!("{name}, status root")).public(),
        token: Token(fixed(&format!("{name}, token"))),
    }
}
