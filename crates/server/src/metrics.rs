//! Metrics for Prometheus.
//!
//! Requests and commits are counted here as they happen. The rest is measured by the service when Prometheus scrapes.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use annals_service::{CommitSummary, Measurements};
use http::Method;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric as _, LabelSetEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The server's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Histogram,
    commit_seconds: Histogram,
    commit_events: Histogram,
    commit_commands: Histogram,
    measured: LastMeasured,
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
        let (commit_events, commit_commands) = (counts(), counts());
        registry.register("requests", "Requests answered", requests.clone());
        registry.register(
            "request_seconds",
            "Time from a request's head to its response's head",
            request_seconds.clone(),
        );
        registry.register(
            "commit_seconds",
            "Time from the first decision of a commit until it is durable",
            commit_seconds.clone(),
        );
        registry.register("commit_events", "Events per commit", commit_events.clone());
        registry.register("commit_commands", "Commands per commit", commit_commands.clone());
        let measured = LastMeasured::default();
        registry.register_collector(Box::new(measured.clone()));
        Self(Arc::new(Inner {
            registry,
            requests,
            request_seconds,
            commit_seconds,
            commit_events,
            commit_commands,
            measured,
        }))
    }
}

impl Metrics {
    /// Counts a commit. This is the observer to open a store with.
    pub fn committed(&self, commit: CommitSummary) {
        self.0.commit_seconds.observe(commit.elapsed.as_secs_f64());
        self.0.commit_events.observe(commit.events as f64);
        self.0.commit_commands.observe(commit.commands as f64);
    }

    /// Counts a request. `route` is the path's pattern, so that the number of series is bounded.
    pub(crate) fn answered(&self, method: &Method, route: Arc<str>, status: u16, elapsed: Duration) {
        // Clients can invent methods, and each would become a series that stays.
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

    /// Returns all metrics as OpenMetrics text. A value that is missing in the measurements stays as it was.
    pub(crate) fn text(&self, measurements: Measurements) -> String {
        self.0.measured.update(measurements);
        let mut text = String::new();
        encode(&mut text, &self.0.registry).expect("writing to memory cannot fail");
        text
    }
}

/// What the service measured last. The service counts failures and events itself, so this file has no counters for them.
#[derive(Debug, Clone, Default)]
struct LastMeasured(Arc<Mutex<Measurements>>);

impl LastMeasured {
    fn lock(&self) -> MutexGuard<'_, Measurements> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }

    fn update(&self, new: Measurements) {
        let mut last = self.lock();
        let Measurements { statistics, event_counts, outbox, follower_lags, .. } = std::mem::take(&mut *last);
        *last = Measurements {
            statistics: new.statistics.or(statistics),
            event_counts: new.event_counts.or(event_counts),
            outbox: new.outbox.or(outbox),
            follower_lags: new.follower_lags.or(follower_lags),
            ..new
        };
    }
}

impl Collector for LastMeasured {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let measured = self.lock().clone();
        let mut families = Families(encoder);
        families.gauge(
            "store_writable",
            "Whether the store accepts writes",
            u64::from(measured.is_writable),
        )?;
        if let Some(statistics) = measured.statistics {
            families.gauge("timelines", "Timelines that have an event", statistics.timelines)?;
            families.gauge("store_bytes", "Bytes the store takes on disk", statistics.bytes)?;
        }
        if let Some(counts) = measured.event_counts {
            let counts = counts.0.iter().map(|(event_type, count)| (event_type.as_str(), *count));
            families.counters("events", "Events recorded in the life of the store", "type", counts)?;
        }
        let committer = measured.committer;
        families.gauge(
            "commit_queue_commands",
            "Commands that wait for their commit",
            committer.waiting_commands,
        )?;
        families.counter(
            "commit_retries",
            "Commits decided again because another process committed first",
            committer.retries,
        )?;
        if let Some(outbox) = measured.outbox {
            families.gauge("outbox_mails", "Mails that wait", outbox.mails)?;
            let age = outbox.oldest_age.as_secs_f64();
            families.gauge("outbox_oldest_age_seconds", "Age of the oldest mail that waits", age)?;
        }
        // Not `job`: Prometheus gives that label to what it scrapes.
        families.counters(
            "background_failures",
            "Failures of background work",
            "task",
            measured.background_failures,
        )?;
        if let Some(lags) = measured.follower_lags {
            let events = lags.iter().map(|lag| (lag.follower, lag.events));
            families.gauges("follower_lag_events", "Events a follower has not taken", "follower", events)?;
            let ages = lags.iter().map(|lag| (lag.follower, lag.age.as_secs_f64()));
            families.gauges(
                "follower_lag_seconds",
                "Time since the first event a follower has not taken was recorded",
                "follower",
                ages,
            )?;
        }
        Ok(())
    }
}

/// Writes metric families.
struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> std::fmt::Result {
        let family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(family)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> std::fmt::Result {
        let family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(family)
    }

    fn gauges<'a, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, V)>,
    ) -> std::fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labelled, value) in values {
            ConstGauge::new(value).encode(family.encode_family(&[(label, labelled)])?)?;
        }
        Ok(())
    }

    fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, u64)>,
    ) -> std::fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labelled, value) in values {
            ConstCounter::new(value).encode(family.encode_family(&[(label, labelled)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use annals_service::Statistics;

    use super::*;

    #[test]
    fn what_the_store_cannot_say_now_keeps_its_last_value() {
        let metrics = Metrics::default();
        assert!(!metrics.text(Measurements::default()).contains("annals_timelines"));
        let statistics = Some(Statistics { timelines: 4, bytes: 700 });
        let measured = Measurements { is_writable: true, statistics, ..Measurements::default() };
        let text = metrics.text(measured);
        assert!(text.contains("\nannals_timelines 4\n") && text.contains("\nannals_store_writable 1\n"));
        let text = metrics.text(Measurements::default());
        assert!(text.contains("\nannals_timelines 4\n") && text.contains("\nannals_store_writable 0\n"));
    }
}
