//! A layer: bytes sealed to one public key in suite 1 or suite 2, and the exact inputs of both constructions.
//!
//! This module gives the *inputs* (info, additional data, exporter context); the sealing is done twice, by the SDK and by
//! the enclave, on two cryptographic libraries. Formulas: `docs/protocol/wrapping.md`.

use crate::cbor::{Item, context_list};
use crate::context;
use crate::id::{Digest, RecipientId, hash};
use crate::kind::Suite;
use minicbor::{Decode, Encode};

/// `[suite, recipient_key_id, enc, commitment, ciphertext]`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Layer {
    /// How it is sealed.
    #[n(0)]
    pub suite: Suite,
    /// To whom: [`recipient_id`] of the public key.
    #[n(1)]
    pub recipient: RecipientId,
    /// Suite 1: the HPKE encapsulation, 1,120 bytes. Suite 2: the OAEP ciphertext, as long as the modulus.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub enc: Vec<u8>,
    /// Derived from the same secret as the key and compared before opening (T-50).
    #[n(3)]
    pub commitment: Digest,
    /// AES-256-GCM ciphertext and tag.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub ciphertext: Vec<u8>,
}

/// Names a public key that layers are sealed to. `public` is the raw X-Wing key or the RSA COSE_Key.
pub fn recipient_id(suite: Suite, public: &[u8]) -> RecipientId {
    RecipientId(
        hash(
            context::RECIPIENT,
            &[Item::Uint(suite.number()), Item::Bytes(public)],
        )
        .0,
    )
}

/// HPKE info and OAEP label of a layer: `[context, bound]`, where `bound` is the header's hash for the two layers of an
/// import and the recipient's id for a challenge.
pub fn info(context: &str, bound: &[u8; 32]) -> Vec<u8> {
    context_list(context, &[Item::Bytes(bound)])
}

/// Suite 1: exporter context of the commitment (RFC 9180 section 5.3), 32 bytes of output.
pub fn commitment_exporter(info: &[u8]) -> Vec<u8> {
    context_list(context::LAYER_COMMITMENT, &[Item::Bytes(info)])
}

/// Suite 2: HKDF info of the commitment, 32 bytes of output from the OAEP secret.
pub fn commitment_info(info: &[u8], enc: &[u8]) -> Vec<u8> {
    context_list(
        context::LAYER_COMMITMENT,
        &[Item::Bytes(info), Item::Bytes(&crate::id::sha256(enc).0)],
    )
}

/// Suite 2: HKDF info of the AES-256-GCM key, 32 bytes of output; the nonce is twelve zero bytes, since the key is used once.
pub fn key_info(info: &[u8], enc: &[u8]) -> Vec<u8> {
    context_list(
        context::LAYER_KEY,
        &[Item::Bytes(info), Item::Bytes(&crate::id::sha256(enc).0)],
    )
}

/// Pads to a multiple of `step`: one byte 0x80, then zeros (ISO/IEC 7816-4).
pub fn pad(mut bytes: Vec<u8>, step: usize) -> Vec<u8> {
    bytes.push(0x80);
    bytes.resize(bytes.len().next_multiple_of(step), 0);
    bytes
}

/// Takes the padding off; `None` if there is none or it is longer than one step.
pub fn unpad(bytes: &[u8], step: usize) -> Option<&[u8]> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(step) {
        return None;
    }
    let end = bytes.iter().rposition(|byte| *byte != 0)?;
    (bytes[end] == 0x80 && bytes.len() - end <= step).then_some(&bytes[..end])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn padding_comes_off_again_at_every_length() {
        for len in 0..1100 {
            let padded = pad(vec![0x80; len], 512);
            assert_eq!(padded.len() % 512, 0);
            assert_eq!(unpad(&padded, 512).unwrap(), vec![0x80; len]);
        }
        assert_eq!(unpad(&[0; 512], 512), None);
        assert_eq!(unpad(&pad(vec![1], 512)[..511], 512), None);
        assert_eq!(
            unpad(&[pad(vec![1], 512), vec![0; 512]].concat(), 512),
            None
        );
    }
}
