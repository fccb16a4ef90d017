//! Health, readiness and metrics, and what clients get when the store fails.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use annals_model::{EventId, Time};
use annals_server::Config;
use annals_store::{
    Command, CommitError, CommitterLoad, Error, Head, PlatformCommit, Row, RowKey, RowRange, Statistics,
    Store, TimelineId,
};
use annals_testing::TestStore;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::sync::broadcast;

use crate::harness::{JOHNS_APP, OPERATOR, TestService, request};

#[tokio::test]
async fn health_readiness_and_metrics() {
    let mut service = TestService::start().await;
    service.report_examples().await;
    service.get("/healthz", "").await;
    service.get("/readyz", "").await;
    insta::assert_snapshot!(service.transcript());
    let text = service.get("/metrics", "").await.text().to_owned();
    for line in [
        r#"annals_requests_total{method="POST",route="/v1/events",status="201"} 1"#,
        r#"annals_requests_total{method="GET",route="/healthz",status="200"} 1"#,
        "annals_request_seconds_count 3",
        "annals_timelines 5",
        "annals_store_writable 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    // An invented method does not get a series.
    service.play("BREW", "/healthz", "", "", "").await;
    let after = service.get("/metrics", "").await.text().to_owned();
    assert!(after.contains(r#"method="other""#) && !after.contains("BREW"));
    let bytes = text.lines().find_map(|line| line.strip_prefix("annals_store_bytes ")).unwrap();
    assert!(bytes.parse::<u64>().unwrap() > 0);
}

#[tokio::test]
async fn a_response_repeats_the_request_id_or_has_a_new_one() {
    let mut service = TestService::start().await;
    let answer = service.play("GET", "/healthz", "", "", "").await;
    assert_eq!(answer.headers["x-request-id"], "test");
    let request = http::Request::get("/healthz").body(axum::body::Body::empty()).unwrap();
    let answer = service.send(request).await;
    assert_eq!(answer.headers["x-request-id"].len(), 16);
    let long = http::Request::get("/healthz")
        .header("x-request-id", "x".repeat(129))
        .body(axum::body::Body::empty());
    assert_eq!(service.send(long.unwrap()).await.headers["x-request-id"].len(), 16);
}

/// A store whose commits, reads or claims fail.
pub(crate) struct Failing {
    store: Arc<dyn Store>,
    commits: Option<fn() -> CommitError>,
    reads: Option<Failure>,
    /// The rows that cannot be claimed.
    claims: Option<RowRange>,
}

impl Failing {
    /// A store in which these rows cannot be claimed.
    pub(crate) fn claims(store: Arc<dyn Store>, claims: RowRange) -> Self {
        Self { store, commits: None, reads: None, claims: Some(claims) }
    }
}

/// How a read fails.
#[derive(Clone, Copy)]
enum Failure {
    With(fn() -> Error),
    ByPanic,
    ByNeverEnding,
}

#[async_trait]
impl Store for Failing {
    async fn commit(&self, command: Box<dyn Command>) -> Result<(), CommitError> {
        match self.commits {
            Some(error) => Err(error()),
            None => self.store.commit(command).await,
        }
    }

    async fn head(&self, timeline: TimelineId) -> Result<Head, Error> {
        match self.reads {
            Some(Failure::With(error)) => Err(error()),
            Some(Failure::ByPanic) => panic!("as a bug would"),
            Some(Failure::ByNeverEnding) => std::future::pending().await,
            None => self.store.head(timeline).await,
        }
    }

    async fn timelines(
        &self,
        after: Option<TimelineId>,
        limit: usize,
    ) -> Result<Vec<(TimelineId, Head)>, Error> {
        self.store.timelines(after, limit).await
    }

    async fn read(
        &self,
        timeline: TimelineId,
        positions: RangeInclusive<u64>,
        max: usize,
    ) -> Result<Vec<Bytes>, Error> {
        self.store.read(timeline, positions, max).await
    }

    async fn length_before(&self, timeline: TimelineId, time: Time) -> Result<u64, Error> {
        self.store.length_before(timeline, time).await
    }

    async fn find(&self, home: TimelineId, event: EventId) -> Result<Option<Bytes>, Error> {
        self.store.find(home, event).await
    }

    async fn row(&self, key: &RowKey) -> Result<Option<Row>, Error> {
        self.store.row(key).await
    }

    async fn rows_in(&self, range: &RowRange, limit: usize) -> Result<Vec<(RowKey, Row)>, Error> {
        self.store.rows_in(range, limit).await
    }

    async fn platform(&self, after: u64, limit_events: usize) -> Result<Vec<PlatformCommit>, Error> {
        self.store.platform(after, limit_events).await
    }

    async fn platform_length(&self) -> Result<u64, Error> {
        self.store.platform_length().await
    }

    async fn claim_rows(
        &self,
        range: &RowRange,
        limit: usize,
        lease: Duration,
    ) -> Result<Vec<(RowKey, Row)>, Error> {
        if self.claims.as_ref() == Some(range) {
            return Err(Error::Unavailable("connection refused".into()));
        }
        self.store.claim_rows(range, limit, lease).await
    }

    fn subscribe(&self) -> broadcast::Receiver<TimelineId> {
        self.store.subscribe()
    }

    fn committer_load(&self) -> CommitterLoad {
        self.store.committer_load()
    }

    async fn statistics(&self) -> Result<Statistics, Error> {
        match self.reads {
            Some(Failure::With(error)) => Err(error()),
            _ => self.store.statistics().await,
        }
    }

    async fn ready(&self) -> Result<(), Error> {
        match self.commits {
            Some(_) => Err(Error::ReadOnly),
            None => match self.reads {
                Some(Failure::With(error)) if matches!(error(), Error::Unavailable(_)) => Err(error()),
                _ => self.store.ready().await,
            },
        }
    }

    async fn close(&self) -> Result<(), Error> {
        self.store.close().await
    }
}

/// Starts a service that has an app over a store that fails.
async fn failing(commits: Option<fn() -> CommitError>, reads: Option<Failure>) -> TestService {
    // Tests here pause tokio's clock, which connections to a database do not survive.
    let test_store = TestStore::embedded();
    let store = test_store.open().await;
    let mut service = TestService::start_over(test_store, store, Config::default()).await;
    service.report_examples().await;
    let test_store = service.end().await;
    let store = Failing { store: test_store.open().await, commits, reads, claims: None };
    TestService::start_over(test_store, Arc::new(store), Config::default()).await
}

#[tokio::test]
async fn a_read_only_store_is_not_ready_and_still_serves_reads() {
    for error in [|| CommitError::Failed(Error::ReadOnly), || CommitError::Failed(Error::Closed)]
        as [fn() -> CommitError; 2]
    {
        let mut service = failing(Some(error), None).await;
        service.get("/readyz", "").await;
        service.post("/v1/events", OPERATOR, r#"{"events":[]}"#).await;
        insta::allow_duplicates! { insta::assert_snapshot!(service.transcript()); }
        assert!(service.get("/metrics", "").await.text().contains("annals_store_writable 0"));
        assert_eq!(
            service.get(&format!("/v1/apps/{JOHNS_APP}/events"), OPERATOR).await.status,
            StatusCode::OK
        );
    }
}

#[tokio::test]
async fn tokens_are_exchanged_while_the_store_takes_no_writes() {
    let test_store = TestStore::embedded();
    let store = test_store.open().await;
    let mut service = TestService::start_over(test_store, store, Config::default()).await;
    let jane = service.register("jane", None).await;
    let test_store = service.end().await;
    let commits: fn() -> CommitError = || CommitError::Failed(Error::ReadOnly);
    let store = Failing { store: test_store.open().await, commits: Some(commits), reads: None, claims: None };
    let mut service = TestService::start_over(test_store, Arc::new(store), Config::default()).await;
    let exchanged = service.post("/v1/tokens/exchange", &jane, "").await;
    assert_eq!(exchanged.status, StatusCode::OK, "{}", exchanged.text());
    let bearer = exchanged.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(service.get("/v1/users/self", &bearer).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_unavailable_store_is_a_503_that_tells_reads_from_writes() {
    let refused = || Error::Unavailable("connection refused".into());
    let mut service = failing(None, Some(Failure::With(refused))).await;
    let answer = service.get("/readyz", "").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let text = r#"{"status":"not ready","error":"the database is unavailable: connection refused"}"#;
    assert_eq!(answer.text(), text);
    let answer = service.get(&format!("/v1/apps/{JOHNS_APP}/events"), OPERATOR).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(answer.text(), r#"{"error":"could not be read; retry"}"#);
    let answer = service.post(&format!("/v1/apps/{JOHNS_APP}/restart"), OPERATOR, "").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let text = r#"{"error":"temporarily unavailable; a change may have been made; repeat the request with the same Idempotency-Key"}"#;
    assert_eq!(answer.text(), text);
}

#[tokio::test]
async fn a_store_failure_is_a_500_that_hides_its_cause() {
    let secret = "/secret/path";
    for error in [
        || Error::Damaged("/secret/path".to_owned()),
        || Error::Engine("/secret/path".into()),
        || Error::InUse,
        || Error::NotAStore,
        || Error::Missing,
        || Error::Occupied,
        || Error::Newer { found: 2, known: 1 },
    ] as [fn() -> Error; 7]
    {
        let mut service = failing(None, Some(Failure::With(error))).await;
        let answer = service.get(&format!("/v1/apps/{JOHNS_APP}/events"), OPERATOR).await;
        assert!(!answer.text().contains(secret));
        insta::allow_duplicates! { insta::assert_snapshot!(service.transcript()); }
        let measured = service.get("/metrics", "").await;
        assert!(
            measured.text().contains("annals_store_writable 1"),
            "the metrics that can be read are shown"
        );
    }
}

#[tokio::test]
async fn a_panic_fails_only_its_own_request() {
    let mut service = failing(None, Some(Failure::ByPanic)).await;
    let answer = service.get(&format!("/v1/apps/{JOHNS_APP}/events"), OPERATOR).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.text(), r#"{"error":"internal error; the server's log has the cause"}"#);
    assert_eq!(service.get("/healthz", "").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_request_that_takes_too_long_gets_a_503() {
    let service = failing(None, Some(Failure::ByNeverEnding)).await;
    // From here on, tokio's clock jumps ahead whenever every task waits.
    tokio::time::pause();
    let path = format!("/v1/apps/{JOHNS_APP}/events");
    let answer = service.send(request(Method::GET, &path, OPERATOR, "")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(answer.text(), r#"{"error":"could not be read in time; retry"}"#);
    let answer =
        service.send(request(Method::POST, &format!("/v1/apps/{JOHNS_APP}/restart"), OPERATOR, "")).await;
    assert_eq!(
        answer.text(),
        r#"{"error":"timed out; a change may have been made; repeat the request with the same Idempotency-Key"}"#
    );
}
