//! The provider's side as tests play it: peels, checks what a test needs checked, signs receipts, serves sessions.

use std::sync::Mutex;

use cofferdam::crypto::secret::Secret32;
use cofferdam::crypto::signing::{SigningKey, verify_sign1};
use cofferdam::crypto::{hpke, kdf, xaes};
use cofferdam::layer::{open_rsa, open_xwing};
use cofferdam::transport::{CallError, Parent};
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::id::{KeyId, Nonce, RecipientId};
use cofferdam_wire::import::{
    Control, ImportHeader, ImportRequest, Material, Payload, Receipt, ReceiptBundle, Statement,
    control_hash, header_hash, material_hash, revocation_hash, vendor_layer_hash,
};
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::{Layer, unpad};
use cofferdam_wire::operation::{Input, Operation, Outcome};
use cofferdam_wire::session::{
    Answer, Request, SealedRequest, SessionAccepted, SessionOpen, SessionPlain, accept_aad,
    answer_aad, answer_key_exporter, opening_signed, request_aad, request_key_exporter,
    ticket_hash,
};
use cofferdam_wire::transcript::{ChallengePlain, challenge_reply_input};
use cofferdam_wire::{Code, cbor, context, limits};
use zeroize::Zeroizing;

use crate::world::World;

/// What an enclave knows of an import after it opened both layers and checked every hash.
pub(crate) struct OpenedImport {
    pub(crate) header: ImportHeader,
    pub(crate) control: Control,
    pub(crate) cose_key: Vec<u8>,
    pub(crate) salt: Vec<u8>,
    pub(crate) release_secrets: Vec<u8>,
    pub(crate) key: KeyId,
}

impl World {
    /// Opens a layer with whichever key of `side` it names.
    fn open_layer(
        &self,
        context: &str,
        bound: &[u8; 32],
        aad: &[u8],
        layer: &Layer,
    ) -> Result<Zeroizing<Vec<u8>>, Code> {
        let binding = self.binding();
        let is = |id: RecipientId| layer.recipient == id;
        match layer.suite {
            Suite::XWing if is(self.provider_keys()[0].id()) => {
                open_xwing(&self.provider, context, bound, aad, layer)
            }
            Suite::XWing if is(binding.tee[0].id()) => {
                open_xwing(&self.tee, context, bound, aad, layer)
            }
            Suite::RsaOaep if is(self.provider_keys()[1].id()) => {
                open_rsa(&self.provider_rsa, context, bound, aad, layer)
            }
            Suite::RsaOaep if is(binding.tee[1].id()) => {
                open_rsa(&self.tee_rsa, context, bound, aad, layer)
            }
            _ => Err(Code::UnknownRecipient),
        }
    }

    pub(crate) fn answer_challenge(&self, challenge: &[u8]) -> Result<Vec<u8>, Code> {
        let layer: Layer = cbor::decode(challenge, limits::LAYER)?;
        let plain = self.open_layer(context::CHALLENGE, &layer.recipient.0, b"", &layer)?;
        let plain: ChallengePlain<'_> = cbor::decode(&plain, 128)?;
        let input = challenge_reply_input(plain.transcript, &layer.recipient, challenge);
        Ok(kdf::hmac_sha256(plain.secret, &[&input]).to_vec())
    }

