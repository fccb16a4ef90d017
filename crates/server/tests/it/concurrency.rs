//! Concurrent actions on one app: every accepted action has its events, and each event states the values that the one before
//! it left.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_server::Config;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{OPERATOR, TestService, request};

#[tokio::test(flavor = "multi_thread")]
async fn each_of_two_hundred_concurrent_actions_starts_from_the_state_before_it() {
    let config = Config { instant_builder: true, ..Config::default() };
    let mut service = TestService::start_with(config).await;
    let jane = service.register("jane", None).await;
    service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
    let deploy = r#"{"deployment":{"source_url":"https://example.com/a.tar.gz"}}"#;
    service.post("/v1/apps/my-app/deployments", &jane, deploy).await;
    let addon = r#"{"addon":{"addon_provider_id":"redis","plan_id":"redis-sandbox"}}"#;
    let addon = service.post("/v1/apps/my-app/addons", &jane, addon).await.json();
    let addon = addon["addon"]["id"].as_str().unwrap().to_owned();
    let id = service.get("/v1/apps/my-app", &jane).await.json()["app"]["id"].as_str().unwrap().to_owned();

    let service = Arc::new(service);
    let mut tasks = JoinSet::new();
    for index in 0..200_u32 {
        let (service, jane, id, addon) = (Arc::clone(&service), jane.clone(), id.clone(), addon.clone());
        tasks.spawn(async move {
            let amount = index % 10;
            let (method, path, body) = match index % 8 {
                0 => (
                    Method::POST,
                    format!("/v1/apps/{id}/scale"),
                    json!({ "containers": [{ "name": "web", "amount": amount }] }),
                ),
                1 => (
                    Method::POST,
                    format!("/v1/apps/{id}/variables"),
                    json!({ "variable": { "name": "A", "value": index.to_string() } }),
                ),
                2 => (
                    Method::PUT,
                    format!("/v1/apps/{id}/variables"),
                    json!({ "variables": [{ "name": "A", "value": format!("bulk {index}") }] }),
                ),
                3 => {
                    let plan =
                        ["redis-sandbox", "redis-starter-512", "redis-business-1024"][index as usize % 3];
                    (
                        Method::PATCH,
                        format!("/v1/apps/{id}/addons/{addon}"),
                        json!({ "addon": { "plan_id": plan } }),
                    )
                }
                4 => {
                    let stack = ["scalingo-22", "scalingo-24"][(index / 8) as usize % 2];
                    (Method::PATCH, format!("/v1/apps/{id}"), json!({ "app": { "stack_id": stack } }))
                }
                5 => (
                    Method::POST,
                    format!("/v1/apps/{id}/domains"),
                    json!({ "domain": { "name": format!("d{}.example.com", index % 30) } }),
                ),
                6 => (Method::POST, format!("/v1/apps/{id}/restart"), json!({ "scope": [] })),
                _ => {
                    (Method::POST, format!("/v1/apps/{id}/run"), json!({ "command": "ls", "detached": true }))
                }
            };
            let answer = service.send(request(method.clone(), &path, &jane, body.to_string())).await;
            let is_expected = answer.status.is_success() || answer.status == StatusCode::UNPROCESSABLE_ENTITY;
            assert!(is_expected, "{method} {path}: {} {}", answer.status, answer.text());
            (index % 8, answer.status.is_success())
        });
    }
    let mut accepted = BTreeMap::<u32, usize>::new();
    for (kind, was_accepted) in tasks.join_all().await {
        *accepted.entry(kind).or_default() += usize::from(was_accepted);
    }

    let mut events = Vec::new();
    for page in 1.. {
        let path = format!("/v1/apps/{id}/events?per_page=100&page={page}");
        let answer = service.send(request(Method::GET, &path, &jane, "")).await.json();
        events.extend(answer["events"].as_array().unwrap().clone());
        if answer["meta"]["pagination"]["next_page"].is_null() {
            assert_eq!(events.len() as u64, answer["meta"]["pagination"]["total_count"].as_u64().unwrap());
            break;
        }
    }
    events.reverse();
    check_chains(&events);
    let count = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    assert_eq!(count("restart"), accepted[&6]);
    assert_eq!(count("run"), accepted[&7]);
    assert_eq!(count("edit_variables"), accepted[&2]);
    assert_eq!(count("new_domain"), accepted[&5]);
    let times: Vec<_> = events.iter().map(|event| event["created_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_a_pull_request_keeps_what_a_concurrent_push_changed() {
    const PULLS: u64 = 120;
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    service.post("/v1/apps", &jane, r#"{"app":{"name":"my-app"}}"#).await;
    let integration = r#"{"scm_integration":{"scm_type":"github","access_token":"ghp_secret"}}"#;
    service.post("/v1/scm_integrations", &jane, integration).await;
    let link =
        r#"{"scm_repo_link":{"source":"https://github.com/jane/my-app","auth_integration_uuid":"github"}}"#;
    let linked = service.post("/v1/apps/my-app/scm_repo_link", &jane, link).await;
    assert!(linked.status.is_success(), "{}", linked.text());
    let path = "/v1/apps/my-app/scm_repo_link/pulls";
    let pull = |number: u64, head: &str| {
        let fields = json!({
            "number": number, "title": "A change", "html_url": "https://github.com/jane/my-app/pull/1",
            "source_repo_name": "jane/my-app", "head": head,
        });
        json!({ "pull": fields }).to_string()
    };
    for number in 1..=PULLS {
        let opened = service.post(path, OPERATOR, &pull(number, "before")).await;
        assert_eq!(opened.status, StatusCode::OK, "{}", opened.text());
    }
    let app =
        service.get("/v1/apps/my-app", &jane).await.json()["app"]["id"].as_str().unwrap().parse().unwrap();
    let service = Arc::new(service);
    let mut tasks = JoinSet::new();
    for number in 1..=PULLS {
        let close = request(Method::POST, &format!("{path}/{number}/close"), OPERATOR, "");
        let push = request(Method::POST, path, OPERATOR, pull(number, "pushed"));
        // Either may come first.
        let both = if number % 2 == 0 { [close, push] } else { [push, close] };
        for request in both {
            let service = Arc::clone(&service);
            tasks.spawn(async move { service.send(request).await.status });
        }
    }
    assert!(tasks.join_all().await.into_iter().all(|status| status == StatusCode::OK));
    let private = service.state.service().private_state(app).await.unwrap();
    let lost = private.pull_requests.values().filter(|pull| pull.head != "pushed").count();
    assert_eq!((lost, private.pull_requests.len() as u64), (0, PULLS));
}

/// Checks that the previous values in each event are those that the events before it left.
fn check_chains(events: &[Value]) {
    let mut containers = json!({});
    let (mut plan, mut stack) = (json!("redis-sandbox"), Value::Null);
    let mut variables = BTreeMap::<String, Value>::new();
    for event in events {
        let data = &event["type_data"];
        let mut set = |variable: &Value, is_new: bool| {
            let name = variable["name"].as_str().unwrap().to_owned();
            let before = variables.insert(name.clone(), variable["value"].clone());
            match is_new {
                true => assert_eq!(before, None, "{event}"),
                false => assert_eq!(before.as_ref(), Some(&variable["old_value"]), "{event}"),
            }
        };
        match event["type"].as_str().unwrap() {
            "scale" => {
                assert_eq!(data["previous_containers"], containers, "{event}");
                containers = data["containers"].clone();
            }
            "new_variable" => set(data, true),
            "edit_variable" => set(data, false),
            "edit_variables" => {
                data["new_vars"].as_array().unwrap().iter().for_each(|variable| set(variable, true));
                data["updated_vars"].as_array().unwrap().iter().for_each(|variable| set(variable, false));
            }
            "upgrade_addon" => {
                assert_eq!(data["old_plan_name"], plan, "{event}");
                plan = data["new_plan_name"].clone();
            }
            "stack_changed" => {
                assert!(stack.is_null() || data["previous_stack_name"] == stack, "{event}");
                stack = data["current_stack_name"].clone();
            }
            _ => {}
        }
    }
}
