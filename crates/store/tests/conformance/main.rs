//! What every engine must do: the same behaviours, once per engine, against the contract alone.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and tells its seed")]

mod oracle;
mod suite;

use std::sync::Arc;

use annals_store::embedded::Options;
use annals_store::{EmbeddedStore, Store};
use annals_testing::TestDatabase;
use async_trait::async_trait;

/// A store that can be closed and opened again.
#[async_trait]
pub(crate) trait Engine: Send + Sync + 'static {
    async fn open(&self) -> Arc<dyn Store>;
}

/// The embedded engine in a directory of its own.
struct Embedded(tempfile::TempDir);

#[async_trait]
impl Engine for Embedded {
    async fn open(&self) -> Arc<dyn Store> {
        let store: EmbeddedStore = Options::new(self.0.path().join("store")).open().unwrap();
        Arc::new(store)
    }
}

/// The engine over PostgreSQL in a schema of its own.
struct Postgres(TestDatabase);

#[async_trait]
impl Engine for Postgres {
    async fn open(&self) -> Arc<dyn Store> {
        let address = self.0.url.parse().unwrap();
        Arc::new(annals_store::postgres::Options::new(address).connections(4).open().await.unwrap())
    }
}

/// Every behaviour as a test of its own, for every engine.
macro_rules! conformance {
    ($($behaviour:ident),+ $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    super::suite::$behaviour(&super::Embedded(tempfile::tempdir().unwrap())).await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    super::suite::$behaviour(&super::Postgres(super::TestDatabase::create().await)).await;
                }
            )+
        }
    };
}

conformance! {
    an_empty_timeline_has_nothing,
    events_come_back_as_they_went_in_newest_first,
    a_read_stops_at_its_bound_but_gives_at_least_one_event,
    events_before_a_time_are_counted,
    events_are_found_by_identifier,
    rows_are_kept_replaced_removed_and_listed,
    what_is_claimed_is_given_to_nobody_else,
    news_of_timelines_is_heard,
    a_refused_change_leaves_no_trace,
    a_change_that_panics_harms_no_other,
    a_change_sees_all_before_it,
    concurrent_commits_leave_no_gap,
    the_feed_has_every_event_once,
    a_closed_store_takes_nothing_more,
    a_random_history_reads_as_the_oracle_says,
}
