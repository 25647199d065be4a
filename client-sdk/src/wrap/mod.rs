//! Wrapping: a customer's secret becomes a sealed import.
//!
//! [`wrap`] takes [`ProvenKeys`] and nothing weaker, so no byte of a secret is processed before the proof has passed (P2,
//! T-02). It makes everything that governs the key, two layers, and the statement that the owner signs; tokens and release
//! secrets are drawn here and given out once, to be registered. What the enclave must confirm later ([`Expected`]) is
//! fixed here, before the provider has seen anything. Formulas and check ids: `docs/protocol/wrapping.md`.

mod order;
mod sealed;

use cofferdam_wire::id::{Digest, Handle, KeyId, PartitionId, Token};
use cofferdam_wire::import::{
    self, Control, ImportHeader, ImportRequest, Material as MaterialPart, Payload, Statement,
    UsagePolicy,
};
use cofferdam_wire::kind::WrapMode;
use cofferdam_wire::revocation::{Revocation, Service};
use cofferdam_wire::{cbor, context, layer as formulas, limits};
use minicbor::{Decoder, Encode};
use zeroize::Zeroizing;

pub use order::{KeyOrder, RevocationOrder, ServiceOrder, WrapError};
pub use sealed::{Expected, SealedImport, ServiceAtImport};

use crate::crypto::random;
use crate::crypto::secret::Secret32;
use crate::crypto::signing::SigningKey;
use crate::keyfile::Material;
use crate::layer;
use crate::revocation::Registration;
use crate::verify::ProvenKeys;

/// A wrapped key: what is saved and sent, and what is registered before.
pub struct Wrapped {
    /// To save, then to send.
    pub import: SealedImport,
    /// To leave at each revocation service, in R's order. Holds the release secrets and exists only here.
    pub registrations: Vec<Registration>,
}

/// Wraps `material` as `order` says, for the keys whose possession was just proven. `now_s` is the customer's clock.
///
/// # Errors
/// The first rule (WRP-2 to WRP-10) that the order breaks; nothing has left this function then.
pub fn wrap(
    keys: ProvenKeys,
    material: &Material,
    order: &KeyOrder,
    owner: &SigningKey,
    now_s: u64,
) -> Result<Wrapped, WrapError> {
    let policy = order.check(&keys, material, now_s)?;
    let proven = keys.proven();
    let header = cbor::encode(&ImportHeader {
        version: 1,
        vendor_suite: keys.vendor().suite,
        provider_suite: keys.provider().suite,
        mode: WrapMode::Parent,
        group: proven.group(),
        owner: owner.public(),
        partition: order.partition.clone(),
        kind: policy.kind,
        class: policy.class,
        tee_key: keys.vendor().id(),
        provider_key: keys.provider().id(),
        transcript: *proven.transcript(),
        created_s: now_s,
        not_after_s: now_s + limits::HEADER_LIFETIME_S,
    });

    let (revocation, release_secrets, registrations) = revocation(order, &keys, owner);
    let control = cbor::encode(&Control {
        salt: Digest(random::array()),
        owner: owner.public(),
        partition: order.partition.clone(),
        policy: policy.clone(),
        revocation: revocation.clone(),
        hard_end_s: order.hard_end_s,
        label: order.label.clone(),
    });
    let salt: [u8; 32] = random::array();
    let part = MaterialPart {
        salt: &salt,
        cose_key: material.cose_key(),
    };
    let part = encode_secret(&part, material.cose_key().len() + 64);
    if control.len() > limits::CONTROL || part.len() > limits::MATERIAL {
        return Err(WrapError::TooLarge);
    }

    let payload = Payload {
        control: &control,
        material: &part,
        release_secrets: &release_secrets,
    };
    let vendor_layer = seal_vendor(&keys, &header, &payload)?;
    let statement = cbor::encode(&Statement {
        header: header.clone(),
        vendor_layer: import::vendor_layer_hash(&vendor_layer),
        control: import::control_hash(&control),
        material: import::material_hash(&part),
        revocation: import::revocation_hash(revocation.as_ref(), &release_secrets),
    });
    let key = KeyId::of(&statement);
    let statement = owner.sign1(context::STATEMENT, statement).to_bytes();
    let bound = import::header_hash(&header).0;
    let provider = keys.provider();
    let provider_layer = layer::danger_seal(
        provider.suite,
        &provider.public,
        context::LAYER_PROVIDER,
        &bound,
        &header,
        &vendor_layer,
    )?;
    let provider_layer = cbor::encode(&provider_layer);
    if statement.len() > limits::STATEMENT || provider_layer.len() > limits::LAYER {
        return Err(WrapError::TooLarge);
    }

    let expected = Expected {
        key,
        group: proven.group(),
        partition: PartitionId::of(&proven.group(), &owner.public().to_cose(), &order.partition),
        transcript: *proven.transcript(),
        check_value: symmetric_key(material).map(|secret| import::check_value(&salt, secret)),
        public_key: material
            .public_key()
            .map(crate::crypto::public_key::PublicKey::to_cose),
        policy,
        lease: order.revocation.as_ref().map(|revocation| revocation.terms),
        hard_end_s: order.hard_end_s,
        escrow: proven.binding().escrow,
        epoch: keys.vendor().epoch,
        created_s: now_s,
        not_after_s: now_s + limits::HEADER_LIFETIME_S,
        vendor_sequence: proven.vendor_sequence(),
        vendor_statement: proven.vendor_statement().to_vec(),
    };
    let services = registrations
        .iter()
        .map(|registration| ServiceAtImport {
            host: registration.host.clone(),
            handle: registration.handle,
        })
        .collect();
    let request = cbor::encode(&ImportRequest {
        statement,
        layer: provider_layer,
    });
    let import = SealedImport::new(request, expected, order, services);
    Ok(Wrapped {
        import,
        registrations,
    })
}

