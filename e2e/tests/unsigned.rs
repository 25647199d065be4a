//! What an enclave says whose security module signs nothing: a document of QEMU's emulation, from the production image.
//!
//! Everything in it is right but the signature, so each of those who could believe it is asked twice: with the document as
//! it is, and with the same claims signed under the root that is trusted here (T-05, T-63).

#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam::verify::{Genesis, Instance, Moment, ProofError};
use cofferdam_attestation::{EvidenceError, Root, aws_nitro_root};
use cofferdam_e2e::World;
use cofferdam_e2e::world::GOOD_IMAGE;
use cofferdam_revocation_service::appraisal::{
    Accepted, AppraisalError, Appraiser, Consent, Shown,
};
use cofferdam_simulated_nsm::{Claims, DocumentSigner, simulator_root_der};
use cofferdam_wire::binding::{Binding, Measurement, instance_spki, user_data};
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::group::{GenesisRecord, RecoverRequest, genesis_user_data};
use cofferdam_wire::id::GroupId;
use cofferdam_wire::link::Message;
use cofferdam_wire::transcript::EnclaveProof;
use cofferdam_wire::{Code, cbor, limits};

/// Written by `cargo xtask nitro-qemu --keep`.
const SAID: &[u8] = include_bytes!("unsigned/said.cbor");

/// What was said, and the same signed.
struct Case {
    said: EnclaveProof,
    signed: EnclaveProof,
    binding: Binding,
    image: Measurement,
    made_ms: u64,
}

fn root() -> Root {
    Root::from_der(simulator_root_der()).unwrap()
}

/// No reader of ours takes such a document, so the time is looked for: the key, and an unsigned number of 8 bytes.
fn timestamp_ms(document: &[u8]) -> u64 {
    let key = b"\x69timestamp\x1b";
    let at = document.windows(key.len()).position(|window| window == key);
    let number = &document[at.unwrap() + key.len()..][..8];
    u64::from_be_bytes(number.try_into().unwrap())
}

fn case() -> Case {
    let said: EnclaveProof = cbor::decode(SAID, limits::PROOF).unwrap();
    let binding: Binding = cbor::decode(&said.binding, limits::BINDING).unwrap();
    let [image] = binding.measurements[..] else {
        panic!("a new group admits one image");
    };
    let PublicKey::Ed25519(instance) = binding.instance else {
        panic!("the instance key is Ed25519");
    };
    let signer = DocumentSigner::boot("emulated").unwrap();
    let pcrs = [(0, image.pcr0), (1, image.pcr1), (2, image.pcr2)];
    let sign =
        |unsigned: &[u8], user_data: &[u8], public_key: Option<&[u8]>, nonce: Option<&[u8]>| {
            let claims = Claims {
                timestamp_ms: timestamp_ms(unsigned),
                pcrs: &pcrs,
                public_key,
                user_data: Some(user_data),
                nonce,
            };
            signer.document(&claims).unwrap()
        };
    let record: GenesisRecord = cbor::decode(&said.genesis, limits::GENESIS_RECORD).unwrap();
    let group = GroupId::of(&record.body);
    let signed_record = GenesisRecord {
        evidence: sign(
            &record.evidence,
            &genesis_user_data(&record.body),
            None,
            Some(&group.0),
        ),
        body: record.body,
    };
    let spki = instance_spki(&instance);
    let signed = EnclaveProof {
        binding: said.binding.clone(),
        evidence: sign(&said.evidence, &user_data(&said.binding), Some(&spki), None),
        genesis: cbor::encode(&signed_record),
    };
    Case {
        made_ms: timestamp_ms(&said.evidence),
        said,
        signed,
        binding,
        image,
    }
}

#[test]
fn t05_the_sdk_refuses_a_document_that_nobody_signed() {
    let case = case();
    let judged = |root: &Root, proof: &EnclaveProof| {
        let instance = Instance::verify(root, &proof.binding, &proof.evidence, Moment::Past);
        let genesis = Genesis::verify(root, &proof.genesis);
        (instance.map(drop), genesis.map(drop))
    };
    assert!(matches!(judged(&root(), &case.signed), (Ok(()), Ok(()))));
    for root in [root(), aws_nitro_root()] {
        assert!(matches!(
            judged(&root, &case.said),
            (
                Err(ProofError::Evidence(EvidenceError::Algorithm)),
                Err(ProofError::GenesisEvidence(EvidenceError::Algorithm))
            )
        ));
    }
}

#[test]
fn t05_the_revocation_service_refuses_a_document_that_nobody_signed() {
    let case = case();
    let judged = |root: Root, evidence: &[u8], genesis: &[u8]| {
        let accepted = Accepted {
            measurement: case.image,
            until_s: None,
        };
        let shown = Shown {
            group: case.binding.group,
            binding_bytes: &case.said.binding,
            binding: &case.binding,
            evidence,
            genesis,
        };
        Appraiser::new(root, vec![accepted]).appraise(&shown, case.made_ms)
    };
    let (said, signed) = (&case.said, &case.signed);
    assert_eq!(
        judged(root(), &signed.evidence, &signed.genesis),
        Ok(Consent::Given)
    );
    for root in [root, aws_nitro_root] {
        assert_eq!(
            judged(root(), &said.evidence, &signed.genesis),
            Err(AppraisalError::Evidence(EvidenceError::Algorithm))
        );
    }
    assert_eq!(
        judged(root(), &signed.evidence, &said.genesis),
        Err(AppraisalError::GenesisEvidence(EvidenceError::Algorithm))
    );
}

#[test]
fn t63_an_enclave_does_not_enter_a_group_whose_genesis_nobody_signed() {
    let case = case();
    let recovered = |genesis: &[u8]| {
        let mut world = World::alone(GOOD_IMAGE);
        let vendor_statement = world.vendor_statement(&[GOOD_IMAGE, case.image]);
        let request = RecoverRequest {
            genesis: genesis.to_vec(),
            vendor_statement,
        };
        world.call(Message::Recover, cbor::encode(&request))
    };
    assert_eq!(recovered(&case.signed.genesis), Ok(Vec::new()));
    assert_eq!(recovered(&case.said.genesis), Err(Code::EvidenceRefused));
}
