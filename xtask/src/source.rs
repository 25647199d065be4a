//! Rust source as the checks see it: code without comments, comments without code, and what of it is tests.
//!
//! This is a lexer for comments, strings and brackets, and no parser. It relies on rustfmt, which CI checks first.

use std::ops::Range;

/// One source file, taken apart.
pub(crate) struct Source {
    /// The code; comments are spaces, and the content of literals is underscores. As many lines as the file.
    pub(crate) code: String,
    /// Comments in order, without their slashes.
    pub(crate) comments: Vec<Comment>,
    /// Bytes of `code` that only tests see.
    pub(crate) tests: Vec<Range<usize>>,
    /// Modules declared under `cfg(test)` whose content is in a file of its own.
    pub(crate) test_modules: Vec<String>,
}

/// One comment.
pub(crate) struct Comment {
    /// Line of its beginning, from 1.
    pub(crate) line: usize,
    /// Byte of the file where it begins.
    pub(crate) at: usize,
    /// The text.
    pub(crate) text: String,
}

impl Source {
    /// Takes a file apart.
    pub(crate) fn parse(text: &str) -> Self {
        let mut lexer = Lexer {
            text,
            at: 0,
            line: 1,
            code: String::with_capacity(text.len()),
            comments: Vec::new(),
        };
        lexer.run();
        let (tests, test_modules) = find_tests(&lexer.code);
        Source {
            code: lexer.code,
            comments: lexer.comments,
            tests,
            test_modules,
        }
    }

    /// Lines that hold code and are not tests.
    pub(crate) fn code_lines(&self) -> usize {
        let mut start = 0;
        let mut count = 0;
        for line in self.code.split_inclusive('\n') {
            let indent = line.len() - line.trim_start().len();
            let is_code = !line.trim().is_empty();
            count += usize::from(is_code && !self.is_test(start + indent));
            start += line.len();
        }
        count
    }

    /// Whether only tests see this byte.
    pub(crate) fn is_test(&self, at: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&at))
    }

    /// Names of all functions.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &str> {
        let mut words = self
            .code
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| !word.is_empty());
        std::iter::from_fn(move || {
            words.find(|word| *word == "fn")?;
            words.next()
        })
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    code: String,
    comments: Vec<Comment>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(c) = self.peek() {
            if self.rest().starts_with("//") {
                self.line_comment();
            } else if self.rest().starts_with("/*") {
                self.block_comment();
            } else if let Some(hashes) = self.raw_string() {
                self.string(Some(hashes));
            } else if c == '"' {
                self.take(c);
                self.string(None);
            } else if c == '\'' {
                self.character_or_lifetime();
            } else {
                self.take(c);
            }
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Copies one character of code.
    fn take(&mut self, c: char) {
        self.code.push(c);
        self.step(c);
    }

    /// Replaces one character, byte for byte.
    fn replace(&mut self, c: char, with: char) {
        if c == '\n' {
            self.code.push('\n');
        } else {
            self.code.extend(std::iter::repeat_n(with, c.len_utf8()));
        }
        self.step(c);
    }

    fn step(&mut self, c: char) {
        self.at += c.len_utf8();
        self.line += usize::from(c == '\n');
    }

    fn line_comment(&mut self) {
        let length = self.rest().find('\n').unwrap_or(self.rest().len());
        let text = self.rest()[..length]
            .trim_start_matches(['/', '!'])
            .trim()
            .to_owned();
        self.comments.push(Comment {
            line: self.line,
            at: self.at,
            text,
        });
        let end = self.at + length;
        while self.at < end {
            let c = self.peek().expect("the comment ends within the text");
            self.replace(c, ' ');
        }
    }

    fn block_comment(&mut self) {
        let (line, start) = (self.line, self.at);
        let mut depth = 0;
        while let Some(c) = self.peek() {
            if self.rest().starts_with("/*") {
                depth += 1;
                self.replace('/', ' ');
                self.replace('*', ' ');
            } else if self.rest().starts_with("*/") {
                depth -= 1;
                self.replace('*', ' ');
                self.replace('/', ' ');
                if depth == 0 {
                    break;
                }
            } else {
                self.replace(c, ' ');
            }
        }
        let text = self.text[start..self.at]
            .trim_matches(['/', '*', '!', ' ', '\n'])
            .to_owned();
        self.comments.push(Comment {
            line,
            at: start,
            text,
        });
    }

    /// At the beginning of a raw string: takes up to its quote, and tells the number of hashes.
    fn raw_string(&mut self) -> Option<usize> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        if self.code.chars().next_back().is_some_and(is_word) {
            return None;
        }
        let marks = ["r", "br", "cr"].into_iter().find(|mark| {
            let rest = self.rest().strip_prefix(mark).unwrap_or_default();
            rest.trim_start_matches('#').starts_with('"')
        })?;
        let hashes = self.rest()[marks.len()..]
            .chars()
            .take_while(|c| *c == '#')
            .count();
        for _ in 0..marks.len() + hashes + 1 {
            let c = self.peek()?;
            self.take(c);
        }
        Some(hashes)
    }

    /// Behind the opening quote: replaces the content, takes the closing quote.
    fn string(&mut self, raw: Option<usize>) {
        let end = format!("\"{}", "#".repeat(raw.unwrap_or(0)));
        while let Some(c) = self.peek() {
            if self.rest().starts_with(&end) {
                end.chars().for_each(|c| self.take(c));
                return;
            }
            self.replace(c, '_');
            if c == '\\' && raw.is_none() {
                let Some(escaped) = self.peek() else { return };
                self.replace(escaped, '_');
            }
        }
    }

    fn character_or_lifetime(&mut self) {
        let mut next = self.rest().chars().skip(1);
        let is_escape = next.next() == Some('\\');
        let is_character = is_escape || next.next() == Some('\'');
        self.take('\'');
        if !is_character {
            return;
        }
        while let Some(c) = self.peek() {
            if c == '\'' {
                self.take(c);
                return;
            }
            self.replace(c, '_');
            if c == '\\' {
                let Some(escaped) = self.peek() else { return };
                self.replace(escaped, '_');
            }
        }
    }
}

