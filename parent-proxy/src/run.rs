//! Starts everything in the order in which it depends on each other, and stops it in the other order.

use crate::asks::Asks;
use crate::clients::Clients;
use crate::config::{Config, ConfigError, Limits};
use crate::courier::{Courier, CourierSetupError};
use crate::lifecycle;
use crate::link::Link;
use crate::listener;
use crate::parent::Parent;
use crate::provider_keys::{FileKeys, KeyDirectoryError, ProviderKeys};
use crate::store::{Store, StoreError};
use crate::validator::{Validator, ValidatorError};
use crate::vendor_statement::VendorStatementFile;
use crate::{http, telemetry, tls};
use cofferdam::private_file;
use serde::Serialize;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Connections to the operator's listener.
const OPERATOR_CONNECTIONS: usize = 16;

/// Why the parent did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A value in the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file system or the network refused.
    #[error("{what}: {error}")]
    Io {
        /// Where.
        what: String,
        /// Why.
        error: io::Error,
    },
    /// The provider keys.
    #[error(transparent)]
    Keys(#[from] KeyDirectoryError),
    /// The validator.
    #[error(transparent)]
    Validator(#[from] ValidatorError),
    /// The record store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The courier.
    #[error(transparent)]
    Courier(#[from] CourierSetupError),
    /// TLS of the HTTPS listener.
    #[error("{0}")]
    Tls(String),
}

/// What `ready.json` in `state_dir` says once both listeners are open.
#[derive(Serialize)]
struct Ready {
    url: String,
    operator_url: String,
    ca_file: Option<PathBuf>,
    operator_token_file: PathBuf,
}

/// Serves until `shutdown` completes, then finishes what is under way and returns.
pub async fn run(
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    config.check()?;
    // Before anything is written: where another parent has the port, it may have this directory too.
    let public = bind(config.listen).await?;
    let operator = bind(config.operator_listen).await?;
    let (url, operator_url) = (
        https_url(&config, &public)?,
        format!("http://{}", local(&operator)?),
    );

    tls::use_aws_lc();
    telemetry::metrics_handle();
    let state = &config.state_dir;
    let ready_file = state.join("ready.json");
    private_file::create_dir(state).map_err(at(state))?;
    match std::fs::remove_file(&ready_file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(at(&ready_file)(error));
        }
        _ => (),
    }

    let keys: Arc<dyn ProviderKeys> =
        Arc::new(FileKeys::open_or_create(&config.provider_keys_dir())?);
    let validator = Validator::open_or_create(state, keys.as_ref())?;
    let statement = Arc::new(VendorStatementFile::new(config.vendor_statement.clone()));
    warn_of_unnamed_keys(keys.as_ref(), &statement);
    let store = Store::open(&config.sqlite_path()).await?;
    let courier = Courier::new(&config.courier)?;
    let token_file = state.join("operator.token");
    let token = http::operator_token(&token_file).map_err(at(&token_file))?;
    let (server, ca_file) = match &config.tls {
        Some(files) => (
            tls::from_files(files).map_err(|error| RunError::Tls(error.to_string()))?,
            None,
        ),
        None => {
            let made = tls::self_made(state, &config.tls_names);
            let (server, ca_file) = made.map_err(|error| RunError::Tls(error.to_string()))?;
            (server, Some(ca_file))
        }
    };

    let asks = Arc::new(Asks {
        store: store.clone(),
        courier,
        statement: statement.clone(),
    });
    let link = Link::start(config.enclave.clone(), &config.link, asks);
    let (stop, stopping) = lifecycle::pair();
    let parent = Arc::new(Parent::new(
        &config,
        keys,
        validator,
        store.clone(),
        link.clone(),
        statement,
        stopping.clone(),
    ));
    let upkeep = tokio::spawn(telemetry::upkeep());
    tokio::spawn(listener::serve(
        public,
        Some(TlsAcceptor::from(Arc::new(server))),
        http::public_router(parent.clone()),
        Clients::new(&config.limits),
        stopping.clone(),
    ));
    let operators = Limits {
        connections: OPERATOR_CONNECTIONS,
        connections_per_caller: OPERATOR_CONNECTIONS,
        ..config.limits.clone()
    };
    tokio::spawn(listener::serve(
        operator,
        None,
        http::operator_router(parent, token),
        Clients::new(&operators),
        stopping,
    ));

    let ready = Ready {
        url,
        operator_url,
        ca_file,
        operator_token_file: token_file,
    };
    let text = serde_json::to_vec_pretty(&ready).expect("four strings are JSON");
    private_file::write(&ready_file, &text).map_err(at(&ready_file))?;
    tracing::info!(url = ready.url, operator_url = ready.operator_url, enclave = %config.enclave, "serving");

    shutdown.await;
    tracing::info!("stopping; requests under way are finished");
    let grace = Duration::from_secs(config.limits.shutdown_grace_s);
    if !stop.and_wait(grace).await {
        tracing::warn!(
            seconds = grace.as_secs(),
            "some requests were not finished in time"
        );
    }
    upkeep.abort();
    link.close();
    store.close().await;
    // What the file says is no longer true.
    std::fs::remove_file(&ready_file).map_err(at(&ready_file))?;
    tracing::info!("stopped");
    Ok(())
}

/// Customers refuse provider keys that the vendor's statement does not name; the operator should hear of it first.
fn warn_of_unnamed_keys(keys: &dyn ProviderKeys, statement: &VendorStatementFile) {
    let stapled = match statement.current() {
        Ok(stapled) => stapled,
        Err(error) => {
            return tracing::warn!(%error, "no vendor statement yet; no evidence is given without one");
        }
    };
    for key in keys.public() {
        if !stapled.statement.names_provider_key(&key.id()) {
            tracing::warn!(suite = %key.suite, id = %key.id(), "the vendor statement does not name this provider key");
        }
    }
    let ids: Vec<_> = keys.public().iter().map(|key| key.id()).collect();
    if stapled.statement.provider_of(&ids).is_none() {
        tracing::warn!(
            "the vendor statement does not name all provider keys in one entry; customers refuse them"
        );
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| RunError::Io {
            what: format!("cannot listen on {address}"),
            error,
        })
}

fn local(listener: &TcpListener) -> Result<SocketAddr, RunError> {
    listener.local_addr().map_err(|error| RunError::Io {
        what: "listener".into(),
        error,
    })
}

/// The address that the certificate names; for a wildcard address the first name.
fn https_url(config: &Config, listener: &TcpListener) -> Result<String, RunError> {
    let address = local(listener)?;
    if !address.ip().is_unspecified() {
        return Ok(format!("https://{address}"));
    }
    let name = config.tls_names.first().map_or("localhost", String::as_str);
    Ok(format!("https://{name}:{}", address.port()))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RunError + use<> {
    let what = path.display().to_string();
    move |error| RunError::Io { what, error }
}
