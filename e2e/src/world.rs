//! The machine: the core and what surrounds it. The parent here is the test's to command.

use crate::officers::Officers;
use crate::service::Service;
use cofferdam::crypto::signing::SigningKey;
use cofferdam_attestation::Measurement as Image;
use cofferdam_enclave_core::{Boot, Core, Entropy, Input, Now, Output, Port};
use cofferdam_simulated_nsm::{SimClock, SimulatedNsm, vendor_key_pkcs8};
pub use cofferdam_simulator_enclave::SimulatorTrust;
use cofferdam_wire::binding::{Binding, Measurement};
use cofferdam_wire::frame::Frame;
use cofferdam_wire::group::{Genesis, GenesisRecord, RecoverRequest, Recovery, SealedShare};
use cofferdam_wire::id::{GroupId, KeyId, Nonce, Token};
use cofferdam_wire::link::{Courier, Health, Host, Message, Note, Reply};
use cofferdam_wire::transcript::EnclaveProof;
use cofferdam_wire::vendor::{Image as GoodImage, VendorStatement};
use cofferdam_wire::{Code, cbor, context, limits};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};

/// What the courier does with a status query.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Carry {
    /// Carries it both ways at once.
    Pass,
    /// Loses it.
    Drop,
    /// Lets the service answer, and keeps the answer until [`World::deliver_held`].
    HoldAnswer,
}

/// A frame that the parent has and has not delivered.
pub struct Held {
    /// Frame id to answer to.
    pub id: u64,
    /// The service's answer.
    pub answer: Vec<u8>,
    /// The sealed query.
    pub query: Vec<u8>,
}

/// Everything around one enclave.
pub struct World {
    /// The enclave.
    pub core: Core,
    /// Its NSM.
    pub nsm: SimulatedNsm,
    /// The NSM's clock.
    pub clock: SimClock,
    /// The monotonic clock.
    pub monotonic_ms: u64,
    /// Whether calls carry readings of the attested clock.
    pub reads_attested: bool,
    /// The parent's store.
    pub store: BTreeMap<KeyId, Vec<u8>>,
    /// The genesis record, once there is one.
    pub genesis: Vec<u8>,
    /// The officers.
    pub officers: Officers,
    /// Revocation services by host.
    pub services: BTreeMap<String, Service>,
    /// What the courier does.
    pub carry: Carry,
    /// Answers held back.
    pub held: Vec<Held>,
    /// Queries lost.
    pub dropped: Vec<Vec<u8>>,
    /// Leaves the enclave's asks for records unanswered.
    pub hold_records: bool,
    /// Frame ids of asks left unanswered.
    pub held_fetches: Vec<u64>,
    /// Notes left by the enclave.
    pub notes: Vec<Note>,
    /// Every body that crossed the link, both ways.
    pub crossed: Vec<Vec<u8>>,
    /// Jobs run so far.
    pub jobs: usize,
    /// Results of jobs kept back, for tests of what happens in between.
    pub keep_results: bool,
    kept: Vec<cofferdam_enclave_core::work::Done>,
    replies: BTreeMap<u64, Result<Vec<u8>, Code>>,
    image: Measurement,
    next_id: u64,
    seed: u64,
}

struct Seeded {
    seed: u64,
    counter: u64,
}

impl Entropy for Seeded {
    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let block =
                Sha256::digest([self.seed.to_be_bytes(), self.counter.to_be_bytes()].concat());
            chunk.copy_from_slice(&block[..chunk.len()]);
            self.counter += 1;
        }
    }
}

/// The image that the vendor's statement of [`World::vendor_statement`] names.
pub const GOOD_IMAGE: Measurement = Measurement {
    pcr0: [0xa0; 48],
    pcr1: [0xa1; 48],
    pcr2: [0xa2; 48],
};
/// An image that it does not name.
pub const OTHER_IMAGE: Measurement = Measurement {
    pcr0: [0xb0; 48],
    pcr1: [0xb1; 48],
    pcr2: [0xb2; 48],
};

