//! Problem details (RFC 9457) of parent and revocation service, read with suspicion.

use cofferdam_wire::Code;
use serde::Deserialize;

use super::CallError;

/// Most characters of the other side's sentence that are shown.
const SENTENCE: usize = 300;

/// The members that matter. Others are allowed by the RFC and ignored.
#[derive(Deserialize)]
struct Problem {
    code: Option<u16>,
    detail: Option<String>,
    title: Option<String>,
}

/// The error that a status other than success stands for.
pub(super) fn read(url: &str, status: u16, body: &[u8]) -> CallError {
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    let text = problem
        .as_ref()
        .and_then(|problem| problem.detail.as_deref().or(problem.title.as_deref()));
    let text = text.map(for_people).filter(|text| !text.is_empty());
    match problem
        .as_ref()
        .and_then(|problem| Code::from_number(problem.code?))
    {
        Some(code) => {
            let detail = text.unwrap_or_else(|| code.sentence().to_owned());
            CallError::Refused { code, detail }
        }
        None => {
            let what = match text {
                Some(text) => format!("with HTTP status {status} ({text})"),
                None => format!("with HTTP status {status}"),
            };
            CallError::Answer {
                url: url.to_owned(),
                what,
            }
        }
    }
}

/// Without control characters, which could draw on a terminal, and not longer than a sentence.
pub(super) fn for_people(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(SENTENCE)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_becomes_its_code_and_sentence() {
        let body = br#"{"type":"urn:cofferdam:problem:busy","title":"Busy","status":503,"code":21,"detail":"Later."}"#;
        let expected = CallError::Refused {
            code: Code::Busy,
            detail: "Later.".into(),
        };
        assert_eq!(read("https://x", 503, body), expected);
        assert_eq!(
            read("https://x", 503, br#"{"code":21}"#),
            CallError::refused(Code::Busy)
        );
    }

    #[test]
    fn what_is_no_problem_of_ours_says_where_it_came_from() {
        for body in [&b"<html>"[..], br#"{"code":999}"#, b"", br#"{"code":"21"}"#] {
            let error = read("https://x", 404, body);
            assert_eq!(error.code(), None);
            assert!(
                error
                    .to_string()
                    .contains("https://x answered with HTTP status 404"),
                "{error}"
            );
        }
    }

    #[test]
    fn texts_of_the_other_side_cannot_draw_on_a_terminal() {
        assert_eq!(for_people("a\u{1b}[2Jb\r\n"), "a[2Jb");
        assert_eq!(for_people(&"x".repeat(1000)).len(), SENTENCE);
    }
}
