//! A disk that accepts no writes for a while, and a process without free file descriptors: reads go on, writes get 503,
//! and the program recovers by itself. Limits of the process stand for the disk: no file may grow, no file can be opened.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::crash::tear_the_journal;
use super::running::{OPERATOR, Running, client_builder, command, get};

/// No file may be written beyond this, while the disk is full.
const FULL: u64 = 0;
/// Long enough for the longest pause between two attempts to recover.
const RECOVERED_WITHIN: Duration = Duration::from_secs(60);

/// A program that serves a store, and what it has acknowledged.
struct Case {
    running: Running,
    client: Client,
    acknowledged: BTreeSet<String>,
    sent: usize,
}

impl Case {
    /// Starts the program so that a file that must not grow is an error to it, and does not end it. Before, `limits`
    /// sets the limits of the shell.
    fn start(store: &Path, limits: &str) -> Self {
        let annals = command();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("trap '' XFSZ; {limits} exec \"$@\""), "sh"]).arg(annals.get_program());
        shell.args(["serve", "--operator-token", OPERATOR, "--listen", "127.0.0.1:0", "--store"]).arg(store);
        let running = Running::start(shell);
        // No connection is opened while no descriptor is free.
        let client = client_builder().pool_idle_timeout(None).build().unwrap();
        Self { running, client, acknowledged: BTreeSet::new(), sent: 0 }
    }

    fn limit(&self, resource: Resource, current: Option<u64>) {
        let pid = Pid::from_raw(self.running.id().try_into().unwrap());
        let before = prlimit(pid, resource, Rlimit { current, maximum: None });
        if before.is_err() {
            // Only root may raise the hard limit, which need not be raised.
            let hard = rustix::process::getrlimit(resource).maximum;
            prlimit(pid, resource, Rlimit { current: current.or(hard), maximum: hard }).unwrap();
        }
    }

    /// Reports some events. Those that were acknowledged must never be lost.
    async fn report(&mut self, count: usize, padding: usize) -> StatusCode {
        let commands: Vec<_> = (self.sent..self.sent + count)
            .map(|number| format!("{number} {}", "x".repeat(padding)))
            .collect();
        self.sent += count;
        let events: Vec<_> = commands
            .iter()
            .map(|command| {
                json!({
                    "app_id": "5343eccd646173000a140000", "app_name": "my-app", "type": "run",
                    "type_data": {"command": command},
                })
            })
            .collect();
        let answer = self
            .client
            .post(format!("{}/v1/events", self.running.url))
            .bearer_auth(OPERATOR)
            .json(&json!({ "events": events }))
            .send()
            .await
            .unwrap();
        let status = answer.status();
        // The whole answer is read, so that its connection can be used again.
        answer.bytes().await.unwrap();
        if status == StatusCode::CREATED {
            self.acknowledged.extend(commands);
        }
        status
    }

    async fn readiness(&self) -> StatusCode {
        let answer = self.client.get(format!("{}/readyz", self.running.url)).send().await.unwrap();
        let status = answer.status();
        answer.bytes().await.unwrap();
        status
    }

    /// Reads the timeline, which must contain all that was acknowledged, and nothing twice.
    async fn check(&self) {
        let mut found = BTreeSet::new();
        let mut next = Some(1);
        while let Some(page) = next {
            let url = format!("{}/v1/apps/my-app/events?per_page=100&page={page}", self.running.url);
            let answer: Value = get(&self.client, &url, OPERATOR).await;
            for event in answer["events"].as_array().unwrap() {
                let is_new = found.insert(event["type_data"]["command"].as_str().unwrap().to_owned());
                assert!(is_new, "an event was recorded twice");
            }
            next = answer["meta"]["pagination"]["next_page"].as_u64();
        }
        let lost: Vec<_> = self.acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "acknowledged events were lost: {lost:?}");
    }

    /// Writes are refused at once, and reads go on.
    async fn is_readable_only(&mut self) {
        let asked = Instant::now();
        assert_eq!(self.report(1, 0).await, StatusCode::SERVICE_UNAVAILABLE);
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        assert_eq!(self.readiness().await, StatusCode::SERVICE_UNAVAILABLE);
        self.check().await;
    }

    async fn recovers(&mut self) {
        let until = Instant::now() + RECOVERED_WITHIN;
        while self.readiness().await != StatusCode::OK {
            assert!(Instant::now() < until, "the program does not recover");
            // Reads go on while it tries.
            self.check().await;
        }
        assert_eq!(self.report(10, 0).await, StatusCode::CREATED);
        self.check().await;
    }
}

#[tokio::test]
async fn a_full_disk_costs_no_acknowledged_event_and_no_restart() {
    let directory = TempDir::new().unwrap();
    let store = directory.path().join("store");
    let mut case = Case::start(&store, "");
    for _ in 0..3 {
        assert_eq!(case.report(20, 10).await, StatusCode::CREATED);
        case.limit(Resource::Fsize, Some(FULL));
        case.is_readable_only().await;
        case.is_readable_only().await;
        case.limit(Resource::Fsize, None);
        case.recovers().await;
    }
    // Everything is there after a kill, too.
    let Case { running, acknowledged, sent, .. } = case;
    running.kill();
    let mut case = Case { acknowledged, sent, ..Case::start(&store, "") };
    case.check().await;
    case.recovers().await;
    assert!(case.running.stop().success());
    let checked = command().args(["check", "--store"]).arg(&store).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn a_process_without_free_descriptors_costs_no_acknowledged_event_and_no_restart() {
    let directory = TempDir::new().unwrap();
    let store = directory.path().join("store");
    let mut case = Case::start(&store, "");
    assert_eq!(case.report(1, 0).await, StatusCode::CREATED);
    case.limit(Resource::Nofile, Some(1));
    // The engine soon has to write a table, and cannot open its file.
    let until = Instant::now() + RECOVERED_WITHIN;
    while case.report(200, 10_000).await == StatusCode::CREATED {
        assert!(Instant::now() < until, "the engine never wrote a table");
    }
    case.is_readable_only().await;
    case.limit(Resource::Nofile, Some(1024));
    case.recovers().await;
}

#[tokio::test]
async fn a_program_that_starts_on_a_full_disk_serves_reads_and_recovers() {
    let directory = TempDir::new().unwrap();
    let store = directory.path().join("store");
    let mut case = Case::start(&store, "");
    assert_eq!(case.report(20, 100).await, StatusCode::CREATED);
    assert_eq!(case.report(20, 100).await, StatusCode::CREATED);
    let Case { running, acknowledged, sent, .. } = case;
    running.kill();
    // The commit that met the full disk may be there in part.
    tear_the_journal(&store);
    let mut case = Case { acknowledged, sent, ..Case::start(&store, "ulimit -S -f 0;") };
    case.check().await;
    case.is_readable_only().await;
    case.limit(Resource::Fsize, None);
    case.recovers().await;
}
