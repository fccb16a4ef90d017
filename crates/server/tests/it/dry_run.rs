//! `X-Dry-Run`: no operation does anything, whatever the header says but `false`.

use std::collections::BTreeMap;
use std::time::Duration;

use annals_server::Config;
use annals_testing::TestStore;
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Answer, OPERATOR, TestService};

const NOT_A_VALUE: &str = r#"{"error":"X-Dry-Run must be true or false; nothing was done"}"#;
const NOT_SUPPORTED: &str = r#"{"error":"X-Dry-Run is not supported here; nothing was done"}"#;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    Jane,
    Kim,
    Operator,
}

/// Who sends what, and the parts of the answer that paths and bodies name from then on.
type Step = (Who, &'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What the examples of the document need: `my-app` has something of everything, `bare-app` next to nothing.
#[rustfmt::skip]
const STEPS: &[Step] = &[
    (Who::Jane, "GET", "/v1/users/self", "", &[("user", "/user/id")]),
    (Who::Jane, "POST", "/v1/apps", r#"{"app":{"name":"my-app"}}"#, &[]),
    (Who::Jane, "POST", "/v1/apps/my-app/scale", r#"{"containers":[{"name":"web","amount":1}]}"#, &[]),
    (Who::Jane, "POST", "/v1/apps/my-app/deployments", r#"{"deployment":{"source_url":"https://example.com/my-app.tar.gz"}}"#, &[]),
    (Who::Jane, "POST", "/v1/apps/my-app/variables", r#"{"variable":{"name":"LOG_LEVEL","value":"warn"}}"#, &[("variable", "/variable/id")]),
    (Who::Jane, "POST", "/v1/apps/my-app/domains", r#"{"domain":{"name":"www.example.com"}}"#, &[("domain", "/domain/id")]),
    (Who::Jane, "POST", "/v1/apps/my-app/addons", r#"{"addon":{"addon_provider_id":"redis","plan_id":"redis-sandbox"}}"#, &[("addon", "/addon/id"), ("database", "/addon/id")]),
    (Who::Jane, "POST", "/api/databases/{database}/features", r#"{"feature":{"name":"force-ssl"}}"#, &[]),
    (Who::Jane, "POST", "/v1/apps/my-app/log_drains", r#"{"drain":{"type":"papertrail","host":"logs.example.com","port":"1"}}"#, &[]),
    (Who::Jane, "POST", "/v1/apps/my-app/addons/{addon}/log_drains", r#"{"drain":{"type":"papertrail","host":"logs.example.com","port":"2"}}"#, &[]),
    (Who::Jane, "POST", "/v1/scm_integrations", r#"{"scm_integration":{"scm_type":"github","access_token":"ghp_secret"}}"#, &[("integration", "/scm_integration/id")]),
    (Who::Jane, "POST", "/v1/apps/my-app/scm_repo_link", r#"{"scm_repo_link":{"source":"https://github.com/jane/my-app","auth_integration_uuid":"github","branch":"main","deploy_review_apps_enabled":false}}"#, &[]),
    (Who::Operator, "POST", "/v1/apps/my-app/scm_repo_link/pulls", r#"{"pull":{"number":43,"title":"Sort by title","html_url":"https://github.com/jane/my-app/pull/43","source_repo_name":"jane/my-app","source_repo_html_url":"https://github.com/jane/my-app","state":"open"}}"#, &[("pull", "/pull/number")]),
    (Who::Jane, "POST", "/v1/apps/my-app/run", r#"{"command":"bin/console","detached":true}"#, &[("container", "/container/id"), ("audit_log", "/container/id")]),
    (Who::Jane, "POST", "/v1/apps/my-app/collaborators", r#"{"collaborator":{"email":"kim@example.com","is_limited":false}}"#, &[("collaborator", "/collaborator/id")]),
    (Who::Jane, "GET", "/v1/apps/my-app/collaborators", "", &[("invitation", "/collaborators/0/invitation_link")]),
    (Who::Kim, "GET", "/v1/apps/collaboration?token={invitation}", "", &[]),
    (Who::Jane, "POST", "/v1/apps", r#"{"app":{"name":"bare-app"}}"#, &[]),
    (Who::Jane, "POST", "/v1/apps/bare-app/collaborators", r#"{"collaborator":{"email":"kim@example.com"}}"#, &[]),
    (Who::Jane, "GET", "/v1/apps/bare-app/collaborators", "", &[("invitation", "/collaborators/0/invitation_link")]),
    (Who::Operator, "POST", "/v1/apps/bare-app/deployments", r#"{"deployment":{"git_ref":"v1","status":"building"}}"#, &[("deployment", "/deployment/id")]),
    (Who::Jane, "POST", "/v1/keys", r#"{"key":{"name":"laptop","content":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFphaG92fYSLkpmgp661vMPK0djf5u30+wIJEBceJSwz jane"}}"#, &[("key", "/key/id")]),
    (Who::Jane, "POST", "/v1/tokens", r#"{"token":{"name":"spare"}}"#, &[("token", "/token/id")]),
    (Who::Operator, "POST", "/v1/operator/auditor_tokens", r#"{"token":{"name":"spare"}}"#, &[("auditor", "/token/id")]),
    (Who::Operator, "POST", "/v1/operator/vouchers", r#"{"voucher":{"code":"WELCOME-5","amount":5}}"#, &[]),
    (Who::Jane, "PATCH", "/api/databases/{database}", r#"{"database":{"maintenance_window":{"weekday_utc":0,"starting_hour_utc":13}}}"#, &[]),
    (Who::Operator, "POST", "/api/databases/{database}/maintenance", r#"{"maintenance":{"type":"db-upgrade"}}"#, &[("maintenance", "/id"), ("planned", "/id")]),
    (Who::Operator, "POST", "/api/databases/{database}/maintenance", r#"{"maintenance":{"type":"db-upgrade"}}"#, &[("started", "/id")]),
];
/// Once the window of the database has begun.
const LAST_STEP: Step =
    (Who::Operator, "POST", "/api/databases/{database}/maintenance/{started}/start", "{}", &[]);

/// What an operation's request has besides the example of the document: a query, a body, and names in its path.
type Addition = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

#[rustfmt::skip]
const FURTHER: &[Addition] = &[
    ("accept_invitation", "", r#"{"token":"{invitation}"}"#, &[]),
    ("revoke_auditor_token", "", "", &[("token", "{auditor}")]),
    ("accept_invitation_by_link", "?token={invitation}", "", &[]),
    ("delete_variables", "", r#"{"variable_ids":["{variable}"]}"#, &[]),
    ("create_scm_link", "", "", &[("app", "bare-app")]),
    ("append_deployment_output", "", "Build complete\n", &[("app", "bare-app")]),
    ("update_deployment", "", "", &[("app", "bare-app")]),
    ("update_deployment_with_put", "", "", &[("app", "bare-app")]),
    ("complete_maintenance", "", "", &[("maintenance", "{started}")]),
];

pub(crate) struct World {
    pub(crate) service: TestService,
    pub(crate) tokens: [String; 3],
    names: BTreeMap<String, String>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let config = Config { instant_builder: true, ..Config::default() };
        let store = TestStore::embedded();
        let opened = store.open().await;
        let mut service = TestService::start_over(store, opened, config).await;
        let tokens =
            [service.register("jane", None).await, service.register("kim", None).await, OPERATOR.to_owned()];
        let names = BTreeMap::from([("app".to_owned(), "my-app".to_owned())]);
        let mut world = Self { service, tokens, names };
        for step in STEPS {
            world.take(*step).await;
        }
        world.service.clock.advance(Duration::from_secs(60 * 60));
        world.take(LAST_STEP).await;
        world
    }

    async fn take(&mut self, (who, method, path, body, named): Step) {
        let answer = self.ask(who, method, path, "", body).await;
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.text());
        for (name, pointer) in named {
            let found = answer.json().pointer(pointer).unwrap().to_string().replace('"', "");
            let found = found.split_once("token=").map_or(found.as_str(), |(_, token)| token);
            self.names.insert((*name).to_owned(), found.to_owned());
        }
    }

    pub(crate) async fn ask(&mut self, who: Who, method: &str, path: &str, head: &str, body: &str) -> Answer {
        let token = self.tokens[who as usize].clone();
        let (path, body) = (self.filled(path), self.filled(body));
        self.service.play(method, &path, &token, head, &body).await
    }

    pub(crate) fn filled(&self, text: &str) -> String {
        let fill =
            |text: String, (name, value): (&String, &String)| text.replace(&format!("{{{name}}}"), value);
        self.names.iter().fold(text.to_owned(), fill)
    }

    /// All that is stored.
    pub(crate) fn stored(&self) -> Vec<u8> {
        let pieces = self.service.state.service().backup().unwrap();
        pieces.flat_map(|piece| piece.unwrap().to_vec()).collect()
    }
}

/// A request of an operation, as the document shows it.
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) who: Who,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) body: String,
    /// Whether it can be a dry run.
    is_supported: bool,
    pub(crate) is_repeatable: bool,
}

/// The requests of all operations that change something.
pub(crate) fn calls() -> Vec<Call> {
    let document = annals_server::openapi();
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters")
        {
            let id = operation["operationId"].as_str().unwrap();
            let takes = |name: &str| {
                let reference = json!({ "$ref": format!("#/components/parameters/{name}") });
                operation["parameters"].as_array().is_some_and(|parameters| parameters.contains(&reference))
            };
            let (is_supported, is_repeatable) = (takes("X-Dry-Run"), takes("Idempotency-Key"));
            if method == "get" && !is_supported && id != "unlock_account_by_link" {
                continue;
            }
            let is_bearer =
                operation["security"].as_array().unwrap().iter().any(|one| one.get("bearer").is_some());
            let who = match id {
                "accept_invitation" | "accept_invitation_by_link" => Who::Kim,
                _ if is_bearer => Who::Jane,
                _ => Who::Operator,
            };
            let none = Default::default();
            let (_, query, body, names) = FURTHER.iter().find(|(other, ..)| *other == id).unwrap_or(&none);
            let path = names
                .iter()
                .fold(path.clone(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
            let call = |kind: &str, body: &str| Call {
                id: id.to_owned(),
                who,
                method: method.to_uppercase(),
                path: format!("{path}{query}"),
                kind: kind.to_owned(),
                body: body.to_owned(),
                is_supported,
                is_repeatable,
            };
            let content = operation["requestBody"]["content"].as_object();
            let examples = content.into_iter().flatten().filter_map(|(kind, content)| {
                Some((
                    kind,
                    match content.get("example")? {
                        Value::String(text) => text.clone(),
                        value => value.to_string(),
                    },
                ))
            });
            let before = calls.len();
            calls.extend(examples.map(|(kind, example)| call(kind, &example)));
            if calls.len() == before {
                calls.push(call("application/json", body));
            }
        }
    }
    calls
}

#[tokio::test]
async fn a_dry_run_of_any_operation_changes_nothing() {
    let mut world = World::new().await;
    let before = world.stored();
    let (mut supported, mut refused) = (0, 0);
    for call in calls() {
        let Call { id, who, method, path, kind, body, is_supported, .. } = &call;
        for value in ["true", "1", "True"] {
            let head = format!("x-dry-run: {value}\ncontent-type: {kind}");
            let answer = world.ask(*who, method, path, &head, body).await;
            let text = String::from_utf8_lossy(&answer.body);
            match (value, is_supported) {
                ("true", true) => {
                    assert!(answer.status.is_success(), "{id}: {} {text}", answer.status);
                    assert_eq!(answer.headers["x-dry-run"], "true", "{id}");
                    assert!(!answer.headers.contains_key("location"), "{id}");
                    supported += 1;
                }
                ("true", false) => {
                    assert_eq!((answer.status, &*text), (StatusCode::BAD_REQUEST, NOT_SUPPORTED), "{id}");
                    refused += 1;
                }
                _ => assert_eq!((answer.status, &*text), (StatusCode::BAD_REQUEST, NOT_A_VALUE), "{id}"),
            }
            assert!(world.stored() == before, "{id} changed something");
        }
    }
    assert!(supported > 50 && refused > 10, "{supported} {refused}");
    // A real request is seen to change it, and is not marked.
    let answer = world.ask(Who::Jane, "POST", "/v1/apps/my-app/restart", "x-dry-run: false", "").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert!(answer.headers.contains_key("location") && !answer.headers.contains_key("x-dry-run"));
    assert!(world.stored() != before);
}

#[tokio::test]
async fn a_dry_run_is_refused_where_the_request_would_be() {
    let mut world = World::new().await;
    let before = world.stored();
    for (method, path, body, status) in [
        ("POST", "/v1/apps", r#"{"app":{"name":"my-app"}}"#, StatusCode::UNPROCESSABLE_ENTITY),
        ("POST", "/v1/apps/no-such-app/restart", "", StatusCode::NOT_FOUND),
        ("POST", "/v1/events", r#"{"events":[{"type":"no-such-type"}]}"#, StatusCode::UNPROCESSABLE_ENTITY),
        (
            "POST",
            "/v1/events",
            r#"{"events":[{"type":"restart","app_id":"5343eccd646173000a140000","app_name":"x","created_at":"2027-01-01T00:00:00Z"}]}"#,
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
    ] {
        let who = if path == "/v1/events" { Who::Operator } else { Who::Jane };
        let dry = world.ask(who, method, path, "x-dry-run: true", body).await;
        let real = world.ask(who, method, path, "", body).await;
        assert_eq!((dry.status, dry.text()), (status, real.text()), "{path}");
        assert_eq!(real.status, status, "{path}");
    }
    assert!(world.stored() == before);
}

#[tokio::test]
async fn the_header_is_exactly_true_or_false_and_all_of_its_values_count() {
    let mut world = World::new().await;
    let before = world.stored();
    for value in [
        "True",
        "TRUE",
        "False",
        "1",
        "yes",
        "",
        "0",
        "no",
        "on",
        "truee",
        "true, true",
        "\"true\"",
        "false\nx-dry-run: 1",
    ] {
        let head = format!("x-dry-run: {value}");
        let answer = world.ask(Who::Jane, "POST", "/v1/apps/my-app/restart", &head, "").await;
        assert_eq!((answer.status, answer.text()), (StatusCode::BAD_REQUEST, NOT_A_VALUE), "{value}");
    }
    for value in ["true", "false\nx-dry-run: true", "true\nx-dry-run: false"] {
        let head = format!("x-dry-run: {value}");
        let answer = world.ask(Who::Jane, "POST", "/v1/apps/my-app/restart", &head, "").await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{value}");
    }
    assert!(world.stored() == before);
    let answer = world.ask(Who::Jane, "POST", "/v1/apps/my-app/restart", "x-dry-run: false", "").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert!(world.stored() != before);
    // Reading is no run of anything.
    let answer = world.ask(Who::Jane, "GET", "/v1/apps/my-app", "x-dry-run: 1", "").await;
    assert_eq!(answer.status, StatusCode::OK);
}