/// R with fresh tokens, its release secrets one behind the other, and what to register for it.
fn revocation(
    order: &KeyOrder,
    keys: &ProvenKeys,
    owner: &SigningKey,
) -> (Option<Revocation>, Zeroizing<Vec<u8>>, Vec<Registration>) {
    let Some(wanted) = &order.revocation else {
        return (None, Zeroizing::new(Vec::new()), Vec::new());
    };
    let mut release_secrets = Zeroizing::new(Vec::with_capacity(32 * wanted.services.len()));
    let mut registrations = Vec::with_capacity(wanted.services.len());
    let mut services = Vec::with_capacity(wanted.services.len());
    for service in &wanted.services {
        let token = Token(random::array());
        let release_secret = Secret32::random();
        release_secrets.extend_from_slice(release_secret.expose());
        registrations.push(Registration {
            host: service.host.clone(),
            handle: Handle::of(&token),
            token_hash: token.hash(),
            release_secret,
            group: keys.proven().group(),
            owner: owner.public(),
        });
        services.push(Service {
            host: service.host.clone(),
            status_root: service.status_root,
            token,
        });
    }
    (
        Some(Revocation::Services {
            services,
            terms: wanted.terms,
        }),
        release_secrets,
        registrations,
    )
}

fn seal_vendor(
    keys: &ProvenKeys,
    header: &[u8],
    payload: &Payload<'_>,
) -> Result<Vec<u8>, WrapError> {
    let length = payload.control.len() + payload.material.len() + payload.release_secrets.len();
    // Room for the padding as well, so that padding moves no secret to another place.
    let capacity = (length + 64).next_multiple_of(limits::PAYLOAD_STEP) + limits::PAYLOAD_STEP;
    let mut plain = encode_secret(payload, capacity);
    let plain = Zeroizing::new(formulas::pad(
        std::mem::take(&mut *plain),
        limits::PAYLOAD_STEP,
    ));
    debug_assert!(plain.capacity() <= capacity, "the buffer did not grow");
    if plain.len() > limits::PAYLOAD {
        return Err(WrapError::TooLarge);
    }
    let vendor = keys.vendor();
    let bound = import::header_hash(header).0;
    let layer = layer::danger_seal(
        vendor.suite,
        &vendor.public,
        context::LAYER_VENDOR,
        &bound,
        header,
        &plain,
    )?;
    Ok(cbor::encode(&layer))
}

/// Encodes into a buffer that has its size from the start, so growing leaves no copy behind.
fn encode_secret<T: Encode<()>>(value: &T, capacity: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    minicbor::encode(value, &mut *bytes).expect("invariant: writing into memory cannot fail");
    debug_assert!(bytes.len() <= capacity, "the buffer did not grow");
    bytes
}

/// The bytes of an AES or HMAC key in its COSE_Key {1: 4, -1: k}.
fn symmetric_key(material: &Material) -> Option<&[u8]> {
    if material.kind().is_asymmetric() {
        return None;
    }
    let mut decoder = Decoder::new(material.cose_key());
    decoder.map().ok()?;
    for _ in 0..3 {
        decoder.i8().ok()?;
    }
    decoder.bytes().ok()
}

/// The policy that an order makes for a key of this kind: ascending, without repetition.
fn policy(order: &KeyOrder, material: &Material) -> UsagePolicy {
    let kind = material.kind();
    let mut algorithms = if order.algorithms.is_empty() {
        order.class.default_algorithms(kind)
    } else {
        order.algorithms.clone()
    };
    algorithms.sort();
    algorithms.dedup();
    UsagePolicy {
        kind,
        class: order.class,
        algorithms,
    }
}
