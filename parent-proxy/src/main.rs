//! The command `cofferdam-parent-proxy`.

use anyhow::Context;
use clap::{Parser, Subcommand};
use cofferdam_parent_proxy::provider_keys::{FileKeys, ProviderKeys};
use cofferdam_parent_proxy::validator::Validator;
use cofferdam_parent_proxy::{Config, init_logging, run};
use std::path::PathBuf;

/// The provider's side of Cofferdam: HTTP front, outer layer, record store, link to the enclave, status courier.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file (TOML).
    #[arg(long, short, env = "COFFERDAM_PARENT_CONFIG")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT (the default).
    Run,
    /// Read the configuration and every file that it names, and change nothing.
    CheckConfig,
    /// Print the ids of the provider keys, for the vendor's statement; makes the keys if there are none.
    ProviderKeys,
    /// Print the validator's public key, for customers' trust files; makes it, and the provider keys, if there are none.
    ValidatorKey,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = Config::read(&arguments.config)?;
    match arguments.command.unwrap_or(Command::Run) {
        Command::Run => {
            init_logging(config.log_json);
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async { Ok(run(config, termination()?).await?) })
        }
        Command::CheckConfig => {
            config.check_files()?;
            println!("{}: ok", arguments.config.display());
            Ok(())
        }
        Command::ProviderKeys => {
            let keys =
                FileKeys::open_or_create(&config.provider_keys_dir()).context("provider keys")?;
            keys.public()
                .iter()
                .for_each(|key| println!("{} {}", key.suite, key.id()));
            Ok(())
        }
        Command::ValidatorKey => print_validator_key(&config),
    }
}

fn print_validator_key(config: &Config) -> anyhow::Result<()> {
    let keys = FileKeys::open_or_create(&config.provider_keys_dir()).context("provider keys")?;
    let validator = Validator::open_or_create(&config.state_dir, &keys).context("validator")?;
    println!("{}", hex::encode(validator.public().to_cose()));
    Ok(())
}

fn termination() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    Ok(async move {
        tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
    })
}
