//! The whole platform, as the operator and auditors read it.

use annals_testing::EXAMPLES;
use http::{Method, StatusCode};
use serde_json::{Map, Value};

use crate::harness::{JOHNS_APP, OPERATOR, TestService};
use crate::live::{follow, next, read_until};

const EVENTS: &str = "/v1/operator/events";

async fn auditor(service: &mut TestService) -> (String, String) {
    let created =
        service.post("/v1/operator/auditor_tokens", OPERATOR, r#"{"token":{"name":"audit"}}"#).await.json();
    let text = |field: &str| created["token"][field].as_str().unwrap().to_owned();
    (text("token"), text("id"))
}

/// Returns all events of the list, oldest first.
async fn all(service: &mut TestService, query: &str, token: &str) -> Vec<Value> {
    let (mut events, mut page) = (Vec::new(), 1);
    loop {
        let answer = service.get(&format!("{EVENTS}?per_page=7&page={page}&{query}"), token).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let answer = answer.json();
        events.extend(answer["events"].as_array().unwrap().iter().cloned());
        let pagination = &answer["meta"]["pagination"];
        if pagination["next_page"].is_null() {
            assert_eq!(pagination["total_count"], events.len(), "{query}");
            events.reverse();
            return events;
        }
        page += 1;
    }
}

/// Returns the event alone, as timelines have it.
fn without_position(event: &Value) -> Value {
    let event = event.as_object().unwrap().clone();
    let added = ["position", "recorded_at"];
    assert!(added.iter().all(|name| event.contains_key(*name)));
    event.into_iter().filter(|(name, _)| !added.contains(&name.as_str())).collect::<Map<_, _>>().into()
}

#[tokio::test]
async fn the_platform_has_every_event_once_in_the_order_of_recording() {
    let mut service = TestService::start().await;
    service.register_john().await;
    service.report_examples().await;
    let events = all(&mut service, "", OPERATOR).await;
    let positions: Vec<_> = events.iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=events.len() as u64).collect::<Vec<_>>());
    let reported: Vec<Value> = EXAMPLES.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_app: Vec<_> =
        events.iter().map(without_position).filter(|event| event["app_id"] == JOHNS_APP).collect();
    let expected: Vec<_> = reported.into_iter().filter(|event| event["app_id"] == JOHNS_APP).collect();
    assert_eq!(of_app, expected);

    let export = service.get(&format!("{EVENTS}/export"), OPERATOR).await;
    let exported: Vec<Value> =
        export.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported, events);
    let table = service.get(&format!("{EVENTS}/export?format=csv"), OPERATOR).await;
    assert!(table.text().starts_with("position,recorded_at_utc,id,created_at_utc,"), "{}", table.text());
    assert_eq!(table.headers["content-disposition"], "attachment; filename=\"platform.csv\"");
}

#[tokio::test]
async fn filters_find_on_the_platform_what_they_find_one_by_one() {
    let mut service = TestService::start().await;
    service.register_john().await;
    service.report_examples().await;
    let events = all(&mut service, "", OPERATOR).await;
    for (query, text) in [
        ("type=deployment,scale", "type:deployment,scale"),
        ("q=category:addons", "category:addons"),
        ("q=-type:scale", "-type:scale"),
        ("q=type:scale%20OR%20actor:none", "type:scale OR actor:none"),
        ("q=created:%3C2026-11-01T09:00:00Z", "created:<2026-11-01T09:00:00Z"),
        ("since=2026-11-01T09:00:00Z&type=run", "created:>=2026-11-01T09:00:00Z type:run"),
        ("q=%22john%22", "\"john\""),
        ("q=app:nobody", "app:nobody"),
    ] {
        let filter = annals_model::Filter::parse(text, annals_model::Time::EPOCH).unwrap();
        let expected: Vec<_> = events
            .iter()
            .filter(|event| {
                let event = without_position(event).to_string();
                filter.matches(event.as_bytes(), event.as_bytes())
            })
            .cloned()
            .collect();
        assert_eq!(all(&mut service, query, OPERATOR).await, expected, "{query}");
        let export = service.get(&format!("{EVENTS}/export?{query}"), OPERATOR).await;
        let exported: Vec<Value> =
            export.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(exported, expected, "{query}");
    }
}

