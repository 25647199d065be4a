//! The vendor's statement: which images are good, and which provider keys are whose.
//!
//! A statement alone says nothing of any enclave (T-53): it is asked about what live Evidence shows.

use crate::binding::Measurement;
use crate::id::{Pcr, RecipientId};
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
    /// Who signed the image (PCR8). If it is named, Evidence of the image must show exactly this.
    #[n(2)]
    pub pcr8: Option<Pcr>,
    /// Order of images: one of an older epoch gets no share of a group that one of a newer epoch made. What newer images did
    /// since in a group that an older one made is not looked at; there `until_s` of the older one keeps it out.
    #[n(3)]
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
    /// IAM roles of its machines (PCR3). If any is named, live Evidence must show one of them, so a genuine image that
    /// somebody else runs is not taken for this provider's.
    #[n(2)]
    pub pcr3: Vec<Pcr>,
}

/// What one piece of Evidence shows of the image that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// PCR0, PCR1, PCR2.
    pub measurement: Measurement,
    /// PCR8, if the document states it.
    pub pcr8: Option<Pcr>,
    /// When it was made, Unix seconds.
    pub at_s: u64,
}

impl VendorStatement {
    /// Whether the statement names an image as good at `at_s`. Every entry for it must agree. Evidence is judged by
    /// [`VendorStatement::accepts`]; this is for images that a group admits and that have shown nothing here.
    pub fn names(&self, measurement: &Measurement, at_s: u64) -> bool {
        let mut entries = self.entries(measurement).peekable();
        entries.peek().is_some()
            && entries.all(|image| image.until_s.is_none_or(|until| at_s < until))
    }

    /// Whether Evidence is that of a good image, signed by whom the statement names, if it names anybody.
    pub fn accepts(&self, shown: &Shown) -> bool {
        self.names(&shown.measurement, shown.at_s) && self.signer_fits(shown)
    }

    /// Whether Evidence shows the signer that the statement names for its image; true where none is named.
    pub fn signer_fits(&self, shown: &Shown) -> bool {
        self.entries(&shown.measurement)
            .all(|image| image.pcr8.is_none() || image.pcr8 == shown.pcr8)
    }

    /// Whether an image may be of a group that `maker` made: both are named, and it is of no older epoch (T-32). Which images
    /// have held the group's key since does not count.
    pub fn may_follow(&self, image: &Measurement, maker: &Measurement) -> bool {
        let lowest = self.entries(image).map(|image| image.epoch).min();
        let highest = self.entries(maker).map(|image| image.epoch).max();
        lowest.is_some() && highest.is_some() && lowest >= highest
    }

    /// Whether `key` is a provider key that the table names.
    pub fn names_provider_key(&self, key: &RecipientId) -> bool {
        self.providers
            .iter()
            .any(|provider| provider.keys.contains(key))
    }

    /// The provider whose keys these are: the one entry that names any of them, if it names them all.
    pub fn provider_of(&self, keys: &[RecipientId]) -> Option<&Provider> {
        let mut entries = self
            .providers
            .iter()
            .filter(|provider| keys.iter().any(|key| provider.keys.contains(key)));
        let provider = entries.next()?;
        let is_whole = keys.iter().all(|key| provider.keys.contains(key));
        (entries.next().is_none() && is_whole).then_some(provider)
    }

    fn entries<'a>(&'a self, measurement: &'a Measurement) -> impl Iterator<Item = &'a Image> {
        self.images
            .iter()
            .filter(move |image| image.measurement == *measurement)
    }
}

