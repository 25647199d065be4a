//! Running the service: open, listen, say that it is ready, tidy once a minute, and end with nothing half done.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use cofferdam::private_file;
use serde_json::json;

use crate::clock::Clock;
use crate::config::Config;
use crate::http::{Credentials, routes};
use crate::service::{Service, StartError};
use crate::tls::{self, TlsError};

/// How long requests in flight have to end after a signal to stop.
const GRACE: Duration = Duration::from_secs(20);
/// How often the service tidies up.
const TEND_EVERY: Duration = Duration::from_secs(60);
/// How often the service's own TLS certificate is made anew, or read anew from its files.
const TLS_EVERY: u32 = 24 * 60;

/// Why the service ended other than by request.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A token file cannot be used.
    #[error("a token file cannot be used: {0}")]
    Tokens(std::io::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// `ready.json` cannot be written.
    #[error("ready.json cannot be written: {0}")]
    Ready(std::io::Error),
    /// The listener failed.
    #[error("the listener failed: {0}")]
    Serve(std::io::Error),
}

/// Runs the service until `shutdown` is done, then ends what is in flight.
pub async fn run(
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    // Before anything is written.
    let (listener, address) = listen(config.listen)?;
    let service = Service::open(&config, Clock::system()).await?;
    let ready = config.state_dir.join("ready.json");
    // A file left by a process that was killed names a port that nobody listens on.
    remove(&ready).map_err(RunError::Ready)?;
    let credentials = Credentials::open(&config.registrar_token_file(), &config.admin_token_file())
        .map_err(RunError::Tokens)?;
    let tls = tls::open(&config)?;
    let rustls = RustlsConfig::from_config(tls.server);
    write_ready(&config, &service, tls.ca_file.as_deref(), address).map_err(RunError::Ready)?;
    tracing::info!(%address, "listening");

    let tending = tokio::spawn(tend(Arc::clone(&service), config.clone(), rustls.clone()));
    let handle = Handle::new();
    tokio::spawn(stop_when(shutdown, handle.clone()));
    let app = routes(Arc::clone(&service), credentials, config.queries_per_second);
    let mut server = axum_server::from_tcp_rustls(listener, rustls)
        .map_err(RunError::Serve)?
        .handle(handle);
    // A peer that opens connections and sends no request does not keep them.
    let timer = hyper_util::rt::TokioTimer::new();
    server
        .http_builder()
        .http1()
        .timer(timer.clone())
        .header_read_timeout(Duration::from_secs(15));
    server
        .http_builder()
        .http2()
        .timer(timer)
        .keep_alive_interval(Duration::from_secs(30))
        .max_concurrent_streams(64);
    let served = server
        .serve(app.into_make_service_with_connect_info::<SocketAddr>())
        .await;
    tending.abort();
    service.close().await;
    remove(&ready).map_err(RunError::Ready)?;
    tracing::info!("stopped");
    served.map_err(RunError::Serve)
}

async fn stop_when(shutdown: impl Future<Output = ()>, handle: Handle<SocketAddr>) {
    shutdown.await;
    tracing::info!("stopping");
    handle.graceful_shutdown(Some(GRACE));
}

async fn tend(service: Arc<Service>, config: Config, rustls: RustlsConfig) {
    let mut ticks = tokio::time::interval(TEND_EVERY);
    let mut minutes = 0;
    loop {
        ticks.tick().await;
        service.tend().await;
        minutes += 1;
        if minutes % TLS_EVERY == 0 {
            match tls::open(&config) {
                Ok(tls) => rustls.reload_from_config(tls.server),
                Err(error) => tracing::error!(%error, "the TLS certificate could not be renewed"),
            }
        }
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), RunError> {
    let failed = |source| RunError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Tells other programs of the same user where the service is.
fn write_ready(
    config: &Config,
    service: &Service,
    ca_file: Option<&Path>,
    address: SocketAddr,
) -> std::io::Result<()> {
    let ready = json!({
        "url": format!("https://{}:{}", config.public_name, address.port()),
        "ca_file": ca_file,
        "registrar_token_file": config.registrar_token_file(),
        "admin_token_file": config.admin_token_file(),
        "status_root": hex::encode(service.keyring().root().to_cose()),
    });
    private_file::write(
        &config.state_dir.join("ready.json"),
        format!("{ready:#}\n").as_bytes(),
    )
}
