//! Identifiers: each a hash of what it names, so a name cannot be moved to another thing.
//!
//! `H(context, x...)` is SHA-256 over the deterministic CBOR array `[context, x...]`. A structure inside x stands as the
//! byte string of its own encoding.

use crate::cbor::{Item, context_list, write_list};
use crate::context;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use sha2::{Digest as _, Sha256, Sha384};

/// H of docs/protocol/encoding.md: SHA-256 of `[context, items...]`.
///
/// The list goes into the hash as it is written, so a secret in it is not copied.
pub fn hash(context: &str, items: &[Item<'_>]) -> Digest {
    let mut encoder = Encoder::new(Hashing(Sha256::new()));
    let written = write_list(&mut encoder, context, items);
    debug_assert!(written.is_ok(), "hashing cannot fail");
    Digest(encoder.into_writer().0.finalize().into())
}

/// Hashes what is written instead of storing it.
struct Hashing(Sha256);

impl encode::Write for Hashing {
    type Error = core::convert::Infallible;

    fn write_all(&mut self, written: &[u8]) -> Result<(), Self::Error> {
        self.0.update(written);
        Ok(())
    }
}

/// SHA-384 of `[context, body]`: what Evidence carries as user_data.
pub fn user_data_hash(context: &str, body: &[u8]) -> [u8; 48] {
    Sha384::digest(context_list(context, &[Item::Bytes(body)])).into()
}

/// Plain SHA-256, where the input is a whole message that carries its own context.
pub fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident, $len:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// From a slice of exactly the right length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// From lower- or upper-case hexadecimal of exactly the right length.
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut bytes = [0; $len];
                crate::id::parse_hex(text, &mut bytes).then_some(Self(bytes))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                e.bytes(&self.0)?;
                Ok(())
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                let bytes = d.bytes()?;
                bytes.try_into().map(Self).map_err(|_| decode::Error::message("wrong length"))
            }
        }
    )*};
}

identifiers! {
    /// A SHA-256 hash.
    Digest, 32;
    /// Names a group of enclaves: H of the genesis body.
    GroupId, 32;
    /// Names a customer's partition: H of group, owner key and name.
    PartitionId, 32;
    /// Names a customer key: H of its statement, so an import repeated makes the same key again.
    KeyId, 32;
    /// Names a signing public key: H of its COSE_Key.
    Thumbprint, 32;
    /// Names a public key that something is sealed to.
    RecipientId, 32;
    /// Names a registration at a revocation service.
    Handle, 16;
    /// What the enclave shows a revocation service to ask about a key; known to customer, enclave and service only.
    Token, 32;
    /// Used once.
    Nonce, 32;
    /// Names one request of an app.
    RequestId, 16;
    /// Value of one platform configuration register: SHA-384.
    Pcr, 48;
}

impl GroupId {
    /// Of a genesis body.
    pub fn of(genesis_body: &[u8]) -> Self {
        Self(hash(context::GROUP_ID, &[Item::Bytes(genesis_body)]).0)
    }
}

impl PartitionId {
    /// Of a partition `name` (1 to 64 bytes) that `owner` (an encoded COSE_Key) has in `group`.
    pub fn of(group: &GroupId, owner: &[u8], name: &str) -> Self {
        Self(
            hash(
                context::PARTITION_ID,
                &[Item::Bytes(&group.0), Item::Bytes(owner), Item::Text(name)],
            )
            .0,
        )
    }
}

impl KeyId {
    /// Of an encoded statement.
    pub fn of(statement: &[u8]) -> Self {
        Self(hash(context::KEY_ID, &[Item::Bytes(statement)]).0)
    }
}

impl Thumbprint {
    /// Of an encoded COSE_Key.
    pub fn of(cose_key: &[u8]) -> Self {
        Self(hash(context::THUMBPRINT, &[Item::Bytes(cose_key)]).0)
    }
}

impl Handle {
    /// Of a token.
    pub fn of(token: &Token) -> Self {
        let full = hash(context::HANDLE, &[Item::Bytes(&token.0)]);
        let mut cut = [0; 16];
        cut.copy_from_slice(&full.0[..16]);
        Self(cut)
    }
}

impl Token {
    /// What the registrar leaves at the service: it recognises the token later without having stored it.
    pub fn hash(&self) -> Digest {
        hash(context::TOKEN, &[Item::Bytes(&self.0)])
    }
}

pub(crate) fn parse_hex(text: &str, out: &mut [u8]) -> bool {
    if text.len() != out.len() * 2 || !text.is_ascii() {
        return false;
    }
    out.iter_mut()
        .zip(text.as_bytes().chunks_exact(2))
        .all(|(byte, pair)| {
            let digits = (
                char::from(pair[0]).to_digit(16),
                char::from(pair[1]).to_digit(16),
            );
            if let (Some(high), Some(low)) = digits {
                *byte = (high * 16 + low) as u8;
            }
            digits.0.is_some() && digits.1.is_some()
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_reads_back_from_hex_and_cbor() {
        let id = KeyId([0xab; 32]);
        assert_eq!(KeyId::from_hex(&id.to_string()), Some(id));
        assert_eq!(
            crate::cbor::decode::<KeyId>(&crate::cbor::encode(&id), 34).unwrap(),
            id
        );
        assert_eq!(KeyId::from_hex("ab"), None);
        assert_eq!(KeyId::from_hex(&"zz".repeat(32)), None);
    }

    #[test]
    fn a_partition_depends_on_group_owner_and_name() {
        let base = PartitionId::of(&GroupId([1; 32]), b"owner", "payments");
        assert_ne!(
            base,
            PartitionId::of(&GroupId([2; 32]), b"owner", "payments")
        );
        assert_ne!(
            base,
            PartitionId::of(&GroupId([1; 32]), b"owneR", "payments")
        );
        assert_ne!(
            base,
            PartitionId::of(&GroupId([1; 32]), b"owner", "payment")
        );
    }
}
