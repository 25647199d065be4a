//! `coffer trust`: whom the customer believes, and whether the provider's enclave passes.

use cofferdam_wire::kind::Suite;
use serde_json::json;

use super::args::{TrustInit, TrustRoot};
use super::context::{Context, create_new};
use super::evidence::printable;
use super::failure::Failure;
use super::output::{Shown, progress};
use super::vendor::vendor_key;
use crate::files;
use crate::times::show_time;
use crate::trust::Template;

pub(super) fn init(options: &TrustInit) -> Result<Shown, Failure> {
    let TrustRoot::AwsNitro = options.root;
    let vendor = vendor_key(&options.vendor)?;
    let provider_ca = options
        .provider_ca
        .as_deref()
        .map(read_certificate)
        .transpose()?;
    let template = Template {
        name: &options.name,
        vendor: &vendor,
        group: options.group,
        provider: options.provider.as_deref(),
        provider_ca: provider_ca.as_deref(),
    };
    let text = template.to_toml()?;
    create_new(&options.out, text.as_bytes())?;
    Ok(Shown::fields(json!({
        "trust_file": options.out.display().to_string(),
        "name": options.name,
        "attestation_root_sha256": hex::encode(cofferdam_attestation::AWS_NITRO_ROOT_SHA256),
        "vendor_thumbprint": vendor.thumbprint().to_string(),
        "group": options.group.map(|group| group.to_string()),
        "provider": options.provider,
    })))
}

fn read_certificate(path: &std::path::Path) -> Result<String, Failure> {
    let refused = || {
        let sentence = format!("{} is not one certificate in PEM", path.display());
        Failure::new("certificate", sentence)
    };
    let file = files::read(path, 64 * 1024)?;
    match der::pem::decode_vec(&file) {
        Ok(("CERTIFICATE", _)) => String::from_utf8(file).map_err(|_| refused()),
        _ => Err(refused()),
    }
}

pub(super) fn show(context: &Context) -> Result<Shown, Failure> {
    let file = context.trust_file()?;
    let trust = file.check()?;
    let images = file.measurements.as_ref().map(|images| {
        let image = |image: &crate::trust::TrustedImage| {
            json!({ "pcr0": image.pcr0, "pcr1": image.pcr1, "pcr2": image.pcr2, "until": image.until_s.map(show_time) })
        };
        images.iter().map(image).collect::<Vec<_>>()
    });
    let suites: Vec<_> = Suite::ALL
        .iter()
        .filter(|suite| trust.admits(**suite))
        .map(|suite| suite.number())
        .collect();
    Ok(Shown::fields(json!({
        "name": trust.name(),
        "attestation_root_sha256": hex::encode(trust.root().sha256()),
        "vendor_thumbprint": trust.vendor().thumbprint().to_string(),
        "group": trust.group().map(|group| group.to_string()),
        "provider": trust.provider(),
        "suites": suites,
        "vendor_statement_max_age_s": trust.vendor_statement_max_age_s(),
        "extra_tls_root": trust.provider_ca().is_some(),
        "vendor_url": file.vendor_url,
        "vendor_url_required": file.vendor_url_required,
        "validators": file.validators.iter().map(|validator| validator.url.as_str()).collect::<Vec<_>>(),
        "own_measurements": images,
    })))
}

pub(super) async fn verify(context: &Context) -> Result<Shown, Failure> {
    progress(
        context.is_quiet(),
        "asking for a proof and verifying it ...",
    );
    let proven = context.proven().await?;
    let binding = proven.binding();
    let tee: Vec<_> = binding
        .tee
        .iter()
        .map(|key| json!({ "suite": key.suite.number(), "until": show_time(key.not_after_s) }))
        .collect();
    let providers: Vec<_> = proven
        .provider_keys()
        .iter()
        .map(|key| key.suite.number())
        .collect();
    Ok(Shown::fields(json!({
        "verdict": "every check passed (PRF-1 to PRF-17, PRF-20 to PRF-26)",
        "provider": printable(proven.provider().as_bytes()),
        "group": proven.group().to_string(),
        "instance": binding.instance.thumbprint().to_string(),
        "pcr0": hex::encode(proven.instance().measurement().pcr0),
        "pcr1": hex::encode(proven.instance().measurement().pcr1),
        "pcr2": hex::encode(proven.instance().measurement().pcr2),
        "enclave_time": show_time(proven.instance().evidence_s()),
        "group_made": show_time(proven.genesis().evidence_s()),
        "escrow": binding.escrow.slug(),
        "epoch": binding.epoch,
        "vendor_statement": proven.vendor_sequence(),
        "import_keys": tee,
        "provider_key_suites": providers,
    })))
}
