//! The state of an app at any time, and the changes between two times.

use std::time::Duration;

use annals_model::App;
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{OPERATOR, TestService};

#[tokio::test]
async fn an_app_is_shown_as_it_was_then_and_what_changed_between() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    service.clock.advance(Duration::from_secs(60));
    service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
    service.clock.advance(Duration::from_secs(60));
    let scale = |amount: u32| json!({ "containers": [{ "name": "web", "amount": amount }] }).to_string();
    service.post("/v1/apps/my-app/scale", &jane, &scale(1)).await;
    service.clock.advance(Duration::from_secs(60));
    service.post("/v1/apps/my-app/scale", &jane, &scale(3)).await;
    service.post("/v1/apps/my-app/variables", &jane, r#"{"variable":{"name":"A/B","value":"1"}}"#).await;
    service.post("/v1/apps/my-app/variables", &jane, r#"{"variable":{"name":"A","value":"1"}}"#).await;
    service.clock.advance(Duration::from_secs(60));

    service.transcript();
    for query in [
        "",
        "?at=2026-11-01T12:00:30Z",
        "?at=2026-11-01T12:02:00Z",
        "?at=2026-11-01T13:02:00%2B01:00",
        "?at=2026-11-01T13:02:00+01:00",
        "?from=2026-11-01T12:02:00Z&to=2026-11-01T12:03:00Z",
        "?from=2026-11-01T12:00:00Z&to=2026-11-01T12:01:00Z",
        "?from=2026-11-01T12:03:00Z",
        "?at=yesterday",
        "?from=2026-11-02T12:00:00Z&to=2026-11-01T12:00:00Z",
        "?to=2026-11-01T12:00:00Z",
        "?at=2026-11-01T12:00:00Z&from=2026-11-01T12:00:00Z",
    ] {
        service.get(&format!("/v1/apps/my-app/state{query}"), &jane).await;
    }
    insta::assert_snapshot!(service.transcript());
}

#[tokio::test]
async fn the_state_at_any_position_equals_the_folded_timeline() {
    let mut service = TestService::start().await;
    // More events than lie between two cached states, and not a multiple of that number.
    const EVENTS: usize = 2_345;
    let user = json!({ "username": "jane", "email": "jane@example.com", "id": "us-00000000-0000-4000-8000-0000000000aa" });
    let start = "2026-10-01T00:00:00.000Z".parse::<annals_model::Time>().unwrap();
    let reports: Vec<Value> = (0..EVENTS)
        .map(|index| {
            let (kind, data) = match index {
                0 => ("new_app", json!({})),
                _ => ("new_variable", json!({ "name": format!("V{}", index % 300), "value": index.to_string() })),
            };
            json!({
                "created_at": start.plus_millis(index as u64), "user": user, "app_id": "5343eccd646173000a140000",
                "app_name": "my-app", "type": kind, "type_data": data,
            })
        })
        .collect();
    let reported = service.post("/v1/events", OPERATOR, &json!({ "events": reports }).to_string()).await;
    assert_eq!(reported.status, StatusCode::CREATED, "{}", reported.text());
    let timeline = annals_store::TimelineId::App("5343eccd646173000a140000".parse().unwrap());
    let events = annals_testing::timeline(&**service.state.service().store(), timeline).await;

    for position in [EVENTS, 1, 999, 1000, 1001, 2000, 2344, 500] {
        let at = start.plus_millis(position as u64 - 1);
        let shown = service.get(&format!("/v1/apps/my-app/state?at={at}"), OPERATOR).await.json();
        assert_eq!(shown["position"], position);
        let folded = App::fold(&events[..position]).unwrap();
        assert_eq!(shown["state"], serde_json::to_value(folded).unwrap(), "{position}");
    }
}
