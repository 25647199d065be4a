//! The verification as one sequence: form, path, signature, time, expectations.

use std::ops::Range;

use crate::chain;
use crate::document::{Claims, Envelope};
use crate::error::EvidenceError;
use crate::evidence::{Evidence, Measurement};
use crate::root::Root;

/// How far a document's time may lie ahead of the caller's clock, in seconds: enough for a clock
/// set by NTP, far too little to keep a document for later.
pub const MAX_AHEAD_S: u64 = 60;

/// Whether an enclave in debug mode will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Debugging {
    /// It will not, even where the caller expects PCRs of zeros.
    #[default]
    Refuse,
    /// It will: the parent of such an enclave can read all that it does.
    Allow,
}

/// What the caller wants the document to say, beyond being true. The rule is walked from this
/// side: what is expected and not there is refused (T-05).
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'a> {
    /// The caller's own fresh bytes. `None` asks for nothing; such Evidence may be a replay (T-03).
    pub nonce: Option<&'a [u8]>,
    /// What the enclave binds to its Evidence.
    pub user_data: Option<&'a [u8]>,
    /// The key that the enclave binds to its Evidence.
    pub public_key: Option<&'a [u8]>,
    /// PCRs by index.
    pub pcrs: &'a [(u8, [u8; 48])],
    /// Whether debug mode will do.
    pub debugging: Debugging,
}

/// Verifies a document against a pinned root at a given time. Free of side effects and of panics.
///
/// `at_unix_s` is the caller's clock in seconds since 1970. Every certificate must be valid then,
/// so Evidence lives no longer than its leaf: about three hours on Nitro.
///
/// # Errors
/// The first rule that the document breaks; the crate's head lists them.
pub fn verify(
    document: &[u8],
    root: &Root,
    at_unix_s: u64,
    expected: &Expected<'_>,
) -> Result<Evidence, EvidenceError> {
    let envelope = Envelope::parse(document)?;
    let claims = Claims::parse(envelope.payload)?;
    prove(&envelope, &claims, root, at_unix_s, expected)
}

/// Verifies a document as of the time that it states itself: it *was* true then. That says
/// nothing about now, and is for records that hold a document from the past.
///
/// # Errors
/// As [`verify`]; a document is never ahead of itself.
pub fn verify_at_own_time(
    document: &[u8],
    root: &Root,
    expected: &Expected<'_>,
) -> Result<Evidence, EvidenceError> {
    let envelope = Envelope::parse(document)?;
    let claims = Claims::parse(envelope.payload)?;
    let at_unix_s = claims.timestamp_ms / 1000;
    prove(&envelope, &claims, root, at_unix_s, expected)
}

/// The time in a document that nobody has verified, in milliseconds since 1970: what
/// [`verify_at_own_time`] judges it at. It proves nothing, and lets tests and fuzz targets compare
/// readers of the form alone; the enclave's shell has a reader of its own for its NSM's reply.
///
/// # Errors
/// A document whose form is wrong.
pub fn unverified_timestamp_ms(document: &[u8]) -> Result<u64, EvidenceError> {
    let envelope = Envelope::parse(document)?;
    Ok(Claims::parse(envelope.payload)?.timestamp_ms)
}

fn prove(
    envelope: &Envelope<'_>,
    claims: &Claims<'_>,
    root: &Root,
    at_unix_s: u64,
    expected: &Expected<'_>,
) -> Result<Evidence, EvidenceError> {
    let leaf_validity = chain::verify(envelope, claims, root, at_unix_s)?;
    check_time(claims.timestamp_ms, &leaf_validity, at_unix_s)?;
    let measurement = measurement(claims)?;
    check_expected(claims, &measurement, expected)?;
    Ok(Evidence::new(claims, measurement, root, leaf_validity))
}

fn check_time(
    timestamp_ms: u64,
    leaf_validity: &Range<u64>,
    at_unix_s: u64,
) -> Result<(), EvidenceError> {
    if !leaf_validity.contains(&(timestamp_ms / 1000)) {
        return Err(EvidenceError::TimeOutsideLeaf);
    }
    let latest_ms = at_unix_s.saturating_add(MAX_AHEAD_S).saturating_mul(1000);
    if timestamp_ms > latest_ms {
        return Err(EvidenceError::TimeAhead);
    }
    Ok(())
}

fn measurement(claims: &Claims<'_>) -> Result<Measurement, EvidenceError> {
    let [Some(pcr0), Some(pcr1), Some(pcr2), ..] = claims.pcrs else {
        return Err(EvidenceError::MeasurementMissing);
    };
    Ok(Measurement { pcr0, pcr1, pcr2 })
}

fn check_expected(
    claims: &Claims<'_>,
    measurement: &Measurement,
    expected: &Expected<'_>,
) -> Result<(), EvidenceError> {
    if measurement.is_debug() && expected.debugging == Debugging::Refuse {
        return Err(EvidenceError::DebugMode);
    }
    for &(index, wanted) in expected.pcrs {
        match claims.pcrs.get(usize::from(index)).copied().flatten() {
            None => return Err(EvidenceError::PcrMissing { index }),
            Some(value) if value != wanted => return Err(EvidenceError::PcrMismatch { index }),
            Some(_) => {}
        }
    }
    let fields = [
        (expected.nonce, claims.nonce, EvidenceError::Nonce),
        (
            expected.user_data,
            claims.user_data,
            EvidenceError::UserData,
        ),
        (
            expected.public_key,
            claims.public_key,
            EvidenceError::PublicKey,
        ),
    ];
    for (wanted, value, error) in fields {
        if wanted.is_some() && wanted != value {
            return Err(error);
        }
    }
    Ok(())
}
