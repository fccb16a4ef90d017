//! Followers take every event once, whichever process records it and whichever process follows.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals_model::Report;
use annals_service::Service;
use annals_store::{TypedRows as _, key};
use annals_testing::{TestStore, count_by_type, report, serve};
use serde_json::json;

const CURSOR: &str = "event_counts";

/// Returns two services over one store: two processes if the engine allows them, else two services in one process.
async fn two_services(test_store: &TestStore) -> [Service; 2] {
    let first = test_store.open().await;
    let second = match test_store {
        TestStore::Directory(_) => Arc::clone(&first),
        TestStore::Database(_) => test_store.open().await,
    };
    [serve(first).await, serve(second).await]
}

fn reports(app: u8, count: usize) -> Vec<Report> {
    let event_types = ["restart", "run", "new_app"];
    let numbered = |index: usize| {
        let event = json!({
            "app_id": format!("{app:024x}"), "app_name": format!("app-number-{app}"),
            "type": event_types[index % 3], "type_data": if index % 3 == 1 { json!({"command": "c"}) } else { json!({}) },
        });
        report(&event)
    };
    (0..count).map(numbered).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_followers_count_each_event_once_while_events_are_recorded() {
    let test_store = TestStore::create().await;
    let services = two_services(&test_store).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut followers = tokio::task::JoinSet::new();
    for service in services.clone() {
        let is_over = Arc::clone(&is_over);
        followers.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                service.catch_up().await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    let mut writers = tokio::task::JoinSet::new();
    for (number, service) in (0..16_u8).zip(services.iter().cycle().cloned()) {
        writers.spawn(async move {
            for round in 0..10 {
                service.report(reports(number % 5, 1 + round * 3), None).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    is_over.store(true, Ordering::Relaxed);
    followers.join_all().await;
    let [service, _] = services;
    service.catch_up().await.unwrap();
    let counts = service.event_counts().await.unwrap();
    assert_eq!(counts.0, count_by_type(&**service.store(), u64::MAX).await);
    let length = service.store().platform_length().await.unwrap();
    assert_eq!(counts.0.values().sum::<u64>(), length);
    assert_eq!(length, 16 * (0..10).map(|round| 1 + round * 3).sum::<u64>());
    assert_eq!(service.store().get(key::Cursor(CURSOR.to_owned())).await.unwrap(), Some(length));
}

#[tokio::test]
async fn a_follower_does_nothing_while_another_holds_the_claim() {
    let test_store = TestStore::create().await;
    let [service, other] = two_services(&test_store).await;
    service.report(reports(1, 7), None).await.unwrap();
    service.catch_up().await.unwrap();
    service.report(reports(1, 5), None).await.unwrap();
    let store = other.store();
    let claimed = store.claim(key::Cursor::only(CURSOR), 1, Duration::from_secs(3600)).await.unwrap();
    assert_eq!(claimed, [(key::Cursor(CURSOR.to_owned()), 7)]);
    service.catch_up().await.unwrap();
    assert_eq!(service.event_counts().await.unwrap().0.values().sum::<u64>(), 7);
}
