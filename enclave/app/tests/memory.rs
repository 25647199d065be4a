//! Memory under hostile frames (T-27). The only test of its process, so that the figures are its own.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unreachable_pub, dead_code, reason = "a module of tests, used in part")]

#[path = "shell/stage.rs"]
mod stage;

use std::fs;
use std::io::Write;

use cofferdam_wire::frame::Frame;
use cofferdam_wire::limits;
use cofferdam_wire::link::Message;

use stage::{NOW_MS, Stage};

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn t27_hostile_lengths_and_frames_without_end_cost_less_than_a_mebibyte() {
    let stage = Stage::new();
    // What this side needs is not counted.
    let mut bytes = Vec::new();
    let body = vec![0; limits::FRAME_BODY];
    Frame {
        kind: Message::Import.number(),
        id: 1,
        body,
    }
    .write_to(&mut bytes);
    let ordinary = || {
        let mut peers: Vec<_> = (0..4).map(|_| stage.connect()).collect();
        assert!(
            peers
                .iter_mut()
                .all(|peer| peer.health().attested_ms == NOW_MS)
        );
    };
    ordinary();
    let before = resident();
    for round in 0..2_000_u32 {
        let mut peer = stage.connect();
        let length = u32::MAX - round * 1_000_000;
        // The shell closes when it has seen the length, so the rest may find nobody.
        let _ = peer.stream.write_all(&length.to_be_bytes());
        let _ = peer.stream.write_all(&[0xaa; 4096]);
        assert!(peer.is_cut_off());
    }
    let mut endless: Vec<_> = (0..2).map(|_| stage.connect()).collect();
    for peer in &mut endless {
        for piece in bytes[..bytes.len() - 1].chunks(1000) {
            peer.stream.write_all(piece).unwrap();
        }
    }
    ordinary();
    let grown = resident().saturating_sub(before);
    assert!(grown < 1024 * 1024, "{grown} bytes");
}
