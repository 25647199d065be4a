//! The publicly known keys of the simulation: the NSM's root and the vendor.
//!
//! They protect nothing (`simulator/nsm/keys/README.md`). Only the simulator pins them.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

/// The certificate under which every simulated NSM signs, in DER, as a constant for `Trust`.
pub const ROOT_DER: &[u8] = include_bytes!("../keys/nsm-root.der");
/// The public half of the simulated vendor's key, as a constant for `Trust`.
pub const VENDOR_PUBLIC: [u8; 32] = [
    0x5c, 0xee, 0xdb, 0xb7, 0xaf, 0x94, 0x80, 0x18, 0xca, 0x87, 0x88, 0x28, 0x78, 0xed, 0x37, 0xd7,
    0x31, 0x00, 0xb3, 0xff, 0xc6, 0x60, 0xbd, 0x8e, 0xc7, 0x7a, 0xce, 0x02, 0xab, 0xa4, 0xee, 0x21,
];
const NSM_ROOT_KEY: &[u8] = include_bytes!("../keys/nsm-root.p8");
const VENDOR_KEY: &[u8] = include_bytes!("../keys/vendor.p8");

/// The certificate under which every simulated NSM signs, in DER.
pub fn simulator_root_der() -> &'static [u8] {
    ROOT_DER
}

/// The P-384 key of that certificate, PKCS#8 in DER.
pub(crate) fn simulator_root_key_pkcs8() -> &'static [u8] {
    NSM_ROOT_KEY
}

/// The Ed25519 key that signs the simulated vendor's statements, PKCS#8 in DER.
pub fn vendor_key_pkcs8() -> &'static [u8] {
    VENDOR_KEY
}

/// The public half of [`vendor_key_pkcs8`].
pub fn vendor_public() -> [u8; 32] {
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(VENDOR_KEY)
        .expect("invariant: the embedded vendor key is an Ed25519 key");
    let public = key.public_key().as_ref();
    public
        .try_into()
        .expect("invariant: an Ed25519 public key has 32 bytes")
}
