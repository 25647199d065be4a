//! Arguments of `coffer key` and `coffer grant`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use cofferdam_wire::kind::{Action, Algorithm, KeyKind, Suite, UsageClass};
use cofferdam_wire::limits;

use super::values::{self, KeyName};
use crate::session::now_s;
use crate::times::parse_time;

const IMPORT_EXAMPLES: &str = "\
Examples:
  coffer key import --in payments.pem --kind ec-p256 --use sign --partition payments \\
      --revocation https://status.example --interval 60
  coffer key import --in data.key --kind aes-256 --use encrypt --partition archive \\
      --no-revocation --hard-end \"$(date -u -d '+90 days' +%FT%TZ)\"

The kind and use of a key go together so:
  rsa-2048, rsa-3072, rsa-4096        sign or decrypt
  ec-p256, ec-p384, ec-p521, ed25519  sign
  aes-128, aes-256                    encrypt
  hmac                                mac

A key with --no-revocation cannot be taken back before its hard end (at most 397 days).";

const RESUME_EXAMPLES: &str = "\
Examples:
  coffer key resume
  coffer key resume 1f3a";

const LIST_EXAMPLES: &str = "\
Examples:
  coffer key list
  coffer --json key list --local

The column PROVIDER says \"confirmed\" where the provider shows a receipt that the enclave signed
and that agrees with the import in every field.";

const SHOW_EXAMPLES: &str = "\
Examples:
  coffer key show 1f3a
  coffer key show 1f3a...64 digits --partition payments";

const PUBLIC_EXAMPLES: &str = "\
Examples:
  coffer key public 1f3a > payments-public.pem";

const DESTROY_EXAMPLES: &str = "\
Examples:
  coffer key destroy 1f3a
  coffer --json key destroy 1f3a --yes

It revokes first and erases then, so a command that was cut off can be given again.
A key that this machine has destroyed already is left alone and told as such, with exit
status 0; in JSON, \"already\" is true then.";

const GRANT_CREATE_EXAMPLES: &str = "\
Examples:
  coffer grant create --keys 1f3a --ops sign,verify --app app-public.pem \\
      --expires 2030-01-31T00:00:00Z --out app.grant
  coffer grant create --ops hash,random --app app-public.pem --partition payments \\
      --expires 2030-01-31T00:00:00Z --out keyless.grant

A grant cannot be taken back by itself: keep it short, or raise the key's grant epoch with
coffer revocation grant-epoch.";

const GRANT_SHOW_EXAMPLES: &str = "\
Examples:
  coffer grant show app.grant";

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Wrap a key for the proven enclave, register it, send it, and activate it once the receipt confirms it
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(Box<Import>),
    /// Go on with imports that were interrupted (all, or one)
    #[command(after_help = RESUME_EXAMPLES)]
    Resume {
        /// Key id, or its first digits
        #[arg(value_parser = values::key_name)]
        id: Option<KeyName>,
    },
    /// List your keys: those of this machine, and those whose receipts the provider shows
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// Do not ask the provider
        #[arg(long)]
        local: bool,
    },
    /// Show one key and the state of its lease
    #[command(after_help = SHOW_EXAMPLES)]
    Show(KeyId),
    /// Print the public key in PEM
    #[command(after_help = PUBLIC_EXAMPLES)]
    Public(KeyId),
    /// Revoke a key at its services, for ever, and erase it at the provider
    #[command(after_help = DESTROY_EXAMPLES)]
    Destroy {
        #[command(flatten)]
        key: KeyId,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Args)]
pub(crate) struct KeyId {
    /// Key id, or its first digits
    #[arg(value_parser = values::key_name)]
    pub(crate) id: KeyName,
    /// Partition of a key that this machine did not import
    #[arg(long, value_name = "P", value_parser = values::partition)]
    pub(crate) partition: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One PEM block, not encrypted: RSA, EC and Ed25519 keys
    Pem,
    /// The key's bytes alone: AES and HMAC keys
    Raw,
}

/// The form that files with keys of a kind have.
fn default_format(kind: KeyKind) -> Format {
    if kind.is_asymmetric() {
        Format::Pem
    } else {
        Format::Raw
    }
}

#[derive(Args)]
#[command(group(ArgGroup::new("taking back").required(true).args(["revocation", "no_revocation"])))]
pub(crate) struct Import {
    /// File with the key
    #[arg(long = "in", value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Form of the file [default: what the kind has]
    #[arg(long)]
    pub(crate) format: Option<Format>,
    /// What the key is
    #[arg(long, value_name = "KIND", value_parser = values::kind())]
    pub(crate) kind: KeyKind,
    /// The one thing that it may be used for
    #[arg(long = "use", value_name = "USE", value_parser = values::class())]
    pub(crate) class: UsageClass,
    /// Algorithms that it may be used with [default: all that suit kind and use, except aes-gcm for aes-256]
    #[arg(long, value_delimiter = ',', value_name = "ALG,..", value_parser = values::algorithm(), hide_possible_values = true)]
    pub(crate) algorithms: Vec<Algorithm>,
    /// Your partition at the provider
    #[arg(long, value_name = "P", value_parser = values::partition)]
    pub(crate) partition: String,
    /// A configured revocation service; up to three, and any one can revoke
    #[arg(long, value_name = "URL", value_parser = values::address)]
    pub(crate) revocation: Vec<String>,
    /// Seconds after which the key stops when its services were not heard: 5 to 604800
    #[arg(long, value_name = "S", default_value_t = limits::INTERVAL_DEFAULT_S,
        value_parser = clap::value_parser!(u32).range(i64::from(limits::INTERVAL_MIN_S)..=i64::from(limits::INTERVAL_MAX_S)))]
    pub(crate) interval: u32,
    /// Seconds that a confirmation may be late: at most 3600, and at most the interval
    #[arg(long, value_name = "S", default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(..=i64::from(limits::GRACE_MAX_S)))]
    pub(crate) grace: u32,
    /// Ask the services before every single operation
    #[arg(long)]
    pub(crate) per_operation: bool,
    /// Seconds that the services' clocks may differ from the enclave's: 1 to 60
    #[arg(long, value_name = "S", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::SKEW_MAX_S)))]
    pub(crate) skew: u32,
    /// Cipher suite of both layers: 1 is post-quantum (X-Wing), 2 is RSA
    #[arg(long, value_name = "SUITE", default_value = "1", value_parser = values::suite())]
    pub(crate) suite: Suite,
    /// A note for people; the provider does not see it
    #[arg(long, value_name = "L", default_value = "", value_parser = values::label)]
    pub(crate) label: String,
    /// Import a key that nobody can revoke; it needs --hard-end
    #[arg(long, requires = "hard_end")]
    pub(crate) no_revocation: bool,
    /// When the key ends for good (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) hard_end: Option<u64>,
}

