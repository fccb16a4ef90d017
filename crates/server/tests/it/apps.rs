//! Apps and their variables, from creation to deletion.

use std::time::Duration;

use http::StatusCode;

use crate::harness::{JOHNS_APP, OPERATOR, TestService};

#[tokio::test]
async fn the_life_of_an_app() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app","git_source":""}}"#).await;
    service.get("/v1/apps", &jane).await;
    service.get("/v1/apps/my-app?", &jane).await;
    service.get("/v1/apps/my-app/containers", &jane).await;
    service.get("/v1/apps/my-app/autoscalers", &jane).await;
    service.clock.advance(Duration::from_secs(60));
    service
        .post(
            "/v1/apps/my-app/scale",
            &jane,
            r#"{"containers":[{"name":"web","amount":2,"size":"","app_id":"","command":""}]}"#,
        )
        .await;
    service.post("/v1/apps/my-app/scale", &jane, r#"{"containers":[{"name":"web","amount":2}]}"#).await;
    service.clock.advance(Duration::from_secs(60));
    service
        .post("/v1/apps/my-app/scale", &jane, r#"{"containers":[{"name":"worker","amount":1,"size":"L"}]}"#)
        .await;
    service.clock.advance(Duration::from_secs(60));
    service.post("/v1/apps/my-app/rename", &jane, r#"{"current_name":"my-app","new_name":"our-app"}"#).await;
    service.get("/v1/apps/my-app", &jane).await;
    service.get("/v1/apps/our-app/events", &jane).await;
    service.play("DELETE", "/v1/apps/our-app?current_name=our-app", &jane, "", "").await;
    service.get("/v1/apps", &jane).await;
    service.get("/v1/apps/our-app/events", &jane).await;
    insta::assert_snapshot!(service.transcript());
}

#[tokio::test]
async fn a_deleted_app_keeps_its_timeline_and_frees_its_name() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let other = service.register("other", None).await;
    let created = service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await.json();
    let id = created["app"]["id"].as_str().unwrap();
    let uuid = created["app"]["uuid"].as_str().unwrap();
    assert_eq!(service.get(&format!("/v1/apps/{uuid}"), &jane).await.status, StatusCode::OK);
    service.play("DELETE", &format!("/v1/apps/{id}"), &jane, "", r#"{"current_name":"my-app"}"#).await;
    for token in [&jane, OPERATOR] {
        let timeline = service.get(&format!("/v1/apps/{id}/events"), token).await;
        assert_eq!(timeline.json()["events"][0]["type"], "delete_app");
    }
    assert_eq!(service.get(&format!("/v1/apps/{id}/events"), &other).await.status, StatusCode::NOT_FOUND);
    assert_eq!(service.get(&format!("/v1/apps/{id}"), &jane).await.status, StatusCode::NOT_FOUND);
    let scaled = service
        .post(&format!("/v1/apps/{id}/scale"), &jane, r#"{"containers":[{"name":"web","amount":1}]}"#)
        .await;
    assert_eq!(scaled.status, StatusCode::NOT_FOUND);
    for looked_at in ["variables", "containers"] {
        let answer = service.get(&format!("/v1/apps/{id}/{looked_at}"), &jane).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "only the timeline of a deleted app remains");
    }
    let reused = service.post("/v1/apps", &other, r#"{"app":{"name":"my-app"}}"#).await;
    assert_eq!(reused.status, StatusCode::CREATED);
    assert_eq!(service.get("/v1/apps/my-app", &jane).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn refused_actions_give_a_reason_and_record_nothing() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let other = service.register("other", None).await;
    service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
    service.post("/v1/apps", &other, r#"{"app":{"name":"taken-app"}}"#).await;
    service.transcript();

    for body in [
        "{}",
        r#"{"app":{}}"#,
        r#"{"app":{"name":"short"}}"#,
        r#"{"app":{"name":"No-Such-Name"}}"#,
        r#"{"app":{"name":"taken-app"}}"#,
        r#"{"app":{"name":7}}"#,
        r#"{"app":"my-app"}"#,
        "[",
        "[]",
        "7",
        "\"text\"",
    ] {
        service.post("/v1/apps", &jane, body).await;
    }
    service.play("POST", "/v1/apps", &jane, "x-dry-run: true", r#"{"app":{"name":"dry-app"}}"#).await;
    service.get("/v1/apps/dry-app", &jane).await;
    for body in [
        "null",
        r#"{"current_name":"my-app"}"#,
        r#"{"current_name":"other","new_name":"new-name"}"#,
        r#"{"current_name":"my-app","new_name":"my-app"}"#,
        r#"{"current_name":"my-app","new_name":"taken-app"}"#,
        r#"{"current_name":"my-app","new_name":"bad--name"}"#,
    ] {
        service.post("/v1/apps/my-app/rename", &jane, body).await;
    }
    for body in [
        "",
        "{}",
        r#"{"containers":[]}"#,
        r#"{"containers":[{"amount":1}]}"#,
        r#"{"containers":[{"name":"web"}]}"#,
        r#"{"containers":[{"name":"web","amount":1.5}]}"#,
        r#"{"containers":[{"name":"web","amount":11},{"name":"w b","amount":-1,"size":"XXL"}]}"#,
        r#"{"containers":[{"name":"web","amount":99999999999999999999}]}"#,
        r#"{"containers":"web"}"#,
    ] {
        service.post("/v1/apps/my-app/scale", &jane, body).await;
    }
    service.play("DELETE", "/v1/apps/my-app", &jane, "", "").await;
    service.play("DELETE", "/v1/apps/my-app?current_name=other", &jane, "", "").await;
    for (method, path) in
        [("POST", "/v1/apps/my-app/scale"), ("POST", "/v1/apps/my-app/rename"), ("DELETE", "/v1/apps/my-app")]
    {
        service.play(method, path, &other, "", "nonsense").await;
        service.play(method, path, "", "", "nonsense").await;
        service.play(method, path, OPERATOR, "", "nonsense").await;
    }
    insta::assert_snapshot!(service.transcript());
    let count =
        service.get("/v1/apps/my-app/events", &jane).await.json()["meta"]["pagination"]["total_count"]
            .clone();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_collaborator_may_scale_but_not_rename() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    service.report_examples().await;
    // John transferred the app and became a collaborator.
    let path = format!("/v1/apps/{JOHNS_APP}");
    service.post(&format!("{path}/scale"), &john, r#"{"containers":[{"name":"web","amount":3}]}"#).await;
    service.post(&format!("{path}/rename"), &john, "nonsense").await;
    service.play("DELETE", &path, &john, "", "").await;
    insta::assert_snapshot!(service.transcript());
}

#[tokio::test]
async fn the_variables_of_an_app() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
    service.transcript();
    let path = "/v1/apps/my-app/variables";
    let created = service.post(path, &jane, r#"{"variable":{"name":"A","value":"1"}}"#).await.json();
    let id = created["variable"]["id"].as_str().unwrap().to_owned();
    service.post(path, &jane, r#"{"variable":{"name":"A","value":"2"}}"#).await;
    service.post(path, &jane, r#"{"variable":{"name":"A","value":"2"}}"#).await;
    service.play("PATCH", &format!("{path}/{id}"), &jane, "", r#"{"variable":{"value":"3"}}"#).await;
    service
        .play(
            "PUT",
            path,
            &jane,
            "",
            r#"{"variables":[{"id":"","name":"B","value":"$A"},{"id":"","name":"A","value":"4"}]}"#,
        )
        .await;
    service.play("PUT", path, &jane, "", r#"{"variables":[{"name":"B","value":"$A"}]}"#).await;
    service.get(&format!("{path}?aliases=true"), &jane).await;
    service.get(&format!("{path}?aliases=false"), &jane).await;
    for body in [
        "{}",
        r#"{"variable":{}}"#,
        r#"{"variable":{"name":"A"}}"#,
        r#"{"variable":{"name":"9A","value":""}}"#,
    ] {
        service.post(path, &jane, body).await;
    }
    service.play("PUT", path, &jane, "", r#"{"variables":[]}"#).await;
    service
        .play("PUT", path, &jane, "", r#"{"variables":[{"name":"C","value":"1"},{"name":"D-","value":"1"}]}"#)
        .await;
    service
        .play(
            "PATCH",
            &format!("{path}/ffffffffffffffffffffffff"),
            &jane,
            "",
            r#"{"variable":{"value":"3"}}"#,
        )
        .await;
    service.play("DELETE", &format!("{path}/nonsense"), &jane, "", "").await;
    service.play("DELETE", path, &jane, "", "{}").await;
    service
        .play(
            "DELETE",
            path,
            &jane,
            "",
            &format!(r#"{{"variable_ids":["{id}","ffffffffffffffffffffffff"]}}"#),
        )
        .await;
    service.play("DELETE", &format!("{path}/{id}"), &jane, "", "").await;
    let b = service.get(path, &jane).await.json()["variables"][0]["id"].as_str().unwrap().to_owned();
    service.play("DELETE", &format!("{path}?variable_ids[]={b}"), &jane, "", "").await;
    service.get("/v1/apps/my-app/events", &jane).await;
    insta::assert_snapshot!(service.transcript());
}

#[tokio::test]
async fn lists_that_are_too_long_are_refused() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
    let repeated = |item: &str, times: usize| vec![item; times].join(",");
    let ids = format!(r#"{{"variable_ids":[{}]}}"#, repeated(r#""ffffffffffffffffffffffff""#, 1001));
    let variables = format!(r#"{{"variables":[{}]}}"#, repeated(r#"{"name":"9","value":""}"#, 1001));
    let containers = format!(r#"{{"containers":[{}]}}"#, repeated(r#"{"name":"web","amount":1}"#, 51));
    let path = "/v1/apps/my-app";
    for (method, path, body, field) in [
        ("DELETE", format!("{path}/variables"), ids, "variable_ids"),
        ("PUT", format!("{path}/variables"), variables, "variables"),
        ("POST", format!("{path}/scale"), containers, "containers"),
    ] {
        let answer = service.play(method, &path, &jane, "", &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.json()["errors"].as_object().unwrap().keys().collect::<Vec<_>>(), [field]);
    }
}

#[tokio::test]
async fn an_action_with_an_idempotency_key_runs_once() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let head = "idempotency-key: k1";
    let body = r#"{"app":{"name":"my-app"}}"#;
    let first = service.play("POST", "/v1/apps", &jane, head, body).await;
    let second = service.play("POST", "/v1/apps", &jane, head, body).await;
    assert_eq!((first.status, first.body), (second.status, second.body));
    let other = service.play("POST", "/v1/apps", &jane, head, r#"{"app":{"name":"another-app"}}"#).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert_eq!(service.get("/v1/events", &jane).await.json()["meta"]["pagination"]["total_count"], 1);
}
