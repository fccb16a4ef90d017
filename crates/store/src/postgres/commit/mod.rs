//! Committing: commands are decided in groups, and each group is written in one transaction.
//!
//! `committer` drives it; `group` decides, from the cache and from what `lookup` reads; `read_set` has what a decision
//! read, and `effects` what a group writes; `write` writes it, with `entries` for COPY.

pub(super) mod committer;
pub(super) mod effects;
mod entries;
mod group;
mod lookup;
mod read_set;
pub(super) mod write;
