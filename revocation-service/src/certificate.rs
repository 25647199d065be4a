//! Certificates of the service's two keys by the status root, each for at most seven days.
//!
//! Customers pin the status root in R. Its private half may lie in the service's own directory, or elsewhere: then
//! the service writes a request, `certify` answers it on the other machine, and the service takes the certificates up.

use cofferdam::crypto::signing::{SigningKey, verify_sign1};
use cofferdam_wire::cbor;
use cofferdam_wire::context;
use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::limits;
use cofferdam_wire::status::{StatusCertificate, StatusPurpose};
use minicbor::{Decode, Encode};

/// How far a new certificate reaches back, seconds: enclaves whose clock is behind take it up at once.
pub const BACKDATED_S: u64 = 300;

/// Most bytes of a request: a COSE_Key and an X-Wing public key.
pub const REQUEST_LIMIT: usize = 2 * 1024;

/// Why a certificate is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not an encoding of one.
    #[error("RSV-33: not a status certificate")]
    Malformed,
    /// Not by this root.
    #[error("RSV-33: the certificate is not signed by the status root")]
    Signature,
    /// For the other key.
    #[error("RSV-33: the certificate is for another purpose")]
    Purpose,
    /// For another key than the one at hand.
    #[error("RSV-33: the certificate is for another key")]
    Key,
    /// Longer than seven days, or empty.
    #[error("RSV-33: the certificate's time is not between nothing and seven days")]
    Lifetime,
}

/// What the holder of an offline root is asked to certify.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CertificateRequest {
    /// COSE_Key of the status key.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub answers: Vec<u8>,
    /// X-Wing public key for queries, 1,216 raw bytes.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub queries: Vec<u8>,
}

/// Certifies a key from five minutes ago on, for `lifetime_s` in all, seven days at most.
pub fn issue(
    root: &SigningKey,
    purpose: StatusPurpose,
    key: Vec<u8>,
    now_s: u64,
    lifetime_s: u64,
) -> Vec<u8> {
    let not_before_s = now_s.saturating_sub(BACKDATED_S);
    let lifetime_s = lifetime_s.min(limits::STATUS_CERTIFICATE_LIFETIME_S);
    let certificate = StatusCertificate {
        purpose,
        key,
        not_before_s,
        not_after_s: not_before_s + lifetime_s,
    };
    root.sign1(context::STATUS_CERTIFICATE, cbor::encode(&certificate))
        .to_bytes()
}

/// Checks a certificate for `key` under `root`. Its time is for the caller to compare.
pub fn verify(
    root: &PublicKey,
    purpose: StatusPurpose,
    key: &[u8],
    bytes: &[u8],
) -> Result<StatusCertificate, CertificateError> {
    // RSV-33
    let limit = limits::STATUS_CERTIFICATE;
    let signed = CoseSign1::from_bytes(bytes, limit).map_err(|_| CertificateError::Malformed)?;
    let payload = verify_sign1(root, context::STATUS_CERTIFICATE, &signed)
        .map_err(|_| CertificateError::Signature)?;
    let certificate: StatusCertificate =
        cbor::decode(payload, limit).map_err(|_| CertificateError::Malformed)?;
    if certificate.purpose != purpose {
        return Err(CertificateError::Purpose);
    }
    if certificate.key != key {
        return Err(CertificateError::Key);
    }
    let lifetime_s = certificate
        .not_after_s
        .checked_sub(certificate.not_before_s);
    match lifetime_s {
        Some(1..=limits::STATUS_CERTIFICATE_LIFETIME_S) => Ok(certificate),
        _ => Err(CertificateError::Lifetime),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam::crypto::signing::SignatureKind;

    const NOW_S: u64 = 1_800_000_000;

    fn signed(root: &SigningKey, not_after_s: u64) -> Vec<u8> {
        let certificate = StatusCertificate {
            purpose: StatusPurpose::Answers,
            key: vec![7],
            not_before_s: NOW_S,
            not_after_s,
        };
        root.sign1(context::STATUS_CERTIFICATE, cbor::encode(&certificate))
            .to_bytes()
    }

    #[test]
    fn rsv_33_a_certificate_is_for_one_key_one_purpose_and_seven_days() {
        let root = SigningKey::generate(SignatureKind::Ed25519);
        let check = |bytes: &[u8], purpose, key: &[u8]| verify(&root.public(), purpose, key, bytes);
        let issued = issue(&root, StatusPurpose::Answers, vec![7], NOW_S, u64::MAX);
        let certificate = check(&issued, StatusPurpose::Answers, &[7]);
        let times =
            certificate.map(|certificate| (certificate.not_before_s, certificate.not_after_s));
        assert_eq!(times, Ok((NOW_S - 300, NOW_S - 300 + 7 * 24 * 3600)));

        assert_eq!(
            check(&issued[1..], StatusPurpose::Answers, &[7]),
            Err(CertificateError::Malformed)
        );
        assert_eq!(
            check(&issued, StatusPurpose::Queries, &[7]),
            Err(CertificateError::Purpose)
        );
        assert_eq!(
            check(&issued, StatusPurpose::Answers, &[8]),
            Err(CertificateError::Key)
        );
        let other = SigningKey::generate(SignatureKind::P256).public();
        assert_eq!(
            verify(&other, StatusPurpose::Answers, &[7], &issued),
            Err(CertificateError::Signature)
        );
        let week = 7 * 24 * 3600;
        assert!(check(&signed(&root, NOW_S + week), StatusPurpose::Answers, &[7]).is_ok());
        for not_after_s in [NOW_S + week + 1, NOW_S, NOW_S - 1] {
            let bytes = signed(&root, not_after_s);
            assert_eq!(
                check(&bytes, StatusPurpose::Answers, &[7]),
                Err(CertificateError::Lifetime)
            );
        }
    }
}
