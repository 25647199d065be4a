//! The core behind the real shell and a Unix socket, with this process's other threads as the parent.

use crate::setup;
use cofferdam_e2e::app::Opening;
use cofferdam_e2e::customer::p256_material;
use cofferdam_e2e::officers::Officers;
use cofferdam_e2e::world::{GOOD_IMAGE, SimulatorTrust};
use cofferdam_e2e::{Customer, Service};
use cofferdam_enclave::{Attestor, AttestorError, unix_listener};
use cofferdam_simulated_nsm::{PCRS, SimClock, SimulatedNsm};
use cofferdam_wire::binding::{Binding, Measurement};
use cofferdam_wire::frame::{Frame, FrameReader};
use cofferdam_wire::id::{KeyId, Nonce};
use cofferdam_wire::import::Imported;
use cofferdam_wire::kind::{Action, KeyKind, UsageClass};
use cofferdam_wire::link::{Courier, Message, Reply};
use cofferdam_wire::session::Audience;
use cofferdam_wire::transcript::EnclaveProof;
use cofferdam_wire::{cbor, limits};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Nsm(SimulatedNsm);

impl Attestor for Nsm {
    fn attest(
        &self,
        nonce: &[u8],
        user_data: &[u8],
        public_key: Option<&[u8]>,
    ) -> Result<Vec<u8>, AttestorError> {
        self.0
            .attest(Some(nonce), Some(user_data), public_key)
            .map_err(|_| AttestorError::Refused("limit"))
    }
    fn now_ms(&self) -> Result<u64, AttestorError> {
        Ok(self.0.now_ms())
    }
    fn measurement(&self) -> Result<Measurement, AttestorError> {
        Ok(GOOD_IMAGE)
    }
    fn lock_registers(&self) -> Result<(), AttestorError> {
        self.0
            .lock_pcrs(PCRS)
            .map_err(|_| AttestorError::Refused("range"))
    }
    fn random(&self, buffer: &mut [u8]) -> Result<(), AttestorError> {
        buffer
            .chunks_mut(256)
            .try_for_each(|chunk| self.0.random(chunk))
            .map_err(|_| AttestorError::Absent)
    }
}

/// A parent on the link: it has one record and one service.
struct Parent {
    stream: UnixStream,
    reader: FrameReader,
    service: Service,
    record: Vec<u8>,
    next_id: u64,
    out: Vec<u8>,
}

