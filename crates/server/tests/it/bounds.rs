//! Limits on requests and on connections; the latter over real connections.

use std::num::NonZeroU32;

use annals_server::{Config, router};
use hmac::{Hmac, KeyInit, Mac};
use http::{Method, StatusCode};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::harness::{OPERATOR, TestService, request};

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let service = TestService::start().await;
    let send = |path, bytes| service.send(request(Method::POST, path, OPERATOR, vec![b' '; bytes]));
    let vouchers = "/v1/operator/vouchers";
    assert_eq!(send(vouchers, (1 << 20) + 1).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send(vouchers, 1 << 20).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // Nobody has shown who they are before these bodies are read.
    for path in ["/v1/users", "/v1/users/password", "/v1/users/unlock"] {
        assert_eq!(send(path, (64 << 10) + 1).await.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert_eq!(send(path, 64 << 10).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
    }
    assert_eq!(send("/v1/events", (16 << 20) + 1).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send("/v1/events", 16 << 20).await.status, StatusCode::BAD_REQUEST);
    let mut declared = request(Method::POST, "/v1/events", OPERATOR, "{}");
    declared.headers_mut().insert("content-length", "99999999999".parse().unwrap());
    let answer = service.send(declared).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.text(), r#"{"error":"the body must not be longer than 16777216 bytes"}"#);
}

#[tokio::test]
async fn the_requests_of_a_user_can_be_limited() {
    let config = Config { requests_per_minute: NonZeroU32::new(3), ..Config::default() };
    let mut service = TestService::start_with(config).await;
    let jane = service.register("jane", None).await;
    let other = service.register("other", None).await;
    for _ in 0..3 {
        assert_eq!(service.get("/v1/users/self", &jane).await.status, StatusCode::OK);
    }
    service.transcript();
    let refused = service.get("/v1/users/self", &jane).await;
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(
        (refused.status, refused.text()),
        (StatusCode::TOO_MANY_REQUESTS, r#"{"error":"Retry later"}"#)
    );
    assert_eq!(service.get("/v1/users/self", &other).await.status, StatusCode::OK);
    // Neither exchanges nor the operator's requests count.
    assert_eq!(service.post("/v1/tokens/exchange", &jane, "{}").await.status, StatusCode::OK);
    assert_eq!(service.post("/v1/events", OPERATOR, r#"{"events":[]}"#).await.status, StatusCode::CREATED);
}

/// Starts a server on a free port, and returns its address, what stops it, and its task.
async fn listening(
    service: &TestService,
    connections_max: usize,
) -> (std::net::SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let router = router(service.state.clone());
    let server = tokio::spawn(async move {
        annals_server::run(listener, router, connections_max, async { _ = stopped.await }).await.unwrap();
    });
    (address, stop, server)
}

async fn answer_to(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut answer).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn request_heads_that_are_too_long_or_invalid_are_refused() {
    let service = TestService::start().await;
    let (address, _stop, _server) = listening(&service, 10).await;
    let head = |bytes: usize| {
        let head = "GET /healthz HTTP/1.1\r\nhost: a\r\nx: \r\n\r\n";
        head.replace("x: ", &format!("x: {}", "x".repeat(bytes - head.len())))
    };
    for (bytes, status) in [(32 << 10, "200"), ((32 << 10) + 1, "431"), (40 << 10, "431"), (100 << 10, "431")]
    {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let answer = answer_to(&mut stream, head(bytes).as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{bytes}: {answer}");
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert!(answer_to(&mut stream, b"\x16\x03\x01\x02\x00\x01\r\n\r\n").await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn a_connection_beyond_the_limit_waits_until_another_ends() {
    let service = TestService::start().await;
    let (address, _stop, _server) = listening(&service, 1).await;
    let get = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut first = TcpStream::connect(address).await.unwrap();
    assert!(answer_to(&mut first, get).await.starts_with("HTTP/1.1 200"));
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(get).await.unwrap();
    let mut byte = [0];
    let early =
        tokio::time::timeout(std::time::Duration::from_millis(200), second.read_exact(&mut byte)).await;
    assert!(early.is_err(), "the second connection was served while the first was open");
    drop(first);
    second.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"H");
}

#[tokio::test]
async fn a_graceful_shutdown_finishes_requests_in_progress() {
    let service = TestService::start().await;
    let (address, stop, server) = listening(&service, 10).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = r#"{"events":[]}"#;
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {OPERATOR}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    // The server has asked for the body, so the request is in progress when it is told to stop.
    assert!(answer_to(&mut stream, head.as_bytes()).await.starts_with("HTTP/1.1 100"));
    stop.send(()).unwrap();
    assert!(answer_to(&mut stream, body.as_bytes()).await.starts_with("HTTP/1.1 201"));
    server.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_connection_that_never_sent_a_request_ends_when_another_waits() {
    let service = TestService::start().await;
    let (address, _stop, _server) = listening(&service, 3).await;
    let get = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut speaking = TcpStream::connect(address).await.unwrap();
    assert!(answer_to(&mut speaking, get).await.starts_with("HTTP/1.1 200"));
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    // Half of a head is no request.
    second.write_all(&get[..20]).await.unwrap();
    let mut third = TcpStream::connect(address).await.unwrap();
    assert!(answer_to(&mut third, get).await.starts_with("HTTP/1.1 200"));
    assert_eq!(first.read(&mut [0]).await.unwrap(), 0, "the oldest silent connection has ended");
    assert!(answer_to(&mut speaking, get).await.starts_with("HTTP/1.1 200"));
    assert!(answer_to(&mut second, &get[20..]).await.starts_with("HTTP/1.1 200"));
}

/// Sends the head of a request that declares a body of that many bytes, and the first byte of the body.
async fn begin(address: std::net::SocketAddr, path: &str, headers: &str, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {bytes}\r\n{headers}\r\n{{");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_body_that_does_not_come_delays_nobody_else() {
    let mut service = TestService::start().await;
    let (hook, secret) = linked(&mut service).await;
    let (address, _stop, _server) = listening(&service, 100).await;
    let operator = format!("authorization: Bearer {OPERATOR}\r\n");
    let mut waiting = Vec::new();
    for _ in 0..8 {
        waiting.push(begin(address, &hook, "x-github-event: push\r\n", 1_000).await);
        waiting.push(begin(address, &hook, "x-github-event: push\r\n", 25 << 20).await);
        waiting.push(begin(address, "/v1/events", &operator, 16 << 20).await);
        let chunked = format!(
            "POST /v1/events HTTP/1.1\r\nhost: a\r\n{operator}transfer-encoding: chunked\r\n\r\n1\r\n{{\r\n"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(chunked.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    let soon = std::time::Duration::from_secs(5);
    let report = service.post("/v1/events", OPERATOR, r#"{"events":[]}"#);
    assert_eq!(tokio::time::timeout(soon, report).await.unwrap().status, StatusCode::CREATED);
    let body = r#"{"zen":"Keep it logically awesome."}"#;
    let head = format!("x-github-event: ping\nx-hub-signature-256: {}", signature(&secret, body));
    let delivered = service.play("POST", &hook, "", &head, body);
    assert_eq!(tokio::time::timeout(soon, delivered).await.unwrap().status, StatusCode::OK);
    drop(waiting);
}

#[tokio::test]
async fn webhooks_of_25_mib_are_taken() {
    let mut service = TestService::start().await;
    let (hook, secret) = linked(&mut service).await;
    let body = |bytes: usize| {
        let begin = r#"{"zen":""#;
        format!("{begin}{}\"}}", "x".repeat(bytes - begin.len() - 2))
    };
    for (bytes, status) in [(25 << 20, StatusCode::OK), ((25 << 20) + 1, StatusCode::PAYLOAD_TOO_LARGE)] {
        let body = body(bytes);
        let head = format!("x-github-event: ping\nx-hub-signature-256: {}", signature(&secret, &body));
        assert_eq!(service.play("POST", &hook, "", &head, &body).await.status, status, "{bytes}");
    }
}

#[tokio::test]
async fn the_path_of_webhooks_does_not_tell_which_apps_are_linked() {
    let mut service = TestService::start().await;
    let (hook, _) = linked(&mut service).await;
    let jane = service.register("another", None).await;
    service.post("/v1/apps", &jane, r#"{"app":{"name":"unlinked-app"}}"#).await;
    let (address, _stop, _server) = listening(&service, 100).await;
    let paths =
        [&hook, "/v1/apps/unlinked-app/scm_repo_link/hook", "/v1/apps/no-such-app/scm_repo_link/hook"];
    for headers in [
        "x-github-event: push\r\n",
        "x-github-event: push\r\nx-hub-signature-256: sha256=00\r\n",
        "x-gitlab-event: Push Hook\r\n",
        "x-gitlab-event: Push Hook\r\nx-gitlab-token: wrong\r\n",
    ] {
        for (length, body, expected) in [(2, "{}", "401"), ((25 << 20) + 1, "", "413"), (2, "", "100")] {
            for path in paths {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let expects = if expected == "100" { "expect: 100-continue\r\n" } else { "" };
                let head = format!(
                    "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n{expects}{headers}\r\n{body}"
                );
                let answer = answer_to(&mut stream, head.as_bytes()).await;
                assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{path} {headers} {answer}");
            }
        }
    }
}

/// Creates an app that is linked to a repository. Returns the path and the secret of its webhook.
async fn linked(service: &mut TestService) -> (String, String) {
    let jane = service.register("jane", None).await;
    for (path, body) in [
        ("/v1/apps", r#"{"app":{"name":"my-app"}}"#),
        (
            "/v1/scm_integrations",
            r#"{"scm_integration":{"scm_type":"github","url":"","access_token":"ghp_secret"}}"#,
        ),
        (
            "/v1/apps/my-app/scm_repo_link",
            r#"{"scm_repo_link":{"source":"https://github.com/jane/my-app","auth_integration_uuid":"github"}}"#,
        ),
    ] {
        assert_eq!(service.post(path, &jane, body).await.status, StatusCode::CREATED);
    }
    let shown = service.get("/v1/apps/my-app/scm_repo_link/hook", &jane).await.json();
    let secret = shown["hook"]["secret"].as_str().unwrap().to_owned();
    ("/v1/apps/my-app/scm_repo_link/hook".to_owned(), secret)
}

/// Returns GitHub's signature of a body.
fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
