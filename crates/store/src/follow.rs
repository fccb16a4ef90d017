//! Following the platform timeline.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::timeout;

use crate::contract::{PlatformCommit, Store};
use crate::error::Error;
use crate::timeline::TimelineId;

/// How many events are read at once, about.
const EVENTS_AT_ONCE: usize = 4096;
/// Notifications are hints: after this long the store is asked without one.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Everything that is recorded after that position, in order, whichever process records it.
pub fn follow(store: Arc<dyn Store>, after: u64) -> Follow {
    // Subscribed before anything is read, so that what is recorded during the read is notified of.
    let notifications = store.subscribe();
    Follow { store, after, notifications }
}

/// A follower of the platform timeline. Its position is in memory only: whoever needs it longer stores it.
pub struct Follow {
    store: Arc<dyn Store>,
    after: u64,
    notifications: Receiver<TimelineId>,
}

impl Follow {
    /// The position up to which [`Follow::next`] gave everything.
    pub fn position(&self) -> u64 {
        self.after
    }

    /// What comes next, at least one commit; waits until there is something. Nothing is lost where this is dropped while it
    /// waits, or fails: the next call gives it.
    pub async fn next(&mut self) -> Result<Vec<PlatformCommit>, Error> {
        loop {
            // The read that follows includes what these are about.
            while !matches!(self.notifications.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
            let commits = self.store.platform(self.after, EVENTS_AT_ONCE).await?;
            if let Some(last) = commits.last() {
                self.after = last.last();
                return Ok(commits);
            }
            if let Ok(Err(RecvError::Closed)) = timeout(LOOK_AFTER, self.notifications.recv()).await {
                return Err(Error::Closed);
            }
        }
    }
}
