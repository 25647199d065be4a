//! Imports, layers, records, R.

use cofferdam_wire::id::{Digest, GroupId, KeyId, PartitionId, RecipientId, Thumbprint, Token};
use cofferdam_wire::import::{
    Control, ImportHeader, ImportRequest, Imported, LeaseTerms, Material, Payload, Receipt,
    ReceiptBundle, Statement, UsagePolicy,
};
use cofferdam_wire::kind::{Algorithm, EscrowMode, KeyKind, Suite, UsageClass, WrapMode};
use cofferdam_wire::layer::Layer;
use cofferdam_wire::limits;
use cofferdam_wire::record::StoredRecord;
use cofferdam_wire::revocation::{Revocation, Service};

use super::{BODY, Example, TIME_S, ed25519, example, p256};

pub(super) const TERMS: LeaseTerms = LeaseTerms {
    interval_s: 300,
    grace_s: 60,
    per_operation: false,
    skew_s: 1,
};

/// R with one service.
pub(in crate::vectors) fn revocation() -> Revocation {
    let service = Service {
        host: "status.example:8443".into(),
        status_root: p256(),
        token: Token([0x5a; 32]),
    };
    Revocation::Services {
        services: vec![service],
        terms: TERMS,
    }
}

pub(super) fn policy() -> UsagePolicy {
    UsagePolicy {
        kind: KeyKind::EcP256,
        class: UsageClass::Sign,
        algorithms: vec![Algorithm::EcdsaSha256],
    }
}

pub(super) fn examples() -> Vec<Example> {
    let mut all = wrapped();
    all.extend(answered());
    all
}

fn wrapped() -> Vec<Example> {
    let header = ImportHeader {
        version: 1,
        vendor_suite: Suite::XWing,
        provider_suite: Suite::RsaOaep,
        mode: WrapMode::Parent,
        group: GroupId([0x11; 32]),
        owner: ed25519(),
        partition: "payments".into(),
        kind: KeyKind::EcP256,
        class: UsageClass::Sign,
        tee_key: RecipientId([0x22; 32]),
        provider_key: RecipientId([0x33; 32]),
        transcript: Digest([0x44; 32]),
        created_s: TIME_S,
        not_after_s: TIME_S + 3600,
    };
    let control = Control {
        salt: Digest([0x55; 32]),
        owner: ed25519(),
        partition: "payments".into(),
        policy: policy(),
        revocation: Some(revocation()),
        hard_end_s: None,
        label: "card signing 2026".into(),
    };
    let without_r = Control {
        revocation: None,
        hard_end_s: Some(TIME_S),
        label: String::new(),
        ..control.clone()
    };
    let statement = Statement {
        header: vec![0xaa; 4],
        vendor_layer: Digest([1; 32]),
        control: Digest([2; 32]),
        material: Digest([3; 32]),
        revocation: Digest([4; 32]),
    };
    let layer = Layer {
        suite: Suite::XWing,
        recipient: RecipientId([0x22; 32]),
        enc: vec![0xee; 24],
        commitment: Digest([0xcc; 32]),
        ciphertext: vec![0xdd; 24],
    };
    let header_names: &[&str] = &[
        "version",
        "vendor suite",
        "provider suite",
        "mode",
        "group",
        "owner",
        "partition",
        "kind",
        "class",
        "tee key",
        "provider key",
        "transcript",
        "created_s",
        "not_after_s",
    ];
    let control_names: &[&str] = &[
        "salt",
        "owner",
        "partition",
        "policy",
        "revocation",
        "hard_end_s",
        "label",
    ];
    vec![
        example!(
            "Layer",
            "",
            Layer,
            limits::LAYER,
            layer,
            &["suite", "recipient", "enc", "commitment", "ciphertext"]
        ),
        example!(
            "ImportHeader",
            "",
            ImportHeader,
            limits::IMPORT_HEADER,
            header,
            header_names
        ),
        example!(
            "Control",
            "with R",
            Control,
            limits::CONTROL,
            control,
            control_names
        ),
        example!(
            "Control",
            "without R",
            Control,
            limits::CONTROL,
            without_r,
            control_names
        ),
        example!(
            "Material",
            "",
            Material<'_>,
            limits::MATERIAL,
            Material {
                salt: &[6; 32],
                cose_key: &[0xa0]
            },
            &["salt", "COSE_Key"]
        ),
        example!(
            "Payload",
            "",
            Payload<'_>,
            limits::PAYLOAD,
            Payload {
                control: &[1],
                material: &[2],
                release_secrets: &[3; 32]
            },
            &["control", "material", "release secrets"]
        ),
        example!(
            "Statement",
            "",
            Statement,
            limits::STATEMENT,
            statement,
            &[
                "header",
                "H(vendor layer)",
                "H(control)",
                "H(material)",
                "H(R)"
            ]
        ),
        example!(
            "ImportRequest",
            "",
            ImportRequest,
            limits::IMPORT,
            ImportRequest {
                statement: vec![1; 3],
                layer: vec![2; 3]
            },
            &["statement", "layer"]
        ),
    ]
}

fn answered() -> Vec<Example> {
    let receipt = Receipt {
        version: 1,
        key: KeyId([1; 32]),
        group: GroupId([0x11; 32]),
        partition: PartitionId([2; 32]),
        transcript: Digest([0x44; 32]),
        policy: policy(),
        public_key: Some(p256().to_cose()),
        check_value: None,
        lease: Some(TERMS),
        hard_end_s: None,
        escrow: EscrowMode::Officers,
        epoch: 1,
        imported_s: TIME_S,
        instance: Thumbprint([3; 32]),
    };
    let aes = UsagePolicy {
        kind: KeyKind::Aes256,
        class: UsageClass::Encrypt,
        algorithms: vec![Algorithm::Xaes256Gcm],
    };
    let not_revocable = Receipt {
        policy: aes,
        public_key: None,
        check_value: Some(Digest([5; 32])),
        lease: None,
        hard_end_s: Some(TIME_S),
        ..receipt.clone()
    };
    let names: &[&str] = &[
        "version",
        "key",
        "group",
        "partition",
        "transcript",
        "policy",
        "public key",
        "check value",
        "lease",
        "hard_end_s",
        "escrow",
        "epoch",
        "imported_s",
        "instance",
    ];
    let imported = Imported {
        record: vec![1],
        receipt: vec![2],
        binding: vec![3],
        evidence: vec![4],
    };
    let bundle = ReceiptBundle {
        receipt: vec![1],
        binding: vec![2],
        evidence: vec![3],
        vendor_statement: vec![4],
    };
    let record = StoredRecord {
        statement: vec![1],
        control: vec![2; 40],
        material: vec![3; 40],
    };
    vec![
        example!(
            "Receipt",
            "with R, asymmetric",
            Receipt,
            limits::RECEIPT,
            receipt,
            names
        ),
        example!(
            "Receipt",
            "without R, symmetric",
            Receipt,
            limits::RECEIPT,
            not_revocable,
            names
        ),
        example!(
            "Imported",
            "",
            Imported,
            BODY,
            imported,
            &["record", "receipt", "binding", "evidence"]
        ),
        example!(
            "ReceiptBundle",
            "",
            ReceiptBundle,
            BODY,
            bundle,
            &["receipt", "binding", "evidence", "vendor statement"]
        ),
        example!(
            "StoredRecord",
            "",
            StoredRecord,
            limits::RECORD,
            record,
            &["statement", "control", "material"]
        ),
        example!(
            "Revocation",
            "one service",
            Revocation,
            limits::CONTROL,
            revocation(),
            &["form", "services", "terms"]
        ),
    ]
}
