//! Arguments of `coffer trust init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use cofferdam_wire::id::GroupId;

use super::values;

/// Roots that a trust file can begin with. The simulator's is not among them (T-81).
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrustRoot {
    /// The root certificate that Amazon publishes for Nitro Enclaves
    AwsNitro,
}

#[derive(Args)]
pub(crate) struct TrustInit {
    /// Who vouches for enclaves
    pub(crate) root: TrustRoot,
    /// The vendor's public key: COSE_Key in hexadecimal, or a PEM file
    #[arg(long, value_name = "KEY")]
    pub(crate) vendor: String,
    /// What the provider's group is remembered under
    #[arg(long, value_name = "N", default_value = "provider")]
    pub(crate) name: String,
    /// The one group to accept
    #[arg(long, value_name = "HEX", value_parser = values::group)]
    pub(crate) group: Option<GroupId>,
    /// The one provider to accept, by its name in the vendor's table; trust verify shows it
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// The certificate authority of the provider's parent, PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) provider_ca: Option<PathBuf>,
    /// Where the trust file goes; nothing is overwritten
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}