    /// Opens an import as parent and enclave together do.
    pub(crate) fn open_import(&self, request: &[u8]) -> Result<OpenedImport, Code> {
        let request: ImportRequest = cbor::decode(request, limits::IMPORT)?;
        let signed = CoseSign1::from_bytes(&request.statement, limits::STATEMENT)?;
        let statement: Statement = cbor::decode(&signed.payload, limits::STATEMENT)?;
        let header: ImportHeader = cbor::decode(&statement.header, limits::IMPORT_HEADER)?;
        verify_sign1(&header.owner, context::STATEMENT, &signed).map_err(|_| Code::BadSignature)?;
        let bound = header_hash(&statement.header).0;
        let outer: Layer = cbor::decode(&request.layer, limits::LAYER)?;
        let inner = self.open_layer(context::LAYER_PROVIDER, &bound, &statement.header, &outer)?;
        if vendor_layer_hash(&inner) != statement.vendor_layer {
            return Err(Code::UnwrapFailed);
        }
        let inner: Layer = cbor::decode(&inner, limits::LAYER)?;
        let plain = self.open_layer(context::LAYER_VENDOR, &bound, &statement.header, &inner)?;
        let payload: Payload<'_> = cbor::decode(
            unpad(&plain, limits::PAYLOAD_STEP).unwrap(),
            limits::PAYLOAD,
        )?;
        let control: Control = cbor::decode(payload.control, limits::CONTROL)?;
        let material: Material<'_> = cbor::decode(payload.material, limits::MATERIAL)?;
        assert_eq!(control_hash(payload.control), statement.control);
        assert_eq!(material_hash(payload.material), statement.material);
        assert_eq!(
            revocation_hash(control.revocation.as_ref(), payload.release_secrets),
            statement.revocation
        );
        Ok(OpenedImport {
            header,
            cose_key: material.cose_key.to_vec(),
            salt: material.salt.to_vec(),
            release_secrets: payload.release_secrets.to_vec(),
            control,
            key: KeyId::of(&signed.payload),
        })
    }

    /// The receipt for an opened import.
    pub(crate) fn receipt(&self, opened: &OpenedImport) -> Receipt {
        let policy = opened.control.policy.clone();
        let public_key = policy
            .kind
            .is_asymmetric()
            .then(|| public_half(&opened.cose_key));
        let check_value = (!policy.kind.is_asymmetric()).then(|| {
            cofferdam_wire::import::check_value(
                &opened.salt,
                &opened.cose_key[opened.cose_key.len() - 32..],
            )
        });
        Receipt {
            version: 1,
            key: opened.key,
            group: opened.header.group,
            partition: opened.header.partition_id(),
            transcript: opened.header.transcript,
            public_key,
            check_value,
            lease: opened
                .control
                .revocation
                .as_ref()
                .map(|revocation| revocation.terms()),
            hard_end_s: opened.control.hard_end_s,
            escrow: self.binding().escrow,
            epoch: self.binding().epoch,
            imported_s: self.now_s,
            instance: self.instance.public().thumbprint(),
            policy,
        }
    }

    /// A receipt signed by the instance, with everything that makes it a fact about now.
    pub(crate) fn bundle(&self, receipt: &Receipt) -> ReceiptBundle {
        let binding = cbor::encode(&self.binding());
        ReceiptBundle {
            receipt: self
                .instance
                .sign1(context::RECEIPT, cbor::encode(receipt))
                .to_bytes(),
            evidence: self.evidence(&binding, &[0; 32], self.now_s - 1800),
            binding,
            vendor_statement: self.signed_statement(&self.statement()),
        }
    }
}

/// The public COSE_Key in one of an Ed25519 or RSA key with both halves.
fn public_half(cose_key: &[u8]) -> Vec<u8> {
    const RSA: i8 = 3;
    let mut decoder = minicbor::Decoder::new(cose_key);
    decoder.map().unwrap();
    let [_, key_type, _] = [(); 3].map(|()| decoder.i8().unwrap());
    if key_type == RSA {
        let modulus = decoder.bytes().unwrap();
        decoder.i8().unwrap();
        let exponent = decoder.bytes().unwrap();
        let key = cofferdam::crypto::public_key::PublicKey::rsa(modulus, exponent);
        return key.unwrap().to_cose();
    }
    let [_curve, _] = [(); 2].map(|()| decoder.i8().unwrap());
    let x = decoder.bytes().unwrap().try_into().unwrap();
    cofferdam_wire::cose::PublicKey::Ed25519(x).to_cose()
}

