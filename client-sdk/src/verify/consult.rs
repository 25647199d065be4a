//! What others than the provider say about a proof: the vendor at its own address, and the validators.
//!
//! Asking is apart from judging. Here questions go out to the addresses of the trust file, each with a nonce of its own, and
//! nothing is believed; [`super::Verifier::verify_consulted`] judges what came back, and takes what did not come for
//! silence. A trust file that names nobody asks nobody.

use cofferdam_wire::id::{Nonce, RecipientId};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::transcript::{Proof, ProviderKey};
use cofferdam_wire::{cbor, limits};
use reqwest::Url;

use crate::crypto::random;
use crate::transport::{CallError, HttpsEndpoint};
use crate::trust::{Trust, Validator, VendorUrl};

/// Answers to be judged. The default is that nobody was asked.
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
        let mut answers = Vec::new();
        if !trust.validators().is_empty() {
            for key in offered(proof) {
                for (place, validator) in trust.validators().iter().enumerate() {
                    let nonce = Nonce(random::array());
                    let answer = ask(validator, &key, &nonce).await;
                    answers.push(Answer {
                        validator: place,
                        key,
                        nonce,
                        answer,
                    });
                }
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
    let mut path = from.url.path().to_owned();
    if let Some(query) = from.url.query() {
        path = format!("{path}?{query}");
    }
    get(
        &from.url,
        from.ca.as_deref(),
        &path,
        limits::VENDOR_STATEMENT,
    )
    .await
}

async fn ask(
    validator: &Validator,
    key: &RecipientId,
    nonce: &Nonce,
) -> Result<Vec<u8>, CallError> {
    let path = format!("/v1/validator/{key}?nonce={nonce}");
    let limit = limits::VALIDATOR_ANSWER;
    get(&validator.url, validator.ca.as_deref(), &path, limit).await
}

async fn get(url: &Url, ca: Option<&str>, path: &str, limit: usize) -> Result<Vec<u8>, CallError> {
    let origin = url.origin().ascii_serialization();
    let endpoint = HttpsEndpoint::new(&origin, ca).map_err(|error| CallError::Unreachable {
        url: origin.clone(),
        reason: error.to_string(),
    })?;
    endpoint.exchange(endpoint.get(path), limit).await
}
