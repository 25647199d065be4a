//! The hostile half of the demo: revocation, crashes, an old disk, pooled shares, rewritten records. What the provider
//! has is searched in [`super::exposure`].

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use cofferdam::session::SessionError;
use cofferdam_wire::record::StoredRecord;
use cofferdam_wire::{Code, cbor, limits};
use serde_json::json;

use super::customer::{AppSession, Customer, INTERVAL_S, Imported};
use super::narrator::{Narrator, rounded};
use super::provider::{Disk, GroupKey, Rewrite, read_all};
use super::search::Needles;
use super::story::sign;
use crate::house::House;
use crate::officers::NEEDED;

/// P3: interval, grace (0 here), and 2 s.
const BOUND: Duration = Duration::from_secs(INTERVAL_S as u64 + 2);

/// Both keys, and the provider's disk.
pub(crate) struct Hostile<'a> {
    house: &'a mut House,
    customer: &'a Customer,
    session: &'a AppSession,
    /// Stays in use.
    kept: &'a Imported,
    /// Will be revoked.
    revoked: &'a Imported,
    disk: Disk,
    /// Record of the key to be revoked, as a disk from before the revocation has it.
    old_record: Vec<u8>,
    group_key: Option<GroupKey>,
}

impl<'a> Hostile<'a> {
    pub(crate) async fn new(
        house: &'a mut House,
        customer: &'a Customer,
        session: &'a AppSession,
        kept: &'a Imported,
        revoked: &'a Imported,
    ) -> anyhow::Result<Self> {
        let disk = Disk::open(&house.layout().parent_state())
            .await
            .context("the provider's store")?;
        let old_record = disk
            .record(&revoked.id)
            .await?
            .context("the store has no record of the imported key")?;
        Ok(Self {
            house,
            customer,
            session,
            kept,
            revoked,
            disk,
            old_record,
            group_key: None,
        })
    }

    pub(crate) async fn close(self) {
        self.disk.close().await;
    }

