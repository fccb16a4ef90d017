//! What the server says of itself to Prometheus.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use annals_store::{CommitSummary, Statistics};
use http::Method;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The server's measurements. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Measured>);

struct Measured {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Histogram,
    commit_seconds: Histogram,
    commit_events: Histogram,
    commit_changes: Histogram,
    timelines: Gauge<u64, AtomicU64>,
    store_bytes: Gauge<u64, AtomicU64>,
    store_writable: Gauge<u64, AtomicU64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RequestLabels {
    method: &'static str,
    route: Arc<str>,
    status: u16,
}

impl EncodeLabelSet for RequestLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("method", self.method), ("route", &*self.route)].encode(encoder)?;
        [("status", self.status)].encode(encoder)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("annals");
        let requests = Family::default();
        // From a tenth of a millisecond to half a minute.
        let seconds = || Histogram::new(exponential_buckets(0.0001, 3.0, 12));
        let counts = || Histogram::new(exponential_buckets(1.0, 4.0, 9));
        let (request_seconds, commit_seconds) = (seconds(), seconds());
        let (commit_events, commit_changes) = (counts(), counts());
        let (timelines, store_bytes, store_writable) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("requests", "Requests answered", requests.clone());
        registry.register(
            "request_seconds",
            "Time from a request's head to its answer's",
            request_seconds.clone(),
        );
        registry.register("commit_seconds", "Time a commit takes, its sync included", commit_seconds.clone());
        registry.register("commit_events", "Events a commit records", commit_events.clone());
        registry.register("commit_changes", "Changes that share a commit", commit_changes.clone());
        registry.register("timelines", "Timelines that have an event", timelines.clone());
        registry.register("store_bytes", "Bytes the store takes on disk", store_bytes.clone());
        registry.register("store_writable", "Whether the store accepts writes", store_writable.clone());
        Self(Arc::new(Measured {
            registry,
            requests,
            request_seconds,
            commit_seconds,
            commit_events,
            commit_changes,
            timelines,
            store_bytes,
            store_writable,
        }))
    }
}

impl Metrics {
    /// A commit was made. Of a store, this is the observer.
    pub fn committed(&self, commit: CommitSummary) {
        self.0.commit_seconds.observe(commit.elapsed.as_secs_f64());
        self.0.commit_events.observe(commit.events as f64);
        self.0.commit_changes.observe(commit.commands as f64);
    }

    /// A request was answered; `route` is the path's pattern, so that there are not as many series as apps.
    pub(crate) fn answered(&self, method: &Method, route: Arc<str>, status: u16, elapsed: Duration) {
        // A client may make up methods, and each would be a series for good.
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            _ => "other",
        };
        self.0.requests.get_or_create(&RequestLabels { method, route, status }).inc();
        self.0.request_seconds.observe(elapsed.as_secs_f64());
    }

    /// All of it, in the format of OpenMetrics. Where the store cannot say how much it has, that is as it was last.
    pub(crate) fn text(&self, is_writable: bool, statistics: Option<Statistics>) -> String {
        if let Some(statistics) = statistics {
            self.0.timelines.set(statistics.timelines);
            self.0.store_bytes.set(statistics.bytes);
        }
        self.0.store_writable.set(u64::from(is_writable));
        let mut text = String::new();
        encode(&mut text, &self.0.registry).expect("writing to memory cannot fail");
        text
    }
}
