//! A field that a role may not see is hidden from it on every route, for every event type.
//!
//! Each text of each event is a canary that names its class and its subject (`canaries`). Users in every role record events of
//! every type (`world`), and each of them reads every `GET` route of the OpenAPI document.

mod canaries;
mod world;

use std::collections::{BTreeSet, HashSet};

use annals_model::{Class, catalogue};
use http::StatusCode;
use serde_json::Value;

use canaries::{Canary, marks};
use world::{World, user_id};

/// The users who act and who read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Operator,
    Owner,
    Limited,
    LimitedOfParent,
    Collaborator,
    OfParent,
    Former,
    Stranger,
    Auditor,
}

const ALL: &[Class] = &[Class::Public, Class::Url, Class::Personal, Class::Secret];
const PUBLIC: &[Class] = &[Class::Public];

/// Whether each user may open the app, and which classes of its fields they see; without access, only in their own events.
/// Users who see less read between users who see all, so that a response cached for one is not served to the other
/// unnoticed.
const ROLES: [(Who, bool, &[Class]); 9] = [
    (Who::Operator, true, ALL),
    (Who::Owner, true, ALL),
    (Who::Limited, true, PUBLIC),
    (Who::LimitedOfParent, true, PUBLIC),
    (Who::Collaborator, true, ALL),
    (Who::OfParent, true, ALL),
    (Who::Former, false, PUBLIC),
    (Who::Stranger, false, PUBLIC),
    (Who::Auditor, true, &[Class::Public, Class::Personal]),
];

/// Those who have an account, and act.
fn users() -> impl Iterator<Item = Who> {
    ROLES.into_iter().map(|(who, ..)| who).filter(|who| !matches!(who, Who::Operator | Who::Auditor))
}

/// The app or account that an event belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Live,
    /// An app with the same events that was deleted afterwards.
    Deleted,
    Account(Who),
}

const APPS: [(Subject, &str); 2] =
    [(Subject::Live, "5343eccd646173000a140000"), (Subject::Deleted, "5343eccd646173000a140001")];

const PREFIXES: [&str; 8] = [
    "/v1/apps",
    "/api/databases/",
    "/v1/events",
    "/v1/users/{user}/events",
    "/v1/operator/events",
    "/v1/operator/apps",
    "/v1/operator/users",
    "/v1/operator/auditor_tokens",
];
/// Routes that are not read here, with the reason.
const NOT_READ: [(&str, &str); 5] = [
    ("/v1/apps/{app}/events/stream", "it does not end; live.rs follows it"),
    ("/v1/events/stream", "it does not end; live.rs follows it"),
    ("/v1/operator/events/stream", "it does not end; platform.rs follows it"),
    ("/v1/apps/collaboration", "reading it accepts an invitation"),
    ("/v1/apps/{app}/deployments/stream", "it is a WebSocket; deployments.test.mjs follows it"),
];

/// Routes that show fields which some role may not see.
const SENSITIVE: [&str; 21] = [
    "/v1/apps",
    "/v1/apps/{app}",
    "/v1/apps/{app}/addons/{addon}/log_drains",
    "/v1/apps/{app}/audit_logs/{audit_log}",
    "/v1/apps/{app}/collaborators",
    "/v1/apps/{app}/events",
    "/v1/apps/{app}/events/export",
    "/v1/apps/{app}/events/{event}",
    "/v1/apps/{app}/hds_contact",
    "/v1/apps/{app}/log_drains",
    "/v1/apps/{app}/ps",
    "/v1/apps/{app}/scm_repo_link",
    "/v1/apps/{app}/scm_repo_link/hook",
    "/v1/apps/{app}/scm_repo_link/pulls",
    "/v1/apps/{app}/scm_repo_link/pulls/{pull}",
    "/v1/apps/{app}/scm_repo_link/review_apps",
    "/v1/apps/{app}/state",
    "/v1/apps/{app}/variables",
    "/v1/events",
    "/v1/events/export",
    "/v1/users/{user}/events",
];

/// Returns the row of [`ROLES`] for an app. Only its owner, the operator and auditors may open a deleted app.
fn expected(who: Who, subject: Subject) -> (bool, &'static [Class]) {
    let is_lost = subject == Subject::Deleted && !matches!(who, Who::Operator | Who::Owner | Who::Auditor);
    let (_, may_open, classes) = ROLES[if is_lost { Who::Former } else { who } as usize];
    (may_open, classes)
}

fn sees(who: Who, subject: Subject, class: Class) -> bool {
    match subject {
        Subject::Account(_) if who == Who::Auditor => ROLES[who as usize].2.contains(&class),
        Subject::Account(owner) => who == Who::Operator || who == owner,
        app => expected(who, app).1.contains(&class),
    }
}

