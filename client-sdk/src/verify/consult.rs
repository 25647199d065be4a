//! What others than the provider say about a proof: the vendor at its own address, and the validators.
//!
//! Asking is apart from judging. Here questions go out to the addresses of the trust file, each with a nonce of its own, and
//! nothing is believed; [`super::Verifier::verify`] judges what came back, and takes what did not come for
//! silence. A trust file that names nobody asks nobody.

use cofferdam_wire::id::{Nonce, RecipientId};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::transcript::{Proof, ProviderKey};
use cofferdam_wire::{cbor, limits};
use reqwest::Url;

use crate::crypto::random;
use crate::transport::{CallError, HttpsEndpoint};
use crate::trust::{Trust, VendorUrl};

/// Answers to be judged, once. The default is that nobody was asked, which a trust file that requires to ask refuses.
#[derive(Default)]
pub struct Consulted {
    pub(super) statement: Option<Result<Vec<u8>, CallError>>,
    pub(super) answers: Vec<Answer>,
}

/// One validator's answer about one key.
pub(super) struct Answer {
    /// Place of the validator in the trust file.
    pub(super) validator: usize,
    pub(super) key: RecipientId,
    pub(super) nonce: Nonce,
    pub(super) answer: Result<Vec<u8>, CallError>,
}

impl Consulted {
    /// Asks everybody whom the trust file names about an encoded proof.
    pub(super) async fn about(trust: &Trust, proof: &[u8]) -> Self {
        let statement = match trust.vendor_url() {
            Some(url) => Some(fetch_statement(url).await),
            None => None,
        };
        let keys = match trust.validators() {
            [] => Vec::new(),
            _ => offered(proof),
        };
        let mut answers = Vec::new();
        for (place, validator) in trust.validators().iter().enumerate() {
            let endpoint = endpoint(&validator.url, validator.ca.as_deref());
            for key in &keys {
                let nonce = Nonce(random::array());
                let answer = match &endpoint {
                    Ok(endpoint) => ask(endpoint, key, &nonce).await,
                    Err(error) => Err(error.clone()),
                };
                answers.push(Answer {
                    validator: place,
                    key: *key,
                    nonce,
                    answer,
                });
            }
        }
        Self { statement, answers }
    }
}

/// Ids of the keys offered; none of a proof that is refused anyhow, so nobody can have this machine ask at length.
fn offered(proof: &[u8]) -> Vec<RecipientId> {
    let proof: Option<Proof> = cbor::decode(proof, limits::PROOF).ok();
    let keys = proof.map(|proof| proof.provider_keys).unwrap_or_default();
    if keys.len() > 2 * Suite::ALL.len() {
        return Vec::new();
    }
    keys.iter().map(ProviderKey::id).collect()
}

async fn fetch_statement(from: &VendorUrl) -> Result<Vec<u8>, CallError> {
    let endpoint = endpoint(&from.url, from.ca.as_deref())?;
    let query = from.url.query().map(|query| format!("?{query}"));
    let path = format!("{}{}", from.url.path(), query.unwrap_or_default());
    endpoint
        .exchange(endpoint.get(&path), limits::VENDOR_STATEMENT)
        .await
}

async fn ask(
    endpoint: &HttpsEndpoint,
    key: &RecipientId,
    nonce: &Nonce,
) -> Result<Vec<u8>, CallError> {
    let question = endpoint.get(&format!("/v1/validator/{key}?nonce={nonce}"));
    endpoint.exchange(question, limits::VALIDATOR_ANSWER).await
}

fn endpoint(url: &Url, ca: Option<&str>) -> Result<HttpsEndpoint, CallError> {
    let origin = url.origin().ascii_serialization();
    HttpsEndpoint::new(&origin, ca).map_err(|error| CallError::Unreachable {
        url: origin,
        reason: error.to_string(),
    })
}
