//! The operator's side of the parent: genesis, shares, health.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use cofferdam_wire::group::{Genesis, GenesisRequest, Recovery, SealedShare};
use cofferdam_wire::{cbor, limits};
use serde::Deserialize;
use zeroize::Zeroizing;

/// The enclave makes its keys before it answers the first request.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of the operator's listener.
#[derive(Clone)]
pub(crate) struct Operator {
    http: reqwest::Client,
    url: String,
    token: Zeroizing<String>,
}

/// What the enclave says of itself.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Health {
    /// It has the group key and serves.
    pub(crate) ready: bool,
}

impl Operator {
    pub(crate) fn new(url: &str, token_file: &Path) -> anyhow::Result<Self> {
        let token =
            Zeroizing::new(std::fs::read_to_string(token_file).context("the operator's token")?);
        let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(Self {
            http,
            url: url.to_owned(),
            token: Zeroizing::new(token.trim().to_owned()),
        })
    }

    /// Makes the group.
    pub(crate) async fn genesis(&self, request: &GenesisRequest) -> anyhow::Result<Genesis> {
        let body = self
            .send(
                self.http
                    .post(self.at("genesis"))
                    .body(cbor::encode(request)),
            )
            .await?;
        cbor::decode(&body, limits::FRAME_BODY).context("the answer to genesis")
    }

    /// Brings one officer's share.
    pub(crate) async fn share(&self, share: &SealedShare) -> anyhow::Result<Recovery> {
        let body = self
            .send(self.http.post(self.at("shares")).body(cbor::encode(share)))
            .await?;
        cbor::decode(&body, 64).context("the answer to a share")
    }

    /// Asks how the enclave is.
    pub(crate) async fn health(&self) -> anyhow::Result<Health> {
        let body = self.send(self.http.get(self.at("health"))).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    fn at(&self, what: &str) -> String {
        format!("{}/v1/operator/{what}", self.url)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Vec<u8>> {
        let request = request
            .bearer_auth(&*self.token)
            .header("content-type", "application/cbor");
        let response = request
            .send()
            .await
            .context("the parent's operator listener")?;
        let status = response.status();
        let body = response.bytes().await?;
        if !status.is_success() {
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            bail!(
                "the parent answered {status}: {}",
                problem["detail"].as_str().unwrap_or("no reason")
            );
        }
        Ok(body.to_vec())
    }
}