/// Finds what stands under `cfg(test)`, and the modules there that are files of their own.
fn find_tests(code: &str) -> (Vec<Range<usize>>, Vec<String>) {
    if code.trim_start().starts_with("#![cfg(test)]") {
        return (std::iter::once(0..code.len()).collect(), Vec::new());
    }
    let mut tests: Vec<Range<usize>> = Vec::new();
    let mut modules = Vec::new();
    for mark in ["#[cfg(test)]", "#[cfg(all(test"] {
        for (start, _) in code.match_indices(mark) {
            let mut item = start + skip_attributes(&code[start..]);
            let end = item + item_length(&code[item..]);
            item += code[item..].len() - code[item..].trim_start().len();
            let words: Vec<_> = code[item..end]
                .trim_end_matches(';')
                .split_whitespace()
                .collect();
            if let [.., "mod", name] = words[..] {
                modules.push(name.to_owned());
            }
            tests.push(start..end);
        }
    }
    (tests, modules)
}

/// Length of the attributes (and the space between them) that `code` begins with.
fn skip_attributes(code: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = &code[at..];
        let space = rest.len() - rest.trim_start().len();
        if !rest.trim_start().starts_with("#[") {
            return at;
        }
        let mut depth = 0;
        let mut length = 0;
        for (i, c) in rest[space..].char_indices() {
            depth += i32::from(c == '[') - i32::from(c == ']');
            length = i + 1;
            if c == ']' && depth == 0 {
                break;
            }
        }
        at += space + length;
    }
}

/// Words that begin an item; anything else under an attribute is a variant, a field, an arm or an expression.
const ITEMS: &[&str] = &[
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "let",
    "macro_rules",
    "mod",
    "static",
    "struct",
    "trait",
    "type",
    "union",
    "unsafe",
    "use",
];

