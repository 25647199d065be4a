//! Memory for secrets: on the heap, erased on drop, and without Clone, Debug or PartialEq.
//!
//! This covers the core's own buffers. AWS-LC keeps parsed keys in memory of its own, which it erases when it frees
//! them; what its functions leave on the stack is out of reach, and never leaves the enclave's process (T-29).

use super::Failed;
use zeroize::{Zeroize, Zeroizing};

/// 32 secret bytes: a key, a shared secret, a share.
pub(crate) struct Secret32(Box<[u8; 32]>);

impl Secret32 {
    /// Lets `fill` write the secret where it will stay.
    pub(crate) fn filled<E>(fill: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(Box::new([0; 32]));
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// Draws a secret from the library's generator.
    pub(crate) fn random() -> Result<Self, Failed> {
        Self::filled(|bytes| Ok(aws_lc_rs::rand::fill(bytes)?))
    }

    /// Copies a secret out of a larger one; `None` for another length.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        Self::filled(|secret| {
            let bytes: &[u8; 32] = bytes.try_into().map_err(drop)?;
            secret.copy_from_slice(bytes);
            Ok::<(), ()>(())
        })
        .ok()
    }

    /// The bytes, for the one call that needs them.
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Secret32 {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What was opened. Erased on drop, spare capacity included.
pub(crate) struct Plaintext(Zeroizing<Vec<u8>>);

impl Plaintext {
    /// Takes over a buffer; the caller keeps no copy.
    pub(crate) fn new(buffer: Zeroizing<Vec<u8>>) -> Self {
        Self(buffer)
    }

    /// The bytes, for as long as they are needed.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Whether two byte strings are equal, in a time that depends on their lengths only.
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_of_32_bytes_only() {
        assert_eq!(Secret32::from_slice(&[7; 32]).unwrap().expose(), &[7; 32]);
        assert!(Secret32::from_slice(&[7; 31]).is_none());
        assert!(Secret32::from_slice(&[7; 33]).is_none());
        assert!(Secret32::filled(|_| Err(())).is_err());
    }

    #[test]
    fn equality_is_of_length_and_content() {
        assert!(equal(b"abc", b"abc"));
        assert!(!equal(b"abc", b"abd"));
        assert!(!equal(b"abc", b"abcd"));
        assert!(equal(b"", b""));
    }
}
