//! Kills the program under load, again and again, on one store. Every acknowledged event must be there, every app's state
//! must equal its folded timeline, and a follower of the platform timeline must have taken each event once.
//!
//! `ANNALS_CRASH_ROUNDS` sets the number of rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals_model::{App, AppId, Event};
use annals_service::{Clock, SystemClock};
use annals_store::{Store, TimelineId, TypedRows as _, key};
use annals_testing::{TestStore, count_by_type, events_since, head_of, serve};
use rand::RngExt;
use serde_json::{Value, json};

use super::running::{OPERATOR, Running, client, command, get};

const ROUNDS: usize = 50;
const WRITERS: usize = 8;
const APPS: usize = 5;

/// The acknowledged `run` events: their commands, which are unique, by app.
type Acknowledged = Arc<Mutex<BTreeMap<String, BTreeSet<String>>>>;

/// The settings of an app that its own writer has changed: a number of three bits, as acknowledged and as last sent. With
/// `--contract-only`, no event tells them.
type Settings = Arc<Mutex<BTreeMap<usize, (u8, u8)>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_events_survive_a_kill() {
    kill_again_and_again(rounds(), &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_changes_that_no_event_tells_survive_a_kill() {
    kill_again_and_again(rounds().div_ceil(2), &["--contract-only"]).await;
}

fn rounds() -> usize {
    std::env::var_os("ANNALS_CRASH_ROUNDS")
        .map_or(ROUNDS, |rounds| rounds.to_str().unwrap().parse().expect("ANNALS_CRASH_ROUNDS is a number"))
}

async fn kill_again_and_again(rounds: usize, options: &[&str]) {
    let test_store = TestStore::create().await;
    let store = PathBuf::from(test_store.location());
    let acknowledged = Acknowledged::default();
    let settings = Settings::default();
    let mut jane = None;
    for round in 0..rounds {
        let running = Running::serve_with(&store, options);
        let client = client();
        if jane.is_none() {
            jane = Some(prepare(&client, &running.url).await);
        }
        let jane = jane.clone().unwrap();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let work = write(
                    client.clone(),
                    running.url.clone(),
                    jane.clone(),
                    round,
                    writer,
                    (Arc::clone(&acknowledged), Arc::clone(&settings)),
                );
                tokio::spawn(work)
            })
            .collect();
        let until = Duration::from_micros(rand::rng().random_range(5_000..150_000));
        tokio::time::sleep(until).await;
        running.kill();
        for writer in writers {
            writer.await.unwrap();
        }
        if round % 10 == 0 && matches!(test_store, TestStore::Directory(_)) {
            tear_the_journal(&store);
        }
        check_store(&test_store, &acknowledged, &settings).await;
    }
    assert!(settings.lock().unwrap().values().any(|(acknowledged, _)| *acknowledged > 0));
    let length = {
        let store = test_store.open().await;
        let length = store.platform_length().await.unwrap();
        store.close().await.unwrap();
        length
    };
    // The program serves every acknowledged event.
    let running = Running::serve_with(&store, options);
    let client = client();
    let mut total = 0;
    let acknowledged = acknowledged.lock().unwrap().clone();
    for (app, commands) in acknowledged {
        let page = get(&client, &format!("{}/v1/apps/{app}/events?from=72", running.url), OPERATOR).await;
        let served: BTreeSet<_> = page["events"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|event| event["type_data"]["command"].as_str())
            .collect();
        assert!(commands.iter().all(|command| served.contains(command.as_str())));
        total += commands.len();
    }
    assert!(total > rounds, "the writers recorded too little: {total} in {rounds} rounds");
    // Events that were uncounted when the last process was killed are counted now or soon.
    let served = loop {
        let metrics =
            client.get(format!("{}/metrics", running.url)).send().await.unwrap().text().await.unwrap();
        let served = counts_in(&metrics);
        if served.values().sum::<u64>() == length {
            break served;
        }
    };
    assert!(running.stop().success());
    let store = test_store.open().await;
    assert_eq!(served, count_by_type(&*store, length).await);
    store.close().await.unwrap();
    drop(store);
    let mut check = command();
    check.args(["check", "--store", &test_store.location()]).args(options);
    let checked = check.output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

/// Registers Jane, who owns the apps.
async fn prepare(client: &reqwest::Client, url: &str) -> (String, Value) {
    let user = json!({"user": {"username": "jane", "email": "jane@example.com"}});
    let answer =
        client.post(format!("{url}/v1/users")).bearer_auth(OPERATOR).json(&user).send().await.unwrap();
    let registered: Value = answer.json().await.unwrap();
    let user = &registered["user"];
    let person = json!({"username": "jane", "email": "jane@example.com", "id": user["id"]});
    let events: Vec<_> = (0..APPS)
        .map(|app| json!({"user": person, "app_id": app_id(app), "app_name": app_name(app), "type": "new_app"}))
        .collect();
    let answer = client
        .post(format!("{url}/v1/events"))
        .bearer_auth(OPERATOR)
        .json(&json!({ "events": events }))
        .send();
    assert_eq!(answer.await.unwrap().status(), 201);
    (registered["token"]["token"].as_str().unwrap().to_owned(), person)
}

fn app_id(app: usize) -> String {
    format!("{app:024x}")
}

fn app_name(app: usize) -> String {
    format!("app-number-{app}")
}

fn bits(settings: u8) -> [bool; 3] {
    [0, 1, 2].map(|bit| settings >> bit & 1 == 1)
}

/// Returns a random action that changes the state of an app.
fn any_action(writer: usize) -> (&'static str, Value) {
    let number: u32 = rand::rng().random_range(1..=10);
    match rand::rng().random_range(0..8) {
        0 => ("scale", json!({"containers": [{"name": format!("type-{writer}"), "amount": number}]})),
        1 => ("variables", json!({"variable": {"name": format!("V{number}"), "value": writer.to_string()}})),
        2 => ("domains", json!({"domain": {"name": format!("d{writer}-{number}.example.com")}})),
        3 => ("addons", json!({"addon": {"addon_provider_id": "redis", "plan_id": "redis-sandbox"}})),
        4 => (
            "log_drains",
            json!({"drain": {"type": "papertrail", "host": "logs.io", "port": number.to_string()}}),
        ),
        5 => ("deployments", json!({"deployment": {"source_url": "https://example.com/a.tar.gz"}})),
        6 => ("collaborators", json!({"collaborator": {"email": format!("p{writer}-{number}@example.com")}})),
        _ => {
            let hour = 3_600_000 * u64::from(number);
            let until = SystemClock.now().plus_millis(hour);
            ("data_access_consent", json!({"data_access_consent": {"databases_until": until}}))
        }
    }
}

/// Reports batches and sends actions until the server is gone.
async fn write(
    client: reqwest::Client,
    url: String,
    (token, person): (String, Value),
    round: usize,
    writer: usize,
    (acknowledged, settings): (Acknowledged, Settings),
) {
    for turn in 0.. {
        if turn % 4 == 1 && writer < APPS {
            let wanted = {
                let mut settings = settings.lock().unwrap();
                let (before, sent) = settings.entry(writer).or_default();
                *sent = (*before + 1) % 8;
                *sent
            };
            let path = format!("{url}/v1/apps/{}", app_name(writer));
            let [force_https, sticky_session, router_logs] = bits(wanted);
            let body = json!({"app": {
                "force_https": force_https, "sticky_session": sticky_session, "router_logs": router_logs,
            }});
            let Ok(answer) = client.patch(path).bearer_auth(&token).json(&body).send().await else { return };
            assert_eq!(answer.status(), 200);
            settings.lock().unwrap().insert(writer, (wanted, wanted));
            continue;
        }
        let app = rand::rng().random_range(0..APPS);
        if turn % 3 == 0 {
            let (path, body) = any_action(writer);
            let path = format!("{url}/v1/apps/{}/{path}", app_name(app));
            match client.post(path).bearer_auth(&token).json(&body).send().await {
                // Refused if another writer was first, or a limit is reached.
                Ok(answer) => {
                    let is_expected =
                        answer.status().is_success() || matches!(answer.status().as_u16(), 409 | 422);
                    assert!(is_expected, "{answer:?}");
                }
                Err(_) => return,
            }
            continue;
        }
        let commands: Vec<_> = (0..rand::rng().random_range(1..100))
            .map(|index| format!("{round} {writer} {turn} {index}"))
            .collect();
        let events: Vec<_> = commands
            .iter()
            .map(|command| {
                // One in four happened within the hour before.
                let late = if rand::rng().random_range(0..4) == 0 {
                    rand::rng().random_range(0..3_600_000)
                } else {
                    0
                };
                json!({
                    "created_at": SystemClock.now().minus_millis(late), "user": person, "app_id": app_id(app),
                    "app_name": app_name(app), "type": "run", "type_data": {"command": command},
                })
            })
            .collect();
        let sent = client
            .post(format!("{url}/v1/events"))
            .bearer_auth(OPERATOR)
            .json(&json!({ "events": events }))
            .send()
            .await;
        let Ok(answer) = sent else { return };
        assert_eq!(answer.status(), 201);
        acknowledged.lock().unwrap().entry(app_id(app)).or_default().extend(commands);
    }
}

/// Appends to the newest journal what a power cut can leave of an unfinished commit: its beginning, or all of it with a
/// changed byte.
pub(super) fn tear_the_journal(store: &Path) {
    let newest = std::fs::read_dir(store.join("fjall"))
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let number: u64 = path.file_name()?.to_str()?.strip_suffix(".jnl")?.parse().ok()?;
            Some((number, path))
        })
        .max()
        .unwrap()
        .1;
    let mut bytes = std::fs::read(&newest).unwrap();
    let written = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    // A batch begins with 1, a count and a sequence number, and ends with these bytes.
    let ends: Vec<_> = bytes[..written]
        .windows(4)
        .enumerate()
        .filter(|(_, window)| window == b"FJL\x03")
        .map(|(at, _)| at + 4)
        .collect();
    let [.., start, end] = ends[..] else { return };
    let mut torn = bytes[start..end].to_vec();
    let at = rand::rng().random_range(13..torn.len());
    if rand::rng().random() {
        torn.truncate(at);
    } else {
        torn[at] ^= 1;
    }
    bytes.truncate(end);
    bytes.extend_from_slice(&torn);
    std::fs::write(newest, bytes).unwrap();
}

