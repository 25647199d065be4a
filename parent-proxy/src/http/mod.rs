//! The HTTP front. One table of paths; the normative page is docs/protocol/http.md.
//!
//! Trust: every byte is hostile. A body has a limit and a share of its caller's allowance before it is read; what the
//! enclave must judge is passed on unread.

mod app;
mod intake;
mod operator;
mod owner;
mod plane;
mod problem;
mod stream;

pub(crate) use operator::operator_token;
pub use problem::status_of as problem_status;

use crate::parent::Parent;
use crate::telemetry;
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use cofferdam_wire::Code;
use problem::Problem;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// The OpenAPI document of both listeners.
pub fn openapi() -> &'static str {
    include_str!("openapi.json")
}

macro_rules! paths {
    ($($(#[$attribute:meta])* $list:ident $add:ident { $($method:ident $path:literal => $handler:path,)* })*) => {$(
        $(#[$attribute])*
        pub(crate) const $list: &[(&str, &str)] = &[$((stringify!($method), $path)),*];

        fn $add(router: Router<Arc<Parent>>) -> Router<Arc<Parent>> {
            router$(.route($path, axum::routing::$method($handler)))*
        }
    )*};
}

paths! {
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that compares it with the documents"))]
    PUBLIC add_public {
        get "/v1/evidence" => app::evidence,
        post "/v1/challenges" => app::challenge,
        post "/v1/imports" => app::import,
        post "/v1/sessions" => app::open_session,
        post "/v1/requests" => app::request,
        get "/v1/stream" => stream::upgrade,
        post "/v1/provider/operations" => plane::operation,
        get "/v1/validator/{id}" => app::validate,
        get "/v1/keys" => owner::keys,
        get "/v1/keys/{id}" => owner::key,
        post "/v1/pushes" => app::push,
        get "/healthz" => healthz,
        get "/readyz" => readyz,
        get "/metrics" => render_metrics,
        get "/openapi.json" => render_openapi,
    }
    #[cfg_attr(not(test), expect(dead_code, reason = "read by the test that compares it with the documents"))]
    OPERATOR add_operator {
        post "/v1/operator/genesis" => operator::genesis,
        post "/v1/operator/recover" => operator::recover,
        post "/v1/operator/shares" => operator::share,
        get "/v1/operator/health" => operator::health,
    }
}

/// What the world may ask.
pub(crate) fn public_router(parent: Arc<Parent>) -> Router {
    finish(add_public(Router::new())).with_state(parent)
}

/// What the operator may ask, with the token.
pub(crate) fn operator_router(parent: Arc<Parent>, token: operator::OperatorToken) -> Router {
    let guarded = add_operator(Router::new()).route_layer(middleware::from_fn(
        move |request: Request, next: Next| {
            let admitted = token.admits(&request);
            async move {
                if admitted {
                    next.run(request).await
                } else {
                    Problem::from(Code::Unauthorized).into_response()
                }
            }
        },
    ));
    finish(guarded).with_state(parent)
}

fn finish(router: Router<Arc<Parent>>) -> Router<Arc<Parent>> {
    router
        .route_layer(middleware::from_fn(observe))
        .fallback(|| async { Problem::from(Code::NotFound) })
        .method_not_allowed_fallback(|| async {
            Problem::with_status(StatusCode::METHOD_NOT_ALLOWED, Code::UnsupportedVersion)
        })
}

/// Counts and logs a request by the path's pattern, never by what a caller wrote.
async fn observe(path: MatchedPath, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    let route = path.as_str().to_owned();
    tracing::debug!(%method, route, status, micros = started.elapsed().as_micros() as u64, "request");
    metrics::counter!("cofferdam_http_requests", "route" => route.clone(), "status" => status.to_string()).increment(1);
    metrics::histogram!("cofferdam_http_seconds", "route" => route)
        .record(started.elapsed().as_secs_f64());
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn healthz() -> &'static str {
    "alive\n"
}

async fn readyz(state: axum::extract::State<Arc<Parent>>) -> Result<&'static str, Problem> {
    if state.is_ready().await {
        Ok("ready\n")
    } else {
        Err(Code::NotReady.into())
    }
}

async fn render_metrics() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        telemetry::metrics_handle().render(),
    )
}

async fn render_openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi())
}

/// This machine's clock, Unix seconds.
fn now_s() -> Result<u64, Code> {
    let since = SystemTime::UNIX_EPOCH.elapsed();
    Ok(since.map_err(|_| Code::Internal)?.as_secs())
}

/// A CBOR structure.
fn cbor_answer(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/cbor")], body).into_response()
}

/// Bytes that only the asker can read.
fn raw_answer(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response()
}

#[cfg(test)]
mod tests;
