//! What waits for the owner: results of the pool, documents of the NSM, frames of the connections.
//!
//! One lock, taken once for each bundle and not for each input, and the owner is woken only if it sleeps. Every
//! connection has a queue of its own with a bound of its own; the owner takes from them in turn, so that one connection
//! can delay another by at most one frame for each of its own.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use cofferdam_enclave_core::work::Done;
use cofferdam_enclave_core::{Input, Port};
use cofferdam_wire::frame::Frame;

use crate::bounds::{BATCH, CONNECTIONS, INCOMING};
use crate::outbox::{Outbox, UNPOISONED};

/// A live connection, as its threads and the owner share it.
pub(crate) struct Link {
    pub(crate) port: Port,
    pub(crate) outbox: Outbox,
    /// The reader waits here for room in its queue.
    room: Condvar,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    owner: Condvar,
}

#[derive(Default)]
struct State {
    queues: Vec<Queue>,
    /// Queue that is asked first next time.
    turn: usize,
    last_port: u64,
    links_changed: bool,
    results: VecDeque<Input>,
    owner_sleeps: bool,
}

struct Queue {
    link: Arc<Link>,
    frames: VecDeque<Frame>,
    bytes: usize,
    reader_sleeps: bool,
    cut: bool,
}

/// What the owner took.
#[derive(Default)]
pub(crate) struct Batch {
    /// Results first: they free memory, and their leases were checked longer ago.
    pub(crate) inputs: Vec<Input>,
    /// So many of them are the first inputs.
    pub(crate) results: usize,
    /// Every live connection, if one came or went.
    pub(crate) links: Option<Vec<Arc<Link>>>,
}

impl Inbox {
    /// Admits a connection; `None` if there are too many.
    pub(crate) fn open(&self) -> Option<Arc<Link>> {
        let mut state = self.lock();
        if state.queues.len() >= CONNECTIONS {
            return None;
        }
        state.last_port += 1;
        let link = Arc::new(Link {
            port: Port(state.last_port),
            outbox: Outbox::default(),
            room: Condvar::new(),
        });
        state.queues.push(Queue {
            link: Arc::clone(&link),
            frames: VecDeque::new(),
            bytes: 0,
            reader_sleeps: false,
            cut: false,
        });
        state.links_changed = true;
        Some(link)
    }

    /// Ends a connection, whichever thread says so first: what waits for it or came from it is dropped, its threads
    /// end. It keeps its place until [`Inbox::close`].
    pub(crate) fn cut(&self, link: &Link) {
        link.outbox.close();
        let mut state = self.lock();
        if let Some(queue) = state.queue(link) {
            queue.cut = true;
            queue.frames = VecDeque::new();
            queue.bytes = 0;
        }
        drop(state);
        link.room.notify_all();
    }

    /// Frees the place of a connection whose threads are gone.
    pub(crate) fn close(&self, link: &Link) {
        link.outbox.close();
        let mut state = self.lock();
        state.queues.retain(|queue| queue.link.port != link.port);
        state.links_changed = true;
    }

    /// Queues frames of a connection; waits while its queue is full. `false`: the connection is closed.
    pub(crate) fn push(&self, link: &Link, frames: &mut Vec<Frame>) -> bool {
        let mut state = self.lock();
        loop {
            let Some(queue) = state.queue(link).filter(|queue| !queue.cut) else {
                return false;
            };
            if queue.bytes < INCOMING {
                queue.bytes += frames.iter().map(cost).sum::<usize>();
                queue.frames.extend(frames.drain(..));
                break;
            }
            queue.reader_sleeps = true;
            state = link.room.wait(state).expect(UNPOISONED);
        }
        self.wake(state);
        true
    }

    /// Takes the results of jobs.
    pub(crate) fn finished(&self, results: &mut Vec<Done>) {
        let mut state = self.lock();
        state.results.extend(results.drain(..).map(Input::Done));
        self.wake(state);
    }

