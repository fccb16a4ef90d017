//! What existing clients send, and what they need in the response. The requests are those of the official clients, written down
//! by hand from their sources: the Go library and the Terraform provider over it.

use std::io::{Read, Write};

use annals_server::Config;
use axum::body::Body;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderValue, Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, JOHN, OPERATOR, TestService};

/// A service with an app of jane's, and her token.
async fn with_app() -> (TestService, String) {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let created = service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
    assert_eq!(created.status, StatusCode::CREATED);
    (service, jane)
}

#[tokio::test]
async fn terraform_sets_and_deletes_no_variables_of_an_app_without_any() {
    let (mut service, jane) = with_app().await;
    let path = "/v1/apps/my-app/variables";
    for body in [r#"{"variables":null}"#, r#"{"variables":[]}"#, "{}", "null", ""] {
        let set = service.play("PUT", path, &jane, "", body).await;
        assert_eq!((set.status, set.json()), (StatusCode::OK, json!({ "variables": [] })), "{body}");
    }
    for body in [r#"{"variable_ids":null}"#, r#"{"variable_ids":[]}"#, "{}", ""] {
        let deleted = service.play("DELETE", path, &jane, "", body).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{body}");
    }
    assert_eq!(service.event_types("my-app", &jane).await, ["new_app"]);
}

#[tokio::test]
async fn terraform_links_a_repository_and_has_nothing_more_to_change() {
    let (mut service, jane) = with_app().await;
    let forge = r#"{"scm_integration":{"scm_type":"github","url":"","access_token":"ghp_secret"}}"#;
    service.post("/v1/scm_integrations", &jane, forge).await;
    let link = json!({ "scm_repo_link": {
        "source": "https://github.com/jane/my-app", "branch": "main", "auto_deploy_enabled": true,
        "deploy_review_apps_enabled": false, "auth_integration_uuid": "github",
    } });
    let linked = service.post("/v1/apps/my-app/scm_repo_link", &jane, &link.to_string()).await;
    assert_eq!(linked.status, StatusCode::CREATED, "{}", linked.text());
    let shown = service.get("/v1/apps/my-app/scm_repo_link", &jane).await.json();
    // The provider's defaults of what it leaves out.
    for (setting, value) in [
        ("delete_on_close_enabled", json!(true)),
        ("hours_before_delete_on_close", json!(0)),
        ("delete_stale_enabled", json!(false)),
        ("hours_before_delete_stale", json!(0)),
        ("automatic_creation_from_forks_allowed", json!(false)),
    ] {
        assert_eq!(shown["scm_repo_link"][setting], value, "{setting}");
    }
    // What a client turns off stays off.
    let off = r#"{"scm_repo_link":{"delete_on_close_enabled":false}}"#;
    service.play("PATCH", "/v1/apps/my-app/scm_repo_link", &jane, "", off).await;
    let branch = r#"{"scm_repo_link":{"branch":"other"}}"#;
    let changed = service.play("PATCH", "/v1/apps/my-app/scm_repo_link", &jane, "", branch).await.json();
    assert_eq!(changed["scm_repo_link"]["delete_on_close_enabled"], false);
}

