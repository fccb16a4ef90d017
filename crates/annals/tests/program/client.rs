//! The commands that ask a server, against a running one: what they print, and what they do when it goes wrong.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use annals_testing::EXAMPLES;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::running::{OPERATOR, Running, client, command};

const EXAMPLES_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples.ndjson");
/// The identifier of the app that the examples have.
const APP_ID: &str = "5343eccd646173000a140000";

/// A server with the examples, and a user who is signed in to it.
struct World {
    directory: TempDir,
    running: Running,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let running = Running::serve(&directory.path().join("store"));
        let john = json!({ "user": { "username": "johndoe", "email": "john@doe.com",
            "id": "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac" } });
        let client = client();
        let registered = client.post(format!("{}/v1/users", running.url)).bearer_auth(OPERATOR).json(&john);
        let registered: Value = registered.send().await.unwrap().json().await.unwrap();
        let world = Self { directory, running };
        let mut login = world.annals(&["login", "--url", &world.running.url]);
        let mut login = login.stdin(Stdio::piped()).spawn().unwrap();
        writeln!(login.stdin.take().unwrap(), "{}", registered["token"]["token"].as_str().unwrap()).unwrap();
        assert!(login.wait().unwrap().success());
        world.as_operator(&["report", EXAMPLES_FILE]);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn annals(&self, arguments: &[&str]) -> Command {
        let mut annals = command();
        annals.args(arguments).env("HOME", self.directory.path()).current_dir(self.directory.path());
        annals
    }

    /// Runs a command as the user, and returns what it prints.
    fn run(&self, arguments: &[&str]) -> String {
        printed(&mut self.annals(arguments))
    }

    fn as_operator(&self, arguments: &[&str]) -> String {
        printed(self.annals(arguments).env("ANNALS_TOKEN", OPERATOR))
    }

    /// Runs a command that fails. Returns its exit code and what it prints to standard error.
    fn fail(&self, arguments: &[&str]) -> (i32, String) {
        let Output { status, stderr, .. } = self.annals(arguments).output().unwrap();
        (status.code().unwrap(), String::from_utf8(stderr).unwrap())
    }
}

