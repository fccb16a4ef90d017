//! Counts events by type, over the whole life of the store.

use std::sync::Arc;

use annals_store::{CommandError, EventCounts, PlatformCommit, TypedRows as _, key};

use super::Follower;
use crate::transaction::Transaction;
use crate::{Error, Service};

/// Counts each event once. The platform timeline has the types of events, so the events themselves are not read.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventCounter;

impl Follower for EventCounter {
    const NAME: &'static str = "event_counts";

    fn take(self, transaction: &mut Transaction<'_>, commits: &[PlatformCommit]) -> Result<(), CommandError> {
        if commits.is_empty() {
            return Ok(());
        }
        let mut counts = transaction.get(key::EventCounts())?.unwrap_or_default();
        let EventCounts(by_type) = Arc::make_mut(&mut counts);
        for commit in commits {
            for event in &commit.events {
                let event_type = commit.type_of(event);
                match by_type.get_mut(event_type) {
                    Some(count) => *count += 1,
                    None => _ = by_type.insert(event_type.to_owned(), 1),
                }
            }
        }
        transaction.put(key::EventCounts(), counts);
        Ok(())
    }
}

impl Service {
    /// Returns how many events of each type were recorded. An event is counted half a second or more after it is recorded.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read.
    pub async fn event_counts(&self) -> Result<Arc<EventCounts>, Error> {
        Ok(self.store().get(key::EventCounts()).await?.unwrap_or_default())
    }
}
