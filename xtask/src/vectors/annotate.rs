//! Reads CBOR heads without the codec, for annotated hex and for placing defects.

/// One data item's head.
#[derive(Clone, Copy)]
pub(super) struct Head {
    /// Where it begins.
    pub(super) at: usize,
    /// Bytes of the head.
    pub(super) len: usize,
    /// Major type, RFC 8949 section 3.1.
    pub(super) major: u8,
    /// Its argument.
    pub(super) argument: u64,
    /// Arrays and maps around it.
    pub(super) depth: usize,
    /// Position in the outermost array, for depth 1.
    pub(super) field: usize,
}

impl Head {
    /// Where the item ends, if it is no array or map.
    pub(super) fn end(&self) -> usize {
        let content = if matches!(self.major, 2 | 3) {
            self.argument as usize
        } else {
            0
        };
        self.at + self.len + content
    }
}

/// The heads of a well-formed item, in order.
pub(super) fn heads(bytes: &[u8]) -> Vec<Head> {
    let mut heads = Vec::new();
    let mut open: Vec<u64> = Vec::new();
    let (mut at, mut field) = (0, 0);
    while at < bytes.len() {
        let (major, low) = (bytes[at] >> 5, bytes[at] & 0x1f);
        let extra = if low < 24 { 0 } else { 1 << (low - 24) };
        let argument = bytes[at + 1..at + 1 + extra]
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let argument = if extra == 0 { u64::from(low) } else { argument };
        let head = Head {
            at,
            len: 1 + extra,
            major,
            argument,
            depth: open.len(),
            field,
        };
        heads.push(head);
        at = head.end();
        field += usize::from(open.len() == 1);
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        match major {
            4 => open.push(argument),
            5 => open.push(2 * argument),
            _ => {}
        }
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    heads
}

/// Hex with a comment for each item; `names` are those of the outermost array's elements.
pub(super) fn annotate(bytes: &[u8], names: &[&str]) -> Vec<String> {
    let line = |head: &Head| {
        let end = head.end();
        let shown = end.min(head.at + head.len + 16);
        let rest = if shown < end { "..." } else { "" };
        let hex = format!(
            "{}{}{rest}",
            "  ".repeat(head.depth),
            hex::encode(&bytes[head.at..shown])
        );
        let what = match head.major {
            0 => head.argument.to_string(),
            1 => (-1 - head.argument as i64).to_string(),
            2 => format!("{} bytes", head.argument),
            3 => format!(
                "text \"{}\"",
                String::from_utf8_lossy(&bytes[head.at + head.len..end])
            ),
            4 => format!("array of {}", head.argument),
            5 => format!("map of {}", head.argument),
            _ => match head.argument {
                20 => "false".to_owned(),
                21 => "true".to_owned(),
                _ => "null".to_owned(),
            },
        };
        let name = names
            .get(head.field)
            .filter(|_| head.depth == 1)
            .map(|name| format!("{name}: "));
        format!("{hex:<44} # {}{what}", name.unwrap_or_default())
    };
    heads(bytes).iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_has_its_line() {
        let bytes = [0x83, 0x01, 0x82, 0x41, 0xff, 0xf6, 0x61, 0x61];
        let lines = annotate(&bytes, &["number", "list", "name"]);
        let comments: Vec<_> = lines
            .iter()
            .filter_map(|line| line.split(" # ").nth(1))
            .collect();
        assert_eq!(
            comments,
            [
                "array of 3",
                "number: 1",
                "list: array of 2",
                "1 bytes",
                "null",
                "name: text \"a\""
            ]
        );
    }
}
