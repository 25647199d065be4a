//! The one thread that decides: it holds the core, and gives it one input after another.
//!
//! Its rule of the attested clock (T-15): one reading of the NSM for each batch it takes, made after the batch was taken
//! and given to the core with the batch's first input. A batch starts and ends at most as many operations as the
//! protocol allows between two readings. If there is no reading, the process ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_enclave_core::work::Job;
use cofferdam_enclave_core::{Core, Input, Now, Output, Port};
use cofferdam_wire::frame::Frame;

use crate::attestor::AttestorError;
use crate::bounds::{TICK, UNDER_WAY};
use crate::clock::Clocks;
use crate::inbox::{Batch, Inbox, Link};
use crate::notary::{Notary, Request};
use crate::pool::Pool;

/// See the module.
pub(crate) struct Owner {
    pub(crate) core: Core,
    pub(crate) clocks: Clocks,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) notary: Arc<Notary>,
    pub(crate) work: Work,
}

/// What is on its way.
#[derive(Default)]
pub(crate) struct Work {
    /// Live connections, oldest first.
    links: Vec<Arc<Link>>,
    /// Places in `links` that got frames in this batch.
    touched: Vec<usize>,
    jobs: Vec<Job>,
    /// Jobs and documents whose results have not come back.
    under_way: usize,
}

impl Owner {
    /// Serves until the clock fails.
    pub(crate) fn run(mut self) -> Result<Infallible, AttestorError> {
        let mut batch = Batch::default();
        let mut outputs = Vec::new();
        let mut not_before_ms = 0;
        let mut due_ms: Option<u64> = None;
        loop {
            // A deadline stands until its tick, or steady traffic would move it on for ever.
            let next_ms = self.core.next_timeout_ms();
            due_ms = due_ms
                .into_iter()
                .chain(next_ms)
                .min()
                .map(|due| due.max(not_before_ms));
            let deadline = due_ms.and_then(|due| self.clocks.instant(due));
            let with_frames = self.work.under_way < UNDER_WAY;
            self.inbox.take(deadline, with_frames, &mut batch);
            if let Some(links) = batch.links.take() {
                self.work.links = links;
            }
            self.work.under_way -= batch.results;
            if due_ms.is_some_and(|due| self.clocks.monotonic_ms() >= due) {
                batch.inputs.push(Input::Tick);
                due_ms = None;
                not_before_ms = self.clocks.monotonic_ms() + millis(TICK);
            }
            if batch.inputs.is_empty() {
                continue;
            }
            let mut attested_ms = Some(self.clocks.attested_ms()?);
            for input in batch.inputs.drain(..) {
                let now = Now {
                    monotonic_ms: self.clocks.monotonic_ms(),
                    attested_ms: attested_ms.take(),
                };
                self.core.handle(now, input, &mut outputs);
                for output in outputs.drain(..) {
                    self.carry_out(output);
                }
            }
            self.pool.submit(&mut self.work.jobs);
            for place in self.work.touched.drain(..) {
                self.work.links[place].outbox.wake();
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send { to, frame } => self.send(to, &frame),
            Output::Work(job) => {
                self.work.under_way += 1;
                self.work.jobs.push(job);
            }
            Output::Attest {
                request,
                nonce,
                user_data,
                public_key,
            } => {
                self.work.under_way += 1;
                self.notary.ask(Request {
                    request,
                    nonce,
                    user_data,
                    public_key,
                });
            }
        }
    }

    fn send(&mut self, to: Option<Port>, frame: &Frame) {
        let place = match to {
            Some(port) => self.work.links.iter().position(|link| link.port == port),
            None => self
                .work
                .links
                .iter()
                .position(|link| !link.outbox.is_closed()),
        };
        let Some(place) = place else {
            return;
        };
        let link = &self.work.links[place];
        if !link.outbox.push(frame) {
            self.inbox.cut(link);
        } else if !self.work.touched.contains(&place) {
            self.work.touched.push(place);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
