//! How far a copy is, and what came of it.

use crate::error::Error;

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is done now.
    pub step: Step,
    /// How much of it is done.
    pub done: u64,
    /// How many entries all timelines have: an event counts once for its app and once for its user. How much the rest is, is
    /// known only once it was read.
    pub total: u64,
}

/// What a copy does, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Entries of timelines are read and written.
    CopyingEvents,
    /// External identifiers, the platform timeline and rows are.
    CopyingRest,
    /// Entries of timelines are read from both and compared.
    ComparingEvents,
    /// External identifiers, the platform timeline and rows are.
    ComparingRest,
}

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// How many timelines.
    pub timelines: u64,
    /// How many entries of timelines.
    pub entries: u64,
    /// How many rows.
    pub rows: u64,
    /// How many commits of the platform timeline.
    pub commits: u64,
}

/// Why a copy is not made.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The target has something in it that is no part of this copy.
    #[error("the target is not empty: name a store that is not there yet, or the one of an interrupted copy")]
    NotEmpty,
    /// The target has the beginning of a copy of another store.
    #[error(
        "the target has the beginning of a copy of another store: finish that one, or name another target"
    )]
    OtherCopy,
    /// The source is itself a copy that is not finished.
    #[error("the source is a copy that is not finished: finish it first")]
    UnfinishedSource,
    /// There is nothing to copy.
    #[error("the source has nothing in it: is it the right one?")]
    EmptySource,
    /// What was written is not what was read.
    #[error(
        "the copy is not the same: {0}; if the source was used since the copy was begun, copy it to a new target"
    )]
    Differs(String),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] Error),
}
