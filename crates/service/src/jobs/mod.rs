//! Background jobs: due timers, mail, and expired idempotency keys.
//!
//! Timers, mails and keys are rows of the store until a job has handled them. So nothing is lost when the process ends.

mod expiry;
mod failures;
mod outbox;
mod smtp;
mod timers;

use std::time::Duration;

use crate::{Error, Service};

pub(crate) use failures::{Failures, Job};
pub use outbox::OutboxLoad;
pub(crate) use smtp::Mailer;

/// How often a job looks for work when nothing wakes it earlier.
const TICK: Duration = Duration::from_secs(5);

impl Service {
    /// Runs the background jobs and the followers until the future is dropped.
    pub async fn work(self) {
        // Side by side, so that a mail server that does not respond delays neither timers nor followers.
        tokio::join!(self.fire_and_expire(), self.send_mails(), self.follow());
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

    /// Returns how much work a job did. If the job failed, logs and counts the failure, and returns zero.
    fn count_or_log(&self, job: Job, complaint: &str, done: Result<usize, Error>) -> usize {
        done.unwrap_or_else(|error| {
            self.inner().failures.add(job);
            tracing::error!(error = &error as &dyn std::error::Error, "{complaint}");
            0
        })
    }
}
