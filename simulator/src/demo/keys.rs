//! Customer keys, made fresh by the step that needs them, as the PEM files that a customer would bring.

use anyhow::Context;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use cofferdam::keyfile::{self, Material};
use cofferdam_wire::kind::{Algorithm, KeyKind};
use minicbor::Decoder;
use minicbor::data::Type;
use pkcs8::LineEnding;
use zeroize::Zeroizing;

/// A private key and its public half, both still the customer's own.
pub(crate) struct FreshKey {
    /// For people; [`FreshKey::article`] goes before it.
    pub(crate) name: &'static str,
    pub(crate) kind: KeyKind,
    /// What the demo signs with.
    pub(crate) algorithm: Algorithm,
    /// PKCS#8 in PEM.
    pub(crate) pem: Zeroizing<String>,
    /// SubjectPublicKeyInfo in PEM.
    pub(crate) public_pem: String,
}

impl FreshKey {
    /// A P-256 key.
    pub(crate) fn p256() -> anyhow::Result<Self> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .context("a P-256 key cannot be made")?;
        let private = key.to_pkcs8v1().context("the P-256 key")?;
        let public: PublicKeyX509Der<'_> =
            key.public_key().as_der().context("the P-256 public key")?;
        Ok(Self {
            name: "P-256",
            kind: KeyKind::EcP256,
            algorithm: Algorithm::EcdsaSha256,
            pem: private_pem(private.as_ref())?,
            public_pem: public_pem(public.as_ref())?,
        })
    }

    /// An RSA-3072 key.
    pub(crate) fn rsa_3072() -> anyhow::Result<Self> {
        let key = KeyPair::generate(KeySize::Rsa3072).context("an RSA key cannot be made")?;
        let private: Pkcs8V1Der<'_> = key.as_der().context("the RSA key")?;
        let public: PublicKeyX509Der<'_> =
            key.public_key().as_der().context("the RSA public key")?;
        Ok(Self {
            name: "RSA-3072",
            kind: KeyKind::Rsa3072,
            algorithm: Algorithm::RsaPssSha256,
            pem: private_pem(private.as_ref())?,
            public_pem: public_pem(public.as_ref())?,
        })
    }

    /// "a" or "an".
    pub(crate) fn article(&self) -> &'static str {
        if self.kind == KeyKind::Rsa3072 {
            "an"
        } else {
            "a"
        }
    }

    /// As the SDK reads it.
    pub(crate) fn material(&self) -> anyhow::Result<Material> {
        Ok(keyfile::parse(self.kind, self.pem.as_bytes())?)
    }

    /// The secret numbers: d of an EC key; d, p, q, dP, dQ, qInv of an RSA key.
    pub(crate) fn secrets(&self) -> anyhow::Result<Vec<Zeroizing<Vec<u8>>>> {
        let material = self.material()?;
        let first_secret = if self.kind == KeyKind::EcP256 { -4 } else { -3 };
        let mut decoder = Decoder::new(material.cose_key());
        let fields = decoder.map()?.context("a COSE_Key is a map")?;
        let mut secrets = Vec::new();
        for _ in 0..fields {
            let label = decoder.i8()?;
            if decoder.datatype()? == Type::Bytes && label <= first_secret {
                secrets.push(Zeroizing::new(decoder.bytes()?.to_vec()));
            } else {
                decoder.skip()?;
            }
        }
        Ok(secrets)
    }
}

fn private_pem(der: &[u8]) -> anyhow::Result<Zeroizing<String>> {
    let document = pkcs8::SecretDocument::try_from(der)
        .ok()
        .context("PKCS#8")?;
    document
        .to_pem("PRIVATE KEY", LineEnding::LF)
        .ok()
        .context("PEM")
}

fn public_pem(der: &[u8]) -> anyhow::Result<String> {
    let document = pkcs8::Document::try_from(der)
        .ok()
        .context("SubjectPublicKeyInfo")?;
    document
        .to_pem("PUBLIC KEY", LineEnding::LF)
        .ok()
        .context("PEM")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn fresh_keys_are_read_by_the_sdk_and_show_their_secret_numbers() {
        let secrets = |key: &FreshKey| -> Vec<usize> {
            key.secrets()
                .unwrap()
                .iter()
                .map(|secret| secret.len())
                .collect()
        };
        assert_eq!(secrets(&FreshKey::p256().unwrap()), [32]);
        let rsa = secrets(&FreshKey::rsa_3072().unwrap());
        assert_eq!(rsa.len(), 6);
        assert!(
            rsa.iter().all(|length| (150..=384).contains(length)),
            "{rsa:?}"
        );
    }
}
