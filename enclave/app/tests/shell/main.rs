//! The shell with the real core on a Unix socket, and a peer that means no good.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unreachable_pub, reason = "a module of tests")]

mod stage;

use std::io::{ErrorKind, Write};
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use cofferdam_enclave::{AttestorError, ShellError};
use cofferdam_wire::Code;
use cofferdam_wire::frame::Frame;
use cofferdam_wire::limits;
use cofferdam_wire::link::Message;

use stage::{NOW_MS, Stage};

const HEALTH: u8 = 0x0b;

/// Most tests leave it as they found it.
static STAGE: LazyLock<Stage> = LazyLock::new(Stage::new);

#[test]
fn health_comes_back_with_the_time_of_the_module() {
    assert_eq!(STAGE.connect().health().attested_ms, NOW_MS);
}

#[test]
fn ini_6_the_registers_are_locked_before_anybody_is_served() {
    // The module would end this process if it were asked for a document before.
    assert!(STAGE.module.locked.load(Ordering::SeqCst));
}

#[test]
fn replies_carry_the_ids_of_their_requests_however_the_bytes_are_cut() {
    let mut peer = STAGE.connect();
    let mut bytes = Vec::new();
    for id in 0..40 {
        Frame {
            kind: HEALTH,
            id,
            body: Vec::new(),
        }
        .write_to(&mut bytes);
    }
    for piece in bytes.chunks(7) {
        peer.stream.write_all(piece).unwrap();
    }
    let mut ids: Vec<u64> = (0..40).map(|_| peer.next_frame().unwrap().id).collect();
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..40));
}

#[test]
fn many_requests_at_once_are_all_answered() {
    let mut peer = STAGE.connect();
    let mut sender = peer.second();
    let sending = thread::spawn(move || (0..20_000).for_each(|id| sender.send(HEALTH, id, &[])));
    assert!((0..20_000).all(|_| peer.next_frame().is_some()));
    sending.join().unwrap();
}

#[test]
fn frames_of_the_largest_size_pass_in_both_directions() {
    let mut peer = STAGE.connect();
    let largest = vec![0; limits::FRAME_BODY];
    assert!(peer.reply(Message::Import.number(), 3, &largest).is_err());
    assert_eq!(peer.health().attested_ms, NOW_MS);
}

#[test]
fn t27_a_type_that_nobody_knows_is_refused_by_its_number_and_the_connection_lives() {
    let mut peer = STAGE.connect();
    for kind in [
        0x00,
        0x0c,
        0x3f,
        Message::Reply.number(),
        0x41,
        0x63,
        0x81,
        0xff,
    ] {
        assert_eq!(
            peer.reply(kind, 9, b"whatever"),
            Err(Code::UnsupportedVersion),
            "{kind:#x}"
        );
    }
    assert_eq!(peer.health().attested_ms, NOW_MS);
}

#[test]
fn t27_random_bodies_of_every_type_are_refused_and_the_connection_lives() {
    let mut peer = STAGE.connect();
    let mut body = [0; 300];
    for message in Message::ALL
        .iter()
        .filter(|message| **message != Message::Told)
    {
        getrandom::fill(&mut body).unwrap();
        if *message != Message::Health {
            assert!(
                peer.reply(message.number(), 4, &body).is_err(),
                "{message:?}"
            );
        }
    }
    peer.send(Message::Told.number(), 77, &body);
    assert_eq!(peer.health().attested_ms, NOW_MS);
}

#[test]
fn t27_a_length_out_of_bounds_ends_this_connection_and_no_other() {
    let mut other = STAGE.connect();
    for length in [0, 8, limits::FRAME as u32 - 3, u32::MAX] {
        let mut peer = STAGE.connect();
        peer.stream.write_all(&length.to_be_bytes()).unwrap();
        assert!(peer.is_cut_off(), "{length}");
    }
    assert_eq!(other.health().attested_ms, NOW_MS);
}