impl World {
    /// A started enclave that has made its group.
    pub fn with_group() -> Self {
        let mut world = Self::alone(GOOD_IMAGE);
        world.make_group();
        world
    }

    /// A started enclave without a group.
    pub fn alone(image: Measurement) -> Self {
        let clock = SimClock::new();
        let (core, nsm) = boot(image, &clock, 1, 1_000);
        Self {
            core,
            nsm,
            clock,
            monotonic_ms: 1_000,
            reads_attested: true,
            store: BTreeMap::new(),
            genesis: Vec::new(),
            officers: Officers::new(),
            services: BTreeMap::from([("status.example".to_string(), Service::new())]),
            carry: Carry::Pass,
            held: Vec::new(),
            dropped: Vec::new(),
            hold_records: false,
            held_fetches: Vec::new(),
            notes: Vec::new(),
            crossed: Vec::new(),
            jobs: 0,
            keep_results: false,
            kept: Vec::new(),
            replies: BTreeMap::new(),
            image,
            next_id: 0,
            seed: 1,
        }
    }

    /// Genesis by the officers.
    pub fn make_group(&mut self) {
        let request = cbor::encode(&self.officers.request());
        let genesis = self.call(Message::Genesis, request).unwrap();
        let genesis: Genesis = cbor::decode(&genesis, limits::FRAME_BODY).unwrap();
        let record: GenesisRecord = cbor::decode(&genesis.record, limits::GENESIS_RECORD).unwrap();
        self.genesis = genesis.record;
        self.officers
            .receive(&GroupId::of(&record.body), &genesis.shares);
    }

    /// Ends the process and starts another one; the parent keeps its disk.
    pub fn restart(&mut self) {
        self.restart_as(self.image);
    }

    /// The same with another image.
    pub fn restart_as(&mut self, image: Measurement) {
        self.seed += 1;
        self.monotonic_ms = 1_000;
        (self.core, self.nsm) = boot(image, &self.clock, self.seed, self.monotonic_ms);
        self.image = image;
        self.kept.clear();
    }

    /// What the operator brings after a restart.
    pub fn recover(&mut self) -> Result<Vec<u8>, Code> {
        let vendor_statement = self.vendor_statement(&[GOOD_IMAGE]);
        let genesis = self.genesis.clone();
        self.call(
            Message::Recover,
            cbor::encode(&RecoverRequest {
                genesis,
                vendor_statement,
            }),
        )
    }

    /// One officer's share to the running instance.
    pub fn send_share(&mut self, share: &SealedShare) -> Result<Recovery, Code> {
        let reply = self.call(Message::Share, cbor::encode(share))?;
        Ok(cbor::decode(&reply, 64).unwrap())
    }

    /// Restart, recovery and two shares: the enclave serves again.
    pub fn restart_and_recover(&mut self) {
        self.restart();
        self.recover().unwrap();
        let binding = self.binding();
        for officer in [0, 2] {
            let share = self.officers.share_to(officer, &binding);
            self.send_share(&share).unwrap();
        }
    }

    /// A vendor statement that names these images, signed by the simulator's vendor key.
    pub fn vendor_statement(&self, images: &[Measurement]) -> Vec<u8> {
        let images = images.iter().map(|measurement| GoodImage {
            measurement: *measurement,
            until_s: None,
            pcr8: None,
            epoch: 1,
        });
        self.vendor_statement_of(images.collect())
    }

    /// The same, with everything that it says of each image.
    pub fn vendor_statement_of(&self, images: Vec<GoodImage>) -> Vec<u8> {
        let now_s = self.nsm.now_ms() / 1000;
        let statement = VendorStatement {
            version: 1,
            sequence: 1,
            issued_s: now_s - 60,
            not_after_s: now_s + 30 * 24 * 3600,
            images,
            providers: Vec::new(),
        };
        vendor_key()
            .sign1(context::VENDOR_STATEMENT, cbor::encode(&statement))
            .to_bytes()
    }

