//! Connections: the committer's own, those that readers share, and the one that holds the store's lock.

pub(super) mod address;
pub(super) mod presence;
pub(super) mod read_pool;
pub(super) mod session;
pub(super) mod tls;
