//! Mistakes on the command line, and their error messages; and the help that prevents them.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use annals_testing::TestDatabase;
use serde_json::{Value, json};

use super::database::Server;
use super::running::{OPERATOR, Running, client, command, get, serve};

/// Runs a command that must fail, and returns what it prints to standard error.
fn complaint(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let complained = String::from_utf8(stderr).unwrap();
    assert!(!status.success(), "{complained}");
    complained
}

/// Runs `serve` with options that it must reject before it creates anything. Returns what it prints to standard error.
fn serve_complaint(options: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let mut command = command();
    command.arg("serve").current_dir(directory.path());
    if !options.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    let complained = complaint(command.args(options));
    let left = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(left, 0, "it left something: {complained}");
    complained
}

#[test]
fn wrong_values_of_options_are_rejected() {
    let long = "postgres://me:secret@host/db";
    for (options, expected) in [
        (vec!["--store", "postgres:/annals"], "annals: --store: did you mean postgres://?"),
        (vec!["--store", "postgresql:annals"], "annals: --store: did you mean postgres://?"),
        (vec!["--store", "postgres//host/db"], "for a directory of this name write ./postgres//host/db"),
        (vec!["--store", "sqlite:annals.db"], "for a directory of this name write ./sqlite:annals.db"),
        (vec!["--store", " "], "annals: --store: must be a directory or a postgres:// URL"),
        (
            vec!["--store", &format!("{long}?sslmode=verify-ca")],
            "annals: --store: sslmode=verify-ca is not supported, use verify-full",
        ),
        (
            vec!["--store", &format!("{long}?sslmod=require")],
            "annals: --store: unknown parameter sslmod, did you mean sslmode?",
        ),
        (vec!["--store", "postgres://me:se#cret@host/db"], "percent-encode special characters in user and password"),
        (
            vec!["--log", "loud"],
            "annals: --log: \"loud\" is not a level; use error, warn, info or debug, or a filter such as info,annals_store=debug",
        ),
        (vec!["--log", ""], "annals: --log: \"\" is not a level"),
        (vec!["--log", "info,loud"], "annals: --log: \"loud\" is not a level"),
        (vec!["--log", "annals_store=loud"], "annals: --log: \"loud\" is not a level"),
        (vec!["--public-url", "annals.example.com"], "must begin with http:// or https://"),
        (vec!["--public-url", "annals.example.com:80"], "must begin with http:// or https://"),
        (vec!["--smtp-url", "me:secret@mail.example.com"], "annals: --smtp-url must begin with smtp:// or smtps://"),
        (vec!["--smtp-url", "smtps://"], "annals: --smtp-url must begin with smtp:// or smtps://"),
        (vec!["--mail-from", "annals"], "must be a mail address, such as annals <annals@example.com>"),
        (vec!["--public-url", "https://annals.example.com/?a=b"], "must have no query and no fragment"),
        (vec!["--operator-token", "secret"], "annals: --operator-token must have at least 16 characters"),
        (
            vec!["--operator-token", "tk-op-secret-secret\n"],
            "annals: --operator-token must have no spaces, line breaks or characters beyond ASCII",
        ),
        (vec!["--region", ""], "a value is required for '--region <NAME>'"),
        (vec!["--listen", "localhost"], "must be a port, or an address and a port such as 127.0.0.1:8080"),
        (vec!["--trusted-proxies", "proxy"], "must be an address or a network, such as 10.0.0.0/8"),
        (vec!["--sign-up", "yes"], "[possible values: true, false]"),
        (vec!["--store-connections", "0"], "--store-connections <NUMBER>"),
        (vec!["--publc-url", "https://annals.example.com"], "a similar argument exists: '--public-url'"),
    ]
    .map(|(options, expected)| (options.into_iter().map(str::to_owned).collect::<Vec<_>>(), expected))
    {
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let complained = serve_complaint(&options);
        assert!(complained.contains(expected), "{options:?}: {complained}");
        assert!(!complained.contains("secret"), "{complained}");
    }
}

