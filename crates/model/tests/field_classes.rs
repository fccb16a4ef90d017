//! Every field of every event type and of an app's state has a class, and a hidden field shows nowhere.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use annals_model::app::{
    Addon, Collaborator, Consent, ContainerType, Domain, HdsContact, Invitation, LastDeployment, Maintenance,
    ReviewApp, ScmLink,
};
use annals_model::catalogue::{self, DeploymentStatus, EventType, Inviter, MaintenanceWindow};
use annals_model::field_class::REST;
use annals_model::{App, Class, Classed, Classes, Field, FieldShape, Person, ProjectRef, Time, hide};
use serde_json::{Value, json};

/// A text that is in non-public fields only.
const CANARY: &str = "canary";
/// The same in IP address fields.
const CANARY_IP: &str = "203.0.113.77";
const CANARY_URL: &str = "https://canary:canary@host.example/o/r?canary=canary#canary";
const ALL: Classes = Classes::of(&[Class::Secret, Class::Personal, Class::Url]);

/// Follows a schema's references, and leaves null aside.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return resolve(root, root.pointer(reference.trim_start_matches('#')).unwrap());
    }
    let options = schema["anyOf"].as_array().into_iter().flatten();
    options.into_iter().find(|option| option["type"] != "null").map_or(schema, |option| resolve(root, option))
}

/// Returns the schema of a list's items or a map's values.
fn item_of(schema: &Value) -> Option<&Value> {
    ["items", "additionalProperties"]
        .into_iter()
        .find_map(|key| schema.get(key))
        .filter(|item| item.is_object())
}

fn check_fields(root: &Value, schema: &Value, fields: &[Field], path: &str) {
    let empty = serde_json::Map::new();
    let properties = resolve(root, schema)["properties"].as_object().unwrap_or(&empty);
    let declared: BTreeSet<_> = fields.iter().map(|field| field.name).collect();
    if declared.contains(REST) {
        assert!(properties.is_empty(), "{path}: a rest of unknown fields stands beside known ones");
        return;
    }
    let known: BTreeSet<_> = properties.keys().map(String::as_str).collect();
    assert_eq!(declared, known, "{path}: the classed fields are not those of the schema");
    for (name, property) in properties {
        check_shape(root, property, Field::find(fields, name).unwrap(), &format!("{path}.{name}"));
    }
}

fn check_shape(root: &Value, schema: &Value, shape: &FieldShape, path: &str) {
    let schema = resolve(root, schema);
    match shape {
        FieldShape::Leaf(Class::Secret | Class::Personal) => {}
        FieldShape::Leaf(Class::Public | Class::Url) => {
            let is_within = |kind: &str| schema["type"].to_string().contains(kind);
            assert!(!is_within("object") && !is_within("array"), "{path}: give classes to the fields within");
        }
        FieldShape::Object(fields) => check_fields(root, schema, fields, path),
        FieldShape::Each(item) => {
            let schema = item_of(schema).unwrap_or_else(|| panic!("{path}: has no items"));
            check_shape(root, schema, item, path);
        }
        FieldShape::Flattened(_) => panic!("{path}: no event has such fields"),
    }
}

#[test]
fn every_field_of_an_event_type_has_a_class() {
    for event_type in catalogue::all() {
        let schema = (event_type.schema)();
        check_fields(schema.as_value(), schema.as_value(), event_type.fields, event_type.name);
        assert_eq!(event_type.classes, Classes::of_fields(event_type.fields));
    }
}

/// Returns a value with every field that a schema allows, and canaries in the fields that are not public.
fn filled(root: &Value, schema: &Value, shape: &FieldShape) -> Value {
    let schema = resolve(root, schema);
    let within = |name: &str| match shape {
        FieldShape::Object(fields) => *Field::find(fields, name).unwrap(),
        FieldShape::Each(item) => **item,
        leaf => *leaf,
    };
    let choice = schema["oneOf"].as_array().or(schema["enum"].as_array()).map(|options| &options[0]);
    if let Some(choice) = choice {
        return choice.get("const").unwrap_or(choice).clone();
    }
    if let FieldShape::Object([.., rest]) = shape
        && rest.name == REST
    {
        return json!({"id": "1234", "url": CANARY_URL, "other": {"inner": [CANARY]}});
    }
    let kind = schema["type"].as_str().or(schema["type"][0].as_str()).unwrap();
    match (kind, schema["format"].as_str(), shape) {
        ("object", ..) => match schema["properties"].as_object() {
            Some(properties) => properties
                .iter()
                .map(|(name, schema)| (name.clone(), filled(root, schema, &within(name))))
                .collect(),
            None => match (item_of(schema), shape) {
                (Some(item), _) => json!({"KEY": filled(root, item, &within(""))}),
                (None, FieldShape::Leaf(Class::Secret | Class::Personal)) => json!({"KEY": CANARY}),
                (None, _) => json!({}),
            },
        },
        ("array", ..) => {
            let item = filled(root, &schema["items"], &within(""));
            vec![item; schema["minItems"].as_u64().unwrap_or(1) as usize].into()
        }
        ("boolean", ..) => true.into(),
        ("number", ..) => 1.5.into(),
        ("integer", ..) => 1.into(),
        ("string", Some("date-time"), _) => "2026-11-01T08:00:00.000Z".into(),
        ("string", Some("ip"), FieldShape::Leaf(Class::Public)) => "198.51.100.1".into(),
        ("string", Some("ip"), _) => CANARY_IP.into(),
        ("string", _, FieldShape::Leaf(Class::Url)) => CANARY_URL.into(),
        ("string", _, FieldShape::Leaf(Class::Secret | Class::Personal)) => CANARY.into(),
        ("string", ..) => match schema["pattern"].as_str() {
            Some(pattern) if pattern.starts_with("^us-") => "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac".into(),
            Some(_) => "5343eccd646173000a140000".into(),
            // Valid as the last digits of a card, and the same wherever two fields must be equal.
            None => "1234".into(),
        },
        (kind, ..) => panic!("this test does not know fields of type {kind}"),
    }
}

