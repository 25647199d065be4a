//! RCP-1 to RCP-7: a receipt counts when a proven instance signed it, and confirms when every field is what was wrapped.

use cofferdam::receipt::{ReceiptError, VerifiedReceipt};
use cofferdam::verify::Suites;
use cofferdam::wrap::{Expected, wrap};
use cofferdam_wire::id::{Digest, GroupId, KeyId, PartitionId, Pcr};
use cofferdam_wire::import::{Receipt, ReceiptBundle};
use cofferdam_wire::kind::{Algorithm, EscrowMode};
use cofferdam_wire::vendor::VendorStatement;
use cofferdam_wire::{cbor, context};

use crate::enclave::{Played, owner};
use crate::world::{FOREIGN_IMAGE, World};
use crate::wraps::{ed25519, order};

struct Case {
    world: World,
    expected: Expected,
    receipt: Receipt,
}

impl Case {
    async fn new() -> Case {
        let world = World::new();
        let keys = world
            .proven()
            .prove_possession(Suites::default(), &Played::new(&world))
            .await
            .unwrap();
        let wrapped = wrap(keys, &ed25519(), &order(), &owner(), world.now_s).unwrap();
        let receipt = world.receipt(&world.open_import(wrapped.import.request()).unwrap());
        Case {
            expected: wrapped.import.expected().clone(),
            receipt,
            world,
        }
    }

    fn judge(&self, bundle: &ReceiptBundle) -> Result<(), ReceiptError> {
        let counted = |_: &KeyId| Some(&self.expected.vendor_statement[..]);
        VerifiedReceipt::verify(&self.world.trust(), bundle, counted)?
            .confirm(&self.expected)
            .map(|_| ())
    }

    /// The bundle with one change, signed as it should be.
    fn bundle(&self, change: impl FnOnce(&mut ReceiptBundle)) -> Result<(), ReceiptError> {
        let mut bundle = self.world.bundle(&self.receipt);
        change(&mut bundle);
        self.judge(&bundle)
    }

    fn statement(&self, change: impl FnOnce(&mut VendorStatement)) -> Result<(), ReceiptError> {
        let mut statement = self.world.statement();
        change(&mut statement);
        self.bundle(|bundle| bundle.vendor_statement = self.world.signed_statement(&statement))
    }
}

#[tokio::test]
async fn rcp_0_the_right_receipt_confirms() {
    let case = Case::new().await;
    case.judge(&case.world.bundle(&case.receipt)).unwrap();
}

#[tokio::test]
async fn rcp_1_to_rcp_4_t09_a_fake_receipt_does_not_count() {
    let case = Case::new().await;
    let stranger = World::new();
    let check = |result: Result<(), ReceiptError>| result.unwrap_err().check();
    let not_a_receipt = case
        .world
        .instance
        .sign1(context::RECEIPT, vec![0])
        .to_bytes();
    assert_eq!(
        check(case.bundle(|bundle| bundle.receipt = not_a_receipt)),
        "RCP-1"
    );
    assert_eq!(
        check(case.bundle(|bundle| bundle.evidence[300] ^= 1)),
        "RCP-2"
    );
    let foreign = case.world.bundle(&case.receipt);
    let foreign = ReceiptBundle {
        evidence: stranger.bundle(&case.receipt).evidence,
        ..foreign
    };
    assert_eq!(check(case.judge(&foreign)), "RCP-2");
    let other_vendor = stranger.signed_statement(&case.world.statement());
    assert_eq!(
        check(case.bundle(|bundle| bundle.vendor_statement = other_vendor)),
        "RCP-3"
    );
    let by_stranger = stranger
        .instance
        .sign1(context::RECEIPT, cbor::encode(&case.receipt))
        .to_bytes();
    assert_eq!(
        check(case.bundle(|bundle| bundle.receipt = by_stranger)),
        "RCP-4"
    );
    let other_context = case
        .world
        .instance
        .sign1(context::STATUS_QUERY, cbor::encode(&case.receipt))
        .to_bytes();
    assert_eq!(
        check(case.bundle(|bundle| bundle.receipt = other_context)),
        "RCP-4"
    );
    let mut other_group = case.receipt.clone();
    other_group.group = GroupId([1; 32]);
    assert_eq!(check(case.judge(&case.world.bundle(&other_group))), "RCP-4");
}

#[tokio::test]
async fn rcp_3_t66_the_statement_beside_it_must_be_current_then_and_accept_the_image() {
    let case = Case::new().await;
    let check = |result: Result<(), ReceiptError>| result.unwrap_err().check();
    assert!(case.statement(|_| ()).is_ok());
    assert_eq!(
        check(case.statement(|statement| statement.images[0].measurement = FOREIGN_IMAGE)),
        "RCP-3"
    );
    assert_eq!(
        check(case.statement(|statement| statement.issued_s -= 7 * 24 * 3600)),
        "RCP-3"
    );
}

