//! The receipt of an import: what the enclave confirms, signed by the key that its Evidence binds (P7).

use crate::crypto::keys::CustomerKey;
use crate::crypto::signature::InstanceKey;
use cofferdam_wire::id::{Digest, GroupId, KeyId};
use cofferdam_wire::import::{Control, ImportHeader, Material, Receipt};
use cofferdam_wire::kind::EscrowMode;
use cofferdam_wire::{Code, cbor, context};

/// Who confirms, where and when.
pub(crate) struct ReceiptContext<'a> {
    pub(crate) group: GroupId,
    pub(crate) escrow: EscrowMode,
    pub(crate) epoch: u64,
    pub(crate) now_s: u64,
    pub(crate) instance: &'a InstanceKey,
}

/// Makes and signs a receipt.
pub(crate) fn sign(
    about: &ReceiptContext<'_>,
    key: &KeyId,
    header: &ImportHeader,
    control: &Control,
    material: &Material<'_>,
    customer_key: &CustomerKey,
) -> Result<Vec<u8>, Code> {
    let receipt = Receipt {
        version: 1,
        key: *key,
        group: about.group,
        partition: header.partition_id(),
        transcript: header.transcript,
        policy: control.policy.clone(),
        public_key: customer_key.public_cose(),
        check_value: customer_key.check_value(material.salt).map(Digest),
        lease: control
            .revocation
            .as_ref()
            .map(|revocation| revocation.terms()),
        hard_end_s: control.hard_end_s,
        escrow: about.escrow,
        epoch: about.epoch,
        imported_s: about.now_s,
        instance: about.instance.public().thumbprint(),
    };
    let signed = about
        .instance
        .sign1(context::RECEIPT, cbor::encode(&receipt))
        .map_err(|_| Code::Internal)?;
    Ok(signed.to_bytes())
}