impl Provider {
    /// Whether Evidence with this PCR3 is of a machine of this provider; true where no role is named.
    pub fn runs(&self, pcr3: Option<&Pcr>) -> bool {
        self.pcr3.is_empty() || pcr3.is_some_and(|pcr3| self.pcr3.contains(pcr3))
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
    const OTHER: Measurement = Measurement {
        pcr2: [4; 48],
        ..GOOD
    };
    const SIGNER: Pcr = Pcr([8; 48]);

    fn image(measurement: Measurement, epoch: u64) -> Image {
        Image {
            measurement,
            until_s: None,
            pcr8: None,
            epoch,
        }
    }

    fn statement(images: Vec<Image>) -> VendorStatement {
        VendorStatement {
            version: 1,
            sequence: 1,
            issued_s: 0,
            not_after_s: 1,
            images,
            providers: vec![],
        }
    }

    fn shown(measurement: Measurement, at_s: u64) -> Shown {
        Shown {
            measurement,
            pcr8: Some(Pcr([0; 48])),
            at_s,
        }
    }

    #[test]
    fn t80_until_lets_older_evidence_count_and_zero_condemns_all_of_it() {
        let until = |until_s| {
            statement(vec![Image {
                until_s,
                ..image(GOOD, 1)
            }])
        };
        assert!(until(None).accepts(&shown(GOOD, 1_000)));
        assert!(until(Some(1_001)).accepts(&shown(GOOD, 1_000)));
        assert!(!until(Some(1_000)).accepts(&shown(GOOD, 1_000)));
        assert!(!until(Some(0)).accepts(&shown(GOOD, 0)));
        assert!(!until(None).accepts(&shown(OTHER, 1_000)));
    }

    #[test]
    fn t53_a_named_signer_must_be_shown_exactly() {
        let named = statement(vec![Image {
            pcr8: Some(SIGNER),
            ..image(GOOD, 1)
        }]);
        let by = |pcr8| Shown {
            pcr8,
            ..shown(GOOD, 1)
        };
        assert!(named.accepts(&by(Some(SIGNER))));
        assert!(!named.accepts(&by(Some(Pcr([9; 48])))));
        assert!(!named.accepts(&by(None)));
        assert!(statement(vec![image(GOOD, 1)]).accepts(&by(None)));
    }

    #[test]
    fn t32_an_older_epoch_never_follows_a_newer_one() {
        let both = statement(vec![image(GOOD, 2), image(OTHER, 1)]);
        assert!(both.may_follow(&GOOD, &OTHER));
        assert!(both.may_follow(&GOOD, &GOOD));
        assert!(!both.may_follow(&OTHER, &GOOD));
        assert!(!statement(vec![image(GOOD, 2)]).may_follow(&OTHER, &GOOD));
        assert!(!statement(vec![image(GOOD, 2)]).may_follow(&GOOD, &OTHER));
        let twice = statement(vec![image(GOOD, 2), image(GOOD, 1), image(OTHER, 2)]);
        assert!(!twice.may_follow(&GOOD, &OTHER));
    }

    #[test]
    fn t02_the_provider_is_the_one_entry_that_names_all_keys() {
        let provider = |keys: &[u8]| Provider {
            name: "acme".into(),
            keys: keys.iter().map(|key| RecipientId([*key; 32])).collect(),
            pcr3: vec![],
        };
        let table = VendorStatement {
            providers: vec![provider(&[1, 2]), provider(&[3]), provider(&[4, 3])],
            ..statement(vec![])
        };
        let of = |keys: &[u8]| {
            let keys: Vec<_> = keys.iter().map(|key| RecipientId([*key; 32])).collect();
            table.provider_of(&keys).is_some()
        };
        assert!(of(&[1, 2]) && of(&[1]) && of(&[4]));
        assert!(!of(&[1, 4]) && !of(&[1, 9]) && !of(&[3]) && !of(&[9]) && !of(&[]));
    }

    #[test]
    fn t02_a_machine_of_another_role_is_not_this_providers() {
        let role = Pcr([3; 48]);
        let mut provider = Provider {
            name: "acme".into(),
            keys: vec![],
            pcr3: vec![],
        };
        assert!(provider.runs(None) && provider.runs(Some(&role)));
        provider.pcr3 = vec![Pcr([7; 48]), role];
        assert!(provider.runs(Some(&role)));
        assert!(!provider.runs(Some(&Pcr([0; 48]))) && !provider.runs(None));
    }
}
