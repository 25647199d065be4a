//! The provider's own keys: what the outer layer of an import is sealed to.
//!
//! Behind a trait, since a provider may keep them in an HSM or a KMS; here are files. Opening takes milliseconds and
//! blocks. What comes out of an import's layer is a layer sealed to the enclave, so losing these keys shows nothing of a
//! customer's key: they prove that the provider agreed to take the import.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use cofferdam::crypto::hpke::PrivateKey;
use cofferdam::crypto::provider_rsa::{ProviderRsaError, ProviderRsaKey};
use cofferdam::crypto::secret::Secret32;
use cofferdam::layer;
use cofferdam::private_file;
use cofferdam_wire::Code;
use cofferdam_wire::id::RecipientId;
use cofferdam_wire::kind::Suite;
use cofferdam_wire::layer::Layer;
use cofferdam_wire::transcript::ProviderKey;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::{Zeroize, Zeroizing};

/// Most bytes of a key file: RSA-4096 in PEM has 3.3 KB.
const FILE: u64 = 16 * 1024;

/// The provider's keys, wherever they are kept.
pub trait ProviderKeys: Send + Sync {
    /// The public halves, in the order in which customers see them. Never changes while the process runs.
    fn public(&self) -> &[ProviderKey];

    /// Opens a layer that is sealed to one of the keys. Blocks.
    ///
    /// # Errors
    /// `UnknownRecipient` for a key that is not here, `UnwrapFailed` for everything else.
    fn open(
        &self,
        context: &str,
        bound: &[u8; 32],
        additional_data: &[u8],
        layer: &Layer,
    ) -> Result<Zeroizing<Vec<u8>>, Code>;

    /// Whether this is the id of one of the keys.
    fn holds(&self, recipient: &RecipientId) -> bool {
        self.public().iter().any(|key| key.id() == *recipient)
    }
}

/// Why key files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyDirectoryError {
    /// The file system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A `.seed` file is not 64 hexadecimal digits.
    #[error("{}: not the 64 hexadecimal digits of an X-Wing seed", path.display())]
    Seed {
        /// Which.
        path: PathBuf,
    },
    /// A `.pem` file is not a PKCS#8 RSA key of 3072 or 4096 bits.
    #[error("{}: {error}", path.display())]
    Rsa {
        /// Which.
        path: PathBuf,
        /// Why.
        error: Box<ProviderRsaError>,
    },
    /// A suite has no key.
    #[error("{}: there is no key for suite {suite}", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
        /// Which suite.
        suite: Suite,
    },
    /// The library could not make an RSA key.
    #[error("the RSA key could not be made")]
    Generate,
}

/// Keys in a directory: every `*.seed` (X-Wing) and `*.pem` (RSA, PKCS#8) file, in the order of their names, so a new key
/// is added beside the old one and the old one removed when no import to it is under way.
pub struct FileKeys {
    public: Vec<ProviderKey>,
    private: Vec<(RecipientId, Private)>,
}

enum Private {
    XWing(Box<PrivateKey>),
    Rsa(Box<ProviderRsaKey>),
}

impl FileKeys {
    /// Reads the directory; makes it, with one key for each suite, if it is not there.
    pub fn open_or_create(directory: &Path) -> Result<Self, KeyDirectoryError> {
        if !directory.exists() {
            // Made beside and renamed, so a crash between the two files leaves no half of a directory.
            let fresh = directory.with_extension(format!("new-{}", std::process::id()));
            let io = |error| KeyDirectoryError::Io {
                path: fresh.clone(),
                error,
            };
            private_file::create_dir(&fresh).map_err(io)?;
            let seed = Secret32::random();
            private_file::write(
                &fresh.join("xwing-1.seed"),
                Zeroizing::new(hex::encode(seed.expose())).as_bytes(),
            )
            .map_err(io)?;
            private_file::write(&fresh.join("rsa-1.pem"), generate_rsa()?.as_bytes())
                .map_err(io)?;
            std::fs::rename(&fresh, directory).map_err(io)?;
            tracing::info!(directory = %directory.display(), "provider keys made");
        }
        Self::open(directory)
    }

