//! What commands work with: configuration, trust, keys, the parent, the services, the imports of this machine.
//!
//! Everything is read when a command asks for it, so that a command fails over what it needs and nothing else.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use cofferdam_wire::id::KeyId;
use zeroize::Zeroizing;

use super::args::{Global, KeyName};
use super::failure::Failure;
use crate::config::{Config, ServiceConfig};
use crate::crypto::signing::SigningKey;
use crate::files::{self, FileError};
use crate::import::{ImportStore, StoredImport};
use crate::keyfile;
use crate::known::Known;
use crate::revocation::{BearerToken, Service, Switch, TokenError};
use crate::session::prove;
use crate::transport::{Client, HttpsEndpoint};
use crate::trust::{Trust, TrustFile};
use crate::verify::{Proven, Verifier};

/// Most bytes of a file that is worked on.
const INPUT: usize = 256 * 1024 * 1024;
/// Most bytes of a certificate file.
const CERTIFICATE: usize = 256 * 1024;

pub(super) struct Context {
    global: Global,
}

impl Context {
    pub(super) fn new(global: Global) -> Self {
        Self { global }
    }

    /// No progress lines for programs.
    pub(super) fn is_quiet(&self) -> bool {
        self.global.json
    }

    pub(super) fn global(&self) -> &Global {
        &self.global
    }

    /// `~/.coffer`.
    pub(super) fn home() -> Result<PathBuf, Failure> {
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        home.map(|home| home.join(".coffer")).ok_or_else(|| {
            Failure::new(
                "config",
                "there is no home directory; name a configuration with --config FILE",
            )
        })
    }

    pub(super) fn config(&self) -> Result<Config, Failure> {
        let path = match &self.global.config {
            Some(path) => path.clone(),
            None => Self::home()?.join("coffer.toml"),
        };
        Ok(Config::read(&path)?)
    }

