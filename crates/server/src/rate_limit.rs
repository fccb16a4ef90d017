//! Rate limits: on requests per user, and on attempts of callers who are not signed in.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

use crate::error::ApiError;

/// The number of requests between two sweeps. A sweep forgets keys whose bucket is full.
const REQUESTS_PER_SWEEP: u32 = 10_000;

/// A token bucket per key: it holds a minute's requests and refills evenly.
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

    /// Counts a request of a key.
    ///
    /// # Errors
    ///
    /// [`ApiError::TooMany`] if the key's bucket is empty.
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

/// Limits attempts to sign in, register oneself, reset a password or unlock an account, and attempts of add-on providers.
/// They are counted by address and by account, since an attacker can vary either.
pub(crate) struct Attempts {
    by_address: Option<RateLimit<IpAddr>>,
    by_name: Option<RateLimit<String>>,
}

impl Attempts {
    pub(crate) fn per_minute(attempts: Option<NonZeroU32>) -> Self {
        Self { by_address: attempts.map(RateLimit::per_minute), by_name: attempts.map(RateLimit::per_minute) }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    ///
    /// [`ApiError::TooMany`] if there were too many from this address or for this account.
    pub(crate) fn check(&self, address: Option<IpAddr>, name: &str) -> Result<(), ApiError> {
        const NAME_CHARS: usize = 254;
        if let (Some(limit), Some(address)) = (&self.by_address, address) {
            limit.check(subscriber(address))?;
        }
        match &self.by_name {
            Some(limit) => limit.check(name.chars().take(NAME_CHARS).collect::<String>().to_lowercase()),
            None => Ok(()),
        }
    }
}

/// Returns what the addresses of one internet subscriber have in common: an IPv6 subscriber has a whole /64.
fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}