/// Checks that every acknowledged event is there, positions are dense, searches by time are exact, and states equal their
/// folded timelines with the settings that were set.
async fn check_store(test_store: &TestStore, acknowledged: &Acknowledged, settings: &Settings) {
    let store = test_store.open().await;
    let service = serve(Arc::clone(&store)).await;
    for app in 0..APPS {
        let id: AppId = app_id(app).parse().unwrap();
        let timeline = TimelineId::App(id);
        // A database may still be executing what the program sent before it was killed.
        let since = SystemClock.now().minus_millis(rand::rng().random_range(0..3_600_000));
        let (head, stored, found, state) = loop {
            let head = store.head(timeline).await.unwrap();
            let stored = store.read(timeline, 1..=head.length.max(1), usize::MAX).await.unwrap();
            let found = events_since(&service, timeline, since, 100_000).await;
            let state = store.get(key::App(id)).await.unwrap();
            if store.head(timeline).await.unwrap() == head {
                break (head, stored, found, state);
            }
        };
        assert_eq!(stored.len() as u64, head.length, "positions are not dense");
        let events: Vec<Event> = stored.iter().rev().map(|json| Event::from_json(json).unwrap()).collect();
        assert_eq!(head, head_of(&events));
        let expected = events.iter().rev().filter(|event| event.created_at >= since);
        assert!(found.iter().eq(expected), "the events since {since}");
        if let Some(picked) = events.get(rand::rng().random_range(0..=events.len())) {
            let found = store.find(timeline, picked.id).await.unwrap();
            assert_eq!(found.as_deref(), Some(picked.to_json().as_slice()));
        }
        let commands: BTreeSet<_> = events
            .iter()
            .filter_map(|event| match &event.data {
                annals_model::TypeData::AppOperations(annals_model::catalogue::AppOperations::Run(run)) => {
                    Some(run.command.clone())
                }
                _ => None,
            })
            .collect();
        if let Some(expected) = acknowledged.lock().unwrap().get(&app_id(app)) {
            let lost: Vec<_> = expected.difference(&commands).collect();
            assert!(lost.is_empty(), "acknowledged events were lost: {lost:?}");
        }
        let state = state.unwrap();
        let found = [state.force_https, state.sticky_session, state.router_logs];
        let (kept, sent) = settings.lock().unwrap().get(&app).copied().unwrap_or_default();
        assert!(found == bits(kept) || found == bits(sent), "{found:?} is neither {kept:03b} nor {sent:03b}");
        // If the last change was recorded but not acknowledged, it counts from now on.
        let stands = if found == bits(kept) { kept } else { sent };
        settings.lock().unwrap().insert(app, (stands, stands));
        let [force_https, sticky_session, router_logs] = found;
        let updated_at = state.updated_at;
        let folded = App::fold(&events).unwrap();
        let folded = App { force_https, sticky_session, router_logs, updated_at, ..folded };
        assert_eq!(folded, *state);
    }
    check_counts(&*store).await;
    store.close().await.unwrap();
}

/// Checks that the follower has counted each event up to its cursor once, and none after it.
async fn check_counts(store: &dyn Store) {
    let cursor =
        async || store.get(key::Cursor("event_counts".to_owned())).await.unwrap().unwrap_or_default();
    let (counted_up_to, counts) = loop {
        let before = cursor().await;
        let counts = store.get(key::EventCounts()).await.unwrap().unwrap_or_default();
        if cursor().await == before {
            break (before, counts);
        }
    };
    assert_eq!(counts.0, count_by_type(store, counted_up_to).await);
}

/// Returns the counts by event type in the response of `/metrics`.
fn counts_in(metrics: &str) -> BTreeMap<String, u64> {
    let counts = metrics.lines().filter_map(|line| line.strip_prefix("annals_events_total{type=\""));
    let counts = counts.map(|line| line.split_once("\"} ").unwrap());
    counts.map(|(event_type, count)| (event_type.to_owned(), count.parse().unwrap())).collect()
}
