//! What every engine must do: the same behaviours, once per engine, against the contract alone.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and tells its seed")]

mod oracle;
mod suite;

use std::sync::Arc;

use annals_store::fjall::Options;
use annals_store::{FjallStore, Store};

/// A store that can be closed and opened again.
pub(crate) trait Engine: Send + Sync + 'static {
    fn open(&self) -> Arc<dyn Store>;
}

/// The embedded engine in a directory of its own.
struct Embedded(tempfile::TempDir);

impl Engine for Embedded {
    fn open(&self) -> Arc<dyn Store> {
        let store: FjallStore = Options::new(self.0.path().join("store")).open().unwrap();
        Arc::new(store)
    }
}

/// Every behaviour as a test of its own.
macro_rules! conformance {
    ($engine:ident, $make:expr; $($behaviour:ident),+ $(,)?) => {
        mod $engine {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    super::suite::$behaviour(&$make).await;
                }
            )+
        }
    };
}

conformance!(embedded, super::Embedded(tempfile::tempdir().unwrap());
    an_empty_timeline_has_nothing,
    events_come_back_as_they_went_in_newest_first,
    a_read_stops_at_its_bound_but_gives_at_least_one_event,
    events_before_a_time_are_counted,
    events_are_found_by_identifier,
    rows_are_kept_replaced_removed_and_listed,
    a_refused_change_leaves_no_trace,
    a_change_that_panics_harms_no_other,
    a_change_sees_all_before_it,
    concurrent_commits_leave_no_gap,
    the_feed_has_every_event_once,
    a_closed_store_takes_nothing_more,
    a_random_history_reads_as_the_oracle_says,
);
