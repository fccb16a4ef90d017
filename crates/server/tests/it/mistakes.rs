//! Mistakes of clients, and the response that helps with each.

use http::{Method, StatusCode};

use crate::harness::{OPERATOR, TestService, request};

/// Starts a service where Jane has an app. Returns her token too.
async fn service() -> (TestService, String) {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let answer = service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    (service, jane)
}

#[tokio::test]
async fn an_unknown_parameter_of_a_timeline_is_refused() {
    let (mut service, jane) = service().await;
    let user = service.get("/v1/users/self", &jane).await.json()["user"]["id"].as_str().unwrap().to_owned();
    let lists =
        ["/v1/events".to_owned(), "/v1/apps/my-app/events".to_owned(), format!("/v1/users/{user}/events")];
    for list in lists {
        for (query, name) in [
            ("typ=scale", "typ"),
            ("newer_than=2026-01-01", "newer_than"),
            ("page=1&perpage=5", "perpage"),
            ("from=2&x=", "x"),
        ] {
            let answer = service.get(&format!("{list}?{query}"), &jane).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{list} {query}");
            let known = "page, per_page, from, as_of, before, after, q, type, actor, since, until";
            let text = format!(r#"{{"errors":{{"{name}":["unknown parameter; known: {known}"]}}}}"#);
            assert_eq!(answer.text(), text);
        }
        // These are what official clients send.
        for query in ["", "?", "?page=1&per_page=30", "?per_page=100", "?page=1&per_page=20&from=24"] {
            let answer = service.get(&format!("{list}{query}"), &jane).await;
            assert_eq!(answer.status, StatusCode::OK, "{list}{query}");
        }
    }
    let answer = service.get("/v1/apps/my-app/state?since=2026-11-01T12:00:00Z", &jane).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.text(), r#"{"errors":{"since":["unknown parameter; known: at, from, to"]}}"#);
}

#[tokio::test]
async fn a_credential_in_another_form_gets_the_right_one() {
    let (service, jane) = service().await;
    for value in [format!("Token {jane}"), jane.clone(), "Bearer".to_owned(), "Basic amFuZTpwYXNz".to_owned()]
    {
        let mut sent = request(Method::GET, "/v1/apps", "", "");
        sent.headers_mut().insert("authorization", value.parse().unwrap());
        let answer = service.send(sent).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{value}");
        assert_eq!(answer.text(), r#"{"error":"use Authorization: Bearer tk-…"}"#, "{value}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
}

#[tokio::test]
async fn an_unknown_method_gets_the_known_ones() {
    let (mut service, jane) = service().await;
    for (method, path, text, allowed) in [
        ("GET", "/v1/apps/my-app/scale", "use POST", "POST"),
        ("DELETE", "/v1/events", "use GET or POST", "GET,HEAD,POST"),
        ("POST", "/v1/apps/my-app/events", "use GET", "GET,HEAD"),
        ("HEAD", "/v1/apps/my-app/scale", "use POST", "POST"),
        ("PATCH", "/healthz", "use GET", "GET,HEAD"),
        ("POST", "/", "use GET", "GET,HEAD"),
    ] {
        let answer = service.play(method, path, &jane, "", "").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_eq!(answer.headers["allow"], allowed, "{method} {path}");
        if method != "HEAD" {
            assert_eq!(answer.json()["error"], text, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_field_that_is_misspelt_or_of_another_type_is_named() {
    let (mut service, jane) = service().await;
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
        ("scale", r#"{"containers":[{"type":"web","amount":1}]}"#, "containers[0].name", "is missing"),
        (
            "scale",
            r#"{"containers":[{"name":"web","amount":1,"sise":"M"}]}"#,
            "containers[0].sise",
            "unknown field, did you mean size?",
        ),
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
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(answer.json(), serde_json::json!({ "errors": { field: [message] } }), "{body}");
    }
    // Other unknown fields are ignored, since official clients send some.
    let body = r#"{"containers":[{"name":"web","amount":1,"id":"","nam":""}]}"#;
    assert_eq!(service.post("/v1/apps/my-app/scale", &jane, body).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_unknown_event_type_gets_the_nearest_one_and_the_list() {
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

#[tokio::test]
async fn an_unknown_parameter_is_refused_by_every_request_of_the_api() {
    let (mut service, jane) = service().await;
    let mut refused = 0;
    for (path, methods) in annals_server::openapi()["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|name| *name != "parameters") {
            let url = path.replace("{app}", "my-app");
            let answer =
                service.play(&method.to_uppercase(), &format!("{url}?dry_run=1"), &jane, "", "").await;
            let is_refused = answer.text().contains(r#""dry_run":["unknown parameter;"#);
            let is_of_others =
                !path.starts_with("/v1/") && !path.starts_with("/api/") || path.ends_with("/hook");
            assert_eq!(is_refused, !is_of_others, "{method} {path}: {}", answer.text());
            refused += usize::from(is_refused);
        }
    }
    assert!(refused > 120, "{refused}");
    assert_eq!(service.event_types("my-app", &jane).await, ["new_app"]);
    for (path, message) in [
        ("/v1/apps?name=my-app", r#"{"errors":{"name":["unknown parameter; this request takes none"]}}"#),
        (
            "/v1/apps/my-app/domains?a=1&b",
            r#"{"errors":{"a":["unknown parameter; this request takes none"],"b":["unknown parameter; this request takes none"]}}"#,
        ),
        (
            "/v1/apps/my-app/deployments?from=2",
            r#"{"errors":{"from":["unknown parameter; known: page, per_page"]}}"#,
        ),
        (
            "/v1/apps/my-app/variables?alias=true",
            r#"{"errors":{"alias":["unknown parameter; known: aliases"]}}"#,
        ),
    ] {
        assert_eq!(service.get(path, &jane).await.text(), message);
    }
    // These are what official clients send, and what they may come to send where nothing is listed.
    for path in [
        "/v1/apps?",
        "/v1/apps/my-app?",
        "/v1/apps/my-app/variables?aliases=false",
        "/v1/apps/my-app/deployments?page=1&per_page=20",
        "/v1/addon_providers?category_id=databases&dedicated=true",
        "/v1/addon_providers/postgresql/plans?show_all=false",
        "/v1/features/container_sizes?app_id=my-app",
        "/healthz?probe=1",
        "/metrics?name=x",
    ] {
        assert_eq!(service.get(path, &jane).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn the_parameters_that_official_clients_send_to_the_catalogue_are_followed() {
    let mut service = TestService::start().await;
    let directory = serde_json::json!({ "addon_providers": [
        { "id": "postgresql", "name": "PostgreSQL", "category": "Databases", "plans": [
            { "id": "1", "name": "small", "display_name": "Small", "disabled": false },
            { "id": "2", "name": "old", "display_name": "Old", "disabled": true },
        ] },
        { "id": "mailer", "name": "Mailer", "category": "Mail", "plans": [
            { "id": "3", "name": "free", "display_name": "Free" },
        ] },
    ] });
    let answer = service.play("PUT", "/v1/addon_providers", OPERATOR, "", &directory.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    for (path, list, expected) in [
        ("/v1/addon_providers", "addon_providers", 2),
        ("/v1/addon_providers?category_id=mail", "addon_providers", 1),
        ("/v1/addon_providers?category_id=other", "addon_providers", 0),
        ("/v1/addon_providers/postgresql/plans", "plans", 1),
        ("/v1/addon_providers/postgresql/plans?show_all=false", "plans", 1),
        ("/v1/addon_providers/postgresql/plans?show_all=true", "plans", 2),
    ] {
        let answer = service.get(path, "").await.json();
        assert_eq!(answer[list].as_array().unwrap().len(), expected, "{path}");
    }
}

#[tokio::test]
async fn every_misspelt_field_is_named_at_once_even_if_it_is_optional() {
    let (mut service, jane) = service().await;
    for (method, path, body, errors) in [
        (
            "PATCH",
            "/v1/apps/my-app",
            r#"{"app":{"force_htps":true,"router_log":true,"stack_id":""}}"#,
            serde_json::json!({
                "app.force_htps": ["unknown field, did you mean force_https?"],
                "app.router_log": ["unknown field, did you mean router_logs?"],
            }),
        ),
        (
            "PUT",
            "/v1/apps/my-app",
            r#"{"force_htps":true}"#,
            serde_json::json!({ "force_htps": ["unknown field, did you mean force_https?"] }),
        ),
        (
            "POST",
            "/v1/apps",
            r#"{"apps":{"name":"new-app"}}"#,
            serde_json::json!({ "apps": ["unknown field, did you mean app?"] }),
        ),
        (
            "POST",
            "/v1/apps/my-app/collaborators",
            r#"{"collaborator":{"email":"bob@example.com","limited":true,"is_limitted":false}}"#,
            serde_json::json!({ "collaborator.is_limitted": ["unknown field, did you mean is_limited?"] }),
        ),
        (
            "POST",
            "/v1/apps/my-app/run",
            r#"{"command":"ls","detach":true}"#,
            serde_json::json!({ "detach": ["unknown field, did you mean detached?"] }),
        ),
        (
            "PUT",
            "/v1/apps/my-app/variables",
            r#"{"variables":[{"name":"A","value":"1"},{"name":"B","vale":"2"},{"nane":"C","value":"3"}]}"#,
            serde_json::json!({
                "variables[1].vale": ["unknown field, did you mean value?"],
                "variables[2].nane": ["unknown field, did you mean name?"],
            }),
        ),
        (
            "PUT",
            "/v1/apps/my-app/variables",
            r#"{"variables":[{"name":"A","value":"1"},{"name":"B"}]}"#,
            serde_json::json!({ "variables[1].value": ["is missing"] }),
        ),
    ] {
        let answer = service.play(method, path, &jane, "", body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(answer.json(), serde_json::json!({ "errors": errors }), "{body}");
    }
    assert_eq!(service.event_types("my-app", &jane).await, ["new_app"]);
    // A response names a bounded number of them.
    let variables = vec![serde_json::json!({ "name": "A", "vale": "" }); 1000];
    let body = serde_json::json!({ "variables": variables }).to_string();
    let answer = service.play("PUT", "/v1/apps/my-app/variables", &jane, "", &body).await;
    assert_eq!(answer.json()["errors"].as_object().unwrap().len(), 100);
}

#[tokio::test]
async fn a_report_is_told_all_of_its_wrong_events_at_once() {
    let mut service = TestService::start().await;
    let event = |kind: &str| {
        serde_json::json!({
            "type": kind, "app_id": "5343eccd646173000a140000", "app_name": "my-app", "type_data": {},
        })
    };
    let body = serde_json::json!({ "events": [event("new_app"), event("user.login"), event("scal")] });
    let answer = service.post("/v1/events", OPERATOR, &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let errors = answer.json()["errors"].as_object().unwrap().clone();
    for (field, message) in [
        ("events[1].type", "unknown event type user.login; list: /v1/event_types"),
        ("events[2].type", "unknown event type scal; did you mean scale? list: /v1/event_types"),
    ] {
        assert_eq!(errors[field], serde_json::json!([message]));
    }
    let lines: String = (0..250).map(|_| event("user.login").to_string() + "\n").collect();
    let head = "content-type: application/x-ndjson";
    let answer = service.play("POST", "/v1/events", OPERATOR, head, &lines).await;
    let errors = answer.json()["errors"].as_object().unwrap().clone();
    assert_eq!(errors.len(), 100);
    assert!(errors.contains_key("line 1.type") && errors.contains_key("line 100.type"));
}

#[tokio::test]
async fn an_identifier_in_another_form_is_told_the_right_one() {
    let mut service = TestService::start().await;
    let app = "must be 24 lower-case hexadecimal digits";
    let user = "must be us- and a lower-case UUID, such as us-0e6d8e46-5cd0-42a4-acba-372b2be605ac";
    for (field, value, message) in [
        ("app_id", serde_json::json!("my-app"), app),
        ("app_id", serde_json::json!("0e6d8e46-5cd0-42a4-acba-372b2be605ac"), app),
        ("app_id", serde_json::json!("5343ECCD646173000A140000"), app),
        ("app_id", serde_json::json!(42), "must be a string"),
        ("id", serde_json::json!("1"), app),
        ("user.id", serde_json::json!("jane"), user),
        ("user.id", serde_json::json!("0e6d8e46-5cd0-42a4-acba-372b2be605ac"), user),
        ("user.id", serde_json::json!("us-1"), user),
    ] {
        let mut event = serde_json::json!({
            "type": "restart", "app_id": "5343eccd646173000a140000", "app_name": "my-app",
            "user": { "username": "jane", "email": "jane@example.com", "id": "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac" },
        });
        *event
            .pointer_mut(&format!("/{}", field.replace('.', "/")))
            .unwrap_or(&mut serde_json::Value::Null) = value.clone();
        if field == "id" {
            event["id"] = value.clone();
        }
        let body = serde_json::json!({ "events": [event] }).to_string();
        let answer = service.post("/v1/events", OPERATOR, &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field} {value}");
        let expected = serde_json::json!({ "errors": { format!("events[0].{field}"): [message] } });
        assert_eq!(answer.json(), expected, "{value}");
    }
}

#[tokio::test]
async fn a_feature_that_annals_lacks_is_named_with_what_to_use_instead() {
    let (mut service, jane) = service().await;
    for (method, path, text) in [
        (
            "GET",
            "/v1/apps/my-app/notifiers",
            "annals does not offer notifiers; read GET /v1/apps/{app}/events",
        ),
        ("POST", "/v1/apps/my-app/alerts", "annals does not offer alerts; report them with POST /v1/events"),
        (
            "POST",
            "/v1/apps/my-app/autoscalers",
            "annals does not offer autoscalers; scale with POST /v1/apps/{app}/scale",
        ),
        ("GET", "/v1/projects", "annals does not offer projects; GET /v1/apps lists all apps"),
        (
            "GET",
            "/v1/apps/my-app/stats/cpu",
            "annals does not offer container metrics; it records what happens and runs nothing",
        ),
        (
            "GET",
            "/api/databases/ad-1/backups",
            "annals does not offer database management; it has the features and the maintenance of an add-on's database, at /api/databases/{addon}",
        ),
    ] {
        let answer = service.play(method, path, &jane, "", "").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.json(), serde_json::json!({ "error": text }), "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_gets_the_one_that_was_meant() {
    let (mut service, jane) = service().await;
    for (path, text) in [
        ("/apps", "no such path; did you mean /v1/apps? list: /docs"),
        ("/v1/app/my-app/event", "no such path; did you mean /v1/apps/my-app/events? list: /docs"),
        ("/v1/nothing", "no such path; list: /docs"),
    ] {
        let answer = service.get(path, &jane).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.json(), serde_json::json!({ "error": text }), "{path}");
    }
}

#[tokio::test]
async fn the_root_leads_to_the_documentation() {
    let mut service = TestService::start().await;
    let answer = service.play("GET", "/", "", "accept: text/html,application/xhtml+xml", "").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.headers["location"], "/docs");
    let answer = service.get("/", "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["documentation"], "/docs");
    for path in ["documentation", "openapi"] {
        let path = answer.json()[path].as_str().unwrap().to_owned();
        assert_eq!(service.get(&path, "").await.status, StatusCode::OK, "{path}");
    }
}
