//! `Idempotency-Key`: a request that is sent twice is done once, or is refused before it is done.

use annals_model::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use crate::dry_run::{Call, Who, World, calls};
use crate::harness::{Answer, OPERATOR, TestService};

const NOT_SUPPORTED: &str = r#"{"error":"Idempotency-Key is not supported here; nothing was done"}"#;
const NOT_A_KEY: &str = r#"{"error":"Idempotency-Key must be one header with 1 to 255 printable ASCII characters; nothing was done"}"#;
const KEY: &str = "idempotency-key: k1";

/// A call with the credential that its operation takes.
async fn send(world: &mut World, call: &Call, key: &str) -> Answer {
    let Call { id, who, method, path, kind, body, .. } = call;
    let head = format!("content-type: {kind}\n{key}");
    if id.starts_with("configure_provider_app") {
        let head = format!("{head}\nauthorization: Basic {}", STANDARD.encode("redis:a long password"));
        let path = path.replace("{resource}", &world.filled("{addon}"));
        return world.service.play(method, &path, "", &head, body).await;
    }
    if id == "receive_webhook" {
        let hook = world.ask(Who::Jane, "GET", "/v1/apps/my-app/scm_repo_link/hook", "", "").await.json();
        let secret = hook["hook"]["secret"].as_str().unwrap();
        let head = format!("{head}\nx-gitlab-event: Push Hook\nx-gitlab-token: {secret}");
        let push = json!({
            "object_kind": "push", "ref": "refs/heads/main", "after": "c0ffee", "commits": [],
            "project": { "id": 7, "web_url": "https://github.com/jane/my-app", "path_with_namespace": "jane/my-app" },
        });
        return world
            .service
            .play(method, "/v1/apps/my-app/scm_repo_link/hook", "", &head, &push.to_string())
            .await;
    }
    let who = if id == "create_token" { Who::Jane } else { *who };
    // The example's user exists.
    let body = if id == "register_user" { &body.replace("jane", "ann") } else { body };
    world.ask(who, method, path, &head, body).await
}

async fn with_a_provider() -> World {
    let world = World::new().await;
    let service = world.service.state.service();
    let mut directory = (*service.directory().await.unwrap()).clone();
    let redis = directory.addon_providers.iter_mut().find(|provider| provider.id == "redis").unwrap();
    redis.password = Some(Secret("a long password".to_owned()));
    service.set_directory(directory).await.unwrap();
    world
}

