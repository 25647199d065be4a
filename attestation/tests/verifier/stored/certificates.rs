//! The list of documents whose certificates are special: ATT-15, ATT-16, ATT-18 to ATT-27.

use rcgen::{
    BasicConstraints, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair,
    KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, SanType,
};

use super::shop::{Shop, VALID};
use crate::forge::{Forge, NOW_S, Plan, at, named, resigned};

const ROOT: usize = 0;
const REGION: usize = 1;
const INSTANCE: usize = 2;
const LEAF: usize = 3;
const END_S: u64 = NOW_S + 3 * 3600 - 60;

type Certificates = Vec<Vec<u8>>;

/// The standard document after a change of its certificates as issued.
fn issued(shop: &Shop, change: impl FnOnce(&Forge, &mut Certificates)) -> Vec<u8> {
    shop.plan(|forge| {
        let mut certificates = shop.issue(forge);
        change(forge, &mut certificates);
        forge.certificates = Some(certificates);
    })
}

/// A change of one planned certificate.
fn planned(place: usize, change: impl FnOnce(&mut Plan)) -> impl FnOnce(&mut Forge) {
    move |forge| change(&mut forge.plans[place])
}

pub(super) fn all(shop: &mut Shop) {
    sizes(shop);
    forms(shop);
    roots(shop);
    times(shop);
    rights(shop);
    extensions(shop);
    orders(shop);
}

/// An extension that nobody knows, of this length.
fn unknown(length: usize, critical: bool) -> impl FnOnce(&mut Plan) {
    move |plan| {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 9900, 1], vec![4; length]);
        extension.set_criticality(critical);
        plan.params.custom_extensions.push(extension);
    }
}

fn sizes(shop: &mut Shop) {
    let document = shop.plan(planned(LEAF, unknown(400, false)));
    shop.valid(
        "valid-large-leaf",
        "400 bytes in an extension that is not critical",
        document,
    );
    for (name, place) in [("att-15-leaf", LEAF), ("att-15-bundle", INSTANCE)] {
        shop.refused_plan(
            name,
            "a certificate of over 1,024 bytes",
            planned(place, unknown(900, false)),
        )
        .twin("valid-large-leaf");
    }
    let document = issued(shop, |_, c| c[REGION].clear());
    shop.refused(
        "att-15-empty",
        VALID,
        "an empty certificate in the bundle",
        document,
    );
    let longer = |names: &'static [&'static str]| {
        move |forge: &mut Forge| {
            for name in names {
                forge.plans.insert(REGION, Plan::authority(name));
            }
        }
    };
    let document = shop.plan(longer(&["one", "two", "three", "four"]));
    shop.valid(
        "valid-longest-path",
        "seven certificates in the bundle",
        document,
    );
    shop.refused_plan(
        "att-16-eight",
        "eight in the bundle",
        longer(&["one", "two", "three", "four", "five"]),
    )
    .twin("valid-longest-path");
    let document = shop.plan(|forge| drop(forge.plans.drain(REGION..LEAF)));
    shop.valid("valid-shortest-path", "the root issued the leaf", document);
    let document = issued(shop, |_, c| drop(c.drain(ROOT..LEAF)));
    shop.refused(
        "att-16-none",
        "valid-shortest-path",
        "an empty bundle",
        document,
    );
}

fn forms(shop: &mut Shop) {
    // [0] { INTEGER 2 } says version 3; 0 says version 1.
    let version_1 = |tbs: &mut Vec<u8>| {
        let place = tbs
            .windows(5)
            .position(|w| w == [0xa0, 3, 2, 1, 2])
            .unwrap();
        tbs[place + 4] = 0;
    };
    for (name, place) in [
        ("att-18-version-1-leaf", LEAF),
        ("att-18-version-1-issuer", INSTANCE),
    ] {
        let document = issued(shop, |forge, c| {
            c[place] = resigned(&c[place], &forge.plans[place - 1].key, version_1);
        });
        shop.refused(
            name,
            VALID,
            "a certificate of version 1, correctly signed",
            document,
        );
    }
    let document = issued(shop, |_, c| c[LEAF].push(0));
    shop.refused("att-18-longer", VALID, "a byte behind the leaf", document);
    let document = issued(shop, |_, c| c[INSTANCE].truncate(200));
    shop.refused(
        "att-18-cut",
        VALID,
        "an issuer cut after 200 bytes",
        document,
    );
    let document = issued(shop, |_, c| {
        c[LEAF] = b"-----BEGIN CERTIFICATE-----".to_vec();
    });
    shop.refused("att-18-pem", VALID, "the leaf is text", document);
}

