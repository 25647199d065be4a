//! Key material for tests, built from numbers: no key here protects anything.
#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam_wire::kind::KeyKind;
use num_bigint::BigUint;

const FACTORS_2048: [&str; 2] = [
    concat!(
        "e48021136498cc81e5c9d6b5d7f384f8f46ab35f6c276dc60c143bcfbe862d071d93501bc12e5f72d09ea28554d89013db11",
        "f1bd281ef9efee00608cfbaac9434099202bcf827c813ccbaf553a6dd6b7126aa428ac14272acd1e43c163bf657d5d6ef955",
        "51998e42f65549238b91bab7d07fbb3cc9a7c3692f546dc6dfc44247",
    ),
    concat!(
        "e848f04de3acc27bb75ea5ee8f66a2c85318686c7fe5a332b18021ab94f1d18a30faf82c4bbeef5be3e6e1c0e474e0f51541",
        "80ab7469e107534999a166e3aefbf2b5976b1e620d1e66f42c605123b938e82f7a4861e889d38a2bce34865da5f7ceadd024",
        "aa62ccc21bc3beef009794b576244604007a8b44233bc189cd934a5d",
    ),
];
const FACTORS_3072: [&str; 2] = [
    concat!(
        "e7920316151a70259339618012f75aa2573c5bc9a471037448b074c02e76bd6c9d5b9f58d7df2aa76d2af2e0dbcdf648904a",
        "62efa2060f2241a795785961b2e491a8dd654c5db20433a0a744b6ab60fa47a7c6f44fec8f417ea725c329ffe8b8b3016a5b",
        "2927149311b62c3ac3b1464129371b35df75374473707e73b1a5e22c88be3a5e3d629dce881708ee35d88f9bbdda73137ced",
        "7b3f52b9cf033e9860bf212d2ccbcfd8215a5cd93703a11648db680b58a217f996b2e5f35484b8c2feb9",
    ),
    concat!(
        "fdc8663c463305c68bf4185b4a5efdcbe35850a58e1dd5883032a35aafb6da989756509359d9efee727386ef68d725d5921d",
        "4c3838d8cd98142e8e6c611ff00914ee28ce467c262a5b547600c8d3bdbb111c47545bdc0031392135f391e0ce9cc4abe1e2",
        "f3707fb6a81f37d846f0ca9b934f823f35740b9c318c1d1eb35e0e1d01fa19a508c83e7b25ec6a39f0a1c2715218f8712457",
        "09e744762ce12f94331a67472b312ac66a963ca652a460909aa61607a82c2e89131a882bd0d23f4a5d11",
    ),
];
const FACTORS_4096: [&str; 2] = [
    concat!(
        "da62d94627a20a80c1dcd5aa470b93e7043185167cccf8c2b468c2e43e396e6396802ba094188f1d3bf1f2cfbdde0e8cf704",
        "0c8692c8f68a201d9b295162be572b1391e44ddbe62a113c11a613d28195d8434ca92562188f3c0834371d2aa1a00d4f20bc",
        "2dfdc2037946414e7f62cc35caff14e699e28d19c62a5d02bd93f16f625dc2853014272a406c610c5179c1b34d30a7e75118",
        "6650df00160f3b1b97f556708be713997c8b6cf8a09b78215939a489ba68b5614bcb8277ddaa4f78c4313e256b6df0623870",
        "117561207e275f40ff65517bc3fc383b8c93f5def94ecb934b05da22366b23a9fe991c0658026cba29ac01b3c7f95ba0f3d0",
        "6201685b8ca9",
    ),
    concat!(
        "c3a614dcc43bcbcc18a56ca6d927233793b1aed2fd00c4a99d355a7d5d41d07184dd79463c019d23d419b2b3d1bee07ec7a9",
        "98db6f6a7f8105cd0fbaa8525d42207663d24bc68d3dee700328ef748d7ae796ad724b172cc35bde5de643fb861bd492f06e",
        "8e933a3303b407285b53d018551d0064eb25816f338d93911e3cc1decbdd5cf41f755b909297acebcfb36044570e59828cf1",
        "0237ac65917b98604ed1006e256a2ee7f6eb568c83753e63da7463805ae8f658dc73b40fbe78c6e370910ada7ef9255d8cb4",
        "a4a0d3f43a2e8cfb8dbd28d1cffc0d46d704ff99d920415b273b7aaf11a8ccfef7c43cef8b4fa8341406141ab04a93ff8ee1",
        "b2095b2a0c3b",
    ),
];
/// Odd, of 1024 bits, and composite.
pub(super) const COMPOSITE: &str = concat!(
    "dde44c8e8fcb27a98fba903bc31f1acd8c53cb1f068779af7a242e2e7612687afbafe600e404ae7d159cccb9dc2df5e1e768",
    "1da6735d4a700c9a529d1a95e2d720cb59c79382508747919fd0abc36c3515d2363e7d320ec66f72045565b3ab44a4243d9d",
    "4bd263d7405258e2e69409ca2a6a99ee94c532c712a23c43bda1162d",
);
/// a (2a - 1) with both prime: a strong probable prime to base 2.
pub(super) const PSEUDOPRIME: &str = concat!(
    "cbfad0e5aafa28787206e1287dfefa91e66a1ec6cf70a3050e66cec19733be68e0691d579c0d25dd7a77c00ceab526d88c41",
    "74f69ca8da7e95b0b06bf0528977c490fb8bca3d1eab60e495a518da83a802a6101fb7744885d5720906130922bd0f960bf3",
    "519335df0e1911b71826fef6d0db21a3631fd3af12d7b3ded95bb72d",
);

