//! TLS of the HTTPS listener: the operator's certificate, or a CA of its own made at the first start.
//!
//! TLS keeps third parties out of the carrier. Trust of customers in the enclave does not rest on it.

use crate::config::TlsConfig;
use cofferdam::private_file;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};

const CA_LIFE: Duration = Duration::days(3650);
/// The server's certificate is made again at every start, with a new key.
const SERVER_LIFE: Duration = Duration::days(398);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{}: {error}", path.display())]
    Pem {
        path: PathBuf,
        error: rustls_pki_types::pem::Error,
    },
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Makes AWS-LC the process's TLS cryptography; where another is set already, that stays.
pub(crate) fn use_aws_lc() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// From the operator's files.
pub(crate) fn from_files(config: &TlsConfig) -> Result<ServerConfig, TlsError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |error| TlsError::Pem { path, error }
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&config.cert)
        .and_then(Iterator::collect)
        .map_err(failed(&config.cert))?;
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(failed(&config.key))?;
    server(chain, key)
}

/// From the CA in `state_dir`, made if it is not there. Gives the CA's certificate file, for customers' trust files.
pub(crate) fn self_made(
    state_dir: &Path,
    names: &[String],
) -> Result<(ServerConfig, PathBuf), TlsError> {
    let (certificate_file, key_file) = (state_dir.join("ca.pem"), state_dir.join("ca.key"));
    let file = |path: &Path| {
        let path = path.to_path_buf();
        move |error| TlsError::File { path, error }
    };
    if !key_file.exists() || !certificate_file.exists() {
        let key = KeyPair::generate()?;
        let certificate = ca_params().self_signed(&key)?;
        private_file::write(&key_file, key.serialize_pem().as_bytes()).map_err(file(&key_file))?;
        private_file::write(&certificate_file, certificate.pem().as_bytes())
            .map_err(file(&certificate_file))?;
    }
    let ca_key = KeyPair::from_pem(&std::fs::read_to_string(&key_file).map_err(file(&key_file))?)?;
    let issuer = Issuer::new(ca_params(), ca_key);

    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = named("Cofferdam parent");
    params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    params.not_after = OffsetDateTime::now_utc() + SERVER_LIFE;
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &issuer)?;
    let config = server(
        vec![certificate.der().clone()],
        PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    )?;
    Ok((config, certificate_file))
}

/// The same every time: with the same key it is the same issuer.
fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Cofferdam parent CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    params.not_after = OffsetDateTime::now_utc() + CA_LIFE;
    params
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, TlsError> {
    use_aws_lc();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
