//! Arguments of `coffer vendor`.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use crate::times::parse_time;

const INIT_EXAMPLES: &str = "\
Examples:
  coffer vendor init --out vendor.pem
  coffer vendor init --kind p256 --out vendor.pem";

const SHOW_EXAMPLES: &str = "\
Examples:
  coffer vendor show statement-2.cbor --vendor vendor-public.pem
  coffer --json vendor show statement-2.cbor --vendor a30101... --at 2026-01-31T00:00:00Z";

const STATEMENT_EXAMPLES: &str = "\
Examples:
  coffer vendor statement --key vendor.pem --in statement.toml --first --out statement-1.cbor
  coffer vendor statement --key vendor.pem --in statement.toml --after statement-1.cbor --out statement-2.cbor

The description is a TOML file: docs/operating/vendor.md.";

#[derive(Subcommand)]
pub(crate) enum VendorCommand {
    /// Make the key that signs statements; keep it offline
    #[command(after_help = INIT_EXAMPLES)]
    Init(VendorInit),
    /// Sign a statement of what a description says
    #[command(after_help = STATEMENT_EXAMPLES)]
    Statement(StatementOptions),
    /// Verify a statement and show what it says
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowOptions),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VendorKeyKind {
    Ed25519,
    P256,
}

#[derive(Args)]
pub(crate) struct VendorInit {
    /// Where the private key goes (PKCS#8 in PEM); nothing is overwritten
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// What kind of key
    #[arg(long, value_enum, default_value_t = VendorKeyKind::Ed25519)]
    pub(crate) kind: VendorKeyKind,
}

#[derive(Args)]
#[command(group(ArgGroup::new("previous").required(true).args(["after", "first"])))]
pub(crate) struct StatementOptions {
    /// The vendor's private key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The description
    #[arg(long = "in", value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// The statement before this one
    #[arg(long, value_name = "FILE")]
    pub(crate) after: Option<PathBuf>,
    /// There is none before this one
    #[arg(long)]
    pub(crate) first: bool,
    /// Where the statement goes
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Args)]
pub(crate) struct ShowOptions {
    /// The statement
    pub(crate) file: PathBuf,
    /// The vendor's public key: COSE_Key in hexadecimal, or a PEM file
    #[arg(long, value_name = "KEY")]
    pub(crate) vendor: String,
    /// As of when (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) at: Option<u64>,
}
