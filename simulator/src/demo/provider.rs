//! The provider at its worst: it owns its disk, its officers pool their shares, and it does what it likes with both.
//!
//! The cryptography is the SDK's, written out here in the place of a core that the provider does not have.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cofferdam::crypto::gcm::AeadError;
use cofferdam::crypto::hpke::{self, PrivateKey};
use cofferdam::crypto::secret::Secret32;
use cofferdam::crypto::signing::{SignatureKind, SigningKey};
use cofferdam::crypto::{kdf, xaes};
use cofferdam_wire::cose::CoseSign1;
use cofferdam_wire::group::{
    GenesisBody, SealedShare, Share, group_key_commitment, share_to_officer_info,
};
use cofferdam_wire::id::{GroupId, KeyId};
use cofferdam_wire::import::{Control, Statement, material_hash};
use cofferdam_wire::kind::{Algorithm, UsageClass};
use cofferdam_wire::record::{Part, StoredRecord, part_info};
use cofferdam_wire::revocation::Revocation;
use cofferdam_wire::{cbor, context, limits};
use serde::Deserialize;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use vsss_rs::Gf256;
use zeroize::Zeroizing;

use crate::officers::{NEEDED, officer_files};

/// The provider's record store, opened beside the parent that uses it.
pub(crate) struct Disk {
    pool: SqlitePool,
}

impl Disk {
    pub(crate) async fn open(parent_state: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(parent_state.join("records.sqlite"))
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await?;
        Ok(Self { pool })
    }

    /// The record of a key.
    pub(crate) async fn record(&self, key: &KeyId) -> anyhow::Result<Option<Vec<u8>>> {
        let row: Option<Option<Vec<u8>>> =
            sqlx::query_scalar("SELECT record FROM keys WHERE key_id = ?")
                .bind(key.0.to_vec())
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.flatten())
    }

    /// Puts a record in the place of a key's, also of one that has gone.
    pub(crate) async fn put(&self, key: &KeyId, record: &[u8]) -> anyhow::Result<()> {
        let done =
            sqlx::query("UPDATE keys SET record = ?, gone = NULL, gone_s = NULL WHERE key_id = ?")
                .bind(record.to_vec())
                .bind(key.0.to_vec())
                .execute(&self.pool)
                .await?;
        ensure!(
            done.rows_affected() == 1,
            "the store has no row for key {key}"
        );
        Ok(())
    }

    /// Plants bytes among the records.
    pub(crate) async fn plant(&self, bytes: &[u8]) -> anyhow::Result<()> {
        sqlx::query("CREATE TABLE IF NOT EXISTS planted (bytes BLOB)")
            .execute(&self.pool)
            .await?;
        sqlx::query("INSERT INTO planted VALUES (?)")
            .bind(bytes.to_vec())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    pub(crate) async fn close(self) {
        self.pool.close().await;
    }
}

/// The group's key, outside of any enclave: what K officers can do and never should.
pub(crate) struct GroupKey {
    key: Secret32,
    group: GroupId,
}

#[derive(Deserialize)]
struct OfficerFile {
    sealing_seed: String,
}

impl GroupKey {
    /// K officers open their shares and put them together.
    pub(crate) fn pooled(officers: &Path) -> anyhow::Result<Self> {
        let encoded = fs::read(officers.join("genesis-body.cbor"))?;
        let body: GenesisBody = cbor::decode(&encoded, limits::GENESIS_BODY)?;
        let group = GroupId::of(&encoded);
        let shares = (0..NEEDED).map(|officer| open_share(officers, &group, officer));
        let shares = Zeroizing::new(shares.collect::<anyhow::Result<Vec<Vec<u8>>>>()?);
        let combined = Gf256::combine_bytes(shares.as_slice())
            .ok()
            .context("the shares do not combine")?;
        let key =
            Secret32::from_slice(&Zeroizing::new(combined)).context("a group key has 32 bytes")?;
        ensure!(
            group_key_commitment(key.expose()) == body.group_key,
            "the officers combined another key than the group's"
        );
        Ok(Self { key, group })
    }

    /// Opens one part of a record with the group key and whatever else is at hand.
    pub(crate) fn open(
        &self,
        part: Part,
        key: &KeyId,
        sealed: &[u8],
        more: &[&[u8]],
    ) -> Result<Zeroizing<Vec<u8>>, AeadError> {
        let info = part_info(part, &self.group, key, true);
        xaes::open_with_leading_nonce(&self.part_key(&info, more), &info, sealed)
    }

