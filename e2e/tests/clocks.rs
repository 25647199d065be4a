//! Clocks that jump (T-16): each by an hour, each way, under a key whose lease runs. The service is silent meanwhile, so that
//! whatever still passes was gained by the jump.

#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam_e2e::App;
use cofferdam_e2e::scene::{Scene, ask_to_sign, new_scene};
use cofferdam_e2e::world::Carry;
use cofferdam_enclave_core::Input;
use cofferdam_wire::link::Message;
use cofferdam_wire::session::Answer;

const HOUR_MS: u64 = 3_600_000;
/// Interval and grace of the key.
const LEASE_MS: u64 = 60_000;
/// Longest life of a request that is not refused for it.
const DEADLINE_MS: u64 = 110_000;

/// A key that is Active, and a parent that carries nothing more to its service.
fn active() -> (Scene, App) {
    let mut scene = new_scene();
    let app = scene.app();
    ask_to_sign(&app, &mut scene).unwrap();
    scene.world.carry = Carry::Drop;
    (scene, app)
}

/// Whether a signature comes back at once; without a lease the operation waits.
fn passes(scene: &mut Scene, app: &App, request: &[u8]) -> bool {
    let id = scene.world.send(Message::Sealed, request.to_vec());
    match scene.world.reply(id) {
        Some(Ok(answer)) => matches!(app.open(request, &answer), Some(Answer::Done(_))),
        _ => false,
    }
}

/// The lease goes on as if no clock had jumped, and no longer.
fn ends_in_its_time(scene: &mut Scene, app: &App, request: &[u8]) {
    scene.world.pass_ms(LEASE_MS - 10_000);
    assert!(passes(scene, app, request), "the lease goes on");
    scene.world.pass_ms(11_000);
    assert!(!passes(scene, app, request), "the other clock ends it");
    assert_eq!(scene.world.health().active, 0);
}

#[test]
fn t16_the_attested_clock_set_back_an_hour_gains_nothing() {
    let (mut scene, app) = active();
    let request = app.seal(&scene.world, scene.sign(), DEADLINE_MS);
    let before_ms = scene.world.health().attested_ms;
    scene.world.clock.jump_ms(-(HOUR_MS as i64));
    assert_eq!(
        scene.world.health().attested_ms,
        before_ms,
        "it never falls"
    );
    ends_in_its_time(&mut scene, &app, &request);
}

#[test]
fn t16_the_attested_clock_set_forward_an_hour_ends_the_lease_and_brings_none_back() {
    let (mut scene, _) = active();
    scene.world.clock.jump_ms(HOUR_MS as i64);
    // Grants end as well: this one is of the new time.
    let app = scene.app();
    let request = app.seal(&scene.world, scene.sign(), DEADLINE_MS);
    assert!(!passes(&mut scene, &app, &request));
    scene.world.clock.jump_ms(-(HOUR_MS as i64));
    assert!(
        !passes(&mut scene, &app, &request),
        "what ended stays ended"
    );
    assert_eq!(scene.world.health().active, 0);
    scene.world.clock.jump_ms(HOUR_MS as i64);
    // It was the lease and nothing else.
    scene.world.carry = Carry::Pass;
    ask_to_sign(&app, &mut scene).unwrap();
}

#[test]
fn t16_the_monotonic_clock_set_back_an_hour_gains_nothing() {
    let (mut scene, app) = active();
    scene.world.monotonic_ms += 2 * HOUR_MS;
    scene.world.carry = Carry::Pass;
    ask_to_sign(&app, &mut scene).unwrap();
    scene.world.carry = Carry::Drop;
    let request = app.seal(&scene.world, scene.sign(), DEADLINE_MS);
    scene.world.monotonic_ms -= HOUR_MS;
    ends_in_its_time(&mut scene, &app, &request);
}

#[test]
fn t16_the_monotonic_clock_set_forward_an_hour_ends_the_lease() {
    let (mut scene, app) = active();
    let request = app.seal(&scene.world, scene.sign(), DEADLINE_MS);
    assert!(passes(&mut scene, &app, &request));
    scene.world.monotonic_ms += HOUR_MS;
    scene.world.input(Input::Tick);
    assert!(!passes(&mut scene, &app, &request));
    assert_eq!(scene.world.health().active, 0);
}
