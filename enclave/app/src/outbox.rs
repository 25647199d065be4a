//! Bytes on their way to one connection. The owner appends frames, the connection's writer takes all of them at once.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use cofferdam_wire::frame::{Frame, HEADER};

use crate::bounds::{BUFFER_KEPT, OUTGOING, OUTGOING_MOST};

/// See the module.
#[derive(Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    wake: Condvar,
    /// Bytes appended and not yet written.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    writer_sleeps: bool,
    closed: bool,
}

impl Outbox {
    /// Appends a frame; [`Outbox::wake`] sends it on its way. `false`: the connection takes its replies too slowly.
    pub(crate) fn push(&self, frame: &Frame) -> bool {
        let size = HEADER + frame.body.len();
        if self.waiting.fetch_add(size, Ordering::Relaxed) + size > OUTGOING_MOST {
            return false;
        }
        let mut state = self.lock();
        if !state.closed {
            frame.write_to(&mut state.bytes);
        }
        true
    }

    /// Wakes the writer, once for all that was appended.
    pub(crate) fn wake(&self) {
        let mut state = self.lock();
        if mem::take(&mut state.writer_sleeps) {
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Whether so much waits here that no more work is taken from this connection.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= OUTGOING
    }

    /// Swaps the empty buffer for all that waits; blocks. `false`: closed, and there will be no more.
    pub(crate) fn take(&self, buffer: &mut Vec<u8>) -> bool {
        if buffer.capacity() > BUFFER_KEPT {
            *buffer = Vec::new();
        }
        buffer.clear();
        let mut state = self.lock();
        loop {
            if state.closed {
                return false;
            }
            if !state.bytes.is_empty() {
                mem::swap(&mut state.bytes, buffer);
                return true;
            }
            state.writer_sleeps = true;
            state = self.wake.wait(state).expect(UNPOISONED);
        }
    }

    /// These bytes were written. `true` if the connection was full and is so no more.
    pub(crate) fn written(&self, bytes: usize) -> bool {
        let before = self.waiting.fetch_sub(bytes, Ordering::Relaxed);
        before >= OUTGOING && before - bytes < OUTGOING
    }

    /// What waits is dropped, the writer ends.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.bytes = Vec::new();
        drop(state);
        self.wake.notify_one();
    }

    /// Whether nothing can be sent there any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }
}

pub(crate) const UNPOISONED: &str = "invariant: a thread that panics ends the process";

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(size: usize) -> Frame {
        Frame {
            kind: 0x40,
            id: 1,
            body: vec![7; size - HEADER],
        }
    }

    #[test]
    fn frames_pushed_one_by_one_are_taken_together() {
        let outbox = Outbox::default();
        assert!(outbox.push(&frame(20)) && outbox.push(&frame(30)));
        let mut taken = Vec::new();
        assert!(outbox.take(&mut taken));
        assert_eq!(taken.len(), 50);
    }

    #[test]
    fn a_connection_is_full_from_its_soft_bound_and_refused_beyond_its_hard_one() {
        let outbox = Outbox::default();
        let size = 64 * 1024;
        let mut pushed = 0;
        while outbox.push(&frame(size)) {
            pushed += size;
            assert_eq!(outbox.is_full(), pushed >= OUTGOING);
        }
        assert_eq!(pushed, OUTGOING_MOST);
    }

    #[test]
    fn the_write_that_leaves_the_soft_bound_says_so_once() {
        let outbox = Outbox::default();
        (0..OUTGOING / 1024).for_each(|_| assert!(outbox.push(&frame(1024))));
        assert!(outbox.is_full());
        assert!(outbox.written(1024));
        assert!(!outbox.written(1024));
    }

    #[test]
    fn a_closed_outbox_gives_nothing_and_keeps_nothing() {
        let outbox = Outbox::default();
        assert!(outbox.push(&frame(20)));
        outbox.close();
        assert!(outbox.push(&frame(20)));
        assert!(!outbox.take(&mut Vec::new()));
    }
}
