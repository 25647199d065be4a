//! Orderly stopping: everybody hears that it is time, and the end waits until all have gone.

use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Held by whoever ends the process.
pub(crate) struct Stop {
    signal: watch::Sender<bool>,
    gone: mpsc::Receiver<()>,
}

/// Held by every task that should finish what it has begun.
#[derive(Clone)]
pub(crate) struct Stopping {
    signal: watch::Receiver<bool>,
    _here: mpsc::Sender<()>,
}

pub(crate) fn pair() -> (Stop, Stopping) {
    let (signal, heard) = watch::channel(false);
    let (here, gone) = mpsc::channel(1);
    (
        Stop { signal, gone },
        Stopping {
            signal: heard,
            _here: here,
        },
    )
}

impl Stop {
    /// Tells everybody, and waits until every [`Stopping`] is dropped or the time is over. Whether all are gone.
    pub(crate) async fn and_wait(mut self, at_most: Duration) -> bool {
        self.signal.send_replace(true);
        tokio::time::timeout(at_most, self.gone.recv())
            .await
            .is_ok()
    }
}

impl Stopping {
    /// Returns when it is time to stop.
    pub(crate) async fn requested(&mut self) {
        // An error means that the other end is gone, which is a reason to stop as well.
        let _ = self.signal.wait_for(|stop| *stop).await;
    }
}
