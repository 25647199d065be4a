//! Randomness of the operating system, for secrets, nonces, salts and ids on the customer's side.

/// Fills `bytes` with random bytes.
///
/// # Panics
/// When the operating system has no randomness to give. No input causes this, and going on without it would seal a
/// key under a guessable secret.
pub fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

/// `N` random bytes, for nonces, salts and ids. For secrets see [`super::secret::Secret32::random`].
pub fn array<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(array::<32>(), array::<32>());
    }
}
