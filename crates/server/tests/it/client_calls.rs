//! Every request that official clients can make: annals offers it, or says that it does not.

use std::fmt::Write;

use http::StatusCode;

use crate::harness::TestService;

/// One request per line: its method, its path with `{}` for each parameter, and the clients that make it. Collected from the
/// sources of go-scalingo 11.3 (`go`), over which the CLI and the Terraform provider are built, and of scalingo.js 0.14 (`js`).
const CALLS: &str = include_str!("client_calls.txt");

#[tokio::test]
async fn every_request_of_official_clients_is_offered_or_gets_words() {
    let mut service = TestService::start().await;
    let jane = service.register("jane", None).await;
    let described = service.get("/openapi.json", "").await.json();
    let mut table = String::new();
    for call in CALLS.lines() {
        let [method, path, clients] = call.split(' ').collect::<Vec<_>>()[..] else { panic!("{call}") };
        let offered = described["paths"].as_object().unwrap().iter().find_map(|(known, methods)| {
            let operation = methods.get(method.to_lowercase())?;
            is_path(known, path).then(|| (known.clone(), operation["summary"].as_str().unwrap().to_owned()))
        });
        let clients = clients.replace("go", "Go").replace("js", "JavaScript").replace(',', ", ");
        let (path, answer) = match offered {
            Some((known, summary)) => (known, summary),
            None => {
                let answer = service.play(method, &path.replace("{}", "1"), &jane, "", "").await;
                // The CLI prints the text of a 404 that names no resource.
                let answer = (answer.status, answer.json());
                assert_eq!(answer.0, StatusCode::NOT_FOUND, "{call}: {}", answer.1);
                let text = answer.1["error"].as_str().unwrap().to_owned();
                assert!(text.starts_with("annals does not offer "), "{call}: {text}");
                (
                    path.replace("{}", "…"),
                    format!("*Not offered:* {}", text["annals does not offer ".len()..].trim()),
                )
            }
        };
        _ = writeln!(table, "| `{method} {path}` | {clients} | {answer} |");
    }
    let document = format!("{HEAD}{table}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/client-calls.md");
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == document,
        "docs/client-calls.md is out of date: run UPDATE_DOCUMENTS=1 cargo test -p annals-server"
    );
}

const HEAD: &str = "\
# What official clients ask for

Every request that Scalingo's clients can make, and what annals does with it. *Go* is go-scalingo 11.3, over which the CLI and the
Terraform provider are built; *JavaScript* is scalingo.js. A request that annals does not offer gets a 404 with the words below,
which the CLI prints. The tests make every request of this list and write this page.

| request | clients | annals |
|---|---|---|
";

/// Returns whether a described path (`/v1/apps/{app}`) is that path (`/v1/apps/{}`).
fn is_path(described: &str, path: &str) -> bool {
    let (described, path) = (described.split('/'), path.split('/'));
    described.clone().count() == path.clone().count()
        && described.zip(path).all(|(one, other)| one == other || one.starts_with('{') && other == "{}")
}
