//! The crate against vectors/*.json: what every other implementation is compared with as well.
//!
//! T-60: for each message one encoding is accepted, and every other one of the file is refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam_wire::binding::Binding;
use cofferdam_wire::cbor::{DecodeError, Item, context_list, decode, encode};
use cofferdam_wire::code::Code;
use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::frame::{FrameError, FrameReader};
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
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256, Sha384};

#[derive(Deserialize)]
struct Formats {
    valid: Vec<Message>,
    invalid: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    message: String,
    #[serde(default)]
    form: String,
    #[serde(default)]
    defect: String,
    #[serde(default)]
    error: String,
    limit: usize,
    #[serde(with = "hex")]
    hex: Vec<u8>,
}

macro_rules! decode_as {
    ($name:expr, $bytes:expr, $limit:expr, { $($type:ident)* } { $($borrowed:ident)* }) => {
        match $name {
            $(stringify!($type) => decode::<$type>($bytes, $limit).map(|value| encode(&value)),)*
            $(stringify!($borrowed) => decode::<$borrowed<'_>>($bytes, $limit).map(|value| encode(&value)),)*
            unknown => panic!("the vectors have a type that this test does not know: {unknown}"),
        }
    };
}

impl Message {
    /// Decodes strictly, and encodes what was decoded again.
    fn read(&self) -> Result<Vec<u8>, DecodeError> {
        decode_as!(self.message.as_str(), &self.hex, self.limit, {
            Algorithm Answer Binding Code Control CoseSign1 Courier EnclaveProof Genesis GenesisBody GenesisRecord
            GenesisRequest Grant Health Host ImportHeader ImportRequest Imported KeyKind Layer Note OwnerRequest Proof
            ProviderRequest PublicKey Receipt ReceiptBundle RecoverRequest Recovery Reply Request Revocation
            SealedAnswer SealedQuery SealedRequest SealedShare SessionAccepted SessionInfo SessionOpen SessionPlain
            SignedPush Statement Status StatusCertificate StatusKeys StatusPush StatusQuery StoredRecord Suite
            ValidatorAnswer VendorStatement
        } {
            AnswerPlain ChallengePlain Material Payload Share StatusAnswer TicketPlain
        })
    }

    fn named(&self) -> String {
        format!("{} {} {}", self.message, self.form, self.defect)
    }
}

fn formats() -> Formats {
    serde_json::from_str(include_str!("../../vectors/formats.json")).unwrap()
}

#[test]
fn t60_the_valid_encodings_read_back_bit_for_bit() {
    let valid = formats().valid;
    assert!(valid.len() >= 60);
    for message in valid {
        assert_eq!(
            message.read().as_ref(),
            Ok(&message.hex),
            "{}",
            message.named()
        );
    }
}

#[test]
fn t60_every_other_encoding_is_refused_for_its_reason() {
    let invalid = formats().invalid;
    assert!(invalid.len() >= 600);
    for message in invalid {
        let error = match message.read() {
            Ok(_) => panic!("accepted: {}", message.named()),
            Err(DecodeError::TooLarge { .. }) => "too-large",
            Err(DecodeError::Malformed) => "malformed",
            Err(DecodeError::TrailingBytes) => "trailing-bytes",
            Err(DecodeError::NotCanonical) => "not-canonical",
        };
        assert_eq!(error, message.error, "{}", message.named());
    }
}

/// Every single bit of every valid message, flipped: refused, or another value that has exactly this encoding.
#[test]
fn t60_a_flipped_bit_never_reads_as_the_same_value() {
    for message in formats().valid {
        for bit in 0..message.hex.len() * 8 {
            let mut flipped = Message {
                hex: message.hex.clone(),
                message: message.message.clone(),
                form: String::new(),
                defect: String::new(),
                error: String::new(),
                limit: message.limit,
            };
            flipped.hex[bit / 8] ^= 1 << (bit % 8);
            if let Ok(again) = flipped.read() {
                assert_eq!(again, flipped.hex, "{} bit {bit}", message.named());
            }
        }
    }
}

#[derive(Deserialize)]
struct Lists {
    lists: Vec<List>,
    to_be_signed: Vec<ToBeSigned>,
}

#[derive(Deserialize)]
struct List {
    function: String,
    context: String,
    items: Vec<Value>,
    #[serde(with = "hex")]
    list: Vec<u8>,
    used: String,
    #[serde(with = "hex")]
    output: Vec<u8>,
}

#[derive(Deserialize)]
struct ToBeSigned {
    algorithm: i8,
    context: String,
    #[serde(with = "hex")]
    payload: Vec<u8>,
    #[serde(with = "hex")]
    bytes: Vec<u8>,
}

/// An item of a list, with its own storage.
enum Owned {
    Bytes(Vec<u8>),
    Text(String),
    Uint(u64),
    Bool(bool),
    Null,
}

impl Owned {
    fn read(value: &Value) -> Self {
        if let Some(bytes) = value.get("bytes") {
            return Owned::Bytes(hex::decode(bytes.as_str().unwrap()).unwrap());
        }
        if let Some(text) = value.get("text") {
            return Owned::Text(text.as_str().unwrap().to_owned());
        }
        if let Some(number) = value.get("uint") {
            return Owned::Uint(number.as_u64().unwrap());
        }
        match value.get("bool") {
            Some(flag) => Owned::Bool(flag.as_bool().unwrap()),
            None => Owned::Null,
        }
    }

    fn as_item(&self) -> Item<'_> {
        match self {
            Owned::Bytes(bytes) => Item::Bytes(bytes),
            Owned::Text(text) => Item::Text(text),
            Owned::Uint(number) => Item::Uint(*number),
            Owned::Bool(flag) => Item::Bool(*flag),
            Owned::Null => Item::Null,
        }
    }
}

