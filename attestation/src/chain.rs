//! From the pinned root to the signature of the document.
//!
//! Trusts the root that the caller pinned and nothing in the bundle: its first certificate, the
//! document's own idea of a root, is not even looked at (T-04). Signatures, names, CA flags and
//! path lengths are rustls-webpki's work; key usage, the order of the bundle and the last second
//! of a validity are added here.

use std::ops::Range;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use crate::certificate::Facts;
use crate::document::{Claims, Envelope};
use crate::error::{EvidenceError, Which};
use crate::es384;
use crate::root::Root;

const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[&es384::CERTIFICATE];

/// Verifies the path from the root to the leaf at the given time, and the leaf's signature over
/// the document. Returns the leaf's validity.
pub(crate) fn verify(
    envelope: &Envelope<'_>,
    claims: &Claims<'_>,
    root: &Root,
    at_unix_s: u64,
) -> Result<Range<u64>, EvidenceError> {
    let authorities = claims.cabundle.get(1..).unwrap_or_default();
    let leaf_facts = facts(claims.certificate)?;
    let authority_facts = authorities
        .iter()
        .map(|der| facts(der))
        .collect::<Result<Vec<_>, _>>()?;
    names_in_order(root, &authority_facts, &leaf_facts)?;

    let leaf_der = CertificateDer::from(claims.certificate);
    let leaf = EndEntityCert::try_from(&leaf_der).map_err(path_error)?;
    let intermediates: Vec<CertificateDer<'_>> = authorities
        .iter()
        .map(|der| CertificateDer::from(*der))
        .collect();
    leaf.verify_for_usage(
        ALGORITHMS,
        std::slice::from_ref(&root.anchor),
        &intermediates,
        UnixTime::since_unix_epoch(Duration::from_secs(at_unix_s)),
        // No usage is defined for attestation and Nitro names none. A certificate that does
        // restrict itself must at least be for proving who one is.
        KeyUsage::client_auth(),
        None,
        None,
    )
    .map_err(path_error)?;
    valid_at(&root.validity, at_unix_s)?;
    for (place, authority) in (1..).zip(&authority_facts) {
        valid_at(&authority.validity, at_unix_s)?;
        if !authority.may_sign_certificates() {
            let which = Which::Bundle(place);
            return Err(EvidenceError::KeyUsage { which });
        }
    }
    valid_at(&leaf_facts.validity, at_unix_s)?;
    if !leaf_facts.may_sign_data() {
        let which = Which::Leaf;
        return Err(EvidenceError::KeyUsage { which });
    }

    let signed = envelope.signed_bytes();
    match leaf.verify_signature(&es384::DOCUMENT, &signed, envelope.signature) {
        Ok(()) => Ok(leaf_facts.validity),
        Err(webpki::Error::InvalidSignatureForPublicKey) => Err(EvidenceError::Signature),
        Err(_) => Err(EvidenceError::CertificateAlgorithm),
    }
}

fn facts(certificate: &[u8]) -> Result<Facts<'_>, EvidenceError> {
    Facts::read(certificate).map_err(|_| EvidenceError::CertificateMalformed)
}

/// Each certificate must be issued by the name of the one before it, and no name, the root's
/// included, may come twice. Then only one path is possible. Others cannot read the bundle
/// differently, and look-alikes cannot make rustls-webpki search: six CAs of one name cost it a
/// hundred signature checks.
fn names_in_order(
    root: &Root,
    authorities: &[Facts<'_>],
    leaf: &Facts<'_>,
) -> Result<(), EvidenceError> {
    // Whether the first issuer is the root's name is for the path validation to say.
    let mut issuer = authorities.first().unwrap_or(leaf).issuer.value();
    let mut seen = vec![root.anchor.subject.as_ref()];
    for certificate in authorities.iter().chain([leaf]) {
        let subject = certificate.subject.value();
        if certificate.issuer.value() != issuer || seen.contains(&subject) {
            return Err(EvidenceError::BundleOrder);
        }
        seen.push(subject);
        issuer = subject;
    }
    Ok(())
}

/// rustls-webpki takes a certificate in the very second of its notAfter (RFC 5280 includes it).
/// Here that second is too late: what ends at a time is over at that time.
fn valid_at(validity: &Range<u64>, at_unix_s: u64) -> Result<(), EvidenceError> {
    if at_unix_s < validity.start {
        return Err(EvidenceError::NotYetValid);
    }
    if at_unix_s >= validity.end {
        return Err(EvidenceError::Ended);
    }
    Ok(())
}

fn path_error(error: webpki::Error) -> EvidenceError {
    use webpki::Error;
    match error {
        Error::BadDer
        | Error::BadDerTime
        | Error::ExtensionValueInvalid
        | Error::InvalidCertValidity
        | Error::InvalidSerialNumber
        | Error::MalformedExtensions
        | Error::TrailingData(_)
        | Error::UnsupportedCertVersion => EvidenceError::CertificateMalformed,
        Error::CertNotValidYet { .. } => EvidenceError::NotYetValid,
        Error::CertExpired { .. } => EvidenceError::Ended,
        Error::CaUsedAsEndEntity | Error::EndEntityUsedAsCa => EvidenceError::BasicConstraints,
        Error::PathLenConstraintViolated | Error::MaximumPathDepthExceeded => {
            EvidenceError::PathLength
        }
        Error::SignatureAlgorithmMismatch
        | Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            EvidenceError::CertificateAlgorithm
        }
        Error::UnsupportedCriticalExtension
        | Error::EmptyEkuExtension
        | Error::RequiredEkuNotFoundContext(_)
        | Error::MalformedNameConstraint
        | Error::NameConstraintViolation => EvidenceError::CertificateExtension,
        // An unknown issuer, a wrong signature, and whatever a later version may think of.
        _ => EvidenceError::UntrustedRoot,
    }
}
