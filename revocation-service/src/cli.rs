//! The command line: serving, and the work that is done on the service's own files.
//!
//! Registering, revoking and the like go over HTTP and are commands of `coffer`. Exit codes: 0 done, 1 the answer is no,
//! 2 it could not be done.

use std::future::Future;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::limits;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::audit::{self, Entry, ScanEnd};
use crate::clock::Clock;
use crate::config::Config;
use crate::http::Credentials;
use crate::service::{AUDIT_PUBLIC_FILE, Service};
use crate::{keyring, tls};

/// The customer's switch for keys in an enclave: says "good" to proven enclaves, and "revoked" for ever.
#[derive(Debug, Parser)]
#[command(name = "cofferdam-revocation-service", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer queries until SIGTERM.
    Serve(ConfigArgument),
    /// Make keys, tokens, database and log, say where they are, and end.
    Init(ConfigArgument),
    /// Make a status root in a file, to be kept offline. Prints its public half.
    NewRoot {
        /// The file; it must not be there yet.
        #[arg(long)]
        out: PathBuf,
    },
    /// Certify the keys that a service asks for, on the machine that has the status root.
    Certify {
        /// The status root's private half.
        #[arg(long)]
        root: PathBuf,
        /// The directory with `request.cbor`, brought from `keys/next` of the service's state directory.
        #[arg(long)]
        request: PathBuf,
        /// Where to write `answers.cert` and `queries.cert`, to be brought back to `keys/next`.
        #[arg(long)]
        out: PathBuf,
        /// How long they are valid, in days; at most 7.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=7))]
        days: u64,
    },
    /// Give every key on which database and log disagree the state that the log says. The service must be stopped;
    /// a running one replays on POST /v1/replay.
    Replay {
        #[command(flatten)]
        config: ConfigArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Verify an audit log from its first entry to its last, and print it.
    VerifyLog {
        /// The log.
        #[arg(long)]
        log: PathBuf,
        /// The audit key: a file like `audit-key.pub` in the state directory.
        #[arg(long)]
        key: PathBuf,
        /// Print each entry as one line of JSON.
        #[arg(long)]
        json: bool,
        /// Print nothing but the result.
        #[arg(long)]
        quiet: bool,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigArgument {
    /// The configuration file (TOML).
    #[arg(long, env = "COFFERDAM_REVOCATION_CONFIG")]
    config: PathBuf,
}

/// Does what the command line says; the result is the exit code.
pub async fn execute(cli: Cli) -> anyhow::Result<u8> {
    match cli.command {
        Command::Serve(argument) => {
            let stop = stop_signal().context("listening for SIGTERM")?;
            crate::run(Config::load(&argument.config)?, stop).await?;
            Ok(0)
        }
        Command::Init(argument) => init(&Config::load(&argument.config)?).await,
        Command::NewRoot { out } => new_root(&out),
        Command::Certify {
            root,
            request,
            out,
            days,
        } => certify(&root, &request, &out, days),
        Command::Replay { config, json } => replay(&Config::load(&config.config)?, json).await,
        Command::VerifyLog {
            log,
            key,
            json,
            quiet,
        } => verify_log(&log, &key, json, quiet),
    }
}

/// Done when the process is told to stop. It listens from the call on, so that no signal comes too early.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn init(config: &Config) -> anyhow::Result<u8> {
    let service = Service::open(config, Clock::system()).await?;
    Credentials::open(&config.registrar_token_file(), &config.admin_token_file())?;
    let tls = tls::open(config)?;
    println!(
        "status root (pin this):  {}",
        hex::encode(service.keyring().root().to_cose())
    );
    println!(
        "registrar's token:       {}",
        config.registrar_token_file().display()
    );
    println!(
        "admin's token:           {}",
        config.admin_token_file().display()
    );
    match tls.ca_file {
        Some(path) => println!("CA for clients:          {}", path.display()),
        None => println!("CA for clients:          a public one, as the certificate says"),
    }
    if let Err(reason) = service.readiness().await {
        println!("not ready yet:           {reason}");
    }
    service.close().await;
    Ok(0)
}

fn new_root(out: &Path) -> anyhow::Result<u8> {
    if out.exists() {
        bail!("{} exists; a root is never replaced", out.display());
    }
    let public = keyring::create_root(out)?;
    println!("{}", hex::encode(public.to_cose()));
    Ok(0)
}

fn certify(root: &Path, request: &Path, out: &Path, days: u64) -> anyhow::Result<u8> {
    let root =
        keyring::read_root(root)?.with_context(|| format!("{} is not there", root.display()))?;
    let lifetime_s = (days * 24 * 3600).min(limits::STATUS_CERTIFICATE_LIFETIME_S);
    keyring::sign_request(&root, request, out, Clock::system().now_s(), lifetime_s)?;
    println!(
        "wrote {} and {}",
        out.join("answers.cert").display(),
        out.join("queries.cert").display()
    );
    Ok(0)
}

async fn replay(config: &Config, as_json: bool) -> anyhow::Result<u8> {
    let service = Service::open(config, Clock::system()).await?;
    let done = service.registry().replay().await?;
    service.close().await;
    let lines = done.iter().map(|one| {
        json!({ "handle": one.handle.to_string(), "reason": one.reason.slug(), "state": one.state.slug(),
                "sequence": one.sequence })
    });
    if as_json {
        println!("{}", json!(lines.collect::<Vec<_>>()));
        return Ok(0);
    }
    println!("{} keys were held.", done.len());
    for one in &done {
        println!(
            "{}  {:<10}  now {:<9}  sequence {}",
            one.handle,
            one.reason.slug(),
            one.state.slug(),
            one.sequence
        );
    }
    Ok(0)
}

fn verify_log(log: &Path, key: &Path, as_json: bool, quiet: bool) -> anyhow::Result<u8> {
    let text = std::fs::read_to_string(key).with_context(|| {
        format!(
            "reading the audit key from {} ({AUDIT_PUBLIC_FILE})",
            key.display()
        )
    })?;
    let bytes = hex::decode(text.trim()).context("the audit key is not hex")?;
    let key = PublicKey::from_cose(&bytes).context("the audit key is not a COSE_Key")?;
    if !log.exists() {
        bail!("{} is not there", log.display());
    }
    let scan = audit::scan(log, &key, |entry| {
        if !quiet {
            println!(
                "{}",
                if as_json {
                    json_line(entry)
                } else {
                    text_line(entry)
                }
            );
        }
    })?;
    match scan.end {
        ScanEnd::Complete => eprintln!(
            "{} entries verify; the last has the hash {}",
            scan.entries, scan.head
        ),
        ScanEnd::Torn => eprintln!(
            "{} entries verify; an unfinished line follows",
            scan.entries
        ),
        ScanEnd::Broken { line, problem } => {
            eprintln!("{} entries verify; line {line} {problem}", scan.entries);
            return Ok(1);
        }
    }
    Ok(0)
}

fn json_line(entry: &Entry) -> String {
    let row = &entry.registration;
    json!({
        "number": entry.number, "cause": entry.cause.slug(), "handle": row.handle.to_string(),
        "state": row.state.slug(), "sequence": row.sequence, "grant_epoch": row.grant_epoch,
        "group": row.group.to_string(), "owner": hex::encode(row.owner.to_cose()),
        "token_hash": row.token_hash.to_string(), "created_ms": row.created_ms, "changed_ms": row.changed_ms,
    })
    .to_string()
}

fn text_line(entry: &Entry) -> String {
    let row = &entry.registration;
    format!(
        "{:>6}  {}  {:<11}  {}  {:<9}  sequence {}",
        entry.number,
        row.changed_ms,
        entry.cause.slug(),
        row.handle,
        row.state.slug(),
        row.sequence
    )
}
