//! Key files of the customer, read strictly into the COSE_Key bytes that a wrap carries.
//!
//! Private keys come as one PEM block: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`),
//! not encrypted. Symmetric keys come as raw bytes. Nothing else reaches the enclave, so no parser of these formats runs
//! there. Refused with a sentence that says what to do: several blocks, text around a block, bytes behind a structure,
//! unknown algorithms and curves, numbers of impossible length, a public half that does not belong, another kind than
//! asked for.
//!
//! Trust: the file is the customer's own, but damaged files exist, and a tool may have been made to write a bad one. RSA
//! private numbers are *copied*, not computed with (T-30); the enclave checks that they belong together.

mod cose;
mod elliptic;
mod error;
mod pem;
mod pkcs8;
pub mod public;
mod rsa;

use cofferdam_wire::kind::KeyKind;
use zeroize::Zeroizing;

pub use error::KeyFileError;

use crate::crypto::public_key::PublicKey;
use crate::crypto::secret::Secret32;
use crate::crypto::signing::{SignatureKind, SigningKey};
use pem::Block;

/// Most bytes of a key file that are read. An RSA-4096 key in PEM has 3.3 KB.
pub const MAX_FILE_LEN: usize = 16 * 1024;

/// Key material ready to wrap: kind, private COSE_Key (erased on drop), public half.
pub struct Material {
    kind: KeyKind,
    cose_key: Zeroizing<Vec<u8>>,
    public: Option<PublicKey>,
}

impl Material {
    /// Kind of the key.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The deterministic COSE_Key with its private or symmetric part. Secret.
    pub fn cose_key(&self) -> &[u8] {
        &self.cose_key
    }

    /// The public half, to compare with the one in the receipt; `None` for symmetric keys.
    pub fn public_key(&self) -> Option<&PublicKey> {
        self.public.as_ref()
    }
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Material")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Reads a file that must hold a key of `kind`: PEM for RSA, EC and Ed25519, raw bytes for AES and HMAC.
pub fn parse(kind: KeyKind, file: &[u8]) -> Result<Material, KeyFileError> {
    if !kind.is_asymmetric() {
        return parse_raw(kind, file);
    }
    let material = parse_private(file)?;
    if material.kind != kind {
        return Err(KeyFileError::WrongKind {
            expected: kind,
            found: material.kind,
        });
    }
    Ok(material)
}

/// Reads a PEM private key of whatever supported kind.
pub fn parse_private(file: &[u8]) -> Result<Material, KeyFileError> {
    Ok(read_private(&Block::read(file)?)?.material)
}

/// Reads an owner, app, status or vendor key: Ed25519 or P-256 in PEM.
pub fn signing_key(file: &[u8]) -> Result<SigningKey, KeyFileError> {
    let private = read_private(&Block::read(file)?)?;
    let found = private.material.kind;
    let kind = match found {
        KeyKind::Ed25519 => SignatureKind::Ed25519,
        KeyKind::EcP256 => SignatureKind::P256,
        _ => return Err(KeyFileError::NotASigner { found }),
    };
    let secret = private.secret.ok_or(KeyFileError::Scalar { kind: found })?;
    SigningKey::from_secret(kind, &secret).ok_or(KeyFileError::Scalar { kind: found })
}

/// Reads a PKCS#8 PEM file strictly, and gives its DER beside what it holds: for libraries that take PKCS#8 only.
pub fn pkcs8_document(file: &[u8]) -> Result<(Zeroizing<Vec<u8>>, Material), KeyFileError> {
    let block = Block::read(file)?;
    if block.label() != pem::PKCS8 {
        return Err(block.not_private("a PKCS#8 private key (\"PRIVATE KEY\")"));
    }
    let material = read_private(&block)?.material;
    Ok((block.into_der(), material))
}

/// What a private key file holds; the 32 secret bytes beside it for kinds that have exactly 32 and sign.
struct Private {
    material: Material,
    secret: Option<Secret32>,
}

fn read_private(block: &Block<'_>) -> Result<Private, KeyFileError> {
    match block.label() {
        pem::PKCS8 => pkcs8::read(block.der()),
        pem::PKCS1 => rsa::read(block.der()),
        pem::SEC1 => elliptic::read(block.der(), None),
        _ => Err(block.not_private(
            "a private key (\"PRIVATE KEY\", \"RSA PRIVATE KEY\" or \"EC PRIVATE KEY\")",
        )),
    }
}

fn parse_raw(kind: KeyKind, file: &[u8]) -> Result<Material, KeyFileError> {
    let (expected, fits) = match kind {
        KeyKind::Aes128 => ("16", file.len() == 16),
        KeyKind::Aes256 => ("32", file.len() == 32),
        _ => ("16 to 128", (16..=128).contains(&file.len())),
    };
    if !fits {
        return Err(KeyFileError::RawLength {
            kind,
            expected,
            actual: file.len(),
        });
    }
    if file.iter().all(|byte| *byte == file[0]) {
        return Err(KeyFileError::RawConstant);
    }
    Ok(Material {
        kind,
        cose_key: cose::symmetric(file),
        public: None,
    })
}

#[cfg(test)]
mod tests;
