//! Thirty-two secret bytes: release secrets, exported and derived keys, seeds.
//!
//! The bytes live in one box that is erased when it is dropped. There is no `Clone`, `Debug`, `Serialize` or
//! `PartialEq`, so a secret cannot be copied, logged or compared in variable time by accident (T-29, T-59).

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::random;

/// 32 secret bytes, erased on drop.
pub struct Secret32(Box<Zeroizing<[u8; 32]>>);

impl Secret32 {
    /// Random bytes of the operating system.
    pub fn random() -> Self {
        Self::filled(|bytes| random::fill(bytes))
    }

    /// Lets `fill` write the bytes where they will stay, so that no copy of them is left on the way.
    pub fn filled(fill: impl FnOnce(&mut [u8; 32])) -> Self {
        let mut secret = Self(Box::new(Zeroizing::new([0; 32])));
        fill(&mut secret.0);
        secret
    }

    /// A copy of 32 bytes; the caller erases its own. `None` for any other length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == 32).then(|| Self::filled(|copy| copy.copy_from_slice(bytes)))
    }

    /// The bytes. Whoever copies them erases the copy.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub fn ct_eq(&self, other: &[u8; 32]) -> bool {
        self.expose().ct_eq(other).into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn random_secrets_differ_and_compare() {
        let secret = Secret32::random();
        assert!(secret.ct_eq(secret.expose()));
        assert!(!secret.ct_eq(Secret32::random().expose()));
    }

    #[test]
    fn only_32_bytes_are_a_secret() {
        assert!(Secret32::from_slice(&[7; 32]).unwrap().ct_eq(&[7; 32]));
        for length in [0, 31, 33] {
            assert!(Secret32::from_slice(&vec![7; length]).is_none());
        }
    }
}
