//! The record store keeps what it acknowledged, whatever happens to the process and the tail of its log.
#![allow(clippy::unwrap_used, reason = "tests")]

use cofferdam_parent_proxy::store::{Fate, Gone, NewKey, Room, Store, StoreError};
use cofferdam_wire::id::{KeyId, PartitionId, Thumbprint};
use sqlx::sqlite::SqlitePool;
use std::path::{Path, PathBuf};

const OWNER: Thumbprint = Thumbprint([1; 32]);
const PARTITION: PartitionId = PartitionId([2; 32]);
const ROOM: Room = Room {
    per_owner: 100,
    per_partition: 100,
};

fn new_key<'a>(key: KeyId, record: &'a [u8], bundle: &'a [u8]) -> NewKey<'a> {
    NewKey {
        key,
        owner: OWNER,
        partition: PARTITION,
        record,
        bundle,
    }
}

/// What a power cut leaves: the files as they are now, without the process closing anything.
fn crash_copy(database: &Path, to: &Path) -> PathBuf {
    std::fs::create_dir_all(to).unwrap();
    for ending in ["", "-wal"] {
        let name = format!(
            "{}{ending}",
            database.file_name().unwrap().to_str().unwrap()
        );
        std::fs::copy(database.with_file_name(&name), to.join(&name)).unwrap();
    }
    to.join(database.file_name().unwrap())
}

#[tokio::test]
async fn the_first_record_of_a_key_stays() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("records.sqlite"))
        .await
        .unwrap();
    let key = KeyId([7; 32]);
    assert_eq!(store.fate(&key).await.unwrap(), Fate::Unknown);
    store
        .put(new_key(key, b"first", b"receipt 1"), ROOM)
        .await
        .unwrap();
    store
        .put(new_key(key, b"second", b"receipt 2"), ROOM)
        .await
        .unwrap();
    assert_eq!(store.record(&key).await.unwrap().unwrap(), b"first");
    assert_eq!(
        store.bundle(&OWNER, &key).await.unwrap().unwrap(),
        b"receipt 1"
    );
    assert_eq!(store.count(&PARTITION).await.unwrap(), 1);
    assert_eq!(store.count_of_owner(&OWNER).await.unwrap(), 1);
}

#[tokio::test]
async fn t37_another_owner_sees_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("records.sqlite"))
        .await
        .unwrap();
    let key = KeyId([7; 32]);
    store
        .put(new_key(key, b"record", b"receipt"), ROOM)
        .await
        .unwrap();
    let other = Thumbprint([9; 32]);
    assert_eq!(store.bundle(&other, &key).await.unwrap(), None);
    assert_eq!(store.bundles(&other, None, 100).await.unwrap(), vec![]);
}

#[tokio::test]
async fn listing_goes_on_behind_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("records.sqlite"))
        .await
        .unwrap();
    for number in [3, 1, 2] {
        store
            .put(new_key(KeyId([number; 32]), b"record", &[number]), ROOM)
            .await
            .unwrap();
    }
    let first = store.bundles(&OWNER, None, 2).await.unwrap();
    assert_eq!(
        first,
        vec![(KeyId([1; 32]), vec![1]), (KeyId([2; 32]), vec![2])]
    );
    let rest = store.bundles(&OWNER, Some(&first[1].0), 2).await.unwrap();
    assert_eq!(rest, vec![(KeyId([3; 32]), vec![3])]);
}

#[tokio::test]
async fn a_retired_key_is_gone_for_ever_and_its_record_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("records.sqlite");
    let store = Store::open(&path).await.unwrap();
    let key = KeyId([7; 32]);
    let record = b"canary canary canary canary".repeat(50);
    store
        .put(new_key(key, &record, b"receipt"), ROOM)
        .await
        .unwrap();
    store.retire(&key, Gone::Destroyed).await.unwrap();
    store.retire(&KeyId([8; 32]), Gone::Revoked).await.unwrap();
    store
        .put(new_key(key, &record, b"receipt"), ROOM)
        .await
        .unwrap();
    assert_eq!(store.fate(&key).await.unwrap(), Fate::Gone);
    assert_eq!(store.fate(&KeyId([8; 32])).await.unwrap(), Fate::Unknown);
    assert_eq!(store.record(&key).await.unwrap(), None);
    assert_eq!(store.bundle(&OWNER, &key).await.unwrap(), None);
    store.close().await;
    let bytes = std::fs::read(&path).unwrap();
    assert!(!bytes.windows(13).any(|window| window == b"canary canary"));
}

#[tokio::test]
async fn t21_what_was_acknowledged_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("records.sqlite");
    let store = Store::open(&path).await.unwrap();
    assert!(store.put_genesis(b"genesis").await.unwrap());
    assert!(!store.put_genesis(b"another").await.unwrap());
    for number in 0..20 {
        let record = vec![number; 9000];
        store
            .put(new_key(KeyId([number; 32]), &record, b"receipt"), ROOM)
            .await
            .unwrap();
        let copy = crash_copy(&path, &directory.path().join(format!("copy-{number}")));
        let reopened = Store::open(&copy).await.unwrap();
        assert_eq!(reopened.genesis().await.unwrap().unwrap(), b"genesis");
        for earlier in 0..=number {
            assert_eq!(
                reopened
                    .record(&KeyId([earlier; 32]))
                    .await
                    .unwrap()
                    .unwrap(),
                vec![earlier; 9000]
            );
        }
        reopened.close().await;
    }
}

