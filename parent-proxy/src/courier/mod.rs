//! Carries status queries from the enclave to revocation services, and nothing else to anywhere.
//!
//! Trust: the host name comes from a customer's key, so a customer chooses whom this process dials (T-41). It dials public
//! addresses on allowed ports only, decided on the addresses that the name resolved to and dialled at exactly those, so a
//! name that resolves to something else a moment later gains nothing. No redirects, no proxy, no cookies, short answers,
//! short patience. A service's answer is sealed to the enclave; here it is a byte string with a limit.
//!
//! Every host has a few places of its own, so a service that keeps connections hanging delays its own keys only.

mod public_address;
mod rules;

pub use public_address::is_public;

use crate::config::CourierConfig;
use cofferdam_wire::{Code, limits};
use reqwest::{Client, Method, Response, StatusCode, header, redirect};
use rules::{CheckedNames, Rules};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

const PATIENCE: Duration = Duration::from_secs(5);
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
/// Exchanges with one host at once.
const EACH: usize = 4;
/// Exchanges with all hosts at once.
const ALL: usize = 256;
/// Hosts with exchanges waiting or under way.
const HOSTS: usize = 4096;

/// Why the courier came back without an answer.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// Not a host, or one that this parent may not dial.
    #[error("{host} may not be dialled: {reason}")]
    Forbidden {
        /// The host as the key names it.
        host: String,
        /// Which rule.
        reason: &'static str,
    },
    /// No connection, no TLS, or no answer in time.
    #[error("{host} not reached: {error}")]
    Unreachable {
        /// The host.
        host: String,
        /// Why, without the URL.
        error: String,
    },
    /// It answered with something other than 200.
    #[error("{host} answered with status {status}")]
    Status {
        /// The host.
        host: String,
        /// The status.
        status: StatusCode,
    },
    /// Longer than any answer may be.
    #[error("{host} answered with more than {limit} bytes")]
    TooLong {
        /// The host.
        host: String,
        /// Most bytes.
        limit: usize,
    },
    /// Too many exchanges wait for this host, or for all.
    #[error("{host} has too many exchanges under way")]
    Busy {
        /// The host.
        host: String,
    },
}

impl From<CourierError> for Code {
    fn from(error: CourierError) -> Self {
        metrics::counter!("cofferdam_courier_failures").increment(1);
        tracing::warn!(%error, "status courier");
        match error {
            CourierError::Busy { .. } => Code::Busy,
            _ => Code::Unreachable,
        }
    }
}

/// Why there is no courier.
#[derive(Debug, thiserror::Error)]
pub enum CourierSetupError {
    /// A CA file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A CA file is not PEM, or there is no CA at all.
    #[error(
        "no TLS client: {0} (is there a CA certificate, of the system or in courier.extra_ca?)"
    )]
    Client(#[from] reqwest::Error),
}

/// The courier.
pub struct Courier {
    client: Client,
    rules: Rules,
    places: Mutex<HashMap<String, Arc<Semaphore>>>,
    all: Semaphore,
}

impl Courier {
    /// Reads the CA files and makes the client.
    pub fn new(config: &CourierConfig) -> Result<Self, CourierSetupError> {
        crate::tls::use_aws_lc();
        let mut roots = Vec::new();
        for path in &config.extra_ca {
            let pem = std::fs::read(path).map_err(|error| CourierSetupError::Read {
                path: path.clone(),
                error,
            })?;
            roots.extend(reqwest::Certificate::from_pem_bundle(&pem)?);
        }
        let rules = Rules {
            allow_private: config.allow_private,
            allowed_ports: config.allowed_ports.clone(),
        };
        let client = Client::builder()
            .tls_certs_merge(roots)
            .dns_resolver(Arc::new(CheckedNames {
                allow_private: config.allow_private,
            }))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(true)
            .referer(false)
            .connect_timeout(CONNECT_PATIENCE)
            .timeout(PATIENCE)
            .pool_max_idle_per_host(EACH)
            .pool_idle_timeout(Duration::from_secs(90))
            .user_agent("cofferdam-parent")
            .build()?;
        Ok(Self {
            client,
            rules,
            places: Mutex::default(),
            all: Semaphore::new(ALL),
        })
    }

    /// `GET https://host/v1/status-keys`.
    pub async fn status_keys(&self, host: &str) -> Result<Vec<u8>, CourierError> {
        self.exchange(
            host,
            Method::GET,
            "/v1/status-keys",
            Vec::new(),
            2 * limits::STATUS_CERTIFICATE + 16,
        )
        .await
    }

    /// `POST https://host/v1/status` with an encoded sealed query.
    pub async fn ask(&self, host: &str, query: Vec<u8>) -> Result<Vec<u8>, CourierError> {
        self.exchange(
            host,
            Method::POST,
            "/v1/status",
            query,
            limits::STATUS_ANSWER,
        )
        .await
    }

    async fn exchange(
        &self,
        host: &str,
        method: Method,
        path: &str,
        body: Vec<u8>,
        limit: usize,
    ) -> Result<Vec<u8>, CourierError> {
        let url = self.rules.url(host, path)?;
        let busy = || CourierError::Busy { host: host.into() };
        let places = self.places(host).ok_or_else(busy)?;
        let exchange = async {
            let _place = places.acquire().await.map_err(|_| busy())?;
            let _one_of_all = self.all.acquire().await.map_err(|_| busy())?;
            let request = self
                .client
                .request(method, url)
                .header(header::CONTENT_TYPE, "application/cbor")
                .body(body);
            let response = request
                .send()
                .await
                .map_err(|error| unreachable_host(host, error))?;
            if response.status() != StatusCode::OK {
                return Err(CourierError::Status {
                    host: host.into(),
                    status: response.status(),
                });
            }
            read(host, response, limit).await
        };
        let result = tokio::time::timeout(PATIENCE, exchange).await;
        drop(places);
        self.forget_idle_hosts();
        result.unwrap_or_else(|_| {
            Err(CourierError::Unreachable {
                host: host.into(),
                error: "no answer in time".into(),
            })
        })
    }

    /// The places of one host; `None` when exchanges with too many hosts are under way.
    fn places(&self, host: &str) -> Option<Arc<Semaphore>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= HOSTS && !places.contains_key(host) {
            return None;
        }
        Some(
            places
                .entry(host.to_owned())
                .or_insert_with(|| Arc::new(Semaphore::new(EACH)))
                .clone(),
        )
    }

    fn forget_idle_hosts(&self) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() > HOSTS / 8 {
            places.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        }
    }
}

fn unreachable_host(host: &str, error: reqwest::Error) -> CourierError {
    // The innermost cause says what happened; the outer ones repeat the URL.
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    CourierError::Unreachable {
        host: host.into(),
        error: cause.to_string(),
    }
}

async fn read(host: &str, mut response: Response, limit: usize) -> Result<Vec<u8>, CourierError> {
    let too_long = || CourierError::TooLong {
        host: host.into(),
        limit,
    };
    if response
        .content_length()
        .is_some_and(|length| length > limit as u64)
    {
        return Err(too_long());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| unreachable_host(host, error))?
    {
        if body.len() + chunk.len() > limit {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
