//! What a statement is made of: a TOML file that a person writes and keeps under version control.
//!
//! ```toml
//! version = 1
//! sequence = 12                      # higher than the last statement's
//! valid_days = 30                    # at most 90
//!
//! [[image]]
//! epoch = 3                          # of a later image: higher
//! eif = "image.json"                 # pcr0, pcr1, pcr2 and pcr8 as the build prints them, or the registers here
//! until = "2026-12-01T00:00:00Z"     # optional: Evidence from before counts; or condemned = true
//!
//! [[provider]]
//! name = "Example Cloud"
//! keys = ["..."]                     # ids of its provider keys
//! pcr3 = ["..."]                     # optional: IAM roles of its machines
//! ```

use std::path::{Path, PathBuf};

use cofferdam_wire::binding::Measurement;
use cofferdam_wire::id::{Pcr, RecipientId};
use cofferdam_wire::vendor::{Image, Provider, VendorStatement};
use cofferdam_wire::{cbor, limits};
use serde::Deserialize;

use crate::files::{self, FileError};
use crate::times::parse_time;

/// Most bytes of a description or of a build's output.
const FILE: usize = 256 * 1024;
/// What a signature and its frame add to a statement.
const ENVELOPE: usize = 80;
/// Most bytes of a provider's name.
const NAME: usize = 64;
const DAY_S: u64 = 24 * 3600;
const LONGEST_DAYS: u64 = limits::VENDOR_STATEMENT_LIFETIME_S / DAY_S;
const NO_REGISTER: Pcr = Pcr([0; 48]);

