//! Whatever is searched, and however much of a timeline is summarized: a search finds what asking each event finds.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use annals_model::filter::summary::LEAF_EVENTS;
use annals_model::{Filter, Report, Role, Time};
use annals_service::{Reader, Service, Span, Timeline, TimelineId, Visibility};
use annals_store::{TypedRows as _, key};
use annals_testing::{START, TestStore, app, person, report, serve, user};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

/// Enough for summaries of two levels above the leaves' in one timeline.
const EVENTS: usize = 6_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

const WORDS: [&str; 18] = [
    "type:scale",
    "type:restart,run",
    "type:new_variable",
    "type:login_success",
    "category:variables",
    "actor:user-1",
    "actor:USER-2@example.com",
    "actor:none",
    "actor:us-03030303-0303-0303-0303-030303030303",
    "app:app-1",
    "app:renamed-2",
    "app:010101010101010101010101",
    "created:>=2025-11-11",
    "created:<2025-11-06T12:00:00Z",
    "created:2025-11-03..2025-11-04",
    "\"secret-7\"",
    "web",
    "\"nobody has this\"",
];

/// Returns events of a few types, apps and users. Some are late.
fn reports(random: &mut StdRng, count: usize, first: usize) -> Vec<Report> {
    let one = |number: usize, random: &mut StdRng| {
        let at = START.plus_millis(number as u64 * 20 * DAY_MS / EVENTS as u64);
        let late_ms = if random.random_ratio(1, 50) { random.random_range(0..10 * DAY_MS) } else { 0 };
        let mut event = json!({ "created_at": at.minus_millis(late_ms).to_string() });
        if !random.random_ratio(1, 6) {
            event["user"] = json!(person(*[1, 1, 1, 2, 3, 4].choose(random).unwrap()));
        }
        if event.get("user").is_some() && random.random_ratio(1, 10) {
            event["type"] = "login_success".into();
            event["type_data"] = json!({ "remote_ip": "192.0.2.1" });
            return report(&event);
        }
        let number = *[1, 1, 1, 1, 1, 2].choose(random).unwrap();
        event["app_id"] = json!(app(number));
        let name = if number == 2 && random.random_ratio(1, 2) { "renamed" } else { "app" };
        event["app_name"] = format!("{name}-{number}").into();
        let web: u8 = random.random_range(0..4);
        let (event_type, data) = match random.random_range(0..8) {
            0 => ("scale", json!({ "previous_containers": { "web": 1 }, "containers": { "web": web } })),
            1 => ("run", json!({ "command": format!("secret-{web}") })),
            2 => ("new_variable", json!({ "name": "A", "value": "secret-7" })),
            _ => ("restart", json!({ "scope": ["web"] })),
        };
        (event["type"], event["type_data"]) = (event_type.into(), data);
        report(&event)
    };
    (first..first + count).map(|number| one(number, random)).collect()
}

fn filter(random: &mut StdRng, depth: u32) -> String {
    let word = |random: &mut StdRng| (*WORDS.choose(random).unwrap()).to_owned();
    if depth == 0 {
        return word(random);
    }
    let part = |random: &mut StdRng| filter(random, depth - 1);
    match random.random_range(0..4) {
        0 => word(random),
        1 => format!("{} {}", part(random), part(random)),
        2 => format!("({} OR {})", part(random), part(random)),
        _ => format!("-({})", part(random)),
    }
}

/// Returns the events that match, newest first, by asking each.
async fn asked(
    service: &Service,
    reader: Reader,
    timeline: TimelineId,
    length: u64,
    filter: &Filter,
) -> Vec<String> {
    let stored = service.store().read(timeline, 1..=length, usize::MAX).await.unwrap();
    let (mut span, mut seen) = (Span::of(1..=length), Vec::new());
    while !span.is_empty() {
        seen.extend(service.next_events(reader, timeline, &mut span, 1 << 20).await.unwrap());
    }
    assert_eq!(stored.len(), seen.len());
    let all = stored.iter().zip(&seen).filter(|(stored, seen)| filter.matches(stored, seen));
    all.map(|(_, seen)| String::from_utf8(seen.to_vec()).unwrap()).collect()
}

