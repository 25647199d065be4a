//! PKCS#1 RSA private keys (RFC 8017 appendix A.1.2). The numbers are measured and copied, never computed with.

use ::pkcs1::RsaPrivateKeyRef;
use der::Decode;

use super::error::KeyFileError;
use super::pem::refused;
use super::{Material, Private, cose};
use crate::crypto::public_key::PublicKey;

const STRUCTURE: &str = "RSA private key";

pub(super) fn read(der: &[u8]) -> Result<Private, KeyFileError> {
    let key = RsaPrivateKeyRef::from_der(der).map_err(refused(STRUCTURE))?;
    if key.other_prime_infos.is_some() {
        return Err(KeyFileError::MultiPrime);
    }
    let [n, e, d, p, q, d_p, d_q, q_inv] = [
        &key.modulus,
        &key.public_exponent,
        &key.private_exponent,
        &key.prime1,
        &key.prime2,
        &key.exponent1,
        &key.exponent2,
        &key.coefficient,
    ]
    .map(|number| number.as_bytes());
    let public = PublicKey::rsa(n, e)?;

    // Lengths only: whether p * q is n is the enclave's question, in constant time. Sound primes have half the bits each;
    // d is below n, and each CRT number below its prime.
    let half = n.len() * 4;
    for (number, bytes, fits) in [
        ("d", d, (half..=half * 2).contains(&bits(d))),
        ("p", p, bits(p) == half && odd(p)),
        ("q", q, bits(q) == half && odd(q)),
        ("dP", d_p, bits(d_p) <= half && odd(d_p)),
        ("dQ", d_q, bits(d_q) <= half && odd(d_q)),
        ("qInv", q_inv, bits(q_inv) <= half),
    ] {
        if !fits || bits(bytes) == 0 {
            return Err(KeyFileError::RsaNumber { number });
        }
    }
    let material = Material {
        kind: public.kind(),
        cose_key: cose::rsa([n, e, d, p, q, d_p, d_q, q_inv]),
        public: Some(public),
    };
    Ok(Private {
        material,
        secret: None,
    })
}

/// Bits of a big-endian number without leading zero bytes.
fn bits(number: &[u8]) -> usize {
    match number.first() {
        Some(first) => number.len() * 8 - first.leading_zeros() as usize,
        None => 0,
    }
}

fn odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last & 1 == 1)
}
