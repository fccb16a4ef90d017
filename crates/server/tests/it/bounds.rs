//! Limits on requests and on connections; the latter over real connections.

use std::num::NonZeroU32;

use annals_server::{Config, router};
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::harness::{OPERATOR, TestService, request};

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let service = TestService::start().await;
    let send = |path, bytes| service.send(request(Method::POST, path, OPERATOR, vec![b' '; bytes]));
    assert_eq!(send("/v1/users", (1 << 20) + 1).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send("/v1/users", 1 << 20).await.status, StatusCode::UNPROCESSABLE_ENTITY);
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
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(64 << 10));
    assert!(answer_to(&mut stream, head.as_bytes()).await.starts_with("HTTP/1.1 431"));
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
