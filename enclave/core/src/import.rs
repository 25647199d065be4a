//! One import: from the owner's signed statement and the vendor layer to a stored record and a receipt.
//!
//! The checks stand in the order of `docs/protocol/import.md`. What costs nothing comes first and the owner's signature
//! comes before any private-key operation (T-76). `Received -> Stated -> Opened -> Admitted`: each is a passed check.

use crate::crypto::keys::{CustomerKey, KeyError};
use crate::crypto::secret::{Plaintext, Secret32};
use crate::crypto::signature::{InstanceKey, verify_sign1};
use crate::evidence::BoundEvidence;
use crate::identity::Tee;
use crate::receipt::{self, ReceiptContext};
use crate::record::{self, RecordNonces};
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::id::{GroupId, KeyId};
use cofferdam_wire::import::{
    Control, ImportHeader, ImportRequest, Imported, Material, Payload, Statement, control_hash,
    header_hash, material_hash, revocation_hash, vendor_layer_hash,
};
use cofferdam_wire::kind::{EscrowMode, WrapMode};
use cofferdam_wire::layer::{self, Layer};
use cofferdam_wire::{Code, cbor, context, limits};
use std::sync::Arc;

#[cfg(test)]
mod vectors;

/// What is left of a request after everything that is free was checked.
pub(crate) struct Received {
    signed: CoseSign1,
    statement: Statement,
    /// The clear header; the owner thread finds the TEE key by it.
    pub(crate) header: ImportHeader,
    layer: Vec<u8>,
}

/// Everything the pool needs to finish an import.
pub(crate) struct ImportTask {
    /// The request.
    pub(crate) received: Received,
    /// The key that the header names.
    pub(crate) tee: Arc<Tee>,
    /// The group's id.
    pub(crate) group: GroupId,
    /// Seals the record.
    pub(crate) group_key: Arc<Secret32>,
    /// How the group key is escrowed.
    pub(crate) escrow: EscrowMode,
    /// Signs the receipt.
    pub(crate) instance: Arc<InstanceKey>,
    /// Attested time, Unix seconds.
    pub(crate) now_s: u64,
    /// For the record.
    pub(crate) nonces: RecordNonces,
    /// Binding and hourly Evidence, passed on with the receipt.
    pub(crate) own: BoundEvidence,
}

impl Received {
    /// Shapes and the header, before any cryptography.
    pub(crate) fn parse(body: &[u8], group: &GroupId, now_s: u64) -> Result<Self, Code> {
        // IMP-1
        let request: ImportRequest = cbor::decode(body, limits::IMPORT)?;
        let signed = CoseSign1::from_bytes(&request.statement, limits::STATEMENT)?;
        let statement: Statement = cbor::decode(&signed.payload, limits::STATEMENT)?;
        let header: ImportHeader = cbor::decode(&statement.header, limits::IMPORT_HEADER)?;
        // IMP-2
        if header.version != 1 || header.mode != WrapMode::Parent {
            return Err(Code::UnsupportedVersion);
        }
        // IMP-3
        if header.group != *group {
            return Err(Code::WrongGroup);
        }
        // IMP-4
        let lifetime_s = header.not_after_s.checked_sub(header.created_s);
        if header.created_s > now_s.saturating_add(limits::CREATED_SKEW_S)
            || now_s > header.not_after_s
            || lifetime_s.is_none_or(|lifetime_s| lifetime_s > limits::HEADER_LIFETIME_S)
        {
            return Err(Code::HeaderExpired);
        }
        // IMP-5
        if !(1..=limits::PARTITION_NAME).contains(&header.partition.len()) {
            return Err(Code::OutOfRange);
        }
        // IMP-6
        if header.class.algorithms(header.kind).is_empty() {
            return Err(Code::UsageRefused);
        }
        Ok(Self {
            signed,
            statement,
            header,
            layer: request.layer,
        })
    }
}

/// The owner signed this statement.
struct Stated {
    received: Received,
    key: KeyId,
    layer: Layer,
}

/// The vendor layer opened, and it is the one that the owner signed.
struct Opened {
    stated: Stated,
    payload: Plaintext,
}

