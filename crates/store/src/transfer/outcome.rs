//! The progress of a copy, and its outcome.

use crate::error::Error;

/// The progress of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The current step.
    pub step: Step,
    /// How many items the step has processed. The items are timeline entries in the steps on events, and external
    /// identifiers, commits and rows in the steps on the rest.
    pub done: u64,
    /// How many entries all timelines have; an event counts once for its app and once for its user. The number of other
    /// items is not known in advance.
    pub total: u64,
}

/// The steps of a copy, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Copies the entries of timelines.
    CopyingEvents,
    /// Copies external identifiers, the platform timeline and rows.
    CopyingRest,
    /// Compares the entries of timelines in both stores.
    ComparingEvents,
    /// Compares external identifiers, the platform timeline and rows in both stores.
    ComparingRest,
}

/// The size of a finished copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// The number of timelines.
    pub timelines: u64,
    /// The number of timeline entries; an event counts once for its app and once for its user.
    pub entries: u64,
    /// The number of rows.
    pub rows: u64,
    /// The number of commits on the platform timeline.
    pub commits: u64,
}

/// Why a copy failed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The target has data that does not come from this copy.
    #[error("the target is not empty: name a store that does not exist yet, or that of an interrupted copy")]
    NotEmpty,
    /// The target is an unfinished copy of another store.
    #[error("the target is an unfinished copy of another store: finish that copy, or name another target")]
    OtherCopy,
    /// The source is itself an unfinished copy.
    #[error("the source is a copy that is not finished: finish it first")]
    UnfinishedSource,
    /// The source is empty.
    #[error("the source is empty: check its path or address")]
    EmptySource,
    /// The comparison found a difference.
    #[error(
        "the copy differs from its source: {0}; if the source has changed since, copy it to a new target"
    )]
    Differs(String),
    /// One of the stores failed.
    #[error(transparent)]
    Store(#[from] Error),
}
