//! Timers that delete review apps after a delay, even if the process was down when they were due.

use std::time::Duration;

use annals_server::Config;
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{OPERATOR, TestService};

const APP: &str = "/v1/apps/my-app";
const HOUR: Duration = Duration::from_hours(1);

/// Starts a service with an app that is linked with these settings and has the review app of one pull request.
async fn reviewed(settings: Value) -> (TestService, String) {
    let config = Config { instant_builder: true, ..Config::default() };
    let mut service = TestService::start_with(config).await;
    let jane = service.register("jane", None).await;
    service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
    let github = r#"{"scm_integration":{"scm_type":"github","access_token":"t"}}"#;
    service.post("/v1/scm_integrations", &jane, github).await;
    let mut link = json!({
        "source": "https://github.com/jane/my-app", "auth_integration_uuid": "github", "deploy_review_apps_enabled": true,
    });
    link.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let body = json!({ "scm_repo_link": link }).to_string();
    let linked = service.post(&format!("{APP}/scm_repo_link"), &jane, &body).await;
    assert_eq!(linked.status, StatusCode::CREATED, "{}", linked.text());
    send_pull(&mut service, "open", 'a').await;
    (service, jane)
}

/// Sends the state of the pull request.
async fn send_pull(service: &mut TestService, state: &str, head: char) {
    let pull = json!({ "pull": {
        "number": 7, "title": "A change", "html_url": "https://github.com/jane/my-app/pull/7",
        "source_repo_name": "jane/my-app", "state": state, "head": head.to_string().repeat(40),
    } });
    let sent = service.post(&format!("{APP}/scm_repo_link/pulls"), OPERATOR, &pull.to_string()).await;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text());
}

const CREATED: [&str; 3] = ["new_app", "link_scm", "create_review_app"];
const DESTROYED: [&str; 4] = ["new_app", "link_scm", "create_review_app", "destroy_review_app"];

#[tokio::test]
async fn a_timer_due_while_the_process_was_down_fires_once_afterwards() {
    let settings = json!({ "delete_on_close_enabled": true, "hours_before_delete_on_close": 5 });
    let (mut service, jane) = reviewed(settings).await;
    service.clock.advance(HOUR);
    send_pull(&mut service, "closed", 'a').await;
    // Sending the closed state again does not move the time of closing.
    service.clock.advance(2 * HOUR);
    send_pull(&mut service, "closed", 'a').await;
    let shown = service.get(&format!("{APP}/scm_repo_link/review_apps"), &jane).await.json();
    assert_eq!(shown["review_apps"][0]["on_close_deletion_date"], "2026-11-01T18:00:00.000Z");
    assert_eq!(service.state.service().fire_due_timers().await.unwrap(), 0);
    assert_eq!(service.event_types("my-app", &jane).await, CREATED);

    let mut service = service.restart_after(4 * HOUR).await;
    assert_eq!(service.state.service().fire_due_timers().await.unwrap(), 1);
    assert_eq!(service.event_types("my-app", &jane).await, DESTROYED);
    assert_eq!(service.get("/v1/apps/my-app-pr7", &jane).await.status, StatusCode::NOT_FOUND);
    let mut service = service.restart_after(4 * HOUR).await;
    assert_eq!(service.state.service().fire_due_timers().await.unwrap(), 0);
    assert_eq!(service.event_types("my-app", &jane).await, DESTROYED);
}

#[tokio::test]
async fn activity_on_a_pull_request_postpones_its_deletion() {
    let settings = json!({ "delete_stale_enabled": true, "hours_before_delete_stale": 10 });
    let (mut service, jane) = reviewed(settings).await;
    service.clock.advance(8 * HOUR);
    send_pull(&mut service, "open", 'b').await;
    service.clock.advance(8 * HOUR);
    assert_eq!(
        service.state.service().fire_due_timers().await.unwrap(),
        0,
        "a commit did not postpone the deletion"
    );

    let update = r#"{"scm_repo_link":{"hours_before_delete_stale":7}}"#;
    service.play("PATCH", &format!("{APP}/scm_repo_link"), &jane, "", update).await;
    assert_eq!(
        service.state.service().fire_due_timers().await.unwrap(),
        1,
        "a new setting did not move the timer"
    );
    assert_eq!(service.event_types("my-app", &jane).await.last().unwrap(), "destroy_review_app");
}

#[tokio::test]
async fn reopening_deleting_or_unlinking_cancels_the_timer() {
    let settings = json!({ "delete_on_close_enabled": true, "hours_before_delete_on_close": 1 });
    for cause in ["reopened", "closed by hand", "unlinked", "parent deleted"] {
        let (mut service, jane) = reviewed(settings.clone()).await;
        send_pull(&mut service, "closed", 'a').await;
        match cause {
            "reopened" => send_pull(&mut service, "open", 'a').await,
            "closed by hand" => _ = service.play("DELETE", "/v1/apps/my-app-pr7", &jane, "", "").await,
            "unlinked" => _ = service.play("DELETE", &format!("{APP}/scm_repo_link"), &jane, "", "").await,
            _ => _ = service.play("DELETE", &format!("{APP}?current_name=my-app"), &jane, "", "").await,
        }
        service.clock.advance(2 * HOUR);
        assert_eq!(service.state.service().fire_due_timers().await.unwrap(), 0, "{cause}");
    }
}
