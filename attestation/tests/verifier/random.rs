//! Damage at random: nothing of it verifies, and nothing panics.

use std::sync::LazyLock;

use cofferdam_attestation::{
    Debugging, Expected, Root, aws_nitro_root, unverified_timestamp_ms, verify, verify_at_own_time,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::forge::{Forge, NOW_S, expected};
use crate::nitro::genuine;

static REAL: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| genuine().iter().map(|entry| entry.document()).collect());
static ROOT: LazyLock<Root> = LazyLock::new(aws_nitro_root);

const ANY: Expected<'static> = Expected {
    nonce: None,
    user_data: None,
    public_key: None,
    pcrs: &[],
    debugging: Debugging::Allow,
};

/// Verifies with nothing expected, as of the time that the untouched document states.
fn holds(original: &[u8], document: &[u8]) -> bool {
    let at_unix_s = unverified_timestamp_ms(original).unwrap() / 1000;
    let own_time = verify_at_own_time(document, &ROOT, &ANY).is_ok();
    verify(document, &ROOT, at_unix_s, &ANY).is_ok() || own_time
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_changed_byte_never_verifies(which: Index, place: Index, change in 1u8..) {
        let original = which.get(&REAL);
        let mut document = original.clone();
        document[place.index(original.len())] ^= change;
        prop_assert!(!holds(original, &document));
    }

    #[test]
    fn a_missing_piece_never_verifies(which: Index, from: Index, length in 1usize..200) {
        let original = which.get(&REAL);
        let mut document = original.clone();
        let from = from.index(original.len());
        document.drain(from..original.len().min(from + length));
        prop_assert!(!holds(original, &document));
    }

    #[test]
    fn a_cut_document_never_verifies(which: Index, length: Index) {
        let original = which.get(&REAL);
        prop_assert!(!holds(original, &original[..length.index(original.len())]));
    }

    #[test]
    fn an_added_piece_never_verifies(
        which: Index,
        place: Index,
        piece in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let original = which.get(&REAL);
        let mut document = original.clone();
        // In front, one byte would do: tag 18.
        let place = 1 + place.index(original.len());
        document.splice(place..place, piece);
        prop_assert!(!holds(original, &document));
    }

    #[test]
    fn any_bytes_never_verify(document in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(verify(&document, &ROOT, NOW_S, &ANY).is_err());
        prop_assert!(unverified_timestamp_ms(&document).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Behind a valid signature the parsers of payload and certificates see the damage.
    #[test]
    fn damage_that_is_signed_does_not_panic(
        changes in prop::collection::vec(any::<(Index, u8)>(), 1..4),
    ) {
        static FORGE: LazyLock<(Forge, Vec<u8>, Root)> = LazyLock::new(|| {
            let forge = Forge::new();
            let (payload, root) = forge.payload();
            (forge, payload, root)
        });
        let (forge, payload, root) = &*FORGE;
        let mut payload = payload.clone();
        for (place, value) in changes {
            let place = place.index(payload.len());
            payload[place] = value;
        }
        let document = forge.signed(&payload);
        let _ = verify(&document, root, NOW_S, &expected());
        let _ = verify_at_own_time(&document, root, &expected());
    }
}
