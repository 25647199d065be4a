//! What a caller is told when something is refused: RFC 9457, with the protocol's closed list of codes.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cofferdam_wire::Code;
use serde_json::json;

use crate::registry::{ChangeError, ReplayError};
use crate::store::StoreError;

/// A refusal.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    status: StatusCode,
    detail: Cow<'static, str>,
}

impl Problem {
    /// The same with another HTTP status and another sentence.
    pub fn with(mut self, status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        self.status = status;
        self.detail = detail.into();
        self
    }

    fn detailed(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        let status = match code {
            Code::Malformed | Code::UnsupportedVersion => StatusCode::BAD_REQUEST,
            Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::Unauthorized => StatusCode::UNAUTHORIZED,
            Code::BadSignature => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Conflict | Code::Revoked => StatusCode::CONFLICT,
            Code::Busy => StatusCode::TOO_MANY_REQUESTS,
            Code::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self {
            code,
            status,
            detail: code.sentence().into(),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let problem = Problem::from(error.code());
        match &error {
            ChangeError::Log(_)
            | ChangeError::Store(_)
            | ChangeError::Sequence
            | ChangeError::Interrupted => {
                tracing::error!(%error, "a change failed");
                problem.detailed(
                    "The change could not be made durable. If it was to stop a key, that key is answered \"suspended\" \
                     until it is; see the service's log and ask again.",
                )
            }
            _ => problem.detailed(error.to_string()),
        }
    }
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        tracing::error!(%error, "a replay failed");
        Problem::from(Code::Conflict).detailed(error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the database failed");
        Problem::from(Code::Internal)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Json(json!({
            "type": format!("urn:cofferdam:problem:{}", self.code.slug()),
            "title": self.code.slug().replace('-', " "),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code.number(),
        }));
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ]
        .contains(&self.status)
        {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
