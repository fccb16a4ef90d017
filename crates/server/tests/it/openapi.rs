//! The OpenAPI document: generated from the code, kept in the repository, and in agreement with what is served.

use http::StatusCode;
use serde_json::Value;

use crate::harness::{OPERATOR, TestService};

#[tokio::test]
async fn the_served_document_is_the_one_in_the_repository() {
    let document = serde_json::to_string_pretty(&annals_server::openapi()).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(path, format!("{document}\n")).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written.trim_end() == document,
        "docs/openapi.json is out of date: run UPDATE_DOCUMENTS=1 cargo test -p annals-server"
    );
    let mut service = TestService::start().await;
    assert_eq!(service.get("/openapi.json", "").await.text(), document);
}

#[tokio::test]
async fn every_documented_operation_is_served_and_asks_for_a_credential() {
    let mut service = TestService::start().await;
    let document = annals_server::openapi();
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters")
        {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
            let concrete = path.replace(['{', '}'], "x");
            let answer = service.play(&method.to_uppercase(), &concrete, "", "", "").await;
            let is_open = operation["security"].as_array().unwrap().is_empty();
            let is_unserved = answer.status == StatusCode::METHOD_NOT_ALLOWED
                || answer.text().contains("nothing at this path");
            assert!(!is_unserved, "{method} {path}: {}", answer.text());
            if !is_open {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}: {}", answer.text());
            }
        }
    }
    assert!(ids.len() > 120, "{}", ids.len());
    let unknown = service.get("/v1/no-such-path", OPERATOR).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_docs_page_shows_every_operation_and_no_page_loads_anything_from_elsewhere() {
    let mut service = TestService::start().await;
    let page = service.get("/docs", "").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let text = page.text();
    let summaries = annals_server::openapi();
    for item in summaries["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values().filter_map(Value::as_object) {
            let summary = operation["summary"].as_str().unwrap();
            assert!(text.contains(summary.split(['<', '&', '"']).next().unwrap()), "{summary}");
        }
    }
    for page in ["/docs", "/password"] {
        let text = service.get(page, "").await;
        let elsewhere = text.text().split(['"', '\'']).find(|part| part.contains("://"));
        assert_eq!(elsewhere, None, "{page}");
    }
    for (path, kind) in [("/docs.css", "text/css"), ("/password.js", "text/javascript")] {
        let served = service.get(path, "").await;
        assert!(served.headers["content-type"].to_str().unwrap().starts_with(kind), "{path}");
    }
}