    /// Takes an answer of the NSM.
    pub(crate) fn attested(&self, request: u64, document: Option<Vec<u8>>) {
        let mut state = self.lock();
        state
            .results
            .push_back(Input::Attested { request, document });
        self.wake(state);
    }

    /// A connection that was full takes replies again.
    pub(crate) fn look_again(&self) {
        self.wake(self.lock());
    }

    /// Waits for inputs, at most until the deadline, and takes a batch. Takes no frames if `with_frames` is false.
    pub(crate) fn take(&self, deadline: Option<Instant>, with_frames: bool, batch: &mut Batch) {
        let mut state = self.lock();
        loop {
            state.fill(with_frames, batch);
            if !batch.inputs.is_empty() {
                return;
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return;
            }
            state.owner_sleeps = true;
            state = match left {
                Some(left) => self.owner.wait_timeout(state, left).expect(UNPOISONED).0,
                None => self.owner.wait(state).expect(UNPOISONED),
            };
            state.owner_sleeps = false;
        }
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        if mem::take(&mut state.owner_sleeps) {
            drop(state);
            self.owner.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }
}

impl State {
    fn queue(&mut self, link: &Link) -> Option<&mut Queue> {
        self.queues
            .iter_mut()
            .find(|queue| queue.link.port == link.port)
    }

    fn fill(&mut self, with_frames: bool, batch: &mut Batch) {
        batch.results = self.results.len().min(BATCH);
        batch.inputs.extend(self.results.drain(..batch.results));
        if mem::take(&mut self.links_changed) {
            batch.links = Some(
                self.queues
                    .iter()
                    .map(|queue| Arc::clone(&queue.link))
                    .collect(),
            );
        }
        if with_frames {
            self.fill_frames(batch);
        }
    }

