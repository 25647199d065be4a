//! What a key is, what it may be used for, and with which algorithm.

use minicbor::{Decode, Encode};

macro_rules! closed_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $n:literal $slug:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(index_only)]
        pub enum $name {
            $($(#[$vdoc])* #[n($n)] $variant,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &[$name] = &[$($name::$variant),*];

            /// The number on the wire.
            pub fn number(self) -> u64 {
                match self { $($name::$variant => $n,)* }
            }

            /// The name in commands and JSON.
            pub fn slug(self) -> &'static str {
                match self { $($name::$variant => $slug,)* }
            }

            /// From the name in commands and JSON.
            pub fn from_slug(slug: &str) -> Option<Self> {
                match slug { $($slug => Some($name::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.slug())
            }
        }
    };
}

closed_enum! {
    /// Kind of a customer key.
    KeyKind {
        /// RSA, 2048 bits.
        Rsa2048 = 1 "rsa-2048",
        /// RSA, 3072 bits.
        Rsa3072 = 2 "rsa-3072",
        /// RSA, 4096 bits.
        Rsa4096 = 3 "rsa-4096",
        /// NIST P-256.
        EcP256 = 4 "ec-p256",
        /// NIST P-384.
        EcP384 = 5 "ec-p384",
        /// NIST P-521.
        EcP521 = 6 "ec-p521",
        /// Ed25519 (RFC 8032).
        Ed25519 = 7 "ed25519",
        /// AES, 128 bits.
        Aes128 = 8 "aes-128",
        /// AES, 256 bits.
        Aes256 = 9 "aes-256",
        /// HMAC key of 16 to 128 bytes.
        Hmac = 10 "hmac",
    }
}

closed_enum! {
    /// What a key may do: one class a key, fixed at import, so no key has two roles (T-45).
    UsageClass {
        /// sign, verify.
        Sign = 1 "sign",
        /// private decrypt, public encrypt.
        Decrypt = 2 "decrypt",
        /// mac, verify.
        Mac = 3 "mac",
        /// symmetric encrypt, decrypt.
        Encrypt = 4 "encrypt",
    }
}

closed_enum! {
    /// An algorithm of an operation.
    Algorithm {
        /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 section 8.2).
        RsaPkcs1Sha256 = 1 "rsa-pkcs1-sha256",
        /// RSASSA-PKCS1-v1_5 with SHA-384.
        RsaPkcs1Sha384 = 2 "rsa-pkcs1-sha384",
        /// RSASSA-PKCS1-v1_5 with SHA-512.
        RsaPkcs1Sha512 = 3 "rsa-pkcs1-sha512",
        /// RSASSA-PSS with SHA-256, salt of 32 bytes (RFC 8017 section 8.1).
        RsaPssSha256 = 4 "rsa-pss-sha256",
        /// RSASSA-PSS with SHA-384, salt of 48 bytes.
        RsaPssSha384 = 5 "rsa-pss-sha384",
        /// RSASSA-PSS with SHA-512, salt of 64 bytes.
        RsaPssSha512 = 6 "rsa-pss-sha512",
        /// ECDSA with SHA-256, on P-256 (FIPS 186-5).
        EcdsaSha256 = 7 "ecdsa-sha256",
        /// ECDSA with SHA-384, on P-384.
        EcdsaSha384 = 8 "ecdsa-sha384",
        /// ECDSA with SHA-512, on P-521.
        EcdsaSha512 = 9 "ecdsa-sha512",
        /// Ed25519 (RFC 8032).
        Ed25519 = 10 "ed25519",
        /// RSAES-OAEP with SHA-256 and MGF1-SHA-256 (RFC 8017 section 7.1).
        RsaOaepSha256 = 11 "rsa-oaep-sha256",
        /// XAES-256-GCM (C2SP), 24-byte random nonce in front of the ciphertext.
        Xaes256Gcm = 12 "xaes-256-gcm",
        /// AES-GCM with a random 12-byte nonce in front; only where the policy names it.
        AesGcm = 13 "aes-gcm",
        /// HMAC with SHA-256 (RFC 2104).
        HmacSha256 = 14 "hmac-sha256",
        /// HMAC with SHA-384.
        HmacSha384 = 15 "hmac-sha384",
        /// HMAC with SHA-512.
        HmacSha512 = 16 "hmac-sha512",
    }
}

closed_enum! {
    /// What a grant can allow, and an operation can be.
    Action {
        /// Sign a message or digest.
        Sign = 1 "sign",
        /// Verify a signature or a MAC.
        Verify = 2 "verify",
        /// Encrypt.
        Encrypt = 3 "encrypt",
        /// Decrypt.
        Decrypt = 4 "decrypt",
        /// Compute a MAC.
        Mac = 5 "mac",
        /// Read the public key.
        PublicKey = 6 "public-key",
        /// Read kind, policy and lease state.
        Describe = 7 "describe",
        /// Erase the key here.
        Destroy = 8 "destroy",
        /// Hash data; needs no key.
        Hash = 9 "hash",
        /// Random bytes; needs no key.
        Random = 10 "random",
    }
}

closed_enum! {
    /// A hash function (FIPS 180-4).
    HashAlgorithm {
        /// SHA-256.
        Sha256 = 1 "sha-256",
        /// SHA-384.
        Sha384 = 2 "sha-384",
        /// SHA-512.
        Sha512 = 3 "sha-512",
    }
}

