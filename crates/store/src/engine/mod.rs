//! What the engines share.

pub(crate) mod checkpoint;
mod group;
pub(crate) mod leb128;
mod options;
pub(crate) mod platform;
mod queue;
mod rows;

pub(crate) use group::{GroupSize, decide};
pub(crate) use options::{CommonOptions, NOTIFICATIONS_MAX, Observer};
pub(crate) use queue::{CommitQueue, Job, Pending};
pub(crate) use rows::{read_key, read_row};
