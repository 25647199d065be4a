//! Every message of the protocol (COSE has a target of its own), as bytes from a stranger. No input panics; what a decoder takes has exactly this one
//! encoding; and a second CBOR decoder reads the whole of it and writes the same bytes (T-60).
#![no_main]

use ciborium::Value;
use cofferdam_wire::binding::Binding;
use cofferdam_wire::cbor::{decode, encode};
use cofferdam_wire::code::Code;
use cofferdam_wire::group::{
    Genesis, GenesisBody, GenesisRecord, GenesisRequest, RecoverRequest, Recovery, SealedShare,
    Share,
};
use cofferdam_wire::import::{
    Control, ImportHeader, ImportRequest, Imported, Material, Payload, Receipt, ReceiptBundle,
    Statement,
};
use cofferdam_wire::kind::{Algorithm, KeyKind, Suite};
use cofferdam_wire::layer::{Layer, pad, unpad};
use cofferdam_wire::limits;
use cofferdam_wire::link::{Courier, Health, Host, Note, Reply};
use cofferdam_wire::owner_request::OwnerRequest;
use cofferdam_wire::record::StoredRecord;
use cofferdam_wire::revocation::Revocation;
use cofferdam_wire::session::{
    Answer, Grant, ProviderRequest, Request, SealedRequest, SessionAccepted, SessionInfo,
    SessionOpen, SessionPlain, TicketPlain,
};
use cofferdam_wire::status::{
    AnswerPlain, SealedAnswer, SealedQuery, SignedPush, Status, StatusAnswer, StatusCertificate,
    StatusKeys, StatusPush, StatusQuery,
};
use cofferdam_wire::transcript::{ChallengePlain, EnclaveProof, Proof};
use cofferdam_wire::validator::ValidatorAnswer;
use cofferdam_wire::vendor::VendorStatement;
use libfuzzer_sys::fuzz_target;

/// More than any message may have.
const LIMIT: usize = 1 << 20;

macro_rules! taken {
    ($bytes:ident: $($message:ty),* $(,)?) => {{
        let mut taken = false;
        $(if let Ok(value) = decode::<$message>($bytes, LIMIT) {
            assert_eq!(encode(&value), $bytes, stringify!($message));
            taken = true;
        })*
        taken
    }};
}

fuzz_target!(|bytes: &[u8]| {
    let taken = taken!(bytes:
        Algorithm, Answer, AnswerPlain<'_>, Binding, ChallengePlain<'_>, Code, Control, Courier, EnclaveProof, Genesis,
        GenesisBody, GenesisRecord, GenesisRequest, Grant, Health, Host, ImportHeader, ImportRequest, Imported, KeyKind,
        Layer, Material<'_>, Note, OwnerRequest, Payload<'_>, Proof, ProviderRequest, Receipt, ReceiptBundle,
        RecoverRequest, Recovery, Reply, Request, Revocation, SealedAnswer, SealedQuery, SealedRequest, SealedShare,
        SessionAccepted, SessionInfo, SessionOpen, SessionPlain, Share<'_>, SignedPush, Statement, Status,
        StatusAnswer<'_>, StatusCertificate, StatusKeys, StatusPush, StatusQuery, StoredRecord, Suite, TicketPlain<'_>,
        ValidatorAnswer, VendorStatement,
    );
    if taken {
        assert_eq!(written_by_another(bytes), bytes);
    }
    if let Some(plain) = unpad(bytes, limits::PAYLOAD_STEP) {
        assert_eq!(pad(plain.to_vec(), limits::PAYLOAD_STEP), bytes);
    }
});

/// What the second decoder makes of the bytes when it writes them again.
fn written_by_another(mut bytes: &[u8]) -> Vec<u8> {
    let value: Value = ciborium::from_reader(&mut bytes).expect("what we read, others read");
    assert!(bytes.is_empty());
    let mut written = Vec::new();
    ciborium::into_writer(&value, &mut written).expect("memory takes it");
    written
}
