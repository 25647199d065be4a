//! An HTTPS server by its address: TLS, timeouts, bounded answers. Below the parent's client and the revocation client.

use std::time::Duration;

use cofferdam_wire::id::KeyId;
use reqwest::{Certificate, RequestBuilder, Url};

use super::{CallError, problem};

/// How long anything but an operation may take.
pub(super) const ORDINARY: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are read as an error.
const PROBLEM: usize = 16 * 1024;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not an https address of a host.
    #[error("\"{url}\" is not an address of the form https://HOST[:PORT]")]
    Url {
        /// What was given.
        url: String,
    },
    /// The extra root is no PEM certificate.
    #[error("the extra TLS root for {url} is not a certificate in PEM")]
    Certificate {
        /// For whom it was given.
        url: String,
    },
    /// TLS cannot be set up, for example since the system has no roots and none was given.
    #[error("TLS to {url} cannot be set up: {reason}")]
    Tls {
        /// For whom.
        url: String,
        /// What the library says.
        reason: String,
    },
}

/// An HTTPS server by its address, with an optional TLS root beside those of the system.
#[derive(Clone)]
pub struct HttpsEndpoint {
    base: Url,
    http: reqwest::Client,
}

impl HttpsEndpoint {
    /// The origin that an address of the form `https://HOST[:PORT]` stands for.
    pub fn origin_of(url: &str) -> Result<String, ClientError> {
        let origin = https_origin(url).ok_or_else(|| ClientError::Url {
            url: url.to_owned(),
        })?;
        Ok(origin.as_str().trim_end_matches('/').to_owned())
    }

    /// For `https://HOST[:PORT]`.
    pub fn new(url: &str, extra_root_pem: Option<&str>) -> Result<Self, ClientError> {
        Self::build(url, extra_root_pem, |builder| builder)
    }

    /// The same, speaking HTTP/1.1 only: a connection that will be upgraded.
    pub(super) fn http1(url: &str, extra_root_pem: Option<&str>) -> Result<Self, ClientError> {
        Self::build(url, extra_root_pem, reqwest::ClientBuilder::http1_only)
    }

    fn build(
        url: &str,
        extra_root_pem: Option<&str>,
        adjust: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Self, ClientError> {
        let base = https_origin(url).ok_or_else(|| ClientError::Url {
            url: url.to_owned(),
        })?;
        // The first to come sets the process's TLS library; if the program has chosen one already, that one stays.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .https_only(true)
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("cofferdam/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = extra_root_pem {
            let refused = || ClientError::Certificate {
                url: url.to_owned(),
            };
            let roots = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|_| refused())?;
            if roots.is_empty() {
                return Err(refused());
            }
            builder = builder.tls_certs_merge(roots);
        }
        let http = adjust(builder).build().map_err(|error| ClientError::Tls {
            url: url.to_owned(),
            reason: innermost(&error),
        })?;
        Ok(Self { base, http })
    }

    /// `HOST[:PORT]`, as a key's revocation data names it.
    pub fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The address without a path.
    pub fn origin(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(self.at(path))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(self.at(path))
    }

    fn at(&self, path: &str) -> Url {
        self.base
            .join(path)
            .expect("invariant: paths are ours, and the base is an origin")
    }

    /// Sends, and reads an answer of at most `limit` bytes.
    pub(crate) async fn exchange(
        &self,
        request: RequestBuilder,
        limit: usize,
    ) -> Result<Vec<u8>, CallError> {
        self.exchange_within(request, limit, ORDINARY)
            .await
            .map(|(body, _)| body)
    }

    /// The body, and the header that says where a list goes on.
    pub(super) async fn exchange_within(
        &self,
        request: RequestBuilder,
        limit: usize,
        timeout: Duration,
    ) -> Result<(Vec<u8>, Option<KeyId>), CallError> {
        let unreachable = |error: &reqwest::Error| self.unreachable(error);
        let mut response = request
            .timeout(timeout)
            .send()
            .await
            .map_err(|error| unreachable(&error))?;
        let status = response.status();
        let limit = if status.is_success() { limit } else { PROBLEM };
        let next = response
            .headers()
            .get("cofferdam-next")
            .and_then(|next| KeyId::from_hex(next.to_str().ok()?));
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| unreachable(&error))?
        {
            if body.len() + chunk.len() > limit {
                let what = format!("with more than {limit} bytes");
                return Err(CallError::Answer {
                    url: self.origin(),
                    what,
                });
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            Ok((body, next))
        } else {
            Err(problem::read(&self.origin(), status.as_u16(), &body))
        }
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> CallError {
        let reason = if error.is_timeout() {
            "no answer in time".to_owned()
        } else {
            innermost(error)
        };
        CallError::Unreachable {
            url: self.origin(),
            reason,
        }
    }
}

/// An https address with a host and nothing behind it.
fn https_origin(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    let plain = url.scheme() == "https"
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    plain.then_some(url)
}

/// The deepest cause, which is the one that a person can act on.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    problem::for_people(&deepest.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_an_https_origin_is_an_address() {
        let accepted = |url| {
            HttpsEndpoint::new(url, None)
                .map(|endpoint| endpoint.host())
                .ok()
        };
        assert_eq!(
            accepted("https://parent.example"),
            Some("parent.example".into())
        );
        assert_eq!(
            accepted("https://127.0.0.1:8443/"),
            Some("127.0.0.1:8443".into())
        );
        for url in [
            "http://parent.example",
            "https://parent.example/path",
            "https://a@parent.example",
            "parent",
            "",
        ] {
            assert!(
                matches!(HttpsEndpoint::new(url, None), Err(ClientError::Url { .. })),
                "{url}"
            );
        }
        let root = HttpsEndpoint::new("https://parent.example", Some("no certificate"));
        assert!(matches!(root, Err(ClientError::Certificate { .. })));
    }
}
