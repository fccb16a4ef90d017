//! Users and their credentials: registration, API tokens, bearer tokens.

use std::time::Duration;

use annals_testing::Failures;
use http::{Method, StatusCode};

use crate::harness::{JOHN, OPERATOR, TestService, request};

#[tokio::test]
async fn users_are_registered_once_and_only_by_the_operator() {
    let mut service = TestService::start().await;
    let body =
        r#"{"user":{"username":"jane","email":"Jane@example.com","password":"correct horse battery"}}"#;
    let registered = service.post("/v1/users", OPERATOR, body).await.json();
    let jane = registered["token"]["token"].as_str().unwrap().to_owned();
    service.get("/v1/users/self", &jane).await;
    service.get("/v1/users/self", OPERATOR).await;
    service.post("/v1/users", "", body).await;
    service.post("/v1/users", &jane, body).await;
    for body in [
        body,
        "{}",
        r#"{"user":{}}"#,
        r#"{"user":{"username":"jane"}}"#,
        r#"{"user":{"username":"j j","email":"nonsense"}}"#,
        r#"{"user":{"username":"jane","email":"other@example.com"}}"#,
        r#"{"user":{"username":"other","email":"jane@EXAMPLE.com"}}"#,
        r#"{"user":{"username":"other","email":"o@example.com","password":"short"}}"#,
        r#"{"user":{"username":"other","email":"o@example.com","id":"7"}}"#,
    ] {
        service.post("/v1/users", OPERATOR, body).await;
    }
    let with_id = format!(r#"{{"user":{{"username":"other","email":"o@example.com","id":"{JOHN}"}}}}"#);
    service.post("/v1/users", OPERATOR, &with_id).await;
    service.post("/v1/users", OPERATOR, &with_id.replace("other", "third").replace("o@", "t@")).await;
    insta::assert_snapshot!(service.transcript());
}

#[tokio::test]
async fn tokens_are_created_listed_renewed_and_revoked() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let other = service.register("other", None).await;
    service.get("/v1/tokens", &jane).await;
    service.clock.advance(Duration::from_secs(60));
    let created = service.post("/v1/tokens", &jane, r#"{"token":{"name":"laptop"}}"#).await.json();
    service.post("/v1/tokens", &jane, r#"{"name":"phone"}"#).await;
    service.post("/v1/tokens", &jane, "{}").await;
    service.post("/v1/tokens", &jane, r#"{"name":""}"#).await;
    let id = created["token"]["id"].as_str().unwrap().to_owned();
    let secret = created["token"]["token"].as_str().unwrap().to_owned();
    service.clock.advance(Duration::from_secs(60));
    let renewed = service.play("PATCH", &format!("/v1/tokens/{id}/renew"), &jane, "", "").await.json();
    let new_secret = renewed["token"]["token"].as_str().unwrap().to_owned();
    service.play("PATCH", &format!("/v1/tokens/{id}/renew"), &other, "", "").await;
    service.get("/v1/users/self", &secret).await;
    assert_eq!(service.get("/v1/users/self", &new_secret).await.status, StatusCode::OK);
    service.play("DELETE", &format!("/v1/tokens/{id}"), &jane, "", "").await;
    service.play("DELETE", &format!("/v1/tokens/{id}"), &jane, "", "").await;
    service.play("DELETE", "/v1/tokens/nonsense", &jane, "", "").await;
    service.get("/v1/users/self", &new_secret).await;
    service.get("/v1/tokens", &jane).await;
    insta::assert_snapshot!(service.transcript());
}

fn basic(password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!(":{password}")))
}

async fn exchange(service: &TestService, authorization: &str) -> (StatusCode, serde_json::Value) {
    let mut request = request(Method::POST, "/v1/tokens/exchange", "", "{}");
    request.headers_mut().insert("authorization", authorization.parse().unwrap());
    let answer = service.send(request).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn an_api_token_is_exchanged_for_a_bearer_token_of_one_hour() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let (status, body) = exchange(&service, &basic(&jane)).await;
    assert_eq!(status, StatusCode::OK);
    let bearer = body["token"].as_str().unwrap().to_owned();
    assert_eq!(service.get("/v1/users/self", &bearer).await.status, StatusCode::OK);

    let parts: Vec<_> = bearer.split('.').collect();
    let decode = |part: &str| -> serde_json::Value {
        use base64::Engine as _;
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap())
            .unwrap()
    };
    assert_eq!(decode(parts[0]), serde_json::json!({"typ": "JWT", "alg": "HS512"}));
    let claims = decode(parts[1]);
    assert_eq!(claims["iss"], "annals");
    assert_eq!(claims["exp"].as_u64().unwrap(), claims["iat"].as_u64().unwrap() + 3600);
    assert!(claims["uuid"].as_str().unwrap().starts_with("us-"));

    // The token shows when it was last used; none of this is an event.
    assert_eq!(
        service.get("/v1/tokens", &bearer).await.json()["tokens"][0]["last_used_at"],
        "2026-11-01T12:00:00.000Z"
    );
    assert_eq!(service.get("/v1/events", &bearer).await.json()["meta"]["pagination"]["total_count"], 0);

    // A changed signature, no signature, another algorithm, an hour later: all refused.
    let forged = format!("{}.{}.{}", parts[0], parts[1], "A".repeat(86));
    let unsigned = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.{}.", parts[1]);
    for bad in [forged, unsigned, format!("{bearer}x"), "..".to_owned()] {
        assert_eq!(service.get("/v1/users/self", &bad).await.status, StatusCode::UNAUTHORIZED, "{bad}");
    }
    service.clock.advance(Duration::from_secs(3599));
    assert_eq!(service.get("/v1/users/self", &bearer).await.status, StatusCode::OK);
    service.clock.advance(Duration::from_secs(1));
    assert_eq!(service.get("/v1/users/self", &bearer).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn revoking_an_api_token_ends_its_bearer_tokens() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let (_, body) = exchange(&service, &basic(&jane)).await;
    let bearer = body["token"].as_str().unwrap().to_owned();
    assert_eq!(service.get("/v1/users/self", &bearer).await.status, StatusCode::OK);
    let id = service.get("/v1/tokens", &bearer).await.json()["tokens"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        service.play("DELETE", &format!("/v1/tokens/{id}"), &bearer, "", "").await.status,
        StatusCode::NO_CONTENT
    );
    for dead in [&bearer, &jane] {
        assert_eq!(service.get("/v1/users/self", dead).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn renewing_an_api_token_ends_its_bearer_tokens_at_once() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let (_, body) = exchange(&service, &basic(&jane)).await;
    let bearer = body["token"].as_str().unwrap().to_owned();
    let id = service.get("/v1/tokens", &bearer).await.json()["tokens"][0]["id"].as_str().unwrap().to_owned();
    service.clock.advance(Duration::from_millis(1));
    let renewed = service.play("PATCH", &format!("/v1/tokens/{id}/renew"), &bearer, "", "").await;
    assert_eq!(renewed.status, StatusCode::OK);
    assert_eq!(service.get("/v1/users/self", &bearer).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_failed_exchange_reveals_only_whether_the_form_was_wrong() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let (invalid, other_form) = ("Invalid credentials", "use Authorization: Bearer tk-…");
    let mut failures = Failures::default();
    for (authorization, error) in [
        (basic("tk-us-nobody"), invalid),
        (basic(OPERATOR), invalid),
        ("Basic nonsense".to_owned(), other_form),
        ("Basic amFuZTpwYXNzd29yZA==".to_owned(), other_form),
        ("Digest x".to_owned(), other_form),
        ("Bearer".to_owned(), other_form),
    ] {
        let (status, body) = exchange(&service, &authorization).await;
        let expected = (StatusCode::UNAUTHORIZED, serde_json::json!({ "error": error }));
        failures.check(authorization, expected, (status, body));
    }
    failures.report();
    // Old clients send their API token as Basic to every route.
    let mut old = request(Method::GET, "/v1/users/self", "", "");
    old.headers_mut().insert("authorization", basic(&jane).parse().unwrap());
    assert_eq!(service.send(old).await.status, StatusCode::OK);
    assert_eq!(service.post("/v1/tokens/exchange", "", "{}").await.status, StatusCode::UNAUTHORIZED);
}
