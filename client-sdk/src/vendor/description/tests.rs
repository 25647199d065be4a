//! One valid description, and the same with exactly one defect.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const KEY: &str = "1111111111111111111111111111111111111111111111111111111111111111";

fn pcr(digit: char) -> String {
    String::from(digit).repeat(96)
}

fn valid() -> String {
    format!(
        "version = 1\nsequence = 5\nvalid_days = 30\n\n\
         [[image]]\nepoch = 2\npcr0 = \"{}\"\npcr1 = \"{}\"\npcr2 = \"{}\"\npcr8 = \"{}\"\n\n\
         [[image]]\nepoch = 1\neif = \"old.json\"\nuntil = \"2026-01-01T00:00:00Z\"\n\n\
         [[provider]]\nname = \"Example Cloud\"\nkeys = [\"{KEY}\"]\npcr3 = [\"{}\"]\n",
        pcr('a'),
        pcr('b'),
        pcr('c'),
        pcr('d'),
        pcr('e'),
    )
}

fn read(text: &str) -> Result<Description, DescriptionError> {
    let directory = tempfile::tempdir().unwrap();
    let built = format!(
        "{{\"pcr0\": \"{}\", \"pcr1\": \"{}\", \"pcr2\": \"{}\", \"bytes\": 1000}}",
        pcr('1'),
        pcr('2'),
        pcr('3')
    );
    std::fs::write(directory.path().join("old.json"), built).unwrap();
    std::fs::write(directory.path().join("torn.json"), "{\"pcr0\": \"11\"").unwrap();
    let path = directory.path().join("statement.toml");
    std::fs::write(&path, text).unwrap();
    Description::read(&path)
}

fn statement(text: &str) -> VendorStatement {
    read(text).unwrap().statement(None, 1_000).unwrap()
}

#[test]
fn a_description_says_what_the_statement_says() {
    let statement = statement(&valid());
    assert_eq!((statement.version, statement.sequence), (1, 5));
    assert_eq!(
        (statement.issued_s, statement.not_after_s),
        (1_000, 1_000 + 30 * DAY_S)
    );
    let [new, old] = &statement.images[..] else {
        panic!("two images")
    };
    assert_eq!(
        (new.measurement.pcr0, new.epoch, new.until_s),
        ([0xaa; 48], 2, None)
    );
    assert_eq!(new.pcr8, Some(Pcr([0xdd; 48])));
    assert_eq!(
        (old.measurement.pcr2, old.epoch, old.pcr8),
        ([0x33; 48], 1, None)
    );
    assert_eq!(old.until_s, Some(1_767_225_600));
    assert_eq!(statement.providers[0].keys, [RecipientId([0x11; 32])]);
    assert_eq!(statement.providers[0].pcr3, [Pcr([0xee; 48])]);
}

#[test]
fn t80_condemned_is_until_zero() {
    let text = valid().replace("until = \"2026-01-01T00:00:00Z\"", "condemned = true");
    assert_eq!(statement(&text).images[1].until_s, Some(0));
}

