//! Arguments of `coffer revocation`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use cofferdam_wire::id::{Digest, GroupId, Handle};

use super::values::{self, Target};

const REGISTER_EXAMPLES: &str = "\
Examples:
  coffer revocation register --handle 5c4e...32 digits --token-hash 8d10...64 digits \\
      --release-file release.bin --group 0a77...64 digits

Only for keys that were wrapped by another program.";

const ACTIVATE_EXAMPLES: &str = "\
Examples:
  coffer revocation activate 1f3a

An import does it by itself; after an interruption, coffer key resume does.";

const STATUS_EXAMPLES: &str = "\
Examples:
  coffer revocation status 1f3a
  coffer --json revocation status 1f3a --service https://status.example";

const SUSPEND_EXAMPLES: &str = "\
Examples:
  coffer revocation suspend 1f3a

The key stops within its interval and grace.
Without --service it is suspended at every service of the key.";

const RESUME_EXAMPLES: &str = "\
Examples:
  coffer revocation resume 1f3a";

const REVOKE_EXAMPLES: &str = "\
Examples:
  coffer revocation revoke 1f3a

There is no way back: the service destroys the secret that opens the stored key.
Revoking again succeeds.";

const GRANT_EPOCH_EXAMPLES: &str = "\
Examples:
  coffer revocation grant-epoch 1f3a --set 4
  coffer grant create --epoch 4 ...

All grants of a lower epoch end with it, within the key's interval and grace.
An epoch never falls; setting the one that is in force changes nothing.";

const LIST_EXAMPLES: &str = "\
Examples:
  coffer revocation list
  coffer --json revocation list --service https://status.example";

#[derive(Subcommand)]
pub(crate) enum RevocationCommand {
    /// Register a handle by hand (key import does it by itself)
    #[command(after_help = REGISTER_EXAMPLES)]
    Register(Register),
    /// Let the services say "good"
    #[command(after_help = ACTIVATE_EXAMPLES)]
    Activate(At),
    /// Show a registration
    #[command(after_help = STATUS_EXAMPLES)]
    Status(At),
    /// Stop a key until it is resumed
    #[command(after_help = SUSPEND_EXAMPLES)]
    Suspend(At),
    /// End a suspension
    #[command(after_help = RESUME_EXAMPLES)]
    Resume(At),
    /// Revoke a key, for ever
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke(At),
    /// Raise the lowest grant epoch that is still accepted
    #[command(after_help = GRANT_EPOCH_EXAMPLES)]
    GrantEpoch {
        #[command(flatten)]
        at: At,
        /// Grants of a lower epoch are refused from now on
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
        set: u64,
    },
    /// List all registrations
    #[command(after_help = LIST_EXAMPLES)]
    List {
        /// Only at this service
        #[arg(long, value_name = "URL", value_parser = values::address)]
        service: Option<String>,
    },
}

#[derive(Args)]
pub(crate) struct At {
    /// Key id or its first digits, or a handle (32 hexadecimal digits)
    #[arg(value_parser = values::target)]
    pub(crate) id: Target,
    /// Only at this service
    #[arg(long, value_name = "URL", value_parser = values::address)]
    pub(crate) service: Option<String>,
}

#[derive(Args)]
pub(crate) struct Register {
    /// The service
    #[arg(long, value_name = "URL", value_parser = values::address)]
    pub(crate) service: Option<String>,
    /// Handle, 32 hexadecimal digits
    #[arg(long, value_parser = values::handle)]
    pub(crate) handle: Handle,
    /// Hash of the token, 64 hexadecimal digits
    #[arg(long, value_parser = values::digest)]
    pub(crate) token_hash: Digest,
    /// File with the 32 bytes of the release secret
    #[arg(long, value_name = "FILE")]
    pub(crate) release_file: PathBuf,
    /// The group that may ask, 64 hexadecimal digits
    #[arg(long, value_parser = values::group)]
    pub(crate) group: GroupId,
}
