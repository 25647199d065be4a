//! Cryptography of the core, all of it on AWS-LC: the keys of the system and the keys of customers.
//!
//! Trusts: AWS-LC for arithmetic and constant time. Refuses: every input that does not parse strictly, and every weak
//! key. What does not open gives [`Failed`] and no reason, because a reason would be an oracle (T-30, T-48, T-65).
//! The sealing side of each construction exists a second time, on RustCrypto, in the SDK; the tests here let the two
//! meet.

pub(crate) mod gcm;
pub(crate) mod hpke;
pub(crate) mod kdf;
pub(crate) mod keys;
pub(crate) mod oaep;
pub(crate) mod secret;
pub(crate) mod signature;
pub(crate) mod xaes;
pub(crate) mod xwing;

/// Something did not open, or the library failed. There is nothing more to know about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic operation failed")]
pub(crate) struct Failed;

impl From<aws_lc_rs::error::Unspecified> for Failed {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Failed
    }
}

impl From<aws_lc_rs::error::KeyRejected> for Failed {
    fn from(_: aws_lc_rs::error::KeyRejected) -> Self {
        Failed
    }
}
