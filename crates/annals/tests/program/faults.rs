//! A database that fails under load, a killed process beside another one, a full disk: no acknowledged event is lost, none
//! is recorded twice, and what still works keeps working.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use annals_testing::TestDatabase;
use serde_json::{Value, json};

use super::database::Server;
use super::running::{OPERATOR, Running, client, client_builder, get};

const JANE: &str = "us-00000000-0000-4000-8000-000000000001";
const WRITERS: usize = 8;
const APPS: usize = 3;

/// Writers that report one event after another. Each event has its own idempotency key and is repeated until it is accepted.
struct Load {
    is_over: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    writers: Vec<tokio::task::JoinHandle<Vec<(usize, String)>>>,
}

impl Load {
    /// Starts writers that each use the first of these addresses that responds, in their own order.
    fn begin(urls: &[String]) -> Self {
        let (is_over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let writers = (0..WRITERS).map(|writer| {
            let mut urls = urls.to_vec();
            let first = writer % urls.len();
            urls.rotate_left(first);
            tokio::spawn(write(urls, writer, Arc::clone(&is_over), Arc::clone(&done)))
        });
        Self { writers: writers.collect(), is_over, done }
    }

    /// Waits until that many more events are accepted.
    async fn goes_on(&self) {
        let enough = self.done.load(Ordering::Relaxed) + 50;
        while self.done.load(Ordering::Relaxed) < enough {
            assert!(!self.writers.iter().any(tokio::task::JoinHandle::is_finished), "a writer ended");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends the writers, and checks that each accepted event was recorded once.
    async fn end(self, url: &str) {
        self.is_over.store(true, Ordering::Relaxed);
        let mut accepted = Vec::new();
        for writer in self.writers {
            accepted.extend(writer.await.unwrap());
        }
        let client = client();
        for app in 0..APPS {
            let events = format!("{url}/v1/apps/{}/events", app_id(app));
            let commands = all_commands(&client, &events).await;
            let once: BTreeSet<_> = commands.iter().map(String::as_str).collect();
            assert_eq!(once.len(), commands.len(), "an event was recorded twice");
            let expected: BTreeSet<_> =
                accepted.iter().filter(|(of, _)| *of == app).map(|(_, command)| command.as_str()).collect();
            assert_eq!(once, expected, "the recorded events are not the accepted ones");
            let recent = commands_of(&get(&client, &format!("{events}?from=1"), OPERATOR).await);
            let on_time = commands.into_iter().filter(|command| late_time(command).is_none());
            assert!(on_time.eq(recent), "a search by time does not find the events of the last hour");
        }
        let path = format!("{url}/v1/users/{JANE}/events?per_page=1");
        let page = get(&client, &path, OPERATOR).await;
        assert_eq!(
            page["meta"]["pagination"]["total_count"],
            accepted.len(),
            "the user's timeline is incomplete"
        );
    }
}

async fn write(
    urls: Vec<String>,
    writer: usize,
    is_over: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
) -> Vec<(usize, String)> {
    let client = client_builder().timeout(Duration::from_secs(40)).build().unwrap();
    let mut accepted = Vec::new();
    let mut turn = 0;
    while !is_over.load(Ordering::Relaxed) {
        let app = (writer + turn) % APPS;
        let command = format!("task {writer} {turn}");
        // After a 503 or a lost connection the event may be recorded, so repeat it with the same key, at any address.
        let mut servers = urls.iter().cycle();
        loop {
            let url = servers.next().unwrap();
            match report(&client, url, app, &command).await {
                Ok(201) => break,
                Ok(503) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(status) => panic!("{command} was answered {status}"),
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
        accepted.push((app, command));
        turn += 1;
    }
    accepted
}

/// Returns the commands of the events of a page, newest first.
fn commands_of(page: &Value) -> Vec<String> {
    let command = |event: &Value| event["type_data"]["command"].as_str().unwrap().to_owned();
    page["events"].as_array().unwrap().iter().map(command).collect()
}

async fn all_commands(client: &reqwest::Client, events: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for number in 1.. {
        let page = get(client, &format!("{events}?per_page=100&page={number}"), OPERATOR).await;
        commands.extend(commands_of(&page));
        if page["meta"]["pagination"]["next_page"].is_null() {
            assert_eq!(page["meta"]["pagination"]["total_count"], commands.len(), "positions are not dense");
            break;
        }
    }
    commands
}

/// Returns the time of an event that a writer reports years late, which every fourth is.
fn late_time(command: &str) -> Option<String> {
    let turn: u64 = command.strip_prefix("task ")?.rsplit(' ').next()?.parse().ok()?;
    turn.is_multiple_of(4).then(|| format!("20{:02}-01-01T00:00:00.000Z", 10 + turn % 15))
}

async fn report(client: &reqwest::Client, url: &str, app: usize, command: &str) -> reqwest::Result<u16> {
    let person = json!({"username": "jane", "email": "jane@example.com", "id": JANE});
    let mut event = json!({
        "user": person, "app_id": app_id(app), "app_name": format!("my-app-{app}"), "type": "run",
        "type_data": {"command": command},
    });
    if let Some(created_at) = late_time(command) {
        event["created_at"] = created_at.into();
    }
    let request = client
        .post(format!("{url}/v1/events"))
        .bearer_auth(OPERATOR)
        .header("idempotency-key", command)
        .json(&json!({ "events": [event] }));
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    assert_eq!(status == 503, answer.headers().contains_key("retry-after"));
    Ok(status)
}

fn app_id(app: usize) -> String {
    format!("{:024x}", app + 1)
}

fn serving(database: &TestDatabase) -> Running {
    Running::serve(Path::new(&database.url))
}

async fn is_ready(url: &str) -> bool {
    let answer = client().get(format!("{url}/readyz")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarting_the_database_under_load_loses_and_duplicates_nothing() {
    let server = Server::start(&[]);
    let database = TestDatabase::create_on(&server.url).await;
    let running = serving(&database);
    let load = Load::begin(std::slice::from_ref(&running.url));
    for _ in 0..3 {
        load.goes_on().await;
        server.restart();
    }
    load.goes_on().await;
    assert!(is_ready(&running.url).await);
    load.end(&running.url).await;
    assert!(running.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cutting_connections_under_load_loses_and_duplicates_nothing() {
    let server = Server::start(&[]);
    let database = TestDatabase::create_on(&server.url).await;
    let running = Running::serve_with(Path::new(&database.url), &["--contract-only"]);
    let load = Load::begin(std::slice::from_ref(&running.url));
    let administrator = database.connect().await;
    for _ in 0..10 {
        load.goes_on().await;
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'annals'";
        assert!(!administrator.query(cut, &[]).await.unwrap().is_empty());
    }
    load.goes_on().await;
    load.end(&running.url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_processes_is_killed_and_the_other_keeps_serving() {
    let database = TestDatabase::create().await;
    let [mut first, mut second] = [serving(&database), serving(&database)];
    // One of the two addresses always responds, so the writers never stop.
    let ports = [first.address(), second.address()];
    let load = Load::begin(&[first.url.clone(), second.url.clone()]);
    for round in 0..6 {
        load.goes_on().await;
        let (dying, port) = if round % 2 == 0 { (&mut first, &ports[0]) } else { (&mut second, &ports[1]) };
        dying.die();
        load.goes_on().await;
        *dying = Running::serve_with(Path::new(&database.url), &["--listen", port]);
    }
    load.goes_on().await;
    load.end(&second.url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_and_keeps_what_is_stored() {
    let server = Server::start(&[]);
    let small = server.directory.path().join("small");
    std::fs::create_dir(&small).unwrap();
    let disk = SmallDisk::mount(&small);
    disk.run(&["chown", "--reference", &server.directory.path().join("data").display().to_string()]);
    let administrator = TestDatabase::create_on(&server.url).await.connect().await;
    let tablespace = format!("CREATE TABLESPACE small LOCATION '{}'", small.display());
    administrator.batch_execute(&tablespace).await.unwrap();
    administrator.batch_execute("ALTER SYSTEM SET default_tablespace = 'small'").await.unwrap();
    administrator.batch_execute("SELECT pg_reload_conf()").await.unwrap();

    let database = TestDatabase::create_on(&server.url).await;
    let running = serving(&database);
    let client = client();
    let mut accepted = 0;
    let refused = loop {
        let command = format!("{accepted} {}", "x".repeat(200));
        match report(&client, &running.url, 0, &command).await.unwrap() {
            201 => accepted += 1,
            status => break status,
        }
    };
    assert_eq!(refused, 503, "after {accepted}");
    let events = format!("{}/v1/apps/{}/events?per_page=1", running.url, app_id(0));
    let page = get(&client, &events, OPERATOR).await;
    assert_eq!(page["meta"]["pagination"]["total_count"], accepted, "stored events are not served");

    disk.grow();
    assert_eq!(
        report(&client, &running.url, 0, "again").await.unwrap(),
        201,
        "the program does not recover without a restart"
    );
    let page = get(&client, &events, OPERATOR).await;
    assert_eq!(page["meta"]["pagination"]["total_count"], accepted + 1);
    drop(running);
    drop(server);
}

/// A mounted file system of a few megabytes.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        let disk = Self(at.to_owned());
        disk.run(&["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs"]);
        disk
    }

    fn grow(&self) {
        self.run(&["mount", "-o", "remount,size=64m"]);
    }

    fn run(&self, arguments: &[&str]) {
        // Users other than root need sudo without a password.
        let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let mut command = Command::new(if is_root { "env" } else { "sudo" });
        let status = command.args(arguments).arg(&self.0).status().unwrap();
        assert!(status.success(), "{arguments:?}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.run(&["umount", "--lazy"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_database_and_an_exhausted_pool_are_reported_and_recovered_from() {
    let mut database = TestDatabase::create().await;
    database.url.push_str("%20-cstatement_timeout%3D2s%20-clock_timeout%3D1s");
    let running = Running::serve_with(Path::new(&database.url), &["--store-connections", "1"]);
    let client = client();
    assert_eq!(report(&client, &running.url, 0, "before").await.unwrap(), 201);

    let mut holder = database.connect().await;
    holder.batch_execute("SET lock_timeout = 0; SET statement_timeout = 0").await.unwrap();
    let holding = holder.transaction().await.unwrap();
    holding.batch_execute("LOCK TABLE timelines, rows IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let started = Instant::now();
    let events = format!("{}/v1/apps/{}/events", running.url, app_id(0));
    let reads: Vec<_> =
        (0..20).map(|_| tokio::spawn(client.get(&events).bearer_auth(OPERATOR).send())).collect();
    let writing = tokio::spawn({
        let (client, url) = (client.clone(), running.url.clone());
        async move { report(&client, &url, 0, "meanwhile").await.unwrap() }
    });
    for read in reads {
        let answer = read.await.unwrap().unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (503, &"1".parse().unwrap())
        );
        let said: Value = answer.json().await.unwrap();
        assert!(said["error"].as_str().unwrap().contains("could not be read"), "{said}");
    }
    assert_eq!(writing.await.unwrap(), 503);
    assert!(started.elapsed() < Duration::from_secs(30), "a request waited too long");
    // Requests that need no database are not held up.
    assert!(client.get(format!("{}/healthz", running.url)).send().await.unwrap().status().is_success());

    holding.rollback().await.unwrap();
    assert_eq!(
        report(&client, &running.url, 0, "meanwhile").await.unwrap(),
        201,
        "the repeat with the same key was refused"
    );
    let page = get(&client, &events, OPERATOR).await;
    assert_eq!(page["meta"]["pagination"]["total_count"], 2, "the repeated event was not recorded once");
}