    /// The trust file, from the argument or the configuration.
    pub(super) fn trust_path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.global.trust {
            return Ok(path.clone());
        }
        let missing = || {
            Failure::new(
                "config",
                "no trust file is known; set `trust` in the configuration or give --trust FILE",
            )
        };
        self.config()?.trust.ok_or_else(missing)
    }

    pub(super) fn trust_file(&self) -> Result<TrustFile, Failure> {
        let text = read_text(&self.trust_path()?)?;
        Ok(TrustFile::from_toml(&text)?)
    }

    pub(super) fn trust(&self) -> Result<Trust, Failure> {
        Ok(Trust::read(&self.trust_path()?)?)
    }

    pub(super) fn verifier(&self) -> Result<Verifier, Failure> {
        Ok(Verifier::new(
            self.trust()?,
            Known::in_directory(&self.config()?.state_dir)?,
        ))
    }

    pub(super) fn client(&self) -> Result<Client, Failure> {
        let missing = || {
            Failure::new(
                "config",
                "no address of a provider is known; set `url` in the configuration or give --url URL",
            )
        };
        let url = match &self.global.url {
            Some(url) => url.clone(),
            None => self.config()?.url.ok_or_else(missing)?,
        };
        Ok(Client::new(&url, self.trust()?.provider_ca())?)
    }

    pub(super) async fn proven(&self) -> Result<Proven, Failure> {
        Ok(prove(&self.client()?, &self.verifier()?).await?)
    }

    pub(super) fn owner(&self) -> Result<SigningKey, Failure> {
        let missing = || {
            Failure::new(
                "config",
                "this machine has no owner key; name it as owner_key in coffer.toml (an app that gives --grant FILE \
                 needs none)",
            )
        };
        signing_key(&self.config()?.owner_key.ok_or_else(missing)?)
    }

    /// The file of the app's key in the configuration.
    pub(super) fn app_key(&self) -> Result<PathBuf, Failure> {
        let missing = || {
            Failure::new(
                "config",
                "this machine has no app key; name it as app_key in coffer.toml, or give --app-key FILE",
            )
        };
        self.config()?.app_key.ok_or_else(missing)
    }

    pub(super) fn store(&self) -> Result<ImportStore, Failure> {
        Ok(ImportStore::in_directory(&self.config()?.state_dir)?)
    }

    /// A key by its id, or by the first digits of one of this machine's.
    pub(super) fn key(&self, name: &KeyName) -> Result<KeyId, Failure> {
        let digits = match name {
            KeyName::Whole(key) => return Ok(*key),
            KeyName::Begins(digits) => digits,
        };
        let refused = |sentence: String| Failure::new("key-id", sentence);
        let imports = self.store()?.list()?;
        let mut matches = imports
            .iter()
            .map(|import| import.sealed.key())
            .filter(|key| key.to_string().starts_with(digits));
        match (matches.next(), matches.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(refused(format!(
                "no key of this machine begins with {digits}; see: coffer key list"
            ))),
            _ => Err(refused(format!(
                "several keys of this machine begin with {digits}; give more digits"
            ))),
        }
    }

    /// What this machine knows of a key, if it has imported it.
    pub(super) fn imported(&self, key: &KeyId) -> Result<Option<StoredImport>, Failure> {
        match self.store()?.load(key) {
            Ok(import) => Ok(Some(import)),
            Err(crate::import::StoreError::Unknown(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The partition of a key: named by the caller, or known from its import.
    pub(super) fn partition(&self, key: &KeyId, named: Option<&str>) -> Result<String, Failure> {
        if let Some(named) = named {
            return Ok(named.to_owned());
        }
        let imported = self
            .imported(key)?
            .map(|import| import.sealed.partition().to_owned());
        imported.ok_or_else(|| {
            Failure::new("partition", format!("this machine did not import the key {key}; name its partition with --partition P"))
        })
    }

    /// The configured services; only the one at `url` if that is given.
    pub(super) fn services(&self, url: Option<&str>) -> Result<Vec<ServiceConfig>, Failure> {
        let mut services = self.config()?.revocation;
        if let Some(url) = url {
            let wanted = HttpsEndpoint::new(url, None)?.origin();
            services.retain(|service| {
                HttpsEndpoint::new(&service.url, None).is_ok_and(|found| found.origin() == wanted)
            });
        }
        if services.is_empty() {
            let sentence = match url {
                Some(url) => format!("{url} is not a [[revocation]] service of the configuration"),
                None => "no [[revocation]] service is in the configuration".to_owned(),
            };
            return Err(Failure::new("config", sentence));
        }
        Ok(services)
    }
}

/// The registrar's client of a service.
pub(super) fn registrar(service: &ServiceConfig) -> Result<Service, Failure> {
    let token = token(
        service.registrar_token_file.as_ref(),
        service,
        "registrar",
        "registrar_token_file",
    )?;
    Ok(Service::new(&service.url, ca(service)?.as_deref(), token)?)
}

/// A client that looks only: either token does.
pub(super) fn viewer(service: &ServiceConfig) -> Result<Service, Failure> {
    let file = service
        .registrar_token_file
        .as_ref()
        .or(service.admin_token_file.as_ref());
    let token = token(file, service, "registrar", "registrar_token_file")?;
    Ok(Service::new(&service.url, ca(service)?.as_deref(), token)?)
}

/// The admin's client of a service.
pub(super) fn switch(service: &ServiceConfig) -> Result<Switch, Failure> {
    let token = token(
        service.admin_token_file.as_ref(),
        service,
        "admin",
        "admin_token_file",
    )?;
    Ok(Switch::new(&service.url, ca(service)?.as_deref(), token)?)
}

/// `HOST[:PORT]` of a service, as keys name it.
pub(super) fn host(service: &ServiceConfig) -> Result<String, Failure> {
    Ok(HttpsEndpoint::new(&service.url, None)?.host())
}

fn token(
    file: Option<&PathBuf>,
    service: &ServiceConfig,
    role: &'static str,
    field: &'static str,
) -> Result<BearerToken, Failure> {
    let url = service.url.clone();
    let file = file.ok_or(TokenError::NotConfigured { role, url, field })?;
    Ok(BearerToken::read(file, role)?)
}

fn ca(service: &ServiceConfig) -> Result<Option<String>, Failure> {
    service.ca.as_deref().map(read_text).transpose()
}

/// A private key of an owner or app.
pub(super) fn signing_key(path: &Path) -> Result<SigningKey, Failure> {
    let file = Zeroizing::new(files::read(path, keyfile::MAX_FILE_LEN)?);
    SigningKey::from_pem(&file)
        .map_err(|error| Failure::new("key-file", format!("{}: {error}", path.display())))
}

/// Makes the file of an `--out` whose old content would be missed; one that is there already is the failure "exists".
pub(super) fn create_new(path: &Path, content: &[u8]) -> Result<(), Failure> {
    files::create(path, content).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            let sentence = format!(
                "{} is there already, and nothing is overwritten; choose another file",
                path.display()
            );
            Failure::new("exists", sentence)
        }
        _ => error.into(),
    })
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let bytes = files::read(path, CERTIFICATE)?;
    String::from_utf8(bytes)
        .map_err(|_| Failure::new("file", format!("{} is not text", path.display())))
}

/// A file to work on, or stdin for `-`.
pub(super) fn read_input(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if path != Path::new("-") {
        return Ok(Zeroizing::new(files::read(path, INPUT)?));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let read = std::io::stdin()
        .lock()
        .take(INPUT as u64 + 1)
        .read_to_end(&mut bytes);
    read.map_err(|reason| FileError::new(Path::new("standard input"), "read", reason))?;
    if bytes.len() > INPUT {
        return Err(Failure::new(
            "file",
            format!("standard input holds more than {INPUT} bytes"),
        ));
    }
    Ok(bytes)
}
