//! `coffer trust`: whom the customer believes, and whether the provider's enclave passes.

use cofferdam_wire::kind::Suite;
use serde_json::json;

use super::context::Context;
use super::failure::Failure;
use super::output::{Shown, progress};
use super::times::show_time;

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
        "suites": suites,
        "vendor_statement_max_age_s": trust.vendor_statement_max_age_s(),
        "extra_tls_root": trust.provider_ca().is_some(),
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
        "verdict": "every check passed (PRF-1 to PRF-17)",
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