/// What goes wrong at the provider.
#[derive(Default)]
pub(crate) struct Faults {
    /// Refuse so many imports, the last of these first, then take them.
    pub(crate) refuse_imports: Vec<Code>,
    /// Lie in the receipt.
    pub(crate) lie: Option<fn(&mut Receipt)>,
    /// Forget all sessions once.
    pub(crate) forget_sessions: bool,
    /// Answer every request with the first answer ever given.
    pub(crate) swap_answers: bool,
    /// Give a wrong reply to challenges of this suite's TEE or provider key.
    pub(crate) wrong_reply_for: Option<RecipientId>,
}

/// A session as the enclave holds it in a ticket.
struct Served {
    ticket: Vec<u8>,
    request_key: Secret32,
    answer_key: Secret32,
}

pub(crate) struct Played<'a> {
    pub(crate) world: &'a World,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) imports: Mutex<Vec<Vec<u8>>>,
    pub(crate) openings: Mutex<usize>,
    pub(crate) receipts: Mutex<Vec<ReceiptBundle>>,
    pub(crate) destroyed: Mutex<Vec<KeyId>>,
    served: Mutex<Vec<Served>>,
    first_answer: Mutex<Option<Vec<u8>>>,
}

impl<'a> Played<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Played {
            world,
            faults: Mutex::default(),
            imports: Mutex::default(),
            openings: Mutex::default(),
            receipts: Mutex::default(),
            destroyed: Mutex::default(),
            served: Mutex::default(),
            first_answer: Mutex::default(),
        }
    }

    fn accept(&self, opening: &[u8]) -> Result<Vec<u8>, Code> {
        let open: SessionOpen = cbor::decode(opening, limits::SESSION_OPEN)?;
        let info = open.info.hpke_info();
        let receiver = hpke::setup_receiver(&self.world.session, &open.enc, &info)
            .map_err(|_| Code::SessionRefused)?;
        let request_key = receiver.export(&request_key_exporter());
        let answer_key = receiver.export(&answer_key_exporter());
        let plain = receiver
            .open(b"", &open.ciphertext)
            .map_err(|_| Code::SessionRefused)?;
        let plain: SessionPlain = cbor::decode(&plain, limits::SESSION_OPEN)?;
        let signed = CoseSign1::from_bytes(&plain.signature, limits::SESSION_OPEN)?;
        let payload = verify_sign1(&plain.app, context::SESSION_OPEN, &signed)
            .map_err(|_| Code::BadSignature)?;
        if payload != opening_signed(&info, &open.enc) || plain.app.thumbprint() != open.info.app {
            return Err(Code::SessionRefused);
        }
        let mut openings = self.openings.lock().unwrap();
        *openings += 1;
        let ticket = vec![*openings as u8; 100];
        let accepted = SessionAccepted {
            now_ms: self.world.now_s * 1000,
            ticket: ticket.clone(),
            not_after_s: self.world.now_s + 3600,
        };
        let aad = accept_aad(&open.info.group, opening);
        let sealed =
            xaes::seal_with_random_nonce(&answer_key, &aad, &cbor::encode(&accepted)).unwrap();
        self.served.lock().unwrap().push(Served {
            ticket,
            request_key,
            answer_key,
        });
        Ok(sealed)
    }

    fn serve(&self, body: &[u8]) -> Result<Vec<u8>, Code> {
        let mut faults = self.faults.lock().unwrap();
        let mut served = self.served.lock().unwrap();
        if std::mem::take(&mut faults.forget_sessions) {
            served.clear();
        }
        let sealed: SealedRequest = cbor::decode(body, limits::SEALED_REQUEST)?;
        let session = served
            .iter()
            .find(|session| session.ticket == sealed.ticket)
            .ok_or(Code::SessionRefused)?;
        let (group, ticket) = (self.world.group(), ticket_hash(&sealed.ticket));
        let plain = xaes::open_with_leading_nonce(
            &session.request_key,
            &request_aad(&group, &ticket),
            &sealed.sealed,
        )
        .map_err(|_| Code::SessionRefused)?;
        let request: Request = cbor::decode(&plain, limits::SEALED_REQUEST)?;
        let now_ms = self.world.now_s * 1000;
        assert!((now_ms..=now_ms + limits::DEADLINE_MAX_MS).contains(&request.deadline_ms));
        let answer = match request.operation {
            Operation::Random { count } => Answer::Done(Outcome::Bytes(vec![7; count.into()])),
            Operation::Destroy { key } if key.0 == [1; 32] => Answer::Done(Outcome::Verdict(true)),
            Operation::Destroy { key } => {
                let mut destroyed = self.destroyed.lock().unwrap();
                if destroyed.contains(&key) {
                    Answer::Refused(Code::NotFound)
                } else {
                    destroyed.push(key);
                    Answer::Done(Outcome::Destroyed(true))
                }
            }
            Operation::Sign {
                input: Input::Message(message),
                ..
            } => Answer::Done(Outcome::Bytes([b"signed ", &message[..]].concat())),
            Operation::Verify {
                input: Input::Message(message),
                signature,
                ..
            } => Answer::Done(Outcome::Verdict(
                signature == [b"signed ", &message[..]].concat(),
            )),
            Operation::Encrypt { aad, data, .. } => {
                Answer::Done(Outcome::Bytes([&aad[..], b"|", &data].concat()))
            }
            Operation::Decrypt { aad, data, .. } => {
                match data.strip_prefix(&[&aad[..], b"|"].concat()[..]) {
                    Some(plain) => Answer::Done(Outcome::Bytes(plain.to_vec())),
                    None => Answer::Refused(Code::OperationFailed),
                }
            }
            Operation::Mac { data, .. } => {
                Answer::Done(Outcome::Bytes([b"mac of ", &data[..]].concat()))
            }
            Operation::VerifyMac { data, tag, .. } => {
                Answer::Done(Outcome::Verdict(tag == [b"mac of ", &data[..]].concat()))
            }
            Operation::Hash { data, .. } => Answer::Done(Outcome::Bytes(data)),
            _ => Answer::Refused(Code::NotFound),
        };
        let aad = answer_aad(&group, &ticket, body);
        let answer =
            xaes::seal_with_random_nonce(&session.answer_key, &aad, &cbor::encode(&answer))
                .unwrap();
        let first = self
            .first_answer
            .lock()
            .unwrap()
            .get_or_insert_with(|| answer.clone())
            .clone();
        Ok(if faults.swap_answers { first } else { answer })
    }

    fn take_import(&self, import: &[u8]) -> Result<Vec<u8>, Code> {
        self.imports.lock().unwrap().push(import.to_vec());
        let mut faults = self.faults.lock().unwrap();
        if let Some(code) = faults.refuse_imports.pop() {
            return Err(code);
        }
        let opened = self.world.open_import(import)?;
        let mut receipt = self.world.receipt(&opened);
        if let Some(lie) = faults.lie {
            lie(&mut receipt);
        }
        let bundle = self.world.bundle(&receipt);
        let reply = cbor::encode(&bundle);
        self.receipts.lock().unwrap().push(bundle);
        Ok(reply)
    }
}

impl Parent for Played<'_> {
    async fn evidence(&self, nonce: &Nonce) -> Result<Vec<u8>, CallError> {
        Ok(self.world.proof(nonce, |_| ()))
    }

    async fn challenge(&self, challenge: Vec<u8>) -> Result<Vec<u8>, CallError> {
        let mut reply = self
            .world
            .answer_challenge(&challenge)
            .map_err(CallError::refused)?;
        let layer: Layer = cbor::decode(&challenge, limits::LAYER).unwrap();
        if self.faults.lock().unwrap().wrong_reply_for == Some(layer.recipient) {
            reply[0] ^= 1;
        }
        Ok(reply)
    }

    async fn import(&self, import: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.take_import(&import).map_err(CallError::refused)
    }

    async fn open_session(&self, opening: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.accept(&opening).map_err(CallError::refused)
    }

    async fn call(&self, request: Vec<u8>) -> Result<Vec<u8>, CallError> {
        self.serve(&request).map_err(CallError::refused)
    }
}

/// An owner's key.
pub(crate) fn owner() -> SigningKey {
    SigningKey::generate(cofferdam::crypto::signing::SignatureKind::Ed25519)
}