#[tokio::test]
async fn rcp_3_t53_the_evidence_beside_it_shows_the_signer_that_the_statement_names() {
    let case = Case::new().await;
    let binding = cbor::encode(&case.world.binding());
    let mut statement = case.world.statement();
    statement.images[0].pcr8 = Some(Pcr([8; 48]));
    statement.sequence = 11;
    let signed = case.world.signed_statement(&statement);
    let shown = |further: &[(u8, [u8; 48])]| {
        let at_s = case.world.now_s - 1800;
        let evidence = case
            .world
            .evidence_showing(further, &binding, &[0; 32], at_s);
        case.bundle(|bundle| {
            bundle.evidence = evidence;
            bundle.vendor_statement = signed.clone();
        })
    };
    assert!(shown(&[(8, [8; 48])]).is_ok());
    for defect in [&[(8, [9; 48])][..], &[(8, [0; 48])], &[]] {
        assert_eq!(shown(defect).unwrap_err().check(), "RCP-3");
    }
}

#[tokio::test]
async fn rcp_3_t66_of_the_statement_beside_it_and_that_of_the_wrap_the_higher_one_is_asked() {
    let judge = async |change: &dyn Fn(&mut VendorStatement), staple: u64| {
        let mut case = Case::new().await;
        let mut counted = case.world.statement();
        counted.sequence = 12;
        change(&mut counted);
        case.expected.vendor_sequence = counted.sequence;
        case.expected.vendor_statement = case.world.signed_statement(&counted);
        let judged = case.statement(|statement| statement.sequence = staple);
        judged.map_err(|error| error.check())
    };
    // The provider is behind the vendor's own address, or ahead of it.
    assert_eq!(judge(&|_| (), 11).await, Ok(()));
    assert_eq!(judge(&|counted| counted.images.clear(), 13).await, Ok(()));
    let withdrawn = judge(&|counted| counted.images.clear(), 11).await;
    assert_eq!(withdrawn, Err("RCP-3"));
    // What counted then is not current any more: neither it nor an older one will do.
    let over = judge(&|counted| counted.issued_s -= 8 * 24 * 3600, 11).await;
    assert_eq!(over, Err("RCP-7"));
}

#[tokio::test]
async fn rcp_5_evidence_is_of_about_the_import() {
    let case = Case::new().await;
    let binding = cbor::encode(&case.world.binding());
    let from = |age_s| {
        case.world
            .evidence(&binding, &[0; 32], case.world.now_s - age_s)
    };
    assert!(case.bundle(|bundle| bundle.evidence = from(3600)).is_ok());
    let old = case.bundle(|bundle| bundle.evidence = from(3600 + 301));
    assert_eq!(old.unwrap_err().check(), "RCP-5");
}

#[tokio::test]
async fn rcp_6_t10_every_field_must_be_what_was_wrapped() {
    let case = Case::new().await;
    let judge = |field: &str, change: fn(&mut Receipt)| {
        let mut receipt = case.receipt.clone();
        change(&mut receipt);
        let error = case.judge(&case.world.bundle(&receipt)).unwrap_err();
        assert!(
            matches!(error, ReceiptError::Field(name) if name == field),
            "{field}: {error}"
        );
    };
    judge("key", |receipt| receipt.key = KeyId([1; 32]));
    judge("partition", |receipt| {
        receipt.partition = PartitionId([1; 32])
    });
    judge("transcript", |receipt| receipt.transcript = Digest([1; 32]));
    judge("policy", |receipt| {
        receipt.policy.algorithms.push(Algorithm::EcdsaSha256)
    });
    judge("public_key", |receipt| receipt.public_key = None);
    judge("check_value", |receipt| {
        receipt.check_value = Some(Digest([1; 32]))
    });
    judge("lease", |receipt| {
        receipt.lease.as_mut().unwrap().interval_s = 3600
    });
    judge("lease", |receipt| receipt.lease = None);
    judge("hard_end", |receipt| receipt.hard_end_s = Some(1));
    judge("escrow", |receipt| receipt.escrow = EscrowMode::None);
    judge("epoch", |receipt| receipt.epoch = 4);
}

#[tokio::test]
async fn rcp_7_a_receipt_from_another_time_is_not_of_this_import() {
    let case = Case::new().await;
    let mut early = Case::new().await;
    early.expected.created_s = case.world.now_s + 1000;
    early.expected.not_after_s = case.world.now_s + 2000;
    assert_eq!(
        early
            .judge(&early.world.bundle(&early.receipt))
            .unwrap_err()
            .check(),
        "RCP-7"
    );
}
