//! The client of a revocation service: the customer's own server, which says "good" and, once, "revoked".
//!
//! Trust: the service is the customer's, reached over TLS with the customer's CA. Two credentials: the registrar registers
//! and activates, the admin suspends, resumes and revokes. Tokens come from files and are kept out of messages and `Debug`.

mod json;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{Digest, GroupId, Handle};
use reqwest::RequestBuilder;
use reqwest::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use std::future::Future;
use zeroize::Zeroizing;

pub use json::{Registered, RegistrationState};

use crate::crypto::secret::Secret32;
use crate::transport::{CallError, ClientError, HttpsEndpoint};

/// Most bytes of one registration as JSON.
const REGISTRATION: usize = 8 * 1024;
/// Most bytes of a list.
const LIST: usize = 64 * 1024 * 1024;
/// Most bytes of a token file.
const TOKEN: usize = 4 * 1024;

/// What is left at a service for one key, before the key is sent anywhere.
pub struct Registration {
    /// `HOST[:PORT]` of the service.
    pub host: String,
    /// Names it.
    pub handle: Handle,
    /// What the service recognises the token by.
    pub token_hash: Digest,
    /// Opens the stored material, together with the group key.
    pub release_secret: Secret32,
    /// The only group that may ask.
    pub group: GroupId,
    /// Whose key it is.
    pub owner: PublicKey,
}

/// Why a credential is not there.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No file was named.
    #[error(
        "this needs the {role} token of {url}, and {field} is not set for that service in the configuration"
    )]
    NotConfigured {
        /// registrar or admin.
        role: &'static str,
        /// The service.
        url: String,
        /// What to set.
        field: &'static str,
    },
    /// The file cannot be read.
    #[error("the {role} token cannot be read: {reason}")]
    Unreadable {
        /// registrar or admin.
        role: &'static str,
        /// What happened.
        reason: crate::files::FileError,
    },
    /// Not one line of visible characters.
    #[error("the {role} token file must hold one line of visible ASCII characters")]
    Form {
        /// registrar or admin.
        role: &'static str,
    },
}

/// A bearer token, erased on drop, never shown.
pub struct BearerToken(Zeroizing<String>);

impl BearerToken {
    /// The one line of a file. `role` is for messages.
    pub fn read(path: &std::path::Path, role: &'static str) -> Result<Self, TokenError> {
        let bytes = crate::files::read(path, TOKEN)
            .map_err(|reason| TokenError::Unreadable { role, reason })?;
        let bytes = Zeroizing::new(bytes);
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| TokenError::Form { role })?
            .trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Form { role });
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

/// What the import flow needs of a service; [`Service`] over HTTPS, tests in memory.
pub trait Registrar: Send + Sync {
    /// `HOST[:PORT]`, as keys name it.
    fn host(&self) -> String;

    /// Leaves a registration, pending. Identical content again succeeds.
    fn register(
        &self,
        registration: &Registration,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Lets the service say "good" from now on. Again succeeds.
    fn activate(&self, handle: &Handle) -> impl Future<Output = Result<(), CallError>> + Send;
}

/// A revocation service, with the registrar's credential.
pub struct Service {
    endpoint: HttpsEndpoint,
    registrar: BearerToken,
}

impl Service {
    /// The service at `https://HOST[:PORT]`; `ca_pem` is a TLS root beside those of the system.
    pub fn new(
        url: &str,
        ca_pem: Option<&str>,
        registrar: BearerToken,
    ) -> Result<Self, ClientError> {
        Ok(Self {
            endpoint: HttpsEndpoint::new(url, ca_pem)?,
            registrar,
        })
    }

    /// All registrations.
    pub async fn list(&self) -> Result<Vec<Registered>, CallError> {
        let request = self.endpoint.get("/v1/registrations");
        answer(&self.endpoint, request, &self.registrar, LIST).await
    }

    /// One registration.
    pub async fn status(&self, handle: &Handle) -> Result<Registered, CallError> {
        let request = self.endpoint.get(&format!("/v1/registrations/{handle}"));
        answer(&self.endpoint, request, &self.registrar, REGISTRATION).await
    }
}

impl Registrar for Service {
    fn host(&self) -> String {
        self.endpoint.host()
    }

    async fn register(&self, registration: &Registration) -> Result<(), CallError> {
        let release_secret = Zeroizing::new(BASE64.encode(registration.release_secret.expose()));
        // Written by hand into one buffer, since a JSON value would leave copies of the secret behind.
        let body = Zeroizing::new(format!(
            r#"{{"handle":"{}","token_hash":"{}","release_secret":"{}","group":"{}","owner":"{}"}}"#,
            registration.handle,
            registration.token_hash,
            *release_secret,
            registration.group,
            hex::encode(registration.owner.to_cose()),
        ));
        let request = self
            .endpoint
            .post("/v1/registrations")
            .header(CONTENT_TYPE, "application/json")
            .body(body.as_bytes().to_vec());
        self.endpoint
            .exchange(request.bearer_auth(&*self.registrar.0), REGISTRATION)
            .await
            .map(|_| ())
    }

    async fn activate(&self, handle: &Handle) -> Result<(), CallError> {
        let request = self
            .endpoint
            .post(&format!("/v1/registrations/{handle}/activate"));
        self.endpoint
            .exchange(request.bearer_auth(&*self.registrar.0), REGISTRATION)
            .await
            .map(|_| ())
    }
}

/// A revocation service, with the admin's credential: the switch.
pub struct Switch {
    endpoint: HttpsEndpoint,
    admin: BearerToken,
}

impl Switch {
    /// The service at `https://HOST[:PORT]`.
    pub fn new(url: &str, ca_pem: Option<&str>, admin: BearerToken) -> Result<Self, ClientError> {
        Ok(Self {
            endpoint: HttpsEndpoint::new(url, ca_pem)?,
            admin,
        })
    }

    /// No enclave hears "good" until it is resumed.
    pub async fn suspend(&self, handle: &Handle) -> Result<Registered, CallError> {
        self.turn(handle, "suspend").await
    }

    /// Ends a suspension.
    pub async fn resume(&self, handle: &Handle) -> Result<Registered, CallError> {
        self.turn(handle, "resume").await
    }

    /// For ever. When this returns, no replica of the service can say "good" any more, and the release secret is gone.
    pub async fn revoke(&self, handle: &Handle) -> Result<Registered, CallError> {
        self.turn(handle, "revoke").await
    }

    /// Raises the lowest grant epoch still accepted.
    pub async fn raise_grant_epoch(
        &self,
        handle: &Handle,
        epoch: u64,
    ) -> Result<Registered, CallError> {
        let path = format!("/v1/registrations/{handle}/grant-epoch");
        let request = self
            .endpoint
            .post(&path)
            .json(&serde_json::json!({ "epoch": epoch }));
        answer(&self.endpoint, request, &self.admin, REGISTRATION).await
    }

    async fn turn(&self, handle: &Handle, verb: &str) -> Result<Registered, CallError> {
        let request = self
            .endpoint
            .post(&format!("/v1/registrations/{handle}/{verb}"));
        answer(&self.endpoint, request, &self.admin, REGISTRATION).await
    }
}

async fn answer<T: DeserializeOwned>(
    endpoint: &HttpsEndpoint,
    request: RequestBuilder,
    token: &BearerToken,
    limit: usize,
) -> Result<T, CallError> {
    let body = endpoint
        .exchange(request.bearer_auth(&*token.0), limit)
        .await?;
    serde_json::from_slice(&body).map_err(|_| CallError::Answer {
        url: endpoint.origin(),
        what: "with a malformed registration".into(),
    })
}