fn filled_data(event_type: &EventType) -> Value {
    let schema = (event_type.schema)();
    filled(schema.as_value(), schema.as_value(), &FieldShape::Object(event_type.fields))
}

fn has_canary(text: &str) -> bool {
    text.contains(CANARY) || text.contains(CANARY_IP)
}

#[test]
fn a_sentence_contains_only_public_fields() {
    for event_type in catalogue::all() {
        let data = serde_json::value::to_raw_value(&filled_data(event_type)).unwrap();
        let sentence = event_type.parse(&data).unwrap().sentence();
        assert!(!has_canary(&sentence), "{}: {sentence}", event_type.name);
    }
}

#[test]
fn hiding_classes_removes_exactly_their_fields_from_an_event() {
    let mut with_canary = BTreeSet::new();
    for event_type in catalogue::all() {
        let data = filled_data(event_type);
        for class in [Class::Secret, Class::Personal, Class::Url] {
            let mut shown = data.clone();
            hide(&mut shown, event_type.fields, Classes::of(&[class]));
            assert_eq!(shown != data, event_type.classes.contains(class), "{}: {class:?}", event_type.name);
        }
        assert_eq!(has_canary(&data.to_string()), event_type.classes.intersects(ALL), "{}", event_type.name);
        if has_canary(&data.to_string()) {
            with_canary.insert(event_type.name);
        }
        let mut shown = data.clone();
        hide(&mut shown, event_type.fields, ALL);
        assert!(!has_canary(&shown.to_string()), "{}: {shown}", event_type.name);
        assert!(event_type.classes.intersects(ALL) || shown == data, "{}", event_type.name);
    }
    for name in
        ["new_variable", "edit_variables", "new_addon_log_drain", "run", "edit_hds_contact", "new_app"]
    {
        assert!(with_canary.contains(name), "{name}");
    }
}

#[test]
fn hidden_variables_keep_their_names() {
    let mut data = json!({
        "new_vars": [{"name": "A", "value": "1"}],
        "updated_vars": [{"name": "B", "old_value": "1", "value": "2"}],
        "deleted_vars": [{"name": "C", "value": "1"}],
    });
    hide(&mut data, catalogue::find("edit_variables").unwrap().fields, ALL);
    let shown = json!({
        "new_vars": [{"name": "A", "value": null}],
        "updated_vars": [{"name": "B", "old_value": null, "value": null}],
        "deleted_vars": [{"name": "C", "value": null}],
    });
    assert_eq!(data, shown);
}

#[test]
fn a_commit_shows_only_the_fields_that_forges_send() {
    let commit =
        json!({"id": "1", "message": "m", "url": "https://u:p@h/c", "author": {"t": "t"}, "token": "t"});
    let mut data = json!({"last_commits": {"commits": [commit], "remaining": 0}});
    hide(&mut data, catalogue::find("deployment").unwrap().fields, ALL);
    let shown = json!({"id": "1", "message": "m", "url": "https://h/c", "author": null, "token": null});
    assert_eq!(data["last_commits"]["commits"], json!([shown]));
}