#[test]
fn t27_a_peer_that_drips_delays_nobody_and_is_served_in_the_end() {
    let mut slow = STAGE.connect();
    let mut bytes = Vec::new();
    Frame {
        kind: HEALTH,
        id: 5,
        body: Vec::new(),
    }
    .write_to(&mut bytes);
    for byte in bytes {
        slow.stream.write_all(&[byte]).unwrap();
        assert_eq!(STAGE.connect().health().attested_ms, NOW_MS);
    }
    assert_eq!(slow.next_frame().unwrap().id, 5);
}

#[test]
fn t27_a_peer_that_goes_in_the_middle_of_a_frame_costs_nothing() {
    let stage = Stage::new();
    for _ in 0..200 {
        // All places may still be taken by those before; then it is closed at once.
        let _ = stage.connect().stream.write_all(&[0, 0, 0xff, 0, 5]);
    }
    while stage.connect().is_refused() {
        thread::yield_now();
    }
}

#[test]
fn t27_a_peer_that_reads_no_replies_is_stopped_and_delays_nobody() {
    let greedy = STAGE.connect();
    greedy
        .stream
        .set_write_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut bytes = Vec::new();
    (0..1000).for_each(|id| {
        Frame {
            kind: HEALTH,
            id,
            body: Vec::new(),
        }
        .write_to(&mut bytes)
    });
    let mut sent = 0;
    let stopped = loop {
        match (&greedy.stream).write(&bytes) {
            Ok(written) => sent += written,
            Err(error) => break error.kind(),
        }
        assert!(sent < 64 * 1024 * 1024, "it takes requests without end");
    };
    assert_eq!(stopped, ErrorKind::WouldBlock);
    assert_eq!(STAGE.connect().health().attested_ms, NOW_MS);
}

#[test]
fn t28_places_are_bounded_and_come_back() {
    let stage = Stage::new();
    let mut peers: Vec<_> = (0..32).map(|_| stage.connect()).collect();
    assert!(
        peers
            .iter_mut()
            .all(|peer| peer.health().attested_ms == NOW_MS)
    );
    let mut refused: Vec<_> = (0..100).map(|_| stage.connect()).collect();
    assert!(refused.iter_mut().all(stage::Peer::is_cut_off));
    assert!(
        peers
            .iter_mut()
            .all(|peer| peer.health().attested_ms == NOW_MS)
    );
    peers.truncate(31);
    let mut next = stage.connect();
    while next.is_refused() {
        next = stage.connect();
    }
    assert_eq!(next.health().attested_ms, NOW_MS);
}

#[test]
fn t15_the_module_is_read_at_least_every_64_operations() {
    let stage = Stage::new();
    let mut peer = stage.connect();
    let before = stage.module.readings.load(Ordering::SeqCst);
    let mut bytes = Vec::new();
    (0..6400).for_each(|id| {
        Frame {
            kind: HEALTH,
            id,
            body: Vec::new(),
        }
        .write_to(&mut bytes)
    });
    let mut sender = peer.second();
    let sending = thread::spawn(move || sender.stream.write_all(&bytes).unwrap());
    assert!((0..6400).all(|_| peer.next_frame().is_some()));
    sending.join().unwrap();
    assert!(stage.module.readings.load(Ordering::SeqCst) - before >= 100);
}

#[test]
fn t15_without_a_reading_nothing_is_served() {
    let stage = Stage::new();
    let mut peer = stage.connect();
    assert_eq!(peer.health().attested_ms, NOW_MS);
    stage.module.stopped.store(true, Ordering::SeqCst);
    peer.send(HEALTH, 2, &[]);
    let error = stage.shell.join().unwrap();
    assert!(matches!(
        error,
        ShellError::Attestor(AttestorError::Refused("stopped"))
    ));
    peer.stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut byte = [0];
    assert!(std::io::Read::read(&mut peer.stream, &mut byte).is_err());
}