closed_enum! {
    /// How a layer is sealed.
    Suite {
        /// HPKE base mode with X-Wing (KEM 0x647a), HKDF-SHA256, AES-256-GCM.
        XWing = 1 "x-wing",
        /// RSA-OAEP-SHA256 wrapping a secret for AES-256-GCM.
        RsaOaep = 2 "rsa-oaep",
    }
}

closed_enum! {
    /// Who takes the outer layer off.
    WrapMode {
        /// The parent, with its provider key.
        Parent = 1 "parent",
        /// A TLS channel stands for the outer layer.
        Channel = 2 "channel",
        /// The enclave, with an imported provider key.
        Inside = 3 "inside",
    }
}

closed_enum! {
    /// How the group key can be had again when every enclave is gone.
    EscrowMode {
        /// Not at all.
        None = 1 "none",
        /// K officers together.
        Officers = 2 "officers",
        /// K officers and the vendor.
        OfficersVendor = 3 "officers+vendor",
        /// K officers and an AWS KMS key outside of the provider's account.
        OfficersKms = 4 "officers+kms",
    }
}

impl UsageClass {
    /// May a key of this class do `action` with `algorithm`? The matrix of docs/protocol/messages.md.
    pub fn allows(self, action: Action, kind: KeyKind, algorithm: Algorithm) -> bool {
        let action_fits = match self {
            UsageClass::Sign => matches!(action, Action::Sign | Action::Verify),
            UsageClass::Mac => matches!(action, Action::Mac | Action::Verify),
            UsageClass::Decrypt | UsageClass::Encrypt => {
                matches!(action, Action::Decrypt | Action::Encrypt)
            }
        };
        action_fits && self.algorithms(kind).contains(&algorithm)
    }

    /// The algorithms that a key of this kind and class can have at all; empty when kind and class do not go together.
    pub fn algorithms(self, kind: KeyKind) -> &'static [Algorithm] {
        use Algorithm::*;
        match (self, kind) {
            (UsageClass::Sign, KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096) => &[
                RsaPkcs1Sha256,
                RsaPkcs1Sha384,
                RsaPkcs1Sha512,
                RsaPssSha256,
                RsaPssSha384,
                RsaPssSha512,
            ],
            (UsageClass::Sign, KeyKind::EcP256) => &[EcdsaSha256],
            (UsageClass::Sign, KeyKind::EcP384) => &[EcdsaSha384],
            (UsageClass::Sign, KeyKind::EcP521) => &[EcdsaSha512],
            (UsageClass::Sign, KeyKind::Ed25519) => &[Ed25519],
            (UsageClass::Decrypt, KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096) => {
                &[RsaOaepSha256]
            }
            (UsageClass::Encrypt, KeyKind::Aes128) => &[AesGcm],
            (UsageClass::Encrypt, KeyKind::Aes256) => &[Xaes256Gcm, AesGcm],
            (UsageClass::Mac, KeyKind::Hmac) => &[HmacSha256, HmacSha384, HmacSha512],
            _ => &[],
        }
    }

    /// The algorithms a policy gets when the customer names none: everything but raw AES-GCM where XAES is there.
    pub fn default_algorithms(self, kind: KeyKind) -> Vec<Algorithm> {
        let raw_by_policy_only =
            |algorithm: &Algorithm| !(kind == KeyKind::Aes256 && *algorithm == Algorithm::AesGcm);
        self.algorithms(kind)
            .iter()
            .copied()
            .filter(raw_by_policy_only)
            .collect()
    }
}

impl KeyKind {
    /// Whether the key has a public half that a receipt can name.
    pub fn is_asymmetric(self) -> bool {
        !matches!(self, KeyKind::Aes128 | KeyKind::Aes256 | KeyKind::Hmac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slug_reads_back() {
        assert!(
            KeyKind::ALL
                .iter()
                .all(|kind| KeyKind::from_slug(kind.slug()) == Some(*kind))
        );
        assert!(
            Algorithm::ALL
                .iter()
                .all(|algorithm| Algorithm::from_slug(algorithm.slug()) == Some(*algorithm))
        );
        assert_eq!(KeyKind::from_slug("rsa-1024"), None);
    }

    #[test]
    fn t47_only_the_named_cells_pass() {
        let mut allowed = 0;
        for class in UsageClass::ALL {
            for action in Action::ALL {
                for kind in KeyKind::ALL {
                    for algorithm in Algorithm::ALL {
                        allowed += usize::from(class.allows(*action, *kind, *algorithm));
                    }
                }
            }
        }
        // sign: 2 actions x (3 RSA x 6 + 4); decrypt: 2 x 3; encrypt: 2 x 3; mac: 2 x 3
        assert_eq!(allowed, 44 + 6 + 6 + 6);
        assert!(!UsageClass::Sign.allows(
            Action::Decrypt,
            KeyKind::Rsa2048,
            Algorithm::RsaOaepSha256
        ));
        assert!(!UsageClass::Decrypt.allows(
            Action::Sign,
            KeyKind::Rsa2048,
            Algorithm::RsaPkcs1Sha256
        ));
    }
}
