//! Doing what is due.

use std::time::Duration;

use annals_store::{TypedRows as _, key};

use crate::{Error, Service};

/// How many timers are fired at a time.
const AT_ONCE_MAX: usize = 100;
/// How long a process has for them before another one tries.
const LEASE: Duration = Duration::from_secs(30);

impl Service {
    /// Does all that is due by now. Gives how many timers there were; where they are many, some may be left.
    pub async fn fire_due_timers(&self) -> Result<usize, Error> {
        let due = self.store().claim(key::Timer::until(self.now()), AT_ONCE_MAX, LEASE).await?;
        let count = due.len();
        // One that fails must not keep the others from being fired; it stays, and is tried again.
        let mut failed = None;
        for (timer, ()) in due {
            if let Err(error) = self.fire_timer(timer).await {
                failed.get_or_insert(error);
            }
        }
        failed.map_or(Ok(count), Err)
    }
}
