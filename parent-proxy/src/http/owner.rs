//! Listing an owner's keys: receipts as they were given at import. It is the parent's word that there are no others.
//!
//! The owner shows who it is with the header `cofferdam-owner`, a short-lived signature over the path. Others learn
//! neither receipts nor whether a key is there (T-37).

use super::intake::Caller;
use super::problem::Problem;
use super::{cbor_answer, now_s};
use crate::parent::Parent;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cofferdam::crypto::signing::verify_sign1;
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::id::{KeyId, Thumbprint};
use cofferdam_wire::import::ReceiptBundle;
use cofferdam_wire::owner_request::OwnerRequest;
use cofferdam_wire::{Code, cbor, context, limits};
use serde::Deserialize;
use std::sync::Arc;

const HEADER: &str = "cofferdam-owner";
/// Most bytes of the signed request: a path, a key and a signature.
const REQUEST: usize = 512;
/// Tolerated difference of clocks, seconds.
const SKEW_S: u64 = 120;
/// Receipts in one answer, some 20 KB each. More follow behind `after`.
const PAGE: u32 = 500;
/// Tells that the listing goes on behind this key id.
const NEXT: &str = "cofferdam-next";
/// Most bytes of a stored bundle.
const BUNDLE: usize =
    limits::RECEIPT + limits::BINDING + limits::EVIDENCE + limits::VENDOR_STATEMENT + 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    after: Option<String>,
}

pub(super) async fn keys(
    State(parent): State<Arc<Parent>>,
    Caller(client): Caller,
    headers: HeaderMap,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let owner = owner(&headers, "/v1/keys", now_s()?)?;
    let Query(Page { after }) = page.map_err(|_| Code::Malformed)?;
    let after = after
        .map(|text| KeyId::from_hex(&text).ok_or(Code::Malformed))
        .transpose()?;
    let _permit = client.admit(limits::FRAME).await?;
    let _turn = parent
        .listings
        .acquire()
        .await
        .map_err(|_| Code::Internal)?;
    let rows = parent
        .store
        .bundles(&owner, after.as_ref(), PAGE)
        .await
        .map_err(Code::from)?;
    let read = |(_, bundle): &(KeyId, Vec<u8>)| cbor::decode::<ReceiptBundle>(bundle, BUNDLE);
    let bundles: Vec<_> = rows
        .iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|_| Code::Internal)?;
    let mut response = cbor_answer(cbor::encode(&bundles));
    if let Some((last, _)) = rows.last().filter(|_| rows.len() == PAGE as usize) {
        let value = HeaderValue::from_str(&last.to_string()).map_err(|_| Code::Internal)?;
        response.headers_mut().insert(NEXT, value);
    }
    Ok(response)
}

pub(super) async fn key(
    State(parent): State<Arc<Parent>>,
    Caller(client): Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let owner = owner(&headers, &format!("/v1/keys/{id}"), now_s()?)?;
    let key = KeyId::from_hex(&id).ok_or(Code::NotFound)?;
    let _permit = client.admit(0).await?;
    let bundle = parent
        .store
        .bundle(&owner, &key)
        .await
        .map_err(Code::from)?;
    Ok(cbor_answer(bundle.ok_or(Code::NotFound)?))
}

/// Who signed the header, if the signature is over this path and of these minutes.
fn owner(headers: &HeaderMap, path: &str, now_s: u64) -> Result<Thumbprint, Code> {
    let value = headers.get(HEADER).ok_or(Code::Unauthorized)?.as_bytes();
    if value.len() > REQUEST.div_ceil(3) * 4 {
        return Err(Code::TooLarge);
    }
    let bytes = URL_SAFE_NO_PAD.decode(value).map_err(|_| Code::Malformed)?;
    let signed = CoseSign1::from_bytes(&bytes, REQUEST)?;
    let request: OwnerRequest = cbor::decode(&signed.payload, REQUEST)?;
    verify_sign1(&request.owner, context::OWNER_REQUEST, &signed)
        .map_err(|_| Code::BadSignature)?;
    if request.version != 1 {
        return Err(Code::UnsupportedVersion);
    }
    if request.path != path {
        return Err(Code::Unauthorized);
    }
    if request.issued_s.abs_diff(now_s) > SKEW_S {
        return Err(Code::RequestExpired);
    }
    Ok(request.owner.thumbprint())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use cofferdam::crypto::signing::{SignatureKind, SigningKey};

    const NOW: u64 = 1_800_000_000;

    fn header(change: impl FnOnce(&mut OwnerRequest), signer: Option<&SigningKey>) -> HeaderMap {
        let key = SigningKey::generate(SignatureKind::Ed25519);
        let mut request = OwnerRequest {
            version: 1,
            path: "/v1/keys".into(),
            issued_s: NOW,
            owner: key.public(),
        };
        change(&mut request);
        let signed = signer
            .unwrap_or(&key)
            .sign1(context::OWNER_REQUEST, cbor::encode(&request));
        let value = URL_SAFE_NO_PAD.encode(signed.to_bytes());
        HeaderMap::from_iter([(HEADER.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn t37_only_a_fresh_signature_over_this_path_shows_the_owner() {
        let refusal = |headers: &HeaderMap| owner(headers, "/v1/keys", NOW).err();
        assert_eq!(refusal(&header(|_| (), None)), None);
        assert_eq!(
            refusal(&header(|request| request.issued_s = NOW - 120, None)),
            None
        );
        assert_eq!(
            refusal(&header(|request| request.issued_s = NOW + 121, None)),
            Some(Code::RequestExpired)
        );
        assert_eq!(
            refusal(&header(|request| request.issued_s = NOW - 121, None)),
            Some(Code::RequestExpired)
        );
        assert_eq!(
            refusal(&header(|request| request.path = "/v1/keys/00".into(), None)),
            Some(Code::Unauthorized)
        );
        assert_eq!(
            refusal(&header(|request| request.version = 2, None)),
            Some(Code::UnsupportedVersion)
        );
        let other = SigningKey::generate(SignatureKind::Ed25519);
        assert_eq!(
            refusal(&header(|_| (), Some(&other))),
            Some(Code::BadSignature)
        );
        assert_eq!(refusal(&HeaderMap::new()), Some(Code::Unauthorized));
        let long =
            HeaderMap::from_iter([(HEADER.parse().unwrap(), "A".repeat(1000).parse().unwrap())]);
        assert_eq!(refusal(&long), Some(Code::TooLarge));
        let padded = HeaderMap::from_iter([(HEADER.parse().unwrap(), "AAAA====".parse().unwrap())]);
        assert_eq!(refusal(&padded), Some(Code::Malformed));
    }
}
