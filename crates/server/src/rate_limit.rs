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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_is_an_address_or_a_network_of_64_bits() {
        for (one, other, is_same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("2001:db8::1", "2001:db9::1", false),
        ] {
            let [one, other] = [one, other].map(|address| subscriber(address.parse().unwrap()));
            assert_eq!(one == other, is_same, "{one} {other}");
        }
    }

    #[test]
    fn attempts_are_counted_by_subscriber_and_by_name_in_any_case() {
        let attempts = Attempts::per_minute(NonZeroU32::new(2));
        let from = |address: &str, name: &str| attempts.check(Some(address.parse().unwrap()), name).is_ok();
        assert!(from("2001:db8::1", "a") && from("2001:db8::2", "b") && !from("2001:db8::3", "c"));
        assert!(from("192.0.2.1", "jane") && from("192.0.2.2", "Jane") && !from("192.0.2.3", "JANE"));
        assert!(attempts.check(None, "john").is_ok());
    }
}
