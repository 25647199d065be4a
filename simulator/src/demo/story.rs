//! The honest half of the demo: proof, imports, signatures; the other half is told by [`super::exposure`] and [`super::hostile`].

use std::time::Instant;

use anyhow::{Context, ensure};
use cofferdam::session::prove;
use cofferdam::verify::Suites;
use cofferdam_wire::cbor;
use cofferdam_wire::kind::Suite;
use cofferdam_wire::operation::Input;
use serde_json::json;

use super::customer::{AppSession, Customer, INTERVAL_S, Imported};
use super::exposure;
use super::hostile::Hostile;
use super::keys::FreshKey;
use super::narrator::{Narrator, counted, rounded};
use super::outside::Outsider;
use super::tape::Tape;
use crate::house::House;
use crate::officers::{NEEDED, OFFICERS};
use crate::ready::Pids;

/// What is signed.
pub(crate) const MESSAGE: &[u8] = b"Pay 100 to Alice.";

/// Tells it all.
pub(crate) async fn tell(
    house: &mut House,
    tape: &Tape,
    narrator: &mut Narrator,
) -> anyhow::Result<()> {
    started(house, narrator);
    let customer = Customer::new(house, tape.clone())?;
    proven(house, &customer, narrator)
        .await
        .context("the proof")?;
    let ec = imported(&customer, FreshKey::p256()?, Suite::XWing, narrator)
        .await
        .context("the first import")?;
    let rsa = imported(&customer, FreshKey::rsa_3072()?, Suite::RsaOaep, narrator)
        .await
        .context("the second import")?;
    let session = customer
        .session(&[ec.id, rsa.id])
        .await
        .context("the app's session")?;
    signed(house, &session, [&ec, &rsa], narrator).await?;
    let layout = house.layout().clone();
    exposure::search(&layout, tape, &customer, [&ec, &rsa], narrator)
        .await
        .context("the search")?;
    let mut hostile = Hostile::new(house, &customer, &session, &ec, &rsa).await?;
    hostile.revoke(narrator).await?;
    hostile.restart(narrator).await?;
    hostile.old_disk(narrator).await?;
    hostile.pool_shares(narrator).await?;
    hostile.rewrite(narrator).await?;
    hostile.close().await;
    exposure::search_again(&layout, tape, [&ec, &rsa], narrator).context("the search")?;
    Ok(())
}

fn started(house: &House, narrator: &mut Narrator) {
    let ready = house.ready();
    let Pids {
        enclave,
        parent,
        revocation,
        ..
    } = ready.pids;
    let image = house.host().image_name();
    let running = if house.host().is_machine() {
        format!(
            "the enclave is a virtual machine booted from {image} on an emulated processor (process {enclave}), and is \
             reached over its virtio-vsock; provider's parent and customer's revocation service run here as processes \
             {parent} and {revocation}"
        )
    } else {
        format!(
            "enclave, provider's parent and customer's revocation service run here as processes {enclave}, {parent} and \
             {revocation}"
        )
    };
    let text = format!(
        "{running}; {OFFICERS} officers of the provider hold shares of the group key, {NEEDED} of them bring a restarted \
         enclave back"
    );
    let details = json!({
        "parent_url": ready.parent_url, "revocation_url": ready.revocation_url, "group": ready.group, "image": image,
        "virtual_machine": house.host().is_machine(),
    });
    narrator.step("start", &text, details);
}

async fn proven(house: &House, customer: &Customer, narrator: &mut Narrator) -> anyhow::Result<()> {
    let proven = prove(&customer.parent, &customer.verifier).await?;
    ensure!(
        proven.instance().measurement() == house.image(),
        "the enclave measures something else than {}",
        house.host().image_name()
    );
    let binding = cbor::encode(proven.binding()).len();
    let pcr0 = hex::encode(house.image().pcr0);
    let transcript = proven.transcript().to_string();
    proven
        .prove_possession(Suites::both(Suite::XWing), &customer.parent)
        .await?;
    let again = prove(&customer.parent, &customer.verifier).await?;
    again
        .prove_possession(Suites::both(Suite::RsaOaep), &customer.parent)
        .await?;
    let text = format!(
        "before any key is sealed: the evidence is fresh and under the trusted root, what runs is {} (PCR0 \
         {}..), the vendor's statement names image and provider, and both showed that they hold the keys they offer",
        house.host().image_name(),
        &pcr0[..12],
    );
    narrator.step(
        "proof",
        &text,
        json!({"pcr0": pcr0, "binding_bytes": binding, "transcript": transcript}),
    );
    Ok(())
}

