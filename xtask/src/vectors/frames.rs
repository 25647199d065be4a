//! vectors/frames.json: streams, and the frames in them.

use cofferdam_wire::frame::Frame;
use cofferdam_wire::limits;
use cofferdam_wire::link::Message;
use serde_json::{Value, json};

/// The file.
pub(super) fn all() -> Value {
    let frame = |message: Message, id, body: &[u8]| Frame {
        kind: message.number(),
        id,
        body: body.to_vec(),
    };
    let valid = [
        stream("an empty body", &[frame(Message::Health, 1, &[])]),
        stream(
            "a reply: done",
            &[frame(Message::Reply, u64::MAX, &[0x82, 0x00, 0x41, 0x2a])],
        ),
        stream(
            "a reply: not-found",
            &[frame(Message::Reply, 7, &[0x82, 0x01, 0x0a])],
        ),
        stream(
            "requests and replies interleaved, replies out of order",
            &[
                frame(Message::Sealed, 2, &[1; 3]),
                frame(Message::Sealed, 3, &[2; 3]),
                frame(Message::Reply, 3, &[3; 3]),
                frame(Message::Reply, 2, &[4; 3]),
            ],
        ),
    ];
    let lengths = [0, 8, limits::FRAME as u32 - 3, 0x0100_0000, u32::MAX];
    let invalid = lengths
        .map(|length| json!({ "stream": hex::encode(length.to_be_bytes()), "length": length }));
    let waits = [
        json!({ "name": "three bytes of a length", "stream": "000000" }),
        json!({ "name": "all but the last byte", "stream": "00000009010000000000000" .to_owned() + "0" }),
    ];
    json!({
        "longest_frame": limits::FRAME,
        "longest_body": limits::FRAME_BODY,
        "valid": valid,
        "invalid": invalid,
        "incomplete": waits,
    })
}

fn stream(name: &str, frames: &[Frame]) -> Value {
    let mut bytes = Vec::new();
    frames.iter().for_each(|frame| frame.write_to(&mut bytes));
    let frames: Vec<_> = frames
        .iter()
        .map(
            |frame| json!({ "type": frame.kind, "id": frame.id, "body": hex::encode(&frame.body) }),
        )
        .collect();
    json!({ "name": name, "stream": hex::encode(bytes), "frames": frames })
}
