//! The core without a link: one thread gives it requests and runs its jobs.

use crate::setup;
use cofferdam_e2e::customer::p256_material;
use cofferdam_e2e::{App, Customer, World};
use cofferdam_enclave_core::{Input, Now, Output, Port};
use cofferdam_wire::frame::Frame;
use cofferdam_wire::kind::{Action, KeyKind, UsageClass};
use cofferdam_wire::link::{Message, Reply};
use cofferdam_wire::session::Audience;
use cofferdam_wire::{cbor, limits};
use std::time::{Duration, Instant};

/// Requests of the provider plane.
pub(crate) fn plain(each: Duration) -> f64 {
    let mut world = World::with_group();
    let customer = Customer::new();
    let draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let (key, _) = customer.import(&mut world, &draft).unwrap();
    let grant = customer.grant(&world, &[key], &[Action::Sign], Audience::Provider);
    let body = setup::plain_request(&customer.sign(&grant), key, world.nsm.now_ms());
    run(&mut world, Message::Plain, &body, each)
}

/// Sealed requests of an app.
pub(crate) fn sealed(each: Duration) -> f64 {
    let mut world = World::with_group();
    let customer = Customer::new();
    let draft = customer.draft(
        &mut world,
        KeyKind::EcP256,
        UsageClass::Sign,
        &p256_material(),
    );
    let (key, _) = customer.import(&mut world, &draft).unwrap();
    let app = App::with_grant(&mut world, &customer, &[key], &[Action::Sign]).unwrap();
    let body = app.seal(&world, setup::sign(key), 100_000);
    run(&mut world, Message::Sealed, &body, each)
}

fn run(world: &mut World, message: Message, body: &[u8], each: Duration) -> f64 {
    // The first request loads the record and brings the lease.
    world.call(message, body.to_vec()).unwrap();
    let mut now = Now {
        monotonic_ms: world.monotonic_ms,
        attested_ms: None,
    };
    let mut out = Vec::new();
    let (start, mut count) = (Instant::now(), 0_u64);
    while start.elapsed() < each {
        now.attested_ms = Some(world.nsm.now_ms());
        for id in 0..u64::from(limits::OPERATIONS_PER_READING) {
            let frame = Frame {
                kind: message.number(),
                id,
                body: body.to_vec(),
            };
            world.core.handle(
                now,
                Input::Frame {
                    from: Port(1),
                    frame,
                },
                &mut out,
            );
            now.attested_ms = None;
            while let Some(output) = out.pop() {
                match output {
                    Output::Work(job) => world.core.handle(now, Input::Done(job.run()), &mut out),
                    Output::Send { frame, .. } if frame.kind == Message::Reply.number() => {
                        let reply: Reply = cbor::decode(&frame.body, limits::FRAME_BODY).unwrap();
                        assert!(matches!(reply, Reply::Done(_)));
                        count += 1;
                    }
                    _ => (),
                }
            }
        }
    }
    count as f64 / start.elapsed().as_secs_f64()
}
