//! The list, of envelopes and signatures: ATT-01 to ATT-05, and ATT-28.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair};
use cofferdam_attestation::MAX_DOCUMENT;

use super::shop::{Shop, VALID, around, under};
use crate::forge::{Forge, PROTECTED_ES384, sig_structure, sign};

/// The standard document after a change of its bytes.
fn bent(shop: &Shop, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut document = shop.plan(|_| {});
    change(&mut document);
    document
}

pub(super) fn all(shop: &mut Shop) {
    let standard = shop.plan(|_| {});
    shop.valid(VALID, "maps and arrays of definite length", standard);
    let tagged = bent(shop, |d| d.insert(0, 0xd2));
    shop.valid("valid-tagged", "tag 18 in front", tagged);

    let mut bent_bytes = |name: &str, defect: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let document = bent(shop, change);
        shop.refused(name, VALID, defect, document);
    };
    bent_bytes("att-01-empty", "no byte at all", &Vec::clear);
    bent_bytes("att-01-too-long", "zeros up to 16,385 bytes", &|d| {
        d.resize(MAX_DOCUMENT + 1, 0);
    });
    bent_bytes("att-02-another-tag", "tag 17 in front", &|d| {
        d.insert(0, 0xd1)
    });
    bent_bytes("att-02-long-tag", "tag 18 in two bytes", &|d| {
        d.splice(0..0, [0xd8, 18]);
    });
    bent_bytes("att-02-tagged-twice", "tag 18 twice", &|d| {
        d.splice(0..0, [0xd2, 0xd2]);
    });
    bent_bytes("att-02-array-of-three", "an array of three", &|d| {
        d[0] = 0x83
    });
    bent_bytes(
        "att-02-array-of-five",
        "an array of five, the last null",
        &|d| {
            d[0] = 0x85;
            d.push(0xf6);
        },
    );
    bent_bytes("att-02-indefinite", "an array of indefinite length", &|d| {
        d[0] = 0x9f;
        d.push(0xff);
    });
    bent_bytes(
        "att-02-long-head",
        "the protected header's length in two bytes",
        &|d| {
            d.splice(1..2, [0x58, 0x04]);
        },
    );
    bent_bytes("att-02-cut", "the last byte is missing", &|d| {
        d.truncate(d.len() - 1)
    });
    bent_bytes(
        "att-05-behind-the-document",
        "a byte behind the document",
        &|d| d.push(0),
    );

    for (name, defect, header) in [
        (
            "att-03-es256",
            "the header says ES256",
            &[0xa1, 0x01, 0x26][..],
        ),
        (
            "att-03-es512",
            "the header says ES512",
            &[0xa1, 0x01, 0x38, 0x23],
        ),
        (
            "att-03-minus-one",
            "the header says -1, as QEMU's device does",
            &[0xa1, 0x01, 0x20],
        ),
        ("att-03-none", "the protected header is empty", &[]),
        (
            "att-03-long-form",
            "-35 in a longer form",
            &[0xa1, 0x01, 0x39, 0x00, 0x22],
        ),
        (
            "att-03-key-id",
            "a key id beside the algorithm",
            &[0xa2, 0x01, 0x38, 0x22, 0x04, 0x40],
        ),
    ] {
        shop.refused_plan(name, defect, |forge| forge.protected = header.to_vec());
    }
    for (name, defect, header) in [
        (
            "att-04-key-id",
            "a key id in the unprotected header",
            &[0xa1, 0x04, 0x40][..],
        ),
        (
            "att-04-algorithm",
            "the algorithm there once more",
            &[0xa1, 0x01, 0x38, 0x22],
        ),
        (
            "att-04-indefinite",
            "an empty map of indefinite length",
            &[0xbf, 0xff],
        ),
    ] {
        shop.refused_plan(name, defect, |forge| forge.unprotected = header.to_vec());
    }
    let document = around(shop, |payload| payload.push(0xf6));
    shop.refused(
        "att-05-behind-the-payload",
        VALID,
        "a null behind the payload's map",
        document,
    );
    signatures(shop);
}

fn signatures(shop: &mut Shop) {
    let mut signed = |name: &str, defect: &str, signature: &dyn Fn(&Forge, &[u8]) -> Vec<u8>| {
        let document = under(shop, |_| {}, signature);
        shop.refused(name, VALID, defect, document);
    };
    signed("att-28-empty", "an empty signature", &|_, _| Vec::new());
    signed("att-28-zeros", "96 zeros", &|_, _| vec![0; 96]);
    signed(
        "att-28-longer",
        "a zero behind the signature",
        &|forge, payload| [forge.signature(payload), vec![0]].concat(),
    );
    signed(
        "att-28-in-der",
        "signed by the leaf, but in DER",
        &|forge, payload| {
            let pkcs8 = forge.plans[3].key.serialized_der();
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8).unwrap();
            let message = sig_structure(PROTECTED_ES384, b"", payload);
            key.sign(&SystemRandom::new(), &message)
                .unwrap()
                .as_ref()
                .to_vec()
        },
    );
    signed(
        "att-28-by-the-issuer",
        "signed by the leaf's issuer",
        &|forge, payload| {
            let message = sig_structure(PROTECTED_ES384, b"", payload);
            sign(&forge.plans[2].key, &message)
        },
    );
    signed(
        "att-28-payload-alone",
        "signed without the Sig_structure",
        &|forge, payload| sign(&forge.plans[3].key, payload),
    );
    signed(
        "att-28-external-data",
        "signed with external data",
        &|forge, payload| {
            sign(
                &forge.plans[3].key,
                &sig_structure(PROTECTED_ES384, b"x", payload),
            )
        },
    );
    let mut forge = shop.forge();
    forge.certificates = Some(shop.issue(&forge));
    let payload = forge.payload().0;
    let signature = forge.signature(&payload);
    let mut changed = payload;
    let place = changed.windows(6).position(|w| w == b"i-0123").unwrap();
    changed[place + 5] = b'4';
    let document = forge.enveloped(&changed, &signature);
    let defect = "a digit of the module id changed after signing";
    shop.refused("att-28-changed", VALID, defect, document);
}
