//! The list, of payloads: ATT-06 to ATT-14, and ATT-17.

use cofferdam_attestation::{MAX_FIELD, MAX_MODULE_ID};

use super::Values;
use super::shop::{Shop, VALID, around, field, registers, without};
use crate::forge::{Forge, NONCE, bytes, cabundle, null, payload, pcrs, standard_pcrs, text, uint};

const OPTIONAL: [&str; 3] = ["public_key", "user_data", "nonce"];

/// One more field behind the others.
fn extra(key: &'static str, value: Vec<u8>) -> impl FnOnce(&mut Forge) {
    move |forge| forge.fields.push((key, value))
}

/// A container of the standard payload with another head, and a break at its end.
fn opened(head: u8, closed: &[u8]) -> Vec<u8> {
    [&[head], &closed[1..], &[0xff]].concat()
}

pub(super) fn all(shop: &mut Shop) {
    encodings(shop);
    keys(shop);
    let longest = "i".repeat(MAX_MODULE_ID);
    let document = shop.plan(field("module_id", text(&longest)));
    shop.valid(
        "valid-longest-module-id",
        "a module id of 256 characters",
        document,
    );
    shop.refused_plan(
        "att-10-empty",
        "an empty module id",
        field("module_id", text("")),
    );
    let value = text(&(longest + "i"));
    shop.refused_plan(
        "att-10-too-long",
        "257 characters",
        field("module_id", value),
    )
    .twin("valid-longest-module-id");
    let value = text("i-1\nforged: line");
    shop.refused_plan(
        "att-10-line-break",
        "a line break in it",
        field("module_id", value),
    );
    let value = text("SHA256");
    shop.refused_plan(
        "att-11-sha256",
        "the digest is SHA256",
        field("digest", value),
    );
    let value = text("sha384");
    shop.refused_plan(
        "att-11-lower-case",
        "the digest is sha384",
        field("digest", value),
    );
    shop.refused_plan("att-12-zero", "a time of zero", field("timestamp", uint(0)));

    let with = |index: u64| registers(move |values| values.push((index, vec![7; 48])));
    let document = shop.plan(with(31));
    shop.valid("valid-pcr31", "PCR31 is in it", document);
    shop.refused_plan("att-13-pcr32", "PCR32 is in it", with(32))
        .twin("valid-pcr31");
    shop.refused_plan("att-13-pcr256", "PCR256 is in it", with(256))
        .twin("valid-pcr31");
    shop.refused_plan("att-13-none", "no PCR at all", field("pcrs", pcrs(&[])));
    let cut = |length| registers(move |values| values[1].1.resize(length, 0xa1));
    shop.refused_plan("att-14-short", "PCR1 has 32 bytes", cut(32));
    shop.refused_plan("att-14-long", "PCR1 has 64 bytes", cut(64));

    let full = |forge: &mut Forge| {
        for key in OPTIONAL {
            forge.set(key, bytes(&[1; MAX_FIELD]));
        }
    };
    let all = |values: &mut Values| {
        let value = Some(hex::encode([1; MAX_FIELD]));
        values.nonce.clone_from(&value);
        values.user_data.clone_from(&value);
        values.public_key = value;
    };
    let document = shop.plan(full);
    shop.valid(
        "valid-longest-fields",
        "1,024 bytes in each of the three fields",
        document,
    )
    .expecting(all);
    for (key, name) in [
        ("public_key", "att-17-public-key"),
        ("user_data", "att-17-user-data"),
        ("nonce", "att-17-nonce"),
    ] {
        let change = |forge: &mut Forge| {
            full(forge);
            forge.set(key, bytes(&[1; MAX_FIELD + 1]));
        };
        shop.refused_plan(name, &format!("1,025 bytes of {key}"), change)
            .twin("valid-longest-fields")
            .expecting(all);
    }
}

