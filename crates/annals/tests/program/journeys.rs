//! The program as its users meet it: the demo, the first start, errors, help.

use std::process::Command;

use annals_testing::Failures;
use serde_json::{Value, json};

use super::running::{OPERATOR, Running, command, get};

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
    let client = reqwest::Client::new();
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
