//! The record store: sealed records, receipts, the genesis record, and what has gone. One SQLite file.
//!
//! Trust: a record is noise to this process, and the enclave verifies it at every load, so whoever owns this file can
//! only make keys unavailable. What the store promises is durability: a call that returned is on disk (write-ahead log,
//! `synchronous = FULL`), a call that did not return left all of it or nothing (T-21).

mod counts;

use cofferdam_wire::Code;
use cofferdam_wire::id::{KeyId, PartitionId, Thumbprint};
pub use counts::Room;
use counts::{COUNTED_ONCE, Of};
use sqlx::Row;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use std::path::Path;
use std::time::{Duration, SystemTime};

const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS keys (
        key_id BLOB PRIMARY KEY,
        owner BLOB NOT NULL,
        partition_id BLOB NOT NULL,
        record BLOB,
        bundle BLOB NOT NULL,
        created_s INTEGER NOT NULL,
        gone TEXT,
        gone_s INTEGER,
        CHECK ((record IS NULL) = (gone IS NOT NULL))
    ) STRICT",
    "CREATE INDEX IF NOT EXISTS keys_by_owner ON keys (owner, key_id)",
    counts::TABLE,
    "CREATE TABLE IF NOT EXISTS genesis (
        only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
        record BLOB NOT NULL,
        created_s INTEGER NOT NULL
    ) STRICT",
];

/// Version of the schema, in SQLite's `user_version`. Version 1 has no counts.
const VERSION: i64 = 2;

/// Why the store did not do it. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("store: {0}")]
    Database(#[from] sqlx::Error),
    /// The file was written by a newer version.
    #[error("store: the file has schema version {0}; this program knows {VERSION}")]
    Newer(i64),
    /// The owner or the partition keeps as many keys as it may (T-38).
    #[error("store: the owner or the partition is full")]
    Full,
    /// A row has a length that this program never writes.
    #[error("store: a row is damaged")]
    Damaged,
}

impl From<StoreError> for Code {
    fn from(error: StoreError) -> Self {
        if let StoreError::Full = error {
            return Code::Busy;
        }
        tracing::error!(%error, "the store failed");
        Code::Internal
    }
}

/// A key to keep.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// H of its statement.
    pub key: KeyId,
    /// Whose it is.
    pub owner: Thumbprint,
    /// Where it belongs.
    pub partition: PartitionId,
    /// Encoded stored record.
    pub record: &'a [u8],
    /// Encoded receipt bundle.
    pub bundle: &'a [u8],
}

/// Why a record is no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The enclave saw a signed "revoked".
    Revoked,
    /// The key was destroyed.
    Destroyed,
}

