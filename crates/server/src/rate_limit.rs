//! How fast a user's requests may come.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use annals_model::UserId;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use crate::error::ApiError;

/// After how many requests users are forgotten who have all their requests left.
const REQUESTS_PER_SWEEP: u32 = 10_000;

/// A bucket per user: a minute's requests at once, then one whenever its share of a minute has passed.
pub(crate) struct RateLimit {
    limiter: DefaultKeyedRateLimiter<UserId>,
    clock: DefaultClock,
    since_sweep: AtomicU32,
}

impl RateLimit {
    pub(crate) fn per_minute(requests: NonZeroU32) -> Self {
        Self {
            limiter: DefaultKeyedRateLimiter::dashmap(Quota::per_minute(requests)),
            clock: DefaultClock::default(),
            since_sweep: AtomicU32::new(0),
        }
    }

    /// Counts a request of that user, or refuses it.
    pub(crate) fn check(&self, user: UserId) -> Result<(), ApiError> {
        if self.since_sweep.fetch_add(1, Ordering::Relaxed) == REQUESTS_PER_SWEEP {
            self.since_sweep.store(0, Ordering::Relaxed);
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&user).map_err(|refused| {
            let wait: Duration = refused.wait_time_from(self.clock.now());
            ApiError::TooMany { retry_after_seconds: wait.as_secs() + 1 }
        })
    }
}
