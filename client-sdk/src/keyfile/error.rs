//! Why a key file was refused, in sentences that its owner can act on. No variant carries bytes of the file.

use cofferdam_wire::kind::KeyKind;

use crate::crypto::public_key::PublicKeyError;

/// Why a key file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Longer than any key file.
    #[error(
        "the file has {actual} bytes, more than a key file ever has ({limit}); is it the right file?"
    )]
    TooLarge {
        /// Most bytes that are read.
        limit: usize,
        /// Bytes of the file.
        actual: usize,
    },
    /// No PEM block.
    #[error(
        "the file holds no PEM block (\"-----BEGIN ...\"); convert a binary (DER) key with: \
         openssl pkey -inform DER -in FILE -out NEW.pem"
    )]
    NotPem,
    /// More than one PEM block, for example EC PARAMETERS before the key or a certificate behind it.
    #[error(
        "the file holds {count} PEM blocks, where one key is needed; leave only that one \
         (openssl pkey -in FILE -out NEW.pem takes the first key)"
    )]
    SeveralBlocks {
        /// Blocks found.
        count: usize,
    },
    /// Text before or behind the block, such as bag attributes.
    #[error(
        "the file holds text outside of the PEM block; leave only the key: openssl pkey -in FILE -out NEW.pem"
    )]
    TextOutside,
    /// An end without a beginning, or a beginning without an end.
    #[error(
        "the PEM block {has} but its {lacks} line is missing, so the file was cut; copy it again, whole"
    )]
    CutPem {
        /// What is there.
        has: &'static str,
        /// What is not.
        lacks: &'static str,
    },
    /// Its two labels differ, or its base64 is broken.
    #[error(
        "the PEM block is damaged: its BEGIN and END lines or its base64 text are not well formed"
    )]
    DamagedPem,
    /// Encrypted, in either of the two ways.
    #[error(
        "the file is an encrypted private key; decrypt it first with: openssl pkey -in FILE -out NEW.pem"
    )]
    Encrypted,
    /// OpenSSH's own format.
    #[error(
        "the file is in OpenSSH's own format; convert a copy of it with: ssh-keygen -p -m PKCS8 -N \"\" -f COPY"
    )]
    OpenSsh,
    /// A certificate where a private key is needed.
    #[error(
        "the file holds a certificate, which has no private key in it; give the file with the private key"
    )]
    Certificate,
    /// A public key where a private key is needed.
    #[error(
        "the file holds a public key, where the private key is needed; give the file with the private key"
    )]
    PublicHalf,
    /// A block of another kind.
    #[error("the file holds a \"{label}\", where {expected} is needed")]
    UnexpectedBlock {
        /// Label of the block, cut to 40 characters.
        label: String,
        /// What is needed.
        expected: &'static str,
    },
    /// Bytes behind the end of the structure.
    #[error(
        "there are bytes behind the end of the {structure}; the file is damaged or hides something"
    )]
    TrailingData {
        /// Which structure ended.
        structure: &'static str,
    },
    /// Not the structure that the label promises.
    #[error("the {structure} is not well formed DER, or in a form that is not supported")]
    Malformed {
        /// Which structure.
        structure: &'static str,
    },
    /// Attributes or extension fields in PKCS#8.
    #[error(
        "the PKCS#8 structure carries attributes or extensions, which would be lost; \
         write the key without them: openssl pkey -in FILE -traditional -out NEW.pem"
    )]
    Attributes,
    /// An algorithm that is not supported, by its object identifier.
    #[error(
        "the key's algorithm ({oid}) is not supported; rsa, ec (P-256, P-384, P-521) and ed25519 are"
    )]
    UnknownAlgorithm {
        /// Object identifier in the file.
        oid: String,
    },
    /// A curve that is not supported, or one spelled out in numbers.
    #[error("the curve is {curve}; P-256, P-384 and P-521, given by name, are supported")]
    UnknownCurve {
        /// Object identifier in the file, or what stands there instead.
        curve: String,
    },
    /// The RSA modulus or exponent, or the point, is refused.
    #[error(transparent)]
    PublicKey(#[from] PublicKeyError),
    /// More than two primes.
    #[error("the RSA key has more than two primes, which is not supported; make a new key")]
    MultiPrime,
    /// A private number of the RSA key has a length that no sound key has.
    #[error("the number {number} of the RSA key has an impossible length; the file is damaged")]
    RsaNumber {
        /// d, p, q, dP, dQ or qInv.
        number: &'static str,
    },
    /// The scalar is 0, not below the group order, or not as long as the curve's field.
    #[error(
        "the private number of the {kind} key is out of range or has a wrong length; the file is damaged"
    )]
    Scalar {
        /// Kind of the key.
        kind: KeyKind,
    },
    /// Two halves that do not belong together.
    #[error(
        "the public key in the file does not belong to the private key in it; the file is damaged or tampered with"
    )]
    PublicMismatch,
    /// Another kind than the one asked for.
    #[error(
        "the file holds a key of kind {found}, not {expected}; import it with --kind {found} or give another file"
    )]
    WrongKind {
        /// Kind asked for.
        expected: KeyKind,
        /// Kind in the file.
        found: KeyKind,
    },
    /// A raw key of a wrong length.
    #[error(
        "a raw {kind} key has {expected} bytes and the file has {actual}; the file must hold the key's bytes alone, \
         not hex, not base64, no line end"
    )]
    RawLength {
        /// Kind asked for.
        kind: KeyKind,
        /// The right length, in words.
        expected: &'static str,
        /// Bytes of the file.
        actual: usize,
    },
    /// A raw key of equal bytes.
    #[error("the raw key consists of one byte repeated, so it is no key")]
    RawConstant,
    /// Owner and app keys are Ed25519 or P-256.
    #[error("the key is {found}; this key signs in the protocol and must be ed25519 or ec-p256")]
    NotASigner {
        /// Kind in the file.
        found: KeyKind,
    },
}
