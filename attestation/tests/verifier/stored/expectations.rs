//! The list, of times and expected values: ATT-29 to ATT-37.

use cofferdam_attestation::MAX_AHEAD_S;

use super::Values;
use super::shop::{Shop, field, registers, without};
use crate::forge::{Forge, NOW_S, bytes, null, uint};

fn zeros(places: &'static [usize]) -> impl FnOnce(&mut Forge) {
    registers(move |values| {
        for place in places {
            values[*place].1 = vec![0; 48];
        }
    })
}

pub(super) fn all(shop: &mut Shop) {
    let said = |ms: u64| field("timestamp", uint(ms));
    let start_ms = (NOW_S - 60) * 1000;
    let latest_ms = (NOW_S + MAX_AHEAD_S) * 1000;
    let document = shop.plan(said(start_ms));
    shop.valid(
        "valid-first-moment",
        "made in the leaf's first millisecond",
        document,
    );
    shop.refused_plan(
        "att-29-before",
        "made a millisecond before the leaf's first",
        said(start_ms - 1),
    )
    .twin("valid-first-moment");
    let end_ms = (NOW_S + 3 * 3600 - 60) * 1000;
    shop.refused_plan("att-29-after", "made when the leaf has ended", said(end_ms));
    let document = shop.plan(said(latest_ms));
    shop.valid("valid-ahead", "60 s ahead of the clock", document);
    shop.refused_plan(
        "att-30-ahead",
        "60.001 s ahead of the clock",
        said(latest_ms + 1),
    )
    .twin("valid-ahead");

    for (index, name) in ["att-31-no-pcr0", "att-31-no-pcr1", "att-31-no-pcr2"]
        .iter()
        .enumerate()
    {
        let gone = registers(|values| drop(values.remove(index)));
        shop.refused_plan(name, &format!("PCR{index} is missing"), gone)
            .expecting(|values| values.pcrs.clear());
    }
    let debug = |values: &mut Values| {
        for value in values.pcrs.values_mut() {
            *value = "00".repeat(48);
        }
    };
    let document = shop.plan(zeros(&[0, 1, 2]));
    shop.valid(
        "valid-debug",
        "debug mode, which the caller allows",
        document,
    )
    .allowing_debug()
    .expecting(debug);
    shop.refused_plan(
        "att-32-debug",
        "debug mode, not allowed, zeros expected",
        zeros(&[0, 1, 2]),
    )
    .twin("valid-debug")
    .expecting(debug);
    shop.refused_plan("att-32-pcr1", "PCR1 alone is zero", zeros(&[1]))
        .expecting(|values| drop(values.pcrs.remove(&1)));
    let gone = registers(|values| drop(values.remove(8)));
    shop.refused_plan("att-33-pcr8", "PCR8 is expected and missing", gone);
    let other = |place: usize| registers(move |values| values[place].1[47] ^= 1);
    shop.refused_plan("att-34-pcr0", "the last bit of PCR0 is another", other(0));
    shop.refused_plan("att-34-pcr8", "the last bit of PCR8 is another", other(8));
    for (key, number) in [("nonce", 35), ("user_data", 36), ("public_key", 37)] {
        let defect = format!("another {key} than expected");
        let change = field(key, bytes(b"something else"));
        shop.refused_plan(&format!("att-{number}-another"), &defect, change);
        let defect = format!("{key} is expected and missing");
        shop.refused_plan(&format!("att-{number}-missing"), &defect, without(key));
        let defect = format!("{key} is expected and null");
        shop.refused_plan(&format!("att-{number}-null"), &defect, field(key, null()));
    }
}