/// The nine numbers of an RSA key, in the order of its COSE_Key.
#[derive(Clone)]
pub(super) struct RsaNumbers {
    pub(super) n: BigUint,
    pub(super) e: BigUint,
    pub(super) d: BigUint,
    pub(super) p: BigUint,
    pub(super) q: BigUint,
    pub(super) dp: BigUint,
    pub(super) dq: BigUint,
    pub(super) q_inverse: BigUint,
}

impl RsaNumbers {
    /// All numbers fit together, whether or not the factors are prime.
    pub(super) fn from_factors(p: BigUint, q: BigUint, e: u64) -> Self {
        let (p_1, q_1, e) = (&p - 1u8, &q - 1u8, BigUint::from(e));
        // The inverse modulo (p - 1)(q - 1) is one modulo each.
        let d = e.modinv(&(&p_1 * &q_1)).expect("e has an inverse");
        let q_inverse = q.modinv(&p).expect("different primes");
        Self {
            n: &p * &q,
            dp: &d % &p_1,
            dq: &d % &q_1,
            q_inverse,
            e,
            d,
            p,
            q,
        }
    }

    pub(super) fn of(bits: usize) -> Self {
        let [p, q] = match bits {
            2048 => FACTORS_2048,
            3072 => FACTORS_3072,
            _ => FACTORS_4096,
        };
        Self::from_factors(number(p), number(q), 65537)
    }

    pub(super) fn to_cose(&self) -> Vec<u8> {
        let numbers = [
            &self.n,
            &self.e,
            &self.d,
            &self.p,
            &self.q,
            &self.dp,
            &self.dq,
            &self.q_inverse,
        ];
        let values = numbers.map(BigUint::to_bytes_be);
        let labels = [-1, -2, -3, -4, -5, -6, -7, -8];
        cose(
            3,
            None,
            &std::array::from_fn::<_, 8, _>(|index| (labels[index], &values[index][..])),
        )
    }
}

pub(super) fn number(hex: &str) -> BigUint {
    BigUint::parse_bytes(hex.as_bytes(), 16).expect("hex")
}

/// A COSE_Key of byte strings, behind key type and curve.
pub(super) fn cose(key_type: u8, curve: Option<u8>, values: &[(i8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = minicbor::Encoder::new(&mut bytes);
    let entries = 1 + u64::from(curve.is_some()) + values.len() as u64;
    encoder
        .map(entries)
        .unwrap()
        .u8(1)
        .unwrap()
        .u8(key_type)
        .unwrap();
    if let Some(curve) = curve {
        encoder.i8(-1).unwrap().u8(curve).unwrap();
    }
    for (label, value) in values {
        encoder.i8(*label).unwrap().bytes(value).unwrap();
    }
    bytes
}

/// An EC key from its parts.
pub(super) fn ec(curve: u8, x: &[u8], y: &[u8], d: &[u8]) -> Vec<u8> {
    cose(2, Some(curve), &[(-2, x), (-3, y), (-4, d)])
}

/// Public point and private scalar, made by the second implementation.
macro_rules! ec_parts {
    ($name:ident, $curve:ident, $length:literal) => {
        pub(super) fn $name() -> [Vec<u8>; 3] {
            let mut d = [0x11; $length];
            d[0] = 0;
            let secret = $curve::SecretKey::from_slice(&d).expect("in range");
            let point = $curve::ecdsa::SigningKey::from(&secret)
                .verifying_key()
                .to_sec1_point(false);
            [
                point.x().expect("a point").to_vec(),
                point.y().expect("a point").to_vec(),
                d.to_vec(),
            ]
        }
    };
}
ec_parts!(p256_parts, p256, 32);
ec_parts!(p384_parts, p384, 48);
ec_parts!(p521_parts, p521, 66);

/// A sound key of each kind.
pub(super) fn of(kind: KeyKind) -> Vec<u8> {
    let ec_of = |curve, [x, y, d]: [Vec<u8>; 3]| ec(curve, &x, &y, &d);
    match kind {
        KeyKind::Rsa2048 => RsaNumbers::of(2048).to_cose(),
        KeyKind::Rsa3072 => RsaNumbers::of(3072).to_cose(),
        KeyKind::Rsa4096 => RsaNumbers::of(4096).to_cose(),
        KeyKind::EcP256 => ec_of(1, p256_parts()),
        KeyKind::EcP384 => ec_of(2, p384_parts()),
        KeyKind::EcP521 => ec_of(3, p521_parts()),
        KeyKind::Ed25519 => {
            let public = ed25519_dalek::SigningKey::from_bytes(&[5; 32])
                .verifying_key()
                .to_bytes();
            cose(1, Some(6), &[(-2, &public), (-4, &[5; 32])])
        }
        KeyKind::Aes128 => cose(4, None, &[(-1, &[7; 16])]),
        KeyKind::Aes256 => cose(4, None, &[(-1, &[7; 32])]),
        KeyKind::Hmac => cose(4, None, &[(-1, &[7; 48])]),
    }
}
