//! `--contract-only`: only the contract's event types are recorded.

use std::time::Duration;

use annals_server::Config;
use http::StatusCode;
use serde_json::json;

use crate::harness::{OPERATOR, TestService};

#[tokio::test]
async fn further_events_change_the_state_and_are_not_recorded() {
    let config = Config { contract_only: true, ..Config::default() };
    let mut service = TestService::start_with(config).await;
    let jane = service.register("jane", None).await;
    for name in ["first-app", "second-app"] {
        service.post("/v1/apps", &jane, &json!({ "app": { "name": name } }).to_string()).await;
    }
    let first =
        service.get("/v1/apps/first-app", &jane).await.json()["app"]["id"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        service.post("/v1/apps/second-app/run", &jane, r#"{"command":"ls"}"#).await;
    }
    service.play("PUT", "/v1/apps/second-app", &jane, "", r#"{"force_https":true}"#).await;
    service.post("/v1/apps/second-app/run", &jane, r#"{"command":"ls"}"#).await;
    service.post("/v1/tokens", &jane, r#"{"token":{"name":"laptop"}}"#).await;
    service.play("DELETE", "/v1/apps/first-app?current_name=first-app", &jane, "", "").await;

    let mut service = service.restart_after(Duration::from_secs(60)).await;
    assert_eq!(service.get("/v1/apps/second-app", &jane).await.json()["app"]["force_https"], true);
    assert_eq!(service.get("/v1/apps/first-app", &jane).await.status, StatusCode::NOT_FOUND);
    let reused = service.post("/v1/apps", &jane, r#"{"app":{"name":"first-app"}}"#).await;
    assert_eq!(reused.status, StatusCode::CREATED, "the deleted app's name is free");
    let timeline = service.get(&format!("/v1/apps/{first}/events"), OPERATOR).await.json();
    assert_eq!(timeline["meta"]["pagination"]["total_count"], 1);
    let own = service.get("/v1/events?per_page=100", &jane).await.json();
    let types: std::collections::BTreeSet<_> =
        own["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types.into_iter().collect::<Vec<_>>(), ["new_app", "run"]);
}
