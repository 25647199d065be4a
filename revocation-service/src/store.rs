//! The database: registrations with their release secrets, and the heads of command chains that were seen.
//!
//! SQLite with a write-ahead log, synced at every commit. `secure_delete` overwrites what is deleted, and
//! [`Store::forget_deleted`] empties the write-ahead log, so that a destroyed release secret is in no file of the
//! database any more. It is still in backups made before; they must age out, as the operating page says.

use std::path::Path;
use std::time::Duration;

use cofferdam::crypto::secret::Secret32;
use cofferdam::private_file;
use cofferdam_wire::cose::PublicKey;
use cofferdam_wire::id::{Digest, GroupId, Handle};
use sqlx::Row;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use zeroize::Zeroizing;

use crate::chain::ChainHead;
use crate::registration::{Registration, State};

const SCHEMA: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS registrations (
        handle BLOB NOT NULL PRIMARY KEY,
        token_hash BLOB NOT NULL,
        release_secret BLOB,
        group_id BLOB NOT NULL,
        owner BLOB NOT NULL,
        state INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        grant_epoch INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        changed_ms INTEGER NOT NULL,
        CHECK (release_secret IS NULL OR state NOT IN (4, 5))
    ) STRICT",
    "CREATE INDEX IF NOT EXISTS registrations_group ON registrations (group_id)",
    "CREATE TABLE IF NOT EXISTS chains (
        group_id BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        head BLOB NOT NULL,
        first_seen_ms INTEGER NOT NULL,
        PRIMARY KEY (group_id, sequence, head)
    ) STRICT",
    "CREATE TABLE IF NOT EXISTS reported (
        handle BLOB NOT NULL PRIMARY KEY,
        sequence INTEGER NOT NULL
    ) STRICT",
];

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A row holds something that this service never writes.
    #[error("the database holds a damaged {0}")]
    Damaged(&'static str),
    /// A number over 63 bits.
    #[error("a number is too large for the database")]
    Number,
    /// Its file cannot be made.
    #[error("the database file cannot be made: {0}")]
    Io(#[from] std::io::Error),
    /// An update found no row.
    #[error("the registration is not in the database")]
    Missing,
}

/// The database.
pub struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens the database in a file, or makes it.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        private_file::create_if_missing(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .pragma("secure_delete", "ON");
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await?;
        for statement in SCHEMA {
            sqlx::query(statement).execute(&pool).await?;
        }
        Ok(Self { pool })
    }

    /// Adds a registration; fails if the handle is there.
    pub async fn insert(&self, row: &Registration, release: &Secret32) -> Result<(), StoreError> {
        let query = "INSERT INTO registrations (handle, token_hash, group_id, owner, state, sequence, grant_epoch,
            created_ms, changed_ms, release_secret) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        bind(query, row)?
            .bind(release.expose().as_slice())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Writes the new state of a registration that is there, and destroys its release secret where the state wants it.
    pub async fn update(&self, row: &Registration) -> Result<(), StoreError> {
        let query = "UPDATE registrations SET token_hash = ?2, group_id = ?3, owner = ?4, state = ?5, sequence = ?6,
            grant_epoch = ?7, created_ms = ?8, changed_ms = ?9,
            release_secret = CASE WHEN ?5 IN (4, 5) THEN NULL ELSE release_secret END WHERE handle = ?1";
        let done = bind(query, row)?.execute(&self.pool).await?;
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Missing)
        }
    }

    /// Writes a registration that the log knows and this database does not; its release secret is lost.
    pub async fn insert_without_release(&self, row: &Registration) -> Result<(), StoreError> {
        let query = "INSERT INTO registrations (handle, token_hash, group_id, owner, state, sequence, grant_epoch,
            created_ms, changed_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        bind(query, row)?.execute(&self.pool).await?;
        Ok(())
    }

    /// One registration.
    pub async fn find(&self, handle: &Handle) -> Result<Option<Registration>, StoreError> {
        let query = "SELECT * FROM registrations WHERE handle = ?1";
        let row = sqlx::query(query)
            .bind(handle.0.as_slice())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Several registrations, in no order.
    pub async fn find_all(&self, handles: &[Handle]) -> Result<Vec<Registration>, StoreError> {
        let query = "SELECT handle, token_hash, group_id, owner, state, sequence, grant_epoch, created_ms, changed_ms
            FROM registrations WHERE handle IN (SELECT unhex(value) FROM json_each(?1))";
        let rows = sqlx::query(query)
            .bind(json(handles))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Every registration, oldest first.
    pub async fn list(&self) -> Result<Vec<Registration>, StoreError> {
        let query = "SELECT handle, token_hash, group_id, owner, state, sequence, grant_epoch, created_ms, changed_ms
            FROM registrations ORDER BY created_ms, handle";
        let rows = sqlx::query(query).fetch_all(&self.pool).await?;
        rows.iter().map(read).collect()
    }

    /// Release secrets of several registrations, in no order; those destroyed or lost are left out.
    pub async fn releases(
        &self,
        handles: &[Handle],
    ) -> Result<Vec<(Handle, Secret32)>, StoreError> {
        let query = "SELECT handle, release_secret FROM registrations
            WHERE release_secret IS NOT NULL AND handle IN (SELECT unhex(value) FROM json_each(?1))";
        let rows = sqlx::query(query)
            .bind(json(handles))
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                let bytes = Zeroizing::new(row.try_get::<Vec<u8>, _>("release_secret")?);
                let secret =
                    Secret32::from_slice(&bytes).ok_or(StoreError::Damaged("release secret"))?;
                Ok((Handle(array(row, "handle")?), secret))
            })
            .collect()
    }

    /// Handles that were pending at `created_before_ms` and still are.
    pub async fn pending_before(&self, created_before_ms: u64) -> Result<Vec<Handle>, StoreError> {
        let query = "SELECT handle FROM registrations WHERE state = 1 AND created_ms <= ?1";
        let rows = sqlx::query(query)
            .bind(signed(created_before_ms)?)
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| Ok(Handle(array(row, "handle")?)))
            .collect()
    }

    /// Whether any key of this group is registered.
    pub async fn knows_group(&self, group: &GroupId) -> Result<bool, StoreError> {
        let query = "SELECT 1 FROM registrations WHERE group_id = ?1 LIMIT 1";
        Ok(sqlx::query(query)
            .bind(group.0.as_slice())
            .fetch_optional(&self.pool)
            .await?
            .is_some())
    }

    /// Notes the head of a group's command chain, and gives every head noted for the group.
    pub async fn note_chain(
        &self,
        group: &GroupId,
        head: ChainHead,
    ) -> Result<Vec<ChainHead>, StoreError> {
        let seen = self.chain(group).await?;
        let same = |known: &&ChainHead| known.sequence == head.sequence;
        let known = seen
            .iter()
            .any(|known| same(&known) && known.head == head.head);
        // Two heads of one length prove a fork; a third one adds nothing.
        if known || seen.iter().filter(same).count() > 1 {
            return Ok(seen);
        }
        let query = "INSERT OR IGNORE INTO chains (group_id, sequence, head, first_seen_ms) VALUES (?1, ?2, ?3, ?4)";
        sqlx::query(query)
            .bind(group.0.as_slice())
            .bind(signed(head.sequence)?)
            .bind(head.head.0.as_slice())
            .bind(signed(head.first_seen_ms)?)
            .execute(&self.pool)
            .await?;
        self.chain(group).await
    }

    async fn chain(&self, group: &GroupId) -> Result<Vec<ChainHead>, StoreError> {
        let query = "SELECT sequence, head, first_seen_ms FROM chains WHERE group_id = ?1";
        let rows = sqlx::query(query)
            .bind(group.0.as_slice())
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(ChainHead {
                    sequence: unsigned(row, "sequence")?,
                    head: Digest(array(row, "head")?),
                    first_seen_ms: unsigned(row, "first_seen_ms")?,
                })
            })
            .collect()
    }

    /// Notes that an enclave has heard a higher sequence than this service knows. The highest one stays.
    pub async fn note_reported(&self, handle: &Handle, sequence: u64) -> Result<(), StoreError> {
        let query = "INSERT INTO reported (handle, sequence) VALUES (?1, ?2)
            ON CONFLICT (handle) DO UPDATE SET sequence = max(sequence, excluded.sequence)";
        sqlx::query(query)
            .bind(handle.0.as_slice())
            .bind(signed(sequence)?)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Everything noted so, until replayed.
    pub async fn reported(&self) -> Result<Vec<(Handle, u64)>, StoreError> {
        let rows = sqlx::query("SELECT handle, sequence FROM reported")
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| Ok((Handle(array(row, "handle")?), unsigned(row, "sequence")?)))
            .collect()
    }

    /// Forgets such a note.
    pub async fn forget_reported(&self, handle: &Handle) -> Result<(), StoreError> {
        let query = "DELETE FROM reported WHERE handle = ?1";
        sqlx::query(query)
            .bind(handle.0.as_slice())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Empties the write-ahead log, which may hold what was overwritten. `false` if somebody was reading.
    pub async fn forget_deleted(&self) -> Result<bool, StoreError> {
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&self.pool)
            .await?;
        Ok(row.try_get::<i64, _>(0)? == 0)
    }

    /// Closes the database; what is in flight ends first.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A statement with the nine columns of a registration bound in order.
