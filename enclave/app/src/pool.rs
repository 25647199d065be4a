//! The threads that do the cryptography.
//!
//! A busy pool wakes nobody for single jobs: workers take what is there and hand results back in bundles, and only the
//! last one before a pause wakes the owner at once.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use cofferdam_enclave_core::work::{Done, Job};

use crate::bounds::{JOBS_AT_ONCE, RESULTS_KEPT, RESULTS_KEPT_FOR};
use crate::inbox::Inbox;
use crate::outbox::UNPOISONED;
use crate::process;

/// See the module.
pub(crate) struct Pool {
    state: Mutex<State>,
    wake: Condvar,
    workers: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    asleep: usize,
}

impl Pool {
    /// Starts the workers; their results go to the inbox.
    pub(crate) fn start(workers: usize, inbox: &Arc<Inbox>) -> io::Result<Arc<Pool>> {
        let pool = Arc::new(Pool {
            state: Mutex::default(),
            wake: Condvar::new(),
            workers,
        });
        for _ in 0..workers {
            let (pool, inbox) = (Arc::clone(&pool), Arc::clone(inbox));
            process::spawn("worker", move || pool.work(&inbox))?;
        }
        Ok(pool)
    }

    /// Queues jobs and wakes as many workers as they need.
    pub(crate) fn submit(&self, jobs: &mut Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.jobs.extend(jobs.drain(..));
        let wake = state.asleep.min(state.jobs.len());
        drop(state);
        (0..wake).for_each(|_| self.wake.notify_one());
    }

    fn work(&self, inbox: &Inbox) {
        let mut jobs = Vec::with_capacity(JOBS_AT_ONCE);
        let mut results = Vec::with_capacity(RESULTS_KEPT);
        let mut since = Instant::now();
        loop {
            self.take(&mut jobs, &mut results, inbox);
            for job in jobs.drain(..) {
                if results.is_empty() {
                    since = Instant::now();
                }
                results.push(job.run());
                if results.len() >= RESULTS_KEPT || since.elapsed() >= RESULTS_KEPT_FOR {
                    inbox.finished(&mut results);
                }
            }
        }
    }

    /// Waits for jobs and takes a share of them. Results are handed over before it sleeps.
    fn take(&self, jobs: &mut Vec<Job>, results: &mut Vec<Done>, inbox: &Inbox) {
        let mut state = self.lock();
        loop {
            if !state.jobs.is_empty() {
                let share = state.jobs.len().div_ceil(self.workers).min(JOBS_AT_ONCE);
                jobs.extend(state.jobs.drain(..share));
                return;
            }
            if results.is_empty() {
                state.asleep += 1;
                state = self.wake.wait(state).expect(UNPOISONED);
                state.asleep -= 1;
            } else {
                drop(state);
                inbox.finished(results);
                state = self.lock();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }
}
