//! A follower that counts deployments by app, over a store of its own.
//!
//! ```sh
//! cargo run -p annals-service --example deployments_by_app
//! ```
//!
//! It reads the platform timeline, which has every event of the store once, in the order of recording. A real follower keeps
//! waiting in `next`, which returns new events as any process records them; this one stops at the end.
//!
//! Its position is in memory only, so it starts over with each run. A follower that must not do anything twice writes
//! its position in one transaction with its results. `crates/service/src/followers/` does that within the store.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example may panic, and prints its result")]

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_model::{RandomIds, Report};
use annals_service::{Service, Settings, Store, SystemClock, TimelineId};
use annals_store::follow;
use annals_testing::TestStore;
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let directory = TestStore::embedded();
    let store = directory.open().await;
    record_deployments(&store).await;

    let end = store.platform_length().await.unwrap();
    let mut follow = follow(store, 0);
    let mut deployments = BTreeMap::<String, u64>::new();
    while follow.position() < end {
        // A commit has the types and timelines of its events. `Store::read` returns the events themselves, by `position`.
        for commit in follow.next().await.unwrap() {
            for event in &commit.events {
                if let ("deployment", TimelineId::App(app)) = (commit.type_of(event), event.timeline) {
                    *deployments.entry(app.to_string()).or_default() += 1;
                }
            }
        }
    }
    for (app, count) in deployments {
        println!("{app} {count}");
    }
}

/// Records something to count: deployments and restarts of three apps.
async fn record_deployments(store: &Arc<dyn Store>) {
    let ids = Arc::new(RandomIds::default());
    let started = Service::start(Arc::clone(store), Arc::new(SystemClock), ids, Settings::default()).await;
    let (service, _) = started.unwrap();
    for app in 1..=3_usize {
        let report = |event_type: &str, type_data| {
            let event = json!({
                "app_id": format!("{app:024x}"), "app_name": format!("my-app-{app}"),
                "type": event_type, "type_data": type_data,
            });
            Report::parse(&event.to_string()).unwrap()
        };
        let deployment =
            json!({ "deployment_id": "1", "pusher": "jane", "status": "success", "duration": 40 });
        let mut reports = vec![report("restart", json!({}))];
        reports.resize_with(1 + app, || report("deployment", deployment.clone()));
        service.report(reports, None).await.unwrap();
    }
}
