//! Short histories with given values: what their events say, and the state that folding them gives.

use std::net::IpAddr;
use std::sync::Arc;

use annals_model::app::{
    AddAddon, AddAddonLogDrain, AddFeature, AppAction, BuildDetails, ConfigureAddon, CreateApp, DeleteAddon,
    DeployArchive, Drain, HdsContact, ImportDeployment, Link, LinkSettings, MaintenanceMove,
    MaintenanceStatus, MoveDeployment, MoveMaintenance, NewValue, PlanMaintenance, Progress, PullChange,
    PullRequest, SetHdsContact, UpdateLink, UpgradeAddon, addon_id, review_apps,
};
use annals_model::catalogue::DeploymentStatus;
use annals_model::{
    App, AppRef, Context, Directory, Event, IdSource, PrivateState, RandomIds, Rejection, Role, Rules, Time,
    TypeData,
};
use serde_json::{Value, json};

use crate::platform::{Fixed, people};

const HOUR: u64 = 3_600_000;

/// An app and its timeline.
struct History {
    platform: Fixed,
    ids: RandomIds,
    now: Time,
    app: Arc<App>,
    private: Arc<PrivateState>,
    timeline: Vec<Event>,
}

impl History {
    fn begin() -> Self {
        let rules = Rules { instant_builder: false, public_url: "https://annals.example".to_owned() };
        let platform = Fixed { directory: Directory::default(), rules, people: people() };
        let ids = RandomIds::starting_at(1, 0);
        let now = "2026-11-26T08:00:00Z".parse().unwrap();
        let named = AppRef { id: ids.app_id(now), name: "my-app".to_owned() };
        let app = Arc::new(App::first_seen(&named, now));
        let mut history = Self { platform, ids, now, app, private: Arc::default(), timeline: Vec::new() };
        let create = CreateApp { name: "my-app".to_owned(), ..CreateApp::default() };
        let created = create.decide(&history.context(None)).unwrap();
        history.record(created.events);
        history
    }

    fn context(&self, role: Option<Role>) -> Context<'_> {
        let (actor, remote_ip) = (self.platform.people.first(), "192.0.2.1".parse::<IpAddr>().ok());
        Context { now: self.now, actor, role, remote_ip, ids: &self.ids, lookups: &self.platform }
    }

    /// Records events, and checks that folding the timeline gives the state.
    fn record(&mut self, events: Vec<TypeData>) {
        for data in events {
            let (app, user) = (Some(self.app.named_in(&data)), self.platform.people.first().cloned());
            let event = Event {
                id: self.ids.event_id(self.now),
                created_at: self.now,
                user,
                app,
                project: None,
                data,
            };
            App::apply(&mut self.app, &event);
            self.timeline.push(Event::from_json(&event.to_json()).unwrap());
        }
        assert_eq!(App::fold(&self.timeline).as_ref(), Some(&*self.app));
    }

    /// Records an event as a report has it.
    fn report(&mut self, event_type: &str, type_data: &Value) {
        let event = json!({
            "id": self.ids.event_id(self.now), "created_at": self.now, "app_id": self.app.id,
            "app_name": self.app.name, "type": event_type, "type_data": type_data,
        });
        let event = Event::from_json(event.to_string().as_bytes()).unwrap();
        self.record(vec![event.data]);
    }

    fn act<A: AppAction>(&mut self, action: &A) -> Result<A::Created, Rejection> {
        let mut private = Arc::clone(&self.private);
        let decided = action.decide(&self.app, &mut private, &self.context(Some(A::ROLE)))?;
        self.private = private;
        self.record(decided.events);
        Ok(decided.created)
    }

    /// The data of the latest event of a type.
    fn last(&self, event_type: &str) -> Value {
        let mut latest = self.timeline.iter().rev();
        let event = latest.find(|event| event.data.event_type().name == event_type).unwrap();
        let event: Value = serde_json::from_slice(&event.to_json()).unwrap();
        event["type_data"].clone()
    }

    fn count(&self, event_type: &str) -> usize {
        self.timeline.iter().filter(|event| event.data.event_type().name == event_type).count()
    }

    fn state(&self) -> Value {
        serde_json::to_value(&*self.app).unwrap()
    }

    fn add_postgresql(&mut self) -> String {
        let action =
            AddAddon { provider_id: "postgresql".to_owned(), plan_id: "postgresql-sandbox".to_owned() };
        self.act(&action).unwrap()
    }
}