/// Returns the statuses that a user may get, given the status that the owner gets.
fn statuses(who: Who, path: &str, subject: Subject, of_owner: StatusCode) -> Vec<StatusCode> {
    let reads_all = matches!(who, Who::Operator | Who::Auditor);
    if path.starts_with("/v1/operator/") {
        let may_read = who == Who::Operator || who == Who::Auditor && !path.ends_with("/outbox");
        return vec![if may_read { StatusCode::OK } else { StatusCode::FORBIDDEN }];
    }
    let of_user = path.strip_prefix("/v1/users/");
    let is_of_caller = path.starts_with("/v1/events") || path == "/v1/apps";
    let is_found = match of_user {
        Some(user) => reads_all || user.starts_with(&user_id(who).to_string()),
        None => is_of_caller || expected(who, subject).0,
    };
    match who {
        _ if !is_found => vec![StatusCode::NOT_FOUND],
        _ if of_user.is_some() => vec![StatusCode::OK],
        _ if reads_all && is_of_caller => vec![StatusCode::FORBIDDEN],
        Who::Operator | Who::Auditor | Who::Limited | Who::LimitedOfParent => {
            vec![of_owner, StatusCode::FORBIDDEN]
        }
        _ => vec![of_owner],
    }
}

#[tokio::test]
async fn a_field_hidden_from_a_role_is_hidden_on_every_route() {
    let world = World::new().await;
    let document = annals_server::openapi();
    let routes = document["paths"].as_object().unwrap().iter().filter(|(_, item)| item.get("get").is_some());
    let (mut unread, mut sensitive) = (BTreeSet::new(), BTreeSet::new());
    for (route, _) in routes.filter(|(route, _)| PREFIXES.iter().any(|prefix| route.starts_with(prefix))) {
        let mut is_read = false;
        let is_left_out = NOT_READ.iter().any(|(other, _)| other == route);
        for (subject, app) in if route.contains("{app}") { &APPS[..] } else { &APPS[..1] } {
            for path in world.paths(route, *subject, app).into_iter().filter(|_| !is_left_out) {
                is_read |= read_by_all(&world, &path, *subject).await;
                let of_owner = world.read(Who::Owner, &path, "").await;
                let marks = ALL[1..].iter().flat_map(|class| marks(*class, Subject::Live));
                if marks.chain(world.secrets().iter().cloned()).any(|mark| of_owner.text().contains(&mark)) {
                    sensitive.insert(route.as_str());
                }
            }
        }
        if !is_read {
            unread.insert(route.as_str());
        }
    }
    assert_eq!(unread, BTreeSet::from(NOT_READ.map(|(route, _)| route)));
    // A route that shows the owner nothing hidden from others would have tested nothing.
    assert_eq!(sensitive, BTreeSet::from(SENSITIVE));
}

/// The snapshot changes whenever a field's class does, so that a reviewer sees it.
#[test]
fn the_fields_hidden_from_limited_collaborators() {
    let mut canaries = Vec::new();
    for event_type in catalogue::all() {
        canaries::event_of(event_type, Subject::Live, Who::Owner, &mut canaries);
    }
    let hidden = canaries.iter().filter(|canary| !sees(Who::Limited, Subject::Live, canary.class));
    let hidden: Vec<_> = hidden.map(|canary| format!("{:?} {}", canary.class, canary.field)).collect();
    insta::assert_snapshot!(hidden.join("\n"));
}

/// A total would tell too: nobody finds an event by what they may not see of it.
#[tokio::test]
async fn a_filter_finds_nothing_by_a_hidden_field() {
    let world = World::new().await;
    let total = async |who, timeline: &str, text: &str| {
        let text: String = url::form_urlencoded::byte_serialize(format!("\"{text}\"").as_bytes()).collect();
        let answer = world.read(who, &format!("{timeline}?q={text}"), "").await;
        answer.json()["meta"]["pagination"]["total_count"].as_u64().unwrap()
    };
    let mut tried = 0;
    let of_app = format!("{}/events", APPS[0].1);
    for canary in world.canaries.iter().filter(|canary| canary.subject == Subject::Live) {
        // Another field, which is public, may have the same text.
        let is_public = |other: &&Canary| other.class == Class::Public && other.text.contains(&canary.text);
        let is_hidden =
            canary.class != Class::Public && !world.canaries.iter().any(|other| is_public(&other));
        let limited = total(Who::Limited, &format!("/v1/apps/{of_app}"), &canary.text).await;
        let own = total(canary.actor, "/v1/events", &canary.text).await;
        let audited = total(Who::Auditor, "/v1/operator/events", &canary.text).await;
        let is_seen = sees(Who::Auditor, Subject::Live, canary.class);
        assert_eq!(audited > 0, is_seen || !is_hidden, "{:?} {}", canary.class, canary.text);
        match is_hidden {
            true => assert_eq!(limited, 0, "{:?} {} {}", canary.class, canary.field, canary.text),
            false => assert!(limited > 0, "{:?} {} {}", canary.class, canary.field, canary.text),
        }
        assert_eq!(own > 0, sees(canary.actor, Subject::Live, canary.class) || !is_hidden, "{}", canary.text);
        tried += usize::from(is_hidden);
    }
    assert!(tried > 20, "only {tried} hidden texts were looked for");
}

