//! Private COSE_Keys (RFC 9052 section 7, RFC 8230, RFC 9053), deterministic: labels 1, -1, -2, ... in the order of their
//! encoded bytes 0x01, 0x20, 0x21, ... The buffer has its final size from the start, so growing leaves no copy behind.

use minicbor::Encoder;
use zeroize::Zeroizing;

/// RSA: {1: 3, -1: n, -2: e, -3: d, -4: p, -5: q, -6: dP, -7: dQ, -8: qInv}, integers without leading zeros.
pub(super) fn rsa(numbers: [&[u8]; 8]) -> Zeroizing<Vec<u8>> {
    write(3, None, &numbers)
}

/// EC2: {1: 2, -1: curve, -2: x, -3: y, -4: d}, coordinates and scalar as long as the field.
pub(super) fn elliptic(curve: u8, x: &[u8], y: &[u8], d: &[u8]) -> Zeroizing<Vec<u8>> {
    write(2, Some((curve, &[-2, -3, -4])), &[x, y, d])
}

/// OKP: {1: 1, -1: 6, -2: x, -4: d}, d being the 32-byte seed.
pub(super) fn ed25519(x: &[u8], seed: &[u8]) -> Zeroizing<Vec<u8>> {
    write(1, Some((6, &[-2, -4])), &[x, seed])
}

/// Symmetric: {1: 4, -1: k}.
pub(super) fn symmetric(key: &[u8]) -> Zeroizing<Vec<u8>> {
    write(4, None, &[key])
}

/// The key type, the curve with the labels that follow it, and the byte strings; without a curve they count from -1.
fn write(key_type: u8, curve: Option<(u8, &[i8])>, strings: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    // At most 4 bytes of label and length before each string, and 8 for the map, type and curve.
    let size = strings.iter().map(|string| string.len() + 4).sum::<usize>() + 8;
    let mut bytes = Zeroizing::new(Vec::with_capacity(size));
    let mut encoder = Encoder::new(&mut *bytes);
    let mut encode = || -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        let fields = 1 + u64::from(curve.is_some()) + strings.len() as u64;
        encoder.map(fields)?.u8(1)?.u8(key_type)?;
        if let Some((number, _)) = curve {
            encoder.i8(-1)?.u8(number)?;
        }
        for (position, string) in (1i8..).zip(strings) {
            let label = curve.map_or(-position, |(_, labels)| labels[position as usize - 1]);
            encoder.i8(label)?.bytes(string)?;
        }
        Ok(())
    };
    encode().expect("writing into memory cannot fail");
    debug_assert!(bytes.len() <= size, "the buffer did not grow");
    bytes
}
