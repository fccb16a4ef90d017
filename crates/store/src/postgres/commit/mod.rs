//! Committing: commands are decided in groups, and each group is written in one transaction.

pub(super) mod committer;
pub(super) mod effects;
mod entries;
mod group;
mod lookup;
mod read_set;
pub(super) mod write;