#[tokio::test]
async fn a_feature_takes_those_that_require_it_along() {
    let (mut service, jane) = with_app().await;
    // The identifier in Scalingo's documentation.
    let addon = r#"{"addon":{"addon_provider_id":"scalingo-redis","plan_id":"redis-sandbox"}}"#;
    let addon = service.post("/v1/apps/my-app/addons", &jane, addon).await.json()["addon"]["id"].clone();
    let path = format!("/api/databases/{}/features", addon.as_str().unwrap());
    for feature in ["force-ssl", "publicly-available"] {
        let added = service.post(&path, &jane, &json!({ "feature": { "name": feature } }).to_string()).await;
        assert!(added.status.is_success(), "{}", added.text());
    }
    let removed = service.play("DELETE", &format!("{path}?feature=force-ssl"), &jane, "", "").await;
    assert_eq!(removed.status, StatusCode::OK, "{}", removed.text());
    let events = service.get("/v1/apps/my-app/events", &jane).await.json();
    let names = |event: &Value| (event["type"].clone(), event["type_data"]["feature"].clone());
    let newest: Vec<_> = events["events"].as_array().unwrap()[..2].iter().map(names).collect();
    let removal = |feature: &str| (json!("database/remove_feature"), json!(feature));
    assert_eq!(newest, [removal("force-ssl"), removal("publicly-available")]);
    // The provider removes the other one next. It is gone already.
    let again = service.play("DELETE", &format!("{path}?feature=publicly-available"), &jane, "", "").await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
    let unknown = service.play("DELETE", &format!("{path}?feature=no-such"), &jane, "", "").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{}", unknown.text());
    assert_eq!(service.event_types("my-app", &jane).await.len(), events["events"].as_array().unwrap().len());
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

async fn report(service: &TestService, encoding: &str, body: Vec<u8>) -> Answer {
    let request = Request::post("/v1/events")
        .header("authorization", format!("Bearer {OPERATOR}"))
        .header("content-type", "application/json")
        .header("content-encoding", encoding);
    service.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn bodies_may_be_compressed_and_are_bounded_after_decompression() {
    let service = TestService::start().await;
    let events = json!({ "events": [{
        "app_id": "5343eccd646173000a140000", "app_name": "my-app", "type": "restart", "type_data": {},
    }] });
    let accepted = report(&service, "gzip", gzip(events.to_string().as_bytes())).await;
    assert_eq!(accepted.status, StatusCode::CREATED, "{}", accepted.text());
    let bomb = report(&service, "gzip", gzip(&vec![b' '; 64 << 20])).await;
    assert_eq!(bomb.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", bomb.text());
    let torn = report(&service, "gzip", b"no gzip".to_vec()).await;
    assert_eq!(torn.json()["error"], "the body is not what Content-Encoding: gzip says");
    assert_eq!(torn.status, StatusCode::BAD_REQUEST);
    let unknown = report(&service, "compress", b"{}".to_vec()).await;
    assert_eq!(unknown.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_slash_at_the_end_and_a_byte_order_mark_make_no_difference() {
    let (mut service, jane) = with_app().await;
    for path in ["/v1/apps/my-app/", "/v1/apps/my-app/events/?page=0&per_page=0", "/v1/apps/", "/healthz/"] {
        assert_eq!(service.get(path, &jane).await.status, StatusCode::OK, "{path}");
    }
    let body = "\u{feff}{\"variable\":{\"name\":\"A\",\"value\":\"1\"}}";
    assert_eq!(service.post("/v1/apps/my-app/variables/", &jane, body).await.status, StatusCode::CREATED);
    let event =
        r#"{"app_id":"5343eccd646173000a140001","app_name":"other-app","type":"restart","type_data":{}}"#;
    for (kind, body) in [
        ("application/json", format!("\u{feff}{{\"events\":[{event}]}}")),
        ("application/x-ndjson", format!("\u{feff}{event}\n")),
    ] {
        let head = format!("content-type: {kind}");
        let accepted = service.play("POST", "/v1/events", OPERATOR, &head, &body).await;
        assert_eq!(accepted.status, StatusCode::CREATED, "{kind}: {}", accepted.text());
    }
}

#[tokio::test]
async fn scripts_of_allowed_origins_may_call_from_browsers() {
    const ALLOWED: &str = "https://dashboard.example.com";
    let config = Config { allowed_origins: vec![HeaderValue::from_static(ALLOWED)], ..Config::default() };
    let mut service = TestService::start_with(config).await;
    let jane = service.register("jane", None).await;
    let ask = |method: Method, origin: &str| {
        Request::builder()
            .method(method)
            .uri("/v1/apps")
            .header("origin", origin)
            .header("authorization", format!("Bearer {jane}"))
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization, content-type")
            .body(Body::empty())
            .unwrap()
    };
    let preflight = service.send(ask(Method::OPTIONS, ALLOWED)).await;
    assert_eq!(preflight.status, StatusCode::OK);
    assert_eq!(preflight.headers["access-control-allow-origin"], ALLOWED);
    assert_eq!(preflight.headers["access-control-allow-headers"], "authorization, content-type");
    assert!(preflight.headers["access-control-allow-methods"].to_str().unwrap().contains("PATCH"));
    let listed = service.send(ask(Method::GET, ALLOWED)).await;
    assert_eq!(listed.status, StatusCode::OK);
    assert_eq!(listed.headers["access-control-allow-origin"], ALLOWED);
    assert!(listed.headers["access-control-expose-headers"].to_str().unwrap().contains("x-request-id"));
    for method in [Method::OPTIONS, Method::GET] {
        let refused = service.send(ask(method, "https://elsewhere.example.com")).await;
        assert!(!refused.headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn a_page_of_a_timeline_can_be_reported_elsewhere() {
    const EVENTS: &str = "/v1/apps/5343eccd646173000a140000/events?per_page=100";
    let mut here = TestService::start().await;
    here.report_examples().await;
    let page = here.get(EVENTS, OPERATOR).await;
    let mut elsewhere = TestService::start().await;
    let reported = elsewhere.post("/v1/events", OPERATOR, page.text()).await;
    assert_eq!(reported.status, StatusCode::CREATED, "{}", reported.text());
    let same = elsewhere.get(EVENTS, OPERATOR).await;
    assert!(page.json()["events"].as_array().unwrap().len() > 20);
    assert_eq!(same.text(), page.text());
}

#[tokio::test]
async fn long_responses_are_compressed_for_those_who_take_it() {
    let mut service = TestService::start().await;
    service.report_examples().await;
    for (path, is_compressed) in [
        ("/v1/apps/5343eccd646173000a140000/events?per_page=100", true),
        ("/v1/apps/5343eccd646173000a140000/events?per_page=1", false),
        ("/v1/apps/5343eccd646173000a140000/events?from=72", true),
        ("/openapi.json", true),
        ("/docs", true),
    ] {
        let plain = service.get(path, OPERATOR).await;
        let request = Request::get(path)
            .header("authorization", format!("Bearer {OPERATOR}"))
            .header("accept-encoding", "gzip");
        let answer = service.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.headers.contains_key("content-encoding"), is_compressed, "{path}");
        if is_compressed {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&*answer.body).read_to_string(&mut text).unwrap();
            assert_eq!(text, plain.text(), "{path}");
            assert!(answer.body.len() * 2 < text.len(), "{path}");
        }
    }
}

#[tokio::test]
async fn numbers_come_back_as_they_were_sent() {
    let mut service = TestService::start().await;
    let john = service.register_john().await;
    let user = json!({ "id": JOHN, "username": "johndoe", "email": "john@doe.com" });
    for amount in ["9007199254740993", "50", "50.0", "0.1", "18446744073709551615"] {
        let event = format!(
            r#"{{"user":{user},"type":"add_credit","type_data":{{"payment_method":"paypal","amount":{amount}}}}}"#
        );
        let reported = service.post("/v1/events", OPERATOR, &format!(r#"{{"events":[{event}]}}"#)).await;
        assert_eq!(reported.status, StatusCode::CREATED, "{}", reported.text());
        let shown = service.get("/v1/events?per_page=1", &john).await;
        let expected = format!(r#""amount":{amount},"value":{amount}}}"#);
        assert!(shown.text().contains(&expected), "{amount}: {}", shown.text());
    }
}

#[tokio::test]
async fn the_operator_names_users_by_their_names() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let joe = service.register("joe", None).await;
    let credit = r#"{"credit":{"payment_method":"paypal","amount":5}}"#;
    let added = service.post("/v1/operator/users/jane/credits", OPERATOR, credit).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text());
    let timeline = service.get("/v1/users/jane/events", OPERATOR).await;
    assert_eq!(timeline.json()["events"][0]["type"], "add_credit");
    assert_eq!(service.get("/v1/users/jane/events", &jane).await.text(), timeline.text());
    for path in ["/v1/users/jane/events", "/v1/users/nobody/events"] {
        let hidden = service.get(path, &joe).await;
        assert_eq!(
            (hidden.status, hidden.json()["resource"].clone()),
            (StatusCode::NOT_FOUND, json!("user"))
        );
    }
    let mails = service.get("/v1/operator/users/jane/outbox", OPERATOR).await;
    assert_eq!(mails.json(), json!({ "mails": [] }));
}

#[tokio::test]
async fn the_official_cli_gets_words_where_it_asks_for_what_nothing_here_can_do() {
    let (mut service, jane) = with_app().await;
    let addon = r#"{"addon":{"addon_provider_id":"scalingo-redis","plan_id":"redis-sandbox"}}"#;
    let addon = service.post("/v1/apps/my-app/addons", &jane, addon).await.json()["addon"].clone();
    // `--addon redis` looks for this name.
    assert_eq!(addon["addon_provider"]["name"], "Redis® OSS");
    let path = format!("/api/databases/{}", addon["id"].as_str().unwrap());
    let backups = r#"{"database":{"periodic_backups_enabled":true,"periodic_backups_scheduled_at":3}}"#;
    let backups = service.play("PATCH", &path, &jane, "", backups).await;
    assert_eq!(backups.status, StatusCode::NOT_FOUND);
    assert_eq!(
        backups.json()["error"],
        "annals does not offer backups of databases; configure them on your platform"
    );

    // `one-off-stop web-1` names what `ps` lists.
    service.post("/v1/apps/my-app/scale", &jane, r#"{"containers":[{"name":"web","amount":1}]}"#).await;
    let deployment = json!({ "deployment": { "status": "success", "git_ref": "main" } }).to_string();
    service.post("/v1/apps/my-app/deployments", OPERATOR, &deployment).await;
    let containers = service.get("/v1/apps/my-app/ps", &jane).await.json()["containers"].clone();
    assert_eq!(containers[0]["label"], "web-1");
    let path = format!("/v1/apps/my-app/containers/{}/stop", containers[0]["id"].as_str().unwrap());
    let stopped = service.post(&path, &jane, "").await;
    assert_eq!(stopped.status, StatusCode::UNPROCESSABLE_ENTITY);
    let message = "web-1 is no one-off container: scale web down to stop it";
    assert_eq!(stopped.json()["errors"], json!({ "container": [message] }));

    // `integrations-add github` prints this address.
    let page = service.get("/users/github/link", "").await;
    assert!(page.text().contains("/v1/scm_integrations"), "{}", page.text());
    let forge = r#"{"scm_integration":{"scm_type":"github","access_token":"ghp_secret"}}"#;
    service.post("/v1/scm_integrations", &jane, forge).await;
    let event = service.get("/v1/events?per_page=1", &jane).await.json()["events"][0].clone();
    assert_eq!(event["type_data"]["data"]["login"], "jane");
}