impl Parent {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap().keep();
        let path = dir.join("link");
        let listener = unix_listener(&path).unwrap();
        let Measurement { pcr0, pcr1, pcr2 } = GOOD_IMAGE;
        let image = cofferdam_attestation::Measurement { pcr0, pcr1, pcr2 };
        let attestor = Arc::new(Nsm(SimulatedNsm::boot(image, SimClock::new())));
        let (ready, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            cofferdam_enclave::serve::<SimulatorTrust>(attestor, listener, move || {
                ready.send(()).unwrap()
            })
            .map(|_| ())
        });
        wait.recv().unwrap();
        let stream = UnixStream::connect(&path).unwrap();
        let _ = std::fs::remove_dir_all(dir);
        let reader = FrameReader::default();
        Self {
            stream,
            reader,
            service: Service::new(),
            record: Vec::new(),
            next_id: 0,
            out: Vec::new(),
        }
    }

    fn queue(&mut self, message: Message, id: u64, body: Vec<u8>) {
        Frame {
            kind: message.number(),
            id,
            body,
        }
        .write_to(&mut self.out);
    }

    fn flush(&mut self) {
        self.stream.write_all(&self.out).unwrap();
        self.out.clear();
    }

    /// Reads what is there, serves the enclave's asks, and gives the replies.
    fn replies(&mut self) -> Vec<Vec<u8>> {
        let mut buffer = vec![0; 32 * 1024];
        let len = self.stream.read(&mut buffer).unwrap();
        assert!(len > 0, "the enclave is there");
        self.reader.feed(&buffer[..len]);
        let mut replies = Vec::new();
        while let Some(frame) = self.reader.next_frame().unwrap() {
            let now_ms = SimClock::new().now_ms();
            let told = match Message::from_number(frame.kind).unwrap() {
                Message::Reply => {
                    match cbor::decode(&frame.body, limits::FRAME_BODY).unwrap() {
                        Reply::Done(body) => replies.push(body),
                        Reply::Refused(code) => panic!("{code}"),
                    }
                    continue;
                }
                Message::FetchRecord => self.record.clone(),
                Message::FetchStatusKeys => self.service.status_keys(now_ms / 1000),
                Message::AskStatus => {
                    let Courier { query, .. } =
                        cbor::decode(&frame.body, limits::FRAME_BODY).unwrap();
                    self.service.answer(&query, now_ms)
                }
                _ => continue,
            };
            self.queue(Message::Told, frame.id, cbor::encode(&Reply::Done(told)));
            self.flush();
        }
        replies
    }

    fn call(&mut self, message: Message, body: Vec<u8>) -> Vec<u8> {
        self.next_id += 1;
        self.queue(message, self.next_id, body);
        self.flush();
        loop {
            if let Some(reply) = self.replies().pop() {
                return reply;
            }
        }
    }

    fn binding(&mut self) -> Binding {
        let proof = self.call(Message::Prove, cbor::encode(&Nonce([1; 32])));
        let proof: EnclaveProof = cbor::decode(&proof, limits::PROOF).unwrap();
        cbor::decode(&proof.binding, limits::BINDING).unwrap()
    }

    /// Genesis and one imported key.
    fn import(&mut self, customer: &Customer) -> (KeyId, Binding) {
        self.call(Message::Genesis, cbor::encode(&Officers::new().request()));
        let binding = self.binding();
        let now_s = SimClock::new().now_ms() / 1000;
        let sort = (KeyKind::EcP256, UsageClass::Sign);
        let sealed = customer
            .draft_for(&binding, &mut self.service, now_s, sort, &p256_material())
            .seal(&customer.owner);
        let imported = self.call(Message::Import, sealed.request);
        let imported: Imported = cbor::decode(&imported, limits::FRAME_BODY).unwrap();
        self.record = imported.record;
        (sealed.key, binding)
    }

    /// Sends the same request over and over, so many in flight.
    fn run(&mut self, message: Message, body: &[u8], in_flight: usize, each: Duration) -> f64 {
        self.call(message, body.to_vec());
        let (start, mut count) = (Instant::now(), 0_u64);
        for _ in 0..in_flight {
            self.queue(message, 0, body.to_vec());
        }
        self.flush();
        while start.elapsed() < each {
            let came = self.replies().len();
            count += came as u64;
            for _ in 0..came {
                self.queue(message, 0, body.to_vec());
            }
            self.flush();
        }
        count as f64 / start.elapsed().as_secs_f64()
    }
}

/// Requests of the provider plane.
pub(crate) fn plain(in_flight: usize, each: Duration) -> f64 {
    let mut parent = Parent::start();
    let customer = Customer::new();
    let (key, binding) = parent.import(&customer);
    let now_ms = SimClock::new().now_ms();
    let grant = customer.grant_for(
        binding.group,
        now_ms / 1000,
        &[key],
        &[Action::Sign],
        Audience::Provider,
    );
    let body = setup::plain_request(&customer.sign(&grant), key, now_ms);
    parent.run(Message::Plain, &body, in_flight, each)
}

/// Sealed requests of one app.
pub(crate) fn sealed(in_flight: usize, each: Duration) -> f64 {
    use cofferdam::crypto::signing::{SignatureKind, SigningKey};
    let mut parent = Parent::start();
    let customer = Customer::new();
    let (key, binding) = parent.import(&customer);
    let now_ms = SimClock::new().now_ms();
    let app = SigningKey::generate(SignatureKind::Ed25519);
    let audience = Customer::audience(&app);
    let grant = customer.grant_for(
        binding.group,
        now_ms / 1000,
        &[key],
        &[Action::Sign],
        audience,
    );
    let opening = Opening::to(&binding, &app, &app, vec![customer.sign(&grant)]);
    let accepted = parent.call(Message::OpenSession, opening.encoded.clone());
    let app = opening.accepted(&accepted);
    let body = app.seal_until(now_ms + 100_000, setup::sign(key));
    parent.run(Message::Sealed, &body, in_flight, each)
}
