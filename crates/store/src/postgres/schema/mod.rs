//! The tables, what is written in them, and the locks beside them.

pub(super) mod distribution_key;
mod migration;
pub(super) mod values;

pub(super) use migration::{is_there, migrate};

/// Which lock whoever has the store open holds. It tells annals' locks from others'.
pub(super) const LOCK_CLASS: i32 = i32::from_be_bytes(*b"anls");
/// Which lock whoever numbers commits holds.
pub(super) const NUMBERING_LOCK_CLASS: i32 = LOCK_CLASS + 2;
/// Which lock commits hold over Citus, together or alone, until they are in view everywhere.
pub(super) const COMMIT_LOCK_CLASS: i32 = LOCK_CLASS + 1;
pub(super) const LOCK_COMMITS_EXCLUSIVELY: &str =
    "SELECT pg_advisory_xact_lock($1, hashtext(current_schema()))";
