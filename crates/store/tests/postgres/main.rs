//! Several processes on one PostgreSQL database. Each store here stands for a process.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod claims;
mod commits;
mod notifications;
mod platform;
mod presence;
mod readiness;

use std::sync::Arc;

use annals_model::{AppId, RandomIds, UserId};
use annals_store::{CommitError, Store, TimelineId, WriteSet};
use annals_testing::{START, commit, event};

/// Appends an event to each of these apps, at a time not before their last events.
async fn append(
    store: &dyn Store,
    ids: &Arc<RandomIds>,
    apps: Vec<AppId>,
    who: UserId,
) -> Result<(), CommitError> {
    let ids = Arc::clone(ids);
    commit(store, move |view| {
        let mut time = START.max(view.head(TimelineId::User(who))?.latest);
        for app in &apps {
            time = time.max(view.head(TimelineId::App(*app))?.latest);
        }
        let events = apps.iter().map(|app| event(&ids, Some(*app), Some(who), time));
        Ok(WriteSet { events: events.collect(), ..WriteSet::default() })
    })
    .await
}
