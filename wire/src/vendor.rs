//! The vendor's statement: which images are good, and which provider keys are whose.

use crate::binding::Measurement;
use crate::id::RecipientId;
use minicbor::{Decode, Encode};

/// Payload of the COSE_Sign1 by the vendor key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct VendorStatement {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// Grows with every statement.
    #[n(1)]
    pub sequence: u64,
    /// Unix seconds.
    #[n(2)]
    pub issued_s: u64,
    /// Unix seconds, at most 90 days after `issued_s`.
    #[n(3)]
    pub not_after_s: u64,
    /// Good images.
    #[n(4)]
    pub images: Vec<Image>,
    /// Providers and their keys.
    #[n(5)]
    pub providers: Vec<Provider>,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Image {
    /// What Evidence must show.
    #[n(0)]
    pub measurement: Measurement,
    /// Only Evidence older than this counts, Unix seconds; 0 condemns the image and every group it made.
    #[n(1)]
    pub until_s: Option<u64>,
    /// Order of images; an older epoch never receives what a newer one holds.
    #[n(2)]
    pub epoch: u64,
}

/// One provider.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Provider {
    /// For people.
    #[n(0)]
    pub name: String,
    /// Ids of its provider keys.
    #[n(1)]
    pub keys: Vec<RecipientId>,
}

impl VendorStatement {
    /// Whether Evidence made at `evidence_s` with `measurement` is that of a good image.
    pub fn accepts(&self, measurement: &Measurement, evidence_s: u64) -> bool {
        let named = self
            .images
            .iter()
            .filter(|image| image.measurement == *measurement);
        let mut named = named.peekable();
        named.peek().is_some()
            && named.all(|image| image.until_s.is_none_or(|until| evidence_s < until))
    }

    /// Whether `key` is a provider key that the table names.
    pub fn names_provider_key(&self, key: &RecipientId) -> bool {
        self.providers
            .iter()
            .any(|provider| provider.keys.contains(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Measurement = Measurement {
        pcr0: [1; 48],
        pcr1: [2; 48],
        pcr2: [3; 48],
    };

    fn statement(until_s: Option<u64>) -> VendorStatement {
        let images = vec![Image {
            measurement: GOOD,
            until_s,
            epoch: 1,
        }];
        VendorStatement {
            version: 1,
            sequence: 1,
            issued_s: 0,
            not_after_s: 1,
            images,
            providers: vec![],
        }
    }

    #[test]
    fn until_lets_older_evidence_count_and_zero_condemns_all_of_it() {
        assert!(statement(None).accepts(&GOOD, 1_000));
        assert!(statement(Some(1_001)).accepts(&GOOD, 1_000));
        assert!(!statement(Some(1_000)).accepts(&GOOD, 1_000));
        assert!(!statement(Some(0)).accepts(&GOOD, 0));
        assert!(!statement(None).accepts(
            &Measurement {
                pcr2: [4; 48],
                ..GOOD
            },
            1_000
        ));
    }
}
