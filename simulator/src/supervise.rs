//! Child processes: each has a task that starts it, starts it again where that is wanted, and ends it.
//!
//! A process that ends by itself and is not to be started again is a failure, told with the last line of its log.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::image::RUNNING;

/// How long a process may take to end after SIGTERM; its own grace is 20 s.
const PATIENCE: Duration = Duration::from_secs(25);
/// Pause before a process is started again.
const PAUSE: Duration = Duration::from_millis(100);
/// So many starts in a row that were none, and it is given up.
const FALSE_STARTS: u32 = 5;

/// How a process is started.
pub(crate) struct Start {
    /// For people, and the name of its log.
    pub(crate) name: &'static str,
    /// Arguments behind `role`.
    pub(crate) arguments: Vec<OsString>,
    /// Directory of the logs.
    pub(crate) logs: PathBuf,
    /// Whether it is started again when it ends by itself, and killed instead of asked to end.
    pub(crate) is_expendable: bool,
    /// If it ends sooner than this after its start, it did not really start.
    pub(crate) start_takes: Duration,
}

/// A started process, and the pipe that keeps it alive. They are apart since waiting for a child closes its own.
struct Started {
    child: Child,
    _alive: Option<ChildStdin>,
}

/// A process under supervision. Dropping it kills the process.
pub(crate) struct Supervised {
    pid: watch::Receiver<u32>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Supervised {
    /// Starts it. `failed` is told when it is gone for good without having been asked.
    pub(crate) fn start(
        start: Start,
        failed: mpsc::UnboundedSender<String>,
    ) -> anyhow::Result<Self> {
        let started = start.spawn()?;
        let (tell, pid) = watch::channel(started.child.id().unwrap_or_default());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            if let Err(error) = supervise(&start, started, tell, stopped).await {
                // Nobody listens while the house is being closed.
                let _ = failed.send(format!("{error:#}"));
            }
        });
        Ok(Self {
            pid,
            stop: Some(stop),
            task,
        })
    }

    /// Its process id now.
    pub(crate) fn pid(&self) -> u32 {
        *self.pid.borrow()
    }

    /// Tells of each new process id.
    pub(crate) fn pids(&self) -> watch::Receiver<u32> {
        self.pid.clone()
    }

    /// SIGKILL, as a crash.
    pub(crate) fn kill(&self) -> anyhow::Result<()> {
        Ok(kill(to_pid(self.pid())?, Signal::SIGKILL)?)
    }

    /// Ends it, orderly where it can, and waits until it is gone.
    pub(crate) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have failed already.
            let _ = stop.send(());
        }
        let _ = (&mut self.task).await;
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // The task owns the child, and a child that is dropped is killed.
        self.task.abort();
    }
}

impl Start {
    fn log(&self) -> PathBuf {
        self.logs.join(self.name).with_extension("log")
    }

    fn spawn(&self) -> anyhow::Result<Started> {
        let log = self.log();
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&log)
            .with_context(|| format!("{} cannot be written", log.display()))?;
        let mut child = Command::new(RUNNING)
            .arg0("cofferdam-sim")
            .arg("role")
            .args(&self.arguments)
            // The child ends when this pipe is closed, so it never outlives this process.
            .stdin(Stdio::piped())
            // Logs are files here.
            .env("NO_COLOR", "1")
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("the {} process cannot be started", self.name))?;
        let alive = child.stdin.take();
        Ok(Started {
            child,
            _alive: alive,
        })
    }

    fn ended(&self, status: ExitStatus) -> anyhow::Error {
        match last_line(&self.log()) {
            Some(line) => anyhow::anyhow!("the {} process ended ({status}): {line}", self.name),
            None => anyhow::anyhow!("the {} process ended ({status})", self.name),
        }
    }
}

async fn supervise(
    start: &Start,
    mut process: Started,
    tell: watch::Sender<u32>,
    mut stop: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let mut since = Instant::now();
    let mut false_starts = 0;
    loop {
        let status = tokio::select! {
            status = process.child.wait() => status?,
            _ = &mut stop => return end(start, process).await,
        };
        false_starts = if since.elapsed() < start.start_takes {
            false_starts + 1
        } else {
            0
        };
        if !start.is_expendable || false_starts == FALSE_STARTS {
            return Err(start.ended(status));
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => (),
            _ = &mut stop => return Ok(()),
        }
        process = start.spawn()?;
        since = Instant::now();
        tell.send_replace(process.child.id().unwrap_or_default());
    }
}

async fn end(start: &Start, mut process: Started) -> anyhow::Result<()> {
    let child = &mut process.child;
    if !start.is_expendable
        && let Some(pid) = child.id()
    {
        kill(to_pid(pid)?, Signal::SIGTERM)?;
        if let Ok(status) = tokio::time::timeout(PATIENCE, child.wait()).await {
            status?;
            return Ok(());
        }
    }
    child.kill().await?;
    Ok(())
}

fn to_pid(pid: u32) -> anyhow::Result<Pid> {
    // 0 would be this whole process group.
    let pid = i32::try_from(pid)
        .ok()
        .filter(|pid| *pid > 0)
        .context("the process has ended")?;
    Ok(Pid::from_raw(pid))
}

fn last_line(log: &Path) -> Option<String> {
    let text = std::fs::read_to_string(log).ok()?;
    text.lines()
        .rfind(|line| !line.trim().is_empty())
        .map(str::to_owned)
}
