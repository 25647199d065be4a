//! The one mapping of codes to HTTP: problem details (RFC 9457) with the code's own sentence and nothing else.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cofferdam_wire::Code;
use serde::Serialize;

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: Code,
}

#[derive(Serialize)]
struct Body {
    r#type: String,
    title: String,
    status: u16,
    detail: &'static str,
    code: u16,
}

/// The HTTP status of a code.
pub fn status_of(code: Code) -> StatusCode {
    match code {
        Code::Malformed | Code::UnsupportedVersion | Code::UnsupportedSuite => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthorized => StatusCode::UNAUTHORIZED,
        Code::BadSignature
        | Code::NotPermitted
        | Code::GrantExpired
        | Code::UsageRefused
        | Code::Suspended
        | Code::SessionRefused => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Conflict => StatusCode::CONFLICT,
        Code::Revoked => StatusCode::GONE,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnknownRecipient
        | Code::UnwrapFailed
        | Code::HeaderExpired
        | Code::WrongGroup
        | Code::WeakKey
        | Code::OutOfRange
        | Code::RequestExpired
        | Code::OperationFailed
        | Code::EvidenceRefused
        | Code::BadShare => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Busy => StatusCode::TOO_MANY_REQUESTS,
        Code::RecordRefused | Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::LeaseUnavailable | Code::NotReady | Code::Unreachable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

impl Problem {
    /// For the few cases in which HTTP itself has a status of its own.
    pub(crate) fn with_status(status: StatusCode, code: Code) -> Self {
        Self { status, code }
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self {
            status: status_of(code),
            code,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let slug = self.code.slug();
        let body = Body {
            r#type: format!("urn:cofferdam:problem:{slug}"),
            title: slug.replace('-', " "),
            status: self.status.as_u16(),
            detail: self.code.sentence(),
            code: self.code.number(),
        };
        let text = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (
            self.status,
            [(header::CONTENT_TYPE, "application/problem+json")],
            text,
        )
            .into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => (),
        }
        response
    }
}