#[test]
fn lists_are_encoded_and_hashed_as_recorded() {
    let file: Lists = serde_json::from_str(include_str!("../../vectors/lists.json")).unwrap();
    assert!(file.lists.len() >= 40);
    for list in &file.lists {
        let owned: Vec<_> = list.items.iter().map(Owned::read).collect();
        let items: Vec<_> = owned.iter().map(Owned::as_item).collect();
        let encoded = context_list(&list.context, &items);
        assert_eq!(encoded, list.list, "{}", list.function);
        let full = match list.used.as_str() {
            "sha-256" => Sha256::digest(&encoded).to_vec(),
            "sha-384" => Sha384::digest(&encoded).to_vec(),
            _ => encoded,
        };
        // A handle is its hash cut to 16 bytes.
        assert!(
            full.starts_with(&list.output) && list.output.len() >= 16,
            "{}",
            list.function
        );
    }
    for entry in &file.to_be_signed {
        let bytes = CoseSign1::to_be_signed(entry.algorithm, &entry.context, &entry.payload);
        assert_eq!(bytes, entry.bytes);
    }
}

#[test]
fn t27_frames_are_cut_as_recorded_and_wrong_lengths_are_refused_at_once() {
    let file: Value = serde_json::from_str(include_str!("../../vectors/frames.json")).unwrap();
    let stream = |case: &Value| hex::decode(case["stream"].as_str().unwrap()).unwrap();
    for case in file["valid"].as_array().unwrap() {
        let mut reader = FrameReader::default();
        reader.feed(&stream(case));
        for expected in case["frames"].as_array().unwrap() {
            let frame = reader.next_frame().unwrap().unwrap();
            assert_eq!(u64::from(frame.kind), expected["type"].as_u64().unwrap());
            assert_eq!(frame.id, expected["id"].as_u64().unwrap());
            assert_eq!(hex::encode(frame.body), expected["body"].as_str().unwrap());
        }
        assert_eq!(reader.next_frame(), Ok(None));
    }
    for case in file["invalid"].as_array().unwrap() {
        let mut reader = FrameReader::default();
        reader.feed(&stream(case));
        let length = usize::try_from(case["length"].as_u64().unwrap()).unwrap();
        assert_eq!(reader.next_frame(), Err(FrameError::Length(length)));
    }
    for case in file["incomplete"].as_array().unwrap() {
        let mut reader = FrameReader::default();
        reader.feed(&stream(case));
        assert_eq!(reader.next_frame(), Ok(None));
    }
}

#[test]
fn padding_is_as_recorded() {
    let file: Value = serde_json::from_str(include_str!("../../vectors/padding.json")).unwrap();
    let bytes = |case: &Value, field: &str| hex::decode(case[field].as_str().unwrap()).unwrap();
    let step = |case: &Value| usize::try_from(case["step"].as_u64().unwrap()).unwrap();
    for case in file["valid"].as_array().unwrap() {
        assert_eq!(pad(bytes(case, "plain"), step(case)), bytes(case, "padded"));
        assert_eq!(
            unpad(&bytes(case, "padded"), step(case)),
            Some(&bytes(case, "plain")[..])
        );
    }
    for case in file["invalid"].as_array().unwrap() {
        assert_eq!(
            unpad(&bytes(case, "padded"), step(case)),
            None,
            "{}",
            case["defect"]
        );
    }
}