async fn imported(
    customer: &Customer,
    fresh: FreshKey,
    suite: Suite,
    narrator: &mut Narrator,
) -> anyhow::Result<Imported> {
    let imported = customer.import(fresh, suite).await?;
    let receipt = imported.confirmed.receipt();
    let lease = receipt
        .lease
        .context("the receipt says that the key cannot be revoked")?;
    ensure!(
        lease.interval_s == INTERVAL_S && lease.grace_s == 0,
        "the receipt names another interval"
    );
    let (name, sizes) = (imported.fresh.name, &imported.sizes);
    let how = match suite {
        Suite::XWing => "post-quantum X-Wing",
        Suite::RsaOaep => "RSA-OAEP",
    };
    let text = format!(
        "{} {name} key, made just now, went in under two seals ({how}, {} bytes), one for the provider and one for the \
         enclave; the enclave's signed receipt agrees in every field; its revocation service will be asked every {} s",
        imported.fresh.article(),
        counted(sizes.outer_layer),
        lease.interval_s,
    );
    let details = json!({
        "key": imported.id.to_string(), "kind": imported.fresh.kind.slug(), "suite": suite.slug(),
        "outer_layer_bytes": sizes.outer_layer, "statement_bytes": sizes.statement, "interval_s": lease.interval_s,
    });
    narrator.step("import", &text, details);
    Ok(imported)
}

async fn signed(
    house: &House,
    session: &AppSession,
    keys: [&Imported; 2],
    narrator: &mut Narrator,
) -> anyhow::Result<()> {
    let mut signatures = Vec::new();
    let mut millis = Vec::new();
    for key in keys {
        let began = Instant::now();
        let signature = sign(session, key)
            .await
            .with_context(|| format!("signing with the {} key", key.fresh.name))?;
        millis.push(rounded(began.elapsed().as_secs_f64()) * 1000.0);
        signatures.push(signature);
    }
    let [ec, rsa] = keys.map(|key| key.fresh.name);
    let text = format!(
        "an app with the owner's grant signed through a sealed session: {ec} in {:.0} ms and {rsa} in {:.0} ms, each after \
         the revocation service had said \"good\"",
        millis[0], millis[1],
    );
    narrator.step(
        "sign",
        &text,
        json!({"milliseconds": millis, "bytes": [signatures[0].len(), signatures[1].len()]}),
    );

    let outsider = Outsider::find();
    let scratch = tempfile::tempdir_in(house.layout().path())?;
    for (key, signature) in keys.into_iter().zip(&signatures) {
        let verifies =
            |message: &[u8]| outsider.verifies(&key.fresh, message, signature, scratch.path());
        ensure!(
            verifies(MESSAGE)?,
            "{} refuses the {} signature",
            outsider.name(),
            key.fresh.name
        );
        ensure!(
            !verifies(b"Pay 900 to Mallory.")?,
            "{} takes a signature over another message",
            outsider.name()
        );
    }
    let text = format!(
        "{}, which is not our code, accepts both signatures with the customer's own public keys, and refuses them for \
         another message",
        outsider.name()
    );
    narrator.step("verify", &text, json!({"by": outsider.name()}));
    Ok(())
}

/// One signature by the app.
pub(crate) async fn sign(
    session: &AppSession,
    key: &Imported,
) -> Result<Vec<u8>, cofferdam::session::SessionError> {
    session
        .sign(
            key.id,
            key.fresh.algorithm,
            Input::Message(MESSAGE.to_vec()),
        )
        .await
}
