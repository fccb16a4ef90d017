//! The options that all engines have.

use crate::contract::CommitSummary;

/// How many notifications are kept for a slow subscriber.
pub(crate) const NOTIFICATIONS_MAX: usize = 1024;

/// Called after every commit.
pub(crate) type Observer = Box<dyn Fn(CommitSummary) + Send + Sync>;

pub(crate) struct CommonOptions {
    /// Whether to open only an existing store, and create none.
    pub(crate) is_existing: bool,
    pub(crate) observer: Observer,
}

impl Default for CommonOptions {
    fn default() -> Self {
        Self { is_existing: false, observer: Box::new(|_| {}) }
    }
}
