//! Connections: the committer's own, the pool for reads, and the one that holds the store's lock.

pub(super) mod address;
pub(super) mod presence;
pub(super) mod read_pool;
pub(super) mod session;
pub(super) mod tls;