/// Returns an app with a value in each field. Serializing a field without a class fails the test.
fn full_app() -> App {
    let at = Time::from_millis(1_793_520_000_000);
    let text = |text: &str| text.to_owned();
    let person = Person {
        username: text("owner-name"),
        email: text("owner@example.com"),
        id: "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac".parse().unwrap(),
    };
    let collaborator = Collaborator {
        username: text("jane"),
        email: text("jane@example.com"),
        is_limited: true,
        invited_email: Some(text("j@example.com")),
    };
    let invitation = Invitation {
        inviter: Some(Inviter { email: text("o@example.com"), username: text("o") }),
        created_at: at,
        is_limited: true,
    };
    let addon = Addon {
        provider: text("postgresql"),
        plan: text("starter"),
        created_at: at,
        addon_uuid: Some(text("ad-1")),
        suspended: true,
        variables: BTreeSet::from([text("DATABASE_URL")]),
        features: BTreeSet::from([text("force-ssl")]),
        log_drains: BTreeSet::from([text("syslog://canary@logs.example:514")]),
        maintenance_window: Some(MaintenanceWindow { weekday_utc: 1, starting_hour_utc: 2 }),
    };
    let review_app = ReviewApp {
        app_id: Some("5343eccd646173000a140001".parse().unwrap()),
        created_at: at,
        url: Some(text(CANARY_URL)),
        pr_number: 2,
        pr_name: text("a change"),
        pr_url: text(CANARY_URL),
        source_repo_name: text("o/r"),
        source_repo_url: text(CANARY_URL),
        comes_from_a_fork: true,
    };
    let maintenance = Maintenance {
        maintenance_type: text("no-op"),
        addon_name: text("PostgreSQL"),
        addon_uuid: Some(text("ad-1")),
        window: at,
        started_at: Some(at),
    };
    let scm_link = ScmLink {
        id: "6905bc8073636100011a0004".parse().unwrap(),
        source: text(CANARY_URL),
        branch: Some(text("main")),
        linker: Some(person.clone()),
        linker_username: text("owner-name"),
        created_at: at,
        updated_at: at,
        automation: Default::default(),
    };
    let personal = || Some(text(CANARY));
    let hds_contact = HdsContact {
        name: text(CANARY),
        email: text(CANARY),
        phone_number: personal(),
        company: personal(),
        address_line1: personal(),
        address_line2: personal(),
        address_city: personal(),
        address_zip: personal(),
        address_country: personal(),
        notes: personal(),
    };
    App {
        id: "5343eccd646173000a140000".parse().unwrap(),
        name: text("my-app"),
        owner: Some(person.clone()),
        created_at: at,
        updated_at: at,
        deleted_at: Some(at),
        git_source: Some(text(CANARY_URL)),
        parent: Some("5343eccd646173000a140002".parse().unwrap()),
        pull_request: Some(2),
        hds_resource: true,
        force_https: true,
        sticky_session: true,
        router_logs: true,
        stack: Some(text("scalingo-22")),
        stopped: true,
        project: Some(ProjectRef { id: text("prj-1"), name: text("shop") }),
        formation: BTreeMap::from([(text("web"), ContainerType { amount: 2, size: text("M") })]).into(),
        variables: BTreeMap::from([(text("DATABASE_URL"), text(CANARY))]).into(),
        collaborators: BTreeMap::from([(person.id, collaborator)]).into(),
        invitations: BTreeMap::from([(text("new@example.com"), invitation)]).into(),
        domains: BTreeMap::from([(
            text("example.com"),
            Domain { created_at: at, ssl: true, canonical: true, letsencrypt_enabled: true },
        )])
        .into(),
        addons: BTreeMap::from([(text("my-app-3000"), addon)]).into(),
        log_drains: BTreeSet::from([text("datadog://canary")]).into(),
        scm_link: Some(scm_link.into()),
        review_apps: BTreeMap::from([(text("my-app-pr2"), review_app)]).into(),
        maintenances: BTreeMap::from([(text("m1"), maintenance)]).into(),
        consent: Some(
            Consent { user_id: Some(person.id), databases_until: Some(at), containers_until: Some(at) }
                .into(),
        ),
        hds_contact: Some(hds_contact.into()),
        last_deployment: Some(LastDeployment {
            id: text("d1"),
            pusher: text("jane"),
            status: DeploymentStatus::Success,
            finished_at: at,
        }),
    }
}

#[test]
fn hiding_classes_removes_exactly_their_fields_from_a_state() {
    let state = serde_json::to_value(full_app()).unwrap();
    let names: BTreeSet<_> = App::FIELDS.iter().map(|field| field.name).collect();
    assert_eq!(state.as_object().unwrap().keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
    let mut hidden_everywhere = state.clone();
    let url = json!("https://host.example/o/r");
    for (class, hidden) in [
        (
            Class::Secret,
            &[
                ("/variables/DATABASE_URL", json!(null)),
                ("/addons/my-app-3000/log_drains", json!(null)),
                ("/log_drains", json!(null)),
            ][..],
        ),
        (Class::Personal, &[("/hds_contact", json!(null))]),
        (
            Class::Url,
            &[
                ("/git_source", url.clone()),
                ("/scm_link/source", url.clone()),
                ("/review_apps/my-app-pr2/url", url.clone()),
                ("/review_apps/my-app-pr2/pr_url", url.clone()),
                ("/review_apps/my-app-pr2/source_repo_url", url),
            ],
        ),
    ] {
        let (mut shown, mut expected) = (state.clone(), state.clone());
        hide(&mut shown, App::FIELDS, Classes::of(&[class]));
        for (pointer, value) in hidden {
            expected.pointer_mut(pointer).unwrap().clone_from(value);
            hidden_everywhere.pointer_mut(pointer).unwrap().clone_from(value);
        }
        assert_eq!(shown, expected);
    }
    let mut shown = state.clone();
    hide(&mut shown, App::FIELDS, ALL);
    assert_eq!(shown, hidden_everywhere);
    assert!(!has_canary(&shown.to_string()), "{shown}");
    shown.clone_from(&state);
    hide(&mut shown, App::FIELDS, Classes::NONE);
    assert_eq!(shown, state);
}