fn encodings(shop: &mut Shop) {
    let document = shop.plan(|forge| forge.indefinite = true);
    shop.valid(
        "valid-indefinite",
        "the payload is a map of indefinite length",
        document,
    );
    let document = shop.plan(|forge| {
        let issued = shop.issue(forge);
        forge.indefinite = true;
        forge.set("pcrs", opened(0xbf, &pcrs(&standard_pcrs())));
        forge.set("cabundle", opened(0x9f, &cabundle(&issued[..3])));
        forge.certificates = Some(issued);
    });
    let remark = "payload, PCRs and cabundle of indefinite length";
    shop.valid("valid-indefinite-all", remark, document);
    let document = around(shop, |payload| {
        payload[0] = 0xbf;
    });
    let defect = "a map of indefinite length without its end";
    shop.refused("att-06-endless", "valid-indefinite", defect, document);
    let document = around(shop, |payload| {
        payload.splice(0..1, [0xb8, 0x09]);
    });
    shop.refused(
        "att-06-long-head",
        VALID,
        "the map's head in two bytes",
        document,
    );
    let document = around(shop, |payload| payload[0] += 1);
    shop.refused(
        "att-06-promises-more",
        VALID,
        "a map of ten with nine entries",
        document,
    );
    for (name, defect, key, value) in [
        (
            "att-06-time-as-text",
            "the time is text",
            "timestamp",
            text("1800000000250"),
        ),
        (
            "att-06-negative-time",
            "the time is negative",
            "timestamp",
            vec![0x3a, 0x6b, 0x49, 0xd2, 0],
        ),
        (
            "att-06-time-as-float",
            "the time is a float",
            "timestamp",
            vec![0xfa, 0x53, 0xd1, 0xa9, 0x40],
        ),
        (
            "att-06-module-id-as-bytes",
            "the module id is bytes",
            "module_id",
            bytes(b"i-0123456789abcdef0"),
        ),
        (
            "att-06-long-digest-head",
            "the digest's length in two bytes",
            "digest",
            b"\x78\x06SHA384".to_vec(),
        ),
        (
            "att-06-nonce-in-pieces",
            "the nonce comes in pieces",
            "nonce",
            opened(0x5f, &[&[0], &bytes(NONCE)[..]].concat()),
        ),
        (
            "att-06-nonce-as-text",
            "the nonce is text",
            "nonce",
            text("a nonce of the caller's"),
        ),
        (
            "att-06-undefined",
            "the nonce is undefined",
            "nonce",
            vec![0xf7],
        ),
        (
            "att-06-pcrs-in-an-array",
            "the PCRs are an array",
            "pcrs",
            vec![0x80],
        ),
    ] {
        shop.refused_plan(name, defect, field(key, value));
    }
    let text_index = [&[0xa1][..], &text("0"), &bytes(&[0xa0; 48])].concat();
    shop.refused_plan(
        "att-06-pcr-index-as-text",
        "a PCR's index is text",
        field("pcrs", text_index),
    );
}

fn keys(shop: &mut Shop) {
    let document = shop.plan(|forge| {
        for key in OPTIONAL {
            forge.set(key, null());
        }
    });
    let none = |values: &mut Values| {
        values.nonce = None;
        values.user_data = None;
        values.public_key = None;
    };
    let remark = "the three optional fields are null";
    shop.valid("valid-nulls", remark, document).expecting(none);
    let document = shop.plan(|forge| forge.fields.retain(|(name, _)| !OPTIONAL.contains(name)));
    let remark = "the three optional fields are missing";
    shop.valid("valid-six-fields", remark, document)
        .expecting(none);

    shop.refused_plan(
        "att-07-nonce-twice",
        "the nonce twice",
        extra("nonce", bytes(NONCE)),
    );
    shop.refused_plan(
        "att-07-null-beside",
        "the nonce, and null for it",
        extra("nonce", null()),
    );
    let other = text("SHA256");
    shop.refused_plan(
        "att-07-another-digest",
        "a second digest",
        extra("digest", other),
    );
    let twice = registers(|values| values.push((0, vec![0xee; 48])));
    shop.refused_plan("att-07-pcr0-twice", "PCR0 twice, with two values", twice);
    shop.refused_plan("att-08-unknown", "a tenth key", extra("extra", null()));
    shop.refused_plan("att-08-capital", "a key \"Nonce\"", extra("Nonce", null()));
    for (name, key) in [
        ("att-09-no-module-id", "module_id"),
        ("att-09-no-digest", "digest"),
        ("att-09-no-timestamp", "timestamp"),
        ("att-09-no-pcrs", "pcrs"),
    ] {
        shop.refused_plan(name, &format!("{key} is missing"), without(key));
    }
    for (name, gone) in [
        ("att-09-no-certificate", "certificate"),
        ("att-09-no-cabundle", "cabundle"),
    ] {
        let forge = shop.forge();
        let issued = shop.issue(&forge);
        let mut fields = forge.fields.clone();
        fields.push(("certificate", bytes(&issued[3])));
        fields.push(("cabundle", cabundle(&issued[..3])));
        fields.retain(|(name, _)| *name != gone);
        let document = forge.signed(&payload(&fields, false));
        shop.refused(name, VALID, &format!("{gone} is missing"), document);
    }
}
