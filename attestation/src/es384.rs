//! ECDSA on P-384 with SHA-384, the one algorithm of Nitro: for certificates with the signature
//! in DER, for documents with it as r || s.

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey, VerificationAlgorithm,
};
use rustls_pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

/// Verifies the signature of a certificate.
pub(crate) static CERTIFICATE: Es384 = Es384 {
    algorithm: &ECDSA_P384_SHA384_ASN1,
};
/// Verifies the signature of a document.
pub(crate) static DOCUMENT: Es384 = Es384 {
    algorithm: &ECDSA_P384_SHA384_FIXED,
};

#[derive(Debug)]
pub(crate) struct Es384 {
    algorithm: &'static dyn VerificationAlgorithm,
}

impl SignatureVerificationAlgorithm for Es384 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(self.algorithm, public_key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P384
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA384
    }
}
