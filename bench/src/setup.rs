//! Requests that are sent over and over.

use cofferdam_wire::cbor;
use cofferdam_wire::id::{KeyId, RequestId};
use cofferdam_wire::kind::Algorithm;
use cofferdam_wire::operation::{Input, Operation};
use cofferdam_wire::session::{ProviderRequest, Request, SignedGrant};

/// The operation of every row.
pub(crate) fn sign(key: KeyId) -> Operation {
    Operation::Sign {
        key,
        algorithm: Algorithm::EcdsaSha256,
        input: Input::Message(b"message".to_vec()),
    }
}

/// A provider-plane request with a deadline in 100 s.
pub(crate) fn plain_request(grant: &SignedGrant, key: KeyId, now_ms: u64) -> Vec<u8> {
    let request = Request {
        id: RequestId([1; 16]),
        deadline_ms: now_ms + 100_000,
        operation: sign(key),
    };
    cbor::encode(&ProviderRequest {
        grant: grant.clone(),
        request,
    })
}
