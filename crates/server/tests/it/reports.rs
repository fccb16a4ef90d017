//! Reports through `POST /v1/events`: forms, errors, repeats and limits.

use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{JOHN, JOHNS_APP, OPERATOR, TestService};

const NDJSON: &str = "content-type: application/x-ndjson";

#[tokio::test]
async fn reports_are_accepted_as_json_and_as_ndjson() {
    let mut service = TestService::start().await;
    let event = format!(r#"{{"app_id":"{JOHNS_APP}","app_name":"my-app","type":"restart"}}"#);
    service.post("/v1/events", OPERATOR, &format!(r#"{{"events":[{event}]}}"#)).await;
    service.play("POST", "/v1/events", OPERATOR, NDJSON, &format!("{event}\n\n{event}\n")).await;
    service.post("/v1/events", OPERATOR, r#"{"events":[]}"#).await;
    service.play("POST", "/v1/events", OPERATOR, NDJSON, "").await;
    service.get(&format!("/v1/apps/{JOHNS_APP}/events"), OPERATOR).await;
    insta::assert_snapshot!(service.transcript());
}

#[tokio::test]
async fn an_invalid_event_is_named_by_index_and_field_and_nothing_is_recorded() {
    let mut service = TestService::start().await;
    let good = format!(r#"{{"app_id":"{JOHNS_APP}","app_name":"my-app","type":"restart"}}"#);
    let app = format!(r#""app_id":"{JOHNS_APP}","app_name":"my-app""#);
    for bad in [
        format!(r#"{{{app},"type":"restarted"}}"#),
        format!(r#"{{{app}}}"#),
        format!(r#"{{{app},"type":"restart","color":"red"}}"#),
        format!(r#"{{{app},"type":"restart","type_data":{{"scop":["web"]}}}}"#),
        format!(r#"{{{app},"type":"restart","type_data":{{"scope":["web",1]}}}}"#),
        format!(r#"{{{app},"type":"restart","type_data":[]}}"#),
        format!(r#"{{{app},"type":"restart","id":"5343ECCD646173000A140000"}}"#),
        format!(r#"{{{app},"type":"restart","created_at":"yesterday"}}"#),
        format!(r#"{{{app},"type":"restart","created_at":"2026-11-01T12:05:00.001Z"}}"#),
        format!(
            r#"{{{app},"type":"restart","user":{{"username":"j","email":"e","id":"51e6bc626edfe40bbb000001"}}}}"#
        ),
        r#"{"app_id":"my-app","app_name":"my-app","type":"restart"}"#.to_owned(),
        format!(r#"{{"app_id":"{JOHNS_APP}","app_name":"{}","type":"restart"}}"#, "a".repeat(70_000)),
        format!(
            r#"{{{app},"type":"restart","user":{{"username":"{}","email":"e","id":"{JOHN}"}}}}"#,
            "u".repeat(321)
        ),
        format!(r#"{{{app},"type":"restart","type_data":{{"addon_name":"{}"}}}}"#, "x".repeat(1 << 20)),
        r#"{"app_name":"my-app","type":"restart"}"#.to_owned(),
        format!(r#"{{"app_id":"{JOHNS_APP}","type":"restart"}}"#),
        r#"{"type":"login_success"}"#.to_owned(),
        format!(r#"{{{app},"type":"login_success","user":{{"username":"j","email":"e","id":"{JOHN}"}}}}"#),
        "7".to_owned(),
        "null".to_owned(),
    ] {
        let body = format!(r#"{{"events":[{good},{bad}]}}"#);
        let answer = service.post("/v1/events", OPERATOR, &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
        assert!(
            answer.json()["errors"].as_object().unwrap().keys().all(|field| field.starts_with("events[1]"))
        );
    }
    insta::assert_snapshot!(service.transcript());
    assert_eq!(
        service.get(&format!("/v1/apps/{JOHNS_APP}/events"), OPERATOR).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn late_reports_are_in_the_hours_and_the_state_they_belong_to() {
    let mut service = TestService::start().await;
    let set = |at: &str, value: &str| {
        json!({
            "created_at": at, "app_id": JOHNS_APP, "app_name": "my-app", "type": "new_variable",
            "type_data": {"name": "A", "value": value},
        })
    };
    // The clock stands at noon. In order of recording: an hour ago, just now, three hours ago, half an hour ago.
    for (at, value) in [("11:00:00", "1"), ("12:00:00", "2"), ("09:00:00", "3"), ("11:30:00", "4")] {
        let body = json!({ "events": [set(&format!("2026-11-01T{at}Z"), value)] }).to_string();
        assert_eq!(service.post("/v1/events", OPERATOR, &body).await.text(), r#"{"accepted":1}"#);
    }
    let path = format!("/v1/apps/{JOHNS_APP}");
    for (hours, values) in
        [("1", vec!["4", "2", "1"]), ("2", vec!["4", "2", "1"]), ("3", vec!["4", "3", "2", "1"])]
    {
        let answer = service.get(&format!("{path}/events?from={hours}"), OPERATOR).await.json();
        let shown: Vec<_> =
            answer["events"].as_array().unwrap().iter().map(|event| &event["type_data"]["value"]).collect();
        assert_eq!(shown, values, "{hours}");
        assert_eq!(answer["meta"]["pagination"]["total_count"], values.len(), "{hours}");
    }
    for (at, value, position) in
        [("10:00:00", "3", 1), ("11:15:00", "3", 2), ("11:45:00", "4", 3), ("12:00:00", "4", 4)]
    {
        let answer = service.get(&format!("{path}/state?at=2026-11-01T{at}Z"), OPERATOR).await.json();
        assert_eq!(
            (&answer["state"]["variables"]["A"], &answer["position"]),
            (&json!(value), &json!(position)),
            "{at}"
        );
    }
    let page = service.get(&format!("{path}/events"), OPERATOR).await.json();
    for event in page["events"].as_array().unwrap() {
        let found = service.get(&format!("{path}/events/{}", event["id"].as_str().unwrap()), OPERATOR).await;
        assert_eq!(found.json()["event"], *event);
    }
}

#[tokio::test]
async fn a_name_that_reports_gave_to_two_apps_leads_to_the_last_one_and_then_to_the_other() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    for name in ["n", "my-app"] {
        let report = async |service: &mut TestService, id: &str, event_type: &str| {
            let event = json!({
                "app_id": id, "app_name": name, "type": event_type, "type_data": {},
                "user": {"username": "johndoe", "email": "john@doe.com", "id": JOHN},
            });
            let body = json!({ "events": [event] }).to_string();
            assert_eq!(service.post("/v1/events", OPERATOR, &body).await.status, StatusCode::CREATED);
        };
        let id_of = async |service: &mut TestService| {
            let answer = service.get(&format!("/v1/apps/{name}"), OPERATOR).await;
            (answer.status == StatusCode::OK).then(|| answer.json()["app"]["id"].as_str().unwrap().to_owned())
        };
        let (first, second) = ("000000000000000000000001", "000000000000000000000002");
        report(&mut service, first, "new_app").await;
        report(&mut service, second, "new_app").await;
        assert_eq!(id_of(&mut service).await.as_deref(), Some(second));
        report(&mut service, second, "delete_app").await;
        assert_eq!(id_of(&mut service).await.as_deref(), Some(first));
        let body = json!({"app": {"name": name}}).to_string();
        let taken = service.post("/v1/apps", &jane, &body).await;
        assert_eq!(taken.status, StatusCode::UNPROCESSABLE_ENTITY);
        report(&mut service, first, "delete_app").await;
        assert_eq!(id_of(&mut service).await, None);
    }
    assert_eq!(
        service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn a_malformed_report_says_what_was_expected() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    for body in ["", "{", "[]", "{}", r#"{"events":{}}"#, r#"{"events":[],"more":1}"#, r#"{"events":[]} x"#] {
        service.post("/v1/events", OPERATOR, body).await;
    }
    service.play("POST", "/v1/events", OPERATOR, NDJSON, "{\"type\":\"restart\"}\n{oops}\n").await;
    service.post("/v1/events", "", "{}").await;
    service.post("/v1/events", &jane, "{}").await;
    service.play("POST", "/v1/events", OPERATOR, "idempotency-key: ", r#"{"events":[]}"#).await;
    let long = format!("idempotency-key: {}", "k".repeat(256));
    assert_eq!(service.play("POST", "/v1/events", OPERATOR, &long, "").await.status, StatusCode::BAD_REQUEST);
    insta::assert_snapshot!(service.transcript());
}

#[tokio::test]
async fn repeated_events_are_skipped_if_the_report_asks_for_it() {
    let mut service = TestService::start().await;
    service.register_john().await;
    let examples: Vec<_> = annals_testing::EXAMPLES.lines().collect();
    let (first, rest) = examples.split_at(40);
    let report = async |service: &mut TestService, query: &str, lines: &[&str]| {
        let path = format!("/v1/events{query}");
        let kind = "content-type: application/x-ndjson";
        let answer = service.play("POST", &path, OPERATOR, kind, &lines.join("\n")).await;
        (answer.status.as_u16(), answer.json())
    };
    let answer = |accepted: usize, skipped: usize| json!({ "accepted": accepted, "skipped": skipped });
    assert_eq!(report(&mut service, "?repeats=skip", first).await, (201, answer(40, 0)));
    assert_eq!(report(&mut service, "?repeats=skip", &examples).await, (201, answer(rest.len(), 40)));
    // An event that the report itself has twice is recorded once.
    let new = first[0].replace("6905bc8073636100011a0000", "6905bc8073636100011affff");
    assert_eq!(report(&mut service, "?repeats=skip", &[&new, &new, first[1]]).await, (201, answer(1, 2)));
    let (status, refused) = report(&mut service, "", first).await;
    assert_eq!(status, 422);
    let twice = "is the identifier of an event that is already recorded";
    assert_eq!(refused["errors"]["line 1.id"][0], twice);
    for query in ["?repeats=keep", "?repeat=skip"] {
        assert_eq!(report(&mut service, query, first).await.0, 422, "{query}");
    }
}

#[tokio::test]
async fn a_repeated_idempotency_key_records_nothing_more() {
    let mut service = TestService::start().await;
    let body = format!(r#"{{"events":[{{"app_id":"{JOHNS_APP}","app_name":"my-app","type":"restart"}}]}}"#);
    let other = body.replace("restart", "new_app");
    for body in [&body, &body, &other] {
        service.play("POST", "/v1/events", OPERATOR, "idempotency-key: k1", body).await;
    }
    insta::assert_snapshot!(service.transcript());
    let count = service.get(&format!("/v1/apps/{JOHNS_APP}/events"), OPERATOR).await.json()["meta"]["pagination"]["total_count"].clone();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn a_report_has_at_most_ten_thousand_events() {
    let mut service = TestService::start().await;
    let event = json!({"app_id": JOHNS_APP, "app_name": "my-app", "type": "restart"});
    let events = vec![event; 10_000];
    let answer = service.post("/v1/events", OPERATOR, &json!({ "events": events }).to_string()).await;
    assert_eq!(answer.text(), r#"{"accepted":10000}"#);
    let too_many = [events.as_slice(), &events[..1]].concat();
    let answer = service.post("/v1/events", OPERATOR, &json!({ "events": too_many }).to_string()).await;
    assert_eq!(answer.text(), r#"{"errors":{"events":["must have at most 10000 events, has 10001"]}}"#);
    let last = service.get(&format!("/v1/apps/{JOHNS_APP}/events?page=10000&per_page=1"), OPERATOR).await;
    assert_eq!(last.json()["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_platform_reports_of_an_app_and_its_addons_shows_in_their_answers() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let app =
        service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await.json()["app"]["id"].clone();
    let addon = r#"{"addon":{"addon_provider_id":"scalingo-redis","plan_id":"redis-sandbox"}}"#;
    let addon = service.post("/v1/apps/my-app/addons", &jane, addon).await.json()["addon"].clone();
    let addon_event = json!({
        "addon_provider_name": "redis", "plan_name": "redis-sandbox", "resource_id": addon["resource_id"],
    });
    for (event_type, type_data, status, addon_status) in [
        ("stop_app", json!({ "reason": "unpaid" }), "stopped", "running"),
        ("suspend_addon", addon_event.clone(), "stopped", "suspended"),
        ("run", json!({ "command": "ls" }), "stopped", "suspended"),
        ("restart", json!({ "reason": "security_maintenance" }), "new", "suspended"),
        ("stop_app", json!({}), "stopped", "suspended"),
        ("resume_addon", addon_event, "stopped", "running"),
        ("scale", json!({ "previous_containers": {}, "containers": { "web": 1 } }), "new", "running"),
        ("stop_app", json!({}), "stopped", "running"),
        (
            "deployment",
            json!({ "deployment_id": "1", "pusher": "jane", "status": "build-error", "duration": 1 }),
            "stopped",
            "running",
        ),
        (
            "deployment",
            json!({ "deployment_id": "2", "pusher": "jane", "status": "success", "duration": 1 }),
            "running",
            "running",
        ),
    ] {
        let event =
            json!({ "type": event_type, "type_data": type_data, "app_id": app, "app_name": "my-app" });
        let reported = service.post("/v1/events", OPERATOR, &json!({ "events": [event] }).to_string()).await;
        assert_eq!(reported.status, StatusCode::CREATED, "{}", reported.text());
        let shown = service.get("/v1/apps/my-app", &jane).await.json();
        assert_eq!(shown["app"]["status"], status, "{event_type}");
        let shown = service.get("/v1/apps/my-app/addons", &jane).await.json();
        assert_eq!(shown["addons"][0]["status"], addon_status, "{event_type}");
    }
}

#[tokio::test]
async fn events_name_projects_and_an_app_shows_its_own() {
    let mut service = TestService::start().await;
    let jane_id = "us-0e6d8e46-5cd0-42a4-acba-372b2be605aa";
    let jane = service.register("jane", Some(jane_id)).await;
    let app = service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await.json()["app"].clone();
    assert_eq!(app["project"], json!({ "id": "", "name": "default", "flags": {} }));
    let user = json!({ "id": jane_id, "username": "jane", "email": null });
    let project = |more: Value| {
        let mut event = json!({ "user": user, "project_id": "prj-1", "project_name": "shop" });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "events": [event] }).to_string()
    };
    let edited = json!({ "updated_values": [{ "name": "default", "value": true, "old_value": "false" }] });
    for body in [
        project(json!({ "type": "new_project" })),
        project(json!({ "type": "edit_project", "type_data": edited })),
        project(json!({
            "type": "update_app_project", "app_id": app["id"], "app_name": "my-app",
            "type_data": { "new_project_id": "prj-1", "new_project_name": "shop" },
        })),
    ] {
        let reported = service.post("/v1/events", OPERATOR, &body).await;
        assert_eq!(reported.status, StatusCode::CREATED, "{}", reported.text());
    }
    let events = service.get("/v1/events?per_page=3", &jane).await.json()["events"].clone();
    for event in events.as_array().unwrap() {
        assert_eq!(
            (&event["project_id"], &event["project_name"]),
            (&json!("prj-1"), &json!("shop")),
            "{event}"
        );
    }
    // go-scalingo decodes only text.
    assert_eq!(events[1]["type_data"]["updated_values"][0]["value"], "true");
    let shown = service.get("/v1/apps/my-app", &jane).await.json();
    assert_eq!(shown["app"]["project"], json!({ "id": "prj-1", "name": "shop", "flags": {} }));
    // A report without an email address does not take it away.
    let me = service.get("/v1/users/self", &jane).await.json();
    assert_eq!(me["user"]["email"], "jane@example.com");

    for (event, refused) in [
        (json!({ "type": "new_project", "project_id": null }), "events[0].project_id"),
        (json!({ "type": "new_project", "project_name": "" }), "events[0].project_name"),
        (json!({ "type": "login_success", "project_name": null }), "events[0].project_name"),
        (json!({ "type": "new_project", "project_id": "x".repeat(321) }), "events[0].project_id"),
        (json!({ "type": "new_project", "app_id": app["id"] }), "events[0].app_id"),
        (json!({ "type": "new_project", "user": null }), "events[0].user"),
    ] {
        let answer = service.post("/v1/events", OPERATOR, &project(event)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
        assert!(answer.json()["errors"].get(refused).is_some(), "{}", answer.text());
    }
}

#[tokio::test]
async fn every_wrong_line_is_named_as_an_editor_counts_it() {
    let mut service = TestService::start().await;
    let good = r#"{"app_id":"5343eccd646173000a140000","app_name":"a","type":"restart"}"#;
    let body = [
        "",
        good,
        "{oops}",
        "",
        r#"{"app_id":"5343eccd646173000a140000","app_name":"a","type":"scale","type_data":{"containers":{}}}"#,
        r#"{"type":"rest"#,
        good,
    ]
    .join("\r\n");
    let refused = service.play("POST", "/v1/events", OPERATOR, NDJSON, &body).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        refused.json()["errors"],
        json!({
            "line 3": ["is not JSON: key must be a string at column 2"],
            "line 5.type_data": ["missing field `previous_containers`"],
            "line 6": ["is not JSON: EOF while parsing a string at column 13"],
        })
    );
    // What only the store can refuse is named in the same way, and in a page, whose events come newest first, by its own order.
    let ahead = r#"{"created_at":"2036-01-01T00:00:00Z","app_id":"5343eccd646173000a140000","app_name":"a","type":"restart"}"#;
    let refused = service.play("POST", "/v1/events", OPERATOR, NDJSON, &format!("\n\n{good}\n{ahead}")).await;
    assert!(refused.json()["errors"].get("line 4.created_at").is_some(), "{}", refused.text());
    let page = format!(r#"{{"events":[{ahead},{good},{good}],"meta":{{}}}}"#);
    let refused = service.post("/v1/events", OPERATOR, &page).await;
    assert!(refused.json()["errors"].get("events[0].created_at").is_some(), "{}", refused.text());
}
