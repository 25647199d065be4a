//! The client of `e2e/other-language` against a running simulator: is docs/protocol enough for somebody who has none of our
//! code? The client is Python with one package; it knows the pages and the vectors.
//!
//! The packages lie in a virtual environment outside of the clone and are made anew when `requirements.txt` changes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::program;

/// Where the client is, from the root.
const CLIENT: &str = "e2e/other-language";
/// How long the simulator may take to make its keys and its group on a busy machine.
const READY: Duration = Duration::from_secs(180);
/// How long it may take to end its processes in order.
const END: Duration = Duration::from_secs(60);

/// What to run against.
#[derive(clap::Args, Default)]
pub struct Options {
    /// A built cofferdam-sim. Without it, the one of this tree is built in release.
    #[arg(long)]
    simulator: Option<PathBuf>,
    /// Builds it without optimising, which is sooner done.
    #[arg(long)]
    dev: bool,
}

/// Starts the simulator, runs the client, stops the simulator.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<()> {
    let python = environment(root)?;
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let directory = directory.path().join("sim");
    let mut simulator = Simulator::start(root, options, &directory)?;
    let ready = simulator.ready(&directory)?;
    println!("the simulator is ready; the client begins");
    let client = Command::new(python)
        .arg("-B")
        .arg(root.join(CLIENT).join("key_way.py"))
        .arg(ready)
        .arg(root.join("vectors"))
        .status()
        .context("cannot run the client")?;
    let ended = simulator.stop();
    ensure!(client.success(), "the client in Python failed: {client}");
    ended
}

/// The interpreter of an environment that holds exactly what `requirements.txt` says.
fn environment(root: &Path) -> anyhow::Result<PathBuf> {
    let requirements = root.join(CLIENT).join("requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).context("no requirements.txt")?;
    let home = program::cache("other-language")?;
    let (python, note) = (home.join("bin/python"), home.join("installed.txt"));
    // An interpreter that was exchanged under the environment leaves it unusable, so it is asked.
    let works = |python: &Path| {
        let import = ["-c", "import cryptography"];
        let asked = Command::new(python).args(import).output();
        asked.is_ok_and(|output| output.status.success())
    };
    if std::fs::read_to_string(&note).is_ok_and(|installed| installed == wanted) && works(&python) {
        println!("Python's packages are in {}", home.display());
        return Ok(python);
    }
    println!("installing Python's packages into {}", home.display());
    if home.exists() {
        std::fs::remove_dir_all(&home).context("cannot remove the old environment")?;
    }
    std::fs::create_dir_all(&home).context("cannot make the environment")?;
    let log = home.join("log");
    program::run(
        Command::new("python3").args(["-m", "venv"]).arg(&home),
        &log,
    )
    .context("is python3-venv installed?")?;
    let quiet = ["-m", "pip", "install", "--quiet", "--no-input"];
    let own = [
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "--requirement",
    ];
    program::run(
        Command::new(&python)
            .args(quiet)
            .args(own)
            .arg(&requirements),
        &log,
    )?;
    // Last, so that an environment that was interrupted is not taken for a whole one.
    std::fs::write(note, wanted).context("cannot write into the environment")?;
    Ok(python)
}

/// A running simulator; killed when dropped, and its processes end with it.
struct Simulator(Child);

impl Simulator {
    fn start(root: &Path, options: &Options, directory: &Path) -> anyhow::Result<Self> {
        let mut command = match &options.simulator {
            Some(program) => Command::new(program),
            None => {
                let mut package = vec!["--locked", "-p", "cofferdam-simulator"];
                if !options.dev {
                    package.push("--release");
                }
                crate::ci::cargo(root, &[&["build"], &package[..]].concat())?;
                // Cargo puts the program in its own place, so the child is the simulator.
                let mut command = Command::new(env!("CARGO"));
                command.args([&["run", "--quiet"], &package[..], &["--"]].concat());
                command
            }
        };
        command
            .args(["up", "--dir"])
            .arg(directory)
            .current_dir(root)
            .stdin(Stdio::null());
        Ok(Self(command.spawn().context("cannot run the simulator")?))
    }

    /// Waits until everything serves; the path of its `ready.json`.
    fn ready(&mut self, directory: &Path) -> anyhow::Result<PathBuf> {
        let ready = directory.join("ready.json");
        let begun = Instant::now();
        while !ready.exists() {
            if let Some(status) = self.0.try_wait()? {
                bail!("the simulator ended before it was ready: {status}");
            }
            ensure!(begun.elapsed() < READY, "the simulator did not get ready");
            sleep(Duration::from_millis(100));
        }
        Ok(ready)
    }

    /// Ends it as an operator would.
    fn stop(mut self) -> anyhow::Result<()> {
        let terminate = format!("kill -TERM {}", self.0.id());
        program::output(Command::new("sh").args(["-c", &terminate]))?;
        let begun = Instant::now();
        while begun.elapsed() < END {
            if let Some(status) = self.0.try_wait()? {
                ensure!(status.success(), "the simulator ended with {status}");
                println!("the simulator has ended in order");
                return Ok(());
            }
            sleep(Duration::from_millis(100));
        }
        bail!("the simulator did not end")
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
