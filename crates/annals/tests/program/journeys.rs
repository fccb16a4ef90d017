//! The program as its users meet it: the demo, the first start, errors, help.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use annals_testing::Failures;
use serde_json::{Value, json};

use super::running::{OPERATOR, Running, client, command, get, serve};

#[tokio::test]
async fn the_commands_that_the_demo_prints_show_its_timeline() {
    let mut demo = command();
    demo.args(["demo", "--listen", "127.0.0.1:0"]);
    let mut running = Running::start(demo);
    let lines = running.lines_until("curl -s -H 'Authorization: Bearer");
    let mut curls = vec![lines.last().unwrap().clone()];
    for _ in 0..2 {
        curls.push(running.lines_until("curl").pop().unwrap());
    }
    let run = |line: &str| -> Value {
        let output = Command::new("sh").args(["-c", line.trim()]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let answers: Vec<Value> = curls.iter().map(|line| run(line)).collect();
    assert_eq!(answers[0]["events"].as_array().unwrap().len(), 5);
    assert_eq!(answers[1]["containers"][0]["amount"], 4);
    assert!(
        answers[2]["changes"].as_array().unwrap().iter().any(|change| change["path"] == "/variables/CACHE")
    );
    for answer in &answers {
        assert!(
            !answer.to_string().contains("postgres://"),
            "a database address may hold a password: {answer}"
        );
    }
    let timeline = run(&curls[0].replace("per_page=5", "per_page=100"));
    let types: Vec<_> = timeline["events"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "new_app",
            "link_scm",
            "new_addon",
            "new_variable",
            "new_variable",
            "deployment",
            "deployment",
            "scale",
            "new_domain",
            "edit_app",
            "new_collaborator",
            "accept_collaborator",
            "create_review_app",
            "destroy_review_app",
            "deployment",
            "run",
            "edit_variable",
            "restart",
            "upgrade_addon",
            "database/add_feature",
            "plan_database_maintenance",
            "edit_variables",
            "edit_variable",
            "scale",
            "scale",
        ]
    );
    assert!(running.stop().success());
}

#[tokio::test]
async fn the_first_start_creates_an_operator_token_that_lasts() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let serve = || {
        let mut serve = command();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--store"]).arg(&store);
        Running::start(serve)
    };
    let mut running = serve();
    let line = running.lines_until("operator token").pop().unwrap();
    let token = line.rsplit(' ').next().unwrap().to_owned();
    let client = client();
    let user = json!({"user": {"username": "jane", "email": "jane@example.com"}});
    let answer = client
        .post(format!("{}/v1/users", running.url))
        .bearer_auth(&token)
        .json(&user)
        .send()
        .await
        .unwrap();
    let jane = answer.json::<Value>().await.unwrap()["token"]["token"].as_str().unwrap().to_owned();
    assert!(running.stop().success());

    let mut running = serve();
    let lines = running.lines_until("curl");
    assert!(
        lines.iter().all(|line| !line.contains("shown only once")),
        "the token is shown only once: {lines:?}"
    );
    assert_eq!(
        get(&client, &format!("{}/v1/users/self", running.url), &jane).await["user"]["username"],
        "jane"
    );
    let again = client
        .post(format!("{}/v1/users", running.url))
        .bearer_auth(&token)
        .json(&user)
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), 422, "the token or the user was lost");
}

#[tokio::test]
async fn a_second_process_on_a_store_exits_with_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let _first = Running::serve(&store);
    let mut second = command();
    second.args(["serve", "--listen", "127.0.0.1:0", "--operator-token", OPERATOR, "--store"]).arg(&store);
    let output = second.output().unwrap();
    assert!(!output.status.success());
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("cannot be opened: the store is in use by another process"), "{complaint}");
}

#[test]
fn mistakes_on_the_command_line_are_named() {
    let complaint = |arguments: &[&str]| {
        let output = command().args(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let mut failures = Failures::default();
    for (arguments, expected) in [
        (&["serve", "--listen", "nowhere"][..], "--listen <ADDRESS:PORT>"),
        (&["serve", "--store", "mysql://me:secret@db/annals"], "mysql:// is neither"),
        (&["serve", "--store", "postgres://me:secret@db:port/annals"], "not a database address"),
        (&["serve", "--store", "postgres://me:secret@db/annals?sslmode=perhaps"], "sslmode must be"),
        (
            &["serve", "--store", "postgres://me:secret@127.0.0.1:1/annals"],
            "the store postgres://127.0.0.1:1/annals cannot be opened",
        ),
        (
            &["copy", "--from", "/none", "--to", "postgres://me:secret@127.0.0.1:1/annals"],
            "the store /none cannot be opened: there is no store",
        ),
        (&["serve", "--store", "/proc/annals"], "the store /proc/annals cannot be opened"),
        (&["serve", "--operator-token", "short"], "--operator-token must have at least 16 characters"),
        (&["--log", "loud=very", "demo"], "--log"),
        (&["undo"], "unrecognized subcommand"),
        (&[], "Usage: annals"),
    ] {
        let complaint = complaint(arguments);
        if !complaint.contains(expected) || complaint.contains("secret") {
            failures.add(format!("{arguments:?}"), format!("{expected}, and no password"), complaint);
        }
    }
    failures.report();
}

#[test]
fn help_and_version() {
    let print = |arguments: &[&str]| {
        let output = command().args(arguments).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    insta::assert_snapshot!(print(&["--help"]));
    insta::assert_snapshot!(print(&["serve", "--help"]));
    assert_eq!(print(&["--version"]), format!("annals {}\n", env!("CARGO_PKG_VERSION")));
}

/// Returns the command in a shell that first runs that setting.
fn after(setting: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{setting}; exec \"$0\" \"$@\"")]).arg(command.get_program());
    shell.args(command.get_args()).env_clear().stdin(Stdio::null());
    shell
}

