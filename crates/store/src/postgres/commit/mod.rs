//! Committing: commands are decided in groups, and each group is written in one transaction.
//!
//! `committer` is the loop. `group` decides commands from the cache and from what `lookup` reads. `read_set` has what a
//! decision read, `effects` what a group read and writes. `write` writes the effects, with `entries` for COPY.

pub(super) mod committer;
pub(super) mod effects;
mod entries;
mod group;
mod lookup;
mod read_set;
pub(super) mod write;