/// Reads a path as every user, and returns whether any of them could.
async fn read_by_all(world: &World, path: &str, subject: Subject) -> bool {
    let is_timeline = path.ends_with("/events");
    let mut is_read = false;
    for agent in if path.contains("/events") { &["", "go-scalingo/11"][..] } else { &[""] } {
        let mut pages = ROLES.map(|_| String::new());
        for query in world.queries(path) {
            let path = format!("{path}{query}");
            let of_owner = world.read(Who::Owner, &path, agent).await.status;
            for (who, ..) in ROLES {
                let answer = world.read(who, &path, agent).await;
                let statuses = statuses(who, &path, subject, of_owner);
                assert!(statuses.contains(&answer.status), "{who:?} {path}: {}", answer.status);
                check_hidden(world, who, &path, answer.text());
                let is_whole = is_timeline && query.contains("from=") && answer.status == StatusCode::OK;
                if is_whole {
                    check_shown(world, who, &path, subject, answer.text());
                }
                is_read |= answer.status == StatusCode::OK;
                pages[who as usize] += answer.text();
            }
        }
        for (who, ..) in ROLES {
            if is_timeline && statuses(who, path, subject, StatusCode::OK)[0] == StatusCode::OK {
                check_shown(world, who, path, subject, &pages[who as usize]);
            }
        }
    }
    is_read
}

/// Fails if a response shows what its reader may not see.
fn check_hidden(world: &World, who: Who, path: &str, body: &str) {
    // Writing the JSON anew removes needless escapes, which would hide a canary.
    let json = serde_json::from_str(body).map(|json: Value| json.to_string());
    let text = json.unwrap_or_else(|_| body.to_owned());
    let accounts = users().map(Subject::Account);
    for subject in APPS.iter().map(|(subject, _)| *subject).chain(accounts) {
        for class in ALL.iter().filter(|class| !sees(who, subject, **class)) {
            for mark in marks(*class, subject) {
                let found =
                    text.find(&mark).map(|at| &text[at.saturating_sub(300)..(at + 100).min(text.len())]);
                assert_eq!(found, None, "{who:?} reads a field of class {class:?} of {subject:?} at {path}");
            }
        }
    }
    let is_shown = world.secrets().iter().any(|secret| text.contains(secret));
    assert!(!is_shown || sees(who, Subject::Live, Class::Secret), "{who:?} reads a secret at {path}");
    if !expected(who, Subject::Live).0 {
        let own = format!("{who:?}.");
        let mark = &marks(Class::Public, Subject::Live)[0];
        let mut marked = text.match_indices(mark).map(|(at, _)| &text[at + mark.len()..]);
        let others = marked.find(|rest| !rest.starts_with(&own));
        assert_eq!(others, None, "{who:?} reads the events of others at {path}");
    }
}

/// Fails if a timeline does not show all that its reader may see.
fn check_shown(world: &World, who: Who, path: &str, subject: Subject, shown: &str) {
    let words = shown.split(|c: char| !c.is_alphanumeric() && !"._-".contains(c));
    // Addresses contain colons, so they are compared as whole strings.
    let words: HashSet<_> = words.chain(shown.split('"')).collect();
    let is_here = |canary: &&Canary| match path.starts_with("/v1/apps/") {
        true => canary.subject == subject,
        false if path.starts_with("/v1/operator/") => true,
        false => canary.actor == who || path.contains(&user_id(canary.actor).to_string()),
    };
    let visible =
        world.canaries.iter().filter(is_here).filter(|canary| sees(who, canary.subject, canary.class));
    let missing: Vec<_> =
        visible.map(|canary| canary.text.as_str()).filter(|text| !words.contains(text)).collect();
    assert!(missing.is_empty(), "{who:?} is not shown at {path}: {missing:?}");
}
