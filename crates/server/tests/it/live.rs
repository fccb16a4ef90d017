//! Following timelines: every event once and in order, and nothing for those who may not read it.

use annals_testing::EXAMPLES;
use axum::body::BodyDataStream;
use futures_util::StreamExt as _;
use http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::harness::{JOHNS_APP, OPERATOR, TestService, request};

const LINES: (&str, &str) = ("accept", "application/x-ndjson");

/// Follows a timeline with further headers.
pub(crate) async fn follow(
    service: &TestService,
    path: &str,
    token: &str,
    headers: &[(&'static str, &str)],
) -> BodyDataStream {
    let mut sent: Request<_> = request(Method::GET, path, token, "");
    for (name, value) in headers {
        sent.headers_mut().insert(*name, value.parse().unwrap());
    }
    let response = service.open(sent).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    response.into_body().into_data_stream()
}

pub(crate) async fn next(stream: &mut BodyDataStream) -> String {
    String::from_utf8(stream.next().await.expect("the stream goes on").unwrap().to_vec()).unwrap()
}

/// Returns the events of a stream from its start up to a position.
pub(crate) async fn read_until(stream: &mut BodyDataStream, position: usize) -> Vec<Value> {
    let mut lines = Vec::new();
    loop {
        for line in next(stream).await.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let is_last = line["position"] == position;
            if line.get("id").is_some() {
                lines.push(line);
            }
            if is_last {
                return lines;
            }
        }
    }
}

async fn add_token(service: &mut TestService, john: &str) -> Value {
    let added = service.post("/v1/tokens", john, r#"{"token":{"name":"later"}}"#).await;
    assert!(added.status.is_success(), "{}", added.text());
    added.json()["token"].clone()
}

#[tokio::test]
async fn a_new_event_reaches_those_who_follow() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    let length =
        service.get("/v1/events", &john).await.json()["meta"]["pagination"]["total_count"].as_u64().unwrap();
    let mut lines = follow(&service, "/v1/events/stream", &john, &[LINES]).await;
    let mut sent = follow(&service, "/v1/events/stream", &john, &[]).await;
    assert_eq!(next(&mut lines).await, format!("{{\"position\":{length}}}\n"));
    let opening = next(&mut sent).await;
    assert!(opening.starts_with("retry: ") && opening.ends_with(&format!("\nid: {length}\n\n")), "{opening}");

    add_token(&mut service, &john).await;
    let event = service.get("/v1/events?per_page=1", &john).await.json()["events"][0].to_string();
    let position = length + 1;
    assert_eq!(next(&mut lines).await, format!("{{\"position\":{position},{}\n", &event[1..]));
    assert_eq!(next(&mut sent).await, format!("id: {position}\ndata: {event}\n\n"));
}

#[tokio::test]
async fn a_stream_resumes_after_any_position() {
    let mut service = TestService::start().await;
    service.register_john().await;
    service.report_examples().await;
    let path = format!("/v1/apps/{JOHNS_APP}/events/stream");
    let count = EXAMPLES.lines().filter(|line| line.contains(JOHNS_APP)).count();
    let mut all = follow(&service, &format!("{path}?after=0"), OPERATOR, &[LINES]).await;
    let all = read_until(&mut all, count).await;
    let export = service.get(&format!("/v1/apps/{JOHNS_APP}/events/export"), OPERATOR).await;
    let exported: Vec<Value> =
        export.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(all, exported);
    for after in [1, 7, count - 1] {
        let last = after.to_string();
        let mut rest = follow(&service, &path, OPERATOR, &[LINES, ("last-event-id", &last)]).await;
        assert_eq!(read_until(&mut rest, count).await, all[after..]);
    }
    // What does not match is left out, and the stream still says how far it is.
    let mut some = follow(&service, &format!("{path}?after=0&type=scale,restart"), OPERATOR, &[LINES]).await;
    let some = read_until(&mut some, count).await;
    assert!(
        !some.is_empty() && some.iter().all(|event| event["type"] == "scale" || event["type"] == "restart")
    );
}

#[tokio::test]
async fn a_stream_ends_with_the_right_to_read() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    let other = add_token(&mut service, &john).await;
    let (id, secret) = (other["id"].as_str().unwrap(), other["token"].as_str().unwrap());
    let mut stream = follow(&service, "/v1/events/stream", secret, &[LINES]).await;
    next(&mut stream).await;
    let path = format!("/v1/tokens/{id}");
    let revoked = service.play("DELETE", &path, &john, "", "").await;
    assert!(revoked.status.is_success(), "{}", revoked.text());
    assert!(stream.next().await.is_none(), "the token was revoked");

    let answer = service.get(&format!("/v1/apps/{JOHNS_APP}/events/stream"), &john).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn streams_of_one_user_are_few() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(follow(&service, "/v1/events/stream", &john, &[]).await);
    }
    let refused = service.get("/v1/events/stream", &john).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.text());
    open.pop();
    open.push(follow(&service, "/v1/events/stream", &john, &[]).await);
    for query in ["after=x", "after=99999", "q=typ:x", "format=csv"] {
        let answer = service.get(&format!("/v1/events/stream?{query}"), &john).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
    }
}
