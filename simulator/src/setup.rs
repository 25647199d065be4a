//! Who believes whom, as files: the vendor's statement, the two services' configurations, the customer's trust file and
//! keys. Made by the simulator in the place of vendor, provider and customer.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cofferdam::config::{Config as CofferConfig, ServiceConfig};
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::grant::{GrantOrder, OwnedGrant};
use cofferdam::trust::TrustFile;
use cofferdam_parent_proxy::config::{
    Admission, Config as ParentConfig, CourierConfig, Limits, LinkConfig,
};
use cofferdam_parent_proxy::link::EnclaveAddress;
use cofferdam_parent_proxy::provider_keys::{FileKeys, ProviderKeys};
use cofferdam_revocation_service::config::{AcceptedImage, Config as RevocationConfig, Verifier};
use cofferdam_wire::binding::Measurement;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{GroupId, Pcr, RecipientId};
use cofferdam_wire::kind::Action;
use cofferdam_wire::limits;
use cofferdam_wire::session::Audience;
use cofferdam_wire::vendor::{Image, Provider, VendorStatement};
use cofferdam_wire::{cbor, context};
use serde::{Deserialize, Serialize};

use crate::layout::{Layout, write_private};
use crate::nsm;

/// The partition of the grants in `ready.json`.
pub(crate) const PARTITION: &str = "demo";
/// How long the keyless grant lasts, seconds.
const GRANT_S: u64 = 30 * 24 * 3600;

/// What the parent says when it is ready.
#[derive(Debug, Deserialize)]
pub(crate) struct ParentReady {
    pub(crate) url: String,
    pub(crate) operator_url: String,
    pub(crate) ca_file: PathBuf,
    pub(crate) operator_token_file: PathBuf,
}

/// What the revocation service says when it is ready.
#[derive(Debug, Deserialize)]
pub(crate) struct RevocationReady {
    pub(crate) url: String,
    pub(crate) ca_file: PathBuf,
    pub(crate) registrar_token_file: PathBuf,
    pub(crate) admin_token_file: PathBuf,
    pub(crate) status_root: String,
}

/// A measurement as it stands in files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NamedImage {
    pcr0: String,
    pcr1: String,
    pcr2: String,
}

impl NamedImage {
    fn of(measurement: &Measurement) -> Self {
        Self {
            pcr0: hex::encode(measurement.pcr0),
            pcr1: hex::encode(measurement.pcr1),
            pcr2: hex::encode(measurement.pcr2),
        }
    }

    pub(crate) fn measurement(&self) -> anyhow::Result<Measurement> {
        let pcr = |text: &str| {
            let pcr = Pcr::from_hex(text).context("a PCR is 48 bytes in hexadecimal")?;
            anyhow::Ok(pcr.0)
        };
        Ok(Measurement {
            pcr0: pcr(&self.pcr0)?,
            pcr1: pcr(&self.pcr1)?,
            pcr2: pcr(&self.pcr2)?,
        })
    }
}

