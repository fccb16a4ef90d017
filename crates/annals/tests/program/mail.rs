//! Locking, unlocking and resetting a password, with mail over real SMTP.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::clients::scripts;
use super::running::{OPERATOR, Running, client};

const PASSWORD: &str = "correct horse battery";

/// A mail server that accepts the credentials of annals.
struct MailServer {
    process: Child,
    out: BufReader<ChildStdout>,
    url: String,
}

impl MailServer {
    fn start() -> Self {
        let mut process = Command::new("node")
            .arg("mail-server.mjs")
            .current_dir(scripts())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node.js is installed");
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let port = next(&mut out)["port"].as_u64().expect("is it installed? npm ci in tests/clients");
        Self { process, out, url: format!("smtp://annals:let%20me%20in@127.0.0.1:{port}") }
    }

    /// Waits for the next mail.
    fn mail(&mut self) -> Value {
        next(&mut self.out)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn next(out: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

/// A client of the program.
struct Caller {
    client: Client,
    url: String,
}

impl Caller {
    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Value,
    ) -> (StatusCode, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    async fn sign_in(&self, name: &str, password: &str) -> (StatusCode, Value) {
        let request = self.client.post(format!("{}/v1/tokens", self.url)).basic_auth(name, Some(password));
        let answer = request.json(&json!({ "token": { "name": "laptop" } })).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    async fn register(&self, username: &str) -> String {
        let email = format!("{username}@example.com");
        let user = json!({ "user": { "username": username, "email": email, "password": PASSWORD } });
        let (status, answer) = self.send(Method::POST, "/v1/users", Some(OPERATOR), user).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["token"]["token"].as_str().unwrap().to_owned()
    }
}

/// Returns the value after `name=` in a mail.
fn token_in(mail: &Value, name: &str) -> String {
    let text = mail["text"].as_str().unwrap();
    text.split_once(&format!("{name}=")).unwrap().1.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test]
async fn ten_failed_sign_ins_lock_an_account_until_the_mailed_link_unlocks_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = MailServer::start();
    let options = ["--smtp-url", &server.url, "--mail-from", "annals <annals@example.com>"];
    let running = Running::serve_with(&directory.path().join("store"), &options);
    let caller = Caller { client: client(), url: running.url.clone() };
    let token = caller.register("jane").await;

    for attempt in 1..=9 {
        let (status, answer) = caller.sign_in("jane", "wrong").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{attempt}");
        // The response does not reveal whether the account exists.
        assert_eq!((status, answer), caller.sign_in("nobody", "wrong").await);
    }
    // The mail says that the account is locked. No response does, not even for the right password.
    for password in ["wrong", "wrong", PASSWORD] {
        assert_eq!(caller.sign_in("jane", password).await, caller.sign_in("nobody", "wrong").await);
    }
    let first = server.mail();
    assert!(first["text"].as_str().unwrap().contains("is locked because ten attempts to sign in failed"));

    let address = json!({ "user": { "email": "jane@example.com" } });
    let asked = caller.send(Method::POST, "/v1/users/unlock", None, address.clone()).await;
    let unknown = json!({ "user": { "email": "nobody@example.com" } });
    assert_eq!(asked, caller.send(Method::POST, "/v1/users/unlock", None, unknown.clone()).await);
    assert_eq!(asked.0, StatusCode::ACCEPTED);
    let mail = server.mail();
    assert_eq!((&mail["to"], &mail["user"]), (&json!(["jane@example.com"]), &json!("annals")));
    assert!(mail["messageId"].as_str().unwrap().ends_with("@annals>"));
    let path = format!("/v1/users/unlock?unlock_token={}", token_in(&mail, "unlock_token"));
    for expected in [StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY] {
        assert_eq!(
            caller.send(Method::GET, &path, None, json!({})).await.0,
            expected,
            "the mailed link works once"
        );
    }
    let (status, signed_in) = caller.sign_in("jane", PASSWORD).await;
    assert_eq!(status, StatusCode::CREATED);
    let api_token = signed_in["token"]["token"].as_str().unwrap();
    let (_, exchanged) = caller.send(Method::POST, "/v1/tokens/exchange", Some(api_token), json!({})).await;
    let bearer = exchanged["token"].as_str().unwrap();

    let asked = caller.send(Method::POST, "/v1/users/password", None, address).await;
    assert_eq!(asked, caller.send(Method::POST, "/v1/users/password", None, unknown).await);
    let token_of_reset = token_in(&server.mail(), "reset_password_token");
    let new =
        json!({ "user": { "reset_password_token": token_of_reset, "password": "another long password" } });
    for expected in [StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY] {
        assert_eq!(caller.send(Method::PUT, "/v1/users/password", None, new.clone()).await.0, expected);
    }
    let (status, _) = caller.send(Method::GET, "/v1/users/self", Some(bearer), json!({})).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "an earlier bearer token is still valid");
    assert_eq!(caller.sign_in("jane", PASSWORD).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(caller.sign_in("jane", "another long password").await.0, StatusCode::CREATED);

    let (_, timeline) = caller.send(Method::GET, "/v1/events?per_page=100", Some(&token), json!({})).await;
    let events = timeline["events"].as_array().unwrap();
    let types: Vec<_> = events.iter().rev().map(|event| event["type"].as_str().unwrap()).collect();
    // An attempt on the locked account is only counted.
    let mut expected = vec!["login_failure"; 10];
    expected.extend(["login_lock", "login_unlock_success", "login_success"]);
    expected.extend(["password_reset_query", "password_reset_success", "delete_token"]);
    expected.extend(["login_failure", "login_success"]);
    assert_eq!(types, expected);
    let of_sessions = events.iter().filter(|event| event["type"] != "delete_token");
    assert!(of_sessions.into_iter().all(|event| event["type_data"]["remote_ip"] == "127.0.0.1"));
}

#[tokio::test]
async fn mail_is_queued_until_the_mail_server_accepts_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    // Nothing listens there.
    let running = Running::serve_with(&store, &["--smtp-url", "smtp://127.0.0.1:1"]);
    let caller = Caller { client: client(), url: running.url.clone() };
    caller.register("jane").await;
    let address = json!({ "user": { "email": "jane@example.com" } });
    let (status, _) = caller.send(Method::POST, "/v1/users/password", None, address).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    running.kill();

    let mut server = MailServer::start();
    let running = Running::serve_with(&store, &["--smtp-url", &server.url]);
    let mail = server.mail();
    assert_eq!(mail["to"], json!(["jane@example.com"]));
    let caller = Caller { client: client(), url: running.url.clone() };
    let token = token_in(&mail, "reset_password_token");
    let new = json!({ "user": { "reset_password_token": token, "password": "another long password" } });
    assert_eq!(caller.send(Method::PUT, "/v1/users/password", None, new).await.0, StatusCode::OK);
}