#[test]
fn a_maintenance_leaves_the_state_however_it_ends() {
    for (moves, status) in [
        (&[MaintenanceMove::Cancel][..], Some("cancelled")),
        (&[MaintenanceMove::Start, MaintenanceMove::Fail], Some("failed")),
        (&[MaintenanceMove::Start, MaintenanceMove::Complete], None),
    ] {
        let mut history = History::begin();
        let addon_id = history.add_postgresql();
        let maintenance_type = "db-upgrade".to_owned();
        let id = history.act(&PlanMaintenance { addon_id: addon_id.clone(), maintenance_type }).unwrap();
        let planned = &history.app.maintenances[&id.to_string()];
        assert_eq!(planned.addon_uuid.as_ref(), Some(&addon_id));
        history.now = planned.window;
        for &to in moves {
            assert_eq!(history.app.maintenances.len(), 1);
            history.act(&MoveMaintenance { addon_id: addon_id.clone(), id, to }).unwrap();
        }
        assert!(history.app.maintenances.is_empty(), "{moves:?}");
        if let Some(status) = status {
            let ended = json!({ "maintenance_id": id, "status": status });
            let updated = history.last("addon_updated");
            assert_eq!(updated["ended_maintenance"], ended);
            assert_eq!(updated["attributes_changed"], json!(["maintenance"]));
        }
    }
}

#[test]
fn the_maintenances_of_a_removed_addon_are_removed_with_it() {
    let mut history = History::begin();
    let [first, second] = [(); 2].map(|()| history.add_postgresql());
    for addon_id in [&first, &second] {
        let maintenance_type = "db-upgrade".to_owned();
        history.act(&PlanMaintenance { addon_id: addon_id.clone(), maintenance_type }).unwrap();
    }
    // Such an event of another platform does not say which add-on it means.
    let unnamed = json!({
        "addon_name": "PostgreSQL", "maintenance_id": "m3", "maintenance_type": "no-op",
        "maintenance_window_in_hours": 8, "next_maintenance_window": "2026-12-01T21:00:00Z",
    });
    history.report("plan_database_maintenance", &unnamed);
    history.act(&DeleteAddon { id: first.clone() }).unwrap();
    let left: Vec<_> = history.app.maintenances.values().map(|one| one.addon_uuid.clone()).collect();
    assert_eq!(left.len(), 2);
    assert!(left.contains(&Some(second.clone())) && left.contains(&None), "{left:?}");
    let ended = history.private.maintenances.iter().find(|record| record.addon_id == first).unwrap();
    assert_eq!((ended.status, ended.ended_at), (MaintenanceStatus::Cancelled, Some(history.now)));
    history.act(&DeleteAddon { id: second }).unwrap();
    assert!(history.app.maintenances.is_empty());
}

#[test]
fn hours_before_a_pull_request_is_stale_stay_as_they_were_given() {
    let link = |delete_stale, hours| Link {
        source: "https://github.com/jane/shop".to_owned(),
        integration_id: "github".to_owned(),
        settings: LinkSettings { delete_stale, hours_before_delete_stale: hours, ..LinkSettings::default() },
    };
    let update = |delete_stale, hours| {
        UpdateLink(LinkSettings { delete_stale, hours_before_delete_stale: hours, ..LinkSettings::default() })
    };
    // What the link says after its creation, and after an update: hours given and hours recorded.
    for (created, after_creation, updated, after_update) in [
        ((Some(true), Some(0)), 0, (None, Some(7)), 7),
        ((Some(true), Some(7)), 7, (None, Some(0)), 0),
        ((Some(true), Some(0)), 0, (Some(false), None), 0),
        ((Some(true), None), 120, (None, Some(0)), 0),
        ((None, None), 0, (Some(true), None), 120),
        ((None, None), 0, (Some(true), Some(0)), 0),
    ] {
        let mut history = History::begin();
        history.act(&link(created.0, created.1)).unwrap();
        assert_eq!(history.last("link_scm")["hours_before_delete_stale"], after_creation);
        assert_eq!(history.state()["scm_link"]["hours_before_delete_stale"], after_creation);
        history.act(&update(updated.0, updated.1)).unwrap();
        assert_eq!(history.last("update_scm")["hours_before_delete_stale"], after_update);
        assert_eq!(history.state()["scm_link"]["hours_before_delete_stale"], after_update);
    }
    // No pull request is stale while it is active: 0 stands for five days.
    for (hours, after) in [(0, 120), (7, 7)] {
        let mut history = History::begin();
        history.act(&link(Some(true), Some(hours))).unwrap();
        open_review_app(&mut history);
        let due = history.private.pull_requests[&7].delete_at;
        assert_eq!(due, Some(history.now.plus_millis(after * HOUR)), "{hours}");
    }
}

