//! Each metric moves for its cause. The metrics of requests are in `health.rs`.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use annals_server::Config;
use annals_service::{Clock as _, MailConfig, Store};
use annals_store::{RowRange, Setting, Snapshot, TypedRows as _, WriteSet, key};
use annals_testing::{EXAMPLES, TestDatabase, TestStore, commit, write_rows};
use http::StatusCode;

use crate::harness::{TestService, clock_at_noon};
use crate::health::Failing;

/// A row that these tests write, which nothing else reads.
const NOTE: key::Setting = key::Setting(Setting::LastUnknownAttempt);

impl TestService {
    /// Returns the value of a metric, named with its labels.
    async fn metric(&mut self, name: &str) -> f64 {
        let text = self.get("/metrics", "").await.text().to_owned();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name} is missing in\n{text}")).parse().unwrap()
    }

    /// Waits until a metric has reached that value.
    async fn until(&mut self, name: &str, value: f64) {
        let reached = async {
            while self.metric(name).await < value {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reached).await.unwrap();
    }

    /// Puts a mail in somebody's outbox.
    async fn ask_for_a_new_password(&mut self) {
        let body = r#"{"user":{"email":"john@doe.com"}}"#;
        let answer = self.post("/v1/users/password", "", body).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text());
    }
}

#[tokio::test]
async fn commands_are_counted_until_they_are_committed() {
    const WAITING: &str = "annals_commit_queue_commands";
    let mut service = TestService::start().await;
    assert_eq!(service.metric(WAITING).await, 0.0);
    let (open, gate) = mpsc::channel::<()>();
    let mut commands = tokio::task::JoinSet::new();
    let store = Arc::clone(service.state.service().store());
    commands.spawn(async move {
        let decide = move |_: &dyn Snapshot| {
            // Returns once the other end is gone.
            _ = gate.recv();
            Ok(WriteSet::default())
        };
        commit(&*store, decide).await.unwrap();
    });
    for _ in 0..3 {
        let store = Arc::clone(service.state.service().store());
        commands.spawn(async move { write_rows(&*store, |rows| rows.put(NOTE, "1".into())).await });
    }
    service.until(WAITING, 4.0).await;
    drop(open);
    commands.join_all().await;
    assert_eq!(service.metric(WAITING).await, 0.0);
    assert_eq!(service.metric("annals_commit_retries_total").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_a_retry_if_another_process_was_quicker() {
    let database = TestDatabase::create().await;
    let other = database.open().await;
    let store = database.open().await;
    let test_store = TestStore::Database(database);
    let mut service =
        TestService::start_over(test_store, Arc::clone(&store) as Arc<dyn Store>, Config::default()).await;
    write_rows(&*store, |rows| rows.put(NOTE, "1".into())).await;
    let (decided, mut is_decided) = tokio::sync::mpsc::unbounded_channel();
    let (open, gate) = mpsc::channel::<()>();
    let late = tokio::spawn(async move {
        let decide = move |snapshot: &dyn Snapshot| {
            let found = snapshot.get(NOTE)?;
            if found.as_deref() == Some("1") {
                decided.send(()).unwrap();
                _ = gate.recv();
            }
            let mut writes = WriteSet::default();
            writes.rows.put(NOTE, format!("{}, then 3", found.as_deref().unwrap_or_default()).into());
            Ok(writes)
        };
        commit(&*store, decide).await.unwrap();
    });
    is_decided.recv().await.unwrap();
    write_rows(&*other, |rows| rows.put(NOTE, "2".into())).await;
    drop(open);
    late.await.unwrap();
    assert_eq!(other.get(NOTE).await.unwrap().as_deref(), Some("2, then 3"));
    assert_eq!(service.metric("annals_commit_retries_total").await, 1.0);
}

#[tokio::test]
async fn mail_that_waits_is_counted_and_ages() {
    const MAILS: &str = "annals_outbox_mails";
    const AGE: &str = "annals_outbox_oldest_age_seconds";
    let mut service = TestService::start().await;
    service.register_john().await;
    assert_eq!((service.metric(MAILS).await, service.metric(AGE).await), (0.0, 0.0));
    service.ask_for_a_new_password().await;
    service.clock.advance(Duration::from_secs(90));
    service.ask_for_a_new_password().await;
    service.clock.advance(Duration::from_millis(1500));
    assert_eq!((service.metric(MAILS).await, service.metric(AGE).await), (2.0, 91.5));
}

#[tokio::test]
async fn a_follower_lags_until_it_has_taken_every_event() {
    const EVENTS: &str = r#"annals_follower_lag_events{follower="event_counts"}"#;
    const SECONDS: &str = r#"annals_follower_lag_seconds{follower="event_counts"}"#;
    let mut service = TestService::start().await;
    assert_eq!((service.metric(EVENTS).await, service.metric(SECONDS).await), (0.0, 0.0));
    service.report_examples().await;
    service.clock.advance(Duration::from_secs(30));
    assert_eq!(
        (service.metric(EVENTS).await, service.metric(SECONDS).await),
        (EXAMPLES.lines().count() as f64, 30.0)
    );
    service.state.service().catch_up().await.unwrap();
    assert_eq!((service.metric(EVENTS).await, service.metric(SECONDS).await), (0.0, 0.0));
    assert_eq!(service.metric(r#"annals_events_total{type="new_app"}"#).await, 1.0);
}

const TASKS: [&str; 4] = ["timers", "expiry", "mail", "followers"];

fn failures(task: &str) -> String {
    format!("annals_background_failures_total{{task=\"{task}\"}}")
}

/// Sends mail to a port on which nothing listens.
fn unreachable_mail() -> Config {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let smtp_url = format!("smtp://{}", listener.local_addr().unwrap());
    let from = "annals <annals@example.com>".to_owned();
    Config { mail: Some(MailConfig { smtp_url, from }), ..Config::default() }
}

#[tokio::test]
async fn background_work_that_fails_is_counted_by_task() {
    let now = clock_at_noon().now();
    let claims: [RowRange; 4] = [
        key::Timer::until(now).range().clone(),
        key::AnswerExpiry::until(now).range().clone(),
        key::Mail::all().range().clone(),
        key::Cursor::only("event_counts").range().clone(),
    ];
    for (task, claims) in TASKS.into_iter().zip(claims) {
        let test_store = TestStore::create().await;
        let store = Failing::claims(test_store.open().await, claims);
        let mut service = TestService::start_over(test_store, Arc::new(store), unreachable_mail()).await;
        assert_eq!(service.metric(&failures(task)).await, 0.0);
        let work = tokio::spawn(service.state.service().clone().work());
        service.until(&failures(task), 1.0).await;
        work.abort();
        for other in TASKS.into_iter().filter(|other| *other != task) {
            assert_eq!(service.metric(&failures(other)).await, 0.0, "{other} beside {task}");
        }
    }
}

#[tokio::test]
async fn a_mail_that_cannot_be_sent_is_a_failure_and_stays() {
    let test_store = TestStore::create().await;
    let store = test_store.open().await;
    let mut service = TestService::start_over(test_store, store, unreachable_mail()).await;
    service.register_john().await;
    service.ask_for_a_new_password().await;
    let work = tokio::spawn(service.state.service().clone().work());
    service.until(&failures("mail"), 1.0).await;
    work.abort();
    assert_eq!(service.metric("annals_outbox_mails").await, 1.0);
}

#[tokio::test]
async fn every_metric_is_documented_with_its_type_and_nothing_else_is() {
    const DOCUMENT: &str = include_str!("../../../../docs/operating/monitoring.md");
    let mut service = TestService::start().await;
    service.report_examples().await;
    let text = service.get("/metrics", "").await.text().to_owned();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let metrics: BTreeSet<_> = types
        .map(|(name, kind)| (format!("{name}{}", if kind == "counter" { "_total" } else { "" }), kind))
        .collect();
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `annals_"));
    let documented: BTreeSet<_> = rows
        .map(|row| {
            let mut cells = row.split(" | ");
            let (name, kind) = (cells.next().unwrap(), cells.next().unwrap());
            let name = name.split(['{', '`']).next().unwrap();
            (format!("annals_{name}"), kind.split(',').next().unwrap())
        })
        .collect();
    assert_eq!(documented, metrics);
}