impl Import {
    pub(super) fn check(&self) -> Result<(), String> {
        let (kind, class) = (self.kind, self.class);
        let possible = class.algorithms(kind);
        if possible.is_empty() {
            let others = UsageClass::ALL.iter();
            let others = others.filter(|class| !class.algorithms(kind).is_empty());
            return Err(format!(
                "a key of kind {kind} cannot be imported for --use {class}; it can be for: {}",
                list(others)
            ));
        }
        let mut named = self.algorithms.iter();
        if let Some(algorithm) = named.find(|algorithm| !possible.contains(algorithm)) {
            return Err(format!(
                "a key of kind {kind} for --use {class} has no algorithm {algorithm}; it has: {}",
                list(possible)
            ));
        }
        let format = default_format(kind);
        if self.format.is_some_and(|named| named != format) {
            let name = if format == Format::Pem { "pem" } else { "raw" };
            return Err(format!(
                "a key of kind {kind} comes as {name}; leave --format out, or give another --kind"
            ));
        }
        if self.grace > self.interval {
            return Err(format!(
                "--grace {} is longer than --interval {}; grace is at most the interval",
                self.grace, self.interval
            ));
        }
        self.check_hard_end()?;
        self.check_services()
    }

    fn check_hard_end(&self) -> Result<(), String> {
        let (Some(end_s), Ok(now_s)) = (self.hard_end, now_s()) else {
            return Ok(());
        };
        if end_s <= now_s {
            return Err("--hard-end is not in the future".to_owned());
        }
        if self.no_revocation && end_s > now_s + limits::HARD_END_MAX_S {
            return Err(
                "--hard-end is more than 397 days away, which a key with --no-revocation may not have"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn check_services(&self) -> Result<(), String> {
        if self.revocation.len() > limits::SERVICES {
            return Err(format!(
                "a key has at most {} revocation services",
                limits::SERVICES
            ));
        }
        for (place, url) in self.revocation.iter().enumerate() {
            if self.revocation[..place].contains(url) {
                return Err(format!("--revocation {url} is given twice"));
            }
        }
        Ok(())
    }
}

#[derive(Subcommand)]
pub(crate) enum GrantCommand {
    /// Sign a grant
    #[command(after_help = GRANT_CREATE_EXAMPLES)]
    Create(GrantCreate),
    /// Show what a grant says
    #[command(after_help = GRANT_SHOW_EXAMPLES)]
    Show {
        /// The grant
        file: PathBuf,
    },
}

#[derive(Args)]
#[command(group(ArgGroup::new("audience").required(true).args(["app", "provider"])))]
pub(crate) struct GrantCreate {
    /// Key ids, or their first digits
    #[arg(long, value_delimiter = ',', value_name = "ID,..", value_parser = values::key_name)]
    pub(crate) keys: Vec<KeyName>,
    /// What may be done
    #[arg(long, value_delimiter = ',', value_name = "OP,..", required = true, value_parser = values::action())]
    pub(crate) ops: Vec<Action>,
    /// The app's public key: a PEM file, or its thumbprint in hexadecimal
    #[arg(long, value_name = "PUBKEY")]
    pub(crate) app: Option<String>,
    /// Grant to the provider's own plain API: the provider then sees the data
    #[arg(long)]
    pub(crate) provider: bool,
    /// When the grant ends (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) expires: u64,
    /// When it begins (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) not_before: Option<u64>,
    /// Grant epoch; the services can refuse all lower ones
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) epoch: u64,
    /// Partition of keys that this machine did not import
    #[arg(long, value_name = "P", value_parser = values::partition)]
    pub(crate) partition: Option<String>,
    /// Where the grant goes
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

impl GrantCreate {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.not_before.is_some_and(|begin| begin >= self.expires) {
            return Err("--expires is not after --not-before".to_owned());
        }
        if now_s().is_ok_and(|now_s| self.not_before.is_none() && self.expires <= now_s) {
            return Err("--expires is not in the future".to_owned());
        }
        if self.keys.len() > limits::KEYS_PER_GRANT {
            return Err(format!(
                "a grant names at most {} keys; make several",
                limits::KEYS_PER_GRANT
            ));
        }
        let needs_key = |action: &&Action| !matches!(action, Action::Hash | Action::Random);
        match self.ops.iter().find(needs_key) {
            Some(action) if self.keys.is_empty() => Err(format!(
                "the operation {action} needs a key; name it with --keys"
            )),
            _ => Ok(()),
        }
    }
}

fn list<'a, T: std::fmt::Display + 'a>(values: impl IntoIterator<Item = &'a T>) -> String {
    let names: Vec<_> = values.into_iter().map(ToString::to_string).collect();
    names.join(", ")
}
