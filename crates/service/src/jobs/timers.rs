//! The job that fires due timers.

use std::time::Duration;

use annals_store::{TypedRows as _, key};

use crate::{Error, Service};

/// The number of timers claimed at a time.
const BATCH_MAX: usize = 100;
/// How long a process has to fire the timers of a batch before another process tries.
const LEASE: Duration = Duration::from_secs(30);

impl Service {
    /// Fires timers that are due, and returns how many there were. One call fires one batch, so some may be left.
    ///
    /// # Errors
    ///
    /// Fails if the timers cannot be read, or if one could not be fired. Such a timer stays and is tried again. The other
    /// timers of its batch are fired.
    pub async fn fire_due_timers(&self) -> Result<usize, Error> {
        let due = self.store().claim(key::Timer::until(self.now()), BATCH_MAX, LEASE).await?;
        let count = due.len();
        let mut failed = None;
        for (timer, ()) in due {
            if let Err(error) = self.fire_timer(timer).await {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(count), Err)
    }
}
