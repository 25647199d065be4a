//! The rules of `docs/protocol/status.md`, against a small revocation service that can be told to misbehave.
#![allow(clippy::unwrap_used, reason = "tests")]

mod answers;
mod flow;
mod hostile;
mod load;
mod queries;
mod service;

use super::*;
use crate::crypto::signature::InstanceKey;
use crate::crypto::xwing;
use crate::io::Entropy;
use cofferdam_wire::Code;
use cofferdam_wire::id::Token;
use cofferdam_wire::import::LeaseTerms;
use cofferdam_wire::link::{Courier, Host};
use cofferdam_wire::revocation::Service as Named;
use cofferdam_wire::status::{QueryItem, Status};
use cofferdam_wire::{cbor, limits};
use service::Service;

const TERMS: LeaseTerms = LeaseTerms {
    interval_s: 300,
    grace_s: 0,
    per_operation: false,
    skew_s: 1,
};
const EPOCH_MS: u64 = 1_790_000_000_000;

/// splitmix64.
struct Seeded(u64);

impl Seeded {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.roll().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// One enclave with its checks, on right clocks.
struct Enclave {
    checks: Checks,
    instance: InstanceKey,
    setup: xwing::PrivateKey,
    carried: [Vec<u8>; 3],
    entropy: Seeded,
    ms: u64,
}

/// What an event says, without secrets in types that have no comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Good(KeyId, Vec<[u8; 32]>),
    Closed(KeyId, LeaseState),
    Revoked(KeyId),
}

impl Enclave {
    fn new() -> Self {
        let setup = xwing::PrivateKey::generate().unwrap();
        Enclave {
            checks: Checks::default(),
            instance: InstanceKey::generate().unwrap(),
            carried: [setup.public().to_vec(), vec![2; 5_000], vec![3; 14_000]],
            setup,
            entropy: Seeded(7),
            ms: 0,
        }
    }

    fn now(&self) -> Clock {
        Clock {
            monotonic_ms: 1_000 + self.ms,
            attested_ms: EPOCH_MS + self.ms,
        }
    }

    fn track(&mut self, key: u8, owner: u8, services: &[&Service], terms: LeaseTerms) -> KeyId {
        let named = services.iter().enumerate().map(|(place, service)| Named {
            host: service.host.clone(),
            status_root: service.root.public(),
            token: token(key, place as u8),
        });
        let revocation = Revocation::Services {
            services: named.collect(),
            terms,
        };
        self.checks
            .track(KeyId([key; 32]), &owner_key(owner), &revocation);
        KeyId([key; 32])
    }

    fn due(&mut self) -> Vec<Ask> {
        let now = self.now();
        let identity = Identity {
            group: GroupId([9; 32]),
            binding: &self.carried[0],
            evidence: &self.carried[1],
            genesis: &self.carried[2],
            instance: &self.instance,
            setup: &self.setup,
        };
        self.checks.due(now, &identity, &mut self.entropy)
    }

    fn told(&mut self, id: u64, reply: Result<&[u8], Code>) -> Vec<Seen> {
        let now = self.now();
        let identity = Identity {
            group: GroupId([9; 32]),
            binding: &self.carried[0],
            evidence: &self.carried[1],
            genesis: &self.carried[2],
            instance: &self.instance,
            setup: &self.setup,
        };
        seen(
            self.checks
                .told(id, reply, now, &identity, &mut self.entropy),
        )
    }

    fn expire(&mut self) -> Vec<Seen> {
        seen(self.checks.expire(self.now()))
    }

    fn want(&mut self, key: KeyId) -> Turn {
        self.checks.want_now(key, Turn::NONE, self.now())
    }

    fn permits(&self, key: KeyId) -> bool {
        self.checks.permits(key, Turn::NONE, self.now())
    }

    fn state(&self, key: KeyId) -> LeaseState {
        self.checks.state(key, self.now()).unwrap()
    }

    /// The next ask, which must be a query.
    fn next_query(&mut self, services: &[&Service]) -> (u64, Courier) {
        loop {
            let mut asks = self.due();
            assert_eq!(asks.len(), 1);
            let ask = asks.remove(0);
            if ask.message == Message::AskStatus {
                return (ask.id, courier(&ask));
            }
            let keys = by_host(services, &host(&ask)).status_keys(self.now().attested_ms);
            self.told(ask.id, Ok(&keys));
        }
    }

    /// Carries every message honestly until nobody has more to say now.
    fn carry(&mut self, services: &[&Service]) -> Vec<Seen> {
        let mut events = Vec::new();
        loop {
            let asks = self.due();
            if asks.is_empty() {
                return events;
            }
            for ask in asks {
                let attested_ms = self.now().attested_ms;
                let reply = match ask.message {
                    Message::FetchStatusKeys => {
                        by_host(services, &host(&ask)).status_keys(attested_ms)
                    }
                    _ => {
                        let Courier { host, query } = courier(&ask);
                        by_host(services, &host).answer(&query, attested_ms)
                    }
                };
                events.extend(self.told(ask.id, Ok(&reply)));
            }
        }
    }

    /// Loads a key, lets an operation wait, and carries everything.
    fn load(&mut self, key: u8, services: &[&Service]) -> (KeyId, Vec<Seen>) {
        let key = self.track(key, 1, services, TERMS);
        self.want(key);
        let events = self.carry(services);
        (key, events)
    }
}

fn by_host<'a>(services: &[&'a Service], host: &str) -> &'a Service {
    services
        .iter()
        .find(|service| service.host == host)
        .unwrap()
}

fn host(ask: &Ask) -> String {
    cbor::decode::<Host>(&ask.body, 256).unwrap().host
}

fn courier(ask: &Ask) -> Courier {
    assert_eq!(ask.message, Message::AskStatus);
    cbor::decode(&ask.body, limits::FRAME_BODY).unwrap()
}

fn owner_key(owner: u8) -> PublicKey {
    PublicKey::Ed25519([owner; 32])
}

/// The token of a key's service.
fn token(key: u8, place: u8) -> Token {
    let mut bytes = [key; 32];
    bytes[31] = place;
    Token(bytes)
}

fn seen(events: Vec<Event>) -> Vec<Seen> {
    let see = |event| match event {
        Event::Good { key, releases } => Seen::Good(
            key,
            releases.iter().map(|release| *release.expose()).collect(),
        ),
        Event::Closed { key, state } => Seen::Closed(key, state),
        Event::Revoked { key } => Seen::Revoked(key),
    };
    events.into_iter().map(see).collect()
}
