//! Backing up, restoring and copying stores, with the commands of docs/operating/backup.md.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use annals_store::{Key as _, Part, Portable, Setting, Store as _, key};
use annals_testing::TestDatabase;
use serde_json::{Value, json};

use super::running::{OPERATOR, Running, client, command, get};

fn annals(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complained(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn report(url: &str, count: usize) {
    let person = json!({"username": "jane", "email": "jane@example.com", "id": "us-00000000-0000-4000-8000-000000000001"});
    let events: Vec<_> = (0..count)
        .map(|index| {
            json!({
                "user": person, "app_id": format!("{:024x}", index % 3 + 1), "app_name": format!("my-app-{}", index % 3),
                "type": "restart", "type_data": {"scope": null},
            })
        })
        .collect();
    let body = json!({ "events": events });
    let request = client().post(format!("{url}/v1/events")).bearer_auth(OPERATOR).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 201);
}

async fn timeline(url: &str) -> Value {
    let path = format!("{url}/v1/apps/my-app-1/events?per_page=100");
    get(&client(), &path, OPERATOR).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_backed_up_restored_copied_and_dumped() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let running = Running::serve(Path::new(&path("store")));
    report(&running.url, 100).await;
    let before = timeline(&running.url).await;

    // While the store is served.
    let backup =
        ["backup", "--server", &running.url, "--operator-token", OPERATOR, "--to", &path("a.backup")];
    assert!(said(&annals(&backup)).contains("complete and verified"));
    assert!(complained(&annals(&backup)).contains("already exists"));
    let with_wrong_token = [
        "backup",
        "--server",
        &running.url,
        "--operator-token",
        "tk-op-wrong-0123456",
        "--to",
        &path("b.backup"),
    ];
    assert!(complained(&annals(&with_wrong_token)).contains("401"));
    let locked = annals(&["backup", "--store", &path("store"), "--to", &path("b.backup")]);
    assert!(complained(&locked).contains("use --server with its address"), "{locked:?}");
    let served = annals(&["copy", "--from", &path("store"), "--to", &path("other")]);
    assert!(complained(&served).contains("is being served"), "{served:?}");
    report(&running.url, 50).await;
    let after = timeline(&running.url).await;
    assert!(running.stop().success());

    // While the store is not served.
    assert!(
        said(&annals(&["backup", "--store", &path("store"), "--to", &path("b.backup")]))
            .contains("complete and verified")
    );
    let missing = annals(&["backup", "--store", &path("none"), "--to", &path("c.backup")]);
    assert!(complained(&missing).contains("there is no store"));
    assert!(!Path::new(&path("none")).exists(), "a missing store was created");
    let encrypted = [
        "backup",
        "--server",
        "https://example.com",
        "--operator-token",
        OPERATOR,
        "--to",
        &path("c.backup"),
    ];
    assert!(complained(&annals(&encrypted)).contains("must begin with http://"));

    said(&annals(&["restore", "--from", &path("a.backup"), "--store", &path("restored")]));
    let restored = annals(&["restore", "--from", &path("a.backup"), "--store", &path("restored")]);
    assert!(complained(&restored).contains("the directory is not empty: name an empty one"), "{restored:?}");
    let running = Running::serve(Path::new(&path("restored")));
    assert_eq!(
        timeline(&running.url).await,
        before,
        "the backup is not the store as it was when the backup began"
    );
    drop(running);

    // Copy to a database.
    let database = TestDatabase::create().await;
    for (from, why) in [("none", "there is no store"), ("store", "cannot be copied to itself")] {
        let refused = annals(&["copy", "--from", &path(from), "--to", &path("store")]);
        assert!(complained(&refused).contains(why), "{refused:?}");
    }
    let empty = annals(&["copy", "--from", &database.url, "--to", &path("none")]);
    assert!(complained(&empty).contains("there is no store"), "{empty:?}");
    let copied = said(&annals(&["copy", "--from", &path("store"), "--to", &database.url]));
    assert!(copied.contains("and verified: 4 timelines with 300 entries"), "{copied}");
    let running = Running::serve(Path::new(&database.url));
    assert_eq!(timeline(&running.url).await, after);
    let served = annals(&["copy", "--from", &database.url, "--to", &path("back")]);
    assert!(complained(&served).contains("is being served"), "{served:?}");
    let to_served = annals(&["copy", "--from", &path("store"), "--to", &database.url]);
    assert!(complained(&to_served).contains("is being served"), "{to_served:?}");
    let of_database =
        ["backup", "--server", &running.url, "--operator-token", OPERATOR, "--to", &path("d.backup")];
    assert!(complained(&annals(&of_database)).contains("pg_dump"));
    assert!(!Path::new(&path("d.backup")).exists());

    // Dump the database while it is served, and restore the dump.
    let (server, schema) = database.url.split_once("?options=-csearch_path%3D").unwrap();
    let dump = path("annals.dump");
    tool("pg_dump", &["--format=custom", "--schema", schema, "--file", &dump, server]);
    report(&running.url, 10).await;
    assert!(running.stop().success());
    let client = database.connect().await;
    client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    tool("pg_restore", &["--single-transaction", "--dbname", server, &dump]);
    let running = Running::serve(Path::new(&database.url));
    assert_eq!(
        timeline(&running.url).await,
        after,
        "the dump is not the store as it was when the dump began"
    );
    assert!(running.stop().success());

    // Copy back to a directory.
    said(&annals(&["copy", "--from", &database.url, "--to", &path("back")]));
    let running = Running::serve(Path::new(&path("back")));
    assert_eq!(timeline(&running.url).await, after);
    assert!(running.stop().success());
}

/// Each copy is killed after it has reported progress, until one is left to finish.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_copy_resumes() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store").display().to_string();
    let running = Running::serve(Path::new(&store));
    for _ in 0..10 {
        report(&running.url, 2_000).await;
    }
    let expected = timeline(&running.url).await;
    assert!(running.stop().success());
    let (first, second) = (TestDatabase::create().await, TestDatabase::create().await);
    for (from, to) in [(&store, &first.url), (&first.url, &second.url)] {
        for _ in 0..3 {
            let mut copying = command();
            copying.args(["copy", "--from", from, "--to", to]).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut copying = copying.spawn().unwrap();
            let mut said = BufReader::new(copying.stderr.take().unwrap());
            said.read_line(&mut String::new()).unwrap();
            copying.kill().unwrap();
            copying.wait().unwrap();
        }
        let copied = said(&annals(&["copy", "--from", from, "--to", to]));
        assert!(copied.contains("and verified: 4 timelines with 40000 entries"), "{copied}");
    }
    let running = Running::serve(Path::new(&second.url));
    assert_eq!(timeline(&running.url).await, expected);
}