#[test]
fn every_defect_is_refused_with_its_place() {
    let second_image = format!(
        "[[image]]\nepoch = 1\npcr0 = \"{}\"\npcr1 = \"{}\"\npcr2 = \"{}\"\n",
        pcr('a'),
        pcr('b'),
        pcr('c')
    );
    let other_key = KEY.replace('1', "2");
    let provider =
        |name: &str, key: &str| format!("[[provider]]\nname = \"{name}\"\nkeys = [\"{key}\"]\n");
    let replaced = |from: &str, to: &str| {
        let text = valid();
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let cases = [
        (replaced("version = 1", "version = 2"), "version must be 1"),
        (replaced("version = 1", "version 1"), "not well formed"),
        (replaced("valid_days", "valid_day"), "valid_day"),
        (
            replaced("sequence = 5", "sequence = 0"),
            "sequence must be at least 1",
        ),
        (
            replaced("valid_days = 30", "valid_days = 0"),
            "valid_days must be between 1 and 90",
        ),
        (
            replaced("valid_days = 30", "valid_days = 91"),
            "valid_days must be between 1 and 90",
        ),
        (replaced("epoch = 2", "epoch = 0"), "epoch of image 1"),
        (
            replaced(&pcr('a'), &pcr('a')[1..]),
            "pcr0 of image 1 must be 96",
        ),
        (
            replaced(&pcr('b'), &pcr('0')),
            "pcr1 of image 1 must not be all zeros",
        ),
        (
            replaced(&pcr('d'), &pcr('0')),
            "pcr8 of image 1 must not be all zeros",
        ),
        (
            replaced(&format!("pcr2 = \"{}\"\n", pcr('c')), ""),
            "pcr2 of image 1 must be there",
        ),
        (
            replaced(
                "epoch = 1\n",
                &format!("epoch = 1\npcr0 = \"{}\"\n", pcr('9')),
            ),
            "eif of image 2 must stand alone",
        ),
        (
            replaced("old.json", "gone.json"),
            "gone.json cannot be read",
        ),
        (
            replaced("old.json", "torn.json"),
            "torn.json is not well formed",
        ),
        (
            replaced("2026-01-01T00:00:00Z", "tomorrow"),
            "until of image 2 must be a time",
        ),
        (
            replaced("2026-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            "until of image 2 must be a time",
        ),
        (
            replaced("until =", "condemned = true\nuntil ="),
            "until of image 2 must not stand beside",
        ),
        (
            replaced("epoch = 2", "epoch = 2\nretired = true"),
            "retired",
        ),
        (replaced("Example Cloud", ""), "name of provider 1"),
        (
            replaced("Example Cloud", &"x".repeat(65)),
            "name of provider 1",
        ),
        (
            replaced(&format!("\"{KEY}\""), ""),
            "keys of provider 1 must name at least one",
        ),
        (replaced(KEY, &KEY[1..]), "keys of provider 1 must be ids"),
        (
            replaced(KEY, &format!("{KEY}\", \"{KEY}")),
            "keys of provider 1 must name each key once",
        ),
        (replaced(&pcr('e'), &pcr('0')), "pcr3 of provider 1"),
        (replaced(&pcr('e'), "ee"), "pcr3 of provider 1"),
        (
            valid() + &second_image,
            "image 1 and image 3 name the same measurement",
        ),
        (
            valid() + &provider("Example Cloud", &other_key),
            "provider 1 and provider 2 name the same provider;",
        ),
        (
            valid() + &provider("Another", KEY),
            "provider 1 and provider 2 name the same provider key",
        ),
    ];
    assert!(read(&valid()).is_ok());
    for (text, expected) in cases {
        let Err(error) = read(&text) else {
            panic!("accepted, without: {expected}")
        };
        assert!(
            error.to_string().contains(expected),
            "{error}, not: {expected}"
        );
    }
}

#[test]
fn t66_a_sequence_that_does_not_grow_is_refused() {
    let previous = |sequence| VendorStatement {
        sequence,
        ..statement(&valid())
    };
    let after = |sequence| {
        read(&valid())
            .unwrap()
            .statement(Some(&previous(sequence)), 2_000)
    };
    assert!(after(4).is_ok());
    for sequence in [5, 6] {
        assert!(matches!(
            after(sequence),
            Err(DescriptionError::Sequence { got: 5, previous }) if previous == sequence
        ));
    }
}

#[test]
fn a_statement_that_no_reader_takes_is_not_made() {
    let mut text = valid();
    for number in 0..200 {
        let key = format!("{number:064x}");
        text += &format!("[[provider]]\nname = \"p{number}\"\nkeys = [\"{key}\"]\n");
    }
    let refused = read(&text).unwrap().statement(None, 1_000);
    assert!(matches!(refused, Err(DescriptionError::TooLarge { bytes }) if bytes > 8_192));
    // What is made is taken, signature and all.
    let key =
        crate::crypto::signing::SigningKey::generate(crate::crypto::signing::SignatureKind::P256);
    let signed = crate::vendor::sign(&statement(&valid()), &key);
    let payload = cbor::encode(&statement(&valid())).len();
    assert!(signed.len() <= payload + ENVELOPE);
}