/// What the store knows of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Unknown,
    /// Its record is kept.
    Kept,
    /// It was kept once and is gone for ever.
    Gone,
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    /// One connection: writes come one after the other.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Store {
    /// Opens or makes the file.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10))
            // A deleted record is overwritten: a destroyed key should not stay in free pages.
            .pragma("secure_delete", "ON");
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&writer)
            .await?;
        if version > VERSION {
            return Err(StoreError::Newer(version));
        }
        let mut transaction = writer.begin().await?;
        for statement in SCHEMA.iter().copied() {
            sqlx::query(statement).execute(&mut *transaction).await?;
        }
        if version < VERSION {
            for statement in COUNTED_ONCE.iter().copied() {
                sqlx::query(statement).execute(&mut *transaction).await?;
            }
            sqlx::query("PRAGMA user_version = 2")
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await?;
        Ok(Self { writer, readers })
    }

    /// Keeps a key, durably, or says [`StoreError::Full`]. The first record of a key stays: a repeated import changes nothing.
    pub async fn put(&self, new: NewKey<'_>, room: Room) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        let done = sqlx::query(
            "INSERT INTO keys (key_id, owner, partition_id, record, bundle, created_s) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (key_id) DO NOTHING",
        )
        .bind(new.key.0.to_vec())
        .bind(new.owner.0.to_vec())
        .bind(new.partition.0.to_vec())
        .bind(new.record.to_vec())
        .bind(new.bundle.to_vec())
        .bind(now_s())
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(());
        }
        let of_owner = Of::Owner(&new.owner).change(&mut transaction, 1).await?;
        let of_partition = Of::Partition(&new.partition)
            .change(&mut transaction, 1)
            .await?;
        // Here no other import is between the count and the key; without a commit nothing of this one stays.
        if of_owner > room.per_owner || of_partition > room.per_partition {
            return Err(StoreError::Full);
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The record of a key.
    pub async fn record(&self, key: &KeyId) -> Result<Option<Vec<u8>>, StoreError> {
        let row: Option<Option<Vec<u8>>> =
            sqlx::query_scalar("SELECT record FROM keys WHERE key_id = ?")
                .bind(key.0.to_vec())
                .fetch_optional(&self.readers)
                .await?;
        Ok(row.flatten())
    }

    /// What is known of a key.
    pub async fn fate(&self, key: &KeyId) -> Result<Fate, StoreError> {
        let gone: Option<bool> =
            sqlx::query_scalar("SELECT gone IS NOT NULL FROM keys WHERE key_id = ?")
                .bind(key.0.to_vec())
                .fetch_optional(&self.readers)
                .await?;
        Ok(match gone {
            None => Fate::Unknown,
            Some(false) => Fate::Kept,
            Some(true) => Fate::Gone,
        })
    }

    /// The receipt bundle of one key, if it is this owner's.
    pub async fn bundle(
        &self,
        owner: &Thumbprint,
        key: &KeyId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT bundle FROM keys WHERE key_id = ? AND owner = ? AND gone IS NULL",
        )
        .bind(key.0.to_vec())
        .bind(owner.0.to_vec())
        .fetch_optional(&self.readers)
        .await?)
    }

    /// Receipt bundles of an owner in the order of key ids, behind `after`, at most `limit`.
    pub async fn bundles(
        &self,
        owner: &Thumbprint,
        after: Option<&KeyId>,
        limit: u32,
    ) -> Result<Vec<(KeyId, Vec<u8>)>, StoreError> {
        let rows = sqlx::query(
            "SELECT key_id, bundle FROM keys WHERE owner = ? AND key_id > ? AND gone IS NULL ORDER BY key_id LIMIT ?",
        )
        .bind(owner.0.to_vec())
        .bind(after.map_or_else(Vec::new, |key| key.0.to_vec()))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let key: Vec<u8> = row.try_get(0)?;
            Ok((
                KeyId::from_slice(&key).ok_or(StoreError::Damaged)?,
                row.try_get(1)?,
            ))
        };
        rows.iter().map(read).collect()
    }

    /// Keys kept for a partition.
    pub async fn count(&self, partition: &PartitionId) -> Result<u64, StoreError> {
        Of::Partition(partition).kept(&self.readers).await
    }

    /// Keys kept for an owner, in all its partitions.
    pub async fn count_of_owner(&self, owner: &Thumbprint) -> Result<u64, StoreError> {
        Of::Owner(owner).kept(&self.readers).await
    }

    /// Deletes the record of a key and remembers that it is gone. An unknown key stays unknown.
    pub async fn retire(&self, key: &KeyId, gone: Gone) -> Result<(), StoreError> {
        let reason = match gone {
            Gone::Revoked => "revoked",
            Gone::Destroyed => "destroyed",
        };
        let mut transaction = self.writer.begin().await?;
        let retired = sqlx::query(
            "UPDATE keys SET record = NULL, gone = ?, gone_s = ? WHERE key_id = ? AND gone IS NULL RETURNING owner, partition_id",
        )
        .bind(reason)
        .bind(now_s())
        .bind(key.0.to_vec())
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(row) = retired {
            let (owner, partition): (Vec<u8>, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            let owner = Thumbprint::from_slice(&owner).ok_or(StoreError::Damaged)?;
            let partition = PartitionId::from_slice(&partition).ok_or(StoreError::Damaged)?;
            Of::Owner(&owner).change(&mut transaction, -1).await?;
            Of::Partition(&partition)
                .change(&mut transaction, -1)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Keeps the genesis record, durably; `false` if there is one, which stays.
    pub async fn put_genesis(&self, record: &[u8]) -> Result<bool, StoreError> {
        let done = sqlx::query("INSERT INTO genesis VALUES (1, ?, ?) ON CONFLICT DO NOTHING")
            .bind(record.to_vec())
            .bind(now_s())
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The genesis record.
    pub async fn genesis(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(sqlx::query_scalar("SELECT record FROM genesis")
            .fetch_optional(&self.readers)
            .await?)
    }

    /// Finishes writes and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn now_s() -> i64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs() as i64)
}