fn roots(shop: &mut Shop) {
    // A chain that is right in all respects, under the forger's root.
    let own = |name: &str| {
        let mut forge = Forge::new();
        forge.plans[ROOT].params.distinguished_name = named(name);
        let certificates = forge.issue();
        (forge, certificates)
    };
    let show = |(mut forge, certificates): (Forge, Certificates)| {
        forge.certificates = Some(certificates);
        forge.document().0
    };
    let defect = "signed under the forger's root, which has the pinned one's name";
    shop.refused("att-19-own-root", VALID, defect, show(own("root")));
    let defect = "signed under the forger's root of another name";
    shop.refused(
        "att-19-another-root",
        VALID,
        defect,
        show(own("another root")),
    );
    let (forge, mut certificates) = own("root");
    certificates[ROOT] = shop.root().to_vec();
    let defect = "the forger's chain, with the pinned root shown above it";
    shop.refused(
        "att-19-pinned-root-shown",
        VALID,
        defect,
        show((forge, certificates)),
    );
    let document = issued(shop, |_, c| *c[LEAF].last_mut().unwrap() ^= 1);
    shop.refused(
        "att-19-leaf-signature",
        VALID,
        "a bit of the leaf's signature",
        document,
    );
    let document = issued(shop, |forge, c| {
        c[LEAF] = resigned(&c[LEAF], &forge.plans[REGION].key, |_| {});
    });
    let defect = "the leaf is signed by another CA than it names";
    shop.refused("att-19-another-issuer", VALID, defect, document);
    let document = issued(shop, |_, c| drop(c.remove(REGION)));
    shop.refused(
        "att-19-gap",
        VALID,
        "the first CA under the root is missing",
        document,
    );
    let document = issued(shop, |_, c| c[ROOT] = b"anything".to_vec());
    shop.valid(
        "valid-no-root",
        "the bundle's root is not looked at",
        document,
    );
}

fn times(shop: &mut Shop) {
    let standard = shop.plan(|_| {});
    shop.valid(
        "valid-last-second",
        "one second before the leaf's notAfter",
        standard.clone(),
    )
    .at(END_S - 1);
    shop.refused(
        "att-21-at-not-after",
        "valid-last-second",
        "in the second of the leaf's notAfter",
        standard.clone(),
    )
    .at(END_S);
    shop.refused(
        "att-21-years-later",
        "valid-last-second",
        "three years later",
        standard.clone(),
    )
    .at(NOW_S + 3 * 365 * 86_400);
    shop.refused(
        "att-20-before",
        VALID,
        "one second before the leaf's notBefore",
        standard,
    )
    .at(NOW_S - 61);
    for (name, place) in [("region", REGION), ("instance", INSTANCE), ("leaf", LEAF)] {
        let from = planned(place, |p| p.params.not_before = at(NOW_S as i64 + 1));
        shop.refused_plan(
            &format!("att-20-{name}"),
            &format!("{name} begins in a second"),
            from,
        );
        let until = planned(place, |p| p.params.not_after = at(NOW_S as i64));
        shop.refused_plan(
            &format!("att-21-{name}"),
            &format!("{name} ends now"),
            until,
        );
    }
}