    /// Opens what governs a key.
    pub(crate) fn control(&self, key: &KeyId, record: &StoredRecord) -> anyhow::Result<Control> {
        let control = self
            .open(Part::Control, key, &record.control, &[])
            .context("the control part does not open")?;
        Ok(cbor::decode(&control, limits::CONTROL)?)
    }

    /// Whether the material opens, and is what the owner signed, with the group key and `more`.
    pub(crate) fn opens_material(
        &self,
        key: &KeyId,
        record: &StoredRecord,
        more: &[&[u8]],
    ) -> anyhow::Result<bool> {
        let signed = CoseSign1::from_bytes(&record.statement, limits::STATEMENT)?;
        let statement: Statement = cbor::decode(&signed.payload, limits::STATEMENT)?;
        let opened = self.open(Part::Material, key, &record.material, more);
        Ok(opened.is_ok_and(|material| material_hash(&material) == statement.material))
    }

    fn seal_control(&self, key: &KeyId, control: &Control) -> anyhow::Result<Vec<u8>> {
        let info = part_info(Part::Control, &self.group, key, true);
        Ok(xaes::seal_with_random_nonce(
            &self.part_key(&info, &[]),
            &info,
            &cbor::encode(control),
        )?)
    }

    fn part_key(&self, info: &[u8], more: &[&[u8]]) -> Secret32 {
        let mut secrets: Vec<&[u8]> = vec![self.key.expose()];
        secrets.extend(more);
        kdf::derive(&secrets, info)
    }
}

fn open_share(officers: &Path, group: &GroupId, officer: u8) -> anyhow::Result<Vec<u8>> {
    let (keys, share) = officer_files(officers, officer);
    let file: OfficerFile = toml::from_str(&Zeroizing::new(fs::read_to_string(keys)?))?;
    let seed = Zeroizing::new(BASE64.decode(Zeroizing::new(file.sealing_seed).as_bytes())?);
    let sealing = PrivateKey::from_seed(&Secret32::from_slice(&seed).context("an officer's seed")?);
    let sealed: SealedShare = cbor::decode(&fs::read(share)?, 4096)?;
    let info = share_to_officer_info(group, officer);
    let plain =
        hpke::setup_receiver(&sealing, &sealed.enc, &info)?.open(b"", &sealed.ciphertext)?;
    Ok(cbor::decode::<Share<'_>>(&plain, 128)?.value.to_vec())
}

/// What a holder of the group key may try to make of somebody's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rewrite {
    /// Another revocation service, which never says "revoked".
    Service,
    /// The provider as the owner.
    Owner,
    /// Another policy.
    Policy,
    /// The owner's statement, signed by the provider.
    Signature,
}

impl Rewrite {
    /// Every one.
    pub(crate) const ALL: [Rewrite; 4] = [
        Rewrite::Service,
        Rewrite::Owner,
        Rewrite::Policy,
        Rewrite::Signature,
    ];

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Rewrite::Service => "another revocation service",
            Rewrite::Owner => "another owner",
            Rewrite::Policy => "another policy",
            Rewrite::Signature => "another signature",
        }
    }

    /// The rewritten record, sealed with the real group key.
    pub(crate) fn apply(
        self,
        group_key: &GroupKey,
        key: &KeyId,
        record: &[u8],
    ) -> anyhow::Result<Vec<u8>> {
        let mut record: StoredRecord = cbor::decode(record, limits::RECORD)?;
        let mut control = group_key.control(key, &record)?;
        let provider = SigningKey::generate(SignatureKind::Ed25519);
        match self {
            Rewrite::Service => {
                let Some(Revocation::Services { services, .. }) = &mut control.revocation else {
                    anyhow::bail!("the key has no revocation service");
                };
                services[0].host = "status.provider.example".into();
                services[0].status_root = provider.public();
            }
            Rewrite::Owner => control.owner = provider.public(),
            Rewrite::Policy => {
                control.policy.class = UsageClass::Decrypt;
                control.policy.algorithms = vec![Algorithm::RsaOaepSha256];
            }
            Rewrite::Signature => {
                let signed = CoseSign1::from_bytes(&record.statement, limits::STATEMENT)?;
                record.statement = provider
                    .sign1(context::STATEMENT, signed.payload)
                    .to_bytes();
            }
        }
        if self != Rewrite::Signature {
            record.control = group_key.seal_control(key, &control)?;
        }
        Ok(cbor::encode(&record))
    }
}

/// Every byte of every file below a directory. A file that goes while it is read was a temporary one.
pub(crate) fn read_all(directory: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files.extend(read_all(&entry.path())?);
        } else if kind.is_file() {
            match fs::read(entry.path()) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => (),
                content => files.push(content.with_context(|| entry.path().display().to_string())?),
            }
        }
    }
    Ok(files)
}
