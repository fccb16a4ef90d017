//! Domains and their certificates, which are checked when they are set and whose keys are never shown.

use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::TestService;

/// Returns a certificate that is valid until 2030 and its private key, in PEM.
fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["www.example.com".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_certificate_is_added_changed_and_removed_and_its_key_is_never_shown() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
    let (certificate, key) = pair();
    let (other_certificate, other_key) = pair();
    let all = "/v1/apps/my-app/domains";
    let body = json!({ "domain": { "name": "www.example.com", "tlscert": certificate, "tlskey": key } });
    let added = service.post(all, &jane, &body.to_string()).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text());
    let domain = added.json()["domain"].clone();
    assert_eq!(domain["validity"], "2030-01-01T00:00:00.000Z");
    assert_eq!((&domain["ssl"], &domain["tlskey"]), (&json!(true), &Value::Null));
    let one = format!("{all}/{}", domain["id"].as_str().unwrap());

    for (fields, wrong) in [
        (json!({ "tlscert": certificate, "tlskey": other_key }), "tlskey"),
        (json!({ "tlscert": certificate, "tlskey": "nonsense" }), "tlskey"),
        (json!({ "tlscert": "nonsense", "tlskey": key }), "tlscert"),
        (json!({ "tlscert": format!("{certificate}{key}"), "tlskey": key }), "tlscert"),
        (json!({ "tlscert": certificate }), "tlskey"),
        (json!({ "tlscert": "x".repeat(40_000), "tlskey": key }), "tlscert"),
    ] {
        let body = json!({ "domain": fields }).to_string();
        let refused = service.play("PATCH", &one, &jane, "", &body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text());
        assert_eq!(refused.json()["errors"].as_object().unwrap().keys().next().unwrap(), wrong);
    }
    let mut recorded = Vec::new();
    for fields in [
        json!({ "tlscert": certificate, "tlskey": key }),
        json!({ "tlscert": other_certificate, "tlskey": other_key }),
        json!({ "tlscert": "", "tlskey": "" }),
        json!({ "tlscert": "", "tlskey": "" }),
        json!({ "tlscert": certificate, "tlskey": key }),
    ] {
        let body = json!({ "domain": fields }).to_string();
        assert_eq!(service.play("PATCH", &one, &jane, "", &body).await.status, StatusCode::OK);
    }
    let timeline = service.get("/v1/apps/my-app/events", &jane).await.json();
    for event in
        timeline["events"].as_array().unwrap().iter().rev().filter(|event| event["type"] == "edit_domain")
    {
        recorded.push((event["type_data"]["old_ssl"].clone(), event["type_data"]["ssl"].clone()));
    }
    // Setting the same certificate again and removing a missing one are no changes.
    assert_eq!(
        recorded,
        [(json!(true), json!(true)), (json!(true), json!(false)), (json!(false), json!(true))]
    );

    service.transcript();
    for path in [all, &one, "/v1/apps/my-app", "/v1/apps/my-app/events", "/v1/apps/my-app/state"] {
        service.get(path, &jane).await;
    }
    let shown = service.transcript();
    // Clients show the field in a table, so it has the subject only.
    assert!(!shown.contains("BEGIN CERTIFICATE") && !shown.contains("PRIVATE KEY"));
    for secret in [&key, &other_key] {
        let line = secret.lines().nth(1).unwrap();
        assert!(!shown.contains(line));
    }
}

#[tokio::test]
async fn a_domain_belongs_to_one_app_until_the_app_is_deleted() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    for name in ["first-app", "second-app"] {
        service.post("/v1/apps", &jane, &json!({ "app": { "name": name } }).to_string()).await;
    }
    let body = r#"{"domain":{"name":"www.example.com"}}"#;
    let add = async |service: &mut TestService, app: &str| {
        service.post(&format!("/v1/apps/{app}/domains"), &jane, body).await.status
    };
    assert_eq!(add(&mut service, "first-app").await, StatusCode::CREATED);
    assert_eq!(add(&mut service, "second-app").await, StatusCode::UNPROCESSABLE_ENTITY);
    service.play("DELETE", "/v1/apps/first-app?current_name=first-app", &jane, "", "").await;
    assert_eq!(add(&mut service, "second-app").await, StatusCode::CREATED);
}
