//! Error codes: a closed list of numbers. No text leaves the enclave; each reader has its own sentences.
//!
//! "Absent" and "not yours" are one code (T-37), and so is every failure to open something (T-01, T-48).

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $slug:literal, $sentence:literal;)*) => {
        /// Why a request was refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name = $number,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// From its number.
            pub fn from_number(number: u16) -> Option<Code> {
                match number {
                    $($number => Some(Code::$name),)*
                    _ => None,
                }
            }

            /// A short stable name for programs, e.g. `unwrap-failed`.
            pub fn slug(self) -> &'static str {
                match self {
                    $(Code::$name => $slug,)*
                }
            }

            /// What was wrong and what to do, for a person.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Code::$name => $sentence,)*
                }
            }
        }
    };
}

codes! {
    /// Not the expected structure, truncated, not canonical, or with trailing bytes.
    Malformed = 1, "malformed", "The message is not a valid encoding; build it again with a current SDK.";
    /// Over a limit of this protocol.
    TooLarge = 2, "too-large", "The message is larger than the protocol allows; send less at once.";
    /// A version or message type that this side does not speak.
    UnsupportedVersion = 3, "unsupported-version", "This side does not speak that version or message; compare the versions of both.";
    /// A suite that is not offered, or below the floor.
    UnsupportedSuite = 4, "unsupported-suite", "The cipher suite is not offered here; choose a suite that the evidence lists.";
    /// Sealed to a key that is not held (any more).
    UnknownRecipient = 5, "unknown-recipient", "It was sealed to a key that is not held here any more, or never was; fetch the current key with fresh evidence and seal again.";
    /// A layer, challenge or share did not open. Nothing more is said.
    UnwrapFailed = 6, "unwrap-failed", "The sealed message did not open; fetch fresh evidence and seal again.";
    /// The header's time is over, not yet begun, or longer than allowed.
    HeaderExpired = 7, "header-expired", "The import's time is over (at most 24 hours); wrap the key again.";
    /// Made for another group of enclaves.
    WrongGroup = 8, "wrong-group", "It was made for another group of enclaves; check the address and fetch fresh evidence.";
    /// A signature does not verify, or was made by another key.
    BadSignature = 9, "bad-signature", "A signature does not verify; sign again with the owner's key.";
    /// No such thing for this caller, whether it exists or not.
    NotFound = 10, "not-found", "There is no such key for this caller; check the id, the partition and the grant.";
    /// The grant does not allow it.
    NotPermitted = 11, "not-permitted", "The grant does not allow this operation; ask the key's owner for a grant that names it.";
    /// The grant's time is over or its epoch was withdrawn.
    GrantExpired = 12, "grant-expired", "The grant is no longer valid; ask the key's owner for a new one.";
    /// The key's usage class or algorithms do not allow it.
    UsageRefused = 13, "usage-refused", "The key was not imported for this use or algorithm; import a key with the right --use.";
    /// The key itself is too weak or not well formed.
    WeakKey = 14, "weak-key", "The key is too weak or inconsistent; make a new one and import that.";
    /// A bound (interval, grace, hard end, lifetime) is out of range.
    OutOfRange = 15, "out-of-range", "A time or size is outside of what the image allows; see docs/promises.md for the bounds.";
    /// The key has no running lease: its revocation service did not answer "good" in time.
    LeaseUnavailable = 16, "lease-unavailable", "The key's revocation service has not confirmed it in time; check that the service runs and can be reached.";
    /// The revocation service says "suspended".
    Suspended = 17, "suspended", "The key is suspended by its revocation service; resume it there.";
    /// The revocation service said "revoked".
    Revoked = 18, "revoked", "The key is revoked, for ever; import another one.";
    /// The session, its grants or its ticket are not accepted.
    SessionRefused = 19, "session-refused", "The session is not accepted or over; open a new one.";
    /// The request's deadline is over or too far away.
    RequestExpired = 20, "request-expired", "The request came after its deadline; compare this machine's clock and send again.";
    /// Out of capacity for this partition or for now.
    Busy = 21, "busy", "There is no capacity for this now; try again in a moment.";
    /// Decryption or verification of an operation's own data failed.
    OperationFailed = 22, "operation-failed", "The data did not decrypt under this key; check key, algorithm and additional data.";
    /// A stored record was refused: altered, spliced or of another group.
    RecordRefused = 23, "record-refused", "The stored record is not one that its owner signed for this group; import the key again.";
    /// The enclave has no group key yet.
    NotReady = 24, "not-ready", "The enclave has not joined its group yet; the operator must run genesis or recovery.";
    /// Identical name with other content.
    Conflict = 25, "conflict", "Something else is registered under this name; it cannot be replaced.";
    /// Evidence, its statement or its measurements are not accepted.
    EvidenceRefused = 26, "evidence-refused", "The enclave's evidence is not accepted; check the root, the measurements and the vendor statement.";
    /// Who asks is not admitted.
    Unauthorized = 27, "unauthorized", "The caller is not admitted; check the credential, or ask the operator to admit the owner.";
    /// A share does not match its commitment.
    BadShare = 28, "bad-share", "The share does not match what genesis committed to; the named officer must use the right card.";
    /// A service on the way is not reachable.
    Unreachable = 29, "unreachable", "A service on the way cannot be reached; try again, and check addresses and network.";
    /// A defect on this side; nothing was changed.
    Internal = 30, "internal", "Something failed on this side and nothing was changed; the operator's log has the cause.";
}

impl Code {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        self as u16
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} (code {}): {}",
            self.slug(),
            self.number(),
            self.sentence()
        )
    }
}

impl std::error::Error for Code {}

impl From<crate::cbor::DecodeError> for Code {
    fn from(error: crate::cbor::DecodeError) -> Self {
        match error {
            crate::cbor::DecodeError::TooLarge { .. } => Code::TooLarge,
            _ => Code::Malformed,
        }
    }
}

impl<C> Encode<C> for Code {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.u16(self.number())?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Code {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Code::from_number(d.u16()?).ok_or_else(|| decode::Error::message("unknown code"))
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn t59_codes_are_closed_and_distinct() {
        let numbers: std::collections::BTreeSet<_> =
            Code::ALL.iter().map(|code| code.number()).collect();
        let slugs: std::collections::BTreeSet<_> =
            Code::ALL.iter().map(|code| code.slug()).collect();
        assert_eq!(numbers.len(), Code::ALL.len());
        assert_eq!(slugs.len(), Code::ALL.len());
        assert!(
            Code::ALL
                .iter()
                .all(|code| Code::from_number(code.number()) == Some(*code))
        );
        assert_eq!(Code::from_number(0), None);
        assert_eq!(Code::from_number(31), None);
    }
}