#[tokio::test]
async fn t21_a_torn_write_leaves_all_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("records.sqlite");
    let wal = path.with_file_name("records.sqlite-wal");
    let store = Store::open(&path).await.unwrap();
    let (first, second) = (KeyId([1; 32]), KeyId([2; 32]));
    store
        .put(new_key(first, &[1; 9000], b"receipt"), ROOM)
        .await
        .unwrap();
    let acknowledged = std::fs::metadata(&wal).unwrap().len();
    store
        .put(new_key(second, &[2; 9000], b"receipt"), ROOM)
        .await
        .unwrap();
    let end = std::fs::metadata(&wal).unwrap().len();
    assert!(end > acknowledged);
    let (mut without, mut with) = (0, 0);
    for (turn, cut) in (acknowledged..=end).step_by(997).chain([end]).enumerate() {
        let copy = crash_copy(&path, &directory.path().join(format!("copy-{turn}")));
        let log = std::fs::OpenOptions::new()
            .write(true)
            .open(copy.with_file_name("records.sqlite-wal"))
            .unwrap();
        log.set_len(cut).unwrap();
        let reopened = Store::open(&copy).await.unwrap();
        assert_eq!(reopened.record(&first).await.unwrap().unwrap(), [1; 9000]);
        match reopened.record(&second).await.unwrap() {
            None => without += 1,
            Some(record) => {
                assert_eq!(record, [2; 9000]);
                with += 1;
            }
        }
        // The store goes on from there, and a repeated import makes the key whole.
        reopened
            .put(new_key(second, &[2; 9000], b"receipt"), ROOM)
            .await
            .unwrap();
        assert_eq!(reopened.record(&second).await.unwrap().unwrap(), [2; 9000]);
        reopened.close().await;
    }
    assert!(without > 0 && with > 0);
}

/// What the owner and the partition of these tests keep.
async fn kept(store: &Store) -> (u64, u64) {
    (
        store.count_of_owner(&OWNER).await.unwrap(),
        store.count(&PARTITION).await.unwrap(),
    )
}

#[tokio::test]
async fn t38_counts_follow_the_keys_also_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("records.sqlite");
    let store = Store::open(&path).await.unwrap();
    let key = |number: u8| new_key(KeyId([number; 32]), b"record", b"receipt");
    for number in [1, 2, 3, 1] {
        store.put(key(number), ROOM).await.unwrap();
    }
    let elsewhere = NewKey {
        partition: PartitionId([4; 32]),
        ..key(4)
    };
    store.put(elsewhere, ROOM).await.unwrap();
    assert_eq!(kept(&store).await, (4, 3));
    // Once retired it is no longer counted, however often that is said, and comes back by no import.
    for gone in [Gone::Revoked, Gone::Destroyed] {
        store.retire(&KeyId([1; 32]), gone).await.unwrap();
    }
    store.retire(&KeyId([9; 32]), Gone::Revoked).await.unwrap();
    store.put(key(1), ROOM).await.unwrap();
    assert_eq!(kept(&store).await, (3, 2));
    store.close().await;
    let store = Store::open(&path).await.unwrap();
    assert_eq!(kept(&store).await, (3, 2));
    assert_eq!(store.count(&PartitionId([4; 32])).await.unwrap(), 1);
}

/// A file of the version without counts.
#[tokio::test]
async fn t38_what_an_older_version_kept_is_counted_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("records.sqlite");
    let store = Store::open(&path).await.unwrap();
    for number in 1..=3 {
        let key = new_key(KeyId([number; 32]), b"record", b"receipt");
        store.put(key, ROOM).await.unwrap();
    }
    store
        .retire(&KeyId([1; 32]), Gone::Destroyed)
        .await
        .unwrap();
    store.close().await;
    let database = SqlitePool::connect(path.to_str().unwrap()).await.unwrap();
    for statement in [
        "DROP TABLE counts",
        "CREATE INDEX keys_kept_by_owner ON keys (owner) WHERE gone IS NULL",
        "CREATE INDEX keys_by_partition ON keys (partition_id) WHERE gone IS NULL",
        "PRAGMA user_version = 1",
    ] {
        sqlx::query(statement).execute(&database).await.unwrap();
    }
    database.close().await;
    for _ in 0..2 {
        let store = Store::open(&path).await.unwrap();
        assert_eq!(kept(&store).await, (2, 2));
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t38_keys_that_come_at_once_do_not_pass_the_limits() {
    for (per_owner, per_partition) in [(5, 100), (100, 5)] {
        let room = Room {
            per_owner,
            per_partition,
        };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("records.sqlite");
        let store = Store::open(&path).await.unwrap();
        let mut puts = tokio::task::JoinSet::new();
        for number in 1..=20 {
            let store = store.clone();
            let key = KeyId([number; 32]);
            puts.spawn(async move { store.put(new_key(key, b"record", b"receipt"), room).await });
        }
        let outcomes = puts.join_all().await;
        assert_eq!(outcomes.iter().filter(|put| put.is_ok()).count(), 5);
        let full = |put: &&Result<(), StoreError>| matches!(put, Err(StoreError::Full));
        assert_eq!(outcomes.iter().filter(full).count(), 15);
        assert_eq!(kept(&store).await, (5, 5));
        let bundles = store.bundles(&OWNER, None, 100).await.unwrap();
        assert_eq!(bundles.len(), 5, "what found no room left nothing");
        // A key that goes makes room for one.
        store.retire(&bundles[0].0, Gone::Revoked).await.unwrap();
        let put = async |byte| {
            let key = new_key(KeyId([byte; 32]), b"record", b"receipt");
            store.put(key, room).await
        };
        assert!(put(100).await.is_ok());
        assert!(matches!(put(101).await, Err(StoreError::Full)));
    }
}