#[tokio::test]
async fn an_auditor_reads_everything_and_changes_nothing() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    service.report_examples().await;
    let (auditor, id) = auditor(&mut service).await;
    for path in [
        EVENTS.to_owned(),
        format!("{EVENTS}/export"),
        "/v1/operator/apps".to_owned(),
        "/v1/operator/users".to_owned(),
        "/v1/operator/auditor_tokens".to_owned(),
        format!("/v1/apps/{JOHNS_APP}/events"),
        format!("/v1/apps/{JOHNS_APP}/state"),
        "/v1/users/us-0e6d8e46-5cd0-42a4-acba-372b2be605ac/events".to_owned(),
    ] {
        let answer = service.get(&path, &auditor).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    }
    for path in ["/v1/operator/backup", "/v1/mails", "/v1/events", "/v1/users/self", "/v1/apps"] {
        let answer = service.get(path, &auditor).await;
        assert!([StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&answer.status), "{path}");
    }
    // Every operation that changes something refuses an auditor, whatever else is wrong with the request.
    let document = annals_server::openapi();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["post", "put", "patch", "delete"] {
            let Some(operation) = item.get(method) else { continue };
            let schemes = operation["security"].as_array().map(Vec::as_slice).unwrap_or_default();
            let needs_credential = schemes
                .iter()
                .any(|scheme| scheme.get("operator").is_some() || scheme.get("bearer").is_some());
            if !needs_credential || path == "/v1/users" {
                continue;
            }
            let path = path.replace("{app}", JOHNS_APP);
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = service.send(crate::harness::request(method.clone(), &path, &auditor, "{}")).await;
            assert!(!answer.status.is_success(), "{method} {path}");
            assert!(answer.status.is_client_error(), "{method} {path}: {}", answer.text());
        }
    }
    let refused = service.post("/v1/apps", &auditor, r#"{"app":{"name":"theirs"}}"#).await;
    assert_eq!(
        (refused.status, refused.text()),
        (StatusCode::FORBIDDEN, r#"{"error":"an auditor changes nothing; this needs another token"}"#)
    );
    let refused = service.get(EVENTS, &john).await;
    assert_eq!(
        (refused.status, refused.text()),
        (StatusCode::FORBIDDEN, r#"{"error":"this needs the operator token or the token of an auditor"}"#)
    );

    let bearer = service.post("/v1/tokens/exchange", &auditor, "").await.json();
    let bearer = bearer["token"].as_str().unwrap().to_owned();
    assert_eq!(service.get(EVENTS, &bearer).await.status, StatusCode::OK);
    let path = format!("/v1/operator/auditor_tokens/{id}");
    let revoked = service.play("DELETE", &path, OPERATOR, "", "").await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    for token in [&auditor, &bearer] {
        assert_eq!(service.get(EVENTS, token).await.status, StatusCode::UNAUTHORIZED);
    }
    let of_platform = "q=actor:platform";
    let events = all(&mut service, of_platform, OPERATOR).await;
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["new_token", "delete_token"]);
    assert_eq!(events[0]["type_data"]["token_id"], id.as_str());
}

#[tokio::test]
async fn a_stream_of_the_platform_ends_with_its_token() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    let (auditor, id) = auditor(&mut service).await;
    let lines = [("accept", "application/x-ndjson")];
    let mut stream = follow(&service, &format!("{EVENTS}/stream?after=0"), &auditor, &lines).await;
    let first = read_until(&mut stream, 1).await;
    assert_eq!(first[0]["type"], "new_token");
    assert!(first[0]["recorded_at"].is_string());
    service.post("/v1/tokens", &john, r#"{"token":{"name":"later"}}"#).await;
    let second = read_until(&mut stream, 2).await;
    assert_eq!(second[0]["user"]["username"], "johndoe");
    let sse = format!("{EVENTS}/stream?after=1");
    let mut served = follow(&service, &sse, OPERATOR, &[]).await;
    assert!(next(&mut served).await.ends_with("id: 1\n\n"));
    assert!(next(&mut served).await.starts_with("id: 2\ndata: {\"position\":2,\"recorded_at\":\""));
    service.play("DELETE", &format!("/v1/operator/auditor_tokens/{id}"), OPERATOR, "", "").await;
    let ended = futures_util::StreamExt::next(&mut stream).await;
    assert!(ended.is_none(), "{ended:?}");
}

#[tokio::test]
async fn failed_sign_ins_with_unknown_names_are_recorded_but_not_without_end() {
    let mut service = TestService::start().await;
    service.register_john().await;
    let attempts = async |service: &mut TestService, name: &str| {
        let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{name}:x"));
        let mut sent = crate::harness::request(Method::POST, "/v1/tokens", "", r#"{"token":{"name":"t"}}"#);
        sent.headers_mut().insert("authorization", format!("Basic {basic}").parse().unwrap());
        assert_eq!(service.send(sent).await.status, StatusCode::UNAUTHORIZED);
    };
    for name in ["nobody", "platform", "nobody@example.com"] {
        attempts(&mut service, name).await;
    }
    service.clock.advance(std::time::Duration::from_secs(1));
    attempts(&mut service, "nobody").await;
    let events = all(&mut service, "q=actor:platform%20type:login_failure", OPERATOR).await;
    assert_eq!(events.len(), 2);
    assert!(!serde_json::to_string(&events).unwrap().contains("nobody"));
    let registered =
        service.post("/v1/users", OPERATOR, r#"{"user":{"username":"Platform","email":"p@example.com"}}"#);
    assert_eq!(registered.await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let nil =
        r#"{"user":{"id":"us-00000000-0000-0000-0000-000000000000","username":"p","email":"p@example.com"}}"#;
    assert_eq!(service.post("/v1/users", OPERATOR, nil).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn all_apps_and_users_are_listed_part_by_part() {
    let mut service = TestService::start().await;
    service.register_john().await;
    service.report_examples().await;
    for list in ["apps", "users"] {
        let whole = service.get(&format!("/v1/operator/{list}?per_page=100"), OPERATOR).await.json();
        assert!(whole["meta"]["next_after"].is_null());
        let (mut listed, mut after) = (Vec::new(), String::new());
        loop {
            let part = service.get(&format!("/v1/operator/{list}?per_page=1{after}"), OPERATOR).await.json();
            listed.extend(part[list].as_array().unwrap().iter().cloned());
            match part["meta"]["next_after"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(Value::from(listed), whole[list]);
    }
    service.transcript();
    service.get("/v1/operator/apps", OPERATOR).await;
    service.get("/v1/operator/users?per_page=1", OPERATOR).await;
    for query in ["after=x", "per_page=x", "page=2"] {
        service.get(&format!("/v1/operator/apps?{query}"), OPERATOR).await;
    }
    for query in ["from=72", "as_of=999999", "q=typ:x"] {
        service.get(&format!("{EVENTS}?{query}"), OPERATOR).await;
    }
    insta::assert_snapshot!(service.transcript());
}
