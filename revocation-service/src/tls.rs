//! TLS of the service: a certificate from files, or one that the service makes itself.
//!
//! Without files there is a CA of the service's own in the state directory; clients are given `ca.pem`. The server's
//! certificate and key are made anew at each start and only in memory. TLS protects the two tokens and, on their way
//! in, release secrets; answers do not rest on it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cofferdam::private_file;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::config::Config;

const CA_FILE: &str = "ca.pem";
const CA_KEY_FILE: &str = "ca-key.pem";
const CA_DAYS: i64 = 3650;
const SERVER_DAYS: i64 = 397;
const MAX_FILE: u64 = 256 * 1024;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path} cannot be used: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds no certificate or key.
    #[error("{0} is not what it should be in PEM")]
    Pem(PathBuf),
    /// Making a certificate failed.
    #[error("a certificate cannot be made: {0}")]
    Issue(#[from] rcgen::Error),
    /// Certificate and key do not belong together, or are not supported.
    #[error("the TLS certificate cannot be used: {0}")]
    Rustls(#[from] rustls::Error),
}

/// What the listener needs, and what clients should trust.
pub struct Tls {
    /// For the listener.
    pub server: Arc<ServerConfig>,
    /// Path of the CA that clients should trust; `None` if it is a public one.
    pub ca_file: Option<PathBuf>,
}

/// Sets up TLS as the settings say.
pub fn open(config: &Config) -> Result<Tls, TlsError> {
    match &config.tls {
        Some(files) => {
            let chain = read(&files.certificate)?;
            let key = read(&files.key)?;
            let pem = |path: &Path| TlsError::Pem(path.into());
            let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain)
                .collect::<Result<_, _>>()
                .map_err(|_| pem(&files.certificate))?;
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| pem(&files.key))?;
            Ok(Tls {
                server: server(chain, key)?,
                ca_file: files.ca.clone(),
            })
        }
        None => {
            let ca_file = config.state_dir.join(CA_FILE);
            let (chain, key) = issue(config)?;
            Ok(Tls {
                server: server(chain, key)?,
                ca_file: Some(ca_file),
            })
        }
    }
}

fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(server))
}

fn issue(
    config: &Config,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    // Name and key are all that an issuer's certificate gives to what it issues; both are the same as in `ca.pem`.
    let issuer = Issuer::new(authority_params(), authority(&config.state_dir)?);
    let mut names = vec![config.public_name.clone()];
    if config.listen.ip().is_loopback() {
        names.extend(["localhost".to_owned(), config.listen.ip().to_string()]);
    } else if !config.listen.ip().is_unspecified() {
        names.push(config.listen.ip().to_string());
    }
    names.sort();
    names.dedup();
    let mut params =
        CertificateParams::new(names.iter().map(|name| bare(name)).collect::<Vec<_>>())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Cofferdam revocation service");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    valid_for(&mut params, SERVER_DAYS);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())
        .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
    Ok((vec![certificate.der().clone()], key))
}

/// Addresses in brackets become plain ones, as a certificate names them.
fn bare(name: &str) -> String {
    let inner = name.trim_start_matches('[').trim_end_matches(']');
    inner
        .parse::<IpAddr>()
        .map_or_else(|_| name.to_owned(), |address| address.to_string())
}

/// The key of the service's own CA. Both are made at first start.
fn authority(state_dir: &Path) -> Result<KeyPair, TlsError> {
    let (certificate_path, key_path) = (state_dir.join(CA_FILE), state_dir.join(CA_KEY_FILE));
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Io { path, source }
    };
    if certificate_path.exists() {
        let pem = read(&key_path)?;
        let pem = std::str::from_utf8(&pem).map_err(|_| TlsError::Pem(key_path))?;
        return Ok(KeyPair::from_pem(pem)?);
    }
    let key = KeyPair::generate()?;
    let pem = Zeroizing::new(key.serialize_pem());
    private_file::write(&key_path, pem.as_bytes()).map_err(io(&key_path))?;
    let certificate = authority_params().self_signed(&key)?.pem();
    private_file::write(&certificate_path, certificate.as_bytes())
        .map_err(io(&certificate_path))?;
    Ok(key)
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Cofferdam revocation service CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, CA_DAYS);
    params
}

fn valid_for(params: &mut CertificateParams, days: i64) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::hours(1);
    params.not_after = now + Duration::days(days);
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let io = |source| TlsError::Io {
        path: path.into(),
        source,
    };
    private_file::read(path, MAX_FILE)
        .map_err(io)?
        .ok_or_else(|| io(std::io::ErrorKind::NotFound.into()))
}
