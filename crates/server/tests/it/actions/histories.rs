//! Random histories of one app: actions of every type, and reports of every type that come late, ahead of the clock, and
//! that contradict the state. After every step the state is what the independent fold says, and at the end it is so at
//! every instant.

use std::collections::BTreeSet;
use std::time::Duration;

use annals_model::UserId;
use annals_model::catalogue::{self, Scope};
use annals_service::Clock as _;
use annals_store::{TypedRows as _, key};
use annals_testing::EXAMPLES;
use http::StatusCode;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::independent_fold::{account_after, app_after, as_shown, happen_to_app, plain};
use super::table::{Call, Who, call, table};
use super::world::World;

const HISTORIES: u64 = 4;
const STEPS: usize = 120;

/// Actions besides those of the table.
#[rustfmt::skip]
const FURTHER: &[(Who, &str, &str, &str)] = &[
    (Who::Owner, "PATCH", "/v1/apps/my-app", r#"{"app":{"force_https":true,"sticky_session":false}}"#),
    (Who::Owner, "PATCH", "/v1/apps/my-app", r#"{"app":{"force_https":false,"router_logs":true}}"#),
    (Who::Owner, "PATCH", "/v1/apps/my-app/collaborators/{colin}", r#"{"collaborator":{"is_limited":true}}"#),
    (Who::Owner, "PATCH", "/v1/apps/my-app/collaborators/{colin}", r#"{"collaborator":{"is_limited":false}}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/scale", r#"{"containers":[{"name":"web","amount":0},{"name":"clock","amount":1,"size":"XL"}]}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/variables", r#"{"variable":{"name":"A","value":"three"}}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/domains", r#"{"domain":{"name":"canonical.example.com","canonical":true}}"#),
    (Who::Owner, "POST", "/v1/apps/my-app/addons", r#"{"addon":{"addon_provider_id":"redis","plan_id":"redis-sandbox"}}"#),
    (Who::Owner, "PATCH", "/api/databases/{addon}", r#"{"database":{"maintenance_window":{"weekday_utc":3,"starting_hour_utc":4}}}"#),
    (Who::Operator, "POST", "/api/databases/{addon}/maintenance/{maintenance}/complete", r#"{"status":"failed"}"#),
    (Who::Operator, "POST", "/api/databases/{addon}/maintenance/{maintenance}/cancel", ""),
    (Who::Owner, "POST", "/v1/apps/my-app-pr42/rename", r#"{"current_name":"my-app-pr42","new_name":"trial-app"}"#),
    (Who::Owner, "DELETE", "/v1/apps/trial-app?current_name=trial-app", ""),
    (Who::Owner, "POST", "/v1/keys", r#"{"key":{"name":"laptop","content":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"}}"#),
    (Who::Owner, "DELETE", "/v1/keys/{key}", ""),
    (Who::Owner, "DELETE", "/v1/scm_integrations/github", ""),
    (Who::Owner, "DELETE", "/v1/apps/my-app?current_name=my-app", ""),
];

/// A history, what was seen of it, and the state that the independent fold gives.
struct History {
    world: World,
    random: StdRng,
    calls: Vec<(Who, Call)>,
    events: Vec<Value>,
    folded: Value,
}

impl History {
    async fn begin(seed: u64) -> Self {
        let further = FURTHER.iter().map(|(who, method, path, body)| (*who, call(method, path, body)));
        let of_rows = table().into_iter().flat_map(|row| {
            let who = if row.event_type == "accept_collaborator" { Who::Stranger } else { row.may.example() };
            row.before.into_iter().chain([(who, row.call)])
        });
        let calls = further.chain(of_rows).collect();
        let (world, random) = (World::new().await, StdRng::seed_from_u64(seed));
        let mut history = Self { world, random, calls, events: Vec::new(), folded: Value::Null };
        history.check().await;
        history
    }

    async fn step(&mut self) {
        match self.random.random_range(0..20) {
            0..11 => {
                let (who, call) = self.calls.choose(&mut self.random).cloned().unwrap();
                self.act(who, &call).await;
            }
            11..18 => {
                let count = self.random.random_range(1..4);
                let reports = (0..count).map(|_| self.random_report()).collect();
                self.report(reports).await;
            }
            18 => {
                let passed = [1, 1_000, 60_000, 86_400_000].choose(&mut self.random);
                self.world.service.clock.advance(Duration::from_millis(*passed.unwrap()));
            }
            _ => self.revive().await,
        }
        self.check().await;
    }

    /// Acts. The rules may refuse that.
    async fn act(&mut self, who: Who, call: &Call) {
        let (status, answer) = self.world.ask(who, call).await;
        let is_refused = status.is_client_error();
        assert!(status.is_success() || is_refused, "{} {}: {status} {answer}", call.method, call.path);
    }

    /// Reports facts. Whether they fit the state does not matter.
    async fn report(&mut self, reports: Vec<Value>) {
        let count = reports.len();
        let call = call("POST", "/v1/events", &json!({ "events": reports }).to_string());
        let (status, answer) = self.world.ask(Who::Operator, &call).await;
        assert_eq!(
            (status, &answer["accepted"]),
            (StatusCode::CREATED, &json!(count)),
            "{answer} {}",
            call.body
        );
    }

    /// Reports that the app is there and is Jane's, so that what follows can act on it again.
    async fn revive(&mut self) {
        let mut owner = self.events[0]["user"].clone();
        owner["username"] = "jane".into();
        let report = json!({
            "type": "new_app", "type_data": {}, "user": owner, "app_id": self.world.app, "app_name": "my-app",
        });
        self.report(vec![report]).await;
    }

    /// Returns an example, or something that happened before, as a fact about this app at another time.
    fn random_report(&mut self) -> Value {
        let examples: Vec<_> = EXAMPLES.lines().collect();
        let random = &mut self.random;
        let mut report = match self.events.choose(random) {
            Some(event) if random.random() => event.clone(),
            _ => serde_json::from_str(examples.choose(random).unwrap()).unwrap(),
        };
        let fields = report.as_object_mut().unwrap();
        fields.remove("id");
        fields.remove("created_at");
        let now = self.world.service.clock.now();
        match random.random_range(0..4) {
            0 => {}
            1 => report["created_at"] = json!(now.plus_millis(random.random_range(0..=300_000))),
            2 => report["created_at"] = json!(now.minus_millis(random.random_range(0..60_000))),
            _ => {
                let years = 10 * 365 * 86_400_000;
                report["created_at"] = json!(now.minus_millis(random.random_range(0..years)));
            }
        }
        let people = people(&self.events);
        let user = people.choose(random).cloned().unwrap();
        if report.get("user").is_some() {
            report["user"] = user;
        }
        if report.get("app_id").is_some() {
            report["app_id"] = self.world.app.clone().into();
            let names = [text(&self.folded["name"]), text(&self.folded["name"]), "other-name"];
            report["app_name"] = (*names.choose(random).unwrap()).into();
        }
        self.reword(&mut report, &people);
        report
    }

    /// Changes what a report says, so that reports meet each other, and contradict the state.
    fn reword(&mut self, report: &mut Value, people: &[Value]) {
        let event_type = text(&report["type"]).to_owned();
        let (app_id, app_name) = (report["app_id"].clone(), report["app_name"].clone());
        let random = &mut self.random;
        let apps = ["5343eccd646173000a14ffff", "5343eccd646173000a14fffe", text(&self.folded["id"])];
        let addons = self.folded["addons"].as_object().into_iter().flatten();
        let addons: Vec<_> = addons.map(|(id, addon)| (id.clone(), addon["addon_uuid"].clone())).collect();
        let data = &mut report["type_data"];
        match event_type.as_str() {
            "new_app" => data["parent_app_id"] = apps.choose(random).copied().into(),
            "rename_app" => data["new_name"] = app_name,
            "transfer_app" => {
                data["old_owner"] = people.choose(random).cloned().unwrap();
                data["new_owner"] = people.choose(random).cloned().unwrap();
            }
            "accept_collaborator" | "delete_collaborator" => {
                let person = people.choose(random).unwrap();
                for field in ["id", "username", "email"] {
                    data["collaborator"][field] = person[field].clone();
                }
            }
            "create_review_app" | "destroy_review_app" | "rename_review_app" => {
                data["app_id"] = apps.choose(random).copied().into();
                assert!(!app_id.is_null());
            }
            "new_addon" => data["addon_uuid"] = format!("ad-{:032x}", random.random::<u128>()).into(),
            _ => {
                if let Some((resource_id, addon_uuid)) = addons.choose(random) {
                    for (field, value) in [("resource_id", &json!(resource_id)), ("addon_uuid", addon_uuid)] {
                        if data.get(field).is_some() {
                            data[field] = value.clone();
                        }
                    }
                }
            }
        }
    }

    /// Reads what was recorded since the last check, and compares the state with the independent fold.
    async fn check(&mut self) {
        let page = self.world.get(Who::Operator, "/v1/apps/my-app/events?per_page=100").await;
        let total = page["meta"]["pagination"]["total_count"].as_u64().unwrap();
        let new = usize::try_from(total).unwrap() - self.events.len();
        assert!(new <= 100, "a step records a page of events at most");
        for event in page["events"].as_array().unwrap()[..new].iter().rev() {
            happen_to_app(&mut self.folded, event);
            self.events.push(event.clone());
        }
        let shown = self.world.get(Who::Operator, "/v1/apps/my-app/state").await;
        let latest = &self.events[self.events.len() - new..];
        assert_eq!(plain(&shown["state"]), as_shown(&self.folded), "after {latest:#?}");
        assert_eq!(shown["position"], total);
    }

    /// Compares the state at every instant with the independent fold of what had happened by then.
    async fn check_instants(&mut self) {
        let instants: BTreeSet<_> = self.events.iter().map(|event| text(&event["created_at"])).collect();
        for at in instants {
            let happened = self.events.iter().filter(|event| text(&event["created_at"]) <= at);
            let shown = self.world.get(Who::Operator, &format!("/v1/apps/my-app/state?at={at}")).await;
            assert_eq!(plain(&shown["state"]), app_after(happened), "at {at}");
        }
    }

    async fn check_accounts(&mut self) {
        for who in [Who::Owner, Who::Collaborator, Who::Limited, Who::Stranger] {
            let events = self.world.timeline(who, "/v1/events").await;
            let Some(first) = events.first() else { continue };
            let id: UserId = text(&first["user"]["id"]).parse().unwrap();
            let account = self.world.service.state.service().store().get(key::Account(id)).await.unwrap();
            let mut account = serde_json::to_value(&*account.unwrap()).unwrap();
            account.as_object_mut().unwrap().remove("created_at");
            assert_eq!(plain(&account), plain(&account_after(&events)), "{who:?}");
        }
    }
}

/// Returns everybody who acted, each once.
fn people(events: &[Value]) -> Vec<Value> {
    let mut people: Vec<Value> = Vec::new();
    for user in events.iter().map(|event| &event["user"]).filter(|user| !user.is_null()) {
        if people.iter().all(|known| known["id"] != user["id"]) {
            people.push(user.clone());
        }
    }
    people
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[tokio::test]
async fn after_every_step_and_at_every_instant_the_state_is_what_the_events_say() {
    let seed: u64 = rand::random();
    eprintln!("seed {seed}");
    let mut seen = BTreeSet::new();
    for number in 0..HISTORIES {
        let mut history = History::begin(seed.wrapping_add(number)).await;
        // Every action is tried once in its order, and every type is recorded; then anything may follow.
        if number == 0 {
            for (who, call) in history.calls.clone() {
                history.revive().await;
                history.act(who, &call).await;
                history.check().await;
            }
            // What an action could not record any more, a report records.
            for example in EXAMPLES.lines() {
                let mut report: Value = serde_json::from_str(example).unwrap();
                let fields = report.as_object_mut().unwrap();
                fields.retain(|field, _| field != "id" && field != "created_at");
                if fields.contains_key("app_id") {
                    fields["app_id"] = history.world.app.clone().into();
                    history.report(vec![report]).await;
                    history.check().await;
                }
            }
        }
        for _ in 0..STEPS {
            history.step().await;
        }
        history.check_instants().await;
        history.check_accounts().await;
        seen.extend(history.events.iter().map(|event| text(&event["type"]).to_owned()));
        let store = history.world.service.end().await.open_portable().await;
        let checked = annals_store::check(&*store, true, |_| {}).await.unwrap();
        assert_eq!(checked.findings, Vec::<String>::new());
    }
    let of_apps = catalogue::all().iter().filter(|event_type| event_type.scope == Scope::App);
    let missing: Vec<_> =
        of_apps.map(|event_type| event_type.name).filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
