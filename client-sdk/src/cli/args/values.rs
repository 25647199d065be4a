//! Values of arguments: what each may be, and the sentence if it is not.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use cofferdam_wire::id::{Digest, GroupId, Handle, KeyId};
use cofferdam_wire::kind::{Action, Algorithm, HashAlgorithm, KeyKind, Suite, UsageClass};
use cofferdam_wire::limits;

use crate::transport::HttpsEndpoint;

/// Fewest digits that stand for a key of this machine.
const PREFIX: usize = 4;
/// Digits of a whole key id.
const WHOLE: usize = 64;

/// A key as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyName {
    /// By its whole id.
    Whole(KeyId),
    /// By its first digits, lower case; for keys that this machine imported.
    Begins(String),
}

/// What the switch is worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// One registration.
    Handle(Handle),
    /// Every registration of a key.
    Key(KeyName),
}

pub(super) fn key_name(text: &str) -> Result<KeyName, String> {
    if let Some(key) = KeyId::from_hex(text) {
        return Ok(KeyName::Whole(key));
    }
    let is_prefix =
        (PREFIX..WHOLE).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_prefix {
        return Ok(KeyName::Begins(text.to_ascii_lowercase()));
    }
    Err("not a key id; give its 64 hexadecimal digits, or the first 4 or more".to_owned())
}

pub(super) fn target(text: &str) -> Result<Target, String> {
    match Handle::from_hex(text) {
        Some(handle) => Ok(Target::Handle(handle)),
        None => key_name(text).map(Target::Key).map_err(|_| {
            "neither a key id (64 hexadecimal digits, or the first 4 or more) nor a handle (32)"
                .to_owned()
        }),
    }
}

/// An address as it is written in the configuration: `https://HOST[:PORT]`.
pub(super) fn address(text: &str) -> Result<String, String> {
    HttpsEndpoint::origin_of(text).map_err(|_| "an address is https://HOST[:PORT]".to_owned())
}

pub(super) fn partition(text: &str) -> Result<String, String> {
    short(text, 1, limits::PARTITION_NAME, "a partition name")
}

pub(super) fn label(text: &str) -> Result<String, String> {
    short(text, 0, limits::LABEL, "a label")
}

fn short(text: &str, min: usize, max: usize, what: &str) -> Result<String, String> {
    if (min..=max).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    let len = text.len();
    Err(format!(
        "{what} has {min} to {max} bytes, and this has {len}"
    ))
}

pub(super) fn handle(text: &str) -> Result<Handle, String> {
    Handle::from_hex(text).ok_or_else(|| "a handle has 32 hexadecimal digits".to_owned())
}

pub(super) fn digest(text: &str) -> Result<Digest, String> {
    Digest::from_hex(text).ok_or_else(|| "a hash has 64 hexadecimal digits".to_owned())
}

pub(super) fn group(text: &str) -> Result<GroupId, String> {
    GroupId::from_hex(text).ok_or_else(|| "a group id has 64 hexadecimal digits".to_owned())
}

pub(super) fn kind() -> impl TypedValueParser<Value = KeyKind> {
    one_of(KeyKind::ALL.to_vec(), KeyKind::slug)
}

pub(super) fn class() -> impl TypedValueParser<Value = UsageClass> {
    one_of(UsageClass::ALL.to_vec(), UsageClass::slug)
}

pub(super) fn action() -> impl TypedValueParser<Value = Action> {
    one_of(Action::ALL.to_vec(), Action::slug)
}

pub(super) fn hash_algorithm() -> impl TypedValueParser<Value = HashAlgorithm> {
    one_of(HashAlgorithm::ALL.to_vec(), HashAlgorithm::slug)
}

/// Every algorithm.
pub(super) fn algorithm() -> impl TypedValueParser<Value = Algorithm> {
    one_of(Algorithm::ALL.to_vec(), Algorithm::slug)
}

/// The algorithms of keys of these classes.
pub(super) fn algorithm_of(classes: &[UsageClass]) -> impl TypedValueParser<Value = Algorithm> {
    let suits = |algorithm: &Algorithm| {
        let mut kinds = KeyKind::ALL.iter();
        kinds.any(|kind| {
            let mut classes = classes.iter();
            classes.any(|class| class.algorithms(*kind).contains(algorithm))
        })
    };
    let all = Algorithm::ALL.iter().copied().filter(suits).collect();
    one_of(all, Algorithm::slug)
}

pub(super) fn suite() -> impl TypedValueParser<Value = Suite> {
    one_of(Suite::ALL.to_vec(), |suite| match suite {
        Suite::XWing => "1",
        Suite::RsaOaep => "2",
    })
}

/// One of a closed list of names; the help lists them, and a near miss gets a suggestion.
fn one_of<T: Copy + Send + Sync + 'static>(
    all: Vec<T>,
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let names: Vec<_> = all.iter().map(|value| name(*value)).collect();
    PossibleValuesParser::new(names).map(move |text| {
        let found = all.iter().copied().find(|value| name(*value) == text);
        found.expect("invariant: the parser lets through what is in the list")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_by_id_or_by_four_digits() {
        let id = KeyId([0xab; 32]);
        assert_eq!(key_name(&id.to_string()), Ok(KeyName::Whole(id)));
        assert_eq!(key_name("1F3a"), Ok(KeyName::Begins("1f3a".into())));
        for text in ["1f3", "", "1f3x", "zz", &"a".repeat(65), "1f3a "] {
            assert!(key_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_target_of_32_digits_is_a_handle() {
        let digits = "5c".repeat(16);
        assert_eq!(target(&digits), Ok(Target::Handle(Handle([0x5c; 16]))));
        assert!(matches!(target(&digits[..31]), Ok(Target::Key(_))));
        assert!(target("handle").is_err());
    }

    #[test]
    fn an_address_is_https_and_a_host() {
        assert_eq!(
            address("https://parent.example/"),
            Ok("https://parent.example".into())
        );
        for text in [
            "http://parent.example",
            "parent.example",
            "https://parent.example/path",
            "https://user@parent.example",
            "https://",
        ] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_have_their_lengths() {
        assert!(partition(&"p".repeat(64)).is_ok());
        assert!(partition(&"p".repeat(65)).is_err() && partition("").is_err());
        assert!(label("").is_ok() && label(&"l".repeat(129)).is_err());
    }
}
