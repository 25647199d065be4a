//! Arguments of what apps do: each operation has the options that mean something for it, and no others.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use cofferdam_wire::kind::{Algorithm, HashAlgorithm, KeyKind, UsageClass};
use cofferdam_wire::limits;

use super::values::{self, KeyName};

/// Longest wait for a lease that fits under the protocol's deadline, seconds.
const WAIT_MAX_S: u64 = 115;

pub(super) const SIGN_EXAMPLES: &str = "\
Examples:
  coffer sign --key 1f3a --alg ecdsa-sha256 --in invoice.pdf --out invoice.sig
  coffer sign --key 1f3a --alg rsa-pss-sha256 --in invoice.pdf --out invoice.sig \\
      --grant app.grant --app-key app.pem
  coffer --json sign --key 1f3a --alg ed25519 < message

What is longer than 48 KiB is hashed on this machine and signed as a digest, except for ed25519.

JSON:           {\"key\", \"algorithm\", \"signature\": base64}
with --out FILE {\"key\", \"algorithm\", \"out\": file, \"bytes\": how many}";

pub(super) const VERIFY_EXAMPLES: &str = "\
Examples:
  coffer verify --key 1f3a --alg ecdsa-sha256 --in invoice.pdf --signature invoice.sig
  coffer verify --key 77c0 --alg hmac-sha256 --in message --signature message.mac

Exit status 0 and \"valid\", or 1 and the code \"invalid\".
Anybody can verify a signature without an enclave: coffer key public, and openssl.

JSON: {\"key\", \"algorithm\", \"valid\": true}";

pub(super) const ENCRYPT_EXAMPLES: &str = "\
Examples:
  coffer encrypt --key 9b01 --alg xaes-256-gcm --in report --out report.enc
  coffer encrypt --key 9b01 --alg xaes-256-gcm --in report --aad context --out report.enc

JSON:           {\"key\", \"algorithm\", \"ciphertext\": base64}
with --out FILE {\"key\", \"algorithm\", \"out\": file, \"bytes\": how many}";

pub(super) const DECRYPT_EXAMPLES: &str = "\
Examples:
  coffer decrypt --key 9b01 --alg xaes-256-gcm --in report.enc --out report
  coffer decrypt --key 1f3a --alg rsa-oaep-sha256 --in secret.enc

A new file is readable by you only.

JSON:           {\"key\", \"algorithm\", \"plaintext\": base64}
with --out FILE {\"key\", \"algorithm\", \"out\": file, \"bytes\": how many}";

pub(super) const MAC_EXAMPLES: &str = "\
Examples:
  coffer mac --key 77c0 --alg hmac-sha256 --in message --out message.mac

JSON:           {\"key\", \"algorithm\", \"mac\": base64}
with --out FILE {\"key\", \"algorithm\", \"out\": file, \"bytes\": how many}";

pub(super) const HASH_EXAMPLES: &str = "\
Examples:
  coffer hash --in message
  coffer hash --alg sha-512 --in message --out message.sha512

Prints hexadecimal digits; a file gets the bytes themselves.

JSON:           {\"algorithm\", \"hash\": hex}
with --out FILE {\"algorithm\", \"out\": file, \"bytes\": how many}";

pub(super) const RANDOM_EXAMPLES: &str = "\
Examples:
  coffer random --bytes 32
  coffer random --bytes 32 --out data.key

Prints hexadecimal digits; a file gets the bytes themselves. A new file is readable by you only.

JSON:           {\"random\": hex}
with --out FILE {\"out\": file, \"bytes\": how many}";

/// How an ECDSA signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EcdsaForm {
    /// SEQUENCE of two integers, as X.509, TLS and openssl have it
    Der,
    /// r || s of fixed length, as the enclave gives it
    Raw,
}

/// Under which right an operation with a key is done.
#[derive(Args)]
pub(crate) struct Access {
    /// Key id, or its first digits
    #[arg(long, value_name = "ID", value_parser = values::key_name)]
    pub(crate) key: KeyName,
    /// A grant for the app key [default: the owner's own, made now]
    #[arg(long, value_name = "FILE")]
    pub(crate) grant: Option<PathBuf>,
    /// The app's private key, instead of the configured one
    #[arg(long, value_name = "FILE", requires = "grant")]
    pub(crate) app_key: Option<PathBuf>,
    /// Partition of a key that this machine did not import; a grant names it itself
    #[arg(long, value_name = "P", value_parser = values::partition, conflicts_with = "grant")]
    pub(crate) partition: Option<String>,
    /// Seconds to wait until the key's revocation services have confirmed it: 1 to 115
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=WAIT_MAX_S))]
    pub(crate) wait: u64,
}

#[derive(Args)]
pub(crate) struct Sign {
    #[command(flatten)]
    pub(crate) access: Access,
    /// Algorithm
    #[arg(long, value_name = "ALG", value_parser = values::algorithm_of(&[UsageClass::Sign]))]
    pub(crate) alg: Algorithm,
    /// What to sign; - is standard input
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,
    /// Where the signature goes [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// How an ECDSA signature is written [default: der]
    #[arg(long, value_name = "FORM")]
    pub(crate) ecdsa: Option<EcdsaForm>,
}

#[derive(Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) access: Access,
    /// Algorithm
    #[arg(long, value_name = "ALG", value_parser = values::algorithm_of(&[UsageClass::Sign, UsageClass::Mac]))]
    pub(crate) alg: Algorithm,
    /// What was signed; - is standard input
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,
    /// The signature or MAC to verify; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: PathBuf,
    /// Where the verdict goes [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// How an ECDSA signature is written [default: der]
    #[arg(long, value_name = "FORM")]
    pub(crate) ecdsa: Option<EcdsaForm>,
}

#[derive(Args)]
pub(crate) struct Encrypt {
    #[command(flatten)]
    pub(crate) access: Access,
    /// Algorithm
    #[arg(long, value_name = "ALG", value_parser = values::algorithm_of(&[UsageClass::Encrypt, UsageClass::Decrypt]))]
    pub(crate) alg: Algorithm,
    /// What to encrypt; - is standard input
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,
    /// Where the ciphertext goes [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Additional data (AES) or label (OAEP), at most 1 KiB; needed again to decrypt
    #[arg(long, value_name = "FILE")]
    pub(crate) aad: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Decrypt {
    #[command(flatten)]
    pub(crate) access: Access,
    /// Algorithm
    #[arg(long, value_name = "ALG", value_parser = values::algorithm_of(&[UsageClass::Encrypt, UsageClass::Decrypt]))]
    pub(crate) alg: Algorithm,
    /// What to decrypt; - is standard input
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,
    /// Where the plaintext goes [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Additional data (AES) or label (OAEP) that it was encrypted with
    #[arg(long, value_name = "FILE")]
    pub(crate) aad: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Mac {
    #[command(flatten)]
    pub(crate) access: Access,
    /// Algorithm
    #[arg(long, value_name = "ALG", value_parser = values::algorithm_of(&[UsageClass::Mac]))]
    pub(crate) alg: Algorithm,
    /// The message; - is standard input
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,
    /// Where the MAC goes [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Hash {
    /// Hash function
    #[arg(long, value_name = "ALG", default_value = "sha-256", value_parser = values::hash_algorithm())]
    pub(crate) alg: HashAlgorithm,
    /// What to hash; - is standard input
    #[arg(long = "in", value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,
    /// Where the hash goes, as bytes [default: standard output, in hexadecimal]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) access: KeylessAccess,
}

#[derive(Args)]
pub(crate) struct Random {
    /// How many bytes: 1 to 4096
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=limits::RANDOM as i64))]
    pub(crate) bytes: u16,
    /// Where they go, as bytes [default: standard output, in hexadecimal]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) access: KeylessAccess,
}

/// Under which right an operation without a key is done.
#[derive(Args)]
pub(crate) struct KeylessAccess {
    /// A grant for the app key [default: the owner's own, made now]
    #[arg(long, value_name = "FILE")]
    pub(crate) grant: Option<PathBuf>,
    /// The app's private key, instead of the configured one
    #[arg(long, value_name = "FILE", requires = "grant")]
    pub(crate) app_key: Option<PathBuf>,
}

impl Sign {
    pub(super) fn check(&self) -> Result<(), String> {
        check_form(self.ecdsa, self.alg)
    }
}

impl Verify {
    pub(super) fn check(&self) -> Result<(), String> {
        check_form(self.ecdsa, self.alg)?;
        one_stdin(&[("--in", &self.input), ("--signature", &self.signature)])
    }
}

impl Encrypt {
    pub(super) fn check(&self) -> Result<(), String> {
        check_aad(&self.input, self.aad.as_deref())
    }
}

impl Decrypt {
    pub(super) fn check(&self) -> Result<(), String> {
        check_aad(&self.input, self.aad.as_deref())
    }
}

/// The curve of an ECDSA algorithm.
pub(crate) fn curve(algorithm: Algorithm) -> Option<KeyKind> {
    match algorithm {
        Algorithm::EcdsaSha256 => Some(KeyKind::EcP256),
        Algorithm::EcdsaSha384 => Some(KeyKind::EcP384),
        Algorithm::EcdsaSha512 => Some(KeyKind::EcP521),
        _ => None,
    }
}

fn check_form(form: Option<EcdsaForm>, algorithm: Algorithm) -> Result<(), String> {
    match (form, curve(algorithm)) {
        (Some(_), None) => Err(format!(
            "--ecdsa is for ecdsa algorithms, and {algorithm} is none"
        )),
        _ => Ok(()),
    }
}

fn check_aad(input: &Path, aad: Option<&Path>) -> Result<(), String> {
    aad.map_or(Ok(()), |aad| one_stdin(&[("--in", input), ("--aad", aad)]))
}

fn one_stdin(files: &[(&str, &Path)]) -> Result<(), String> {
    let stdin: Vec<_> = files
        .iter()
        .filter(|(_, path)| *path == Path::new("-"))
        .map(|(option, _)| *option)
        .collect();
    if stdin.len() > 1 {
        let sentence = "cannot both be standard input; name a file for one of them";
        return Err(format!("{} {sentence}", stdin.join(" and ")));
    }
    Ok(())
}
