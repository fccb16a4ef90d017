//! What the server says of itself to Prometheus.

use annals_service::{CommitSummary, EventCounts, Statistics};

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, LabelSetEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
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
    events: EventsRecorded,
}

/// How many events of each type were recorded, as the store has it: it outlives the process, so no counter of this process
/// can hold it.
#[derive(Debug, Clone, Default)]
struct EventsRecorded(Arc<Mutex<Arc<EventCounts>>>);

impl EventsRecorded {
    fn set(&self, counts: Arc<EventCounts>) {
        *self.0.lock().expect("nothing panics while it holds this lock") = counts;
    }
}

impl Collector for EventsRecorded {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Events recorded in the life of the store, by type";
        let mut family = encoder.encode_descriptor("events", help, None, MetricType::Counter)?;
        let counts = Arc::clone(&self.0.lock().expect("nothing panics while it holds this lock"));
        for (event_type, count) in &counts.0 {
            let labels = [("type", event_type.as_str())];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
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
        let events = EventsRecorded::default();
        registry.register_collector(Box::new(events.clone()));
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
            events,
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

    /// All of it, in the format of OpenMetrics. What the store cannot say now is as it was last.
    pub(crate) fn text(
        &self,
        is_writable: bool,
        statistics: Option<Statistics>,
        counts: Option<Arc<EventCounts>>,
    ) -> String {
        if let Some(statistics) = statistics {
            self.0.timelines.set(statistics.timelines);
            self.0.store_bytes.set(statistics.bytes);
        }
        if let Some(counts) = counts {
            self.0.events.set(counts);
        }
        self.0.store_writable.set(u64::from(is_writable));
        let mut text = String::new();
        encode(&mut text, &self.0.registry).expect("writing to memory cannot fail");
        text
    }
}
