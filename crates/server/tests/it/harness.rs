//! A service for each test, with its own store, a clock that stands still and identifiers that count.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use annals_model::{AppId, EventId, IdSource, SECRET_BYTES, Time, UserId};
use annals_server::{AppState, Config, Metrics, Peer, router};
use annals_service::Store;
use annals_testing::{EXAMPLES, ManualClock, TestStore};
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const OPERATOR: &str = "tk-op-0123456789abcdef";
pub(crate) const JOHN: &str = "us-0e6d8e46-5cd0-42a4-acba-372b2be605ac";
pub(crate) const JOHNS_APP: &str = "5343eccd646173000a140000";

/// Returns a clock that stands at noon of the day of the contract's examples.
pub(crate) fn clock_at_noon() -> ManualClock {
    ManualClock::at("2026-11-01T12:00:00Z".parse().unwrap())
}

/// Identifiers that count up, so that every run gets the same ones.
#[derive(Default)]
struct CountingIds(AtomicU32, AtomicU32);

impl CountingIds {
    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl IdSource for CountingIds {
    fn event_id(&self, time: Time) -> EventId {
        EventId::assigned(time, self.next(), 0)
    }

    fn app_id(&self, _: Time) -> AppId {
        format!("a{:023x}", self.next()).parse().unwrap()
    }

    fn user_id(&self) -> UserId {
        format!("us-00000000-0000-4000-8000-{:012x}", self.next()).parse().unwrap()
    }

    fn secret(&self) -> [u8; SECRET_BYTES] {
        let mut secret = [0; SECRET_BYTES];
        secret[..4].copy_from_slice(&(self.1.fetch_add(1, Ordering::Relaxed) + 1).to_be_bytes());
        secret
    }
}

pub(crate) struct TestService {
    router: Router,
    pub(crate) state: AppState,
    pub(crate) clock: ManualClock,
    transcript: String,
    test_store: TestStore,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl TestService {
    pub(crate) async fn start() -> Self {
        Self::start_with(Config::default()).await
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        let test_store = TestStore::create().await;
        let store = test_store.open().await;
        Self::start_over(test_store, store, config).await
    }

    pub(crate) async fn start_over(test_store: TestStore, store: Arc<dyn Store>, config: Config) -> Self {
        Self::start_at(test_store, store, config, clock_at_noon()).await
    }

    async fn start_at(
        test_store: TestStore,
        store: Arc<dyn Store>,
        config: Config,
        clock: ManualClock,
    ) -> Self {
        Self::start_as(test_store, store, config, clock, Arc::new(CountingIds::default())).await
    }

    pub(crate) async fn start_as(
        test_store: TestStore,
        store: Arc<dyn Store>,
        config: Config,
        clock: ManualClock,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        let config = Config { operator_token: Some(OPERATOR.to_owned()), ..config };
        let (state, token) =
            AppState::start(store, Arc::new(clock.clone()), ids, config, Metrics::default()).await.unwrap();
        assert_eq!(token, None);
        let router = router(state.clone());
        Self { router, state, clock, transcript: String::new(), test_store }
    }

    /// Ends the service, lets time pass, and starts it again over the same store.
    pub(crate) async fn restart_after(self, duration: Duration) -> Self {
        let (clock, config) = (self.clock.clone(), self.state.config());
        let test_store = self.end().await;
        clock.advance(duration);
        let store = test_store.open().await;
        Self::start_at(test_store, store, config, clock).await
    }

    /// Ends the service and returns the place of its store.
    pub(crate) async fn end(self) -> TestStore {
        let Self { state, router, test_store, .. } = self;
        state.service().close().await.unwrap();
        drop((state, router));
        test_store
    }

    /// Sends a request unchanged.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        assert_eq!(parts.headers["x-content-type-options"], "nosniff");
        assert!(parts.headers.contains_key("cache-control"));
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a request and returns its response before the body has ended.
    pub(crate) async fn open(&self, request: Request<Body>) -> http::Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends a request and writes it and its response into the transcript. `token` may be empty; `head` has further
    /// headers, one a line.
    pub(crate) async fn play(
        &mut self,
        method: &str,
        path: &str,
        token: &str,
        head: &str,
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("x-request-id", "test");
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
            request = request.header(name, value);
        }
        let peer = Peer("192.0.2.7:4711".parse().unwrap());
        let answer = self.send(request.extension(peer).body(body.to_owned().into()).unwrap()).await;
        self.note(&format!("{method} {path}"), head, body, &answer);
        answer
    }

