//! The stream of frames from the other end of a link. No input panics; a stream gives the same frames and the same error
//! however it is cut; and what was a frame is written again as it came (T-27).
#![no_main]

use cofferdam_wire::frame::{Frame, FrameError, FrameReader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((cut, stream)) = input.split_first() else {
        return;
    };
    let whole = read(stream.chunks(stream.len().max(1)));
    let pieces = read(stream.chunks(usize::from(*cut) + 1));
    assert_eq!(whole, pieces);
    let mut written = Vec::new();
    for frame in &whole.0 {
        frame.write_to(&mut written);
    }
    assert!(stream.starts_with(&written));
});

/// The frames until the stream ends or breaks.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<FrameError>) {
    let mut reader = FrameReader::default();
    let mut frames = Vec::new();
    for piece in pieces {
        reader.feed(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}
