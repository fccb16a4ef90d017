//! A clock that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use annals_model::Time;
use annals_service::Clock;

/// A clock that stands still until it is advanced. Clones share their time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Returns a clock that stands at that time.
    pub fn at(time: Time) -> Self {
        Self(Arc::new(AtomicU64::new(time.as_millis())))
    }

    /// Lets time pass. Only whole milliseconds count.
    pub fn advance(&self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).expect("tests do not wait that long");
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::Relaxed))
    }
}
