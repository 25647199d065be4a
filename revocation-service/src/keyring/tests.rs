//! Renewal, overlap, and roots that are elsewhere, lost or others.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const NOW_S: u64 = 1_800_000_000;
const DAY_S: u64 = 24 * 3600;

fn id(keys: &Keys) -> RecipientId {
    keys.current.as_ref().unwrap().queries_id
}

#[test]
fn rsv_34_keys_are_renewed_with_overlap_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let keyring = Keyring::open(dir.path(), None, 7 * DAY_S, NOW_S).unwrap();
    let first = id(&keyring.keys());
    keyring.renew(NOW_S + 3 * DAY_S).unwrap();
    assert_eq!(id(&keyring.keys()), first);
    let later = NOW_S + 4 * DAY_S;
    keyring.renew(later).unwrap();
    let second = id(&keyring.keys());
    assert_ne!(second, first);
    for _ in 0..2 {
        let keys = Keyring::open(dir.path(), None, 7 * DAY_S, later)
            .unwrap()
            .keys();
        assert!(keys.receiving(&first, later).is_some());
        assert!(keys.receiving(&second, later).is_some());
        assert!(keys.receiving(&first, NOW_S + 7 * DAY_S).is_none());
        assert!(keys.receiving(&second, NOW_S + 7 * DAY_S).is_some());
    }
    keyring.renew(NOW_S + 8 * DAY_S).unwrap();
    assert!(
        keyring
            .keys()
            .receiving(&first, NOW_S + 5 * DAY_S)
            .is_none()
    );
    assert_eq!(numbers(&dir.path().join(KEYS_DIR)).unwrap(), [2, 3]);
}

#[test]
fn a_root_kept_elsewhere_certifies_by_request() {
    let (dir, offline) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root_path = offline.path().join("root.pem");
    let public = create_root(&root_path).unwrap();
    let keyring = Keyring::open(dir.path(), Some(public), 7 * DAY_S, NOW_S).unwrap();
    assert!(keyring.keys().signing(NOW_S).is_none());
    assert!(!dir.path().join(ROOT_FILE).exists());

    let next = dir.path().join(KEYS_DIR).join("next");
    let root = read_root(&root_path).unwrap().unwrap();
    sign_request(&root, &next, offline.path(), NOW_S, DAY_S).unwrap();
    for name in ["answers.cert", "queries.cert"] {
        fs::copy(offline.path().join(name), next.join(name)).unwrap();
    }
    keyring.renew(NOW_S).unwrap();
    assert!(keyring.keys().signing(NOW_S).is_some());
    assert!(keyring.keys().signing(NOW_S + DAY_S).is_none());
}

#[test]
fn a_lost_or_another_root_is_an_error_and_not_a_new_root() {
    let dir = tempfile::tempdir().unwrap();
    let other = SigningKey::generate(SignatureKind::Ed25519).public();
    let root = Keyring::open(dir.path(), None, DAY_S, NOW_S)
        .unwrap()
        .root();
    assert!(matches!(
        Keyring::open(dir.path(), Some(other), DAY_S, NOW_S),
        Err(KeyringError::OtherRoot)
    ));
    fs::remove_file(dir.path().join(ROOT_FILE)).unwrap();
    assert!(matches!(
        Keyring::open(dir.path(), None, DAY_S, NOW_S),
        Err(KeyringError::RootMissing)
    ));
    assert!(Keyring::open(dir.path(), Some(root), DAY_S, NOW_S).is_ok());
}
