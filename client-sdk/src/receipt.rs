//! The receipt: the enclave's own word that it holds the key, and how (P7).
//!
//! A receipt comes through the provider, who may invent, exchange or withhold it (T-09). It counts when the instance that
//! signed it is one that Evidence vouches for, as of when it was made, under the vendor's statement of then (the one beside
//! it, or a higher one that counted when the key was wrapped); and it confirms an import when every field is what was wrapped. Only a [`Confirmed`] lets the import flow activate the key at
//! its revocation services. Check ids RCP-1 to RCP-7: `docs/protocol/import.md`.

use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::id::KeyId;
use cofferdam_wire::import::{Receipt, ReceiptBundle};
use cofferdam_wire::{cbor, context, limits};

use crate::crypto::signing::verify_sign1;
use crate::trust::Trust;
use crate::verify::{Instance, Moment, ProofError, verify_statement};
use crate::wrap::Expected;

/// Why a receipt does not count. The key stays inactive.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// RCP-1: not a receipt bundle.
    #[error("RCP-1: the {0} is not well formed")]
    Malformed(&'static str),
    /// RCP-2: the instance behind it is not one.
    #[error("RCP-2: the instance behind the receipt is not proven: {0}")]
    Instance(ProofError),
    /// RCP-3: the vendor statement beside it does not hold for that time.
    #[error("RCP-3: the vendor statement beside the receipt does not hold: {0}")]
    Statement(ProofError),
    /// RCP-4: not signed by that instance, or speaking of another one.
    #[error("RCP-4: the receipt is not signed by the instance that its evidence vouches for")]
    Signature,
    /// RCP-5: the Evidence is not of about the time of the import.
    #[error(
        "RCP-5: the evidence beside the receipt is from {evidence_s}, more than an hour from the import at {imported_s} (Unix seconds)"
    )]
    Evidence {
        /// When the Evidence was made.
        evidence_s: u64,
        /// When the import was.
        imported_s: u64,
    },
    /// RCP-6: it confirms something else.
    #[error(
        "RCP-6: the receipt says otherwise than what was wrapped, in its field \"{0}\"; the key is not activated"
    )]
    Field(&'static str),
    /// RCP-7: it is not from the time of this import, or no current vendor statement is as new as that of the proof.
    #[error("RCP-7: {0}")]
    Time(&'static str),
}

impl ReceiptError {
    /// The id of the check that refused.
    pub fn check(&self) -> &'static str {
        match self {
            ReceiptError::Malformed(_) => "RCP-1",
            ReceiptError::Instance(_) => "RCP-2",
            ReceiptError::Statement(_) => "RCP-3",
            ReceiptError::Signature => "RCP-4",
            ReceiptError::Evidence { .. } => "RCP-5",
            ReceiptError::Field(_) => "RCP-6",
            ReceiptError::Time(_) => "RCP-7",
        }
    }
}

/// A receipt that a proven instance signed: true as of then.
#[derive(Debug, Clone)]
pub struct VerifiedReceipt {
    receipt: Receipt,
    vendor_sequence: u64,
}

/// A receipt that confirms one import, field by field.
#[derive(Debug, Clone)]
pub struct Confirmed(VerifiedReceipt);

impl VerifiedReceipt {
    /// Verifies a bundle of any age, as a fact about then. `counted` gives the vendor statement that counted when this key
    /// was wrapped, if this machine wrapped it: the vendor's address may have been ahead of what the provider staples.
    pub fn verify<'a>(
        trust: &Trust,
        bundle: &ReceiptBundle,
        counted: impl FnOnce(&KeyId) -> Option<&'a [u8]>,
    ) -> Result<Self, ReceiptError> {
        let instance = Instance::verify(
            trust.root(),
            &bundle.binding,
            &bundle.evidence,
            Moment::Past,
        )
        .map_err(ReceiptError::Instance)?;
        let binding = instance.binding();
        let signed = CoseSign1::from_bytes(&bundle.receipt, limits::RECEIPT)
            .map_err(|_| ReceiptError::Malformed("receipt"))?;
        let payload = verify_sign1(&binding.instance, context::RECEIPT, &signed)
            .map_err(|_| ReceiptError::Signature)?;
        let receipt: Receipt = cbor::decode(payload, limits::RECEIPT)
            .map_err(|_| ReceiptError::Malformed("receipt"))?;
        if receipt.version != 1 {
            return Err(ReceiptError::Malformed("version of the receipt"));
        }
        if receipt.instance != binding.instance.thumbprint() || receipt.group != binding.group {
            return Err(ReceiptError::Signature);
        }
        let (evidence_s, imported_s) = (instance.evidence_s(), receipt.imported_s);
        let tolerated_s = limits::EVIDENCE_MAX_AGE_S + limits::CREATED_SKEW_S;
        if evidence_s.abs_diff(imported_s) > tolerated_s {
            return Err(ReceiptError::Evidence {
                evidence_s,
                imported_s,
            });
        }
        let max_age_s = trust.vendor_statement_max_age_s();
        let judge = |bytes| verify_statement(bytes, trust.vendor(), imported_s, max_age_s);
        let stapled = judge(&bundle.vendor_statement).map_err(ReceiptError::Statement)?;
        let statement = match counted(&receipt.key).map(judge) {
            Some(Ok(counted)) if counted.sequence > stapled.sequence => counted,
            // One that is not current any more does not count; RCP-7 still wants its sequence.
            _ => stapled,
        };
        for measurement in binding.measurements.iter().chain([instance.measurement()]) {
            if !trust.accepts(&statement, measurement, evidence_s) {
                return Err(ReceiptError::Statement(ProofError::MeasurementRefused(
                    Box::new(*measurement),
                )));
            }
        }
        if !statement.signer_fits(&instance.shown()) {
            let evidence = "evidence";
            return Err(ReceiptError::Statement(ProofError::Signer { evidence }));
        }
        Ok(Self {
            receipt,
            vendor_sequence: statement.sequence,
        })
    }

    /// What it says.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Whether it confirms this import, every field of it.
    pub fn confirm(self, expected: &Expected) -> Result<Confirmed, ReceiptError> {
        let receipt = &self.receipt;
        let fields = [
            ("key", receipt.key == expected.key),
            ("group", receipt.group == expected.group),
            ("partition", receipt.partition == expected.partition),
            ("transcript", receipt.transcript == expected.transcript),
            ("policy", receipt.policy == expected.policy),
            ("public_key", receipt.public_key == expected.public_key),
            ("check_value", receipt.check_value == expected.check_value),
            ("lease", receipt.lease == expected.lease),
            ("hard_end", receipt.hard_end_s == expected.hard_end_s),
            ("escrow", receipt.escrow == expected.escrow),
            ("epoch", receipt.epoch == expected.epoch),
        ];
        if let Some((field, _)) = fields.iter().find(|(_, equal)| !equal) {
            return Err(ReceiptError::Field(field));
        }
        let earliest_s = expected.created_s.saturating_sub(limits::CREATED_SKEW_S);
        let latest_s = expected.not_after_s.saturating_add(limits::CREATED_SKEW_S);
        if !(earliest_s..=latest_s).contains(&receipt.imported_s) {
            return Err(ReceiptError::Time(
                "the receipt is not from the time of this import",
            ));
        }
        if self.vendor_sequence < expected.vendor_sequence {
            return Err(ReceiptError::Time(
                "the vendor statement beside the receipt is older than the one verified before, which is not current any more",
            ));
        }
        Ok(Confirmed(self))
    }
}

impl Confirmed {
    /// What it says.
    pub fn receipt(&self) -> &Receipt {
        self.0.receipt()
    }
}
