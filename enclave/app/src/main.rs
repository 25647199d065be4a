//! The program that boots in the enclave.
//!
//! It takes no argument, and reads no file and no variable that could change whom it trusts: root and vendor key are
//! the constants below, measured with the image (T-81).
#![forbid(unsafe_code)]

use std::process::ExitCode;

use cofferdam_enclave::{NsmAttestor, live};
use cofferdam_enclave_core::Trust;
use cofferdam_wire::cose::PublicKey;

/// The anchors of the product.
struct Production;

impl Trust for Production {
    /// AWS Nitro Enclaves' root certificate.
    const ATTESTATION_ROOT: &'static [u8] =
        include_bytes!("../../../attestation/roots/aws-nitro.der");

    /// A placeholder whose private half was thrown away. The vendor puts its own key here for its build, and changes
    /// nothing else.
    const VENDOR: PublicKey = PublicKey::Ed25519([
        0x6a, 0x08, 0x8a, 0x7a, 0x0a, 0xcc, 0xd2, 0x13, 0xde, 0x1d, 0x60, 0xac, 0xf7, 0x8d, 0x2c,
        0x0a, 0x74, 0xa4, 0x05, 0x57, 0x95, 0x69, 0x14, 0xb3, 0x58, 0xc8, 0xef, 0xd2, 0x55, 0xe3,
        0xd9, 0x6a,
    ]);
}

fn main() -> ExitCode {
    live::<Production, _>(NsmAttestor::open)
}