fn rights(shop: &mut Shop) {
    for (name, place) in [("region", REGION), ("instance", INSTANCE)] {
        let other = planned(place, |p| {
            p.key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        });
        shop.refused_plan(
            &format!("att-22-{name}"),
            &format!("{name} has a key on P-256"),
            other,
        );
        let no_ca = planned(place, |p| p.params.is_ca = IsCa::ExplicitNoCa);
        shop.refused_plan(
            &format!("att-23-{name}"),
            &format!("{name} is no CA"),
            no_ca,
        );
        let usage = planned(place, |p| {
            p.params.key_usages = vec![KeyUsagePurpose::CrlSign]
        });
        shop.refused_plan(
            &format!("att-25-{name}"),
            &format!("{name} may only sign CRLs"),
            usage,
        );
    }
    let document = shop.plan(|forge| {
        let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let usual = std::mem::replace(&mut forge.plans[LEAF].key, other);
        forge.certificates = Some(shop.issue(forge));
        forge.plans[LEAF].key = usual;
    });
    shop.refused(
        "att-22-leaf",
        VALID,
        "the leaf has a key on P-256",
        document,
    );
    let ca = planned(LEAF, |p| {
        p.params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)
    });
    shop.refused_plan("att-23-leaf", "the leaf is a CA", ca);
    let limited = |n| {
        planned(REGION, move |p| {
            p.params.is_ca = IsCa::Ca(BasicConstraints::Constrained(n))
        })
    };
    let document = shop.plan(limited(1));
    shop.valid(
        "valid-path-length",
        "one CA allowed below the first",
        document,
    );
    shop.refused_plan(
        "att-24-path-length",
        "no CA allowed below the first",
        limited(0),
    )
    .twin("valid-path-length");
    let usage = |usages: Vec<KeyUsagePurpose>| planned(LEAF, |p| p.params.key_usages = usages);
    shop.refused_plan(
        "att-25-leaf",
        "the leaf may only agree on keys",
        usage(vec![KeyUsagePurpose::KeyAgreement]),
    );
    shop.refused_plan(
        "att-25-leaf-without",
        "the leaf has no key usage",
        usage(Vec::new()),
    );
}

fn extensions(shop: &mut Shop) {
    for (name, place) in [("leaf", LEAF), ("instance", INSTANCE)] {
        let document = shop.plan(planned(place, unknown(10, false)));
        let twin = format!("valid-unknown-{name}");
        shop.valid(&twin, "an unknown extension that is not critical", document);
        let critical = planned(place, unknown(10, true));
        shop.refused_plan(
            &format!("att-26-critical-{name}"),
            "an unknown critical extension",
            critical,
        )
        .twin(&twin);
    }
    let usages =
        |list: Vec<ExtendedKeyUsagePurpose>| planned(LEAF, |p| p.params.extended_key_usages = list);
    let (server, client) = (
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    );
    let document = shop.plan(usages(vec![server.clone(), client]));
    shop.valid(
        "valid-extended-usage",
        "a leaf for servers and clients",
        document,
    );
    shop.refused_plan(
        "att-26-server-only",
        "a leaf for servers only",
        usages(vec![server]),
    )
    .twin("valid-extended-usage");
    let constrained = |name: &'static str| {
        move |forge: &mut Forge| {
            forge.plans[REGION].params.name_constraints = Some(NameConstraints {
                permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".into())],
                excluded_subtrees: Vec::new(),
            });
            let name = SanType::DnsName(name.try_into().unwrap());
            forge.plans[LEAF].params.subject_alt_names.push(name);
        }
    };
    let document = shop.plan(constrained("enclave.example.com"));
    shop.valid(
        "valid-name-constraint",
        "a name within a CA's constraint",
        document,
    );
    shop.refused_plan(
        "att-26-name-constraint",
        "a name outside of it",
        constrained("enclave.example.org"),
    )
    .twin("valid-name-constraint");
}

fn orders(shop: &mut Shop) {
    let stranger = Forge::new().issue().swap_remove(INSTANCE);
    let mut ordered = |name: &str, defect: &str, change: &dyn Fn(&mut Certificates)| {
        let document = issued(shop, |_, certificates| change(certificates));
        shop.refused(name, VALID, defect, document);
    };
    ordered(
        "att-27-exchanged",
        "the two CAs have changed places",
        &|c| c.swap(REGION, INSTANCE),
    );
    ordered("att-27-upwards", "the bundle runs upwards", &|c| {
        c[..LEAF].reverse()
    });
    ordered("att-27-gap", "the leaf's issuer is missing", &|c| {
        drop(c.remove(INSTANCE))
    });
    ordered(
        "att-27-stranger",
        "a certificate that does not belong",
        &|c| c.insert(INSTANCE, stranger.clone()),
    );
    ordered("att-27-twice", "a CA twice", &|c| {
        c.insert(REGION, c[REGION].clone())
    });
    ordered(
        "att-27-leaf-in-it",
        "the leaf is in the bundle as well",
        &|c| c.insert(LEAF, c[LEAF].clone()),
    );
    ordered("att-27-root-twice", "the root twice", &|c| {
        c.insert(REGION, c[ROOT].clone())
    });
    let twice = planned(INSTANCE, |p| p.params.distinguished_name = named("region"));
    shop.refused_plan("att-27-name-twice", "two CAs of one name", twice);
}
