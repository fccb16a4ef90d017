//! What every engine must do: the same behaviours, once per engine, against the contract alone.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and tells its seed")]

mod oracle;
mod rows;
mod suite;

use annals_testing::{TestDatabase, TestStore};

/// Every behaviour as a test of its own, for every engine.
macro_rules! conformance {
    ($($module:ident: $($behaviour:ident),+;)+) => {
        mod embedded {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    crate::$module::$behaviour(&crate::TestStore::embedded()).await;
                }
            )+)+
        }

        mod postgres {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    let database = crate::TestDatabase::create().await;
                    crate::$module::$behaviour(&crate::TestStore::Database(database)).await;
                }
            )+)+
        }
    };
}

conformance! {
    rows:
        rows_are_kept_replaced_removed_and_listed,
        rows_of_every_kind_come_back_as_they_were_written_last,
        a_listing_has_exactly_its_rows_and_so_has_a_claim,
        what_is_claimed_is_given_to_nobody_else;
    suite:
        an_empty_timeline_has_nothing,
        events_come_back_as_they_went_in_newest_first,
        a_read_stops_at_its_bound_but_gives_at_least_one_event,
        events_before_a_time_are_counted,
        events_are_found_by_identifier,
        notifications_of_timelines_are_received,
        a_refused_change_leaves_no_trace,
        a_change_that_panics_harms_no_other,
        a_change_sees_all_before_it,
        concurrent_commits_leave_no_gap,
        the_platform_timeline_has_every_event_once_and_in_order,
        a_follower_gets_what_comes,
        a_closed_store_takes_nothing_more,
        a_random_history_reads_as_the_oracle_says;
}
