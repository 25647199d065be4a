//! The vendor's bench: a key that stays offline, statements made of a description, and what one changes over the last.
//!
//! A statement says which images are good and whose provider keys are whose; customers and enclaves believe it beside live
//! Evidence and never without (T-53). So this is where mistakes are caught before they are signed: registers of zeros, a
//! sequence that does not grow, two entries that contradict each other. Withdrawing an image is a newer statement without
//! it, or with `until`; `condemned` also takes down every group that it made (T-80). Whom this trusts: the person who wrote
//! the description, and nobody's file format.

mod changes;
mod description;

use cofferdam_wire::cose::{CoseSign1, PublicKey};
use cofferdam_wire::vendor::VendorStatement;
use cofferdam_wire::{cbor, context, limits};

pub use changes::{changes, warnings};
pub use description::{Description, DescriptionError};

use crate::crypto::signing::{SigningKey, verify_sign1};

/// Why a signed statement cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// Not a statement.
    #[error("it is not a signed vendor statement")]
    Malformed,
    /// Somebody else's.
    #[error("it is not signed with this vendor key")]
    Signature,
    /// This vendor's, of a form that this program does not know.
    #[error("its version is not 1")]
    Version,
}

/// Signs a statement.
pub fn sign(statement: &VendorStatement, key: &SigningKey) -> Vec<u8> {
    key.sign1(context::VENDOR_STATEMENT, cbor::encode(statement))
        .to_bytes()
}

/// Reads a signed statement of any age. Whether it is current is asked by [`crate::verify::verify_statement`].
pub fn read_signed(bytes: &[u8], vendor: &PublicKey) -> Result<VendorStatement, SignedError> {
    let malformed = |_| SignedError::Malformed;
    let signed = CoseSign1::from_bytes(bytes, limits::VENDOR_STATEMENT).map_err(malformed)?;
    let payload = verify_sign1(vendor, context::VENDOR_STATEMENT, &signed)
        .map_err(|_| SignedError::Signature)?;
    let statement: VendorStatement =
        cbor::decode(payload, limits::VENDOR_STATEMENT).map_err(malformed)?;
    if statement.version == 1 {
        Ok(statement)
    } else {
        Err(SignedError::Version)
    }
}

/// A public key as the constant that is built into the enclave's program.
pub fn rust_constant(key: &PublicKey) -> String {
    let bytes = |bytes: &[u8; 32]| {
        let list: Vec<_> = bytes.iter().map(|byte| format!("{byte:#04x}")).collect();
        format!("[{}]", list.join(", "))
    };
    let value = match key {
        PublicKey::Ed25519(x) => format!("PublicKey::Ed25519({})", bytes(x)),
        PublicKey::P256 { x, y } => {
            format!("PublicKey::P256 {{ x: {}, y: {} }}", bytes(x), bytes(y))
        }
    };
    format!("const VENDOR: PublicKey = {value};")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::crypto::signing::SignatureKind;

    #[test]
    fn a_statement_reads_back_under_its_vendors_key_only() {
        let statement = VendorStatement {
            version: 1,
            sequence: 3,
            issued_s: 0,
            not_after_s: 1,
            images: vec![],
            providers: vec![],
        };
        for kind in [SignatureKind::Ed25519, SignatureKind::P256] {
            let key = SigningKey::generate(kind);
            let signed = sign(&statement, &key);
            assert_eq!(read_signed(&signed, &key.public()).unwrap(), statement);
            let stranger = SigningKey::generate(kind).public();
            assert_eq!(read_signed(&signed, &stranger), Err(SignedError::Signature));
            let other = VendorStatement {
                version: 2,
                ..statement.clone()
            };
            let other = read_signed(&sign(&other, &key), &key.public());
            assert_eq!(other, Err(SignedError::Version));
            let cut = &signed[..signed.len() - 1];
            assert_eq!(read_signed(cut, &key.public()), Err(SignedError::Malformed));
        }
    }

    #[test]
    fn the_constant_is_the_key() {
        let text = rust_constant(&PublicKey::P256 {
            x: [0xab; 32],
            y: [0x0c; 32],
        });
        assert!(text.starts_with("const VENDOR: PublicKey = PublicKey::P256 { x: [0xab, 0xab,"));
        assert!(text.ends_with("0x0c, 0x0c] };"));
        assert_eq!(
            text.matches("0xab").count() + text.matches("0x0c").count(),
            64
        );
        let text = rust_constant(&PublicKey::Ed25519([7; 32]));
        assert_eq!(text.matches("0x07").count(), 32);
    }
}
