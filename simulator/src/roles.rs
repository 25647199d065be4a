//! The roles that this program plays when it starts itself: each calls the `run` of the crate that ships.
//!
//! A role ends with the simulator, also when that is killed: it holds the reading end of a pipe whose writing end only
//! the simulator has. (A parent-death signal would follow the *thread* that started the role, which is not the same.)
//! Only foreign programs, which know nothing of such a pipe, are started with that signal, by a thread that lives as long
//! as its process.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use clap::Subcommand;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use tokio::signal::unix::{SignalKind, signal};

use crate::host::{Boot, run_machine};

/// A role of the simulator's own processes.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Role {
    /// The enclave's core and shell over a simulated NSM.
    Enclave {
        /// The Unix socket to listen on.
        #[arg(long)]
        socket: PathBuf,
    },
    /// The enclave as a virtual machine.
    Machine(Boot),
    /// A foreign program that ends with the one who starts it.
    Program {
        /// Process id of the one who starts it.
        #[arg(long)]
        parent: i32,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
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
        Role::Machine(boot) => machine(&boot),
        Role::Program { parent, command } => program(parent, &command).map(|never| match never {}),
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
    exit_with_the_simulator()?;
    match crate::enclave::run(socket)? {}
}

fn machine(boot: &Boot) -> anyhow::Result<()> {
    exit_with_the_simulator()?;
    match run_machine(boot)? {}
}

fn exit_with_the_simulator() -> std::io::Result<()> {
    let waiting = std::thread::Builder::new().name("simulator".into());
    waiting
        .spawn(|| {
            until_closed();
            std::process::exit(0);
        })
        .map(drop)
}

/// Becomes another program, which the kernel kills when the thread that started this one ends.
fn program(parent: i32, command: &[OsString]) -> anyhow::Result<Infallible> {
    set_pdeathsig(Signal::SIGKILL)?;
    // Whoever ended before the line above sends no signal any more.
    ensure!(
        getppid().as_raw() == parent,
        "the process that wanted this program is gone"
    );
    let (program, arguments) = command.split_first().context("no program is named")?;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("{} cannot be started", program.display()))
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