/// Why no statement is made of a description.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not TOML, not JSON, or a field is missing, unknown or of another type.
    #[error("{path} is not well formed: {reason}")]
    Form {
        /// Which file.
        path: String,
        /// What the parser says.
        reason: String,
    },
    /// A field whose content is not what it must be.
    #[error("{place} must {rule}")]
    Field {
        /// Which field of which entry.
        place: String,
        /// What it must.
        rule: &'static str,
    },
    /// Two entries about one thing.
    #[error("{first} and {second} name the same {what}; one of them has to go")]
    Twice {
        /// The first entry.
        first: String,
        /// The second.
        second: String,
        /// What both name.
        what: &'static str,
    },
    /// Customers who have seen the previous statement would refuse this one.
    #[error(
        "the sequence must be higher than {previous}, that of the previous statement, and it is {got}; customers refuse a lower one"
    )]
    Sequence {
        /// In the description.
        got: u64,
        /// In the previous statement.
        previous: u64,
    },
    /// More than fits.
    #[error(
        "the statement would have {bytes} bytes where at most {} are taken; name fewer images, providers or keys",
        limits::VENDOR_STATEMENT
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// A description whose every field was understood. Only [`Description::read`] makes one.
#[derive(Debug)]
pub struct Description {
    sequence: u64,
    valid_days: u64,
    images: Vec<Image>,
    providers: Vec<Provider>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DescriptionFile {
    version: u32,
    sequence: u64,
    valid_days: u64,
    #[serde(default, rename = "image")]
    images: Vec<ImageEntry>,
    #[serde(default, rename = "provider")]
    providers: Vec<ProviderEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageEntry {
    epoch: u64,
    eif: Option<PathBuf>,
    pcr0: Option<String>,
    pcr1: Option<String>,
    pcr2: Option<String>,
    pcr8: Option<String>,
    until: Option<String>,
    #[serde(default)]
    condemned: bool,
}

/// What the build of an image prints; it may say more.
#[derive(Deserialize)]
struct Built {
    pcr0: String,
    pcr1: String,
    pcr2: String,
    pcr8: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderEntry {
    name: String,
    keys: Vec<String>,
    #[serde(default)]
    pcr3: Vec<String>,
}

impl Description {
    /// Reads a description; files that it names are relative to it.
    pub fn read(path: &Path) -> Result<Self, DescriptionError> {
        let text = read_text(path)?;
        let file: DescriptionFile = toml::from_str(&text).map_err(|error| form(path, &error))?;
        let field = |place: &str, rule| DescriptionError::Field {
            place: place.to_owned(),
            rule,
        };
        if file.version != 1 {
            return Err(field("version", "be 1"));
        }
        if file.sequence == 0 {
            return Err(field("sequence", "be at least 1"));
        }
        if !(1..=LONGEST_DAYS).contains(&file.valid_days) {
            return Err(field("valid_days", "be between 1 and 90"));
        }
        let base = path.parent().unwrap_or(Path::new(""));
        let images = file.images.iter().enumerate();
        let providers = file.providers.iter().enumerate();
        let description = Self {
            sequence: file.sequence,
            valid_days: file.valid_days,
            images: images
                .map(|(at, entry)| entry.read(at, base))
                .collect::<Result<_, _>>()?,
            providers: providers
                .map(|(at, entry)| entry.read(at))
                .collect::<Result<_, _>>()?,
        };
        description.check_twice()?;
        Ok(description)
    }

    /// The statement, issued at `issued_s` after `previous`, if there was one.
    pub fn statement(
        self,
        previous: Option<&VendorStatement>,
        issued_s: u64,
    ) -> Result<VendorStatement, DescriptionError> {
        if let Some(previous) = previous
            && self.sequence <= previous.sequence
        {
            return Err(DescriptionError::Sequence {
                got: self.sequence,
                previous: previous.sequence,
            });
        }
        let statement = VendorStatement {
            version: 1,
            sequence: self.sequence,
            issued_s,
            not_after_s: issued_s + self.valid_days * DAY_S,
            images: self.images,
            providers: self.providers,
        };
        let bytes = cbor::encode(&statement).len() + ENVELOPE;
        if bytes > limits::VENDOR_STATEMENT {
            return Err(DescriptionError::TooLarge { bytes });
        }
        Ok(statement)
    }

    /// Readers take the worst of two entries for an image, and no provider at all for a key of two.
    fn check_twice(&self) -> Result<(), DescriptionError> {
        let twice = |kind: &str, first: usize, second: usize, what| DescriptionError::Twice {
            first: place(kind, first),
            second: place(kind, second),
            what,
        };
        for (at, image) in self.images.iter().enumerate() {
            let mut before = self.images[..at].iter();
            if let Some(first) = before.position(|other| other.measurement == image.measurement) {
                return Err(twice("image", first, at, "measurement"));
            }
        }
        for (at, provider) in self.providers.iter().enumerate() {
            let before = || self.providers[..at].iter();
            if let Some(first) = before().position(|other| other.name == provider.name) {
                return Err(twice("provider", first, at, "provider"));
            }
            let shares =
                |other: &Provider| provider.keys.iter().any(|key| other.keys.contains(key));
            if let Some(first) = before().position(shares) {
                return Err(twice("provider", first, at, "provider key"));
            }
        }
        Ok(())
    }
}

impl ImageEntry {
    fn read(&self, at: usize, base: &Path) -> Result<Image, DescriptionError> {
        let field = |name: &str, rule| refused("image", at, name, rule);
        let built = match &self.eif {
            Some(path) => {
                if [&self.pcr0, &self.pcr1, &self.pcr2, &self.pcr8]
                    .iter()
                    .any(|pcr| pcr.is_some())
                {
                    return Err(field("eif", "stand alone, without registers beside it"));
                }
                let path = base.join(path);
                let text = read_text(&path)?;
                serde_json::from_str(&text).map_err(|error| form(&path, &error))?
            }
            None => {
                let given = |name, pcr: &Option<String>| {
                    pcr.clone()
                        .ok_or_else(|| field(name, "be there, or eif in place of all registers"))
                };
                Built {
                    pcr0: given("pcr0", &self.pcr0)?,
                    pcr1: given("pcr1", &self.pcr1)?,
                    pcr2: given("pcr2", &self.pcr2)?,
                    pcr8: self.pcr8.clone(),
                }
            }
        };
        if self.epoch == 0 {
            return Err(field("epoch", "be at least 1"));
        }
        let register = |name, text: &str| {
            let pcr = Pcr::from_hex(text).ok_or_else(|| field(name, "be 96 hexadecimal digits"))?;
            if pcr == NO_REGISTER {
                return Err(field(
                    name,
                    "not be all zeros, which an enclave in debug mode or an unsigned image shows",
                ));
            }
            Ok(pcr)
        };
        let until_s = match (&self.until, self.condemned) {
            (Some(_), true) => {
                return Err(field(
                    "until",
                    "not stand beside condemned, which says more",
                ));
            }
            (None, condemned) => condemned.then_some(0),
            (Some(text), false) => Some(read_time(text).ok_or_else(|| {
                field("until", "be a time such as 2030-01-31T12:00:00Z (RFC 3339)")
            })?),
        };
        Ok(Image {
            measurement: Measurement {
                pcr0: register("pcr0", &built.pcr0)?.0,
                pcr1: register("pcr1", &built.pcr1)?.0,
                pcr2: register("pcr2", &built.pcr2)?.0,
            },
            until_s,
            pcr8: built.pcr8.map(|pcr8| register("pcr8", &pcr8)).transpose()?,
            epoch: self.epoch,
        })
    }
}

impl ProviderEntry {
    fn read(&self, at: usize) -> Result<Provider, DescriptionError> {
        let field = |name: &str, rule| refused("provider", at, name, rule);
        if !(1..=NAME).contains(&self.name.len()) {
            return Err(field("name", "have 1 to 64 bytes"));
        }
        if self.keys.is_empty() {
            return Err(field("keys", "name at least one provider key"));
        }
        let key = |text: &String| {
            RecipientId::from_hex(text)
                .ok_or_else(|| field("keys", "be ids of 64 hexadecimal digits each"))
        };
        let role = |text: &String| {
            Pcr::from_hex(text)
                .filter(|pcr| *pcr != NO_REGISTER)
                .ok_or_else(|| {
                    let rule = "be registers of 96 hexadecimal digits each, not all zeros: a machine without a role shows zeros";
                    field("pcr3", rule)
                })
        };
        let provider = Provider {
            name: self.name.clone(),
            keys: self.keys.iter().map(key).collect::<Result<_, _>>()?,
            pcr3: self.pcr3.iter().map(role).collect::<Result<_, _>>()?,
        };
        let mut keys = provider.keys.clone();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() < provider.keys.len() {
            return Err(field("keys", "name each key once"));
        }
        Ok(provider)
    }
}

fn place(kind: &str, at: usize) -> String {
    format!("{kind} {}", at + 1)
}

fn refused(kind: &str, at: usize, name: &str, rule: &'static str) -> DescriptionError {
    let place = format!("{name} of {}", place(kind, at));
    DescriptionError::Field { place, rule }
}

fn form(path: &Path, reason: &dyn std::fmt::Display) -> DescriptionError {
    DescriptionError::Form {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

fn read_text(path: &Path) -> Result<String, DescriptionError> {
    String::from_utf8(files::read(path, FILE)?).map_err(|_| form(path, &"not UTF-8"))
}

/// A time after 1970: zero is a word of its own, `condemned`.
fn read_time(text: &str) -> Option<u64> {
    parse_time(text).ok().filter(|unix_s| *unix_s > 0)
}

#[cfg(test)]
mod tests;
