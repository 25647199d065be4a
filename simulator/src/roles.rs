//! The roles that this program plays when it starts itself: each calls the `run` of the crate that ships.
//!
//! A role ends with the simulator, also when that is killed: it holds the reading end of a pipe whose writing end only
//! the simulator has. (A parent-death signal would follow the *thread* that started the role, which is not the same.)

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use tokio::signal::unix::{SignalKind, signal};

/// A role of the simulator's own processes.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Role {
    /// The enclave's core and shell over a simulated NSM.
    Enclave {
        /// The Unix socket to listen on.
        #[arg(long)]
        socket: PathBuf,
    },
    /// The provider's parent.
    Parent {
        /// Its configuration.
        #[arg(long)]
        config: PathBuf,
    },
    /// The customer's revocation service.
    Revocation {
        /// Its configuration.
        #[arg(long)]
        config: PathBuf,
    },
}

/// Plays a role to its end.
pub(crate) fn play(role: Role) -> ExitCode {
    let played = match role {
        Role::Enclave { socket } => enclave(&socket),
        Role::Parent { config } => served(parent(&config)),
        Role::Revocation { config } => served(revocation(&config)),
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The enclave has no orderly end: like a real one it is there or gone.
fn enclave(socket: &Path) -> anyhow::Result<()> {
    std::thread::Builder::new()
        .name("simulator".into())
        .spawn(|| {
            until_closed();
            std::process::exit(0);
        })?;
    match crate::enclave::run(socket)? {}
}

async fn parent(config: &Path) -> anyhow::Result<()> {
    let config = cofferdam_parent_proxy::Config::read(config)?;
    cofferdam_parent_proxy::init_logging(config.log_json);
    Ok(cofferdam_parent_proxy::run(config, asked_to_stop()?).await?)
}

async fn revocation(config: &Path) -> anyhow::Result<()> {
    let config = cofferdam_revocation_service::Config::load(config)?;
    cofferdam_parent_proxy::init_logging(false);
    Ok(cofferdam_revocation_service::run(config, asked_to_stop()?).await?)
}

fn served(role: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(role)
}

/// SIGTERM, SIGINT, or the simulator is gone.
fn asked_to_stop() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (gone, closed) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("simulator".into())
        .spawn(move || {
            until_closed();
            // The role may have ended meanwhile; then nobody waits for this.
            let _ = gone.send(());
        })?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
            _ = closed => (),
        }
    })
}

/// Returns when nobody holds the other end of standard input.
fn until_closed() {
    let mut byte = [0];
    while matches!(std::io::stdin().read(&mut byte), Ok(length) if length > 0) {}
}
