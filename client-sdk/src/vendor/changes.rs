//! What a statement changes over the one before: what a person reads before handing it to providers.

use cofferdam_wire::vendor::{Image, Provider, VendorStatement};

use crate::times::show_time;

/// One sentence for each change, images first. Against nothing, everything is new.
pub fn changes(before: Option<&VendorStatement>, after: &VendorStatement) -> Vec<String> {
    let (old_images, old_providers) = before.map_or((&[][..], &[][..]), |before| {
        (&before.images[..], &before.providers[..])
    });
    let mut all = Vec::new();
    for image in &after.images {
        let old = old_images
            .iter()
            .find(|old| old.measurement == image.measurement);
        match old {
            None => all.push(format!(
                "image {} is new: epoch {}, {}, {}",
                short(image),
                image.epoch,
                signer(image),
                until(image)
            )),
            Some(old) => all.extend(of_image(old, image)),
        }
    }
    let is_gone = |old: &&Image| {
        let mut images = after.images.iter();
        !images.any(|image| image.measurement == old.measurement)
    };
    let gone = old_images.iter().filter(is_gone);
    all.extend(gone.map(|old| format!("image {} is withdrawn: no longer named", short(old))));
    for provider in &after.providers {
        match old_providers.iter().find(|old| old.name == provider.name) {
            None => all.push(format!(
                "provider {:?} is new: {} keys, {} roles",
                provider.name,
                provider.keys.len(),
                provider.pcr3.len()
            )),
            Some(old) => all.extend(of_provider(old, provider)),
        }
    }
    let is_gone = |old: &&Provider| {
        let mut providers = after.providers.iter();
        !providers.any(|provider| provider.name == old.name)
    };
    let gone = old_providers.iter().filter(is_gone);
    all.extend(gone.map(|old| format!("provider {:?} is no longer named", old.name)));
    all
}

/// What a statement lets happen and its vendor may not have meant: an older image that can be started again beside a newer
/// one. Its epoch keeps it out of groups that newer images made, and out of no other (T-32).
pub fn warnings(statement: &VendorStatement) -> Vec<String> {
    let good = || {
        let images = statement.images.iter();
        images.filter(|image| image.until_s.is_none())
    };
    let newest = good().map(|image| image.epoch).max().unwrap_or(0);
    let older = good().filter(|image| image.epoch < newest);
    let warning = |image: &Image| {
        format!(
            "warning: image {} of epoch {} is listed without until beside one of epoch {newest}; started again, it gets the \
             keys of every group that no newer image made, also those imported since",
            short(image),
            image.epoch
        )
    };
    older.map(warning).collect()
}

fn of_image(old: &Image, new: &Image) -> Vec<String> {
    let name = short(new);
    let mut all = Vec::new();
    if old.epoch != new.epoch {
        all.push(format!(
            "image {name}: epoch {}, before {}",
            new.epoch, old.epoch
        ));
    }
    if old.pcr8 != new.pcr8 {
        all.push(format!(
            "image {name}: {}, before {}",
            signer(new),
            signer(old)
        ));
    }
    if old.until_s != new.until_s {
        all.push(format!(
            "image {name}: {}, before {}",
            until(new),
            until(old)
        ));
    }
    all
}

fn of_provider(old: &Provider, new: &Provider) -> Vec<String> {
    let name = &new.name;
    let mut all = Vec::new();
    let mut compare = |what: &str, old: Vec<String>, new: Vec<String>| {
        let added = new.iter().filter(|item| !old.contains(item));
        all.extend(added.map(|item| format!("provider {name:?}: {what} {item} is new")));
        let gone = old.iter().filter(|item| !new.contains(item));
        all.extend(gone.map(|item| format!("provider {name:?}: {what} {item} is gone")));
    };
    let texts = |provider: &Provider| provider.keys.iter().map(ToString::to_string).collect();
    compare("key", texts(old), texts(new));
    let texts = |provider: &Provider| provider.pcr3.iter().map(ToString::to_string).collect();
    compare("role", texts(old), texts(new));
    if !old.pcr3.is_empty() && new.pcr3.is_empty() {
        all.push(format!(
            "provider {name:?}: any machine may run its enclaves now"
        ));
    }
    all
}

