//! The arguments of `coffer`. Their names and meanings are stable.
//!
//! What can be known to be wrong from the arguments alone is wrong usage (exit status 2) and is told here, before a file is
//! read: by the parser of each value, and by [`check`] for values that do not go together.

mod keys;
mod operations;
mod revocation;
mod trust;
mod values;
mod vendor;

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};

pub(super) use keys::{GrantCommand, GrantCreate, Import, KeyCommand, KeyId};
pub(super) use operations::{
    Access, Decrypt, EcdsaForm, Encrypt, Hash, KeylessAccess, Mac, Random, Sign, Verify, curve,
};
pub(super) use revocation::{At, Register, RevocationCommand};
pub(super) use trust::{TrustInit, TrustRoot};
pub(super) use values::{KeyName, Target};
pub(super) use vendor::{ShowOptions, StatementOptions, VendorCommand, VendorInit, VendorKeyKind};

use super::evidence::parse_pcr;
use crate::times::parse_time;

const EXAMPLES: &str = "\
Examples:
  coffer init --dir ~/.coffer --url https://parent.example --trust trust.toml
  coffer trust verify
  coffer key import --in payments.pem --kind rsa-3072 --use sign --partition payments \\
      --revocation https://status.example --interval 300
  coffer key list
  coffer sign --key 1f3a --alg rsa-pss-sha256 --in invoice.pdf --out invoice.sig
  coffer grant create --keys 1f3a --ops sign,verify --app app-public.pem \\
      --expires 2030-01-31T00:00:00Z --out app.grant
  coffer revocation revoke 1f3a

Every command has examples of its own: coffer sign --help

