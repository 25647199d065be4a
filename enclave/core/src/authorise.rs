//! May this be done? By grant, partition, usage class, algorithm and time (P4). The lease is asked elsewhere, last.

use cofferdam_wire::Code;
use cofferdam_wire::id::PartitionId;
use cofferdam_wire::import::UsagePolicy;
use cofferdam_wire::kind::Algorithm;
use cofferdam_wire::limits;
use cofferdam_wire::operation::Operation;
use cofferdam_wire::session::Grant;

/// The grants that name the key and the action and are valid now, at least one. Which keys exist plays no part here
/// (T-37).
pub(crate) fn granted(
    grants: &[Grant],
    operation: &Operation,
    now_s: u64,
) -> Result<Vec<Grant>, Code> {
    let action = operation.action();
    // REQ-4
    let named = |grant: &&Grant| {
        grant.actions.contains(&action)
            && operation.key().is_none_or(|key| grant.keys.contains(&key))
    };
    let named: Vec<&Grant> = grants.iter().filter(named).collect();
    if named.is_empty() {
        return Err(Code::NotPermitted);
    }
    // REQ-5
    let current = named.into_iter().filter(|grant| is_current(grant, now_s));
    let current: Vec<Grant> = current.cloned().collect();
    if current.is_empty() {
        return Err(Code::GrantExpired);
    }
    Ok(current)
}

/// Whether a grant is within its time.
fn is_current(grant: &Grant, now_s: u64) -> bool {
    (grant.not_before_s..=grant.not_after_s).contains(&now_s)
}

/// What a grant has to fulfil for one loaded key.
pub(crate) struct KeyTerms<'a> {
    /// Partition that the key was imported into.
    pub(crate) partition: &'a PartitionId,
    /// Kind, class, algorithms.
    pub(crate) policy: &'a UsagePolicy,
    /// Hard end, Unix seconds.
    pub(crate) hard_end_s: Option<u64>,
    /// Whether the key has revocation data.
    pub(crate) has_revocation: bool,
    /// Lowest grant epoch that the services still accept.
    pub(crate) grant_epoch: u64,
}

/// The first of the grants that fits the key, or why the last does not. A grant of another partition or of a withdrawn
/// epoch does not stand in the way of a good one.
pub(crate) fn fitting<'g>(
    grants: &'g [Grant],
    operation: &Operation,
    terms: &KeyTerms<'_>,
    now_s: u64,
) -> Result<&'g Grant, Code> {
    let mut refusal = Code::NotPermitted;
    for grant in grants {
        match fits(grant, operation, terms, now_s) {
            Ok(()) => return Ok(grant),
            Err(code) => refusal = code,
        }
    }
    Err(refusal)
}

/// Whether a grant and an operation fit the key.
fn fits(
    grant: &Grant,
    operation: &Operation,
    terms: &KeyTerms<'_>,
    now_s: u64,
) -> Result<(), Code> {
    // REQ-6: foreign and absent are one code
    if grant.partition_id() != *terms.partition {
        return Err(Code::NotFound);
    }
    // REQ-7
    if terms.hard_end_s.is_some_and(|end_s| now_s >= end_s) {
        return Err(Code::Revoked);
    }
    // REQ-8
    let lifetime_s = grant.not_after_s.saturating_sub(grant.not_before_s);
    if !terms.has_revocation && lifetime_s > limits::GRANT_WITHOUT_R_MAX_S {
        return Err(Code::NotPermitted);
    }
    // REQ-9; the time once more, since the operation may have waited.
    if grant.epoch < terms.grant_epoch || !is_current(grant, now_s) {
        return Err(Code::GrantExpired);
    }
    // REQ-10
    match algorithm(operation) {
        Some(algorithm) => {
            let policy = terms.policy;
            let allowed = policy.algorithms.contains(&algorithm)
                && policy
                    .class
                    .allows(operation.action(), policy.kind, algorithm);
            if allowed {
                Ok(())
            } else {
                Err(Code::UsageRefused)
            }
        }
        None => Ok(()),
    }
}

fn algorithm(operation: &Operation) -> Option<Algorithm> {
    match operation {
        Operation::Sign { algorithm, .. }
        | Operation::Verify { algorithm, .. }
        | Operation::Encrypt { algorithm, .. }
        | Operation::Decrypt { algorithm, .. }
        | Operation::Mac { algorithm, .. }
        | Operation::VerifyMac { algorithm, .. } => Some(*algorithm),
        _ => None,
    }
}
