//! The house: all processes on loopback, set up so that they believe the simulator's root and vendor, and looked after.
//!
//! A directory that was used before is taken up again: the group comes back by its officers, the keys by their records.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cofferdam::transport::Client;
use cofferdam::trust::{Trust, TrustFile};
use cofferdam_wire::binding::Measurement;
use cofferdam_wire::id::GroupId;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::host::EnclaveHost;
use crate::layout::Layout;
use crate::officers::{self, Officers, Recoveries};
use crate::operator::Operator;
use crate::ports::Ports;
use crate::ready::{Pids, Ready, Sockets};
use crate::setup::{self, ParentReady, RevocationReady};
use crate::supervise::{Start, Supervised};

/// A service that ends sooner than this after its start did not really start.
const SERVICE_START: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// The running house. Dropping it kills every process.
pub struct House {
    layout: Layout,
    host: EnclaveHost,
    image: Measurement,
    ready: Ready,
    enclave: Supervised,
    parent: Supervised,
    revocation: Supervised,
    officers: JoinHandle<()>,
    operator: Operator,
    recoveries: watch::Receiver<Recoveries>,
    failures: mpsc::UnboundedReceiver<String>,
    _lock: File,
}

impl House {
    /// Starts everything in `layout`'s directory, and returns when an app could come. `link` is the Unix socket where the
    /// parent looks for the enclave, if that is not the enclave's own.
    ///
    /// # Errors
    /// What did not start, and the last that it said.
    pub async fn start(
        layout: Layout,
        ports: Ports,
        host: EnclaveHost,
        link: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let patience = host.patience();
        let lock = lock(&layout)?;
        remove(&layout.ready())?;
        let ports = ports.or_those_of_before(&layout)?;
        ports.are_free()?;
        let (failed, mut failures) = mpsc::unbounded_channel();
        // It makes an RSA-4096 key before it serves, which takes longest; so it is the first.
        let enclave = enclave(&host, &layout, failed.clone())?;
        let image = tokio::task::spawn_blocking({
            let host = host.clone();
            move || host.measure()
        });
        let keys = tokio::task::spawn_blocking({
            let layout = layout.clone();
            move || setup::provider_keys(&layout)
        });
        let image = image.await??;
        let images = setup::note_image(&layout, &image)?;

        setup::write_revocation_config(&layout, &images, ports.revocation)?;
        let revocation_said = layout.revocation_state().join("ready.json");
        remove(&revocation_said)?;
        let revocation = service(
            "revocation",
            &layout.revocation_config(),
            &layout,
            failed.clone(),
        )?;
        let revocation_ready: RevocationReady =
            said(&revocation_said, patience, &mut failures).await?;

        setup::sign_vendor_statement(&layout, &images, keys.await??)?;
        let link = link.unwrap_or_else(|| host.socket(&layout));
        setup::write_parent_config(
            &layout,
            host.address(link),
            [ports.parent, ports.operator],
            &revocation_ready.ca_file,
        )?;
        let parent_said = layout.parent_state().join("ready.json");
        remove(&parent_said)?;
        let parent = service("parent", &layout.parent_config(), &layout, failed)?;
        let parent_ready: ParentReady = said(&parent_said, patience, &mut failures).await?;

        Ports::note(&layout, &parent_ready, &revocation_ready)?;

        let operator = Operator::new(
            &parent_ready.operator_url,
            &parent_ready.operator_token_file,
        )?;
        let directory = layout.officers();
        let members = match officers::group_of(&directory)? {
            Some(_) => Officers::read(&directory)?,
            None => {
                until(answering(&operator), patience, &mut failures)
                    .await
                    .context("the enclave does not answer")?;
                let found = Officers::found(&directory, &operator);
                until(found, patience, &mut failures).await?
            }
        };
        let group = officers::group_of(&directory)?.context("the officers have no group")?;
        let trust = setup::trust_file(&images, &parent_ready.ca_file, Some(&group))?;
        let (owner, app) =
            setup::write_customer(&layout, &parent_ready, &revocation_ready, &trust)?;
        let grant = setup::write_keyless_grant(&layout, group, &owner, &app)?;

        let (officers, recoveries) = watch_over(members, &operator, &parent_ready, &trust)?;
        let pids = Pids {
            simulator: std::process::id(),
            enclave: enclave.pid(),
            parent: parent.pid(),
            revocation: revocation.pid(),
        };
        let sockets = Sockets {
            enclave: host.socket(&layout),
        };
        let ready = ready(
            &layout,
            parent_ready,
            revocation_ready,
            grant,
            &group,
            (sockets, pids),
        );
        let mut house = Self {
            layout,
            host,
            image,
            ready,
            enclave,
            parent,
            revocation,
            officers,
            operator,
            recoveries,
            failures,
            _lock: lock,
        };
        house.until_serving().await?;
        Ok(house)
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where the enclave runs.
    pub fn host(&self) -> &EnclaveHost {
        &self.host
    }

    /// What the enclave measures.
    pub fn image(&self) -> &Measurement {
        &self.image
    }

    /// Where everything is, with the process ids of now.
    pub fn ready(&self) -> Ready {
        let mut ready = self.ready.clone();
        ready.pids.enclave = self.enclave.pid();
        ready
    }

    /// Tells of each new process id of the enclave.
    pub fn enclave_pids(&self) -> watch::Receiver<u32> {
        self.enclave.pids()
    }

    /// Kills the enclave as a crash would, and returns when officers have brought the next one back into the group: how
    /// long it was away, and how long the officers took.
    ///
    /// # Errors
    /// It did not come back.
    pub async fn crash_enclave(&mut self) -> anyhow::Result<(Duration, Duration)> {
        let before = self.recoveries.borrow().count;
        let away = Instant::now();
        self.enclave.kill()?;
        let mut recoveries = self.recoveries.clone();
        let recovered = async {
            recoveries.wait_for(|told| told.count > before).await?;
            anyhow::Ok(())
        };
        if let Err(error) = until(recovered, self.host.patience(), &mut self.failures).await {
            let refusal = self.recoveries.borrow().refusal.clone();
            return Err(
                error.context(refusal.unwrap_or_else(|| "the enclave did not come back".into()))
            );
        }
        self.until_serving().await?;
        Ok((away.elapsed(), self.recoveries.borrow().took))
    }

    /// Returns what failed, when a process is gone for good.
    pub async fn failed(&mut self) -> String {
        match self.failures.recv().await {
            Some(failure) => failure,
            None => std::future::pending().await,
        }
    }

    /// Ends every process: requests under way are finished, nothing is left behind.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.officers.abort();
        self.parent.stop().await;
        self.enclave.stop().await;
        self.revocation.stop().await;
        remove(&self.layout.ready())?;
        self.host
            .sockets(&self.layout)
            .iter()
            .try_for_each(|socket| remove(socket))
    }