/// Changes what answers show, as far as it is still there.
async fn change_everything(world: &mut World) {
    for (who, method, path, body) in [
        (
            Who::Jane,
            "POST",
            "/v1/apps/my-app/scale",
            r#"{"containers":[{"name":"web","amount":7,"size":"XL"}]}"#,
        ),
        (
            Who::Jane,
            "PUT",
            "/v1/apps/my-app/variables",
            r#"{"variables":[{"name":"LOG_LEVEL","value":"error"}]}"#,
        ),
        (Who::Jane, "PATCH", "/v1/apps/my-app", r#"{"app":{"router_logs":true}}"#),
        (Who::Jane, "PATCH", "/v1/apps/my-app/scm_repo_link", r#"{"scm_repo_link":{"branch":"other"}}"#),
        (
            Who::Jane,
            "PATCH",
            "/v1/apps/my-app/collaborators/{collaborator}",
            r#"{"collaborator":{"is_limited":false}}"#,
        ),
        (
            Who::Jane,
            "PATCH",
            "/api/databases/{database}",
            r#"{"database":{"maintenance_window":{"weekday_utc":5,"starting_hour_utc":1}}}"#,
        ),
        (
            Who::Operator,
            "POST",
            "/v1/operator/users/{user}/credits",
            r#"{"credit":{"payment_method":"paypal","amount":9}}"#,
        ),
        (Who::Operator, "POST", "/v1/apps/my-app/scm_repo_link/pulls/{pull}/close", ""),
        (
            Who::Operator,
            "POST",
            "/api/databases/{database}/maintenance/{started}/complete",
            r#"{"status":"failed"}"#,
        ),
        (Who::Operator, "POST", "/api/databases/{database}/maintenance/{planned}/cancel", ""),
    ] {
        world.ask(who, method, path, "", body).await;
    }
}

#[tokio::test]
async fn an_operation_that_is_sent_twice_is_done_once_or_refused() {
    let (mut honored, mut refused) = (0, 0);
    for call in calls() {
        let mut world = with_a_provider().await;
        let before = world.stored();
        let first = send(&mut world, &call, KEY).await;
        let id = &call.id;
        if !call.is_repeatable {
            assert_eq!((first.status, first.text()), (StatusCode::BAD_REQUEST, NOT_SUPPORTED), "{id}");
            assert!(world.stored() == before, "{id} changed something");
            refused += 1;
            continue;
        }
        honored += 1;
        assert!(first.status.is_success(), "{id}: {} {}", first.status, String::from_utf8_lossy(&first.body));
        let does_nothing = id == "reset_deployment_cache";
        assert_eq!(world.stored() == before, does_nothing, "{id}");
        change_everything(&mut world).await;
        world.service.clock.advance(std::time::Duration::from_secs(1));
        let once = world.stored();
        let second = send(&mut world, &call, KEY).await;
        assert!(world.stored() == once, "{id} was done twice");
        // The path names what is gone.
        if ["delete_app", "rename_app"].contains(&&**id) {
            assert_eq!(second.status, StatusCode::NOT_FOUND, "{id}");
            continue;
        }
        assert_eq!(
            (second.status, &second.headers["x-request-id"]),
            (first.status, &first.headers["x-request-id"])
        );
        assert_eq!(second.headers.get("location"), first.headers.get("location"), "{id}");
        if id == "receive_webhook" {
            // Whoever reads the forge's list of deliveries sees what each did.
            let nothing = json!({ "recorded": [], "reason": "the delivery was received before" });
            assert_eq!(second.json(), nothing);
            continue;
        }
        let is_secret = first.body.windows(6).any(|bytes| bytes == b"tk-us-" || bytes == b"tk-au-");
        match is_secret {
            true => {
                let mut first = first.json();
                first["token"].as_object_mut().unwrap().remove("token").unwrap();
                assert_eq!(second.json(), first, "{id}: the secret is not repeated");
            }
            false => assert_eq!(
                String::from_utf8_lossy(&second.body),
                String::from_utf8_lossy(&first.body),
                "{id}: the first answer"
            ),
        }
    }
    assert!(honored > 60 && refused > 5, "{honored} {refused}");
}

#[tokio::test]
async fn a_malformed_key_is_refused_by_every_operation() {
    let mut world = with_a_provider().await;
    let before = world.stored();
    let long = "k".repeat(256);
    for call in calls() {
        for value in ["", "k1\tk2", "k\u{e9}", "k1\nidempotency-key: k1", &long] {
            let answer = send(&mut world, &call, &format!("idempotency-key: {value}")).await;
            assert_eq!(
                (answer.status, answer.text()),
                (StatusCode::BAD_REQUEST, NOT_A_KEY),
                "{}: {value}",
                call.id
            );
        }
    }
    assert!(world.stored() == before);
}

#[tokio::test]
async fn no_secret_is_stored_for_repeats() {
    let mut world = with_a_provider().await;
    for (method, path, body) in
        [("POST", "/v1/tokens", r#"{"token":{"name":"laptop"}}"#), ("PATCH", "/v1/tokens/{token}/renew", "")]
    {
        let answer = world.ask(Who::Jane, method, path, &format!("{KEY}{}", path.len()), body).await;
        let secret = answer.json()["token"]["token"].as_str().unwrap().to_owned();
        let stored = world.stored();
        assert!(!stored.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{path}");
        // It is the one that counts.
        let found = world.service.get("/v1/users/self", &secret).await;
        assert_eq!(found.status, StatusCode::OK, "{path}");
    }
    // What events have in clear is there once: the stored outcome has no copy.
    for (path, body) in [
        ("/v1/apps/my-app/log_drains", r#"{"drain":{"type":"appsignal","token":"0f4e2a9c-canary"}}"#),
        ("/v1/apps/my-app/run", r#"{"command":"0f4e2a9c-canary","detached":true}"#),
    ] {
        let count = |world: &World| {
            let stored = world.stored();
            stored.windows(15).filter(|bytes| *bytes == b"0f4e2a9c-canary").count()
        };
        let mut counts = Vec::new();
        for key in ["", "idempotency-key: once"] {
            let mut world = World::new().await;
            let answer = world.ask(Who::Jane, "POST", path, key, body).await;
            assert!(answer.status.is_success(), "{path}: {}", answer.text());
            counts.push(count(&world));
        }
        assert!(counts[0] > 0 && counts[0] == counts[1], "{path}: {counts:?}");
    }
}

#[tokio::test]
async fn a_key_belongs_to_its_caller_and_a_registration_with_a_password_has_none() {
    let mut world = with_a_provider().await;
    // The operator, a provider and two users may use the same key.
    for (who, path, body) in [
        (Who::Operator, "/v1/operator/vouchers", r#"{"voucher":{"code":"SPRING","amount":1}}"#),
        (Who::Jane, "/v1/tokens", r#"{"token":{"name":"one"}}"#),
        (Who::Kim, "/v1/tokens", r#"{"token":{"name":"two"}}"#),
    ] {
        assert_eq!(world.ask(who, "POST", path, KEY, body).await.status, StatusCode::CREATED, "{path}");
    }
    let call = calls().into_iter().find(|call| call.id == "configure_provider_app").unwrap();
    assert_eq!(send(&mut world, &call, KEY).await.status, StatusCode::OK);
    let other = world.ask(Who::Jane, "POST", "/v1/tokens", KEY, r#"{"token":{"name":"other"}}"#).await;
    assert_eq!(other.status, StatusCode::CONFLICT);

    let before = world.stored();
    let body = r#"{"user":{"username":"sam","email":"sam@example.com","password":"correct horse battery"}}"#;
    let answer = world.ask(Who::Operator, "POST", "/v1/users", "idempotency-key: k2", body).await;
    let text = r#"{"error":"Idempotency-Key is not supported with a password; nothing was done"}"#;
    assert_eq!((answer.status, answer.text()), (StatusCode::BAD_REQUEST, text));
    assert!(world.stored() == before);

    // A repeated sign-in needs the password again.
    world.ask(Who::Operator, "POST", "/v1/users", "", body).await;
    let mut sign_in = async |password: &str| {
        let basic = STANDARD.encode(format!("sam:{password}"));
        let head = format!("{KEY}\nauthorization: Basic {basic}");
        world.service.play("POST", "/v1/tokens", "", &head, r#"{"token":{"name":"cli"}}"#).await
    };
    let first = sign_in("correct horse battery").await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(sign_in("wrong horse battery").await.status, StatusCode::UNAUTHORIZED);
    let second = sign_in("correct horse battery").await;
    assert_eq!(second.status, StatusCode::CREATED);
    let id = |answer: &Answer| answer.json()["token"]["id"].clone();
    assert_eq!(id(&second), id(&first));
    assert!(second.json()["token"].get("token").is_none());
    let token = first.json()["token"]["token"].as_str().unwrap().to_owned();
    let tokens = world.service.get("/v1/tokens", &token).await.json();
    assert_eq!(tokens["tokens"].as_array().unwrap().len(), 2, "{tokens}");
}

/// Sends a JSON request, and returns the status and the body.
async fn ask(
    service: &mut TestService,
    token: &str,
    line: &str,
    key: &str,
    body: Value,
) -> (StatusCode, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let head = if key.is_empty() { String::new() } else { format!("idempotency-key: {key}") };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = service.play(method, path, token, &head, &body).await;
    (answer.status, if answer.body.is_empty() { Value::Null } else { answer.json() })
}

#[tokio::test]
async fn a_repeat_asks_for_the_role_again() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let kim = service.register("kim", None).await;
    let create = json!({ "app": { "name": "my-app", "git_source": "https://u:secret@git.example/my-app" } });
    let created = ask(&mut service, &jane, "POST /v1/apps", "create", create.clone()).await;
    assert_eq!(created.0, StatusCode::CREATED);
    let invite = json!({ "collaborator": { "email": "kim@example.com", "is_limited": false } });
    let (_, invited) = ask(&mut service, &jane, "POST /v1/apps/my-app/collaborators", "", invite).await;
    let link = invited["collaborator"]["invitation_link"].as_str().unwrap();
    let token = json!({ "token": link.split_once("token=").unwrap().1 });
    let accepted = ask(&mut service, &kim, "POST /v1/apps/collaboration", "accept", token.clone()).await;
    assert_eq!(accepted.0, StatusCode::OK);

    // Jane's app becomes Kim's, and Jane stays.
    let transfer = json!({ "app": { "owner": "kim@example.com" }, "current_name": "my-app" });
    let moved = ask(&mut service, &jane, "PATCH /v1/apps/my-app", "move", transfer.clone()).await;
    assert_eq!(moved.0, StatusCode::OK);
    assert_eq!(ask(&mut service, &jane, "PATCH /v1/apps/my-app", "move", transfer).await, moved);
    assert_eq!(ask(&mut service, &jane, "POST /v1/apps", "create", create.clone()).await, created);
    assert_eq!(created.1["app"]["owner"]["username"], "jane");
    // A limited collaborator sees no credentials, not even in the answer they once got.
    let (_, listed) = ask(&mut service, &kim, "GET /v1/apps/my-app/collaborators", "", Value::Null).await;
    let id = listed["collaborators"][0]["id"].as_str().unwrap().to_owned();
    let one = format!("/v1/apps/my-app/collaborators/{id}");
    let limited = json!({ "collaborator": { "is_limited": true } });
    ask(&mut service, &kim, &format!("PATCH {one}"), "", limited).await;
    let (status, seen) = ask(&mut service, &jane, "POST /v1/apps", "create", create.clone()).await;
    assert_eq!(
        (status, &seen["app"]["git_source"]),
        (StatusCode::CREATED, &json!("https://git.example/my-app"))
    );
    // Once Jane is out, there is no such app for her.
    ask(&mut service, &kim, &format!("DELETE {one}"), "", Value::Null).await;
    let (status, gone) = ask(&mut service, &jane, "POST /v1/apps", "create", create).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{gone}");
    assert!(!gone.to_string().contains("kim"), "{gone}");

    // The same for an accepted invitation, by its link too.
    assert_eq!(
        ask(&mut service, &kim, "POST /v1/apps/collaboration", "accept", token.clone()).await,
        accepted
    );
    let invite = json!({ "collaborator": { "email": "jane@example.com", "is_limited": false } });
    let (_, invited) = ask(&mut service, &kim, "POST /v1/apps/my-app/collaborators", "", invite).await;
    let link = invited["collaborator"]["invitation_link"].as_str().unwrap();
    let line = format!("GET /v1/apps/collaboration?{}", link.split_once('?').unwrap().1);
    let accepted = ask(&mut service, &jane, &line, "back", Value::Null).await;
    assert_eq!(accepted.0, StatusCode::OK);
    assert_eq!(ask(&mut service, &jane, &line, "back", Value::Null).await, accepted);
    let id = ask(&mut service, &kim, "GET /v1/apps/my-app/collaborators", "", Value::Null).await.1;
    let id = id["collaborators"][0]["id"].as_str().unwrap().to_owned();
    ask(&mut service, &kim, &format!("DELETE /v1/apps/my-app/collaborators/{id}"), "", Value::Null).await;
    let (status, gone) = ask(&mut service, &jane, &line, "back", Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{gone}");
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_whatever_happened_since() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let create = json!({ "app": { "name": "my-app" } });
    let (_, created) = ask(&mut service, &jane, "POST /v1/apps", "create", create.clone()).await;
    let app = format!("/v1/apps/{}", created["app"]["id"].as_str().unwrap());
    let scale = |amount: u32| json!({ "containers": [{ "name": "web", "amount": amount }] });
    let deploy = json!({ "deployment": { "source_url": "https://example.com/my-app.tar.gz" } });
    let mut answers = Vec::new();
    let requests = [
        ("scale", scale(2)),
        ("rename", json!({ "current_name": "my-app", "new_name": "our-app" })),
        ("deployments", deploy),
        ("run", json!({ "command": "bin/console", "detached": true })),
        ("variables", json!({ "variable": { "name": "LOG_LEVEL", "value": "debug" } })),
        ("collaborators", json!({ "collaborator": { "email": "sam@example.com" } })),
    ];
    for (path, body) in &requests {
        let line = format!("POST {app}/{path}");
        let answer = ask(&mut service, &jane, &line, path, body.clone()).await;
        assert!(answer.0.is_success(), "{path}: {answer:?}");
        answers.push((line, *path, body.clone(), answer));
    }
    let id = |pointer: &str, answers: &[(String, &str, Value, (StatusCode, Value))]| {
        let mut found = answers.iter().filter_map(|(.., (_, body))| body.pointer(pointer));
        found.next().unwrap().as_str().unwrap().to_owned()
    };
    let deployment = format!("PATCH {app}/deployments/{}", id("/deployment/id", &answers));
    let success = json!({ "deployment": { "status": "success", "duration": 7 } });
    let log = format!("PATCH {app}/audit_logs/{}", id("/container/id", &answers));
    for (token, line, body) in [
        (&*jane, format!("POST {app}/scale"), scale(1)),
        (&jane, format!("POST {app}/rename"), json!({ "current_name": "our-app", "new_name": "their-app" })),
        (OPERATOR, deployment, success),
        (OPERATOR, log, json!({ "finished": true })),
        (
            &jane,
            format!("PUT {app}/variables"),
            json!({ "variables": [{ "name": "LOG_LEVEL", "value": "info" }] }),
        ),
    ] {
        let answer = ask(&mut service, token, &line, "", body).await;
        assert!(answer.0.is_success(), "{line}: {answer:?}");
    }
    for (line, key, body, first) in answers {
        assert_eq!(ask(&mut service, &jane, &line, key, body).await, first, "{line}");
    }
    assert_eq!(ask(&mut service, &jane, "POST /v1/apps", "create", create).await.1, created);
    assert_eq!(created["app"]["name"], "my-app");
}
