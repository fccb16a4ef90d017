//! The OpenAPI document: generated from the code, kept in the repository, and in agreement with what is served.

use std::collections::BTreeSet;

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
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters")
        {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{method} {path}: {id}");
            // A handler's name, of a verb and a resource.
            assert!(
                id.contains('_') && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{id}"
            );
            let concrete = path.replace(['{', '}'], "x");
            let answer = service.play(&method.to_uppercase(), &concrete, "", "", "").await;
            let is_open = operation["security"].as_array().unwrap().is_empty();
            let is_unserved =
                answer.status == StatusCode::METHOD_NOT_ALLOWED || answer.text().contains("no such path");
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

/// All references of the document, and whatever else in it is a component by its place.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(target) if name == "$ref" => _ = found.insert(target.clone()),
                    field => references(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_to_a_component_and_every_component_is_used() {
    let document = annals_server::openapi();
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    let mut defined = BTreeSet::new();
    for (kind, components) in document["components"].as_object().unwrap() {
        for name in components.as_object().unwrap().keys() {
            defined.insert(format!("#/components/{kind}/{name}"));
        }
    }
    let schemes = |reference: &String| reference.starts_with("#/components/securitySchemes/");
    let (schemes, defined): (BTreeSet<_>, BTreeSet<_>) = defined.into_iter().partition(schemes);
    assert_eq!(used, defined);
    let mut named = BTreeSet::new();
    for operation in operations(&document) {
        for scheme in operation["security"].as_array().unwrap().iter().filter_map(Value::as_object) {
            named.extend(scheme.keys().map(|name| format!("#/components/securitySchemes/{name}")));
        }
    }
    assert_eq!(named, schemes);
}

#[test]
fn every_event_type_that_an_operation_names_exists() {
    let document = annals_server::openapi();
    let mut named = BTreeSet::new();
    for operation in operations(&document) {
        for name in operation["x-event-types"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap();
            assert!(annals_model::catalogue::find(name).is_some(), "{name}");
            named.insert(name.to_owned());
        }
    }
    assert!(named.len() > 46, "{}", named.len());
}

fn operations(document: &Value) -> impl Iterator<Item = &Value> {
    let items = document["paths"].as_object().unwrap().values().filter_map(Value::as_object);
    items.flatten().filter(|(name, _)| *name != "parameters").map(|(_, operation)| operation)
}

#[tokio::test]
async fn the_page_shows_headers_bodies_examples_and_event_types() {
    let mut service = TestService::start().await;
    let page = service.get("/docs", "").await;
    let text = page.text();
    let of = |id: &str| {
        let part = text.split_once(&format!("<h3 id=\"{id}\">")).unwrap().1;
        part.split("<h3").next().unwrap()
    };
    for part in [
        "Idempotency-Key",
        "X-Dry-Run",
        "<td><code>events[].user.email</code></td><td>string or null</td>",
        "&quot;type&quot;: &quot;restart&quot;",
        "application/x-ndjson",
        "<code>accepted</code>",
    ] {
        assert!(of("report_events").contains(part), "{part}");
    }
    assert!(!of("list_app_events").contains("X-Dry-Run"));
    assert!(of("list_app_events").contains("<code>per_page</code>"));
    assert!(of("scale_app").contains("<a href=\"#event-scale\">"));
    assert!(of("scale_app").contains("<td><code>containers[].amount</code></td>"));
    for header in ["X-Request-Id", "Retry-After", "WWW-Authenticate", "Authorization"] {
        assert!(
            text.contains(&format!("<code>{header}</code>")) || text.contains(&format!(">{header}</code>"))
        );
    }
    // Every link within the page leads somewhere.
    for link in text.split("href=\"#").skip(1) {
        let target = link.split('"').next().unwrap();
        assert!(text.contains(&format!("id=\"{target}\"")), "{target}");
    }
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
            assert!(text.contains(summary.split(['<', '&', '"', '`']).next().unwrap()), "{summary}");
        }
    }
    for page in ["/docs", "/password"] {
        let text = service.get(page, "").await;
        for attribute in ["href", "src", "action"] {
            let text = text.text().replace('\'', "\"");
            let elsewhere =
                text.split(&format!(" {attribute}=\"")).skip(1).find(|part| !part.starts_with(['/', '#']));
            assert_eq!(elsewhere, None, "{page}");
        }
    }
    for (path, kind) in [("/docs.css", "text/css"), ("/password.js", "text/javascript")] {
        let served = service.get(path, "").await;
        assert!(served.headers["content-type"].to_str().unwrap().starts_with(kind), "{path}");
    }
}
