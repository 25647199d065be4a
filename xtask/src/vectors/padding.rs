//! vectors/padding.json: ISO/IEC 7816-4 padding to a step, and what is no such padding.

use cofferdam_wire::layer::{pad, unpad};
use serde_json::{Value, json};

/// The step of the examples; the protocol's own are 512 and 8,192.
const STEP: usize = 8;

/// The file.
pub(super) fn all() -> Value {
    let plain: [&[u8]; 5] = [&[], &[1], &[0x80, 0], &[1; 7], &[1; 8]];
    let valid = plain.map(|plain| {
        let padded = pad(plain.to_vec(), STEP);
        json!({ "step": STEP, "plain": hex::encode(plain), "padded": hex::encode(padded) })
    });
    let wrong: [(&str, &[u8]); 6] = [
        ("empty", &[]),
        ("not a multiple of the step", &[1, 0x80, 0, 0, 0, 0, 0]),
        ("zeros only", &[0; 8]),
        ("no mark", &[1, 0x81, 0, 0, 0, 0, 0, 0]),
        ("another byte behind the mark", &[0x80, 0, 0, 0, 0, 0, 0, 1]),
        (
            "longer than one step",
            &[1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
    ];
    let invalid = wrong.map(|(defect, padded)| {
        assert!(unpad(padded, STEP).is_none(), "{defect} was accepted");
        json!({ "step": STEP, "defect": defect, "padded": hex::encode(padded) })
    });
    json!({ "valid": valid, "invalid": invalid })
}