/// Length of what `code` begins with: an item goes to its semicolon or the end of its braces, and what is no item to its
/// comma. Neither goes beyond the brackets around it.
fn item_length(code: &str) -> usize {
    let mut words = code
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty());
    let visibility = |word: &&str| !matches!(*word, "pub" | "crate" | "super");
    let is_item = words
        .find(visibility)
        .is_some_and(|word| ITEMS.contains(&word));
    let mut depth = 0;
    for (i, c) in code.char_indices() {
        match c {
            ')' | ']' | '}' if depth == 0 => return i,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth -= 1,
            '}' => {
                depth -= 1;
                if depth == 0 && is_item {
                    return i + 1;
                }
            }
            ';' if depth == 0 => return i + 1,
            ',' if depth == 0 && !is_item => return i + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> usize {
        Source::parse(text).code_lines()
    }

    #[test]
    fn blanks_and_comments_do_not_count() {
        assert_eq!(
            lines("//! Head.\n\nfn a() {\n    // why\n    b(); // and so\n}\n"),
            3
        );
        assert_eq!(
            lines("/* one /* nested */\n still */ fn a() {}\n/* out\n*/\n"),
            1
        );
    }

    #[test]
    fn literals_are_code_and_hide_what_looks_like_comments() {
        assert_eq!(
            lines("const A: &str = \"// no \\\" comment /*\";\nfn b() {}\n"),
            2
        );
        assert_eq!(
            lines("const A: &str = r#\"\n\" // still\n\"#;\nfn b() {}\n"),
            4
        );
        assert_eq!(lines("const A: &[u8] = br\"\\\";\nfn b() {}\n"), 2);
        assert_eq!(
            lines(
                "const A: char = '\"';\n// no\nconst B: u8 = b'\\'';\nfn c<'a>(d: &'a str) {} // no\n"
            ),
            3
        );
        assert_eq!(lines("let r#type = 1; // no\n"), 1);
    }

    #[test]
    fn tests_do_not_count_and_what_follows_them_does() {
        let text = "fn a() {}\n\n#[cfg(test)]\n#[allow(x, reason = \"[\")]\nmod tests {\n    fn b() {}\n}\n\nfn c() {}\n";
        assert_eq!(lines(text), 2);
        assert_eq!(
            lines("#[cfg(test)]\nconst A: [u8; 2] = [1, 2];\nfn c() {}\n"),
            1
        );
        assert_eq!(lines("#![cfg(test)]\nfn c() {}\n"), 0);
        assert_eq!(lines("#[cfg(not(test))]\nfn c() {}\n"), 2);
        assert_eq!(lines("#[cfg(test)]\nfn b() {}\n#[test]\nfn c() {}\n"), 2);
    }

    #[test]
    fn a_variant_or_an_arm_of_tests_ends_where_it_ends() {
        let text =
            "enum Lines {\n    Both,\n    #[cfg(test)]\n    One,\n}\n\n// LEA-6\nfn a() {}\n";
        assert_eq!(lines(text), 4);
        let source = Source::parse(text);
        assert!(!source.is_test(source.comments[0].at));
        assert_eq!(
            lines("match a {\n    #[cfg(test)]\n    One => { b(1, 2) }\n}\nfn c() {}\n"),
            3
        );
        assert_eq!(
            lines("match a {\n    #[cfg(test)]\n    One => { b() },\n    Two => c,\n}\n"),
            3
        );
        assert_eq!(
            lines("#[cfg(test)]\npub(crate) fn a<B, C>(d: E) {\n}\nfn f() {}\n"),
            1
        );
    }

    #[test]
    fn modules_of_tests_in_their_own_files_are_told() {
        assert_eq!(
            Source::parse("#[cfg(test)]\nmod tests;\nmod other;\n").test_modules,
            ["tests"]
        );
        assert_eq!(
            Source::parse("#[cfg(test)]\npub(crate) mod forge;\n").test_modules,
            ["forge"]
        );
        assert!(
            Source::parse("#[cfg(test)]\nmod tests {}\nmod other;\n")
                .test_modules
                .is_empty()
        );
    }

    #[test]
    fn comments_and_functions_are_found() {
        let source = Source::parse("// IMP-3: why\nfn imp_3_works() { call(\"// no\"); }\n");
        assert_eq!(source.comments.len(), 1);
        assert_eq!(
            (source.comments[0].line, source.comments[0].text.as_str()),
            (1, "IMP-3: why")
        );
        assert_eq!(source.functions().collect::<Vec<_>>(), ["imp_3_works"]);
    }
}
