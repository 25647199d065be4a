//! `cofferdam-sim up`: everything runs until SIGTERM.

use std::path::Path;

use crate::host::EnclaveHost;
use crate::house::House;
use crate::layout::Layout;
use crate::ports::Ports;
use crate::signals::Signals;

/// Starts the house in `directory`, says so in `ready.json`, and stays until SIGTERM or SIGINT.
///
/// # Errors
/// What did not start, or what ended by itself later. Every process is gone when this returns.
pub async fn up(directory: &Path, ports: Ports, host: EnclaveHost) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let layout = Layout::create(directory)?;
    let file = layout.ready();
    let mut house = tokio::select! {
        house = House::start(layout, ports, host, None) => house?,
        // What has started so far is dropped, and with it killed.
        () = signals.received() => return Ok(()),
    };
    let ready = house.ready();
    ready.write(&file)?;
    println!("ready: {}", file.display());
    println!(
        "try:   coffer --config {} trust verify",
        ready.coffer_config.display()
    );
    let mut pids = house.enclave_pids();
    let ended = loop {
        tokio::select! {
            () = signals.received() => break Ok(()),
            failure = house.failed() => break Err(anyhow::anyhow!(failure)),
            Ok(()) = pids.changed() => house.ready().write(&file)?,
        }
    };
    house.stop().await?;
    ended
}
