//! The tables, the encoding of their values, and the advisory locks.

pub(super) mod distribution_key;
mod migration;
pub(super) mod values;

pub(super) use migration::{is_there, migrate};

/// The advisory lock of the store, held by every process that has it open. The number distinguishes annals' locks from
/// those of other programs.
pub(super) const LOCK_CLASS: i32 = i32::from_be_bytes(*b"anls");
/// The advisory lock held while numbering commits.
pub(super) const NUMBERING_LOCK_CLASS: i32 = LOCK_CLASS + 2;
/// The advisory lock that commits over Citus hold, shared or exclusively, until they are visible on all workers.
pub(super) const COMMIT_LOCK_CLASS: i32 = LOCK_CLASS + 1;
pub(super) const LOCK_COMMITS_EXCLUSIVELY: &str =
    "SELECT pg_advisory_xact_lock($1, hashtext(current_schema()))";
