//! Event lists: whatever the parent does with messages and one of the clocks, every invariant holds after every event.
//!
//! `World` keeps the truth beside the lease: the time on a clock that nobody can touch, what each service really said
//! and when. The line under test reads that clock; the other one moves as the parent likes. proptest prints the
//! shortest failing list, and the seed that replays it.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Event {
    /// The enclave sends a query.
    Ask { service: usize },
    /// The service answers a query, also an old one, also twice; the parent keeps what it says.
    Answer { query: usize, valid_for_s: u32 },
    /// The parent delivers something the service said once.
    Deliver { answer: usize },
    /// The customer changes the status.
    Change { service: usize, status: Status },
    /// The service signs a push of its status; the parent keeps it.
    SignPush { service: usize },
    /// The parent delivers a push.
    Push { push: usize },
    /// Time passes: so much in truth, and so much on the clock that the parent rules.
    Pass { truth: u64, ruled: u64 },
    /// An operation waits for the key.
    Admit,
    /// The core looks after what is over.
    Expire,
}

struct Query {
    service: usize,
    sent: u64,
    event: usize,
    answered_good: bool,
}

struct Service {
    status: Status,
    sequence: u64,
    revoked_at: Option<u64>,
    /// Event at which the enclave last took a "suspended" of it.
    suspended_in: usize,
    revocation_heard: bool,
}

struct World {
    line: Lines,
    lease: Lease,
    truth: u64,
    ruled: u64,
    services: Vec<Service>,
    queries: Vec<Query>,
    answers: Vec<(usize, Answered)>,
    pushes: Vec<(usize, StatusPush)>,
    turns: Vec<(Turn, usize)>,
    event: usize,
    seen: (bool, u64, Vec<u64>),
}

impl World {
    fn new(line: Lines, services: usize, terms: LeaseTerms) -> Self {
        let fresh = || Service {
            status: Status::Good,
            sequence: 1,
            revoked_at: None,
            suspended_in: 0,
            revocation_heard: false,
        };
        World {
            line,
            lease: Lease::new(terms, services).with_lines(line),
            truth: 0,
            ruled: 0,
            services: (0..services).map(|_| fresh()).collect(),
            queries: Vec::new(),
            answers: Vec::new(),
            pushes: Vec::new(),
            turns: Vec::new(),
            event: 1,
            seen: (false, 0, vec![0; services]),
        }
    }

    fn now(&self) -> Clock {
        match self.line {
            Lines::Elapsed => clocks(self.truth, self.ruled),
            Lines::Attested | Lines::Both => clocks(self.ruled, self.truth),
        }
    }

    fn happens(&mut self, event: &Event) {
        self.event += 1;
        let now = self.now();
        match *event {
            Event::Ask { service } => {
                let service = service % self.services.len();
                self.lease
                    .asked(service, nonce(self.queries.len() as u64), now);
                let (sent, event) = (self.truth, self.event);
                self.queries.push(Query {
                    service,
                    sent,
                    event,
                    answered_good: false,
                });
            }
            Event::Answer { query, valid_for_s } => self.answer(query, valid_for_s),
            Event::Deliver { answer } => {
                if let Some(&(service, answer)) = pick(&self.answers, answer) {
                    let taken = self.lease.answered(service, &answer, now).is_ok();
                    let service = &mut self.services[service];
                    if taken && answer.status == Status::Suspended {
                        service.suspended_in = self.event;
                    }
                    service.revocation_heard |= taken && answer.status == Status::Revoked;
                }
            }
            Event::Change { service, status } => {
                let truth = self.truth;
                let count = self.services.len();
                let service = &mut self.services[service % count];
                if service.status != Status::Revoked {
                    service.status = status;
                    service.sequence += 1;
                    service.revoked_at = (status == Status::Revoked).then_some(truth);
                }
            }
            Event::SignPush { service } => {
                let service = service % self.services.len();
                let Service {
                    status, sequence, ..
                } = self.services[service];
                self.pushes.push((service, push(status, sequence)));
            }
            Event::Push { push } => {
                if let Some((service, push)) = pick(&self.pushes, push) {
                    self.lease.pushed(*service, push, now);
                    self.services[*service].revocation_heard |= push.status == Status::Revoked;
                }
            }
            Event::Pass { truth, ruled } => {
                self.truth += truth;
                self.ruled += ruled;
            }
            Event::Admit => {
                let turn = self
                    .turns
                    .last()
                    .map_or(Turn::NONE, |(turn, _)| *turn)
                    .next();
                self.lease.admit(turn);
                self.turns.push((turn, self.event));
            }
            Event::Expire => self.lease.expire(now),
        }
        self.check();
    }

    fn answer(&mut self, query: usize, valid_for_s: u32) {
        let count = self.queries.len();
        if count == 0 {
            return;
        }
        let number = query % count;
        let query = &mut self.queries[number];
        let service = &self.services[query.service];
        query.answered_good |= service.status == Status::Good;
        let answer = Answered {
            nonce: nonce(number as u64),
            status: service.status,
            sequence: service.sequence,
            grant_epoch: service.sequence / 2,
            // The service's clock is right; a line that reads another clock must not depend on it.
            issued_at_ms: EPOCH_MS + self.truth,
            valid_for_s,
        };
        self.answers.push((query.service, answer));
    }