fn bind(
    query: &'static str,
    row: &Registration,
) -> Result<sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>, StoreError> {
    Ok(sqlx::query(query)
        .bind(row.handle.0.to_vec())
        .bind(row.token_hash.0.to_vec())
        .bind(row.group.0.to_vec())
        .bind(row.owner.to_cose())
        .bind(row.state.number())
        .bind(signed(row.sequence)?)
        .bind(signed(row.grant_epoch)?)
        .bind(signed(row.created_ms)?)
        .bind(signed(row.changed_ms)?))
}

fn read(row: &SqliteRow) -> Result<Registration, StoreError> {
    let owner: Vec<u8> = row.try_get("owner")?;
    let state = State::from_number(row.try_get("state")?).ok_or(StoreError::Damaged("state"))?;
    Ok(Registration {
        handle: Handle(array(row, "handle")?),
        token_hash: Digest(array(row, "token_hash")?),
        group: GroupId(array(row, "group_id")?),
        owner: PublicKey::from_cose(&owner).map_err(|_| StoreError::Damaged("owner"))?,
        state,
        sequence: unsigned(row, "sequence")?,
        grant_epoch: unsigned(row, "grant_epoch")?,
        created_ms: unsigned(row, "created_ms")?,
        changed_ms: unsigned(row, "changed_ms")?,
    })
}

fn array<const N: usize>(row: &SqliteRow, column: &'static str) -> Result<[u8; N], StoreError> {
    let bytes: Vec<u8> = row.try_get(column)?;
    bytes.try_into().map_err(|_| StoreError::Damaged(column))
}

fn unsigned(row: &SqliteRow, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| StoreError::Damaged(column))
}

fn signed(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Number)
}

/// Handles as the JSON list that `json_each` reads: one statement for any number of them.
fn json(handles: &[Handle]) -> String {
    let quoted: Vec<String> = handles
        .iter()
        .map(|handle| format!("\"{handle}\""))
        .collect();
    format!("[{}]", quoted.join(","))
}
