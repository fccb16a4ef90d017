//! Who learns a secret, how long it is good for, and how often it may be guessed.

use std::num::NonZeroU32;

use annals_server::Config;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Answer, OPERATOR, TestService};

/// Asks as an add-on provider.
async fn as_provider(service: &mut TestService, name: &str, password: &str) -> StatusCode {
    let head = format!("authorization: Basic {}", STANDARD.encode(format!("{name}:{password}")));
    service.play("GET", "/v1/provider/apps", "", &head, "").await.status
}

#[tokio::test]
async fn guesses_of_a_provider_s_password_are_limited_also_if_one_is_right() {
    const PASSWORD: &str = "a long password";
    let limited = Config { attempts_per_minute: NonZeroU32::new(5), ..Config::default() };
    for first_is_right in [true, false] {
        let mut service = TestService::start_with(limited.clone()).await;
        let mut directory = serde_json::to_value(annals_model::Directory::default()).unwrap();
        directory["addon_providers"][0]["password"] = PASSWORD.into();
        let name = directory["addon_providers"][0]["id"].as_str().unwrap().to_owned();
        let put = service.play("PUT", "/v1/addon_providers", OPERATOR, "", &directory.to_string()).await;
        assert_eq!(put.status, StatusCode::OK, "{}", put.text());
        assert!(!put.text().contains(PASSWORD));
        let stored = service.state.service().directory().await.unwrap();
        let stored = serde_json::to_value(&*stored).unwrap();
        assert!(stored["addon_providers"][0]["password_hash"].as_str().unwrap().starts_with("$argon2id$"));
        assert_eq!(stored["addon_providers"][0].get("password"), None);

        if first_is_right {
            // Whoever has proved who they are is not limited.
            for _ in 0..20 {
                assert_eq!(as_provider(&mut service, &name, PASSWORD).await, StatusCode::OK);
            }
        }
        let guesses = if first_is_right { 4 } else { 5 };
        for _ in 0..guesses {
            assert_eq!(as_provider(&mut service, &name, "a wrong password").await, StatusCode::UNAUTHORIZED);
        }
        for password in ["a wrong password", PASSWORD] {
            assert_eq!(as_provider(&mut service, &name, password).await, StatusCode::TOO_MANY_REQUESTS);
        }
    }
}

#[tokio::test]
async fn a_directory_with_a_bad_password_is_refused() {
    let mut service = TestService::start().await;
    for (field, value) in [("password", "short"), ("password_hash", "5e884898da28047151d0e56f8dc62927")] {
        let mut directory = serde_json::to_value(annals_model::Directory::default()).unwrap();
        directory["addon_providers"][0][field] = value.into();
        let put = service.play("PUT", "/v1/addon_providers", OPERATOR, "", &directory.to_string()).await;
        assert_eq!(put.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        assert!(put.text().contains(field) && !put.text().contains(value), "{}", put.text());
    }
}

async fn must(service: &mut TestService, method: &str, path: &str, token: &str, body: &str) -> Value {
    let answer = service.play(method, path, token, "", body).await;
    assert!(answer.status.is_success(), "{method} {path}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// Invites somebody, and returns the token of the link and the identifier of the invitation.
async fn invite(service: &mut TestService, token: &str, email: &str, is_limited: bool) -> (String, String) {
    let body = json!({ "collaborator": { "email": email, "is_limited": is_limited } }).to_string();
    let invited = must(service, "POST", "/v1/apps/my-app/collaborators", token, &body).await;
    let link = invited["collaborator"]["invitation_link"].as_str().unwrap();
    let id = invited["collaborator"]["id"].as_str().unwrap().to_owned();
    (link.split_once("token=").unwrap().1.to_owned(), id)
}

async fn accept(service: &mut TestService, token: &str, invitation: &str) -> Answer {
    service.get(&format!("/v1/apps/collaboration?token={invitation}"), token).await
}

#[tokio::test]
async fn an_invitation_serves_its_invitee_alone() {
    let mut service = TestService::start().await;
    let (jane, colin) = (service.register("jane", None).await, service.register("colin", None).await);
    let sam = service.register("sam", None).await;
    must(&mut service, "POST", "/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
    let (of_colin, colin_id) = invite(&mut service, &jane, "colin@example.com", false).await;
    assert_eq!(accept(&mut service, &colin, &of_colin).await.status, StatusCode::OK);
    // Colin sees the link of another invitation, and is removed.
    let (of_sam, _) = invite(&mut service, &colin, "Sam@Example.com", false).await;
    must(&mut service, "DELETE", &format!("/v1/apps/my-app/collaborators/{colin_id}"), &jane, "").await;
    assert_eq!(accept(&mut service, &colin, &of_sam).await.status, StatusCode::FORBIDDEN);
    assert_eq!(service.get("/v1/apps/my-app", &colin).await.status, StatusCode::NOT_FOUND);
    assert_eq!(accept(&mut service, &sam, &of_sam).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_secret_of_webhooks_is_renewed_when_somebody_may_no_longer_read_it() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    must(&mut service, "POST", "/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
    let integration = r#"{"scm_integration":{"scm_type":"github","url":"","access_token":"ghp_secret"}}"#;
    must(&mut service, "POST", "/v1/scm_integrations", &jane, integration).await;
    let link =
        r#"{"scm_repo_link":{"source":"https://github.com/jane/my-app","auth_integration_uuid":"github"}}"#;
    must(&mut service, "POST", "/v1/apps/my-app/scm_repo_link", &jane, link).await;
    let mut ids = Vec::new();
    for (name, is_limited) in [("colin", false), ("carla", false), ("lily", true)] {
        let token = service.register(name, None).await;
        let (invitation, id) = invite(&mut service, &jane, &format!("{name}@example.com"), is_limited).await;
        assert_eq!(accept(&mut service, &token, &invitation).await.status, StatusCode::OK);
        ids.push(id);
    }
    let path = |id: &String| format!("/v1/apps/my-app/collaborators/{id}");
    let demotion = r#"{"collaborator":{"is_limited":true}}"#;
    let mut secret = Value::Null;
    for (call, is_renewed) in [
        (None, true),
        (Some(("DELETE", path(&ids[2]), "")), false),
        (Some(("PATCH", path(&ids[1]), demotion)), true),
        (Some(("DELETE", path(&ids[1]), "")), false),
        (Some(("DELETE", path(&ids[0]), "")), true),
    ] {
        if let Some((method, path, body)) = &call {
            must(&mut service, method, path, &jane, body).await;
        }
        let shown = must(&mut service, "GET", "/v1/apps/my-app/scm_repo_link/hook", &jane, "").await;
        assert_eq!(shown["hook"]["secret"] != secret, is_renewed, "{call:?}");
        secret = shown["hook"]["secret"].clone();
    }
}

#[tokio::test]
async fn usernames_that_differ_by_case_alone_are_one_name() {
    let mut service = TestService::start().await;
    service.register("jane", None).await;
    let body = json!({ "user": { "username": "Jane", "email": "another@example.com" } }).to_string();
    let answer = service.post("/v1/users", OPERATOR, &body).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.json()["errors"], json!({ "username": ["has already been taken"] }));
}
