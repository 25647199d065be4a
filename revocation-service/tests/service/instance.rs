//! An enclave instance as this service sees one: Binding, Evidence, genesis record, signed and sealed queries.

use cofferdam::crypto::hpke::{PrivateKey, setup_receiver, setup_sender};
use cofferdam::crypto::random;
use cofferdam::crypto::signing::{SignatureKind, SigningKey, verify_sign1};
use cofferdam_wire::binding::{self, Binding, Measurement, PolicyBounds, SessionKey};
use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::group::{GenesisBody, GenesisRecord, Officer, genesis_user_data};
use cofferdam_wire::id::{Digest, GroupId, Nonce, Token, sha256};
use cofferdam_wire::kind::{EscrowMode, Suite};
use cofferdam_wire::layer::{pad, recipient_id, unpad};
use cofferdam_wire::limits;
use cofferdam_wire::status::{
    AnswerPlain, QueryItem, SealedAnswer, SealedQuery, Status, StatusAnswer, StatusCertificate,
    StatusQuery, answer_info, query_info,
};
use cofferdam_wire::{cbor, context};

use crate::nsm::{Claims, Nsm, decoded, image};

/// The image that made every group here, and runs in every instance unless a test says otherwise.
pub(crate) const IMAGE: u8 = 0xa0;

/// A group: its genesis record.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) id: GroupId,
    pub(crate) body: Vec<u8>,
    pub(crate) record: Vec<u8>,
}

impl Group {
    /// Made by `image` at `at_s`.
    pub(crate) fn new(nsm: &Nsm, image: Measurement, at_s: u64) -> Self {
        let officer = || Officer {
            signing: PublicKey::Ed25519([3; 32]),
            sealing: vec![4; limits::XWING_PUBLIC],
        };
        let body = cbor::encode(&GenesisBody {
            version: 1,
            group_key: Digest([1; 32]),
            officers: vec![officer(), officer(), officer()],
            threshold: 2,
            escrow: EscrowMode::Officers,
            shares: vec![Digest([2; 32]); 3],
            random: Digest(random::array()),
        });
        let id = GroupId::of(&body);
        let claims = Claims {
            measurement: image,
            timestamp_ms: at_s * 1000,
            user_data: &genesis_user_data(&body),
            public_key: None,
            nonce: Some(&id.0),
        };
        let record = Self::record(&body, nsm.document(&claims));
        Self { id, body, record }
    }

    pub(crate) fn record(body: &[u8], evidence: Vec<u8>) -> Vec<u8> {
        cbor::encode(&GenesisRecord {
            body: body.to_vec(),
            evidence,
        })
    }
}

/// An instance.
pub(crate) struct Instance {
    pub(crate) key: SigningKey,
    pub(crate) setup: PrivateKey,
    pub(crate) group: Group,
    pub(crate) binding: Binding,
    pub(crate) image: Measurement,
}

impl Instance {
    pub(crate) fn new(group: &Group) -> Self {
        let key = SigningKey::generate(SignatureKind::Ed25519);
        let setup = PrivateKey::generate();
        let binding = Binding {
            version: 1,
            group: group.id,
            chain_sequence: 0,
            chain_head: binding::empty_chain(&group.id),
            epoch: 1,
            measurements: vec![image(IMAGE)],
            escrow: EscrowMode::Officers,
            instance: key.public(),
            setup: setup.public().to_vec(),
            session: SessionKey {
                public: vec![5; limits::XWING_PUBLIC],
                not_after_s: u64::MAX,
            },
            tee: vec![],
            bounds: PolicyBounds::IMAGE,
        };
        Self {
            key,
            setup,
            group: group.clone(),
            binding,
            image: image(IMAGE),
        }
    }

    pub(crate) fn binding(&self) -> Vec<u8> {
        cbor::encode(&self.binding)
    }

    fn spki(&self) -> [u8; 44] {
        let PublicKey::Ed25519(key) = self.key.public() else {
            panic!("an Ed25519 key")
        };
        binding::instance_spki(&key)
    }

    /// Evidence over the Binding, made at `at_ms`.
    pub(crate) fn evidence(&self, nsm: &Nsm, at_ms: u64) -> Vec<u8> {
        nsm.document(&Claims {
            measurement: self.image,
            timestamp_ms: at_ms,
            user_data: &binding::user_data(&self.binding()),
            public_key: Some(&self.spki()),
            nonce: Some(&[9; 32]),
        })
    }

