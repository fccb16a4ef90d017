//! Background jobs: due timers, mail, expired idempotency keys, and old archives.
//!
//! Timers, mails and keys are rows of the store until a job has handled them. So nothing is lost when the process ends.

mod expiry;
mod failures;
mod outbox;
mod smtp;
mod timers;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;

use crate::{Error, Service};

pub(crate) use failures::{Failures, Job};
pub use outbox::OutboxLoad;
pub(crate) use smtp::Mailer;

/// How often a job looks for work when nothing wakes it earlier.
const TICK: Duration = Duration::from_secs(5);

/// How often old archives are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10 * 60);

impl Service {
    /// Runs the background jobs and the followers until the future is dropped. One that panics is counted and starts again.
    pub async fn work(self) {
        let failed = |job: Job| {
            let service = &self;
            move || {
                service.inner().failures.add(job);
                tracing::error!(?job, "a background job panicked; it starts again");
            }
        };
        // Side by side, so that a mail server that does not respond delays neither timers nor followers.
        tokio::join!(
            restarted(|| self.fire_and_expire(), failed(Job::Timers)),
            restarted(|| self.send_mails(), failed(Job::Mail)),
            restarted(|| self.follow(), failed(Job::Followers)),
            restarted(|| self.sweep_archives(), failed(Job::Archives)),
        );
    }

    async fn fire_and_expire(&self) {
        loop {
            let fired = self.fire_due_timers().await;
            let fired = self.count_or_log(Job::Timers, "due timers could not be fired", fired);
            let deleted = self.forget_expired_answers().await;
            let deleted =
                self.count_or_log(Job::Expiry, "expired idempotency keys could not be deleted", deleted);
            if fired + deleted == 0 {
                tokio::time::sleep(TICK).await;
            }
        }
    }

    async fn sweep_archives(&self) {
        loop {
            let removed = self.remove_old_archives().await;
            self.count_or_log(Job::Archives, "old archives could not be removed", removed);
            tokio::time::sleep(SWEEP_EVERY).await;
        }
    }

    /// Returns how much work a job did. If the job failed, logs and counts the failure, and returns zero.
    fn count_or_log(&self, job: Job, complaint: &str, done: Result<usize, Error>) -> usize {
        done.unwrap_or_else(|error| {
            self.inner().failures.add(job);
            tracing::error!(error = &error as &dyn std::error::Error, "{complaint}");
            0
        })
    }
}

/// Runs a task, and starts it again a while after it panics. Its state is in the store, so a panic leaves none behind.
async fn restarted<F: Future<Output = ()>>(start: impl Fn() -> F, panicked: impl Fn()) {
    while AssertUnwindSafe(start()).catch_unwind().await.is_err() {
        panicked();
        tokio::time::sleep(TICK).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_job_that_panics_starts_again() {
        let (starts, panics) = (Cell::new(0), Cell::new(0));
        let job = || async {
            starts.set(starts.get() + 1);
            assert!(starts.get() > 3, "the job is not ready");
        };
        restarted(job, || panics.set(panics.get() + 1)).await;
        assert_eq!((starts.get(), panics.get()), (4, 3));
    }
}
