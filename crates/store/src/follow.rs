//! Following the platform timeline.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::timeout;

use crate::contract::{PlatformCommit, Store};
use crate::error::Error;
use crate::timeline::TimelineId;

/// About how many events one read returns.
const EVENTS_AT_ONCE: usize = 4096;
/// How long to wait for a notification before reading anyway, since notifications may be lost.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Follows the platform timeline from the position `after` on: returns every later event once, in order, whichever
/// process records it.
pub fn follow(store: Arc<dyn Store>, after: u64) -> Follow {
    // Subscribed before the first read, so that an event recorded during the read causes a notification.
    let notifications = store.subscribe();
    Follow { store, after, notifications }
}

/// A reader of the platform timeline, created by [`follow`]. Its position is in memory only. A caller that needs the
/// position after a restart has to store it.
pub struct Follow {
    store: Arc<dyn Store>,
    after: u64,
    notifications: Receiver<TimelineId>,
}

impl Follow {
    /// Returns the platform position of the last event that [`Follow::next`] returned. Before its first call, this is the
    /// position that was given to [`follow`].
    pub fn position(&self) -> u64 {
        self.after
    }

    /// Waits for the next commits and returns them, at least one. If the future is dropped or fails, no commit is
    /// lost: the next call returns it.
    ///
    /// # Errors
    ///
    /// Fails if the store cannot be read; [`Error::Closed`] if it sends no more notifications.
    pub async fn next(&mut self) -> Result<Vec<PlatformCommit>, Error> {
        loop {
            // Discards the notifications of events that the read below returns.
            while !matches!(self.notifications.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
            let commits = self.store.platform(self.after, EVENTS_AT_ONCE).await?;
            if let Some(last) = commits.last() {
                self.after = last.last();
                return Ok(commits);
            }
            if let Ok(Err(RecvError::Closed)) = timeout(POLL_INTERVAL, self.notifications.recv()).await {
                return Err(Error::Closed);
            }
        }
    }
}