    /// A query that is right in every respect; tests change what they want before it is sealed.
    pub(crate) fn draft(&self, nsm: &Nsm, at_ms: u64, items: Vec<QueryItem>) -> StatusQuery {
        StatusQuery {
            version: 1,
            group: self.group.id,
            binding: self.binding(),
            evidence: self.evidence(nsm, at_ms),
            genesis: self.group.record.clone(),
            nonce: Nonce(random::array()),
            service_key: cofferdam_wire::id::RecipientId([0; 32]),
            enc: vec![],
            items,
        }
    }

    /// Signs a query for a service's certified key, and seals it to that key.
    pub(crate) fn seal(&self, service_key: &[u8], query: StatusQuery) -> Vec<u8> {
        seal_by(&self.key, service_key, service_key, query)
    }

    /// Opens an answer, checks everything that an enclave checks, and gives what it says.
    pub(crate) fn open(
        &self,
        root: &PublicKey,
        sealed_query: &[u8],
        nonce: &Nonce,
        answer: &[u8],
    ) -> Answer {
        let sealed: SealedAnswer = decoded(answer);
        let receiver =
            setup_receiver(&self.setup, &sealed.enc, &answer_info(sealed_query)).unwrap();
        let padded = receiver.open(&[], &sealed.ciphertext).unwrap();
        let plain: AnswerPlain<'_> =
            cbor::decode(unpad(&padded, 512).unwrap(), limits::STATUS_ANSWER).unwrap();
        let certificate = certified(root, plain.certificate);
        let key = PublicKey::from_cose(&certificate.key).unwrap();
        let signed = CoseSign1::from_bytes(plain.answer, limits::STATUS_ANSWER).unwrap();
        let payload = verify_sign1(&key, context::STATUS_ANSWER, &signed).unwrap();
        let said: StatusAnswer<'_> = cbor::decode(payload, limits::STATUS_ANSWER).unwrap();
        assert_eq!(said.query, sha256(sealed_query));
        assert_eq!(said.nonce, *nonce);
        let items = said.items.iter().map(|item| Said {
            status: item.status,
            sequence: item.sequence,
            grant_epoch: item.grant_epoch,
            release: item.release.map(|bytes| bytes.to_vec()),
        });
        Answer {
            issued_at_ms: said.issued_at_ms,
            valid_for_s: said.valid_for_s,
            items: items.collect(),
        }
    }
}

/// Signs by one key for `named`, seals to `sealed_to`; the two differ only in attacks.
pub(crate) fn seal_by(
    signer: &SigningKey,
    named: &[u8],
    sealed_to: &[u8],
    mut query: StatusQuery,
) -> Vec<u8> {
    let service_key = recipient_id(Suite::XWing, sealed_to);
    let (enc, sender) = setup_sender(sealed_to, &query_info(&service_key)).unwrap();
    query.service_key = recipient_id(Suite::XWing, named);
    query.enc = enc.clone();
    let signed = signer
        .sign1(context::STATUS_QUERY, cbor::encode(&query))
        .to_bytes();
    let ciphertext = sender
        .seal(&[], &pad(signed, limits::STATUS_QUERY_STEP))
        .unwrap();
    cbor::encode(&SealedQuery {
        service_key,
        enc,
        ciphertext,
    })
}

/// The content of a certificate by the status root.
pub(crate) fn certified(root: &PublicKey, bytes: &[u8]) -> StatusCertificate {
    let signed = CoseSign1::from_bytes(bytes, limits::STATUS_CERTIFICATE).unwrap();
    decoded(verify_sign1(root, context::STATUS_CERTIFICATE, &signed).unwrap())
}

/// An answer, opened.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) issued_at_ms: u64,
    pub(crate) valid_for_s: u32,
    pub(crate) items: Vec<Said>,
}

/// What an answer says of one key.
#[derive(Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) status: Status,
    pub(crate) sequence: u64,
    pub(crate) grant_epoch: u64,
    pub(crate) release: Option<Vec<u8>>,
}

/// An item that asks for the release secret, having heard nothing yet.
pub(crate) fn item(token: Token) -> QueryItem {
    QueryItem {
        token,
        last_sequence: 0,
        wants_release: true,
    }
}
