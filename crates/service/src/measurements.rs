//! What operators monitor: the load of the store and of the background jobs.

use std::sync::Arc;

use annals_store::{CommitterLoad, EventCounts, Statistics};

use crate::Service;
use crate::followers::FollowerLag;
use crate::jobs::OutboxLoad;

/// A measurement of the service. Values that the store could not give now are `None`.
#[derive(Debug, Clone, Default)]
pub struct Measurements {
    /// Whether the store accepts writes.
    pub is_writable: bool,
    /// The store's size.
    pub statistics: Option<Statistics>,
    /// How many events of each type were recorded since the store was created.
    pub event_counts: Option<Arc<EventCounts>>,
    /// How much mail waits.
    pub outbox: Option<OutboxLoad>,
    /// How far each follower is behind.
    pub follower_lags: Option<Vec<FollowerLag>>,
    /// The load of this process's committer.
    pub committer: CommitterLoad,
    /// How often each background job failed in this process.
    pub background_failures: Vec<(&'static str, u64)>,
}

impl Service {
    /// Measures the service. The cost hardly depends on how much is stored.
    pub async fn measure(&self) -> Measurements {
        // All at once, so that a database that hangs costs one timeout, not five.
        let (ready, statistics, event_counts, outbox, follower_lags) = tokio::join!(
            self.ready(),
            self.statistics(),
            self.event_counts(),
            self.outbox_load(),
            self.follower_lags(),
        );
        Measurements {
            is_writable: ready.is_ok(),
            statistics: statistics.ok(),
            event_counts: event_counts.ok(),
            outbox: outbox.ok(),
            follower_lags: follower_lags.ok(),
            committer: self.store().committer_load(),
            background_failures: self.inner().failures.by_job(),
        }
    }
}