    fn note(&mut self, line: &str, head: &str, body: &str, answer: &Answer) {
        let out = &mut self.transcript;
        _ = writeln!(out, "{line}");
        for line in head.lines().chain((!body.is_empty()).then_some(body)) {
            let line = line.trim();
            if line.len() > 200 {
                _ = writeln!(out, "> … {} bytes", line.len())
            } else {
                _ = writeln!(out, "> {line}")
            }
        }
        _ = writeln!(out, "{}", answer.status.as_u16());
        let mut headers: Vec<_> = answer
            .headers
            .iter()
            .filter(|(name, value)| {
                let is_common = ["x-request-id", "x-content-type-options"].contains(&name.as_str());
                let is_usual = *name == "cache-control" && *value == "no-store";
                !(is_common || is_usual)
            })
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        for header in headers {
            _ = writeln!(out, "< {header}");
        }
        if !answer.body.is_empty() {
            _ = writeln!(out, "{}", without_secrets(&readable(answer.text())));
        }
        out.push('\n');
    }

    pub(crate) async fn get(&mut self, path: &str, token: &str) -> Answer {
        self.play("GET", path, token, "", "").await
    }

    pub(crate) async fn post(&mut self, path: &str, token: &str, body: &str) -> Answer {
        self.play("POST", path, token, "", body).await
    }

    /// Returns the event types in an app's timeline, oldest first.
    pub(crate) async fn event_types(&mut self, app: &str, token: &str) -> Vec<String> {
        let page = self.get(&format!("/v1/apps/{app}/events?per_page=100"), token).await.json();
        let events = page["events"].as_array().unwrap().iter().rev();
        events.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// Returns what was played since the last call.
    pub(crate) fn transcript(&mut self) -> String {
        std::mem::take(&mut self.transcript)
    }

    /// Registers a user and returns their API token. Not in the transcript.
    pub(crate) async fn register(&mut self, username: &str, id: Option<&str>) -> String {
        let mut user = json!({ "username": username, "email": format!("{username}@example.com") });
        if let Some(id) = id {
            user["id"] = id.into();
        }
        self.register_as(user).await
    }

    pub(crate) async fn register_as(&mut self, user: Value) -> String {
        let kept = self.transcript();
        let body = json!({ "user": user }).to_string();
        let answer = self.post("/v1/users", OPERATOR, &body).await;
        self.transcript = kept;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.json()["token"]["token"].as_str().unwrap().to_owned()
    }

    /// Registers John, the user of the contract's examples.
    pub(crate) async fn register_john(&mut self) -> String {
        self.register_as(json!({ "username": "johndoe", "email": "john@doe.com", "id": JOHN })).await
    }

    /// Reports all examples. Not in the transcript.
    pub(crate) async fn report_examples(&mut self) {
        let kept = self.transcript();
        let head = "content-type: application/x-ndjson";
        let answer = self.play("POST", "/v1/events", OPERATOR, head, EXAMPLES).await;
        self.transcript = kept;
        assert_eq!(answer.json()["accepted"], EXAMPLES.lines().count());
    }
}

/// Wraps a long compact JSON body into lines for a snapshot. Other bodies are returned unchanged, so the snapshot still
/// holds every byte.
fn readable(body: &str) -> String {
    const LONG: usize = 600;
    match serde_json::from_str::<Value>(body) {
        Ok(value) if body.len() > LONG && serde_json::to_vec(&value).unwrap() == body.as_bytes() => {
            wrapped(&value, 0)
        }
        _ => body.to_owned(),
    }
}

/// Returns JSON in which whatever fits into a line stays in one.
fn wrapped(value: &Value, indent: usize) -> String {
    const WIDTH: usize = 120;
    let compact = value.to_string();
    if indent + compact.len() <= WIDTH {
        return compact;
    }
    let deeper = indent + 2;
    let (open, lines, close): (_, Vec<_>, _) = match value {
        Value::Array(items) => ('[', items.iter().map(|item| wrapped(item, deeper)).collect(), ']'),
        Value::Object(fields) => {
            let line = |(name, value): (_, &Value)| format!("{}: {}", json!(name), wrapped(value, deeper));
            ('{', fields.iter().map(line).collect(), '}')
        }
        _ => return compact,
    };
    let (inner, outer) = (" ".repeat(deeper), " ".repeat(indent));
    format!("{open}\n{inner}{}\n{outer}{close}", lines.join(&format!(",\n{inner}")))
}

/// Replaces tokens, which are random, by their form.
fn without_secrets(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("tk-us-") {
        let digits = rest[start + 6..].bytes().take_while(u8::is_ascii_hexdigit).count();
        out.push_str(&rest[..start]);
        _ = write!(out, "tk-us-[{digits} digits]");
        rest = &rest[start + 6 + digits..];
    }
    out.push_str(rest);
    out
}

pub(crate) fn request(method: Method, path: &str, token: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .body(body.into())
        .unwrap()
}