impl ImportTask {
    /// Does the whole import. Nothing is changed anywhere until the parent has stored what this returns.
    pub(crate) fn run(self) -> Result<Vec<u8>, Code> {
        let ImportTask {
            received,
            tee,
            group,
            group_key,
            escrow,
            instance,
            now_s,
            nonces,
            own,
        } = self;
        let opened = received.verify_owner()?.open(&tee)?;
        let payload =
            layer::unpad(opened.payload.expose(), limits::PAYLOAD_STEP).ok_or(Code::Malformed)?;
        let payload: Payload<'_> = cbor::decode(payload, limits::PAYLOAD)?;
        let stated = &opened.stated;
        let control = stated.check_control(&payload, now_s)?;
        let material = stated.check_material(&payload)?;
        // IMP-18
        let customer_key = CustomerKey::import(control.policy.kind, material.cose_key).map_err(
            |error| match error {
                KeyError::Malformed => Code::Malformed,
                KeyError::Weak(_) => Code::WeakKey,
            },
        )?;
        let record = record::seal(
            &group,
            &group_key,
            stated.received.signed.to_bytes(),
            &stated.key,
            (payload.control, payload.material, payload.release_secrets),
            &nonces,
        )
        .map_err(|_| Code::Internal)?;
        let about = ReceiptContext {
            group,
            escrow,
            epoch: tee.offer.epoch,
            now_s,
            instance: &instance,
        };
        let receipt = receipt::sign(
            &about,
            &stated.key,
            &stated.received.header,
            &control,
            &material,
            &customer_key,
        )?;
        Ok(cbor::encode(&Imported {
            record,
            receipt,
            binding: own.binding.as_ref().clone(),
            evidence: own.evidence.as_ref().clone(),
        }))
    }
}

impl Received {
    fn verify_owner(self) -> Result<Stated, Code> {
        // IMP-7
        if !verify_sign1(&self.header.owner, context::STATEMENT, &self.signed) {
            return Err(Code::BadSignature);
        }
        // IMP-8
        let layer: Layer = cbor::decode(&self.layer, limits::LAYER)?;
        Ok(Stated {
            key: KeyId::of(&self.signed.payload),
            layer,
            received: self,
        })
    }
}

impl Stated {
    fn open(self, tee: &Tee) -> Result<Opened, Code> {
        let Received {
            statement,
            header,
            layer: encoded,
            ..
        } = &self.received;
        // IMP-9
        if self.layer.suite != header.vendor_suite || self.layer.suite != tee.recipient.suite() {
            return Err(Code::UnsupportedSuite);
        }
        // IMP-10
        if self.layer.recipient != header.tee_key
            || vendor_layer_hash(encoded) != statement.vendor_layer
        {
            return Err(Code::UnwrapFailed);
        }
        // IMP-11
        let info = layer::info(context::LAYER_VENDOR, &header_hash(&statement.header).0);
        let payload = tee
            .recipient
            .open(&self.layer, &info, &statement.header)
            .map_err(|_| Code::UnwrapFailed)?;
        Ok(Opened {
            stated: self,
            payload,
        })
    }

    fn check_control(&self, payload: &Payload<'_>, now_s: u64) -> Result<Control, Code> {
        let Received {
            statement, header, ..
        } = &self.received;
        // IMP-12
        if control_hash(payload.control) != statement.control {
            return Err(Code::BadSignature);
        }
        let control: Control = cbor::decode(payload.control, limits::CONTROL)?;
        // IMP-13
        if control.owner != header.owner || control.partition != header.partition {
            return Err(Code::UnwrapFailed);
        }
        // IMP-14
        let policy = &control.policy;
        let possible = policy.class.algorithms(policy.kind);
        let ascending = policy.algorithms.is_sorted_by(|a, b| a < b);
        if policy.kind != header.kind
            || policy.class != header.class
            || !(1..=limits::ALGORITHMS).contains(&policy.algorithms.len())
            || !ascending
            || !policy
                .algorithms
                .iter()
                .all(|algorithm| possible.contains(algorithm))
        {
            return Err(Code::UsageRefused);
        }
        // IMP-15
        let end_is_near = control
            .hard_end_s
            .is_some_and(|end_s| end_s > now_s && end_s - now_s <= limits::HARD_END_MAX_S);
        let in_range = match &control.revocation {
            Some(revocation) => {
                revocation.is_within_bounds()
                    && control.hard_end_s.is_none_or(|end_s| end_s > now_s)
            }
            None => end_is_near,
        };
        if !in_range || control.label.len() > limits::LABEL {
            return Err(Code::OutOfRange);
        }
        // IMP-16
        let services = control
            .revocation
            .as_ref()
            .map_or(0, |revocation| revocation.services().len());
        if payload.release_secrets.len() != 32 * services
            || revocation_hash(control.revocation.as_ref(), payload.release_secrets)
                != statement.revocation
        {
            return Err(Code::BadSignature);
        }
        Ok(control)
    }

    fn check_material<'p>(&self, payload: &Payload<'p>) -> Result<Material<'p>, Code> {
        // IMP-17
        if material_hash(payload.material) != self.received.statement.material {
            return Err(Code::BadSignature);
        }
        let material: Material<'p> = cbor::decode(payload.material, limits::MATERIAL)?;
        if material.salt.len() == 32 {
            Ok(material)
        } else {
            Err(Code::Malformed)
        }
    }
}