/// Returns the command that serves a store in that place, on any port.
fn serve_anywhere(store: &Path) -> Command {
    let mut serve = serve(store);
    serve.args(["--operator-token", OPERATOR, "--listen", "127.0.0.1:0"]);
    serve
}

fn open_to_others(path: &Path) -> Vec<PathBuf> {
    let metadata = std::fs::symlink_metadata(path).unwrap();
    let mut found = Vec::new();
    if metadata.permissions().mode() & 0o077 != 0 {
        found.push(path.to_owned());
    }
    if metadata.is_dir() {
        found.extend(
            std::fs::read_dir(path).unwrap().flat_map(|inner| open_to_others(&inner.unwrap().path())),
        );
    }
    found
}

#[tokio::test]
async fn stores_backups_and_copies_are_private_whatever_the_umask_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let running = Running::start(after("umask 000", &serve_anywhere(&path("store"))));
    let events = json!({ "events": [] });
    let client = client();
    let report = client.post(format!("{}/v1/events", running.url)).bearer_auth(OPERATOR).json(&events);
    assert_eq!(report.send().await.unwrap().status(), 201);
    assert_eq!(open_to_others(&path("store")), [] as [PathBuf; 0]);
    assert!(running.stop().success());
    let store = path("store").display().to_string();
    for (arguments, created) in [
        (["backup", "--store", &store, "--to"], "a.backup"),
        (["copy", "--from", &store, "--to"], "copy"),
        (["restore", "--from", &path("a.backup").display().to_string(), "--store"], "restored"),
    ] {
        let mut annals = command();
        annals.args(arguments).arg(path(created));
        let done = after("umask 000", &annals).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(open_to_others(&path(created)), [] as [PathBuf; 0], "{created}");
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_harms_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut serve = serve_anywhere(&directory.path().join("store"));
    // Nothing listens there, so every mail is a failure to log.
    serve.args(["--smtp-url", "smtp://127.0.0.1:1", "--log", "debug"]);
    let running = Running::start_logging(serve, full);
    let client = client();
    let user = json!({"user": {"username": "jane", "email": "jane@example.com", "password": "correct horse battery"}});
    let register = client.post(format!("{}/v1/users", running.url)).bearer_auth(OPERATOR).json(&user);
    assert_eq!(register.send().await.unwrap().status(), 201);
    for _ in 0..3 {
        let reset = client.post(format!("{}/v1/users/password", running.url));
        let reset = reset.json(&json!({"user": {"email": "jane@example.com"}}));
        assert_eq!(reset.send().await.unwrap().status(), 202);
    }
    // The outbox is still tried after a failure that could not be logged.
    let failures = async || {
        let metrics =
            client.get(format!("{}/metrics", running.url)).send().await.unwrap().text().await.unwrap();
        let line = metrics.lines().find(|line| line.contains("background_failures") && line.contains("mail"));
        line.and_then(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).unwrap_or_default()
    };
    while failures().await < 1.0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let ready = client.get(format!("{}/readyz", running.url)).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    assert!(running.stop().success());
}

#[tokio::test]
async fn idle_connections_neither_end_writes_nor_keep_others_waiting() {
    let directory = tempfile::tempdir().unwrap();
    // A hard limit: the program cannot raise it.
    let serve = after("ulimit -n 1024", &serve_anywhere(&directory.path().join("store")));
    let running = Running::start(serve);
    let mut idle = Vec::new();
    for _ in 0..1_100 {
        idle.push(std::net::TcpStream::connect(running.address()).unwrap());
    }
    let client = client();
    for _ in 0..3 {
        let report = client.post(format!("{}/v1/events", running.url)).bearer_auth(OPERATOR);
        let report = report.json(&json!({ "events": [] })).timeout(std::time::Duration::from_secs(30));
        assert_eq!(report.send().await.unwrap().status(), 201);
    }
    drop(idle);
    assert!(running.stop().success());
}