async fn check(service: &Service, random: &mut StdRng, rounds: usize) {
    for _ in 0..rounds {
        let text = filter(random, 2);
        let filter = Filter::parse(&text, START.plus_millis(20 * DAY_MS)).unwrap();
        let own = random.random_range(1..=4);
        let (timeline, reader) = match random.random_range(0..3) {
            0 => (TimelineId::User(user(own)), Reader::Own(user(own))),
            1 => (TimelineId::App(app(1)), Reader::Seeing(Visibility::of(Some(Role::LimitedCollaborator)))),
            _ => (TimelineId::App(app(random.random_range(1..=2))), Reader::Seeing(Visibility::ALL)),
        };
        let head = service.head(timeline).await.unwrap();
        let expected = asked(service, reader, timeline, head.length, &filter).await;
        let found = service.search(reader, timeline, head, &filter).await.unwrap();
        assert_eq!(found.total_count, expected.len() as u64, "{text} in {timeline:?}");
        for _ in 0..3 {
            let first = random.random_range(0..=expected.len());
            let end = expected.len().min(first + random.random_range(1..100));
            let numbers = first as u64..end as u64;
            let page =
                service.found_events(reader, timeline, head, &filter, &found, numbers.clone()).await.unwrap();
            assert_eq!(page, expected[first..end], "{numbers:?} of {text} in {timeline:?}");
        }
        // Whoever reads it forward finds the same.
        let mut forward = service.forward(Timeline::Of(timeline), 0);
        let mut exported = Vec::new();
        while forward.position() < head.length {
            exported.extend(service.step(reader, &mut forward, &filter, head.length).await.unwrap());
        }
        let exported = exported.iter().rev().map(|event| event.event.clone());
        assert!(exported.eq(expected.iter().map(String::as_bytes)), "{text} in {timeline:?}");
    }
}

#[tokio::test]
async fn a_search_finds_what_asking_each_event_finds() {
    let test_store = TestStore::create().await;
    let mut random = StdRng::seed_from_u64(7);
    let service = serve(test_store.open().await).await;
    let record = async |service: &Service, random: &mut StdRng, events: std::ops::Range<usize>| {
        for first in events.step_by(500) {
            service.report(reports(random, 500, first), None).await.unwrap();
        }
    };
    record(&service, &mut random, 0..1_000).await;
    check(&service, &mut random, 15).await;
    record(&service, &mut random, 1_000..EVENTS).await;
    check(&service, &mut random, 15).await;
    service.catch_up().await.unwrap();
    let leaves = service.store().get(key::SummaryLeaves(TimelineId::App(app(1)))).await.unwrap();
    let length = service.head(TimelineId::App(app(1))).await.unwrap().length;
    assert_eq!(leaves, Some(length / LEAF_EVENTS));
    assert!(length > 16 * LEAF_EVENTS);
    check(&service, &mut random, 40).await;

    service.close().await.unwrap();
    drop(service);
    let service = serve(test_store.open().await).await;
    check(&service, &mut random, 15).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (service, is_over) = (service.clone(), Arc::clone(&is_over));
        async move {
            let mut random = StdRng::seed_from_u64(8);
            let mut next = EVENTS;
            while !is_over.load(Ordering::Relaxed) {
                service.report(reports(&mut random, 100, next), None).await.unwrap();
                service.catch_up().await.unwrap();
                next = (next + 100).min(EVENTS + 2_000);
            }
        }
    });
    check(&service, &mut random, 15).await;
    is_over.store(true, Ordering::Relaxed);
    writing.await.unwrap();
}

/// A filter that summaries decide reads few events, wherever the page is.
#[tokio::test]
async fn a_search_by_type_needs_no_turn() {
    let test_store = TestStore::create().await;
    let mut random = StdRng::seed_from_u64(9);
    let service = serve(test_store.open().await).await;
    for first in (0..EVENTS).step_by(500) {
        service.report(reports(&mut random, 500, first), None).await.unwrap();
    }
    service.catch_up().await.unwrap();
    let timeline = TimelineId::App(app(1));
    let head = service.head(timeline).await.unwrap();
    let reader = Reader::Seeing(Visibility::ALL);
    let search = async |text: &str| {
        let filter = Filter::parse(text, Time::EPOCH).unwrap();
        service.search(reader, timeline, head, &filter).await.unwrap().total_count
    };
    // Searches that read much hold all turns.
    let slow: Vec<_> = (0..4)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move {
                let filter = Filter::parse("\"nobody has this\"", Time::EPOCH).unwrap();
                service.search(reader, timeline, head, &filter).await.unwrap().total_count
            })
        })
        .collect();
    let all = search("").await;
    assert_eq!(search("type:scale").await + search("-type:scale").await, all);
    for slow in slow {
        assert_eq!(slow.await.unwrap(), 0);
    }
}
