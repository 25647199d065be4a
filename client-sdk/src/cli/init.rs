//! `coffer init`: an owner key, an app key, a configuration. Nothing that is there already is touched.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::Init;
use super::context::Context;
use super::failure::Failure;
use super::output::Shown;
use crate::config::Config;
use crate::crypto::public_key::PublicKey;
use crate::crypto::signing::{SignatureKind, SigningKey};
use crate::files;
use crate::trust::Trust;

const HEAD: &str = "\
# Configuration of coffer. Paths are relative to this file.
";

const TAIL: &str = "\
# A revocation service of yours, as often as you have one:
#
# [[revocation]]
# url = \"https://status.example\"
# status_root = \"a3...\"                  # the service's root, COSE_Key in hexadecimal
# ca = \"status-ca.pem\"                   # if its certificate is not under a public root
# registrar_token_file = \"registrar.token\"
# admin_token_file = \"admin.token\"       # only where keys may be revoked from
";

pub(super) fn init(context: &Context, options: &Init) -> Result<Shown, Failure> {
    let directory = match (&options.dir, &context.global().config) {
        (Some(directory), _) => directory.clone(),
        (None, Some(config)) => config.parent().map(PathBuf::from).unwrap_or_default(),
        (None, None) => Context::home()?,
    };
    // Before anything is made: a configuration that names a bad trust file would fail at its first use.
    if let Some(trust) = &context.global().trust {
        Trust::read(trust)?;
    }
    files::make_directory(&directory)?;
    let at = |name: &str| directory.join(name);
    for name in ["owner.pem", "app.pem", "coffer.toml"] {
        if at(name).exists() {
            let sentence = format!(
                "{} is there already, and nothing is overwritten; choose another directory with --dir",
                at(name).display()
            );
            return Err(Failure::new("exists", sentence));
        }
    }
    let trust = context
        .global()
        .trust
        .as_deref()
        .map(std::path::absolute)
        .transpose();
    let trust = trust.map_err(|error| {
        Failure::new("trust-file", format!("the path of the trust file: {error}"))
    })?;
    let config = Config {
        url: context.global().url.clone(),
        trust,
        owner_key: Some("owner.pem".into()),
        app_key: Some("app.pem".into()),
        state_dir: "state".into(),
        revocation: Vec::new(),
    };
    let owner = make_key(&at("owner.pem"), &at("owner-public.pem"))?;
    let app = make_key(&at("app.pem"), &at("app-public.pem"))?;
    let missing = match (&config.url, &config.trust) {
        (Some(_), Some(_)) => "",
        _ => "# To be set: url = \"https://parent.example\" and trust = \"trust.toml\"\n",
    };
    let text = format!("{HEAD}{missing}{}\n{TAIL}", config.to_toml());
    files::create(&at("coffer.toml"), text.as_bytes())?;
    let shown = |path: PathBuf| path.display().to_string();
    Ok(Shown::fields(json!({
        "config": shown(at("coffer.toml")),
        "owner_key": shown(at("owner.pem")),
        "owner_public_key": shown(at("owner-public.pem")),
        "owner_thumbprint": owner.public().thumbprint().to_string(),
        "owner_cose_key": hex::encode(owner.public().to_cose()),
        "app_key": shown(at("app.pem")),
        "app_public_key": shown(at("app-public.pem")),
        "app_thumbprint": app.public().thumbprint().to_string(),
    })))
}

fn make_key(private: &Path, public: &Path) -> Result<SigningKey, Failure> {
    let key = SigningKey::generate(SignatureKind::Ed25519);
    files::create(private, key.to_pkcs8_pem().as_bytes())?;
    let half = PublicKey::from_signer(&key.public())
        .expect("invariant: a generated key has a valid public half");
    files::replace(public, half.to_spki_pem().as_bytes())?;
    Ok(key)
}