    /// Proof of the instance for a nonce.
    pub fn prove(&mut self, nonce: Nonce) -> EnclaveProof {
        let proof = self.call(Message::Prove, cbor::encode(&nonce)).unwrap();
        cbor::decode(&proof, limits::PROOF).unwrap()
    }

    /// The Binding of the instance.
    pub fn binding(&mut self) -> Binding {
        let proof = self.prove(Nonce([9; 32]));
        cbor::decode(&proof.binding, limits::BINDING).unwrap()
    }

    /// Attested time, Unix seconds.
    pub fn now_s(&self) -> u64 {
        self.nsm.now_ms() / 1000
    }

    /// The one service's registration of a token.
    pub fn service(&mut self) -> &mut Service {
        self.services.get_mut("status.example").unwrap()
    }

    /// Sets a key's status at the one service.
    pub fn set_status(&mut self, token: &Token, status: cofferdam_wire::status::Status) {
        self.service().set(token, status);
    }

    /// What the operator may know.
    pub fn health(&mut self) -> Health {
        let health = self.call(Message::Health, Vec::new()).unwrap();
        cbor::decode(&health, 64).unwrap()
    }

    /// A call of the parent, until its reply. Panics if nothing replies, which only a waiting operation may do.
    pub fn call(&mut self, message: Message, body: Vec<u8>) -> Result<Vec<u8>, Code> {
        let id = self.send(message, body);
        self.reply(id).expect("the enclave replies")
    }

    /// Sends a frame and works until nothing is left to do.
    pub fn send(&mut self, message: Message, body: Vec<u8>) -> u64 {
        self.next_id += 1;
        let frame = Frame {
            kind: message.number(),
            id: self.next_id,
            body,
        };
        self.crossed.push(frame.body.clone());
        self.input(Input::Frame {
            from: Port(1),
            frame,
        });
        self.next_id
    }

    /// The reply to a frame, if it came.
    pub fn reply(&mut self, id: u64) -> Option<Result<Vec<u8>, Code>> {
        self.replies.remove(&id)
    }

    /// Time passes on both clocks, in steps of at most 250 ms.
    pub fn pass_ms(&mut self, mut ms: u64) {
        while ms > 0 {
            let step = ms.min(250);
            self.monotonic_ms += step;
            self.clock.jump_ms(step as i64);
            self.input(Input::Tick);
            ms -= step;
        }
    }

