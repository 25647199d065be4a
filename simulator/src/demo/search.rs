//! Looks for secret bytes in other bytes, in every form in which they could have got there by accident.
//!
//! A secret counts as found when any 16 bytes in a row of one of its forms are there: as they are, reversed, in
//! hexadecimal or in base64 (of whatever alignment). A search that finds nothing proves little unless it has found
//! something planted, so each form is planted first.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// Bytes in a row that make a find.
pub(crate) const WINDOW: usize = 16;

/// How a secret may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Form {
    Raw,
    Reversed,
    Hex,
    Base64,
}

impl Form {
    /// Every form.
    pub(crate) const ALL: [Form; 4] = [Form::Raw, Form::Reversed, Form::Hex, Form::Base64];

    /// The secret in this form, in each way that the form allows.
    pub(crate) fn write(self, secret: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
        let written: Vec<Vec<u8>> = match self {
            Form::Raw => vec![secret.to_vec()],
            Form::Reversed => vec![secret.iter().rev().copied().collect()],
            Form::Hex => vec![
                hex::encode(secret).into_bytes(),
                hex::encode_upper(secret).into_bytes(),
            ],
            // Three alignments: what stands before the secret shifts it by 0, 1 or 2 bytes against the groups of three.
            Form::Base64 => (0..3.min(secret.len()))
                .flat_map(|shift| {
                    let whole = &secret[shift..];
                    let groups = &whole[..whole.len() / 3 * 3];
                    [
                        STANDARD_NO_PAD.encode(groups).into_bytes(),
                        URL_SAFE_NO_PAD.encode(groups).into_bytes(),
                    ]
                })
                .collect(),
        };
        written.into_iter().map(Zeroizing::new).collect()
    }
}

/// What is looked for.
#[derive(Default)]
pub(crate) struct Needles {
    windows: HashMap<[u8; WINDOW], (usize, Form)>,
    names: Vec<String>,
}

/// Something was there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Find {
    pub(crate) name: String,
    pub(crate) form: Form,
}

impl Needles {
    /// Looks for this secret too, in all forms.
    pub(crate) fn add(&mut self, name: &str, secret: &[u8]) {
        let number = self.names.len();
        self.names.push(name.to_owned());
        for form in Form::ALL {
            for written in form.write(secret) {
                for window in written.windows(WINDOW) {
                    let window = window
                        .try_into()
                        .expect("invariant: windows have their length");
                    self.windows.insert(window, (number, form));
                }
            }
        }
    }

    /// How many windows are looked for.
    pub(crate) fn len(&self) -> usize {
        self.windows.len()
    }

    /// What of it is in there, each form of each secret once.
    pub(crate) fn find(&self, haystack: &[u8]) -> Vec<Find> {
        // Most places are told apart by their first two bytes.
        let mut starts = vec![false; 1 << 16];
        let start = |window: &[u8]| usize::from(u16::from_be_bytes([window[0], window[1]]));
        self.windows
            .keys()
            .for_each(|window| starts[start(window)] = true);
        let mut found: Vec<Find> = haystack
            .windows(WINDOW)
            .filter(|window| starts[start(window)])
            .filter_map(|window| self.windows.get(window))
            .map(|(number, form)| Find {
                name: self.names[*number].clone(),
                form: *form,
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [
        7, 201, 33, 94, 151, 62, 250, 19, 84, 3, 177, 240, 5, 68, 132, 91, 16, 222, 148, 57, 73,
        190, 28, 111, 165, 44, 99, 210, 230, 12, 55, 181,
    ];

    fn needles() -> Needles {
        let mut needles = Needles::default();
        needles.add("secret", &SECRET);
        needles
    }

    fn found(haystack: &[u8]) -> Vec<Form> {
        needles()
            .find(haystack)
            .into_iter()
            .map(|find| find.form)
            .collect()
    }

    #[test]
    fn t29_every_form_is_found_between_other_bytes() {
        for form in Form::ALL {
            for written in form.write(&SECRET) {
                let haystack = [&b"before"[..], &written, &b"behind"[..]].concat();
                assert_eq!(found(&haystack), [form]);
            }
        }
    }

    #[test]
    fn t29_half_of_a_secret_is_enough_and_fifteen_bytes_are_not() {
        assert_eq!(found(&SECRET[9..25]), [Form::Raw]);
        assert_eq!(found(&SECRET[9..24]), []);
    }

    #[test]
    fn t29_base64_is_found_at_every_alignment() {
        for before in 0..6 {
            let text =
                STANDARD_NO_PAD.encode([&vec![0xaa; before], &SECRET[..], &[0xbb; 5]].concat());
            assert_eq!(
                found(text.as_bytes()),
                [Form::Base64],
                "{before} bytes before"
            );
        }
    }

    #[test]
    fn other_bytes_are_no_find() {
        let other: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(found(&other), []);
    }
}
