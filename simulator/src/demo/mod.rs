//! `cofferdam-sim demo`: two fresh keys all the way, and then every promise put to the test that a machine can make.
//!
//! Each step either holds or ends the demo with exit code 1; nothing is printed that was not checked. The processes are
//! the real ones; the provider's side is played as badly as the provider can.

mod customer;
mod exposure;
mod hostile;
mod keys;
mod narrator;
mod outside;
mod provider;
mod search;
mod story;
mod tape;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use crate::host::EnclaveHost;
use crate::house::House;
use crate::layout::Layout;
use crate::ports::Ports;
use crate::signals::Signals;
use narrator::Narrator;
use tape::Tape;

/// Runs the demo in a temporary directory, or in `keep`, which then stays; says whether everything held. What did not is
/// told where the steps are told.
///
/// # Errors
/// The demo could not begin or not clean up.
pub async fn demo(json: bool, keep: Option<&Path>, host: EnclaveHost) -> anyhow::Result<bool> {
    let mut signals = Signals::listen()?;
    let temporary = match keep {
        Some(_) => None,
        None => Some(
            tempfile::Builder::new()
                .prefix("cofferdam-demo-")
                .tempdir()?,
        ),
    };
    let directory = match (keep, &temporary) {
        (Some(directory), _) => empty(directory)?,
        (None, Some(temporary)) => temporary.path(),
        (None, None) => bail!("there is no directory to work in"),
    };
    let mut narrator = Narrator::new(json);
    let told = tell(directory, host, &mut narrator, &mut signals).await;
    if let Some(temporary) = temporary {
        remove(&temporary)
            .await
            .context("temporary files cannot be removed")?;
    }
    match &told {
        Ok(()) => narrator.end(),
        Err(error) => narrator.failed(error),
    }
    Ok(told.is_ok())
}

async fn tell(
    directory: &Path,
    host: EnclaveHost,
    narrator: &mut Narrator,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let layout = Layout::create(directory)?;
    let tape = Tape::default();
    let recorder = tape::record_link(
        &layout.recorder_socket(),
        host.socket(&layout),
        tape.clone(),
    )?;
    let link = layout.recorder_socket();
    let interrupted = || anyhow::anyhow!("interrupted by a signal");
    let mut house = tokio::select! {
        house = House::start(layout, Ports::default(), host, Some(link)) => house?,
        () = signals.received() => return Err(interrupted()),
    };
    let told = tokio::select! {
        told = story::tell(&mut house, &tape, narrator) => told,
        () = signals.received() => Err(interrupted()),
    };
    // Stopped in order also when something did not hold: its processes must not outlive the demo.
    let stopped = house.stop().await;
    recorder.abort();
    told.and(stopped)
}

/// Removes the temporary directory. A process that was killed a moment ago may still be writing into it.
async fn remove(temporary: &TempDir) -> std::io::Result<()> {
    for _ in 0..20 {
        if std::fs::remove_dir_all(temporary.path()).is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    match std::fs::remove_dir_all(temporary.path()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn empty(directory: &Path) -> anyhow::Result<&Path> {
    let is_empty =
        std::fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none());
    ensure!(
        is_empty,
        "{} is not empty; name a new directory, so that nothing of yours is overwritten",
        directory.display()
    );
    Ok(directory)
}
