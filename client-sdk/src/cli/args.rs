//! The arguments of `coffer`. Their names and meanings are stable.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use cofferdam_wire::kind::{Action, Algorithm, KeyKind, UsageClass};

use super::evidence::parse_pcr;
use super::times::parse_time;

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

Exit status: 0 done, 1 refused or failed, 2 wrong usage.";

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
pub(super) struct Global {
    /// Configuration file [default: ~/.coffer/coffer.toml]
    #[arg(long, global = true, value_name = "FILE", env = "COFFER_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Address of the provider's parent, instead of the configured one
    #[arg(long, global = true, value_name = "URL", env = "COFFER_URL")]
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
    Sign(Operation),
    /// Verify a signature or a MAC over a file
    Verify(Operation),
    /// Encrypt a file of at most 48 KiB
    Encrypt(Operation),
    /// Decrypt a file
    Decrypt(Operation),
    /// Compute the MAC of a file of at most 48 KiB
    Mac(Operation),
    /// Look at attestation documents
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Work the switch: suspend, resume, revoke
    #[command(subcommand)]
    Revocation(RevocationCommand),
    /// Print a completion script for a shell
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
    Show,
    /// Fetch the enclave's proof and run every check (PRF-1 to PRF-17)
    Verify,
}

#[derive(Subcommand)]
pub(super) enum KeyCommand {
    /// Wrap a key for the proven enclave, register it, send it, and activate it once the receipt confirms it
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(Box<Import>),
    /// Go on with imports that were interrupted (all, or one)
    Resume {
        /// Key id, or its first digits
        id: Option<String>,
    },
    /// List your keys: those of this machine, and those whose receipts the provider shows
    List {
        /// Do not ask the provider
        #[arg(long)]
        local: bool,
    },
    /// Show one key and the state of its lease
    Show(KeyId),
    /// Print the public key in PEM
    Public(KeyId),
    /// Revoke a key at its services, for ever, and erase it at the provider
    Destroy {
        #[command(flatten)]
        key: KeyId,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  coffer key import --in payments.pem --kind ec-p256 --use sign --partition payments \\
      --revocation https://status.example --interval 60
  coffer key import --in data.key --kind aes-256 --use encrypt --partition archive \\
      --no-revocation --hard-end 2030-01-31T00:00:00Z

A key with --no-revocation cannot be taken back before its hard end (at most 397 days).";

#[derive(Args)]
pub(super) struct KeyId {
    /// Key id, or its first digits
    pub(super) id: String,
    /// Partition of a key that this machine did not import
    #[arg(long, value_name = "P")]
    pub(super) partition: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// One PEM block, not encrypted: RSA, EC and Ed25519 keys
    Pem,
    /// The key's bytes alone: AES and HMAC keys
    Raw,
}

#[derive(Args)]
#[command(group(ArgGroup::new("taking back").required(true).args(["revocation", "no_revocation"])))]
pub(super) struct Import {
    /// File with the key
    #[arg(long = "in", value_name = "FILE")]
    pub(super) input: PathBuf,
    /// Form of the file [default: what the kind has]
    #[arg(long)]
    pub(super) format: Option<Format>,
    /// What the key is, e.g. rsa-3072, ec-p256, ed25519, aes-256, hmac
    #[arg(long, value_parser = kind)]
    pub(super) kind: KeyKind,
    /// The one thing that it may be used for: sign, decrypt, mac or encrypt
    #[arg(long = "use", value_name = "USE", value_parser = class)]
    pub(super) class: UsageClass,
    /// Algorithms that it may be used with [default: all that suit kind and use, except aes-gcm for aes-256]
    #[arg(long, value_delimiter = ',', value_name = "ALG,..", value_parser = algorithm)]
    pub(super) algorithms: Vec<Algorithm>,
    /// Your partition at the provider
    #[arg(long, value_name = "P")]
    pub(super) partition: String,
    /// A configured revocation service; up to three, and any one can revoke
    #[arg(long, value_name = "URL")]
    pub(super) revocation: Vec<String>,
    /// Seconds after which the key stops when its services were not heard
    #[arg(long, value_name = "S", default_value_t = cofferdam_wire::limits::INTERVAL_DEFAULT_S)]
    pub(super) interval: u32,
    /// Seconds that a confirmation may be late
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(super) grace: u32,
    /// Ask the services before every single operation
    #[arg(long)]
    pub(super) per_operation: bool,
    /// Seconds that the services' clocks may differ from the enclave's
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(super) skew: u32,
    /// Cipher suite of both layers: 1 is post-quantum (X-Wing), 2 is RSA
    #[arg(long, value_name = "1|2", default_value = "1", value_parser = suite)]
    pub(super) suite: cofferdam_wire::kind::Suite,
    /// A note for people; the provider does not see it
    #[arg(long, value_name = "L", default_value = "")]
    pub(super) label: String,
    /// Import a key that nobody can revoke; it needs --hard-end
    #[arg(long, requires = "hard_end")]
    pub(super) no_revocation: bool,
    /// When the key ends for good (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) hard_end: Option<u64>,
}

#[derive(Subcommand)]
pub(super) enum GrantCommand {
    /// Sign a grant
    Create(GrantCreate),
    /// Show what a grant says
    Show {
        /// The grant
        file: PathBuf,
    },
}

#[derive(Args)]
#[command(group(ArgGroup::new("audience").required(true).args(["app", "provider"])))]
pub(super) struct GrantCreate {
    /// Key ids, or their first digits
    #[arg(long, value_delimiter = ',', value_name = "ID,..")]
    pub(super) keys: Vec<String>,
    /// What may be done: sign, verify, encrypt, decrypt, mac, public-key, describe, destroy, hash, random
    #[arg(long, value_delimiter = ',', value_name = "OP,..", required = true, value_parser = action)]
    pub(super) ops: Vec<Action>,
    /// The app's public key: a PEM file, or its thumbprint in hexadecimal
    #[arg(long, value_name = "PUBKEY")]
    pub(super) app: Option<String>,
    /// Grant to the provider's own plain API: the provider then sees the data
    #[arg(long)]
    pub(super) provider: bool,
    /// When the grant ends (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) expires: u64,
    /// When it begins (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) not_before: Option<u64>,
    /// Grant epoch; the services can refuse all lower ones
    #[arg(long, default_value_t = 0)]
    pub(super) epoch: u64,
    /// Partition of keys that this machine did not import
    #[arg(long, value_name = "P")]
    pub(super) partition: Option<String>,
    /// Where the grant goes
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
}

/// How an ECDSA signature is written.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum EcdsaForm {
    /// SEQUENCE of two integers, as X.509, TLS and openssl have it
    Der,
    /// r || s of fixed length, as the enclave gives it
    Raw,
}

#[derive(Args)]
pub(super) struct Operation {
    /// Key id, or its first digits
    #[arg(long, value_name = "ID")]
    pub(super) key: String,
    /// Algorithm, e.g. ecdsa-sha256, rsa-pss-sha256, xaes-256-gcm, hmac-sha256
    #[arg(long, value_name = "ALG", value_parser = algorithm)]
    pub(super) alg: Algorithm,
    /// What to work on; - is standard input
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    pub(super) input: PathBuf,
    /// Where the result goes; - is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(super) out: PathBuf,
    /// Additional data (AES) or label (OAEP)
    #[arg(long, value_name = "FILE")]
    pub(super) aad: Option<PathBuf>,
    /// The signature or MAC to verify
    #[arg(long, value_name = "FILE")]
    pub(super) signature: Option<PathBuf>,
    /// How an ECDSA signature is written and read: as openssl does, or r || s
    #[arg(long, value_name = "FORM", value_enum, default_value_t = EcdsaForm::Der)]
    pub(super) ecdsa: EcdsaForm,
    /// A grant for the app key [default: the owner's own, made now]
    #[arg(long, value_name = "FILE")]
    pub(super) grant: Option<PathBuf>,
    /// The app's private key, instead of the configured one
    #[arg(long, value_name = "FILE", requires = "grant")]
    pub(super) app_key: Option<PathBuf>,
    /// Partition of a key that this machine did not import
    #[arg(long, value_name = "P")]
    pub(super) partition: Option<String>,
}

#[derive(Subcommand)]
pub(super) enum EvidenceCommand {
    /// Verify an attestation document of AWS Nitro Enclaves
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

#[derive(Subcommand)]
pub(super) enum RevocationCommand {
    /// Register a handle by hand (key import does it by itself)
    Register(Register),
    /// Let the services say "good"
    Activate(At),
    /// Show a registration
    Status(At),
    /// Stop a key until it is resumed
    Suspend(At),
    /// End a suspension
    Resume(At),
    /// Revoke a key, for ever
    Revoke(At),
    /// List all registrations
    List {
        /// Only at this service
        #[arg(long, value_name = "URL")]
        service: Option<String>,
    },
}

#[derive(Args)]
pub(super) struct At {
    /// Key id or its first digits, or a handle (32 hexadecimal digits)
    pub(super) id: String,
    /// Only at this service
    #[arg(long, value_name = "URL")]
    pub(super) service: Option<String>,
}

#[derive(Args)]
pub(super) struct Register {
    /// The service
    #[arg(long, value_name = "URL")]
    pub(super) service: Option<String>,
    /// Handle, 32 hexadecimal digits
    #[arg(long, value_parser = handle)]
    pub(super) handle: cofferdam_wire::id::Handle,
    /// Hash of the token, 64 hexadecimal digits
    #[arg(long, value_parser = digest)]
    pub(super) token_hash: cofferdam_wire::id::Digest,
    /// File with the 32 bytes of the release secret
    #[arg(long, value_name = "FILE")]
    pub(super) release_file: PathBuf,
    /// The group that may ask, 64 hexadecimal digits
    #[arg(long, value_parser = group)]
    pub(super) group: cofferdam_wire::id::GroupId,
}

fn named<T: Copy + std::fmt::Display>(
    text: &str,
    all: &[T],
    found: Option<T>,
) -> Result<T, String> {
    let names = || {
        all.iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    found.ok_or_else(|| format!("\"{text}\" is none of: {}", names()))
}

fn kind(text: &str) -> Result<KeyKind, String> {
    named(text, KeyKind::ALL, KeyKind::from_slug(text))
}

fn class(text: &str) -> Result<UsageClass, String> {
    named(text, UsageClass::ALL, UsageClass::from_slug(text))
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    named(text, Algorithm::ALL, Algorithm::from_slug(text))
}

fn action(text: &str) -> Result<Action, String> {
    named(text, Action::ALL, Action::from_slug(text))
}

fn suite(text: &str) -> Result<cofferdam_wire::kind::Suite, String> {
    let suites = cofferdam_wire::kind::Suite::ALL;
    let found = suites
        .iter()
        .copied()
        .find(|suite| suite.number().to_string() == text);
    found.ok_or_else(|| "a suite is 1 or 2".to_owned())
}

fn handle(text: &str) -> Result<cofferdam_wire::id::Handle, String> {
    cofferdam_wire::id::Handle::from_hex(text)
        .ok_or_else(|| "a handle has 32 hexadecimal digits".to_owned())
}

fn digest(text: &str) -> Result<cofferdam_wire::id::Digest, String> {
    cofferdam_wire::id::Digest::from_hex(text)
        .ok_or_else(|| "a hash has 64 hexadecimal digits".to_owned())
}

fn group(text: &str) -> Result<cofferdam_wire::id::GroupId, String> {
    cofferdam_wire::id::GroupId::from_hex(text)
        .ok_or_else(|| "a group id has 64 hexadecimal digits".to_owned())
}
