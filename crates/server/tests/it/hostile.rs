//! Random bodies, paths and queries: each gets a reason, and none causes a server error.

use http::{Method, Request};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::harness::{OPERATOR, TestService};

const ROUTES: &[(Method, &str)] = &[
    (Method::GET, "/v1/events"),
    (Method::POST, "/v1/events"),
    (Method::GET, "/v1/apps"),
    (Method::POST, "/v1/apps"),
    (Method::GET, "/v1/apps/my-app"),
    (Method::DELETE, "/v1/apps/my-app"),
    (Method::GET, "/v1/apps/my-app/events"),
    (Method::GET, "/v1/apps/my-app/events/x"),
    (Method::POST, "/v1/apps/my-app/rename"),
    (Method::POST, "/v1/apps/my-app/scale"),
    (Method::GET, "/v1/apps/my-app/variables"),
    (Method::POST, "/v1/apps/my-app/variables"),
    (Method::PUT, "/v1/apps/my-app/variables"),
    (Method::DELETE, "/v1/apps/my-app/variables"),
    (Method::PATCH, "/v1/apps/my-app/variables/x"),
    (Method::POST, "/v1/users"),
    (Method::POST, "/v1/tokens"),
    (Method::POST, "/v1/tokens/exchange"),
    (Method::PATCH, "/v1/tokens/x/renew"),
];

/// JSON that a client might send by mistake or in the hope of doing harm.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| value.to_string()),
        Just("1e999999".to_owned()),
        Just("-99999999999999999999999999".to_owned()),
        ".{0,20}".prop_map(|text| Value::from(text).to_string()),
        Just(r#""\ud800""#.to_owned()),
        Just("\"2026-11-01T08:00:00Z\"".to_owned()),
    ];
    let key = prop::sample::select(vec![
        "events",
        "app",
        "name",
        "type",
        "type_data",
        "user",
        "id",
        "containers",
        "amount",
        "variable",
        "variables",
        "value",
        "app_id",
        "app_name",
        "created_at",
        "token",
        "email",
        "username",
        "password",
        "size",
        "",
        "\\u0000",
    ]);
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|fields| {
                let fields: Vec<_> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => any_json().prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (1..100_000_usize).prop_map(|depth| "[".repeat(depth).into_bytes()),
        1 => (1..20_000_usize).prop_map(|depth| format!("{}1{}", "{\"events\":".repeat(depth), "}".repeat(depth)).into_bytes()),
        1 => any_json().prop_map(|json| json.bytes().chain([0xff, 0xfe]).collect()),
    ]
}

#[test]
fn no_body_causes_a_server_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (service, jane) = runtime.block_on(async {
        let mut service = TestService::start().await;
        let jane = service.register("jane", None).await;
        service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
        (service, jane)
    });
    let strategy = (prop::sample::select(ROUTES), any::<bool>(), any::<bool>(), any_body());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(1500));
    let result = runner.run(&strategy, |((method, path), as_operator, as_lines, body)| {
        let token = if as_operator { OPERATOR } else { jane.as_str() };
        let kind = if as_lines { "application/x-ndjson" } else { "application/json" };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", kind)
            .body(body.into())
            .unwrap();
        let answer = runtime.block_on(service.send(request));
        prop_assert!(answer.status.as_u16() < 500, "{} {}", answer.status, answer.text());
        if answer.status.is_client_error() {
            let reason = answer.json();
            let has_reason = reason["error"].is_string()
                || reason["errors"].as_object().is_some_and(|errors| !errors.is_empty());
            prop_assert!(has_reason, "{}", answer.text());
        }
        Ok(())
    });
    result.unwrap();
}

#[test]
fn no_path_or_query_causes_a_server_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let service = runtime.block_on(TestService::start());
    let strategy =
        ("([a-z0-9%/._~-]{0,40}|tokens/%ff|%ff/events|us-%ff/events)", "[a-z0-9%&=+\\[\\]._-]{0,40}");
    let mut runner = TestRunner::new(ProptestConfig::with_cases(1500));
    let result = runner.run(&strategy, |(path, query)| {
        for prefix in ["/", "/v1/", "/v1/apps/", "/v1/users/", "/v1/events?"] {
            let Ok(request) = Request::builder()
                .uri(format!("{prefix}{path}?{query}"))
                .header("authorization", format!("Bearer {OPERATOR}"))
                .body(axum::body::Body::empty())
            else {
                continue;
            };
            let answer = runtime.block_on(service.send(request));
            prop_assert!(answer.status.as_u16() < 500, "{} {}", answer.status, answer.text());
            let is_text = path.starts_with("metrics") && answer.status.is_success();
            prop_assert!(
                is_text || answer.headers["content-type"] == "application/json; charset=utf-8",
                "{path}"
            );
        }
        Ok(())
    });
    result.unwrap();
}
