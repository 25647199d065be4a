#![allow(clippy::unwrap_used, reason = "tests")]

use super::problem::{Problem, status_of};
use super::{OPERATOR, PUBLIC, openapi};
use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use cofferdam_wire::Code;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../docs/protocol/http.md");

fn routes() -> BTreeSet<(String, String)> {
    PUBLIC
        .iter()
        .chain(OPERATOR)
        .map(|(method, path)| (method.to_string(), path.to_string()))
        .collect()
}

#[test]
fn the_openapi_document_has_exactly_the_paths_that_are_served() {
    let document: serde_json::Value = serde_json::from_str(openapi()).unwrap();
    let mut documented = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let methods = operations
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| *name != "servers");
        documented.extend(methods.map(|method| (method.clone(), path.clone())));
    }
    assert_eq!(documented, routes());
}

#[test]
fn the_protocol_page_has_every_path_and_every_code_with_its_status() {
    for (method, path) in routes() {
        let row = format!("| `{} {path}", method.to_uppercase());
        assert!(PAGE.contains(&row), "{row}");
    }
    for code in Code::ALL {
        let row = format!(
            "| {} | `{}` | {} |",
            code.number(),
            code.slug(),
            status_of(*code).as_u16()
        );
        assert!(PAGE.contains(&row), "{row}");
    }
}

#[tokio::test]
async fn every_code_is_a_problem_with_its_own_sentence_and_nothing_more() {
    for code in Code::ALL {
        let response = Problem::from(*code).into_response();
        assert!(response.status().is_client_error() || response.status().is_server_error());
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        assert_eq!(
            response.headers().contains_key("retry-after"),
            [429, 503].contains(&response.status().as_u16())
        );
        assert_eq!(
            response.headers().contains_key("www-authenticate"),
            response.status() == StatusCode::UNAUTHORIZED
        );
        let status = response.status().as_u16();
        let body: serde_json::Value =
            serde_json::from_slice(&to_bytes(response.into_body(), 4096).await.unwrap()).unwrap();
        let expected = serde_json::json!({
            "type": format!("urn:cofferdam:problem:{}", code.slug()),
            "title": code.slug().replace('-', " "),
            "status": status,
            "detail": code.sentence(),
            "code": code.number(),
        });
        assert_eq!(body, expected);
    }
}
