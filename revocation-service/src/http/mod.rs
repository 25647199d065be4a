//! The service's HTTP front. Paths and bodies are in `docs/protocol/status-service.md`.
//!
//! Trust: nothing that arrives. Bodies are limited before they are read, a request ends after thirty seconds, one address
//! can send so many queries a second, so many queries are worked on at once. No token and no secret is logged.

mod admission;
mod problem;
mod registrations;
mod status;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use cofferdam_wire::{Code, limits};
use tower_http::timeout::TimeoutLayer;

use crate::service::Service;

pub use admission::{Credentials, Role};
pub use problem::Problem;

use admission::Rates;

/// A request that takes longer than this ends.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Queries being worked on at once; more are told to come again.
const QUERIES_AT_ONCE: usize = 64;
/// Most bytes of a JSON body: the longest one, a registration, has some 500.
const JSON_LIMIT: usize = 4 * 1024;

/// What every handler has.
pub struct Front {
    service: Arc<Service>,
    credentials: Credentials,
    rates: Rates,
    queries: tokio::sync::Semaphore,
}

/// The routes of a service.
pub fn routes(service: Arc<Service>, credentials: Credentials, queries_per_second: u32) -> Router {
    let queries = tokio::sync::Semaphore::new(QUERIES_AT_ONCE);
    let front = Arc::new(Front {
        service,
        credentials,
        rates: Rates::new(queries_per_second),
        queries,
    });
    let queries = Router::new()
        .route("/v1/status", post(status::answer))
        .layer(DefaultBodyLimit::max(limits::STATUS_QUERY));
    let registrations = Router::new()
        .route(
            "/v1/registrations",
            post(registrations::register).get(registrations::list),
        )
        .route("/v1/registrations/{handle}", get(registrations::find))
        .route("/v1/registrations/{handle}/push", get(registrations::push))
        .route(
            "/v1/registrations/{handle}/grant-epoch",
            post(registrations::grant_epoch),
        )
        .route(
            "/v1/registrations/{handle}/{change}",
            post(registrations::change),
        )
        .route("/v1/holds", get(registrations::holds))
        .route("/v1/replay", post(registrations::replay))
        .layer(DefaultBodyLimit::max(JSON_LIMIT));
    Router::new()
        .merge(queries)
        .merge(registrations)
        .route("/v1/status-keys", get(status::keys))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .fallback(|| async { Problem::from(Code::NotFound) })
        .method_not_allowed_fallback(|| async {
            Problem::from(Code::Malformed).with(
                StatusCode::METHOD_NOT_ALLOWED,
                "This path takes another method.",
            )
        })
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            REQUEST_TIMEOUT,
        ))
        .with_state(front)
}

async fn readiness(State(front): State<Arc<Front>>) -> Result<&'static str, Problem> {
    match front.service.readiness().await {
        Ok(()) => Ok("ready\n"),
        Err(reason) => {
            Err(Problem::from(Code::NotReady).with(StatusCode::SERVICE_UNAVAILABLE, reason))
        }
    }
}