    /// Reads the directory.
    pub fn open(directory: &Path) -> Result<Self, KeyDirectoryError> {
        let io = |error| KeyDirectoryError::Io {
            path: directory.into(),
            error,
        };
        let entries = std::fs::read_dir(directory).map_err(io)?;
        let mut paths: Vec<_> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(io)?;
        paths.sort();
        let mut keys = FileKeys {
            public: Vec::new(),
            private: Vec::new(),
        };
        for path in paths {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("seed") => keys.add_seed(&path)?,
                Some("pem") => keys.add_rsa(&path)?,
                _ => (),
            }
        }
        for suite in [Suite::XWing, Suite::RsaOaep] {
            if !keys.public.iter().any(|key| key.suite == suite) {
                return Err(KeyDirectoryError::Missing {
                    path: directory.into(),
                    suite,
                });
            }
        }
        Ok(keys)
    }

    fn add_seed(&mut self, path: &Path) -> Result<(), KeyDirectoryError> {
        let refused = || KeyDirectoryError::Seed { path: path.into() };
        let text = read(path)?;
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim_ascii(), &mut *bytes).map_err(|_| refused())?;
        let seed = Secret32::from_slice(&*bytes).ok_or_else(refused)?;
        let key = PrivateKey::from_seed(&seed);
        let public = ProviderKey {
            suite: Suite::XWing,
            public: key.public().to_vec(),
        };
        self.add(public, Private::XWing(Box::new(key)));
        Ok(())
    }

    fn add_rsa(&mut self, path: &Path) -> Result<(), KeyDirectoryError> {
        let key = ProviderRsaKey::from_pkcs8_pem(&read(path)?).map_err(|error| {
            KeyDirectoryError::Rsa {
                path: path.into(),
                error: Box::new(error),
            }
        })?;
        let public = ProviderKey {
            suite: Suite::RsaOaep,
            public: key.public_key().to_cose(),
        };
        self.add(public, Private::Rsa(Box::new(key)));
        Ok(())
    }

    fn add(&mut self, public: ProviderKey, private: Private) {
        self.private.push((public.id(), private));
        self.public.push(public);
    }
}

impl ProviderKeys for FileKeys {
    fn public(&self) -> &[ProviderKey] {
        &self.public
    }

    fn open(
        &self,
        context: &str,
        bound: &[u8; 32],
        additional_data: &[u8],
        layer: &Layer,
    ) -> Result<Zeroizing<Vec<u8>>, Code> {
        let found = self.private.iter().find(|(id, _)| *id == layer.recipient);
        match &found.ok_or(Code::UnknownRecipient)?.1 {
            Private::XWing(key) => layer::open_xwing(key, context, bound, additional_data, layer),
            Private::Rsa(key) => layer::open_rsa(key, context, bound, additional_data, layer),
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyDirectoryError> {
    let io = |error| KeyDirectoryError::Io {
        path: path.into(),
        error,
    };
    if std::fs::metadata(path).map_err(io)?.len() > FILE {
        return Err(io(io::ErrorKind::FileTooLarge.into()));
    }
    std::fs::read(path).map(Zeroizing::new).map_err(io)
}

fn generate_rsa() -> Result<Zeroizing<String>, KeyDirectoryError> {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa3072)
        .map_err(|_| KeyDirectoryError::Generate)?;
    let der: Pkcs8V1Der<'_> = key.as_der().map_err(|_| KeyDirectoryError::Generate)?;
    let document =
        pkcs8::SecretDocument::try_from(der.as_ref()).map_err(|_| KeyDirectoryError::Generate)?;
    let mut pem = document
        .to_pem("PRIVATE KEY", Default::default())
        .map_err(|_| KeyDirectoryError::Generate)?;
    let owned = Zeroizing::new(pem.to_string());
    pem.zeroize();
    Ok(owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use cofferdam_wire::context;

    #[test]
    fn keys_are_made_once_read_back_and_open_what_is_sealed_to_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let public = FileKeys::open_or_create(&path).unwrap().public().to_vec();
        let keys = FileKeys::open_or_create(&path).unwrap();
        assert_eq!(keys.public(), public);
        assert_eq!(public.len(), 2);
        for key in &public {
            let sealed = layer::danger_seal(
                key.suite,
                &key.public,
                context::LAYER_PROVIDER,
                &[1; 32],
                b"aad",
                b"inner",
            )
            .unwrap();
            assert!(keys.holds(&sealed.recipient));
            let open = |layer: &Layer| keys.open(context::LAYER_PROVIDER, &[1; 32], b"aad", layer);
            assert_eq!(open(&sealed).unwrap().as_slice(), b"inner");
            let elsewhere = Layer {
                recipient: RecipientId([0; 32]),
                ..sealed.clone()
            };
            assert_eq!(open(&elsewhere).unwrap_err(), Code::UnknownRecipient);
            assert_eq!(
                keys.open(context::CHALLENGE, &[1; 32], b"aad", &sealed)
                    .unwrap_err(),
                Code::UnwrapFailed
            );
        }
    }

    #[test]
    fn damaged_or_missing_files_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        FileKeys::open_or_create(&path).unwrap();
        std::fs::remove_file(path.join("rsa-1.pem")).unwrap();
        assert!(matches!(
            FileKeys::open(&path),
            Err(KeyDirectoryError::Missing {
                suite: Suite::RsaOaep,
                ..
            })
        ));
        std::fs::write(path.join("xwing-1.seed"), "abc").unwrap();
        assert!(matches!(
            FileKeys::open(&path),
            Err(KeyDirectoryError::Seed { .. })
        ));
    }
}
