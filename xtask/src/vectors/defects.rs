//! From one valid encoding, encodings with exactly one defect each.

use super::annotate::{Head, heads};

/// One way of being wrong.
pub(super) struct Defect {
    /// What is wrong.
    pub(super) name: &'static str,
    /// The bytes.
    pub(super) bytes: Vec<u8>,
    /// Limit to decode with, where another than the type's own.
    pub(super) limit: Option<usize>,
}

/// Every defect that this encoding can have.
pub(super) fn of(valid: &[u8]) -> Vec<Defect> {
    let heads = heads(valid);
    let first = |major: u8| {
        heads
            .iter()
            .find(move |head| head.major == major && head.depth > 0)
    };
    let mut defects = vec![
        plain("empty", Vec::new()),
        plain("truncated by one byte", valid[..valid.len() - 1].to_vec()),
        plain("a byte behind the end", [valid, &[0]].concat()),
        plain("in a tag", [&[0xc0], valid].concat()),
        Defect {
            name: "one byte over the limit",
            bytes: valid.to_vec(),
            limit: Some(valid.len() - 1),
        },
    ];
    defects.extend(of_the_whole(valid, &heads));
    if let Some(number) = first(0) {
        defects.push(plain(
            "an integer in a longer form",
            longer_form(valid, number),
        ));
    }
    if let Some(bytes) = first(2) {
        defects.push(plain(
            "a length in a longer form",
            longer_form(valid, bytes),
        ));
        defects.push(plain(
            "text where bytes belong",
            with_byte(valid, bytes.at, |byte| byte | 0x20),
        ));
        defects.push(plain(
            "an indefinite byte string",
            indefinite_string(valid, bytes),
        ));
    }
    if let Some(text) = first(3) {
        defects.push(plain(
            "bytes where text belongs",
            with_byte(valid, text.at, |byte| byte & !0x20),
        ));
        if text.argument > 0 {
            defects.push(plain(
                "text that is not UTF-8",
                with_byte(valid, text.at + text.len, |_| 0xff),
            ));
        }
    }
    defects
}

/// Defects of the outermost array or map.
fn of_the_whole(valid: &[u8], heads: &[Head]) -> Vec<Defect> {
    let outer = heads[0];
    if !matches!(outer.major, 4 | 5) || outer.argument >= 23 {
        return Vec::new();
    }
    let kind = outer.major << 5;
    let content = &valid[outer.len..];
    let mut defects = vec![
        plain(
            "the outer length in a longer form",
            [&[kind | 24, outer.argument as u8], content].concat(),
        ),
        plain(
            "an indefinite outer length",
            [&[kind | 31], content, &[0xff]].concat(),
        ),
        plain(
            "a claim of 4 billion elements",
            [&[kind | 26, 0xff, 0xff, 0xff, 0xff], content].concat(),
        ),
        plain(
            "an array and a map exchanged",
            with_byte(valid, 0, |byte| byte ^ 0x20),
        ),
    ];
    if outer.major == 4 {
        let surplus = [&[valid[0] + 1], content, &[0]].concat();
        defects.push(plain("a surplus element", surplus));
        if let Some(last) = heads.iter().rfind(|head| head.depth == 1) {
            let missing = [&[valid[0] - 1], &valid[outer.len..last.at]].concat();
            defects.push(plain("the last element is missing", missing));
        }
    }
    defects
}

/// The same argument, one size larger.
fn longer_form(valid: &[u8], head: &Head) -> Vec<u8> {
    let mark = head.major << 5;
    let longer = match head.len {
        1 => vec![mark | 24, head.argument as u8],
        2 => vec![mark | 25, 0, head.argument as u8],
        3 => [&[mark | 26, 0, 0][..], &valid[head.at + 1..head.at + 3]].concat(),
        5 => [
            &[mark | 27, 0, 0, 0, 0][..],
            &valid[head.at + 1..head.at + 5],
        ]
        .concat(),
        // There is no longer form of eight bytes.
        _ => return Vec::new(),
    };
    [&valid[..head.at], &longer, &valid[head.at + head.len..]].concat()
}

fn indefinite_string(valid: &[u8], head: &Head) -> Vec<u8> {
    [
        &valid[..head.at],
        &[0x5f],
        &valid[head.at..head.end()],
        &[0xff],
        &valid[head.end()..],
    ]
    .concat()
}

fn with_byte(valid: &[u8], at: usize, change: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    bytes[at] = change(bytes[at]);
    bytes
}

fn plain(name: &'static str, bytes: Vec<u8>) -> Defect {
    Defect {
        name,
        bytes,
        limit: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_defect_is_another_encoding() {
        let valid = [0x83, 0x07, 0x42, 1, 2, 0x61, 0x61];
        let defects = of(&valid);
        assert!(defects.len() >= 15);
        assert!(
            defects
                .iter()
                .all(|defect| defect.bytes != valid || defect.limit.is_some())
        );
    }
}