fn printed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// What changes from run to run is left out.
fn steady(text: &str) -> String {
    let is_identifier = |word: &str| word.len() == 24 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lines = text.lines().map(|line| {
        let words =
            line.split(' ').map(|word| if is_identifier(word) && word != APP_ID { "…" } else { word });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_commands_print_what_fits() {
    let world = World::new().await;
    let mut printed_all = String::new();
    for arguments in [
        &["apps", "--utc"][..],
        &["timeline", APP_ID, "--utc", "-n", "8"],
        &["timeline", APP_ID, "--utc", "--type", "deployment,scale", "--ids"],
        &["activity", "--utc", "--until", "2026-11-01T08:40:00Z", "category:addons OR type:run"],
        &["state", APP_ID, "--at", "2026-11-01T08:10:00Z"],
        &["state", APP_ID, "--from", "2026-11-01T08:00:00Z", "--to", "2026-11-01T08:20:00Z"],
        &["state", APP_ID, "--at", "2020-01-01", "--utc"],
        &["show", "6905bc8073636100011a0003", "--app", APP_ID, "--utc"],
        &["show", "6905bc8073636100011a0003", "--json"],
        &["types", "log_drains"],
        &["whoami"],
    ] {
        for columns in ["80", "120"] {
            let printed = printed(world.annals(arguments).env("COLUMNS", columns));
            let printed = steady(&printed).replace(&world.running.url, "http://server");
            printed_all.push_str(&format!("{columns}$ annals {}\n{printed}\n\n", arguments.join(" ")));
            let is_table = ["apps", "timeline", "activity", "types"].contains(&arguments[0]);
            let longest = printed.lines().map(|line| line.chars().count()).max().unwrap_or_default();
            assert!(!is_table || longest <= columns.parse().unwrap(), "{arguments:?}: {longest}");
        }
    }
    insta::assert_snapshot!(printed_all);
    let lines = world.run(&["timeline", APP_ID, "--json", "-n", "0"]);
    let of_app: Vec<_> = EXAMPLES.lines().filter(|line| line.contains(APP_ID)).rev().collect();
    assert_eq!(lines.lines().collect::<Vec<_>>(), of_app);
}

#[tokio::test]
async fn mistakes_are_named_and_exit_codes_say_which_kind() {
    let world = World::new().await;
    for (arguments, code, expected) in [
        (&["timeline", "nothing-here"][..], 4, "annals: the app does not exist, or you have no access to it"),
        (
            &["timeline", APP_ID, "typ:scale"],
            2,
            "annals: q: column 1: unknown field `typ:`; did you mean `type:`?",
        ),
        (
            &["timeline", APP_ID, "--since", "yesterday"],
            2,
            "annals: since: \"yesterday\" is not a time; write a day",
        ),
        (&["audit"], 3, "annals: this needs the operator token or the token of an auditor"),
        (
            &["activity", "--token", "tk-us-wrong"],
            3,
            "annals: the token is not valid; sign in with `annals login`",
        ),
        (&["activity", "--url", "http://127.0.0.1:1"], 3, "annals: there is no token for http://127.0.0.1:1"),
        (
            &["activity", "--url", "127.0.0.1"],
            1,
            "annals: \"127.0.0.1\" is not the address of a server; write it like",
        ),
        (
            &["activity", "--url", "http://127.0.0.1:1", "--token", "t"],
            1,
            "annals: http://127.0.0.1:1 cannot be reached",
        ),
        (&["show", "x"], 1, "annals: \"x\" is not the identifier of an event"),
        (
            &["show", "6905bc8073636100011affff"],
            4,
            "annals: the event was not found; name its app with --app",
        ),
        (&["types", "addon"], 1, "annals: there is no category \"addon\"; did you mean addons?"),
        (&["state", APP_ID, "--at", "soon"], 1, "annals: --at: \"soon\" is not a time"),
        (&["export", "--app", APP_ID, "--format", "parquet"], 1, "annals: --format parquet needs a file"),
        (&["export"], 2, "error: the following required arguments were not provided"),
        (&["report", "nothing.ndjson"], 1, "annals: cannot read nothing.ndjson"),
    ] {
        let (exit, complained) = world.fail(arguments);
        assert_eq!(exit, code, "{arguments:?}: {complained}");
        assert!(complained.starts_with(expected), "{arguments:?}: {complained}");
    }
    assert!(world.run(&["logout"]).is_empty());
    assert_eq!(world.fail(&["activity"]).0, 3);
    let (_, complained) = world.fail(&["login", "--url", &world.running.url]);
    assert_eq!(
        complained,
        "annals: there is no token; give one with --token, ANNALS_TOKEN or standard input\n"
    );
}

/// The token is kept where only its user reads it, and shown to no other server.
#[tokio::test]
async fn a_token_stays_between_its_user_and_its_server() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new().await;
    let file = world.path(".config/annals/credentials.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(kept["url"], world.running.url.as_str());
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", other.local_addr().unwrap());
    let (exit, complained) = world.fail(&["activity", "--url", &url]);
    assert_eq!(exit, 3);
    assert!(!complained.contains(kept["token"].as_str().unwrap()));
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err(), "nothing was sent there");
}

#[tokio::test]
async fn a_timeline_is_followed_over_a_restart() {
    let mut world = World::new().await;
    let mut follow = world.annals(&["activity", "--follow", "-n", "1", "--json"]);
    let mut follow = Ending(follow.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(follow.0.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let newest = world.run(&["activity", "--json", "-n", "1"]);
    assert_eq!(next()["id"], serde_json::from_str::<Value>(&newest).unwrap()["id"]);
    let report = |world: &World, number: u32| {
        let event = json!({ "type": "login_success", "type_data": { "remote_ip": format!("192.0.2.{number}") },
            "user": { "username": "johndoe", "email": "john@doe.com", "id": "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac" } });
        let file = world.path("signed-in.json");
        std::fs::write(&file, event.to_string()).unwrap();
        world.as_operator(&["report", file.to_str().unwrap()]);
    };
    report(&world, 1);
    assert_eq!(next()["type_data"]["remote_ip"], "192.0.2.1");
    let address = world.running.address();
    world.running.die();
    world.running = Running::serve_with(&world.path("store"), &["--listen", &address]);
    report(&world, 2);
    report(&world, 3);
    assert_eq!(next()["type_data"]["remote_ip"], "192.0.2.2");
    assert_eq!(next()["type_data"]["remote_ip"], "192.0.2.3");
}

/// A process that ends with its owner.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A proxy that passes on so many bytes of each response, and then breaks the connection.
struct Breaking {
    url: String,
}

impl Breaking {
    fn before(server: &str, bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (url, server) = (format!("http://{}", listener.local_addr().unwrap()), server.to_owned());
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let (mut from_client, mut to_server) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
                thread::spawn(move || {
                    let mut some = std::io::Read::take(server, bytes as u64);
                    _ = std::io::copy(&mut some, &mut &client);
                    _ = client.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        Self { url }
    }
}

#[tokio::test]
async fn a_timeline_is_followed_over_connections_that_break() {
    const EVENTS: usize = 20;
    let world = World::new().await;
    // Enough for the requests before, and for a few events of each stream.
    let broken = Breaking::before(&world.running.address(), 2_500);
    let mut follow = world.annals(&["audit", "--follow", "-n", "1", "--json", "--url", &broken.url]);
    follow.env("ANNALS_TOKEN", OPERATOR).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut follow = Ending(follow.spawn().unwrap());
    let mut lines = BufReader::new(follow.0.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let newest = next()["position"].as_u64().unwrap();
    let event = |number: usize| {
        let data = json!({ "scope": [format!("web-{number}")] });
        json!({ "app_id": APP_ID, "app_name": "a", "type": "restart", "type_data": data }).to_string()
    };
    let file = world.path("events.ndjson");
    std::fs::write(&file, (0..EVENTS).map(|number| event(number) + "\n").collect::<String>()).unwrap();
    world.as_operator(&["report", file.to_str().unwrap()]);
    for number in 0..EVENTS {
        let event = next();
        assert_eq!(event["position"], newest + 1 + number as u64);
        assert_eq!(event["type_data"]["scope"][0], format!("web-{number}"));
    }
}

#[tokio::test]
async fn an_export_over_a_connection_that_breaks_is_whole() {
    let world = World::new().await;
    let broken = Breaking::before(&world.running.address(), 5_000);
    for format in ["jsonl", "csv"] {
        let (whole, pieces) = (world.path("whole"), world.path("pieces"));
        let export = |to: &Path, url: &str| {
            let to = to.to_str().unwrap();
            world.as_operator(&["export", "--audit", "--format", format, "--to", to, "--url", url]);
        };
        export(&whole, &world.running.url);
        export(&pieces, &broken.url);
        let [whole, pieces] = [whole, pieces].map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::remove_file(file).unwrap();
            text
        });
        assert_eq!(whole, pieces, "{format}");
        assert!(whole.len() > 20_000);
        // What goes to standard output is the same.
        assert_eq!(world.as_operator(&["export", "--audit", "--format", format]), whole);
        // An export that was interrupted anywhere goes on.
        let to = world.path("resumed");
        let first_line = whole.find('\n').unwrap() + 1;
        for kept in [0, 1, first_line, first_line + 1, whole.len() / 3, whole.len() - 1, whole.len()] {
            std::fs::write(world.path("resumed.part"), &whole.as_bytes()[..kept]).unwrap();
            world.as_operator(&[
                "export",
                "--audit",
                "--format",
                format,
                "--to",
                to.to_str().unwrap(),
                "--resume",
            ]);
            assert_eq!(std::fs::read_to_string(&to).unwrap(), whole, "{format}, {kept}");
            std::fs::remove_file(&to).unwrap();
        }
    }
    std::fs::write(world.path("begun.part"), "").unwrap();
    let (exit, complained) = world.fail(&["export", "--activity", "--to", "begun"]);
    let expected = "annals: begun.part is an interrupted export; --resume goes on with it, or remove it\n";
    assert_eq!((exit, &*complained), (1, expected));
    let (exit, complained) = world.fail(&["export", "--activity", "--to", ".config"]);
    assert_eq!((exit, &*complained), (1, "annals: .config already exists; choose another file\n"));
}

#[tokio::test]
async fn a_parquet_file_has_every_event_for_other_readers() {
    let world = World::new().await;
    let to = world.path("events.parquet");
    world.as_operator(&["export", "--audit", "--format", "parquet", "--to", to.to_str().unwrap()]);
    assert!(!world.path("events.parquet.part").exists());
    let lines = world.as_operator(&["export", "--audit"]);
    let read = "
import json, sys
import pyarrow.parquet
table = pyarrow.parquet.read_table(sys.argv[1])
for row in table.to_pylist():
    stamp = lambda time: time.strftime('%Y-%m-%dT%H:%M:%S.') + '%03dZ' % (time.microsecond // 1000)
    row['created_at'], row['recorded_at'] = stamp(row['created_at']), stamp(row['recorded_at'])
    row['type_data'] = json.loads(row['type_data'])
    print(json.dumps(row))
";
    let python = super::schemathesis::installed("python");
    let read = printed(Command::new(python).args(["-c", read]).arg(&to));
    let rows: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), events.len());
    for (row, event) in rows.iter().zip(&events) {
        for (column, pointer) in [
            ("position", "/position"),
            ("recorded_at", "/recorded_at"),
            ("id", "/id"),
            ("created_at", "/created_at"),
            ("type", "/type"),
            ("actor_id", "/user/id"),
            ("actor_username", "/user/username"),
            ("actor_email", "/user/email"),
            ("app_id", "/app_id"),
            ("app_name", "/app_name"),
            ("project_name", "/project_name"),
            ("type_data", "/type_data"),
        ] {
            assert_eq!(&row[column], event.pointer(pointer).unwrap_or(&Value::Null), "{column} of {event}");
        }
    }
}

#[tokio::test]
async fn the_history_of_a_platform_is_imported_once() {
    let world = World::new().await;
    // Pages as clients save them: newest first, overlapping, and in no order of the files.
    let page = |number: u32| {
        let page = world.run(&["timeline", APP_ID, "--json", "-n", "0"]);
        let lines: Vec<_> = page.lines().collect();
        let (first, last) = [(0, 30), (25, lines.len())][number as usize];
        let mut events: Vec<Value> =
            lines[first..last].iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        for event in &mut events {
            if event["type"] == "scale" {
                event["type_data"] =
                    json!({ "previous_containers": { "web": "1:M" }, "containers": { "web": "2:M" } });
            }
        }
        events.push(json!({ "id": "6905bc8073636100011b0000", "type": "invented", "created_at": "2026-11-01T08:00:00Z" }));
        let file = world.path(&format!("page-{number}.json"));
        std::fs::write(&file, json!({ "events": events, "meta": { "pagination": {} } }).to_string()).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let (newer, older) = (page(0), page(1));
    let other = Running::serve(&world.path("other"));
    let import =
        |arguments: &[&str]| world.as_operator(&[&["import", "--url", &other.url], arguments].concat());
    let count = EXAMPLES.lines().filter(|line| line.contains(APP_ID)).count();
    let not_understood =
        "not understood  2\n  2 × invented: type unknown event type invented; list: /v1/event_types (first: ";
    let dry = import(&["--dry-run", &newer, &older]);
    assert!(dry.starts_with(&format!("skipped         5\n{not_understood}")), "{dry}");
    let first = import(&[&newer, &older]);
    assert!(
        first.starts_with(&format!("recorded        {count}\nskipped         5\n{not_understood}")),
        "{first}"
    );
    let second = import(&[&newer, &older]);
    assert!(second.starts_with(&format!("recorded        0\nskipped         {}\n", count + 5)), "{second}");
    // A report is all or nothing.
    let (exit, complained) = world.fail(&["report", &newer, "--url", &other.url, "--token", OPERATOR]);
    assert_eq!(exit, 1);
    assert!(complained.contains("1 of 31 events are wrong; nothing was sent"), "{complained}");
    let ids = |url: &str| {
        let lines = world.as_operator(&["timeline", APP_ID, "--json", "-n", "0", "--url", url]);
        let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.map(|event| (event["id"].to_string(), event["created_at"].to_string())).collect::<Vec<_>>()
    };
    assert_eq!(ids(&other.url), ids(&world.running.url));
}

#[test]
fn shells_and_man_know_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let commands = ["serve", "timeline", "activity", "audit", "export", "import", "login"];
    for shell in ["bash", "zsh", "fish"] {
        let completions = printed(command().args(["completions", shell]));
        assert!(commands.iter().all(|name| completions.contains(name)), "{shell}");
    }
    printed(command().arg("man").arg("--to").arg(directory.path()));
    for name in commands {
        let page = std::fs::read_to_string(directory.path().join(format!("annals-{name}.1"))).unwrap();
        assert!(page.contains("SYNOPSIS"), "{name}");
    }
}