/// Runs one of PostgreSQL's tools.
fn tool(name: &str, arguments: &[&str]) {
    let output = Command::new(name).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_copy_is_not_served() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    {
        let store = annals_store::embedded::Options::new(&path).open().unwrap();
        let mark = key::Setting(Setting::UnfinishedCopy);
        let mark = (mark.into_row_key(), key::Setting::row("of something".into()));
        store.put(Part::Rows(vec![mark])).await.unwrap();
    }
    let path = path.display().to_string();
    let refused =
        annals(&["serve", "--listen", "127.0.0.1:0", "--operator-token", OPERATOR, "--store", &path]);
    assert!(complained(&refused).contains("run annals copy again"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_reads_a_store_and_exits_with_what_it_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = path.display().to_string();
    assert!(complained(&annals(&["check", "--store", &store])).contains("there is no store"));
    let running = Running::serve(&path);
    report(&running.url, 100).await;
    assert!(complained(&annals(&["check", "--store", &store])).contains("is being served"));
    assert!(running.stop().success());
    let checked = said(&annals(&["check", "--store", &store]));
    assert!(checked.contains("nothing is wrong: 4 timelines with 200 entries"), "{checked}");

    // A state that no event tells.
    {
        let store = annals_store::embedded::Options::new(&path).open().unwrap();
        let app = "000000000000000000000001".parse().unwrap();
        let state = store.app(app).await.unwrap().unwrap().0;
        let mut other = (*state).clone();
        other.force_https = true;
        let row = (key::App(app).into_row_key(), key::App::row(other.into()));
        store.put(Part::Rows(vec![row])).await.unwrap();
    }
    let found = annals(&["check", "--store", &store]);
    assert!(String::from_utf8_lossy(&found.stdout).contains("differs from the fold of its events"));
    assert!(complained(&found).contains("has one finding"));
    said(&annals(&["check", "--store", &store, "--contract-only"]));

    // Rows that follow from nothing, or lead elsewhere.
    {
        let store = annals_store::embedded::Options::new(&path).open().unwrap();
        let app = "000000000000000000000001".parse().unwrap();
        let name = store.app(app).await.unwrap().unwrap().0.name.clone();
        let other = "000000000000000000000002".parse().unwrap();
        let user = "us-00000000-0000-4000-8000-00000000000f".parse().unwrap();
        let rows = vec![
            (key::AppName(name).into_row_key(), key::AppName::row(other)),
            (key::Domain("example.com".to_owned()).into_row_key(), key::Domain::row(app)),
            (key::Member(user, app).into_row_key(), key::Member::row(())),
            (key::Timer(annals_model::Time::from_millis(1), app, 7).into_row_key(), key::Timer::row(())),
        ];
        store.put(Part::Rows(rows)).await.unwrap();
    }
    let found = annals(&["check", "--store", &store, "--contract-only"]);
    let printed = String::from_utf8_lossy(&found.stdout).into_owned();
    for finding in [
        "app 000000000000000000000001: its row of kind AppName is missing or leads elsewhere",
        "a row of kind AppName differs from what it follows from",
        "a row of kind Domain differs from what it follows from",
        "a row of kind Member differs from what it follows from",
        "a row of kind Timer differs from what it follows from",
    ] {
        assert!(printed.contains(finding), "{printed}");
    }
    assert!(complained(&found).contains("has 5 findings"), "{printed}");
}