With --json a command prints one JSON value, and an error is one JSON object on standard error:
  {\"error\": {\"code\": \"revoked\", \"number\": 18, \"sentence\": \"...\"}}
The number is that of docs/protocol/messages.md, or null for what was refused on this machine.

Exit status: 0 done, 1 refused or failed (a code and a sentence say why), 2 wrong usage.";

const INIT_EXAMPLES: &str = "\
Examples:
  coffer init --url https://parent.example --trust trust.toml
  coffer init --dir ./customer

The trust file is read and checked first; if something in it is wrong, nothing is made.";

const TRUST_SHOW_EXAMPLES: &str = "\
Examples:
  coffer trust show
  coffer --trust other.toml trust show";

const TRUST_INIT_EXAMPLES: &str = "\
Examples:
  coffer trust init aws-nitro --vendor vendor-public.pem --out trust.toml
  coffer trust init aws-nitro --vendor vendor-public.pem --name acme --provider \"Example Cloud\" \\
      --provider-ca ca.pem --out trust.toml

Get the vendor's key by another way than the provider. What the file says: docs/operating/trust-file.md.";

const EVIDENCE_VERIFY_EXAMPLES: &str = "\
Examples:
  coffer evidence verify document.cbor
  coffer evidence verify document.cbor --at 2026-01-31T00:00:00Z --expect-pcr 0=HEX --expect-pcr 1=HEX
  coffer --json evidence verify document.cbor --root root.pem

The JSON is described in docs/operating/evidence.md.";

const TRUST_VERIFY_EXAMPLES: &str = "\
Examples:
  coffer trust verify
  coffer --url https://parent.example --json trust verify";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  coffer completions bash > ~/.local/share/bash-completion/completions/coffer
  coffer completions zsh > ~/.zfunc/_coffer
  coffer completions fish > ~/.config/fish/completions/coffer.fish";

/// Puts secret keys to work at a provider who can never see them.
#[derive(Parser)]
#[command(name = "coffer", version, about, after_help = EXAMPLES, arg_required_else_help = true)]
pub struct Coffer {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// Configuration file [default: ~/.coffer/coffer.toml]
    #[arg(long, global = true, value_name = "FILE", env = "COFFER_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Address of the provider's parent, instead of the configured one
    #[arg(long, global = true, value_name = "URL", env = "COFFER_URL", value_parser = values::address)]
    pub(super) url: Option<String>,
    /// Trust file, instead of the configured one
    #[arg(long, global = true, value_name = "FILE", env = "COFFER_TRUST")]
    pub(super) trust: Option<PathBuf>,
    /// Print one JSON value instead of text
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an owner key, an app key and a configuration
    #[command(after_help = INIT_EXAMPLES)]
    Init(Init),
    /// Show whom you trust, or verify the provider's enclave now
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Import keys and look after them
    #[command(subcommand)]
    Key(KeyCommand),
    /// Let an app use keys, for a while
    #[command(subcommand)]
    Grant(GrantCommand),
    /// Sign a file
    #[command(after_help = operations::SIGN_EXAMPLES)]
    Sign(Sign),
    /// Verify a signature or a MAC over a file
    #[command(after_help = operations::VERIFY_EXAMPLES)]
    Verify(Verify),
    /// Encrypt a file of at most 48 KiB
    #[command(after_help = operations::ENCRYPT_EXAMPLES)]
    Encrypt(Encrypt),
    /// Decrypt a file
    #[command(after_help = operations::DECRYPT_EXAMPLES)]
    Decrypt(Decrypt),
    /// Compute the MAC of a file of at most 48 KiB
    #[command(after_help = operations::MAC_EXAMPLES)]
    Mac(Mac),
    /// Hash a file of at most 48 KiB in the enclave; needs no key
    #[command(after_help = operations::HASH_EXAMPLES)]
    Hash(Hash),
    /// Draw random bytes in the enclave; needs no key
    #[command(after_help = operations::RANDOM_EXAMPLES)]
    Random(Random),
    /// Look at attestation documents
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Work the switch: suspend, resume, revoke
    #[command(subcommand)]
    Revocation(RevocationCommand),
    /// For vendors of images: key and statements
    #[command(subcommand)]
    Vendor(VendorCommand),
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Args)]
pub(super) struct Init {
    /// Directory for keys, configuration and state; nothing in it is overwritten [default: ~/.coffer]
    #[arg(long, value_name = "D")]
    pub(super) dir: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(super) enum TrustCommand {
    /// Show the trust file as it is understood
    #[command(after_help = TRUST_SHOW_EXAMPLES)]
    Show,
    /// Fetch the enclave's proof and run every check (PRF-1 to PRF-17, PRF-20 to PRF-26)
    #[command(after_help = TRUST_VERIFY_EXAMPLES)]
    Verify,
    /// Write a trust file to begin with
    #[command(after_help = TRUST_INIT_EXAMPLES)]
    Init(TrustInit),
}

#[derive(Subcommand)]
pub(super) enum EvidenceCommand {
    /// Verify an attestation document of AWS Nitro Enclaves
    #[command(after_help = EVIDENCE_VERIFY_EXAMPLES)]
    Verify {
        /// The document
        file: PathBuf,
        /// As of when (RFC 3339) [default: now]
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        at: Option<u64>,
        /// Root certificate, PEM or DER [default: the one of AWS Nitro Enclaves]
        #[arg(long, value_name = "FILE")]
        root: Option<PathBuf>,
        /// Accept an enclave in debug mode, which protects nothing
        #[arg(long)]
        allow_debug: bool,
        /// Refuse if PCR N is missing or has another value (96 hexadecimal characters); can be repeated
        #[arg(long, value_name = "N=HEX", value_parser = parse_pcr)]
        expect_pcr: Vec<(u8, [u8; 48])>,
    },
}

/// What the parsers of single values cannot see: values that do not go together.
pub(super) fn check(coffer: &Coffer) -> Result<(), clap::Error> {
    let (path, checked): (&[&str], _) = match &coffer.command {
        Command::Key(KeyCommand::Import(import)) => (&["key", "import"], import.check()),
        Command::Grant(GrantCommand::Create(create)) => (&["grant", "create"], create.check()),
        Command::Sign(sign) => (&["sign"], sign.check()),
        Command::Verify(verify) => (&["verify"], verify.check()),
        Command::Encrypt(encrypt) => (&["encrypt"], encrypt.check()),
        Command::Decrypt(decrypt) => (&["decrypt"], decrypt.check()),
        _ => return Ok(()),
    };
    checked.map_err(|sentence| {
        let mut command = Coffer::command();
        command.build();
        let mut named = &mut command;
        for name in path {
            named = named
                .find_subcommand_mut(name)
                .expect("invariant: the path names a command of ours");
        }
        named.error(ErrorKind::ValueValidation, sentence)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// clap finds contradictions in the arguments' own definition.
    #[test]
    fn the_definition_is_sound() {
        Coffer::command().debug_assert();
    }

    #[test]
    fn every_command_teaches_with_an_example() {
        fn look(command: &clap::Command, path: &str, without: &mut Vec<String>) {
            let path = format!("{path}{} ", command.get_name());
            let mut below = command.get_subcommands().peekable();
            let help = command.get_after_help().map(ToString::to_string);
            let teaches = help.is_some_and(|help| help.contains("Examples:\n  coffer "));
            if below.peek().is_none() && !teaches {
                without.push(path.clone());
            }
            below.for_each(|command| look(command, &path, without));
        }
        let mut without = Vec::new();
        look(&Coffer::command(), "", &mut without);
        assert_eq!(without, [""; 0]);
    }
}
