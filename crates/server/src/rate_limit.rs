//! How fast requests may come: those of a user, and those of whoever tries to sign in.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use crate::error::ApiError;

/// After how many requests users are forgotten who have all their requests left.
const REQUESTS_PER_SWEEP: u32 = 10_000;

/// A bucket per key: a minute's requests at once, then one whenever its share of a minute has passed.
pub(crate) struct RateLimit<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    since_sweep: AtomicU32,
}

impl<K: Hash + Eq + Clone> RateLimit<K> {
    pub(crate) fn per_minute(requests: NonZeroU32) -> Self {
        Self {
            limiter: DefaultKeyedRateLimiter::dashmap(Quota::per_minute(requests)),
            clock: DefaultClock::default(),
            since_sweep: AtomicU32::new(0),
        }
    }

    /// Counts a request with that key, or refuses it.
    pub(crate) fn check(&self, key: K) -> Result<(), ApiError> {
        if self.since_sweep.fetch_add(1, Ordering::Relaxed) == REQUESTS_PER_SWEEP {
            self.since_sweep.store(0, Ordering::Relaxed);
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&key).map_err(|refused| {
            let wait: Duration = refused.wait_time_from(self.clock.now());
            ApiError::TooMany { retry_after_seconds: wait.as_secs() + 1 }
        })
    }
}

/// Attempts to sign in, or to get back in: counted by where they come from and by whom they are about, since either can
/// be the same while the other changes.
pub(crate) struct Attempts {
    by_address: Option<RateLimit<IpAddr>>,
    by_name: Option<RateLimit<String>>,
}

impl Attempts {
    pub(crate) fn per_minute(attempts: Option<NonZeroU32>) -> Self {
        Self { by_address: attempts.map(RateLimit::per_minute), by_name: attempts.map(RateLimit::per_minute) }
    }

    /// Counts an attempt, or refuses it.
    pub(crate) fn check(&self, address: Option<IpAddr>, name: &str) -> Result<(), ApiError> {
        const NAME_CHARS: usize = 254;
        if let (Some(limit), Some(address)) = (&self.by_address, address) {
            limit.check(whose(address))?;
        }
        match &self.by_name {
            Some(limit) => limit.check(name.chars().take(NAME_CHARS).collect::<String>().to_lowercase()),
            None => Ok(()),
        }
    }
}

/// What addresses of one subscriber have in common: of IPv6, who has one has all of its /64.
fn whose(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}
