//! The background jobs, and how often each has failed.

use std::sync::atomic::{AtomicU64, Ordering};

/// A job that runs in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Fires due timers.
    Timers,
    /// Deletes expired idempotency keys.
    Expiry,
    /// Sends mail.
    Mail,
    /// Gives events to followers.
    Followers,
    /// Removes old archives.
    Archives,
}

impl Job {
    const ALL: [Self; 5] = [Self::Timers, Self::Expiry, Self::Mail, Self::Followers, Self::Archives];

    const fn name(self) -> &'static str {
        match self {
            Self::Timers => "timers",
            Self::Expiry => "expiry",
            Self::Mail => "mail",
            Self::Followers => "followers",
            Self::Archives => "archives",
        }
    }
}

/// Counts of failures by job, since the process started.
#[derive(Debug, Default)]
pub(crate) struct Failures([AtomicU64; Job::ALL.len()]);

impl Failures {
    pub(crate) fn add(&self, job: Job) {
        self.0[job as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns each job's name and how often it failed.
    pub(crate) fn by_job(&self) -> Vec<(&'static str, u64)> {
        Job::ALL.map(|job| (job.name(), self.0[job as usize].load(Ordering::Relaxed))).to_vec()
    }
}
