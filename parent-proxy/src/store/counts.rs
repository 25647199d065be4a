//! How many keys each owner and each partition keeps, in a table of its own: what they may still add costs one look-up.
//!
//! Counting rows takes as long as an owner has keys, and an owner asks as often as it imports: one at its limit would keep
//! the readers busy for everybody (T-38, T-28). So a count changes where a key comes or goes, in the same transaction.

use super::StoreError;
use cofferdam_wire::id::{PartitionId, Thumbprint};
use sqlx::{SqliteConnection, SqliteExecutor};

pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS counts (
        of TEXT NOT NULL CHECK (of IN ('owner', 'partition')),
        id BLOB NOT NULL,
        kept INTEGER NOT NULL,
        PRIMARY KEY (of, id)
    ) STRICT, WITHOUT ROWID";

/// Counts what a file without counts keeps; the indices for counting rows go.
pub(super) const COUNTED_ONCE: &[&str] = &[
    "INSERT INTO counts SELECT 'owner', owner, COUNT(*) FROM keys WHERE gone IS NULL GROUP BY owner",
    "INSERT INTO counts SELECT 'partition', partition_id, COUNT(*) FROM keys WHERE gone IS NULL GROUP BY partition_id",
    "DROP INDEX IF EXISTS keys_kept_by_owner",
    "DROP INDEX IF EXISTS keys_by_partition",
];

pub(super) const LOOK_UP: &str = "SELECT kept FROM counts WHERE of = ? AND id = ?";

/// Most keys that are kept of one owner and of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// For an owner, in all its partitions.
    pub per_owner: u64,
    /// For a partition.
    pub per_partition: u64,
}

/// Whose keys are counted.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    Owner(&'a Thumbprint),
    Partition(&'a PartitionId),
}

impl Of<'_> {
    fn row(self) -> (&'static str, Vec<u8>) {
        match self {
            Of::Owner(owner) => ("owner", owner.0.to_vec()),
            Of::Partition(partition) => ("partition", partition.0.to_vec()),
        }
    }

    /// Keys kept.
    pub(super) async fn kept(self, database: impl SqliteExecutor<'_>) -> Result<u64, StoreError> {
        let (of, id) = self.row();
        let kept: Option<i64> = sqlx::query_scalar(LOOK_UP)
            .bind(of)
            .bind(id)
            .fetch_optional(database)
            .await?;
        Ok(unsigned(kept.unwrap_or(0)))
    }

    /// One key more or less, in the transaction that adds or retires it; gives the new count.
    pub(super) async fn change(
        self,
        transaction: &mut SqliteConnection,
        by: i64,
    ) -> Result<u64, StoreError> {
        let (of, id) = self.row();
        let kept: i64 = sqlx::query_scalar(
            "INSERT INTO counts VALUES (?, ?, ?) ON CONFLICT (of, id) DO UPDATE SET kept = kept + excluded.kept RETURNING kept",
        )
        .bind(of)
        .bind(id)
        .bind(by)
        .fetch_one(transaction)
        .await?;
        Ok(unsigned(kept))
    }
}

fn unsigned(kept: i64) -> u64 {
    u64::try_from(kept).unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::store::Store;
    use sqlx::Row;

    /// What costs as much as an owner has keys would be a scan here.
    #[tokio::test]
    async fn t38_what_an_owner_keeps_is_one_look_up() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("records.sqlite")).await;
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {LOOK_UP}")))
            .bind("owner")
            .bind(vec![1; 32])
            .fetch_all(&store.unwrap().readers)
            .await
            .unwrap();
        let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        let look_up = "SEARCH counts USING PRIMARY KEY (of=? AND id=?)";
        assert_eq!(steps, [look_up]);
    }
}
