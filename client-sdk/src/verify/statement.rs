//! The vendor's statement: signed by the pinned vendor and current (PRF-8, PRF-9), and which one counts if the vendor was
//! asked itself (PRF-24).

use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::limits;
use cofferdam_wire::vendor::VendorStatement;

use super::consult::Consulted;
use super::error::ProofError;
use crate::trust::Trust;
use crate::vendor::{SignedError, read_signed};

/// Verifies a statement as of `at_s`; it must have been issued at most `max_age_s` before.
pub fn verify_statement(
    bytes: &[u8],
    vendor: &PublicKey,
    at_s: u64,
    max_age_s: u64,
) -> Result<VendorStatement, ProofError> {
    let statement = read_signed(bytes, vendor).map_err(|error| match error {
        SignedError::Malformed => ProofError::Malformed("vendor statement"),
        SignedError::Signature => ProofError::VendorSignature,
        SignedError::Version => ProofError::VendorStale("its version is not 1"),
    })?;
    let lifetime_s = statement.not_after_s.saturating_sub(statement.issued_s);
    let rules = [
        (
            statement.issued_s <= at_s.saturating_add(limits::CREATED_SKEW_S),
            "it was issued in the future",
        ),
        (at_s < statement.not_after_s, "its time is over"),
        (
            lifetime_s <= limits::VENDOR_STATEMENT_LIFETIME_S,
            "it is valid for more than 90 days",
        ),
        (
            at_s.saturating_sub(statement.issued_s) <= max_age_s,
            "it was issued too long ago; the provider must staple a newer one",
        ),
    ];
    match rules.iter().find(|(holds, _)| !holds) {
        Some((_, rule)) => Err(ProofError::VendorStale(rule)),
        None => Ok(statement),
    }
}

/// The statement that counts, and its bytes: of the stapled and the fetched one, those that pass PRF-8 and PRF-9, and of
/// these the one with the higher sequence.
pub(super) fn choose<'a>(
    stapled: &'a [u8],
    consulted: &'a Consulted,
    trust: &Trust,
    now_s: u64,
) -> Result<(VendorStatement, &'a [u8]), ProofError> {
    let judge = |bytes: &'a [u8]| {
        verify_statement(
            bytes,
            trust.vendor(),
            now_s,
            trust.vendor_statement_max_age_s(),
        )
        .map(|statement| (statement, bytes))
    };
    let stapled = judge(stapled);
    let Some(source) = trust.vendor_url() else {
        return stapled;
    };
    let fetched = match &consulted.statement {
        None => Err("it was not asked".to_owned()),
        Some(Err(error)) => Err(error.to_string()),
        Some(Ok(bytes)) => judge(bytes).map_err(|error| error.to_string()),
    };
    match (fetched, stapled) {
        (Err(reason), _) if source.is_required => Err(ProofError::VendorUrl {
            url: source.url.to_string(),
            reason,
        }),
        (Ok(fetched), Ok(stapled)) if stapled.0.sequence >= fetched.0.sequence => Ok(stapled),
        (Ok(fetched), _) => Ok(fetched),
        (Err(_), stapled) => stapled,
    }
}
