//! The tables, the encoding of their values, and the advisory locks.

pub(super) mod distribution_key;
mod migration;
pub(super) mod values;

pub(super) use migration::{is_there, migrate};

/// The class of the store's advisory lock, which every process that has the store open holds. The number distinguishes
/// the locks of annals from those of other programs.
pub(super) const LOCK_CLASS: i32 = i32::from_be_bytes(*b"anls");
/// Returns false if another process holds the store's lock exclusively; otherwise no process can take it so before the
/// transaction ends.
pub(super) const FENCE: &str = "SELECT pg_try_advisory_xact_lock_shared($1, hashtext(current_schema()))";
/// The class of the advisory lock that a process holds while it numbers commits.
pub(super) const NUMBERING_LOCK_CLASS: i32 = LOCK_CLASS + 2;
/// The class of the advisory lock that a commit over Citus holds, shared or exclusively, until it is visible on all
/// workers.
pub(super) const COMMIT_LOCK_CLASS: i32 = LOCK_CLASS + 1;
pub(super) const LOCK_COMMITS_EXCLUSIVELY: &str =
    "SELECT pg_advisory_xact_lock($1, hashtext(current_schema()))";
