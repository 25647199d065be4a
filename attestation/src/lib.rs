//! The Verifier of AWS Nitro Enclaves Evidence.
//!
//! An attestation document of the Nitro Security Module (NSM) is a COSE_Sign1 over a map: who the
//! enclave is, what its image measures, and up to three values that the enclave passed in. The
//! NSM signs it with a key whose certificate leads to Amazon's root. This crate decides whether
//! such a document is Evidence: under a root that the *caller* pins, at a time that the caller
//! gives, and equal to what the caller expects.
//!
//! It trusts the pinned root. It trusts nothing else: neither the parent that carries the
//! document, nor any certificate inside it before the root has spoken for it. It opens no file
//! and no socket, reads no clock and never panics; memory is bounded by [`MAX_DOCUMENT`]. It asks for
//! no revocation list either: a leaf lives three hours, and what it signs is bound by a nonce.
//! A document's bytes are no identity: of every ECDSA signature anybody can write the second form,
//! which is as valid.
//!
//! ```
//! use cofferdam_attestation::{Expected, aws_nitro_root, verify};
//!
//! # fn judge(document: &[u8], clock_s: u64, nonce: &[u8], pcr0: [u8; 48]) -> bool {
//! let expected = Expected {
//!     nonce: Some(nonce),
//!     pcrs: &[(0, pcr0)],
//!     ..Expected::default()
//! };
//! match verify(document, &aws_nitro_root(), clock_s, &expected) {
//!     Ok(evidence) => !evidence.debug(),
//!     Err(_) => false,
//! }
//! # }
//! # assert!(!judge(b"no document", 0, b"", [0; 48]));
//! ```
//!
//! # The rules
//!
//! In the order in which they are applied; [`EvidenceError`] has a variant for each.
//!
//! | id | a document must |
//! |---|---|
//! | ATT-01 | be of 1 to 16,384 bytes |
//! | ATT-02 | be an array of four in shortest encoding, under tag 18 or none |
//! | ATT-03 | have the protected header {1: -35} (ES384), bytes a1 01 38 22 |
//! | ATT-04 | have an empty unprotected header |
//! | ATT-05 | end where it ends, and so must its payload |
//! | ATT-06 | have as payload one map of the types that Nitro writes, in shortest encoding; maps and arrays may be indefinite |
//! | ATT-07 | have no key twice, in the payload or among the PCRs |
//! | ATT-08 | have no key but module_id, digest, timestamp, pcrs, certificate, cabundle, public_key, user_data, nonce |
//! | ATT-09 | have the first six of these |
//! | ATT-10 | name its module in 1 to 256 printable ASCII characters |
//! | ATT-11 | name SHA384 as its digest |
//! | ATT-12 | have a time other than zero |
//! | ATT-13 | have 1 to 32 PCRs with indices below 32 |
//! | ATT-14 | have PCRs of 48 bytes |
//! | ATT-15 | have certificates of 1 to 1,024 bytes |
//! | ATT-16 | have 1 to 7 certificates in its cabundle |
//! | ATT-17 | have at most 1,024 bytes each of public key, user data and nonce |
//! | ATT-18 | have certificates that are version 3, in DER |
//! | ATT-19 | lead by name and signature to the pinned root, whatever root it brings along |
//! | ATT-20 | have no certificate on its path that is not yet valid at the given time |
//! | ATT-21 | have none that has ended then; the second of notAfter is too late |
//! | ATT-22 | have certificates for P-384, signed with ECDSA and SHA-384 |
//! | ATT-23 | have CAs as issuers and a leaf that is none |
//! | ATT-24 | keep to the path lengths of its CAs |
//! | ATT-25 | have keyCertSign in each issuer and digitalSignature in the leaf |
//! | ATT-26 | have no critical extension that is unknown here, no extended usage without client authentication, no name outside a constraint |
//! | ATT-27 | have in its cabundle the root and then exactly the path, downwards, no two of one name |
//! | ATT-28 | be signed by the leaf, as r \|\| s |
//! | ATT-29 | state a time within its leaf's validity |
//! | ATT-30 | state a time at most 60 s ahead of the given one |
//! | ATT-31 | have PCR0, PCR1 and PCR2 |
//! | ATT-32 | have none of them all zero, unless debug mode is allowed |
//! | ATT-33 | have each PCR that is expected |
//! | ATT-34 | with the expected value |
//! | ATT-35 | have the expected nonce |
//! | ATT-36 | have the expected user data |
//! | ATT-37 | have the expected public key |

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod certificate;
mod chain;
mod document;
mod error;
mod es384;
mod evidence;
mod hex;
mod reader;
mod root;
mod verify;

pub use document::{MAX_CABUNDLE, MAX_CERTIFICATE, MAX_DOCUMENT, MAX_FIELD, MAX_MODULE_ID};
pub use error::{EvidenceError, Which};
pub use evidence::{Evidence, Measurement};
pub use root::{AWS_NITRO_ROOT_SHA256, Root, RootError, aws_nitro_root};
pub use verify::{
    Debugging, Expected, MAX_AHEAD_S, unverified_timestamp_ms, verify, verify_at_own_time,
};
