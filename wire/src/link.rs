//! Messages between parent and enclave: the frame types, and the small bodies that belong to no other page.
//!
//! Types below 0x40 ask the enclave, 0x40 replies; types from 0x60 ask the parent, 0x80 replies. An app's stream uses
//! [`Message::Sealed`] and [`Message::Reply`] only.

use crate::code::Code;
use minicbor::{Decode, Encode};

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        /// Type of a frame.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Message {
            $($(#[$doc])* $name = $number,)*
        }

        impl Message {
            /// Every type.
            pub const ALL: &[Message] = &[$(Message::$name),*];

            /// From the frame's type byte.
            pub fn from_number(number: u8) -> Option<Message> {
                match number {
                    $($number => Some(Message::$name),)*
                    _ => None,
                }
            }
        }
    };
}

messages! {
    /// A nonce (CBOR bytes); reply [`crate::transcript::EnclaveProof`].
    Prove = 0x01;
    /// A challenge ([`crate::layer::Layer`]); reply: 32 raw bytes of HMAC.
    Challenge = 0x02;
    /// [`crate::import::ImportRequest`] with the vendor layer; reply [`crate::import::Imported`].
    Import = 0x03;
    /// [`crate::session::SessionOpen`]; reply: the sealed acceptance.
    OpenSession = 0x04;
    /// [`crate::session::SealedRequest`]; reply: the sealed answer.
    Sealed = 0x05;
    /// [`crate::session::ProviderRequest`]; reply: encoded [`crate::session::Answer`].
    Plain = 0x06;
    /// [`crate::status::SignedPush`]; empty reply.
    Push = 0x07;
    /// [`crate::group::GenesisRequest`]; reply [`crate::group::Genesis`].
    Genesis = 0x08;
    /// [`crate::group::RecoverRequest`]; empty reply.
    Recover = 0x09;
    /// [`crate::group::SealedShare`] to the setup key; reply [`crate::group::Recovery`].
    Share = 0x0a;
    /// Empty; reply [`Health`].
    Health = 0x0b;
    /// Encoded [`Reply`], to the parent or the app.
    Reply = 0x40;
    /// Enclave asks for a stored record: a key id (CBOR bytes); told: encoded record.
    FetchRecord = 0x60;
    /// Enclave asks for a service's certificates: [`Host`]; told: encoded [`crate::status::StatusKeys`].
    FetchStatusKeys = 0x61;
    /// Enclave asks a service: [`Courier`]; told: encoded [`crate::status::SealedAnswer`].
    AskStatus = 0x62;
    /// Enclave leaves a note: [`Note`]; nothing relies on it and nobody replies.
    Note = 0x63;
    /// Encoded [`Reply`], to the enclave.
    Told = 0x80;
}

impl Message {
    /// The frame's type byte.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// Body of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Reply {
    /// Done.
    #[n(0)]
    Done(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Refused.
    #[n(1)]
    Refused(#[n(0)] Code),
}

/// A revocation service by its host.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Host {
    /// `host` or `host:port`.
    #[n(0)]
    pub host: String,
}

/// A sealed query to carry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Courier {
    /// `host` or `host:port`.
    #[n(0)]
    pub host: String,
    /// Encoded [`crate::status::SealedQuery`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub query: Vec<u8>,
}

/// What the enclave tells the parent without being asked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Note {
    /// A signed "revoked" was seen for this key; the record may be deleted.
    #[n(1)]
    Revoked(#[n(0)] crate::id::KeyId),
    /// The key was destroyed here.
    #[n(2)]
    Destroyed(#[n(0)] crate::id::KeyId),
}

/// What the operator may know of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Health {
    /// The group key is here and operations are served.
    #[n(0)]
    pub ready: bool,
    /// Keys known to this instance now.
    #[n(1)]
    pub keys: u64,
    /// Of these, keys whose lease is Active.
    #[n(2)]
    pub active: u64,
    /// Attested time of the last reading, Unix milliseconds; 0 before the first.
    #[n(3)]
    pub attested_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::Message;

    #[test]
    fn every_type_reads_back_and_others_are_refused() {
        assert!(
            Message::ALL
                .iter()
                .all(|message| Message::from_number(message.number()) == Some(*message))
        );
        assert_eq!(Message::from_number(0), None);
        assert_eq!(Message::from_number(0xff), None);
    }
}