#[test]
fn empty_and_misspelt_variables_are_rejected() {
    for name in ["ANNALS_OPERATOR_TOKEN", "ANNALS_STORE", "ANNALS_LOG", "ANNALS_SMTP_URL"] {
        let complained = complaint(command().arg("serve").env(name, ""));
        assert_eq!(complained, format!("annals: {name} is empty; unset it\n"));
    }
    let complained = complaint(command().arg("serve").env("ANNALS_OPERATORTOKEN", OPERATOR));
    let expected = "annals: ANNALS_OPERATORTOKEN is not a setting; did you mean ANNALS_OPERATOR_TOKEN?\n";
    assert_eq!(complained, expected);
}

#[test]
fn help_of_the_other_commands() {
    let help = |name: &str| {
        let output = command().args([name, "--help"]).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    insta::assert_snapshot!(["backup", "restore", "copy", "demo"].map(help).join("\n"));
}

#[test]
fn a_switch_needs_no_value() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--sign-up", "--instant-builder", "--contract-only"];
    let running = Running::serve_with(&directory.path().join("store"), &options);
    assert!(running.stop().success());
}

#[test]
fn a_port_alone_and_a_host_name_are_addresses() {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for form in ["", ":", "localhost:"] {
        let directory = tempfile::tempdir().unwrap();
        let port = free();
        let listen = format!("{form}{port}");
        let running = Running::serve_with(&directory.path().join("store"), &["--listen", &listen]);
        assert_eq!(running.url, format!("http://127.0.0.1:{port}"));
        assert!(running.stop().success());
    }
}

#[test]
fn a_port_in_use_says_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let complained = complaint(serve(&directory.path().join("store")).args(["--listen", &address]));
    let expected = format!(
        "annals: cannot listen on {address}: another process uses the port, perhaps another annals; stop it, or choose \
         another port with --listen\n"
    );
    assert_eq!(complained, expected);
}

#[test]
fn listening_for_other_machines_without_a_proxy_warns_about_tls() {
    for (options, is_warned) in [
        (&["--listen", "0.0.0.0:0"][..], true),
        (&["--listen", "0.0.0.0:0", "--public-url", "https://annals.example.com"], false),
        (&["--listen", "127.0.0.1:0"], false),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = serve(&directory.path().join("store"));
        command.args(options);
        let running = Running::start_logging(command, log.reopen().unwrap());
        assert!(running.stop().success());
        let log = fs::read_to_string(log.path()).unwrap();
        let warning =
            "traffic is not encrypted: put a proxy with TLS in front, and set --public-url to its address";
        assert_eq!(log.contains(warning), is_warned, "{options:?}: {log}");
    }
}

#[test]
fn a_lost_token_can_be_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let start = |options: &[&str]| {
        let mut command = serve(&store);
        command.args(["--listen", "127.0.0.1:0"]).args(options);
        let mut running = Running::start(command);
        let lines = running.lines_until("curl");
        assert!(running.stop().success());
        lines.into_iter().find(|line| line.starts_with("operator token"))
    };
    assert!(start(&[]).unwrap().contains("shown only once"));
    assert_eq!(
        start(&[]).unwrap(),
        "operator token: printed at the first start; if it is lost, set a new one with ANNALS_OPERATOR_TOKEN"
    );
    assert_eq!(start(&["--operator-token", OPERATOR]), None);
}