    fn fill_frames(&mut self, batch: &mut Batch) {
        let most = batch.results + BATCH;
        let turn = self.turn.min(self.queues.len());
        let (later, first) = self.queues.split_at_mut(turn);
        let mut ready: Vec<&mut Queue> = first
            .iter_mut()
            .chain(later)
            .filter(|queue| !queue.frames.is_empty() && !queue.link.outbox.is_full())
            .collect();
        while !ready.is_empty() && batch.inputs.len() < most {
            ready.retain_mut(|queue| {
                if batch.inputs.len() < most
                    && let Some(frame) = queue.frames.pop_front()
                {
                    queue.bytes -= cost(&frame);
                    batch.inputs.push(Input::Frame {
                        from: queue.link.port,
                        frame,
                    });
                }
                !queue.frames.is_empty()
            });
        }
        self.turn = (self.turn + 1) % self.queues.len().max(1);
        for queue in &mut self.queues {
            if queue.bytes < INCOMING / 2 && mem::take(&mut queue.reader_sleeps) {
                queue.link.room.notify_one();
            }
        }
    }
}

/// Bytes that a queued frame holds.
fn cost(frame: &Frame) -> usize {
    size_of::<Frame>() + frame.body.len()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::thread;

    use super::*;

    fn frames(ids: std::ops::Range<u64>) -> Vec<Frame> {
        ids.map(|id| Frame {
            kind: 1,
            id,
            body: Vec::new(),
        })
        .collect()
    }

    fn taken(inbox: &Inbox, with_frames: bool) -> Vec<(Port, u64)> {
        let mut batch = Batch::default();
        inbox.take(Some(Instant::now()), with_frames, &mut batch);
        let inputs = batch.inputs.into_iter();
        inputs
            .filter_map(|input| match input {
                Input::Frame { from, frame } => Some((from, frame.id)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn t28_connections_take_turns_frame_by_frame() {
        let inbox = Inbox::default();
        let (busy, quiet) = (inbox.open().unwrap(), inbox.open().unwrap());
        assert!(inbox.push(&busy, &mut frames(0..1000)));
        assert!(inbox.push(&quiet, &mut frames(5..6)));
        let batch = taken(&inbox, true);
        assert_eq!(batch.len(), BATCH);
        assert!(batch[..2].contains(&(quiet.port, 5)));
    }

    #[test]
    fn t15_a_batch_holds_at_most_as_many_frames_as_one_reading_is_for() {
        let inbox = Inbox::default();
        let link = inbox.open().unwrap();
        assert!(inbox.push(&link, &mut frames(0..(BATCH as u64 + 1))));
        assert_eq!(taken(&inbox, true).len(), BATCH);
        assert_eq!(taken(&inbox, true), [(link.port, BATCH as u64)]);
    }

    #[test]
    fn results_come_while_no_frames_are_taken() {
        let inbox = Inbox::default();
        let link = inbox.open().unwrap();
        assert!(inbox.push(&link, &mut frames(0..3)));
        inbox.attested(9, None);
        let mut batch = Batch::default();
        inbox.take(Some(Instant::now()), false, &mut batch);
        assert!(matches!(
            batch.inputs[..],
            [Input::Attested {
                request: 9,
                document: None
            }]
        ));
        assert_eq!(batch.links.unwrap().len(), 1);
        assert_eq!(taken(&inbox, true).len(), 3);
    }

    #[test]
    fn t28_the_connection_after_the_last_is_refused_until_one_goes() {
        let inbox = Inbox::default();
        let links: Vec<_> = (0..CONNECTIONS).map(|_| inbox.open().unwrap()).collect();
        assert!(inbox.open().is_none());
        inbox.close(&links[3]);
        assert!(inbox.open().is_some());
    }

    #[test]
    fn a_reader_with_a_full_queue_waits_until_half_of_it_is_taken() {
        let inbox = Arc::new(Inbox::default());
        let link = inbox.open().unwrap();
        let mut many = frames(0..(INCOMING / size_of::<Frame>()) as u64 + 1);
        assert!(inbox.push(&link, &mut many));
        let reader = thread::spawn({
            let (inbox, link) = (Arc::clone(&inbox), Arc::clone(&link));
            move || inbox.push(&link, &mut frames(0..1))
        });
        while !inbox.lock().queue(&link).unwrap().reader_sleeps {
            thread::yield_now();
        }
        let mut rest = 0;
        while inbox.lock().queue(&link).unwrap().reader_sleeps {
            rest += taken(&inbox, true).len();
        }
        assert!(reader.join().unwrap());
        assert!(rest * size_of::<Frame>() >= INCOMING / 2);
    }

    #[test]
    fn a_waiting_reader_ends_with_its_connection() {
        let inbox = Arc::new(Inbox::default());
        let link = inbox.open().unwrap();
        let mut many = frames(0..(INCOMING / size_of::<Frame>()) as u64 + 1);
        assert!(inbox.push(&link, &mut many));
        let reader = thread::spawn({
            let (inbox, link) = (Arc::clone(&inbox), Arc::clone(&link));
            move || inbox.push(&link, &mut frames(0..1))
        });
        inbox.cut(&link);
        assert!(!reader.join().unwrap());
    }

    #[test]
    fn a_connection_that_does_not_read_is_passed_over() {
        let inbox = Inbox::default();
        let (slow, other) = (inbox.open().unwrap(), inbox.open().unwrap());
        assert!(inbox.push(&slow, &mut frames(0..1)));
        assert!(inbox.push(&other, &mut frames(0..1)));
        let reply = Frame {
            kind: 0x40,
            id: 0,
            body: vec![0; 60_000],
        };
        while !slow.outbox.is_full() {
            assert!(slow.outbox.push(&reply));
        }
        assert_eq!(taken(&inbox, true), [(other.port, 0)]);
        assert!(slow.outbox.written(100_000));
        assert_eq!(taken(&inbox, true), [(slow.port, 0)]);
    }
}
