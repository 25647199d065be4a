//! The customer's side of every construction, on RustCrypto: the second, independent implementation beside the
//! enclave's. What is sealed here is opened by another library there, and the shared vectors are where they meet.
//!
//! Trust: callers give secrets that they may have; everything else (public keys, ciphertexts, signatures, provider
//! answers) is hostile and every failure is one small error value, never a panic. The modules hold no protocol: context
//! strings, info and additional data come from the caller.
//!
//! Two rules hold everywhere. No private-key operation of the `rsa` crate is called (its decryption is not constant
//! time, RUSTSEC-2023-0071; T-30); the one RSA private key on this side of the link is opened by AWS-LC in
//! [`provider_rsa`]. And secrets are [`secret::Secret32`] or `Zeroizing`, so they leave no copy of ours behind.

pub mod gcm;
pub mod hpke;
pub mod kdf;
pub mod oaep;
pub mod provider_rsa;
pub mod public_key;
pub mod random;
pub mod secret;
pub mod signing;
pub mod verify_ops;
pub mod xaes;
