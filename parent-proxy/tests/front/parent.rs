//! Starts the parent beside a stand-in enclave, and speaks HTTP to it.

use crate::enclave::Enclave;
use cofferdam_parent_proxy::{Config, run};
use cofferdam_wire::Code;
use cofferdam_wire::cbor;
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::vendor::VendorStatement;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::client::TlsStream;

pub(crate) struct Parent {
    pub(crate) url: String,
    pub(crate) operator_url: String,
    pub(crate) operator_token: String,
    pub(crate) ca_file: PathBuf,
    pub(crate) enclave: Enclave,
    pub(crate) http: reqwest::Client,
    pub(crate) directory: tempfile::TempDir,
    running: Option<(oneshot::Sender<()>, tokio::task::JoinHandle<()>)>,
}

/// A configuration as text; `extra` has further top-level keys, tables go behind.
pub(crate) fn config_text(directory: &Path, enclave: &str, extra: &str) -> String {
    let directory = directory.display();
    format!(
        "listen = \"127.0.0.1:0\"\noperator_listen = \"127.0.0.1:0\"\nstate_dir = \"{directory}/state\"\n\
         enclave = \"{enclave}\"\nvendor_statement = \"{directory}/statement\"\n{extra}\n"
    )
}

pub(crate) fn write_statement(directory: &Path) {
    let statement = VendorStatement {
        version: 1,
        sequence: 1,
        issued_s: 0,
        not_after_s: 1,
        images: vec![],
        providers: vec![],
    };
    let signed = CoseSign1 {
        algorithm: -8,
        payload: cbor::encode(&statement),
        signature: [0; 64],
    };
    std::fs::write(directory.join("statement"), signed.to_bytes()).unwrap();
}

pub(crate) async fn ready(directory: &Path) -> serde_json::Value {
    for _ in 0..2000 {
        if let Ok(text) = std::fs::read(directory.join("state/ready.json")) {
            return serde_json::from_slice(&text).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the parent did not become ready");
}

/// Two provider keys of the tests: making an RSA key takes seconds without optimisation.
pub(crate) fn write_provider_keys(directory: &Path) {
    let keys = directory.join("state/provider-keys");
    std::fs::create_dir_all(&keys).unwrap();
    std::fs::write(keys.join("xwing-1.seed"), "0123456789abcdef".repeat(4)).unwrap();
    let rsa = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../client-sdk/tests/keys/rsa-3072.pem"
    );
    std::fs::copy(rsa, keys.join("rsa-1.pem")).unwrap();
}

pub(crate) fn client(ca_file: &Path) -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let ca = reqwest::Certificate::from_pem(&std::fs::read(ca_file).unwrap()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([ca])
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

impl Parent {
    pub(crate) async fn start() -> Self {
        Self::with("admit = \"all\"").await
    }

    pub(crate) async fn with(extra: &str) -> Self {
        Self::beside(extra, |enclave, _| enclave.address()).await
    }

    /// With an address of the enclave that is made for its directory.
    pub(crate) async fn beside(extra: &str, address: fn(&Enclave, &Path) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let enclave = Enclave::start(directory.path());
        write_statement(directory.path());
        write_provider_keys(directory.path());
        let config: Config = toml::from_str(&config_text(
            directory.path(),
            &address(&enclave, directory.path()),
            extra,
        ))
        .unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let task = tokio::spawn(async move {
            run(config, shutdown)
                .await
                .unwrap_or_else(|error| panic!("{error}"))
        });
        let ready = ready(directory.path()).await;
        let text = |key: &str| ready[key].as_str().unwrap().to_owned();
        let ca_file = PathBuf::from(text("ca_file"));
        let operator_token = std::fs::read_to_string(text("operator_token_file")).unwrap();
        let http = client(&ca_file);
        let parent = Self {
            url: text("url"),
            operator_url: text("operator_url"),
            operator_token,
            ca_file,
            enclave,
            http,
            directory,
            running: Some((stop, task)),
        };
        parent.until_ready().await;
        parent
    }

    pub(crate) async fn until_ready(&self) {
        for _ in 0..500 {
            if self
                .http
                .get(format!("{}/readyz", self.url))
                .send()
                .await
                .unwrap()
                .status()
                == 200
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the link did not come up");
    }

    pub(crate) fn begin_stop(&mut self) -> tokio::task::JoinHandle<()> {
        let (stop, task) = self.running.take().unwrap();
        stop.send(()).unwrap();
        task
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Vec<u8>, Code> {
        outcome(
            self.http
                .get(format!("{}{path}", self.url))
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, Code> {
        outcome(
            self.http
                .post(format!("{}{path}", self.url))
                .body(body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn operator(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, Code> {
        let request = self
            .http
            .post(format!("{}{path}", self.operator_url))
            .bearer_auth(&self.operator_token);
        outcome(request.body(body).send().await.unwrap()).await
    }

    /// A TLS connection that speaks HTTP/1.1.
    pub(crate) async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let address: SocketAddr = self.url.strip_prefix("https://").unwrap().parse().unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(&self.ca_file).unwrap())
            .unwrap();
        let mut config = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tcp = TcpStream::connect(address).await?;
        let name = ServerName::try_from(address.ip().to_string()).unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
    }
}

/// The body of a success, or the code in the problem.
pub(crate) async fn outcome(response: reqwest::Response) -> Result<Vec<u8>, Code> {
    let status = response.status();
    let kind = response
        .headers()
        .get("content-type")
        .map(|value| value.to_str().unwrap().to_owned());
    let body = response.bytes().await.unwrap().to_vec();
    if status.is_success() {
        return Ok(body);
    }
    assert_eq!(kind.as_deref(), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["status"], status.as_u16());
    Err(Code::from_number(problem["code"].as_u64().unwrap() as u16).unwrap())
}