#[test]
fn a_store_that_cannot_be_created_says_why() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for store in [file.clone(), file.join("store")] {
        let complained = complaint(&mut serve(&store));
        let expected = format!(
            "annals: the store {} cannot be opened: {} is a file: name a directory\n",
            store.display(),
            file.display()
        );
        assert_eq!(complained, expected);
    }
    // Nobody may write here except the superuser, who runs the program as another user.
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let closed = directory.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o555)).unwrap();
    let is_superuser = fs::create_dir(closed.join("probe")).is_ok();
    if is_superuser {
        fs::remove_dir(closed.join("probe")).unwrap();
    }
    // A store of somebody else.
    let private = directory.path().join("private");
    fs::create_dir(&private).unwrap();
    fs::set_permissions(&private, PermissionsExt::from_mode(0o000)).unwrap();
    for (store, named) in
        [(closed.clone(), &closed), (closed.join("below/store"), &closed), (private.clone(), &private)]
    {
        let mut serve = serve(&store);
        if is_superuser {
            // The other user may be unable to reach the program where it was built.
            let program = directory.path().join("annals");
            _ = fs::remove_file(&program);
            fs::hard_link(serve.get_program(), &program)
                .or_else(|_| fs::copy(serve.get_program(), &program).map(drop))
                .unwrap();
            let arguments: Vec<_> = serve.get_args().map(ToOwned::to_owned).collect();
            serve = Command::new(program);
            serve.args(arguments).env_clear().stdin(Stdio::null()).uid(65534);
        }
        let complained = complaint(&mut serve);
        let first = format!("annals: the store {} cannot be opened: ", store.display());
        assert!(complained.starts_with(&first), "{complained}");
        let is_named =
            ["user ", "the user with uid "].iter().any(|user| complained[first.len()..].starts_with(user));
        assert!(is_named, "{complained}");
        assert!(complained.contains(&format!(" cannot write {}", named.display())), "{complained}");
    }
    fs::set_permissions(&private, PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn a_compressed_backup_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let backup = directory.path().join("backup.gz");
    let store = directory.path().join("store");
    for (bytes, why) in [
        (&b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0\0\0\0\0"[..], "the file is gzip-compressed; decompress it first"),
        (b"\x28\xb5\x2f\xfd\0\0\0\0\0\0\0\0\0\0\0\0", "the file is zstd-compressed; decompress it first"),
        (b"PGDMP and so on, and on", "the file is not an annals backup"),
    ] {
        fs::write(&backup, bytes).unwrap();
        let mut restore = command();
        restore.args(["restore", "--from"]).arg(&backup).arg("--store").arg(&store);
        let expected = format!("annals: cannot restore {} to {}: {why}\n", backup.display(), store.display());
        assert_eq!(complaint(&mut restore), expected);
    }
}

#[test]
fn wrong_arguments_of_backup_restore_and_copy_are_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let database = "postgres://me:secret@host/db";
    fs::write(path("file"), "").unwrap();
    let complained = complaint(command().args(["backup", "--to", &path("a.backup")]));
    assert!(complained.contains("<--store <DIRECTORY>|--server <URL>>"), "{complained}");
    for (arguments, expected) in [
        (
            ["backup", "--store", database, "--to", &path("a.backup")],
            "--store: a database is backed up with its own tools, such as pg_dump",
        ),
        (
            ["backup", "--store", "postgres:/annals", "--to", &path("a.backup")],
            "--store: did you mean postgres://?",
        ),
        (["backup", "--store", &path("none"), "--to", &path("no/a.backup")], "cannot create a file in"),
        (["backup", "--store", &path("none"), "--to", &path("file")], "already exists; choose another file"),
        (["backup", "--server", "localhost:8080", "--to", &path("a.backup")], "--operator-token <TOKEN>"),
        (["restore", "--from", &path("none"), "--store", &path("new")], "cannot read"),
        (
            ["restore", "--from", directory.path().to_str().unwrap(), "--store", &path("new")],
            "is a directory; name a file that annals backup wrote",
        ),
        (
            ["restore", "--from", &path("file"), "--store", database],
            "--store: a backup is restored to a directory",
        ),
        (["copy", "--from", &path("file"), "--to", "postgresql:annals"], "--to: did you mean postgres://?"),
        (
            ["copy", "--from", "mysql://me:secret@host/db", "--to", &path("new")],
            "--from: must be a directory or a postgres:// URL",
        ),
    ] {
        let complained = complaint(command().args(arguments));
        assert!(complained.contains(expected), "{arguments:?}: {complained}");
        assert!(!complained.contains("secret"), "{complained}");
    }
    let mut backup = command();
    backup.args([
        "backup",
        "--server",
        "localhost:8080",
        "--operator-token",
        OPERATOR,
        "--to",
        &path("a.backup"),
    ]);
    let complained = complaint(&mut backup);
    assert!(
        complained.contains("--server must begin with http://, such as http://127.0.0.1:8080"),
        "{complained}"
    );
    let left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["file"], "nothing else was created");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_down_is_named_in_readiness_and_log() {
    let server = Server::start(&[]);
    let database = TestDatabase::create_on(&server.url).await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = serve(Path::new(&database.url));
    command.args(["--listen", "127.0.0.1:0", "--operator-token", OPERATOR]);
    let running = Running::start_logging(command, log.reopen().unwrap());
    drop(server);
    let ready = loop {
        let answer = client().get(format!("{}/readyz", running.url)).send().await.unwrap();
        let text = answer.json::<Value>().await.unwrap()["error"].to_string();
        // A connection that breaks in use has another error first.
        if text.contains("refused") {
            break text;
        }
    };
    assert!(
        ready.contains("the database is unavailable: error connecting to server: Connection refused"),
        "{ready}"
    );
    let answer = client().get(format!("{}/v1/apps", running.url)).bearer_auth("tk-us-x").send();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.text().await.unwrap(), r#"{"error":"could not be read; retry"}"#);
    drop(running);
    let log = fs::read_to_string(log.path()).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("the store is unavailable")).collect();
    assert!(lines.iter().any(|line| line.contains("Connection refused")), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_contradicts_the_state_is_recorded_and_named_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = serve(&directory.path().join("store"));
    command.args(["--listen", "127.0.0.1:0", "--operator-token", OPERATOR]);
    let running = Running::start_logging(command, log.reopen().unwrap());
    let (first, second) = ("5343eccd646173000a140001", "5343eccd646173000a140002");
    let person = json!({"username": "jane", "email": "jane@example.com", "id": "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac"});
    let event = |app: &str, name: &str, review_app: &str| {
        let data = json!({
            "review_app_name": "some-review-app", "source_repo_name": "a/b",
            "source_repo_url": "https://github.com/a/b", "pr_name": "a change", "pr_number": 1,
            "pr_url": "https://github.com/a/b/pull/1", "pr_comes_from_a_fork": false, "app_id": review_app,
        });
        json!({
            "user": person, "app_id": app, "app_name": name, "type": "create_review_app", "type_data": data,
        })
    };
    let client = client();
    let report = async |events: Vec<Value>, is_dry: bool| {
        let request = client.post(format!("{}/v1/events", running.url)).bearer_auth(OPERATOR);
        let request = request.header("X-Dry-Run", is_dry.to_string()).json(&json!({ "events": events }));
        assert!(request.send().await.unwrap().status().is_success());
    };
    let users = format!("{}/v1/users", running.url);
    let registered =
        client.post(users).bearer_auth(OPERATOR).json(&json!({ "user": person })).send().await.unwrap();
    let registered: Value = registered.json().await.unwrap();
    let jane = registered["token"]["token"].as_str().unwrap();
    let new_app =
        |app: &str, name: &str| json!({ "user": person, "app_id": app, "app_name": name, "type": "new_app" });
    report(vec![new_app(first, "first-app"), new_app(second, "second-app")], false).await;
    let itself = event(first, "first-app", first);
    report(vec![itself.clone()], true).await;
    report(vec![itself.clone(), itself], false).await;
    report(vec![event(first, "first-app", second)], false).await;
    report(vec![event(second, "second-app", first)], false).await;
    let delete = format!("{}/v1/apps/{first}?current_name=first-app", running.url);
    assert_eq!(client.delete(delete).bearer_auth(jane).send().await.unwrap().status(), 204);
    for app in [first, second] {
        let state = get(&client, &format!("{}/v1/apps/{app}/state", running.url), OPERATOR).await;
        assert!(state["state"]["deleted_at"].is_string(), "{state}");
    }
    assert!(running.stop().success());
    let log = fs::read_to_string(log.path()).unwrap();
    let lines: Vec<Value> = log
        .lines()
        .filter(|line| line.contains("recorded events contradict the state of their app"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let found: Vec<_> = lines
        .iter()
        .map(|line| {
            let field = |name: &str| line.get(name).or_else(|| line["fields"].get(name)).cloned().unwrap();
            (field("app_id"), field("events"), line["level"].clone())
        })
        .collect();
    assert_eq!(
        found,
        [(json!(first), json!(2), json!("WARN")), (json!(second), json!(1), json!("WARN"))],
        "{log}"
    );
    assert!(!log.contains("first-app") && !log.contains("some-review-app"));
}