/// The images that count here: the running program, and those that have run in this directory before, since one of them
/// made the group.
pub(crate) fn note_image(
    layout: &Layout,
    running: &Measurement,
) -> anyhow::Result<Vec<NamedImage>> {
    let path = layout.images();
    let mut images: Vec<NamedImage> = match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .with_context(|| format!("{} is damaged", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let running = NamedImage::of(running);
    images.retain(|image| *image != running);
    images.insert(0, running);
    images.truncate(limits::MEASUREMENTS);
    write_private(&path, &serde_json::to_vec_pretty(&images)?)?;
    Ok(images)
}

/// Makes the provider's keys, or reads them, as the parent itself does it; gives their ids, for the vendor's table.
pub(crate) fn provider_keys(layout: &Layout) -> anyhow::Result<Vec<RecipientId>> {
    crate::layout::make_directory(&layout.parent_state())?;
    let enclave = EnclaveAddress::Unix(layout.enclave_socket());
    let keys = FileKeys::open_or_create(
        &parent_config(layout, enclave, [0; 2], None).provider_keys_dir(),
    )?;
    Ok(keys
        .public()
        .iter()
        .map(cofferdam_wire::transcript::ProviderKey::id)
        .collect())
}

/// The simulated vendor signs which images are good and which keys are the provider's.
pub(crate) fn sign_vendor_statement(
    layout: &Layout,
    images: &[NamedImage],
    provider_keys: Vec<RecipientId>,
) -> anyhow::Result<()> {
    let issued_s = now_s()?;
    let image = |(epoch, image): (u64, &NamedImage)| {
        anyhow::Ok(Image {
            measurement: image.measurement()?,
            until_s: None,
            pcr8: None,
            epoch,
        })
    };
    let statement = VendorStatement {
        version: 1,
        // The sequence may never fall, and time does not.
        sequence: issued_s,
        issued_s,
        not_after_s: issued_s + limits::VENDOR_STATEMENT_LIFETIME_S,
        // The running program comes first and is the newest: an older one may not follow it into a group.
        images: (1..)
            .zip(images.iter().rev())
            .map(image)
            .collect::<anyhow::Result<_>>()?,
        providers: vec![Provider {
            name: "Simulated provider".into(),
            keys: provider_keys,
            pcr3: Vec::new(),
        }],
    };
    let key = vendor_key().context("the simulated vendor's key")?;
    let signed = key
        .sign1(context::VENDOR_STATEMENT, cbor::encode(&statement))
        .to_bytes();
    write_private(&layout.vendor_statement(), &signed)
}

fn vendor_key() -> anyhow::Result<SigningKey> {
    let document = pkcs8::SecretDocument::try_from(nsm::vendor_key_pkcs8())
        .ok()
        .context("PKCS#8")?;
    let pem = document
        .to_pem("PRIVATE KEY", Default::default())
        .ok()
        .context("PEM")?;
    Ok(SigningKey::from_pem(pem.as_bytes())?)
}

/// The revocation service: the customer's own list of images, and a log on another path.
pub(crate) fn write_revocation_config(
    layout: &Layout,
    images: &[NamedImage],
    port: u16,
) -> anyhow::Result<()> {
    let accepted = |image: &NamedImage| AcceptedImage {
        pcr0: image.pcr0.clone(),
        pcr1: image.pcr1.clone(),
        pcr2: image.pcr2.clone(),
        until_s: None,
    };
    let verifier = Verifier {
        attestation_root: Some(BASE64.encode(nsm::ROOT_DER)),
        measurements: images.iter().map(accepted).collect(),
    };
    // Settings that this leaves out keep the service's own defaults.
    let mut table = toml::Table::new();
    table.insert("listen".into(), loopback(port).to_string().into());
    table.insert("public_name".into(), Ipv4Addr::LOCALHOST.to_string().into());
    table.insert("state_dir".into(), text(&layout.revocation_state())?.into());
    table.insert("audit_log".into(), text(&layout.revocation_log())?.into());
    table.insert("verifier".into(), toml::Value::try_from(verifier)?);
    let written = toml::to_string(&table)?;
    let config: RevocationConfig = toml::from_str(&written)?;
    config.check()?;
    let log = layout.revocation_log();
    crate::layout::make_directory(log.parent().context("a log lies in a directory")?)?;
    write_private(&layout.revocation_config(), written.as_bytes())
}

/// The parent: it may dial the revocation service on this machine, and trusts its CA.
pub(crate) fn write_parent_config(
    layout: &Layout,
    enclave: EnclaveAddress,
    ports: [u16; 2],
    revocation_ca: &Path,
) -> anyhow::Result<()> {
    let config = parent_config(layout, enclave, ports, Some(revocation_ca));
    config.check()?;
    write_private(
        &layout.parent_config(),
        toml::to_string(&config)?.as_bytes(),
    )
}

fn parent_config(
    layout: &Layout,
    enclave: EnclaveAddress,
    ports: [u16; 2],
    extra_ca: Option<&Path>,
) -> ParentConfig {
    let [public, operator] = ports;
    ParentConfig {
        listen: loopback(public),
        operator_listen: loopback(operator),
        state_dir: layout.parent_state(),
        enclave,
        vendor_statement: layout.vendor_statement(),
        store: None,
        provider_keys: None,
        admit: Admission::All,
        log_json: false,
        tls: None,
        tls_names: vec![Ipv4Addr::LOCALHOST.to_string(), "localhost".into()],
        provider_plane: Vec::new(),
        link: LinkConfig::default(),
        courier: CourierConfig {
            allow_private: true,
            extra_ca: extra_ca.into_iter().map(Path::to_path_buf).collect(),
            allowed_ports: Vec::new(),
        },
        limits: Limits {
            shutdown_grace_s: 5,
            ..Limits::default()
        },
    }
}

/// The trust file: the simulator's root and vendor, the parent's CA, the images, and the group once it is known.
pub(crate) fn trust_file(
    images: &[NamedImage],
    provider_ca: &Path,
    group: Option<&GroupId>,
) -> anyhow::Result<TrustFile> {
    let image = |image: &NamedImage| cofferdam::trust::TrustedImage {
        pcr0: image.pcr0.clone(),
        pcr1: image.pcr1.clone(),
        pcr2: image.pcr2.clone(),
        until_s: None,
    };
    Ok(TrustFile {
        version: 1,
        name: "simulator".into(),
        attestation_root: BASE64.encode(nsm::ROOT_DER),
        vendor_key: hex::encode(PublicKey::Ed25519(nsm::VENDOR_PUBLIC).to_cose()),
        provider: None,
        provider_ca: Some(fs::read_to_string(provider_ca).context("the parent's CA")?),
        group: group.map(GroupId::to_string),
        vendor_statement_max_age_s: None,
        suites: None,
        measurements: Some(images.iter().map(image).collect()),
        vendor_url: None,
        vendor_url_required: false,
        vendor_ca: None,
        validators: Vec::new(),
    })
}

/// The customer's signing keys and the configuration for `coffer`. Keys that are there stay.
pub(crate) fn write_customer(
    layout: &Layout,
    parent: &ParentReady,
    revocation: &RevocationReady,
    trust: &TrustFile,
) -> anyhow::Result<(SigningKey, SigningKey)> {
    write_private(&layout.trust_file(), trust.to_toml().as_bytes())?;
    let config = CofferConfig {
        url: Some(parent.url.clone()),
        trust: Some(layout.trust_file()),
        owner_key: Some(layout.owner_key()),
        app_key: Some(layout.app_key()),
        state_dir: layout.coffer_state(),
        revocation: vec![ServiceConfig {
            url: revocation.url.clone(),
            status_root: revocation.status_root.clone(),
            ca: Some(revocation.ca_file.clone()),
            registrar_token_file: Some(revocation.registrar_token_file.clone()),
            admin_token_file: Some(revocation.admin_token_file.clone()),
        }],
    };
    write_private(&layout.coffer_config(), config.to_toml().as_bytes())?;
    Ok((
        signing_key(&layout.owner_key())?,
        signing_key(&layout.app_key())?,
    ))
}

/// A grant for what needs no key, so that an app can open a session before the first import.
pub(crate) fn write_keyless_grant(
    layout: &Layout,
    group: GroupId,
    owner: &SigningKey,
    app: &SigningKey,
) -> anyhow::Result<PathBuf> {
    let now_s = now_s()?;
    let order = GrantOrder {
        group,
        partition: PARTITION.into(),
        keys: Vec::new(),
        actions: vec![Action::Hash, Action::Random],
        audience: Audience::App(app.public().thumbprint()),
        not_before_s: now_s - 60,
        not_after_s: now_s + GRANT_S,
        epoch: 0,
    };
    let path = layout.grants().join("keyless.grant");
    write_private(&path, &OwnedGrant::sign(&order, owner)?.signed().0)?;
    Ok(path)
}

fn signing_key(path: &Path) -> anyhow::Result<SigningKey> {
    match fs::read(path) {
        Ok(pem) => {
            let pem = zeroize::Zeroizing::new(pem);
            SigningKey::from_pem(&pem).with_context(|| path.display().to_string())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = SigningKey::generate(SignatureKind::Ed25519);
            write_private(path, key.to_pkcs8_pem().as_bytes())?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// This machine's clock, Unix seconds.
pub(crate) fn now_s() -> anyhow::Result<u64> {
    Ok(SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("this machine's clock is not set")?
        .as_secs())
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn t32_a_rebuilt_program_follows_the_one_before_and_not_the_other_way() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::create(directory.path()).unwrap();
        let [before, rebuilt] = [1, 2].map(|byte| Measurement {
            pcr0: [byte; 48],
            pcr1: [byte; 48],
            pcr2: [byte; 48],
        });
        note_image(&layout, &before).unwrap();
        let images = note_image(&layout, &rebuilt).unwrap();
        sign_vendor_statement(&layout, &images, Vec::new()).unwrap();
        let signed = fs::read(layout.vendor_statement()).unwrap();
        let vendor = PublicKey::Ed25519(nsm::VENDOR_PUBLIC);
        let statement = cofferdam::vendor::read_signed(&signed, &vendor).unwrap();
        assert!(statement.may_follow(&rebuilt, &before));
        assert!(!statement.may_follow(&before, &rebuilt));
    }
}