    /// The invariants.
    fn check(&mut self) {
        let now = self.now();
        let terms = *self.lease.terms();
        let bound = 1000 * u64::from(terms.interval_s + terms.grace_s);
        let state = self.lease.state(now);
        let turns = self.turns.iter().copied().chain([(Turn::NONE, 0)]);
        let permitted: Vec<_> = turns
            .filter(|(turn, _)| self.lease.permits(*turn, now))
            .collect();

        assert!(
            permitted.is_empty() || state == LeaseState::Active,
            "permits only while Active"
        );
        if !terms.per_operation {
            assert_eq!(!permitted.is_empty(), state == LeaseState::Active);
        }
        for (service, said) in self.services.iter().enumerate() {
            if permitted.is_empty() {
                break;
            }
            let lasting: Vec<_> = self
                .queries
                .iter()
                .filter(|query| query.service == service && query.answered_good)
                .filter(|query| self.truth < query.sent + bound)
                .collect();
            assert!(
                !lasting.is_empty(),
                "no query younger than the bound was answered good"
            );
            assert!(
                lasting.iter().any(|query| query.event > said.suspended_in),
                "a good that was asked for before a suspension was heard lifted it"
            );
            assert!(
                said.revoked_at.is_none_or(|at| self.truth < at + bound),
                "P3"
            );
            assert!(
                !said.revocation_heard,
                "used after its revocation was heard"
            );
            for (turn, admitted) in permitted.iter().filter(|_| terms.per_operation) {
                assert!(*turn != Turn::NONE);
                assert!(
                    lasting.iter().any(|query| query.event > *admitted),
                    "not asked for this operation"
                );
            }
        }
        let sequences: Vec<_> = (0..self.services.len())
            .map(|i| self.lease.last_sequence(i))
            .collect();
        let (was_revoked, epoch, before) = &self.seen;
        assert!(
            !was_revoked || state == LeaseState::Revoked,
            "revoked is for ever"
        );
        assert!(self.lease.grant_epoch() >= *epoch, "the grant epoch fell");
        assert!(
            sequences
                .iter()
                .zip(before)
                .all(|(now, before)| now >= before),
            "a sequence fell"
        );
        self.seen = (
            state == LeaseState::Revoked,
            self.lease.grant_epoch(),
            sequences,
        );
    }
}

fn pick<T>(list: &[T], index: usize) -> Option<&T> {
    (!list.is_empty()).then(|| &list[index % list.len()])
}

fn event() -> impl Strategy<Value = Event> {
    let status = prop_oneof![
        4 => Just(Status::Good),
        3 => Just(Status::Suspended),
        1 => Just(Status::None),
        2 => Just(Status::Revoked),
    ];
    let recent = prop_oneof![3 => Just(usize::MAX), 1 => any::<usize>()];
    let passing = prop_oneof![0u64..2_000, 100_000u64..310_000];
    prop_oneof![
        6 => (0usize..3).prop_map(|service| Event::Ask { service }),
        6 => (any::<usize>(), prop_oneof![Just(100_000u32), 0u32..400])
            .prop_map(|(query, valid_for_s)| Event::Answer { query, valid_for_s }),
        8 => recent.prop_flat_map(|_| any::<usize>()).prop_map(|answer| Event::Deliver { answer }),
        2 => (0usize..3, status).prop_map(|(service, status)| Event::Change { service, status }),
        1 => (0usize..3).prop_map(|service| Event::SignPush { service }),
        1 => any::<usize>().prop_map(|push| Event::Push { push }),
        4 => (passing.clone(), prop_oneof![Just(0), passing])
            .prop_map(|(truth, ruled)| Event::Pass { truth, ruled }),
        2 => Just(Event::Admit),
        1 => Just(Event::Expire),
    ]
}

fn run(line: Lines, services: usize, terms: LeaseTerms, events: &[Event]) {
    let mut world = World::new(line, services, terms);
    for event in events {
        world.happens(event);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn t12_t14_t69_line_1_alone_keeps_the_bound(
        services in 1usize..4, grace_s in 0u32..60, per_operation: bool,
        events in prop::collection::vec(event(), 0..120),
    ) {
        run(Lines::Elapsed, services, LeaseTerms { grace_s, per_operation, ..TERMS }, &events);
    }

    #[test]
    fn t12_t14_t15_t69_line_2_alone_keeps_the_bound(
        services in 1usize..4, grace_s in 0u32..60, per_operation: bool,
        events in prop::collection::vec(event(), 0..120),
    ) {
        run(Lines::Attested, services, LeaseTerms { grace_s, per_operation, ..TERMS }, &events);
    }

    #[test]
    fn t12_t14_t15_t69_both_lines_keep_the_bound(
        services in 1usize..4, grace_s in 0u32..60, per_operation: bool,
        events in prop::collection::vec(event(), 0..120),
    ) {
        run(Lines::Both, services, LeaseTerms { grace_s, per_operation, ..TERMS }, &events);
    }
}

#[test]
fn an_honest_parent_gets_operations_through() {
    let mut world = World::new(Lines::Both, 2, TERMS);
    for event in [
        Event::Ask { service: 0 },
        Event::Ask { service: 1 },
        Event::Answer {
            query: 0,
            valid_for_s: 1_000,
        },
        Event::Answer {
            query: 1,
            valid_for_s: 1_000,
        },
        Event::Deliver { answer: 0 },
        Event::Deliver { answer: 1 },
    ] {
        world.happens(&event);
    }
    assert!(world.lease.permits(Turn::NONE, world.now()));
}