    /// Gives the core one input and does everything that follows.
    pub fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let attested_ms = self.reads_attested.then(|| self.nsm.now_ms());
            let mut outputs = Vec::new();
            self.core.handle(
                Now {
                    monotonic_ms: self.monotonic_ms,
                    attested_ms,
                },
                input,
                &mut outputs,
            );
            for output in outputs {
                self.output(output, &mut inputs);
            }
        }
    }

    fn output(&mut self, output: Output, inputs: &mut VecDeque<Input>) {
        match output {
            Output::Work(job) => {
                self.jobs += 1;
                let done = job.run();
                if self.keep_results {
                    self.kept.push(done)
                } else {
                    inputs.push_back(Input::Done(done))
                }
            }
            Output::Attest {
                request,
                nonce,
                user_data,
                public_key,
            } => {
                let document = self
                    .nsm
                    .attest(Some(&nonce), Some(&user_data), public_key.as_deref())
                    .ok();
                inputs.push_back(Input::Attested { request, document });
            }
            Output::Send { frame, .. } => {
                self.crossed.push(frame.body.clone());
                self.frame(frame, inputs);
            }
        }
    }

    fn frame(&mut self, frame: Frame, inputs: &mut VecDeque<Input>) {
        let now_ms = self.nsm.now_ms();
        match Message::from_number(frame.kind).unwrap() {
            Message::Reply => {
                let reply = match cbor::decode(&frame.body, limits::FRAME_BODY).unwrap() {
                    Reply::Done(body) => Ok(body),
                    Reply::Refused(code) => Err(code),
                };
                assert!(
                    self.replies.insert(frame.id, reply).is_none(),
                    "one reply to one frame"
                );
            }
            Message::FetchRecord if self.hold_records => self.held_fetches.push(frame.id),
            Message::FetchRecord => {
                let key: KeyId = cbor::decode(&frame.body, 64).unwrap();
                let told = self.store.get(&key).cloned().ok_or(Code::NotFound);
                inputs.push_back(self.told(frame.id, told));
            }
            Message::FetchStatusKeys => {
                let host: Host = cbor::decode(&frame.body, 256).unwrap();
                let told = match self.services.get(&host.host) {
                    Some(service) if self.carry != Carry::Drop => {
                        Ok(service.status_keys(now_ms / 1000))
                    }
                    _ => Err(Code::Unreachable),
                };
                inputs.push_back(self.told(frame.id, told));
            }
            Message::AskStatus => {
                let Courier { host, query } =
                    cbor::decode(&frame.body, limits::FRAME_BODY).unwrap();
                let Some(service) = self.services.get_mut(&host) else {
                    inputs.push_back(self.told(frame.id, Err(Code::Unreachable)));
                    return;
                };
                match self.carry {
                    Carry::Drop => self.dropped.push(query),
                    Carry::Pass => {
                        let answer = service.answer(&query, now_ms);
                        inputs.push_back(self.told(frame.id, Ok(answer)));
                    }
                    Carry::HoldAnswer => {
                        let answer = service.answer(&query, now_ms);
                        self.held.push(Held {
                            id: frame.id,
                            answer,
                            query,
                        });
                    }
                }
            }
            Message::Note => self.notes.push(cbor::decode(&frame.body, 64).unwrap()),
            other => panic!("the enclave sent {other:?}"),
        }
    }

    fn told(&mut self, id: u64, told: Result<Vec<u8>, Code>) -> Input {
        let reply = told.map_or_else(Reply::Refused, Reply::Done);
        let frame = Frame {
            kind: Message::Told.number(),
            id,
            body: cbor::encode(&reply),
        };
        self.crossed.push(frame.body.clone());
        Input::Frame {
            from: Port(1),
            frame,
        }
    }

    /// The parent answers an ask of the enclave.
    pub fn tell(&mut self, id: u64, told: Result<Vec<u8>, Code>) {
        let input = self.told(id, told);
        self.input(input);
    }

    /// Delivers the answers held back, oldest first.
    pub fn deliver_held(&mut self) {
        for held in std::mem::take(&mut self.held) {
            self.tell(held.id, Ok(held.answer));
        }
    }

    /// Gives the core the results kept back.
    pub fn give_kept(&mut self) {
        self.keep_results = false;
        for done in std::mem::take(&mut self.kept) {
            self.input(Input::Done(done));
        }
    }
}

/// The simulator's vendor key.
pub fn vendor_key() -> SigningKey {
    let pkcs8 = vendor_key_pkcs8();
    let seed = cofferdam::crypto::secret::Secret32::from_slice(&pkcs8[16..48]).unwrap();
    SigningKey::from_secret(cofferdam::crypto::signing::SignatureKind::Ed25519, &seed).unwrap()
}

fn boot(
    measurement: Measurement,
    clock: &SimClock,
    seed: u64,
    monotonic_ms: u64,
) -> (Core, SimulatedNsm) {
    let Measurement { pcr0, pcr1, pcr2 } = measurement;
    let nsm = SimulatedNsm::boot(Image { pcr0, pcr1, pcr2 }, clock.clone());
    let started = Now {
        monotonic_ms,
        attested_ms: Some(nsm.now_ms()),
    };
    let entropy = Box::new(Seeded { seed, counter: 0 });
    let core = Core::new::<SimulatorTrust>(
        Boot {
            measurement,
            started,
        },
        entropy,
    )
    .unwrap();
    (core, nsm)
}
