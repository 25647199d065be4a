//! Binding, group, proof, vendor statement, validator's answer.

use cofferdam_wire::binding::{Binding, Measurement, PolicyBounds, SessionKey, TeeKey};
use cofferdam_wire::group::{
    Genesis, GenesisBody, GenesisRecord, GenesisRequest, Officer, RecoverRequest, Recovery,
    SealedShare, Share,
};
use cofferdam_wire::id::{Digest, GroupId, Nonce, Pcr, RecipientId};
use cofferdam_wire::kind::{EscrowMode, Suite};
use cofferdam_wire::limits;
use cofferdam_wire::transcript::{ChallengePlain, EnclaveProof, Proof, ProviderKey};
use cofferdam_wire::validator::{KeyStatus, ValidatorAnswer};
use cofferdam_wire::vendor::{Image, Provider, VendorStatement};

use super::{BODY, Example, TIME_S, ed25519, example, p256};

const MEASUREMENT: Measurement = Measurement {
    pcr0: [0; 48],
    pcr1: [1; 48],
    pcr2: [2; 48],
};

/// What an enclave and its parent answer to a nonce.
pub(in crate::vectors) fn proof() -> Proof {
    let enclave = EnclaveProof {
        binding: vec![1; 3],
        evidence: vec![2; 3],
        genesis: vec![3; 3],
    };
    let provider_keys = vec![ProviderKey {
        suite: Suite::XWing,
        public: vec![4; 3],
    }];
    Proof {
        enclave,
        provider_keys,
        vendor_statement: vec![5; 3],
    }
}

pub(super) fn examples() -> Vec<Example> {
    let mut all = instances();
    all.extend(groups());
    all
}

fn instances() -> Vec<Example> {
    let tee = |suite, public| TeeKey {
        suite,
        public,
        not_after_s: TIME_S,
        epoch: 1,
    };
    let binding = Binding {
        version: 1,
        group: GroupId([0x11; 32]),
        chain_sequence: 0,
        chain_head: Digest([0x22; 32]),
        epoch: 1,
        measurements: vec![MEASUREMENT],
        escrow: EscrowMode::Officers,
        instance: ed25519(),
        setup: vec![0x33; 24],
        session: SessionKey {
            public: vec![0x44; 24],
            not_after_s: TIME_S,
        },
        tee: vec![
            tee(Suite::XWing, vec![0x55; 24]),
            tee(Suite::RsaOaep, vec![0xa0]),
        ],
        bounds: PolicyBounds::IMAGE,
    };
    let image = Image {
        measurement: MEASUREMENT,
        until_s: Some(TIME_S),
        pcr8: Some(Pcr([8; 48])),
        epoch: 3,
    };
    let statement = VendorStatement {
        version: 1,
        sequence: 9,
        issued_s: TIME_S,
        not_after_s: TIME_S + 86_400,
        images: vec![
            Image {
                until_s: None,
                pcr8: None,
                ..image.clone()
            },
            image,
        ],
        providers: vec![Provider {
            name: "Example Cloud".into(),
            keys: vec![RecipientId([0x33; 32])],
            pcr3: vec![Pcr([3; 48])],
        }],
    };
    let answer = ValidatorAnswer {
        version: 1,
        nonce: Nonce([4; 32]),
        key: RecipientId([0x33; 32]),
        status: KeyStatus::Current,
        issued_s: TIME_S,
        valid_for_s: 300,
    };
    let names: &[&str] = &[
        "version",
        "group",
        "chain sequence",
        "chain head",
        "epoch",
        "measurements",
        "escrow",
        "instance",
        "setup",
        "session",
        "tee",
        "bounds",
    ];
    vec![
        example!("Binding", "", Binding, limits::BINDING, binding, names),
        example!(
            "Proof",
            "",
            Proof,
            limits::PROOF,
            proof(),
            &["enclave", "provider keys", "vendor statement"]
        ),
        example!(
            "EnclaveProof",
            "",
            EnclaveProof,
            BODY,
            proof().enclave,
            &["binding", "evidence", "genesis"]
        ),
        example!(
            "ChallengePlain",
            "",
            ChallengePlain<'_>,
            128,
            ChallengePlain {
                secret: &[7; 32],
                transcript: &[8; 32]
            },
            &["secret", "transcript"]
        ),
        example!(
            "VendorStatement",
            "",
            VendorStatement,
            limits::VENDOR_STATEMENT,
            statement,
            &[
                "version",
                "sequence",
                "issued_s",
                "not_after_s",
                "images",
                "providers"
            ]
        ),
        example!(
            "ValidatorAnswer",
            "",
            ValidatorAnswer,
            limits::VALIDATOR_ANSWER,
            answer,
            &[
                "version",
                "nonce",
                "key",
                "status",
                "issued_s",
                "valid_for_s"
            ]
        ),
    ]
}

fn groups() -> Vec<Example> {
    let officer = |signing| Officer {
        signing,
        sealing: vec![0x77; 24],
    };
    let officers = vec![officer(p256()), officer(ed25519()), officer(p256())];
    let body = GenesisBody {
        version: 1,
        group_key: Digest([1; 32]),
        officers: officers.clone(),
        threshold: 2,
        escrow: EscrowMode::Officers,
        shares: vec![Digest([2; 32]); 3],
        random: Digest([3; 32]),
    };
    let share = SealedShare {
        officer: 2,
        enc: vec![1; 24],
        ciphertext: vec![2; 24],
    };
    let request = GenesisRequest {
        officers,
        threshold: 2,
        escrow: EscrowMode::None,
    };
    vec![
        example!(
            "GenesisRequest",
            "",
            GenesisRequest,
            limits::GENESIS_BODY,
            request,
            &["officers", "threshold", "escrow"]
        ),
        example!(
            "GenesisBody",
            "",
            GenesisBody,
            limits::GENESIS_BODY,
            body,
            &[
                "version",
                "group key",
                "officers",
                "threshold",
                "escrow",
                "shares",
                "random"
            ]
        ),
        example!(
            "GenesisRecord",
            "",
            GenesisRecord,
            limits::GENESIS_RECORD,
            GenesisRecord {
                body: vec![1; 3],
                evidence: vec![2; 3]
            },
            &["body", "evidence"]
        ),
        example!(
            "Genesis",
            "",
            Genesis,
            BODY,
            Genesis {
                record: vec![1; 3],
                shares: vec![share.clone()]
            },
            &["record", "shares"]
        ),
        example!(
            "SealedShare",
            "",
            SealedShare,
            BODY,
            share,
            &["officer", "enc", "ciphertext"]
        ),
        example!(
            "Share",
            "",
            Share<'_>,
            128,
            Share {
                salt: &[4; 32],
                value: &[5; 33]
            },
            &["salt", "value"]
        ),
        example!(
            "RecoverRequest",
            "",
            RecoverRequest,
            BODY,
            RecoverRequest {
                genesis: vec![1; 3],
                vendor_statement: vec![2; 3]
            },
            &["genesis", "vendor statement"]
        ),
        example!(
            "Recovery",
            "",
            Recovery,
            BODY,
            Recovery {
                have: 1,
                need: 2,
                complete: false
            },
            &["have", "need", "complete"]
        ),
    ]
}
