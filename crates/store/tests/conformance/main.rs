//! What every engine must do: the same behaviours for each engine, through the trait `Store` alone.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and prints its seed")]

mod oracle;
mod rows;
mod suite;

use annals_testing::{TestDatabase, TestStore};

/// Makes every behaviour a test of its own for every engine.
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
        rows_are_stored_replaced_removed_and_listed,
        rows_of_every_kind_read_as_last_written,
        a_listing_and_a_claim_return_exactly_their_rows,
        a_claimed_row_is_not_claimed_again;
    suite:
        an_empty_timeline_has_no_events,
        events_read_as_they_were_written_newest_first,
        a_read_stops_at_its_limit_but_returns_at_least_one_event,
        events_before_a_time_are_counted,
        late_events_keep_their_position_and_are_found,
        events_are_found_by_identifier,
        notifications_of_timelines_are_received,
        a_refused_command_changes_nothing,
        a_command_that_panics_affects_no_other,
        a_command_sees_every_earlier_commit,
        concurrent_commits_leave_no_gap,
        the_platform_timeline_has_every_event_once_and_in_order,
        a_follower_receives_new_events,
        a_state_without_an_event_includes_the_timeline,
        a_closed_store_refuses_commits,
        a_random_history_reads_as_the_oracle_predicts;
}