#[test]
fn a_builder_gives_times_that_can_be() {
    let began: Time = "2026-11-26T08:00:00.500Z".parse().unwrap();
    /// The end and the duration that are recorded, or the refused field.
    type Expected = Result<(&'static str, u64), &'static str>;
    // The time of the request, and what it gives.
    #[rustfmt::skip]
    let cases: &[(&str, Option<&str>, Option<u64>, Expected)] = &[
        ("08:01:00.500", None, None, Ok(("2026-11-26T08:01:00.500Z", 60))),
        ("08:01:00.500", None, Some(42), Ok(("2026-11-26T08:01:00.500Z", 42))),
        ("08:01:00.500", Some("2026-11-26T08:00:30.500Z"), None, Ok(("2026-11-26T08:00:30.500Z", 30))),
        ("08:01:00.500", Some("2026-11-26T08:00:00Z"), None, Ok(("2026-11-26T08:00:00.000Z", 0))),
        ("08:01:00.500", Some("2026-11-26T08:06:00.500Z"), None, Ok(("2026-11-26T08:06:00.500Z", 360))),
        ("08:01:00.500", Some("2026-11-26T08:06:00.501Z"), None, Err("finished_at")),
        ("08:01:00.500", Some("2026-11-26T07:59:59.999Z"), None, Err("finished_at")),
        ("08:01:00.500", Some("2030-01-01T00:00:00Z"), None, Err("finished_at")),
        ("08:01:00.500", Some("2030-01-01T00:00:00Z"), Some(97_806_561), Err("finished_at")),
        ("08:01:00.500", None, Some(97_806_561), Err("duration")),
    ];
    for (now, finished_at, duration, expected) in cases {
        let mut history = History::begin();
        history.now = began;
        let archive = DeployArchive { source_url: "https://a.example/a.tgz".to_owned(), git_ref: None };
        let id = history.act(&archive).unwrap();
        history.now = format!("2026-11-26T{now}Z").parse().unwrap();
        let finished_at = finished_at.map(|time| time.parse().unwrap());
        let details = BuildDetails { finished_at, duration: *duration, ..BuildDetails::default() };
        let status = Progress::Ended(DeploymentStatus::Success);
        let moved = history.act(&MoveDeployment { id, status, details });
        match (moved, expected) {
            (Ok(()), Ok((finished_at, duration))) => {
                let data = history.last("deployment");
                assert_eq!(
                    (&data["finished_at"], &data["duration"]),
                    (&json!(finished_at), &json!(duration))
                );
                assert_eq!(history.state()["last_deployment"]["finished_at"], *finished_at);
            }
            (Err(rejection), Err(field)) => {
                assert!(rejection.to_string().starts_with(field), "{rejection}");
                assert_eq!(history.count("deployment"), 0);
            }
            (moved, expected) => {
                panic!("{now} {finished_at:?} {duration:?}: {moved:?} instead of {expected:?}")
            }
        }
    }
}

#[test]
fn an_imported_deployment_keeps_the_times_it_had() {
    let finished_at: Time = "2026-11-25T10:00:00Z".parse().unwrap();
    for (finished_at, duration, expected) in [
        (Some(finished_at), Some(90), Ok(("2026-11-25T10:00:00.000Z", 90, "2026-11-25T09:58:30.000Z"))),
        (Some(finished_at), None, Ok(("2026-11-25T10:00:00.000Z", 0, "2026-11-25T10:00:00.000Z"))),
        (None, Some(90), Ok(("2026-11-26T08:00:00.000Z", 90, "2026-11-26T07:58:30.000Z"))),
        (Some("2030-01-01T00:00:00Z".parse().unwrap()), None, Err("finished_at")),
        (None, Some(97_806_561), Err("duration")),
    ] {
        let mut history = History::begin();
        let details = BuildDetails { finished_at, duration, ..BuildDetails::default() };
        let (pusher, status) =
            (history.platform.people[0].clone(), Progress::Ended(DeploymentStatus::Success));
        let imported = history.act(&ImportDeployment { pusher, status, details });
        match (imported, expected) {
            (Ok(id), Ok((finished_at, duration, began))) => {
                let data = history.last("deployment");
                assert_eq!(
                    (&data["finished_at"], &data["duration"]),
                    (&json!(finished_at), &json!(duration))
                );
                assert_eq!(history.private.deployment(id).unwrap().created_at.to_string(), began);
            }
            (Err(rejection), Err(field)) => assert!(rejection.to_string().starts_with(field), "{rejection}"),
            (imported, expected) => panic!("{imported:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn events_link_an_addon_to_its_resource() {
    let mut history = History::begin();
    let id = history.add_postgresql();
    let resource_id = history.app.addons.keys().next().unwrap().clone();
    let added = history.last("new_addon");
    assert_eq!((&added["addon_uuid"], &added["resource_id"]), (&json!(id), &json!(resource_id)));
    assert_eq!(history.state()["addons"][&resource_id]["addon_uuid"], json!(id));
    history.act(&AddFeature { addon_id: id.clone(), feature: "force-ssl".to_owned() }).unwrap();
    assert_eq!(history.last("database/add_feature")["addon_uuid"], json!(id));
    history.act(&UpgradeAddon { id: id.clone(), plan_id: "postgresql-starter-512".to_owned() }).unwrap();
    assert_eq!(history.last("upgrade_addon")["resource_id"], json!(resource_id));
    history.act(&DeleteAddon { id }).unwrap();
    assert_eq!(history.last("delete_addon")["resource_id"], json!(resource_id));

    // Another platform has identifiers of its own. Later events of annals use them too.
    let uuid = "ad-012345678-1234-5678-12345678";
    let added = json!({
        "addon_provider_name": "postgresql", "plan_name": "postgresql-sandbox", "resource_id": "r1", "addon_uuid": uuid,
    });
    history.report("new_addon", &added);
    let feature = json!({
        "feature": "force-ssl", "addon_uuid": uuid, "addon_provider_id": "5343eccd646173000a140000",
        "addon_provider_name": "postgresql",
    });
    history.report("database/add_feature", &feature);
    assert_eq!(history.state()["addons"]["r1"]["features"], json!(["force-ssl"]));
    let drain = Drain {
        kind: "syslog".to_owned(),
        host: Some("logs.example".to_owned()),
        port: Some("514".to_owned()),
        ..Drain::default()
    };
    let id = addon_id(history.app.id, "r1");
    history.act(&AddAddonLogDrain { addon_id: id.clone(), drain }).unwrap();
    assert_eq!(history.last("new_addon_log_drain")["addon_uuid"], uuid);
    assert_eq!(history.app.addons["r1"].log_drains.len(), 1);
    // Another identifier means no add-on, and certainly not this one.
    let mut other = feature.clone();
    other["addon_uuid"] = json!(id);
    history.report("database/remove_feature", &other);
    assert_eq!(history.app.addons["r1"].features.len(), 1);
    history.report("database/remove_feature", &feature);
    assert!(history.app.addons["r1"].features.is_empty());

    // Without an identifier of its own, it has the one of the API.
    let mut nameless = added.clone();
    nameless.as_object_mut().unwrap().remove("addon_uuid");
    history.report("new_addon", &nameless);
    history.report("database/add_feature", &other);
    assert_eq!(history.app.addons["r1"].features.len(), 1);
}

#[test]
fn a_new_app_has_its_stack_in_its_first_event() {
    let history = History::begin();
    assert_eq!(history.last("new_app")["stack"], annals_model::directory::default_stack().name);
    assert_eq!(history.state()["stack"], annals_model::directory::default_stack().name);
    // The event as the contract has it says nothing about the stack.
    let mut history = History::begin();
    history.report("new_app", &json!({ "git_source": null }));
    assert_eq!(history.state().get("stack"), None);
}

#[test]
fn the_contact_for_health_data_has_no_address_of_a_request() {
    let mut history = History::begin();
    let contact = HdsContact {
        name: "Jane Doe".to_owned(),
        email: "jane@example.com".to_owned(),
        phone_number: None,
        company: None,
        address_line1: None,
        address_line2: None,
        address_city: None,
        address_zip: None,
        address_country: None,
        notes: None,
    };
    history.act(&SetHdsContact(contact.clone())).unwrap();
    assert_eq!(history.last("edit_hds_contact")["remote_ip"], "192.0.2.1");
    assert_eq!(history.state()["hds_contact"].get("remote_ip"), None);
    assert_eq!(history.state()["hds_contact"]["name"], "Jane Doe");
    history.act(&SetHdsContact(contact)).unwrap();
    assert_eq!(history.count("edit_hds_contact"), 1, "the same contact is no change");
}

#[test]
fn a_renamed_review_app_has_its_new_name_in_the_parent() {
    let mut history = History::begin();
    let settings = LinkSettings::default();
    let (source, integration_id) = ("https://github.com/jane/shop".to_owned(), "github".to_owned());
    history.act(&Link { source, integration_id, settings }).unwrap();
    let child = open_review_app(&mut history);
    let renamed = review_apps::rename(&history.app, child, "new-name", &history.context(None));
    history.record(renamed.events);
    let known: Vec<_> = history.app.review_apps.keys().collect();
    assert_eq!(known, ["new-name"]);
    assert_eq!(
        history.app.review_apps["new-name"].url.as_deref(),
        Some("https://annals.example/apps/new-name")
    );
    let renamed = review_apps::rename(&history.app, child, "new-name", &history.context(None));
    assert!(renamed.events.is_empty(), "the parent knows the name");

    // A report gave the app a third name, which the parent's timeline does not have.
    let mut private = Arc::clone(&history.private);
    let destroyed =
        review_apps::destroy(&history.app, &mut private, "new-name", "third-name", &history.context(None));
    history.record(destroyed.unwrap().events);
    let destroyed = history.last("destroy_review_app");
    assert_eq!(destroyed["review_app_name"], "third-name");
    assert_eq!(destroyed["review_app_url"], "https://annals.example/apps/third-name");
    assert!(history.app.review_apps.is_empty());
}

#[test]
fn a_review_app_is_destroyed_by_its_identifier_and_not_by_the_name_of_another() {
    let mut history = History::begin();
    let [first, second] = ["a00000000000000000000001", "a00000000000000000000002"];
    let data = |name: &str, id: &str| {
        json!({
            "review_app_name": name, "source_repo_name": "o/r", "source_repo_url": "", "pr_name": "p", "pr_number": 1,
            "pr_url": "", "pr_comes_from_a_fork": false, "app_id": id,
        })
    };
    history.report("create_review_app", &data("one", first));
    history.report("destroy_review_app", &data("one", second));
    assert_eq!(history.app.review_apps.len(), 1);
    history.report("destroy_review_app", &data("renamed", first));
    assert!(history.app.review_apps.is_empty());
}

#[test]
fn a_provider_restarts_only_an_app_that_was_deployed() {
    let mut history = History::begin();
    let id = history.add_postgresql();
    let config = |value: &str| vec![NewValue { name: "DATABASE_URL".to_owned(), value: value.to_owned() }];
    history.act(&ConfigureAddon { id: id.clone(), config: config("one") }).unwrap();
    assert_eq!((history.count("restart"), &*history.app.variables["DATABASE_URL"]), (0, "one"));
    let (pusher, status) = (history.platform.people[0].clone(), Progress::Ended(DeploymentStatus::Success));
    history.act(&ImportDeployment { pusher, status, details: BuildDetails::default() }).unwrap();
    history.act(&ConfigureAddon { id, config: config("two") }).unwrap();
    assert_eq!(history.count("restart"), 1);
}

/// Opens pull request 7 and creates its review app.
fn open_review_app(history: &mut History) -> annals_model::AppId {
    let pull = PullRequest {
        id: 7,
        number: 7,
        title: "A change".to_owned(),
        html_url: "https://github.com/jane/shop/pull/7".to_owned(),
        source_repo_name: "jane/shop".to_owned(),
        source_repo_url: "https://github.com/jane/shop".to_owned(),
        comes_from_a_fork: false,
        branch: "change".to_owned(),
        base_branch: "main".to_owned(),
        head: "abc".to_owned(),
        opened_at: history.now,
        closed_at: None,
        active_at: history.now,
        delete_at: None,
    };
    let mut private = Arc::clone(&history.private);
    review_apps::pull_request_received(&history.app, &mut private, pull, PullChange::Opened, history.now)
        .unwrap();
    let child = history.ids.app_id(history.now);
    let name = review_apps::names(&history.app, 7).next().unwrap();
    let created =
        review_apps::create(&history.app, &mut private, 7, child, name, &history.context(None)).unwrap();
    history.private = private;
    history.record(created.events);
    child
}