    async fn until_serving(&mut self) -> anyhow::Result<()> {
        let operator = self.operator.clone();
        let serving = async {
            while !operator.health().await.is_ok_and(|health| health.ready) {
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        until(serving, self.host.patience(), &mut self.failures)
            .await
            .context("the enclave does not serve")
    }
}

fn enclave(
    host: &EnclaveHost,
    layout: &Layout,
    failed: mpsc::UnboundedSender<String>,
) -> anyhow::Result<Supervised> {
    let start = Start {
        name: "enclave",
        arguments: host.role(layout),
        logs: layout.logs(),
        is_expendable: true,
        start_takes: host.start_takes(),
    };
    Supervised::start(start, failed)
}

fn service(
    name: &'static str,
    config: &Path,
    layout: &Layout,
    failed: mpsc::UnboundedSender<String>,
) -> anyhow::Result<Supervised> {
    let arguments = vec![name.into(), "--config".into(), config.into()];
    let start = Start {
        name,
        arguments,
        logs: layout.logs(),
        is_expendable: false,
        start_takes: SERVICE_START,
    };
    Supervised::start(start, failed)
}

fn watch_over(
    officers: Officers,
    operator: &Operator,
    parent: &ParentReady,
    trust: &TrustFile,
) -> anyhow::Result<(JoinHandle<()>, watch::Receiver<Recoveries>)> {
    let trust: Trust = trust.check()?;
    let client = Client::new(&parent.url, trust.provider_ca())?;
    let (tell, recoveries) = watch::channel(Recoveries::default());
    Ok((
        tokio::spawn(officers.watch(operator.clone(), client, trust, tell)),
        recoveries,
    ))
}

fn ready(
    layout: &Layout,
    parent: ParentReady,
    revocation: RevocationReady,
    grant: PathBuf,
    group: &GroupId,
    (sockets, pids): (Sockets, Pids),
) -> Ready {
    Ready {
        version: 1,
        parent_url: parent.url,
        provider_ca: parent.ca_file,
        operator_url: parent.operator_url,
        operator_token_file: parent.operator_token_file,
        revocation_url: revocation.url,
        revocation_ca: revocation.ca_file,
        revocation_status_root: revocation.status_root,
        revocation_registrar_token_file: revocation.registrar_token_file,
        revocation_admin_token_file: revocation.admin_token_file,
        trust_file: layout.trust_file(),
        coffer_config: layout.coffer_config(),
        owner_key: layout.owner_key(),
        app_key: layout.app_key(),
        grants: vec![grant],
        partition: setup::PARTITION.into(),
        group: group.to_string(),
        sockets,
        pids,
    }
}

/// Waits until the enclave has made its keys and says how it is: before that there is nobody to make a group.
async fn answering(operator: &Operator) -> anyhow::Result<()> {
    while operator.health().await.is_err() {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// What a service wrote when it was ready.
async fn said<T: DeserializeOwned>(
    path: &Path,
    patience: Duration,
    failures: &mut mpsc::UnboundedReceiver<String>,
) -> anyhow::Result<T> {
    let said = async {
        loop {
            match fs::read(path) {
                Ok(text) => {
                    return serde_json::from_slice(&text)
                        .with_context(|| path.display().to_string());
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    tokio::time::sleep(LOOK).await
                }
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            }
        }
    };
    until(said, patience, failures).await
}

/// Waits for something, but not for ever and not past the end of a process.
async fn until<T>(
    wanted: impl Future<Output = anyhow::Result<T>>,
    patience: Duration,
    failures: &mut mpsc::UnboundedReceiver<String>,
) -> anyhow::Result<T> {
    tokio::select! {
        wanted = wanted => wanted,
        Some(failure) = failures.recv() => bail!(failure),
        () = tokio::time::sleep(patience) => bail!("no answer within {} s", patience.as_secs()),
    }
}

fn lock(layout: &Layout) -> anyhow::Result<File> {
    let path = layout.lock();
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            bail!(
                "{} is in use by another cofferdam-sim; stop that one or use another directory",
                layout.path().display()
            )
        }
        Err(fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| path.display().to_string())
        }
    }
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}