/// Enough of PCR0 for a person to recognise an image by.
fn short(image: &Image) -> String {
    format!("{}...", hex::encode(&image.measurement.pcr0[..8]))
}

fn signer(image: &Image) -> String {
    image.pcr8.as_ref().map_or_else(
        || "any signer".to_owned(),
        |pcr8| format!("signer {}...", hex::encode(&pcr8.0[..8])),
    )
}

fn until(image: &Image) -> String {
    match image.until_s {
        None => "good".to_owned(),
        Some(0) => "condemned, with every group that it made".to_owned(),
        Some(until_s) => format!("good until {}", show_time(until_s)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cofferdam_wire::binding::Measurement;
    use cofferdam_wire::id::{Pcr, RecipientId};

    fn statement() -> VendorStatement {
        let image = |byte| Image {
            measurement: Measurement {
                pcr0: [byte; 48],
                pcr1: [2; 48],
                pcr2: [3; 48],
            },
            until_s: None,
            pcr8: None,
            epoch: 1,
        };
        let provider = |name: &str, byte| Provider {
            name: name.into(),
            keys: vec![RecipientId([byte; 32])],
            pcr3: vec![Pcr([byte; 48])],
        };
        VendorStatement {
            version: 1,
            sequence: 1,
            issued_s: 0,
            not_after_s: 1,
            images: vec![image(1), image(2)],
            providers: vec![provider("a", 1), provider("b", 2)],
        }
    }

    fn told(change: impl FnOnce(&mut VendorStatement)) -> Vec<String> {
        let mut after = statement();
        change(&mut after);
        changes(Some(&statement()), &after)
    }

    #[test]
    fn the_first_statement_is_all_new_and_the_same_again_changes_nothing() {
        assert_eq!(changes(None, &statement()).len(), 4);
        assert_eq!(told(|_| ()), Vec::<String>::new());
    }

    #[test]
    fn t32_an_older_image_that_may_come_back_is_warned_of() {
        let warned = |change: fn(&mut VendorStatement)| {
            let mut statement = statement();
            change(&mut statement);
            warnings(&statement)
        };
        assert_eq!(warned(|_| ()), Vec::<String>::new());
        let told = warned(|s| s.images[1].epoch = 2);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("0101010101010101... of epoch 1"),
            "{told:?}"
        );
        for until_s in [0, 86_400] {
            let mut closed = statement();
            closed.images[1].epoch = 2;
            closed.images[0].until_s = Some(until_s);
            assert_eq!(warnings(&closed), Vec::<String>::new());
        }
        // Back to an older image, since the newer one is condemned.
        let back = warned(|s| {
            s.images[1].epoch = 2;
            s.images[1].until_s = Some(0);
        });
        assert_eq!(back, Vec::<String>::new());
    }

    #[test]
    fn each_change_is_told_and_no_other() {
        type Change = fn(&mut VendorStatement);
        let one: [(Change, &str); 8] = [
            (|s| s.images[0].epoch = 2, "epoch 2, before 1"),
            (|s| s.images[0].until_s = Some(0), "condemned"),
            (
                |s| s.images[0].until_s = Some(86_400),
                "good until 1970-01-02T00:00:00Z, before good",
            ),
            (
                |s| s.images[0].pcr8 = Some(Pcr([8; 48])),
                "signer 0808080808080808..., before any signer",
            ),
            (
                |s| s.images.truncate(1),
                "image 0202020202020202... is withdrawn",
            ),
            (
                |s| s.providers.retain(|provider| provider.name != "a"),
                "provider \"a\" is no longer named",
            ),
            (|s| s.providers[0].keys.push(RecipientId([9; 32])), "is new"),
            (|s| s.providers[1].pcr3.push(Pcr([9; 48])), "role 0909"),
        ];
        for (change, expected) in one {
            let told = told(change);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains(expected), "{told:?}");
        }
        let renamed = told(|s| s.images[0].measurement.pcr0 = [7; 48]);
        assert!(renamed[0].contains("is new") && renamed[1].contains("is withdrawn"));
        let open = told(|s| s.providers[0].pcr3.clear());
        assert!(
            open[0].contains("is gone") && open[1].contains("any machine"),
            "{open:?}"
        );
    }
}
