//! Users in every role, and two apps with events of every type by each user.

use std::collections::BTreeMap;
use std::time::Duration;

use annals_model::catalogue::{self, Scope};
use annals_model::{Class, Time, UserId};
use annals_service::Clock as _;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::canaries::{Canary, canary_url, event_of, marks};
use super::{APPS, Subject, Who, users};
use crate::harness::{Answer, OPERATOR, TestService, request};

pub(super) const PARENT_APP: &str = "5343eccd646173000a1400ff";
/// An app that nobody may open.
pub(super) const REVIEW_APP: &str = "5343eccd646173000a1400fe";

/// An action: user, method, path and body; then names under which texts of the response are kept (the part behind the last
/// slash), for later paths or because they are secret.
type Action = (Who, &'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Actions that create what no report can: one-off containers and their logs, deployments, invitations, pull requests, hooks.
#[rustfmt::skip]
const ACTIONS: &[Action] = &[
    (Who::Owner, "POST", "/v1/scm_integrations", r#"{"scm_integration":{"scm_type":"github","url":"","access_token":"SECRET"}}"#, &[]),
    (Who::Owner, "POST", "/v1/apps/{app}/scm_repo_link", r#"{"scm_repo_link":{"source":"https://github.com/owner/app","auth_integration_uuid":"github","branch":"main"}}"#, &[]),
    (Who::Owner, "GET", "/v1/apps/{app}/scm_repo_link/hook", "", &[("secret", "/hook/secret")]),
    (Who::Operator, "POST", "/v1/apps/{app}/scm_repo_link/pulls", r#"{"pull":{"number":1,"title":"a change","html_url":"URL","source_repo_name":"owner/app","source_repo_html_url":"URL","state":"open"}}"#, &[]),
    (Who::Owner, "POST", "/v1/apps/{app}/deployments", r#"{"deployment":{"source_url":"URL"}}"#, &[]),
    (Who::Owner, "POST", "/v1/apps/{app}/domains", r#"{"domain":{"name":"www.example.com"}}"#, &[]),
    (Who::Owner, "POST", "/v1/apps/{app}/variables", r#"{"variable":{"name":"A","value":"SECRET"}}"#, &[]),
    (Who::Owner, "POST", "/v1/apps/{app}/variables", r#"{"variable":{"name":"B","value":"$A"}}"#, &[]),
    (Who::Owner, "POST", "/v1/apps/{app}/log_drains", r#"{"drain":{"type":"syslog","host":"logs.example.com","port":"514","token":"SECRET"}}"#, &[]),
    (Who::Owner, "POST", "/v1/apps/{app}/data_access_consent", r#"{"data_access_consent":{"databases_until":"2026-11-10T12:00:00Z"}}"#, &[]),
    (Who::Owner, "PUT", "/v1/apps/{app}/hds_contact", r#"{"hds_contact":{"name":"PERSONAL","email":"contact@example.com","notes":"PERSONAL"}}"#, &[]),
    (Who::Owner, "POST", "/v1/apps/{app}/addons", r#"{"addon":{"addon_provider_id":"redis","plan_id":"redis-sandbox"}}"#, &[("addon", "/addon/id"), ("database", "/addon/id")]),
    (Who::Owner, "POST", "/v1/apps/{app}/addons/{addon}/log_drains", r#"{"drain":{"type":"elk","url":"https://elk.example/SECRET"}}"#, &[]),
    (Who::Operator, "POST", "/api/databases/{database}/maintenance", r#"{"maintenance":{"type":"db-upgrade"}}"#, &[("maintenance", "/id")]),
    (Who::Owner, "POST", "/v1/apps/{app}/run", r#"{"command":"SECRET","detached":true}"#, &[("audit_log", "/container/id"), ("operation", "/operation_url")]),
    (Who::Operator, "PATCH", "/v1/apps/{app}/audit_logs/{audit_log}", r#"{"entries":[{"time":"2026-11-01T12:00:00Z","content":"SECRET","type":"output"}]}"#, &[]),
    (Who::Owner, "POST", "/v1/apps/{app}/collaborators", r#"{"collaborator":{"email":"pending@example.com"}}"#, &[("secret", "/collaborator/invitation_link")]),
];
/// An action whose event repeats what reports have set.
const LAST_ACTION: Action =
    (Who::Owner, "PATCH", "/v1/apps/{app}/scm_repo_link", r#"{"scm_repo_link":{"branch":"other"}}"#, &[]);

/// Where to find the identifiers in paths: the parameter, the route of the list, the list's name and the field's.
const LISTS: [(&str, &str, &str, &str); 5] = [
    ("addon", "/v1/apps/{app}/addons", "addons", "id"),
    ("deployment", "/v1/apps/{app}/deployments", "deployments", "id"),
    ("domain", "/v1/apps/{app}/domains", "domains", "id"),
    ("event", "/v1/apps/{app}/events?from=72", "events", "id"),
    ("pull", "/v1/apps/{app}/scm_repo_link/pulls", "pulls", "number"),
];

pub(super) fn user_id(who: Who) -> UserId {
    format!("us-00000000-0000-4000-8000-0000000001{:02}", who as u8).parse().unwrap()
}

pub(super) fn person(who: Who) -> Value {
    let name = format!("{who:?}").to_lowercase();
    json!({ "username": name, "email": format!("{name}@example.com"), "id": user_id(who) })
}

pub(super) struct World {
    service: TestService,
    tokens: Vec<String>,
    start: Time,
    pub(super) canaries: Vec<Canary>,
    /// The values of path parameters, by parameter; and, as `secret`, the secrets that the server chose.
    ids: BTreeMap<(Subject, String), Vec<String>>,
}

impl World {
    pub(super) async fn new() -> Self {
        let mut service = TestService::start().await;
        let mut tokens = vec![OPERATOR.to_owned()];
        for who in users() {
            tokens.push(service.register_as(person(who)).await);
        }
        let auditor = r#"{"token":{"name":"audit"}}"#;
        let auditor = service.post("/v1/operator/auditor_tokens", OPERATOR, auditor).await.json();
        tokens.push(auditor["token"]["token"].as_str().unwrap().to_owned());
        let start = service.clock.now();
        let mut world = Self { service, tokens, start, canaries: Vec::new(), ids: BTreeMap::new() };
        let ids = users().map(|who| user_id(who).to_string());
        world.ids.insert((Subject::Live, "user".to_owned()), ids.collect());
        world.report(members()).await;
        for (number, action) in ACTIONS.iter().enumerate() {
            world.act(*action, number).await;
        }
        for actor in users() {
            let events = world.everything_by(actor);
            world.report(events).await;
        }
        let deletion = event(APPS[1].1, Who::Owner, "delete_app", json!({}));
        world.report(vec![deletion]).await;
        world.act(LAST_ACTION, 0).await;
        world.find_ids().await;
        world
    }

    /// Reports events, each a millisecond after the one before.
    async fn report(&mut self, mut events: Vec<Value>) {
        self.service.clock.advance(Duration::from_secs(60));
        for (index, event) in events.iter_mut().enumerate() {
            event["created_at"] = json!(self.service.clock.now().plus_millis(index as u64));
        }
        let answer =
            self.service.post("/v1/events", OPERATOR, &json!({ "events": events }).to_string()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        self.service.transcript();
    }

    async fn act(&mut self, (who, method, route, body, kept): Action, number: usize) {
        let path = &self.paths(route, Subject::Live, APPS[0].1)[0];
        let label = format!("action-{number}");
        let [secret, personal] =
            [Class::Secret, Class::Personal].map(|class| marks(class, Subject::Live)[0].clone() + &label);
        let body = body.replace("SECRET", &secret).replace("PERSONAL", &personal);
        let body = body.replace("URL", &canary_url(Subject::Live, &label));
        let answer = self.service.play(method, path, &self.tokens[who as usize], "", &body).await;
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.text());
        for (name, pointer) in kept {
            let json = answer.json();
            let (text, ids) = (json.pointer(pointer).unwrap(), (Subject::Live, (*name).to_owned()));
            let text = text.as_str().unwrap().rsplit('/').next().unwrap();
            self.ids.entry(ids).or_default().push(text.to_owned());
        }
    }

    /// Returns events of every type by one user. Types that end something come before those that begin it, so that much is left.
    fn everything_by(&mut self, actor: Who) -> Vec<Value> {
        let mut events = Vec::new();
        for event_type in catalogue::all().iter().rev().filter(|event_type| event_type.name != "delete_app") {
            // Whoever creates an app owns it.
            let actor = if event_type.name == "new_app" { Who::Owner } else { actor };
            if event_type.scope != Scope::App {
                events.push(event_of(event_type, Subject::Account(actor), actor, &mut self.canaries));
                continue;
            }
            for (subject, app) in APPS {
                let mut event = event_of(event_type, subject, actor, &mut self.canaries);
                event["app_id"] = app.into();
                event["app_name"] = event["type_data"].get("new_name").cloned().unwrap_or_else(|| app.into());
                events.push(event);
            }
        }
        events
    }

    async fn find_ids(&mut self) {
        for (name, route, list, field) in LISTS {
            for (subject, app) in APPS {
                let answer = self.read(Who::Owner, &route.replace("{app}", app), "").await;
                if answer.status == StatusCode::OK {
                    let answer = answer.json();
                    let listed = answer[list].as_array().unwrap().iter();
                    let ids = listed.map(|one| one[field].to_string().replace('"', "")).collect();
                    self.ids.insert((subject, name.to_owned()), ids);
                }
            }
        }
    }

    /// Returns the live app's secrets that the server chose.
    pub(super) fn secrets(&self) -> &[String] {
        &self.ids[&(Subject::Live, "secret".to_owned())]
    }

    pub(super) async fn read(&self, who: Who, path: &str, agent: &str) -> Answer {
        let mut request = request(Method::GET, path, &self.tokens[who as usize], "");
        request.headers_mut().insert(header::USER_AGENT, agent.parse().unwrap());
        self.service.send(request).await
    }

    /// Returns the paths of a route, with every value of its parameters.
    pub(super) fn paths(&self, route: &str, subject: Subject, app: &str) -> Vec<String> {
        let mut paths = vec![route.replace("{app}", app)];
        while let Some((_, rest)) = paths.first().and_then(|path| path.split_once('{')) {
            let name = rest.split_once('}').unwrap().0.to_owned();
            let parameter = format!("{{{name}}}");
            let ids = self.ids.get(&(subject, name)).map(Vec::as_slice).unwrap_or_default();
            paths = paths.iter().flat_map(|path| ids.iter().map(|id| path.replace(&parameter, id))).collect();
        }
        paths
    }

    /// Returns the queries for a path: every page of a timeline, the state at many times and between them.
    pub(super) fn queries(&self, path: &str) -> Vec<String> {
        let none = || std::iter::once(String::new());
        match path.rsplit_once('/').unwrap().1 {
            "events" if path.starts_with("/v1/operator/") => {
                (1..=20).map(|page| format!("?per_page=100&page={page}")).collect()
            }
            "events" => {
                (1..=10).map(|page| format!("?per_page=100&page={page}")).chain(["?from=72".into()]).collect()
            }
            "state" => {
                let minutes = (self.service.clock.now().as_millis() - self.start.as_millis()) / 60_000;
                let at: Vec<_> = (1..=minutes)
                    .flat_map(|minute| [40, 99].map(|more| self.start.plus_millis(minute * 60_000 + more)))
                    .collect();
                let between = at.windows(2).map(|at| format!("?from={}&to={}", at[0], at[1]));
                at.iter().map(|at| format!("?at={at}")).chain(between).chain(none()).collect()
            }
            "variables" => none().chain(["?aliases=true".to_owned()]).collect(),
            _ => none().collect(),
        }
    }
}

fn event(app: &str, actor: Who, event_type: &str, type_data: Value) -> Value {
    json!({ "user": person(actor), "app_id": app, "app_name": app, "type": event_type, "type_data": type_data })
}

/// Returns the events that create the apps and their parent, add their collaborators and remove a former one.
fn members() -> Vec<Value> {
    let accepts = |app: &str, who: Who, is_limited: bool| {
        let mut accepted = person(who);
        accepted["inviter"] = json!({ "username": "owner", "email": "owner@example.com" });
        accepted["is_limited"] = is_limited.into();
        event(app, who, "accept_collaborator", json!({ "collaborator": accepted }))
    };
    let mut events = vec![
        event(PARENT_APP, Who::Owner, "new_app", json!({})),
        accepts(PARENT_APP, Who::OfParent, false),
        accepts(PARENT_APP, Who::LimitedOfParent, true),
    ];
    for (_, app) in APPS {
        events.extend([
            event(app, Who::Owner, "new_app", json!({ "parent_app_id": PARENT_APP })),
            accepts(app, Who::Collaborator, false),
            accepts(app, Who::Limited, true),
            accepts(app, Who::Former, false),
            event(app, Who::Owner, "delete_collaborator", json!({ "collaborator": person(Who::Former) })),
        ]);
    }
    events
}
