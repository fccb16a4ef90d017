//! The platform that each row of the table is tried on.

use std::time::Duration;

use annals_server::Config;
use annals_service::Clock as _;
use http::StatusCode;
use serde_json::{Value, json};

use super::table::{Call, PASSWORD, Who, call};
use crate::harness::{OPERATOR, TestService};

/// What makes the world: an app that has one of everything, and collaborators.
#[rustfmt::skip]
const SETUP: &[(Who, &str, &str, &str)] = &[
    (Who::Owner, "POST", "/v1/apps", r#"{"app":{"name":"my-app"}}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/scale", r#"{"containers":[{"name":"web","amount":1},{"name":"worker","amount":2,"size":"S"}]}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/deployments", r#"{"deployment":{"source_url":"https://example.com/app.tar.gz"}}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/variables", r#"{"variable":{"name":"A","value":"one"}}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/domains", r#"{"domain":{"name":"www.example.com"}}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/addons", r#"{"addon":{"addon_provider_id":"redis","plan_id":"redis-sandbox"}}"#),
    (Who::Owner, "POST", "/api/databases/{addon}/features", r#"{"feature":{"name":"force-ssl"}}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/log_drains", r#"{"drain":{"type":"papertrail","host":"logs.example.com","port":"1"}}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/addons/{addon}/log_drains", r#"{"drain":{"type":"papertrail","host":"logs.example.com","port":"2"}}"#),
    (Who::Owner, "POST", "/v1/scm_integrations", r#"{"scm_integration":{"scm_type":"github","url":"","access_token":"ghp_secret"}}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/scm_repo_link", r#"{"scm_repo_link":{"source":"https://github.com/jane/my-app","auth_integration_uuid":"github","branch":"main","auto_deploy_enabled":true}}"#),
    (Who::Operator, "POST", "/v1/apps/my-app/scm_repo_link/pulls", r#"{"pull":{"id":7042,"number":42,"title":"Search by author","html_url":"https://github.com/jane/my-app/pull/42","source_repo_name":"jane/my-app","source_repo_html_url":"https://github.com/jane/my-app","opened_from_a_forked_repo":false,"branch_name":"change","head":"0000000000000000000000000000000000000042","state":"open"}}"#),
    (Who::Operator, "POST", "/v1/apps/my-app/scm_repo_link/pulls", r#"{"pull":{"id":7043,"number":43,"title":"Sort by title","html_url":"https://github.com/jane/my-app/pull/43","source_repo_name":"jane/my-app","source_repo_html_url":"https://github.com/jane/my-app","opened_from_a_forked_repo":false,"branch_name":"change","head":"0000000000000000000000000000000000000043","state":"open"}}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/scm_repo_link/manual_review_app", r#"{"pull_request_id":"42"}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/collaborators", r#"{"collaborator":{"email":"colin@example.com","is_limited":false}}"#),
    (Who::Collaborator, "GET", "/v1/apps/collaboration?token={invitation}", ""),
    (Who::Owner, "POST", "/v1/apps/my-app/collaborators", r#"{"collaborator":{"email":"lily@example.com","is_limited":true}}"#),
    (Who::Limited, "GET", "/v1/apps/collaboration?token={invitation}", ""),
    (Who::Owner, "POST", "/v1/apps/my-app/collaborators", r#"{"collaborator":{"email":"pending@example.com"}}"#),
];

/// A platform with users in every role and an app that has one of everything.
pub(super) struct World {
    pub(super) service: TestService,
    tokens: Vec<(Who, String)>,
    /// The identifier of `my-app`, whatever it is called later; empty until it is there.
    pub(super) app: String,
}

impl World {
    pub(super) async fn new() -> Self {
        let config = Config { instant_builder: true, attempts_per_minute: None, ..Config::default() };
        let mut service = TestService::start_with(config).await;
        let jane = json!({ "username": "jane", "email": "jane@example.com", "password": PASSWORD });
        let owner = service.register_as(jane).await;
        let mut tokens = vec![(Who::Owner, owner)];
        for (who, name) in [(Who::Collaborator, "colin"), (Who::Limited, "lily"), (Who::Stranger, "sam")] {
            tokens.push((who, service.register(name, None).await));
        }
        tokens.push((Who::Operator, OPERATOR.to_owned()));
        tokens.push((Who::Nobody, String::new()));
        let mut world = Self { service, tokens, app: String::new() };
        for (who, method, path, body) in SETUP {
            world.must(*who, &call(method, path, body)).await;
        }
        let app = world.get(Who::Owner, "/v1/apps/my-app").await;
        world.app = app["app"]["id"].as_str().unwrap().to_owned();
        world
    }

    fn token(&self, who: Who) -> String {
        self.tokens.iter().find(|(other, _)| *other == who).map(|(_, token)| token.clone()).unwrap()
    }

    pub(super) async fn ask(&mut self, who: Who, call: &Call) -> (StatusCode, Value) {
        let (path, body) = (self.filled(call.path).await, self.filled(&call.body).await);
        let token = self.token(who);
        // A request with headers of its own brings its credential in them.
        let token = if call.head.is_empty() { token.as_str() } else { "" };
        let answer = self.service.play(call.method, &self.by_id(&path), token, &call.head, &body).await;
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        (answer.status, body)
    }

    /// Returns a path in which `my-app` is named by its identifier.
    fn by_id(&self, path: &str) -> String {
        match path.strip_prefix("/v1/apps/my-app") {
            Some(rest) if !self.app.is_empty() && (rest.is_empty() || rest.starts_with(['/', '?'])) => {
                format!("/v1/apps/{}{rest}", self.app)
            }
            _ => path.to_owned(),
        }
    }

    /// Makes a request that has to succeed. Signing in may fail: some rows need failed attempts.
    pub(super) async fn must(&mut self, who: Who, call: &Call) {
        let (status, body) = self.ask(who, call).await;
        let is_expected = status.is_success() || call.path == "/v1/tokens";
        assert!(is_expected, "{} {}: {status} {body}", call.method, call.path);
        self.service.clock.advance(Duration::from_secs(1));
    }

    /// Replaces the names in braces by the world's identifiers. A name that stands for nothing remains.
    async fn filled(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, path, field) in [
            ("{addon}", "/v1/apps/my-app/addons", "/addons/0/id"),
            ("{domain}", "/v1/apps/my-app/domains", "/domains/0/id"),
            ("{variable}", "/v1/apps/my-app/variables", "/variables/0/id"),
            ("{colin}", "/v1/apps/my-app/collaborators", "/collaborators/0/id"),
            ("{key}", "/v1/keys", "/keys/0/id"),
        ] {
            if text.contains(name)
                && let Some(found) = self.find(path).await.pointer(field)
            {
                text = text.replace(name, found.as_str().unwrap());
            }
        }
        if text.contains("{invitation}") {
            let found = self.find("/v1/apps/my-app/collaborators").await;
            let links = found["collaborators"].as_array().into_iter().flatten();
            let links = links.filter_map(|one| one["invitation_link"].as_str());
            if let Some(link) = links.rev().find(|link| !link.is_empty()) {
                text = text.replace("{invitation}", link.split_once("token=").unwrap().1);
            }
        }
        if text.contains("{maintenance}") && !text.contains("{addon}") {
            let database = text.split_once("/maintenance/").unwrap().0.to_owned();
            let found = self.find(&format!("{database}/maintenance")).await;
            if let Some(found) = found.pointer("/maintenance/0/id") {
                text = text.replace("{maintenance}", found.as_str().unwrap());
            }
        }
        if text.contains("{mailed}") {
            let jane = self.get(Who::Owner, "/v1/users/self").await;
            let path = format!("/v1/operator/users/{}/outbox", jane["user"]["id"].as_str().unwrap());
            let found = self.get(Who::Operator, &path).await;
            let mail = found["mails"].as_array().unwrap().last().and_then(|mail| mail["text"].as_str());
            if let Some((_, rest)) = mail.and_then(|mail| mail.split_once("_token=")) {
                text = text.replace("{mailed}", rest.split_whitespace().next().unwrap());
            }
        }
        text
    }

    /// Reads what the owner may see; `null` if it is not there.
    async fn find(&mut self, path: &str) -> Value {
        let (path, token) = (self.by_id(path), self.token(Who::Owner));
        let answer = self.service.get(&path, &token).await;
        if answer.status.is_success() { answer.json() } else { Value::Null }
    }

    pub(super) async fn get(&mut self, who: Who, path: &str) -> Value {
        let (path, token) = (self.by_id(path), self.token(who));
        let answer = self.service.get(&path, &token).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        answer.json()
    }

    /// Reads everything that an action could change.
    pub(super) async fn all(&mut self) -> Vec<Value> {
        let mut seen = Vec::new();
        for path in [
            "/v1/apps/my-app/events?per_page=100",
            "/v1/apps/my-app/state",
            "/v1/apps/my-app-pr42/state",
            "/v1/apps/my-app/collaborators",
            "/v1/apps/my-app/deployments",
            "/v1/apps/my-app/scm_repo_link/pulls",
        ] {
            seen.push(self.get(Who::Operator, path).await);
        }
        for who in [Who::Owner, Who::Collaborator, Who::Limited, Who::Stranger] {
            seen.push(self.get(who, "/v1/events?per_page=100").await);
        }
        seen
    }

    /// Reads the events of all timelines, oldest first.
    pub(super) async fn events(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        for who in [Who::Owner, Who::Collaborator, Who::Limited, Who::Stranger] {
            events.extend(self.timeline(who, "/v1/events").await);
        }
        events.extend(self.timeline(Who::Operator, "/v1/apps/my-app/events").await);
        events.sort_by_key(|event| event["id"].as_str().unwrap().to_owned());
        events.dedup();
        events
    }

    /// Reads a whole timeline, in the order in which its events were recorded.
    pub(super) async fn timeline(&mut self, who: Who, path: &str) -> Vec<Value> {
        let mut events = Vec::new();
        let mut next = json!(1);
        while next.is_number() {
            let page = self.get(who, &format!("{path}?per_page=100&page={next}")).await;
            events.extend(page["events"].as_array().unwrap().iter().cloned());
            next = page["meta"]["pagination"]["next_page"].clone();
        }
        events.reverse();
        events
    }

    /// Lets time pass until the database's maintenance window opens.
    pub(super) async fn wait_for_window(&mut self) {
        let path = self.filled("/api/databases/{addon}/maintenance").await;
        let found = self.get(Who::Owner, &path).await;
        let planned_for = found.pointer("/maintenance/0/planned_for").unwrap().as_str().unwrap();
        let window: annals_model::Time = planned_for.parse().unwrap();
        let wait = window.as_millis() - self.service.clock.now().as_millis();
        self.service.clock.advance(Duration::from_millis(wait));
    }
}
