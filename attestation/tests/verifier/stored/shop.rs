//! Where the stored documents are made: one root, one set of keys, and for each document a change.

use std::collections::BTreeMap;
use std::path::Path;

use rcgen::KeyPair;

use super::{Entry, Index, Values};
use crate::forge::{Forge, NONCE, NOW_S, PUBLIC_KEY, USER_DATA, pcrs, standard_pcrs};

/// The document that most others differ from.
pub(super) const VALID: &str = "valid-definite";

/// A document and what the index says of it.
pub(super) struct Made {
    entry: Entry,
    document: Vec<u8>,
}

impl Made {
    /// Differs from this document instead.
    pub(super) fn twin(&mut self, name: &str) -> &mut Made {
        self.entry.twin = Some(file(name));
        self
    }

    /// Judged at another time.
    pub(super) fn at(&mut self, at_unix_s: u64) -> &mut Made {
        self.entry.at_unix_s = Some(at_unix_s);
        self
    }

    /// Judged with debug mode allowed.
    pub(super) fn allowing_debug(&mut self) -> &mut Made {
        self.entry.allow_debug = true;
        self
    }

    /// Judged against other values.
    pub(super) fn expecting(&mut self, change: impl FnOnce(&mut Values)) -> &mut Made {
        let mut values = standard();
        change(&mut values);
        self.entry.expected = Some(values);
        self
    }
}

pub(super) struct Shop {
    /// PKCS#8, from the root to the leaf.
    keys: Vec<Vec<u8>>,
    root: Vec<u8>,
    made: Vec<Made>,
}

impl Shop {
    pub(super) fn open() -> Shop {
        let forge = Forge::new();
        let keys = forge.plans.iter().map(|plan| plan.key.serialize_der());
        Shop {
            keys: keys.collect(),
            root: forge.issue().swap_remove(0),
            made: Vec::new(),
        }
    }

    /// The standard plan with the shop's keys.
    pub(super) fn forge(&self) -> Forge {
        let mut forge = Forge::new();
        for (plan, key) in forge.plans.iter_mut().zip(&self.keys) {
            plan.key = KeyPair::try_from(key.as_slice()).unwrap();
        }
        forge
    }

    pub(super) fn root(&self) -> &[u8] {
        &self.root
    }

    /// The certificates of a plan, under the shop's root.
    pub(super) fn issue(&self, forge: &Forge) -> Vec<Vec<u8>> {
        let mut certificates = forge.issue();
        certificates[0].clone_from(&self.root);
        certificates
    }

    /// The standard document after a change of its plan.
    pub(super) fn plan(&self, change: impl FnOnce(&mut Forge)) -> Vec<u8> {
        let mut forge = self.forge();
        change(&mut forge);
        if forge.certificates.is_none() {
            forge.certificates = Some(self.issue(&forge));
        }
        forge.document().0
    }

    pub(super) fn valid(&mut self, name: &str, remark: &str, document: Vec<u8>) -> &mut Made {
        self.add(name, None, remark, None, document)
    }

    /// A document that is refused; its name begins with the rule.
    pub(super) fn refused(
        &mut self,
        name: &str,
        twin: &str,
        defect: &str,
        document: Vec<u8>,
    ) -> &mut Made {
        let number = name.strip_prefix("att-").and_then(|rest| rest.get(..2));
        let rule = format!("ATT-{}", number.expect("names begin with att-NN"));
        self.add(name, Some(rule), defect, Some(twin), document)
    }

    /// A refused document that is the standard one but for a change of its plan.
    pub(super) fn refused_plan(
        &mut self,
        name: &str,
        defect: &str,
        change: impl FnOnce(&mut Forge),
    ) -> &mut Made {
        let document = self.plan(change);
        self.refused(name, VALID, defect, document)
    }

    fn add(
        &mut self,
        name: &str,
        rule: Option<String>,
        remark: &str,
        twin: Option<&str>,
        document: Vec<u8>,
    ) -> &mut Made {
        let entry = Entry {
            file: file(name),
            rule,
            remark: remark.to_owned(),
            twin: twin.map(file),
            at_unix_s: None,
            allow_debug: false,
            expected: None,
        };
        self.made.push(Made { entry, document });
        self.made.last_mut().expect("just pushed")
    }

    pub(super) fn document(&self, file: &str) -> &[u8] {
        let made = self.made.iter().find(|made| made.entry.file == file);
        &made.unwrap().document
    }

    pub(super) fn index(&self) -> Index {
        let entries = |refused: bool| {
            let made = self.made.iter().map(|made| &made.entry);
            made.filter(|entry| entry.rule.is_some() == refused)
                .cloned()
                .collect()
        };
        let mut index = Index {
            root: "root.der".to_owned(),
            at_unix_s: NOW_S,
            expected: standard(),
            valid: entries(false),
            refused: entries(true),
        };
        index.refused.sort_by(|a, b| a.file.cmp(&b.file));
        index
    }

    /// Replaces all documents in the folder.
    pub(super) fn write(&self, folder: &Path) {
        for old in std::fs::read_dir(folder).unwrap() {
            let old = old.unwrap().path();
            if old.extension().is_some_and(|extension| extension == "cbor") {
                std::fs::remove_file(old).unwrap();
            }
        }
        for made in &self.made {
            std::fs::write(folder.join(&made.entry.file), &made.document).unwrap();
        }
        std::fs::write(folder.join("root.der"), &self.root).unwrap();
        let index = serde_json::to_string_pretty(&self.index()).unwrap();
        std::fs::write(folder.join("index.json"), index + "\n").unwrap();
    }
}

fn file(name: &str) -> String {
    format!("{name}.cbor")
}

/// What the standard document says, and that its PCR8 is empty.
fn standard() -> Values {
    let pcr = |index: u8, byte: u8| (index, hex::encode([byte; 48]));
    Values {
        nonce: Some(hex::encode(NONCE)),
        user_data: Some(hex::encode(USER_DATA)),
        public_key: Some(hex::encode(PUBLIC_KEY)),
        pcrs: BTreeMap::from([pcr(0, 0xa0), pcr(1, 0xa1), pcr(2, 0xa2), pcr(8, 0)]),
    }
}

/// A field's value in the place of the usual one.
pub(super) fn field(key: &'static str, value: Vec<u8>) -> impl FnOnce(&mut Forge) {
    move |forge| {
        forge.set(key, value);
    }
}

pub(super) fn without(key: &'static str) -> impl FnOnce(&mut Forge) {
    move |forge| forge.fields.retain(|(name, _)| *name != key)
}

/// The standard PCRs after a change.
pub(super) fn registers(change: impl FnOnce(&mut Vec<(u64, Vec<u8>)>)) -> impl FnOnce(&mut Forge) {
    move |forge| {
        let mut values = standard_pcrs();
        change(&mut values);
        forge.set("pcrs", pcrs(&values));
    }
}

/// The standard payload, changed and then signed.
pub(super) fn around(shop: &Shop, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    under(shop, change, Forge::signature)
}

/// The standard payload, changed, under whatever stands for a signature.
pub(super) fn under(
    shop: &Shop,
    change: impl FnOnce(&mut Vec<u8>),
    signature: impl FnOnce(&Forge, &[u8]) -> Vec<u8>,
) -> Vec<u8> {
    let mut forge = shop.forge();
    forge.certificates = Some(shop.issue(&forge));
    let mut payload = forge.payload().0;
    change(&mut payload);
    let signature = signature(&forge, &payload);
    forge.enveloped(&payload, &signature)
}