    /// P3 and P5: the next operation is refused within the bound, and the release secret is gone.
    pub(crate) async fn revoke(&mut self, narrator: &mut Narrator) -> anyhow::Result<()> {
        let mut release = Needles::default();
        release.add(
            "release secret",
            self.customer.release_secret(&self.revoked.handle)?.expose(),
        );
        let is_kept = |directory: &Path| -> anyhow::Result<bool> {
            Ok(read_all(directory)?
                .iter()
                .any(|bytes| !release.find(bytes).is_empty()))
        };
        let service = self.house.layout().revocation_state();
        ensure!(
            is_kept(&service)?,
            "the service's files do not hold the release secret before the revocation"
        );

        sign(self.session, self.revoked)
            .await
            .context("the last signature before the revocation")?;
        self.customer
            .switch
            .revoke(&self.revoked.handle)
            .await
            .context("the revocation")?;
        let returned = Instant::now();
        let mut last_success = None;
        let mut after = 0;
        let refusal = loop {
            match sign(self.session, self.revoked).await {
                Ok(_) => {
                    let at = returned.elapsed();
                    ensure!(
                        at <= BOUND,
                        "the revoked key still signs after {:.2} s",
                        at.as_secs_f64()
                    );
                    after += 1;
                    last_success = Some(at);
                }
                Err(error) => break error,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let refused = returned.elapsed();
        // On a busy machine the lease may have run out before the service was heard.
        let code = refused_with(refusal, &[Code::Revoked, Code::LeaseUnavailable])?;
        let later = sign(self.session, self.revoked).await;
        refused_with(self::refusal(later)?, &[Code::Revoked])?;
        // What is promised is that nothing leaves later. An emulated processor may take its time to say no.
        ensure!(
            refused <= BOUND || self.house.host().is_machine(),
            "the first refusal came after {:.2} s",
            refused.as_secs_f64()
        );
        ensure!(
            !is_kept(&service)?,
            "the service's files still hold the release secret of the revoked key"
        );
        sign(self.session, self.kept)
            .await
            .context("the other key, after the revocation")?;
        let text = format!(
            "the owner revoked the {} key: first refusal {:.2} s after the revoke call returned, last signature at {:.2} s; \
             promised are {} s (interval {INTERVAL_S} + grace 0 + 2); the service has erased what opens the stored key",
            self.revoked.fresh.name,
            refused.as_secs_f64(),
            last_success.unwrap_or_default().as_secs_f64(),
            BOUND.as_secs(),
        );
        let details = json!({
            "refused_after_s": rounded(refused.as_secs_f64()), "bound_s": BOUND.as_secs(), "code": code.slug(),
            "last_signature_after_s": last_success.map(|at| rounded(at.as_secs_f64())), "signatures_after": after,
        });
        narrator.step("revoke", &text, details);
        Ok(())
    }

    /// A crash: the group comes back by its officers, the key by its record and a fresh answer of the service.
    pub(crate) async fn restart(&mut self, narrator: &mut Narrator) -> anyhow::Result<()> {
        let before = self.house.ready().pids.enclave;
        let (away, officers) = self.house.crash_enclave().await?;
        let now = self.house.ready().pids.enclave;
        ensure!(before != now, "the enclave was not killed");
        sign(self.session, self.kept)
            .await
            .context("the other key, after the restart")?;
        let code = refused_with(
            refusal(sign(self.session, self.revoked).await)?,
            &[Code::NotFound, Code::Revoked],
        )?;
        let killed = if self.house.host().is_machine() {
            "the virtual machine was killed, and booted again"
        } else {
            "the enclave was killed and came back"
        };
        let text = format!(
            "{killed} in {:.1} s: {NEEDED} officers verified the new one's evidence before they \
             sealed their shares to it; the {} key works again, the revoked one does not ({})",
            away.as_secs_f64(),
            self.kept.fresh.name,
            code.slug(),
        );
        narrator.step("restart", &text, json!({
            "away_s": rounded(away.as_secs_f64()), "officers_s": rounded(officers.as_secs_f64()), "code": code.slug(),
        }));
        Ok(())
    }

    /// T-17: a disk from before the revocation.
    pub(crate) async fn old_disk(&mut self, narrator: &mut Narrator) -> anyhow::Result<()> {
        self.disk.put(&self.revoked.id, &self.old_record).await?;
        let code = refused_with(
            refusal(sign(self.session, self.revoked).await)?,
            &[Code::Revoked],
        )?;
        let text = format!(
            "the provider put back the stored {} key from before its revocation: the enclave asks the revocation service and \
             refuses ({})",
            self.revoked.fresh.name,
            code.slug(),
        );
        narrator.step("old disk", &text, json!({"code": code.slug()}));
        Ok(())
    }

    /// T-64: K officers pool their shares outside of any enclave.
    pub(crate) async fn pool_shares(&mut self, narrator: &mut Narrator) -> anyhow::Result<()> {
        let group_key = GroupKey::pooled(&self.house.layout().officers())?;
        let record = self
            .disk
            .record(&self.kept.id)
            .await?
            .context("the store has no record of the key")?;
        let record: StoredRecord = cbor::decode(&record, limits::RECORD)?;
        let old_record: StoredRecord = cbor::decode(&self.old_record, limits::RECORD)?;
        let (kept, revoked) = (&self.kept.id, &self.revoked.id);
        let control = group_key.control(kept, &record)?;
        ensure!(
            control.owner == self.customer.owner.public(),
            "the control part names another owner"
        );
        let token = control
            .revocation
            .as_ref()
            .and_then(|revocation| revocation.services().first());
        let token = token
            .context("the control part names no revocation service")?
            .token;
        let guesses: [&[&[u8]]; 4] = [&[], &[&[0; 32]], &[&token.0], &[&kept.0]];
        for guess in guesses {
            ensure!(
                !group_key.opens_material(kept, &record, guess)?,
                "the material opens without the release secret"
            );
        }
        let other = self.customer.release_secret(&self.revoked.handle)?;
        ensure!(
            !group_key.opens_material(kept, &record, &[other.expose()])?,
            "the material opens with another secret"
        );
        ensure!(
            !group_key.opens_material(revoked, &old_record, &[])?,
            "the revoked material opens"
        );
        // With the customer's own copy the same code opens it, so what failed above failed for want of this secret.
        let own = self.customer.release_secret(&self.kept.handle)?;
        ensure!(
            group_key.opens_material(kept, &record, &[own.expose()])?,
            "the material does not open at all"
        );
        self.group_key = Some(group_key);
        let text = format!(
            "{NEEDED} officers pooled their shares and have the group key: of the stored {} key it opens owner and policy, but \
             not the key, which needs the secret at the customer's revocation service (with that, as a check, it opens)",
            self.kept.fresh.name,
        );
        narrator.step(
            "group key",
            &text,
            json!({"control_opens": true, "material_opens": false, "guesses": guesses.len() + 1}),
        );
        Ok(())
    }

    /// T-77: a rewritten record is refused at load.
    pub(crate) async fn rewrite(&mut self, narrator: &mut Narrator) -> anyhow::Result<()> {
        let group_key = self
            .group_key
            .as_ref()
            .context("the group key comes first")?;
        let key = self.kept.id;
        let record = self
            .disk
            .record(&key)
            .await?
            .context("the store has no record of the key")?;
        // A running enclave has the key loaded; a new one has to load what the provider brings.
        self.house.crash_enclave().await?;
        let mut refused = Vec::new();
        for rewrite in Rewrite::ALL {
            self.disk
                .put(&key, &rewrite.apply(group_key, &key, &record)?)
                .await?;
            let error = refusal(sign(self.session, self.kept).await)
                .with_context(|| rewrite.name().to_owned())?;
            refused_with(error, &[Code::RecordRefused])
                .with_context(|| rewrite.name().to_owned())?;
            refused.push(rewrite.name());
        }
        self.disk.put(&key, &record).await?;
        sign(self.session, self.kept)
            .await
            .context("the untouched record, put back")?;
        let text = format!(
            "with the group key the provider gave the stored {} key {}: the restarted enclave refuses each ({}), since the \
             owner signed all of it, and takes the untouched record again",
            self.kept.fresh.name,
            refused.join(", "),
            Code::RecordRefused.slug(),
        );
        narrator.step(
            "rewrite",
            &text,
            json!({"refused": refused, "code": Code::RecordRefused.slug()}),
        );
        Ok(())
    }
}

fn refusal(signed: Result<Vec<u8>, SessionError>) -> anyhow::Result<SessionError> {
    match signed {
        Ok(_) => bail!("it was signed"),
        Err(error) => Ok(error),
    }
}

/// The code of a refusal that had to come with one of these codes.
fn refused_with(error: SessionError, expected: &[Code]) -> anyhow::Result<Code> {
    match error.code().filter(|code| expected.contains(code)) {
        Some(code) => Ok(code),
        None => Err(anyhow::Error::from(error)
            .context("it was refused, but not for the reason that counts")),
    }
}
