//! The client of the parent's paths.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cofferdam_wire::id::{KeyId, Nonce};
use cofferdam_wire::import::ReceiptBundle;
use cofferdam_wire::owner_request::OwnerRequest;
use cofferdam_wire::{cbor, context, limits};
use reqwest::header::{ACCEPT, CONTENT_TYPE};

use super::endpoint::{ClientError, HttpsEndpoint, ORDINARY};
use super::{CallError, Parent};
use crate::crypto::signing::SigningKey;

const CBOR: &str = "application/cbor";
/// An operation may wait to its deadline for a lease, and a little for the way.
const OPERATION: Duration = Duration::from_millis(limits::DEADLINE_MAX_MS + 30_000);
/// One page of receipts: the parent gives at most 500.
const LIST: usize = 32 * 1024 * 1024;

/// The parent of one provider.
#[derive(Clone)]
pub struct Client {
    endpoint: HttpsEndpoint,
    extra_root_pem: Option<String>,
}

impl Client {
    /// For the parent at `https://HOST[:PORT]`; the extra root is the trust file's `provider_ca`.
    pub fn new(url: &str, extra_root_pem: Option<&str>) -> Result<Self, ClientError> {
        let endpoint = HttpsEndpoint::new(url, extra_root_pem)?;
        Ok(Self {
            endpoint,
            extra_root_pem: extra_root_pem.map(str::to_owned),
        })
    }

    /// Where it is.
    pub fn origin(&self) -> String {
        self.endpoint.origin()
    }

    /// The connection that a stream is made of.
    pub(super) fn upgradable(&self) -> Result<HttpsEndpoint, ClientError> {
        HttpsEndpoint::http1(&self.origin(), self.extra_root_pem.as_deref())
    }

    /// Receipts of all keys of this owner, as the parent has them. Each still has to be verified.
    pub async fn keys(
        &self,
        owner: &SigningKey,
        now_s: u64,
    ) -> Result<Vec<ReceiptBundle>, CallError> {
        let mut receipts: Vec<ReceiptBundle> = Vec::new();
        let mut after = None;
        loop {
            let (body, next) = self.owned("/v1/keys", after, owner, now_s, LIST).await?;
            let page: Vec<ReceiptBundle> =
                cbor::decode(&body, LIST).map_err(|_| self.malformed("list of receipts"))?;
            let is_last = page.is_empty() || next <= after;
            receipts.extend(page);
            if is_last {
                return Ok(receipts);
            }
            after = next;
        }
    }

    /// The receipt of one key of this owner, still to be verified.
    pub async fn key(
        &self,
        key: &KeyId,
        owner: &SigningKey,
        now_s: u64,
    ) -> Result<ReceiptBundle, CallError> {
        let (body, _) = self
            .owned(
                &format!("/v1/keys/{key}"),
                None,
                owner,
                now_s,
                RECEIPT_BUNDLE,
            )
            .await?;
        cbor::decode(&body, RECEIPT_BUNDLE).map_err(|_| self.malformed("receipt"))
    }

    /// Hands a signed push on to the enclave.
    pub async fn push(&self, push: Vec<u8>) -> Result<(), CallError> {
        self.send("/v1/pushes", push, 0, ORDINARY).await.map(|_| ())
    }

    async fn owned(
        &self,
        path: &str,
        after: Option<KeyId>,
        owner: &SigningKey,
        now_s: u64,
        limit: usize,
    ) -> Result<(Vec<u8>, Option<KeyId>), CallError> {
        let request = OwnerRequest {
            version: 1,
            path: path.to_owned(),
            issued_s: now_s,
            owner: owner.public(),
        };
        let signed = owner.sign1(context::OWNER_REQUEST, cbor::encode(&request));
        let header = URL_SAFE_NO_PAD.encode(signed.to_bytes());
        // The signature is over the path without its query.
        let query = after
            .map(|after| format!("?after={after}"))
            .unwrap_or_default();
        let request = self.endpoint.get(&format!("{path}{query}"));
        let request = request
            .header("cofferdam-owner", header)
            .header(ACCEPT, CBOR);
        self.endpoint
            .exchange_within(request, limit, ORDINARY)
            .await
    }

    async fn send(
        &self,
        path: &str,
        body: Vec<u8>,
        limit: usize,
        timeout: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let request = self
            .endpoint
            .post(path)
            .header(CONTENT_TYPE, CBOR)
            .body(body);
        self.endpoint
            .exchange_within(request, limit, timeout)
            .await
            .map(|(body, _)| body)
    }

    fn malformed(&self, what: &str) -> CallError {
        CallError::Answer {
            url: self.origin(),
            what: format!("with a malformed {what}"),
        }
    }
}

/// Receipt, Binding, Evidence and vendor statement.
const RECEIPT_BUNDLE: usize =
    limits::RECEIPT + limits::BINDING + limits::EVIDENCE + limits::VENDOR_STATEMENT + 64;

impl Parent for Client {
    async fn evidence(&self, nonce: &Nonce) -> Result<Vec<u8>, CallError> {
        let request = self
            .endpoint
            .get(&format!("/v1/evidence?nonce={nonce}"))
            .header(ACCEPT, CBOR);
        self.endpoint.exchange(request, limits::PROOF).await
    }

    async fn challenge(&self, challenge: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.send("/v1/challenges", challenge, 32, ORDINARY).await
    }

    async fn import(&self, import: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.send("/v1/imports", import, RECEIPT_BUNDLE, ORDINARY)
            .await
    }

    async fn open_session(&self, opening: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.send("/v1/sessions", opening, limits::SEALED_REQUEST, ORDINARY)
            .await
    }

    async fn call(&self, request: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.send("/v1/requests", request, limits::FRAME, OPERATION)
            .await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_there_is_unreachable_with_a_reason() {
        let client = Client::new("https://127.0.0.1:1", None).unwrap();
        let error = client.challenge(Vec::new()).await.unwrap_err();
        assert!(
            matches!(&error, CallError::Unreachable { url, .. } if url == "https://127.0.0.1:1"),
            "{error}"
        );
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
