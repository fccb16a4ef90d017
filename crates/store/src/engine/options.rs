//! The options that all engines have.

use crate::contract::CommitSummary;

/// How many notifications are kept for a slow subscriber.
pub(crate) const NOTIFICATIONS_MAX: usize = 1024;

/// A function that is called after every commit that records events.
pub(crate) type Observer = Box<dyn Fn(CommitSummary) + Send + Sync>;

pub(crate) struct CommonOptions {
    /// Whether opening fails if there is no store, instead of creating one.
    pub(crate) must_exist: bool,
    pub(crate) observer: Observer,
}

impl Default for CommonOptions {
    fn default() -> Self {
        Self { must_exist: false, observer: Box::new(|_| {}) }
    }
}
