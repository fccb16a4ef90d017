//! Mistakes that users make, and the error that helps them.

use annals_testing::Failures;
use http::{Method, StatusCode};

use crate::harness::{OPERATOR, TestService, request};

/// Starts a service with Jane's app, and returns it with her token.
async fn service() -> (TestService, String) {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let answer = service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    (service, jane)
}

#[tokio::test]
async fn an_invalid_dry_run_header_is_refused_and_nothing_is_done() {
    let (mut service, jane) = service().await;
    let mut failures = Failures::default();
    for value in ["1", "yes", "", "0", "no", "on", "truee", "true, true", "\"true\""] {
        let head = format!("x-dry-run: {value}");
        for (method, path, body) in [
            ("POST", "/v1/apps", r#"{"app":{"name":"dry-app"}}"#),
            ("POST", "/v1/apps/my-app/restart", ""),
            ("PATCH", "/v1/apps/my-app", r#"{"app":{"force_https":true}}"#),
            ("DELETE", "/v1/apps/my-app?current_name=my-app", ""),
            ("POST", "/v1/keys", r#"{"key":{"name":"laptop","content":"ssh-ed25519 AAAA"}}"#),
        ] {
            let answer = service.play(method, path, &jane, &head, body).await;
            let text = r#"{"error":"X-Dry-Run must be true or false; nothing was done"}"#;
            let got = (answer.status, answer.text());
            failures.check(format!("{value}: {method} {path}"), (StatusCode::BAD_REQUEST, text), got);
        }
    }
    failures.report();
    // Every one of several headers counts.
    let twice = "x-dry-run: false\nx-dry-run: 1";
    let answer = service.play("POST", "/v1/apps/my-app/restart", &jane, twice, "").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let path = "/v1/apps/my-app/variables";
    let body = |index| format!(r#"{{"variable":{{"name":"NAME_{index}","value":"x"}}}}"#);
    for head in ["x-dry-run: true", "x-dry-run: TRUE", "x-dry-run: false\nx-dry-run: true"] {
        let answer = service.play("POST", path, &jane, head, &body(0)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{head}");
    }
    assert_eq!(service.event_types("my-app", &jane).await, ["new_app"]);
    for (index, head) in ["x-dry-run: false", "x-dry-run: False"].into_iter().enumerate() {
        let answer = service.play("POST", path, &jane, head, &body(index)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{head}");
    }
    assert_eq!(service.event_types("my-app", &jane).await, ["new_app", "new_variable", "new_variable"]);
}

#[tokio::test]
async fn an_unknown_query_parameter_is_refused_by_name() {
    let (mut service, jane) = service().await;
    let user = service.get("/v1/users/self", &jane).await.json()["user"]["id"].as_str().unwrap().to_owned();
    let mut failures = Failures::default();
    let lists =
        ["/v1/events".to_owned(), "/v1/apps/my-app/events".to_owned(), format!("/v1/users/{user}/events")];
    for list in lists {
        for (query, name) in [
            ("type=scale", "type"),
            ("since=2026-01-01", "since"),
            ("page=1&perpage=5", "perpage"),
            ("from=2&x=", "x"),
        ] {
            let answer = service.get(&format!("{list}?{query}"), &jane).await;
            let text =
                format!(r#"{{"errors":{{"{name}":["unknown parameter; known: page, per_page, from"]}}}}"#);
            let expected = (StatusCode::UNPROCESSABLE_ENTITY, text.as_str());
            failures.check(format!("{list}?{query}"), expected, (answer.status, answer.text()));
        }
        // The queries of the official clients.
        for query in ["", "?", "?page=1&per_page=30", "?per_page=100", "?page=1&per_page=20&from=24"] {
            let answer = service.get(&format!("{list}{query}"), &jane).await;
            failures.check(format!("{list}{query}"), StatusCode::OK, answer.status);
        }
    }
    failures.report();
    let answer = service.get("/v1/apps/my-app/state?since=2026-11-01T12:00:00Z", &jane).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.text(), r#"{"errors":{"since":["unknown parameter; known: at, from, to"]}}"#);
}

#[tokio::test]
async fn a_credential_in_the_wrong_form_gets_the_right_form() {
    let (service, jane) = service().await;
    let mut failures = Failures::default();
    for value in [format!("Token {jane}"), jane.clone(), "Bearer".to_owned(), "Basic amFuZTpwYXNz".to_owned()]
    {
        let mut sent = request(Method::GET, "/v1/apps", "", "");
        sent.headers_mut().insert("authorization", value.parse().unwrap());
        let answer = service.send(sent).await;
        let expected = (StatusCode::UNAUTHORIZED, r#"{"error":"use Authorization: Bearer tk-…"}"#);
        failures.check(&value, expected, (answer.status, answer.text()));
        failures.check(format!("{value}: WWW-Authenticate"), "Bearer", &answer.headers["www-authenticate"]);
    }
    failures.report();
}

#[tokio::test]
async fn a_wrong_method_gets_the_right_ones() {
    let (mut service, jane) = service().await;
    let mut failures = Failures::default();
    for (method, path, text, allowed) in [
        ("GET", "/v1/apps/my-app/scale", "use POST", "POST"),
        ("DELETE", "/v1/events", "use GET or POST", "GET,HEAD,POST"),
        ("POST", "/v1/apps/my-app/events", "use GET", "GET,HEAD"),
        ("HEAD", "/v1/apps/my-app/scale", "use POST", "POST"),
    ] {
        let answer = service.play(method, path, &jane, "", "").await;
        let case = format!("{method} {path}");
        failures.check(&case, StatusCode::METHOD_NOT_ALLOWED, answer.status);
        failures.check(
            &case,
            Some(allowed),
            answer.headers.get("allow").map(|allow| allow.to_str().unwrap()),
        );
        if method != "HEAD" {
            failures.check(&case, text, &answer.json()["error"]);
        }
    }
    failures.report();
}

#[tokio::test]
async fn a_misspelt_or_mistyped_field_is_named() {
    let (mut service, jane) = service().await;
    let mut failures = Failures::default();
    for (path, body, field, message) in [
        (
            "scale",
            r#"{"containers":[{"nam":"web","amount":1}]}"#,
            "containers[0].nam",
            "unknown field, did you mean name?",
        ),
        (
            "scale",
            r#"{"containers":[{"name":"web","amount":1},{"name":"job","ammount":1}]}"#,
            "containers[1].ammount",
            "unknown field, did you mean amount?",
        ),
        ("scale", r#"{"container":[]}"#, "container", "unknown field, did you mean containers?"),
        ("scale", r#"{"containers":[{"type":"web","amount":1}]}"#, "name", "is missing"),
        (
            "scale",
            r#"{"containers":[{"name":"web","amount":"3"}]}"#,
            "containers[0].amount",
            "must be a whole number",
        ),
        (
            "scale",
            r#"{"containers":[{"name":"web","amount":1.5}]}"#,
            "containers[0].amount",
            "must be a whole number",
        ),
        ("scale", r#"{"containers":{}}"#, "containers", "must be an array"),
        (
            "variables",
            r#"{"variable":{"name":"A","vaule":"b"}}"#,
            "variable.vaule",
            "unknown field, did you mean value?",
        ),
        ("variables", r#"{"variable":{"name":"A","value":1}}"#, "variable.value", "must be a string"),
        ("variables", r#"{"variable":"A=b"}"#, "variable", "must be an object"),
    ] {
        let answer = service.post(&format!("/v1/apps/my-app/{path}"), &jane, body).await;
        let expected = serde_json::json!({ "errors": { field: [message] } });
        let expected = (StatusCode::UNPROCESSABLE_ENTITY, expected);
        failures.check(format!("{path} {body}"), expected, (answer.status, answer.json()));
    }
    failures.report();
    // Unknown fields beside the known ones are ignored, since official clients send some.
    let body = r#"{"containers":[{"name":"web","amount":1,"id":"","nam":""}]}"#;
    assert_eq!(service.post("/v1/apps/my-app/scale", &jane, body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_unknown_event_type_gets_a_suggestion_and_the_list() {
    let mut service = TestService::start().await;
    for (name, text) in [
        ("deploymnet", "unknown event type deploymnet; did you mean deployment? list: /v1/event_types"),
        ("user.login", "unknown event type user.login; list: /v1/event_types"),
    ] {
        let body = serde_json::json!({ "events": [{ "type": name, "type_data": {} }] }).to_string();
        let answer = service.post("/v1/events", OPERATOR, &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.json(), serde_json::json!({ "errors": { "events[0].type": [text] } }));
    }
}
