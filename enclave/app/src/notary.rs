//! The thread that asks the NSM for documents, since one takes milliseconds and the owner does not wait.
//!
//! Requests are bounded by the owner, which counts them as jobs under way.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex};

use crate::attestor::Attestor;
use crate::inbox::Inbox;
use crate::outbox::UNPOISONED;
use crate::process;

/// What goes into a document.
pub(crate) struct Request {
    pub(crate) request: u64,
    pub(crate) nonce: [u8; 32],
    pub(crate) user_data: [u8; 48],
    pub(crate) public_key: Option<Vec<u8>>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Notary {
    requests: Mutex<VecDeque<Request>>,
    wake: Condvar,
}

impl Notary {
    /// Starts the thread; its answers go to the inbox.
    pub(crate) fn start(
        attestor: &Arc<dyn Attestor>,
        inbox: &Arc<Inbox>,
    ) -> io::Result<Arc<Notary>> {
        let notary = Arc::new(Notary::default());
        let (asked, attestor, inbox) =
            (Arc::clone(&notary), Arc::clone(attestor), Arc::clone(inbox));
        process::spawn("notary", move || {
            loop {
                let Request {
                    request,
                    nonce,
                    user_data,
                    public_key,
                } = asked.next();
                let document = attestor.attest(&nonce, &user_data, public_key.as_deref());
                inbox.attested(request, document.ok());
            }
        })?;
        Ok(notary)
    }

    /// Queues a request.
    pub(crate) fn ask(&self, request: Request) {
        self.requests.lock().expect(UNPOISONED).push_back(request);
        self.wake.notify_one();
    }

    fn next(&self) -> Request {
        let mut requests = self.requests.lock().expect(UNPOISONED);
        loop {
            match requests.pop_front() {
                Some(request) => return request,
                None => requests = self.wake.wait(requests).expect(UNPOISONED),
            }
        }
    }
}
