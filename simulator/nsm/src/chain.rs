//! The certificates of a simulated NSM, from the simulator's root down to a leaf of three hours.
//!
//! As on Nitro, two CAs stand between: for the region and for the machine. Their keys and the
//! leaf's are made at boot; the certificates are issued again when the leaf's time runs out.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use time::OffsetDateTime;

use super::error::NsmError;
use crate::keys::{simulator_root_der, simulator_root_key_pkcs8};

/// How long a leaf is valid.
const LEAF_S: u64 = 3 * 3600;
/// A leaf with less time left than this is replaced.
const RENEW_S: u64 = 3600;
/// Certificates start a little early, as Nitro's do.
const EARLY_S: u64 = 3;
/// How long the CAs are valid.
const AUTHORITY_S: u64 = 24 * 3600;
/// The subject of the embedded root certificate.
const ROOT_NAME: &str = "cofferdam simulator root, protects nothing";

/// The certificates of one period.
pub(super) struct Chain {
    pub(super) leaf: Vec<u8>,
    /// The root first.
    pub(super) cabundle: Vec<Vec<u8>>,
    valid_from_s: u64,
    renew_at_s: u64,
}

/// Issues chains, and signs with the leaf's key.
pub(super) struct ChainKeys {
    module_id: String,
    root: KeyPair,
    region: KeyPair,
    machine: KeyPair,
    leaf: KeyPair,
    leaf_signer: EcdsaKeyPair,
}

impl ChainKeys {
    pub(super) fn generate(module_id: &str) -> Result<ChainKeys, NsmError> {
        let fresh = || KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384);
        let leaf = fresh().map_err(internal)?;
        let leaf_signer =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, leaf.serialized_der())
                .map_err(|_| NsmError::Internal)?;
        let root = KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(simulator_root_key_pkcs8()),
            &PKCS_ECDSA_P384_SHA384,
        );
        Ok(ChainKeys {
            module_id: module_id.to_owned(),
            root: root.map_err(internal)?,
            region: fresh().map_err(internal)?,
            machine: fresh().map_err(internal)?,
            leaf,
            leaf_signer,
        })
    }

    /// The current chain if it will do at this time, otherwise a new one.
    pub(super) fn at(
        &self,
        now_s: u64,
        current: &mut Option<Arc<Chain>>,
    ) -> Result<Arc<Chain>, NsmError> {
        if let Some(chain) = current
            && (chain.valid_from_s..chain.renew_at_s).contains(&now_s)
        {
            return Ok(Arc::clone(chain));
        }
        let chain = Arc::new(self.issue(now_s)?);
        *current = Some(Arc::clone(&chain));
        Ok(chain)
    }

    fn issue(&self, now_s: u64) -> Result<Chain, NsmError> {
        let from_s = now_s.saturating_sub(EARLY_S);
        let root = authority(ROOT_NAME, 2, from_s)?;
        let region = authority("simulated region", 1, from_s)?;
        let machine = authority("simulated machine", 0, from_s)?;
        let mut leaf = params(&self.module_id, from_s, now_s.saturating_add(LEAF_S))?;
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];

        let sign = |params: &CertificateParams, key: &KeyPair, by: &Issuer<'_, &KeyPair>| {
            let certificate = params.signed_by(key, by).map_err(internal)?;
            Ok::<_, NsmError>(certificate.der().to_vec())
        };
        let by_root = Issuer::from_params(&root, &self.root);
        let by_region = Issuer::from_params(&region, &self.region);
        let by_machine = Issuer::from_params(&machine, &self.machine);
        Ok(Chain {
            leaf: sign(&leaf, &self.leaf, &by_machine)?,
            cabundle: vec![
                simulator_root_der().to_vec(),
                sign(&region, &self.region, &by_root)?,
                sign(&machine, &self.machine, &by_region)?,
            ],
            valid_from_s: from_s,
            renew_at_s: now_s.saturating_add(LEAF_S - RENEW_S),
        })
    }

    /// ECDSA with SHA-384 by the leaf's key, as r || s.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, NsmError> {
        let signature = self.leaf_signer.sign(&SystemRandom::new(), message);
        let signature = signature.map_err(|_| NsmError::Internal)?;
        Ok(signature.as_ref().to_vec())
    }
}

fn authority(name: &str, path_length: u8, from_s: u64) -> Result<CertificateParams, NsmError> {
    let mut params = params(name, from_s, from_s.saturating_add(AUTHORITY_S))?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

fn params(name: &str, from_s: u64, to_s: u64) -> Result<CertificateParams, NsmError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date(from_s)?;
    params.not_after = date(to_s)?;
    Ok(params)
}

fn date(unix_s: u64) -> Result<OffsetDateTime, NsmError> {
    let unix_s = i64::try_from(unix_s).map_err(|_| NsmError::Internal)?;
    OffsetDateTime::from_unix_timestamp(unix_s).map_err(|_| NsmError::Internal)
}

fn internal(_: rcgen::Error) -> NsmError {
    NsmError::Internal
}
