//! The `coffer` command: the SDK for people and scripts.
//!
//! Secrets come from files and never from arguments. Results go to stdout (one JSON value with `--json`), progress and
//! errors to stderr. Exit status: 0 done, 1 refused or failed with a code and a sentence, 2 wrong usage.

mod access;
mod args;
mod context;
mod destroy;
mod evidence;
mod failure;
mod grants;
mod imports;
mod init;
mod keys;
mod operations;
mod output;
mod revocation;
mod trust;
mod vendor;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

pub use args::Coffer;
pub use evidence::{describe, describe_subject};

use args::{Command, TrustCommand};
use context::Context;
use failure::Failure;
use output::Shown;

/// Parses the arguments, does what they say, and gives the exit status.
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let parsed =
        Coffer::try_parse_from(&arguments).and_then(|coffer| args::check(&coffer).map(|()| coffer));
    let coffer = match parsed {
        Ok(coffer) => coffer,
        Err(error) => {
            if error.use_stderr() && arguments.iter().any(|argument| argument == "--json") {
                Failure::new("usage", first_paragraph(&error)).print(true);
            } else {
                let _ = error.print();
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let json = coffer.global.json;
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(
                "system",
                format!("the asynchronous runtime cannot start: {error}"),
            )
        })
        .and_then(|runtime| runtime.block_on(obey(coffer)));
    match done.and_then(|shown| shown.print(json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(json);
            ExitCode::FAILURE
        }
    }
}

async fn obey(coffer: Coffer) -> Result<Shown, Failure> {
    let context = Context::new(coffer.global);
    match coffer.command {
        Command::Init(options) => init::init(&context, &options),
        Command::Trust(TrustCommand::Show) => trust::show(&context),
        Command::Trust(TrustCommand::Verify) => trust::verify(&context).await,
        Command::Trust(TrustCommand::Init(options)) => trust::init(&options),
        Command::Vendor(command) => vendor::run(&context, command),
        Command::Key(command) => keys::run(&context, command).await,
        Command::Grant(command) => grants::run(&context, command).await,
        Command::Sign(options) => operations::sign(&context, &options).await,
        Command::Verify(options) => operations::verify(&context, &options).await,
        Command::Encrypt(options) => operations::encrypt(&context, &options).await,
        Command::Decrypt(options) => operations::decrypt(&context, &options).await,
        Command::Mac(options) => operations::mac(&context, &options).await,
        Command::Hash(options) => operations::hash(&context, &options).await,
        Command::Random(options) => operations::random(&context, &options).await,
        Command::Evidence(command) => evidence::run(&command),
        Command::Revocation(command) => revocation::run(&context, command).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Coffer::command(), "coffer", &mut script);
            let script = String::from_utf8_lossy(&script);
            Ok(Shown::new(serde_json::json!({ "script": script }), script))
        }
    }
}

/// What a usage error says, without the usage below it.
fn first_paragraph(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = first.split_whitespace().collect();
    let sentence = words.join(" ");
    sentence
        .strip_prefix("error: ")
        .unwrap_or(&sentence)
        .to_owned()
}
